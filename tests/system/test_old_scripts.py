"""What people have in their fingers and in old scripts: completion, rsm.exe's switches, one object a line."""
import json
import os
import re
import subprocess
import time

from harness import BUILD, RSM, TOP, expect, places, read_file, rsm_xattr, test, wait_until, write_file


def complete(mount, *words):
    """What bash offers for the last of the words."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rsm; '
              '[[ ${#COMPREPLY[@]} -eq 0 ]] || printf "%s\\n" "${COMPREPLY[@]}"')
    env = dict(os.environ, PATH=f"{BUILD}/fs:{os.environ['PATH']}", RSM_MOUNT=mount.point)
    result = subprocess.run(["bash", "-c", script, "bash", f"{TOP}/fs/rsm.bash", "rsm", *words],
                            capture_output=True, text=True, env=env, timeout=60)
    expect(not result.stderr, f"completion of {words}", result.stderr)
    return result.stdout.splitlines()


@test()
def bash_completes_pools_media_and_drives(bench):
    mount = bench.mount(bench.library())
    mount.rsm("createpool", "Archive")
    mount.rsm("createpool", "Old films")
    mount.rsm("allocate", "Archive/reel 1", "--medium", "A00003L8")
    expect("allocate" in complete(mount, "al"), "verbs", complete(mount, "al"))
    expect("--json" in complete(mount, "--js"), "options of all verbs")
    expect(complete(mount, "allocate", "Arch") == ["Archive"], "pools", complete(mount, "allocate", "Arch"))
    expect(complete(mount, "allocate", "Ol") == ["Old\\ films"], "blanks", complete(mount, "allocate", "Ol"))
    expect("Archive/reel\\ 1" in complete(mount, "mount", "Archive/"), "media by path")
    expect(complete(mount, "mount", "A00003") == ["A00003L8"], "media by barcode")
    expect(complete(mount, "mount", "--drive", "25") == ["256", "257"], "drives")
    expect("--priority" in complete(mount, "mount", "--p"), "options of a verb")
    expect("drive:257" in complete(mount, "dismount", "drive"), "dismount drive:N")
    # bash parts words at colons, and puts what is offered behind the last of them
    expect(complete(mount, "dismount", "drive", ":", "25") == ["256", "257"], "behind a colon",
           complete(mount, "dismount", "drive", ":", "25"))
    expect("uses=" in complete(mount, "set", "library", ":", "1", "us"), "the word behind one with a colon")
    expect("media-types" in complete(mount, "view", "me"), "kinds of objects")
    expect(complete(mount, "set", "comp") == ["computer"], "what can be set")
    expect("keep_items=" in complete(mount, "set", "computer", "keep_i"), "keys")
    number = mount.rsm("requests", "ask", "x").stdout.strip()
    expect(complete(mount, "requests", "satisfy", "") == [number], "operator requests")
    expect("purge" in complete(mount, "queue", "pu"), "what queue can do")


@test()
def a_script_of_rsm_exe_runs(bench):
    """A night's backup as it was written for Windows, but for the drive letter."""
    library = bench.library()
    mount = bench.mount(library)

    def rsm(*words, ok=True):
        result = bench.run(RSM, "-m", mount.point, *words, check=False)
        expect((result.returncode == 0) == ok, f"{words}: {result.returncode}", result.stderr)
        return result.stdout if ok else result.stderr

    rsm("createpool", "/mBackup", "/aalways", "/d", "/r")
    rsm("CREATEPOOL", "/MBackup", "/AALWAYS", "/D", "/R")
    lmid = rsm("allocate", "/mBackup", "/lnmonday", "/oerrunavail", "/ldof Mondays", "/b").strip()
    expect(lmid == rsm_xattr(mount / "Backup/monday", "lmid"), f"/b printed {lmid!r}")
    rsm("mount", "/lg{" + lmid.upper() + "}", "/owrite", "/rnormal", "/t60000")
    barcode = rsm_xattr(mount / "Backup/monday", "barcode")
    expect(places(library)[barcode].startswith("drives/"), "it is not mounted")
    write_file(mount / "Backup/monday/f", b"of Monday")
    expect(barcode in rsm("view", "/tdrive"), "view /tdrive")
    expect(lmid in rsm("view", "/tlogical_media", "/guiddisplay", "/b").splitlines(), "/guiddisplay /b")
    expect("Backup" in rsm("view", "/tMEDIA_POOL", "/b").splitlines(), "/b is terse")
    rsm("dismount", "/lfmonday")
    wait_until("it went home", lambda: places(library)[barcode].startswith("slots/"), 20)
    expect(read_file(mount / "Backup/monday/f") == b"of Monday", "the file")
    rsm("rename", "/tlogical_media", "/ofmonday", "/nfriday")
    rsm("refresh", f"/pf{barcode}")
    rsm("inventory", "/l1", "/afast")
    rsm("deallocate", "/lfBackup\\friday", ok=False)  # it holds a file
    rsm("rename", "/tlogical_media", "/ofBackup/friday", "/nsunday", "/dof Sundays")
    expect("of Sundays" in rsm("view", "/tlogical_media"), "a description beside the name")
    rsm("rename", "/ofBackup/sunday", "/nfriday")
    os.unlink(mount / "Backup/friday/f")
    rsm("deallocate", "/lffriday")
    rsm("deletepool", "/mBackup")
    expect("gone" in rsm("ejectatapi", "/n0", ok=False), "the reason")
    result = bench.run(RSM, "-m", mount.point, "allocate", "/mBackup", "/q1", check=False)
    expect(result.returncode == 2 and "/q1" in result.stderr, "wrong usage", result.stderr)


