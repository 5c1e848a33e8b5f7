"""The man pages say what there is: NTMS and rsm.exe row by row, every verb, every option."""
import os
import re
import subprocess

from harness import BUILD, RSM, TOP, expect, test

# Of ntmsapi.h and ntmsmli.h (A and W forms are one).
FUNCTIONS = """
OpenNtmsSession CloseNtmsSession GetNtmsObjectInformation SetNtmsObjectInformation EnumerateNtmsObject
GetNtmsObjectAttribute SetNtmsObjectAttribute GetNtmsObjectSecurity SetNtmsObjectSecurity EnableNtmsObject
DisableNtmsObject AllocateNtmsMedia DeallocateNtmsMedia MountNtmsMedia DismountNtmsMedia SwapNtmsMedia
MoveToNtmsMediaPool SetNtmsMediaComplete DecommissionNtmsMedia CreateNtmsMedia DeleteNtmsMedia
CreateNtmsMediaPool DeleteNtmsMediaPool GetNtmsMediaPoolName AddNtmsMediaType DeleteNtmsMediaType
ChangeNtmsMediaType AccessNtmsLibraryDoor EjectNtmsMedia InjectNtmsMedia InventoryNtmsLibrary IdentifyNtmsSlot
UpdateNtmsOmidInfo CancelNtmsLibraryRequest GetNtmsRequestOrder SetNtmsRequestOrder DeleteNtmsRequests
DismountNtmsDrive DeleteNtmsDrive DeleteNtmsLibrary CleanNtmsDrive ReserveNtmsCleanerSlot
ReleaseNtmsCleanerSlot InjectNtmsCleaner EjectNtmsCleaner BeginNtmsDeviceChangeDetection
SetNtmsDeviceChangeDetection EndNtmsDeviceChangeDetection ExportNtmsDatabase ImportNtmsDatabase
OpenNtmsNotification WaitForNtmsNotification CloseNtmsNotification SubmitNtmsOperatorRequest
WaitForNtmsOperatorRequest SatisfyNtmsOperatorRequest CancelNtmsOperatorRequest GetNtmsUIOptions
SetNtmsUIOptions GetVolumesFromDrive EjectDiskFromSADrive ClaimMediaLabel ClaimMediaLabelEx MaxMediaLabel
GetNtmsDeviceName GetNtmsMountDrives OpenNtmsServerSession GetNtmsServerObjectInformation
SetNtmsServerObjectInformation
""".split()

OLD_VERBS = """allocate createpool deallocate deletepool dismount eject ejectatapi erase freemedia inventory mount
refresh rename ui view""".split()


def page(name):
    with open(os.path.join(TOP, "fs", name)) as f:
        return f.read()


def plain(text):
    """Without the marks of roff, bold kept as `...`."""
    text = re.sub(r"\\fB(.*?)\\fR", r"`\1`", text)
    return text.replace("\\-", "-").replace("\\e", "\\").replace("\n.br\n", " ").replace("\n", " ")


def table(text, heading):
    """The rows of the table in a section of rsm(7), cells as plain text."""
    section = text.split(f".SH {heading}\n")[1].split("\n.SH ")[0]
    body = section.split("_\n", 1)[1].split(".TE")[0]
    body = re.sub(r"T\{\n\.na\n(.*?)\nT\}", lambda m: plain(m[1]), body, flags=re.S)
    return [line.split("|") for line in body.strip().splitlines()]