@test()
def events_follow_as_objects(bench):
    """events NAME... --follow --json: an object a line, as they come."""
    mount = bench.mount(bench.library())
    follower = subprocess.Popen([RSM, "-m", mount.point, "--json", "events", "request", "allocate", "--follow"],
                                stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.5)
        os.makedirs(mount / "P/a")
        mount.rsm("mount", "P/a")
        mount.rsm("requests", "ask", 'a "b"\\')
        lines = [json.loads(follower.stdout.readline()) for _ in range(2)]
        expect(lines[0]["event"] == "allocate" and lines[0]["medium"] == rsm_xattr(mount / "P/a", "barcode"), lines)
        expect((lines[1]["event"], lines[1]["kind"], lines[1]["text"]) == ("request", "message", 'a "b"\\'), lines)
        expect(re.match(r"\d{4}-", lines[0]["time"]), lines)
    finally:
        follower.terminate()
        follower.wait(10)
    kept = json.loads(mount.rsm("--json", "events", "request").stdout)["events"]
    expect([e["event"] for e in kept] == ["request"], kept)


@test()
def exit_codes_are_three(bench):
    """0 done, 1 failed with one line, 2 wrong usage."""
    mount = bench.mount(bench.library())
    for code, words in ((0, ["view"]), (0, ["help", "view"]), (0, ["queue"]), (0, ["--version"]),
                        (1, ["mount", "nothing"]), (1, ["view", "media", "nothing"]), (1, ["ui", "/a"]),
                        (1, ["set", "Free/LTO-8", "limit=1"]), (1, ["requests", "wait", "99"]),
                        (2, ["nonsense"]), (2, ["view", "--nonsense"]), (2, ["allocate"]), (2, []),
                        (2, ["freemedia"]), (2, ["swap", "a"]), (2, ["mount", "x", "--drive", "y"])):
        result = bench.run(RSM, "-m", mount.point, *words, check=False)
        expect(result.returncode == code, f"{words}: {result.returncode} instead of {code}", result.stderr)
        if code == 1:
            expect(len(result.stderr.splitlines()) == 1 and result.stderr.startswith("rsm: "), result.stderr)