def help_of(verb):
    result = subprocess.run([RSM, "help", verb], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else None


def check_cell(name, cell):
    if "not applicable" in cell:
        expect(re.search(r"not applicable: \w.{10,}", cell), f"{name} is not applicable, and does not say why", cell)
    # `rsm VERB`, and the options that follow it
    for verb, rest in re.findall(r"`rsm ([a-z]+)`([^`;]*)", cell):
        known = help_of(verb)
        expect(known, f"{name}: there is no rsm {verb}")
        for option in re.findall(r"--[a-z-]+", rest):
            expect(option == "--json" or option in known, f"{name}: rsm {verb} has no {option}", known)
        word = re.match(r" ([a-z]+) ?[A-Z]*", rest)
        if word and verb in ("queue", "requests", "door"):
            expect(word[1] in known, f"{name}: rsm {verb} has no '{word[1]}'", known)
        for key in re.findall(r"\b([a-z_]+)=", rest) if verb == "set" else ():
            expect(f'"{key}"' in page("control_set.c"), f"{name}: rsm set knows no {key}=")
        if "drive:N" in rest and verb != "set":
            expect("drive:N" in known or "OBJECT" in known, f"{name}: rsm {verb} takes no drive:N", known)
    for function in re.findall(r"\b(rsm_\w+)\(\)", cell):
        expect(function in exported(), f"{name}: librsm has no {function}")


def exported():
    with open(os.path.join(BUILD, "fs/librsm/librsm.so"), "rb") as f:
        return set(re.findall(r"rsm_[a-z_]+", f.read().decode("latin1")))


@test(mounts=False)
def every_ntms_function_has_its_row(bench):
    """rsm(7): each function, and what stands for it exists."""
    rows = table(page("rsm.7"), "EVERY FUNCTION OF NTMSAPI.H")
    named = [name for row in rows for name in row[0].split(", ")]
    missing = [f for f in FUNCTIONS if f not in named]
    expect(not missing, "functions without a row", missing)
    expect(len(named) == len(set(named)), "a function has two rows")
    for row in rows:
        check_cell(row[0], row[1])


@test(mounts=False)
def every_verb_of_rsm_exe_has_its_row(bench):
    rows = table(page("rsm.7"), "EVERY VERB OF RSM.EXE")
    expect([row[0] for row in rows] == OLD_VERBS, "the verbs of rsm.exe", [row[0] for row in rows])
    for verb, _, cell in rows:
        expect(help_of(verb), f"rsm help does not know {verb}")
        check_cell(verb, cell)
        if "not applicable" in cell:
            result = subprocess.run([RSM, verb, "/x"], capture_output=True, text=True)
            expect(result.returncode == 1 and "not applicable: " in result.stderr, result.stderr)


def verbs():
    text = subprocess.run([RSM, "help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  ([a-z]+) ", text, re.M)


@test(mounts=False)
def every_verb_and_option_is_in_the_manual(bench):
    """rsm(8) has what `rsm help` has, and bash completes it."""
    manual, completion = plain(page("rsm.8")), page("rsm.bash")
    expect(len(verbs()) > 30, "rsm help lists the verbs", verbs())
    for verb in verbs():
        expect(re.search(rf"`?\b{verb}\b", manual), f"rsm {verb} is not in rsm(8)")
        for option in re.findall(r"^  --([a-z-]+)", help_of(verb), re.M):
            expect(f"--{option}" in manual, f"rsm {verb} --{option} is not in rsm(8)")
    takes_names = set(verbs()) - {"events", "inject", "help", "library", "wait", "export"}
    for verb in takes_names:
        expect(re.search(rf"\b{verb}\b", completion), f"bash does not complete what follows rsm {verb}")


@test(mounts=False)
def every_option_of_rsmfs_is_in_the_manual(bench):
    text = subprocess.run([os.path.join(BUILD, "fs/rsmfs"), "--help"], capture_output=True, text=True, check=True).stdout
    manual = plain(page("rsmfs.8"))
    options = re.findall(r"(?:-o |,)([a-z_]+)=?", text)
    expect(len(options) > 20, "rsmfs --help lists the options", options)
    for option in options:
        expect(re.search(rf"\b{option}\b", manual), f"-o {option} is not in rsmfs(8)")


@test(mounts=False)
def every_event_is_in_the_manual(bench):
    """rsm(8) names the events that the sources make, and rsm events takes them."""
    manual = plain(page("rsm.8")).split(".SH EVENTS")[1].split(".SH ")[0]
    names = set()
    for folder in ("core", "fs"):
        for path, _, files in os.walk(os.path.join(TOP, folder)):
            for file in files:
                if file.endswith(".c"):
                    with open(os.path.join(path, file)) as f:
                        names |= set(re.findall(r"rsm_event_add\([^,\"]+,\s*\"([a-z_-]+)\"", f.read()))
    expect(len(names) > 15, "events in the sources", names)
    missing = sorted(n for n in names if not re.search(rf"\b{n}\b", manual))
    expect(not missing, "events that rsm(8) does not name", missing)
    for name in sorted(names):
        expect("there is no event" not in subprocess.run([RSM, "-m", "/", "events", name], capture_output=True,
                                                         text=True).stderr, f"rsm events {name}")
    bad = subprocess.run([RSM, "-m", "/", "events", "request", "requst"], capture_output=True, text=True)
    expect(bad.returncode == 2 and "there is no event 'requst'" in bad.stderr, bad.stderr)
