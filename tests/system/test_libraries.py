"""Libraries: several in one mount, ports, doors, cleaning, and drives that a person feeds."""
import errno
import json
import os
import subprocess
import time

from harness import (RSM, cartridge_folder, expect, expect_errno, places, random_bytes, read_file, rsm_xattr, test,
                     wait_until, write_file)


def rows(mount, *args):
    """What a table of `rsm --json` tells, as a list."""
    data = json.loads(mount.rsm("--json", *args).stdout)
    return next(iter(data.values())) if isinstance(data, dict) else data


@test()
def several_libraries_share_the_pools_of_one_mount(bench):
    one = bench.library("one", drives=1, slots=4, ports=2, cartridges=1, capacity="200M")
    two = bench.library("two", drives=1, slots=4, ports=2, cartridges=3, capacity="200M")
    for barcode, place in places(two).items():
        os.rename(os.path.join(two, place, barcode),
                  os.path.join(two, place, barcode.replace("A", "B")))
    mount = bench.mount(one, options=f"library={two}")
    os.mkdir(mount / "Backup")
    data = {}
    for name in ("a", "b", "c"):
        os.mkdir(mount / f"Backup/{name}")
        data[name] = random_bytes(100_000, ord(name))
        write_file(mount / f"Backup/{name}/file", data[name])
    mount.rsm("sync")
    barcodes = {name: rsm_xattr(mount / f"Backup/{name}", "barcode") for name in data}
    expect(sorted(b[0] for b in barcodes.values()) == ["A", "B", "B"], "the pool spans both", barcodes)
    for name in data:
        mount.rsm("mount", f"Backup/{name}", "--drive", "256", "--timeout", "20")
        home = one if barcodes[name][0] == "A" else two
        expect(places(home)[barcodes[name]] == "drives/256", "in a drive of its own library", places(home))
        mount.rsm("dismount", f"Backup/{name}")

    libraries = rows(mount, "view", "libraries")
    expect([x["source"] for x in libraries] == [one, two], "view libraries names both", libraries)
    for what in ("drives", "slots"):
        expect({x["source"] for x in rows(mount, "view", what)} == {one, two}, f"view {what} names the library")
        expect(two in mount.rsm("view", what).stdout, f"the table of {what} as well")

    # one number, two drives: which is meant has to be said
    result = mount.rsm("disable", "drive", "256", check=False)
    expect(result.returncode == 1 and "several libraries" in result.stderr, result.stderr)
    mount.rsm("disable", "drive", f"{two}:256")
    states = {x["source"]: x["state"] for x in rows(mount, "view", "drives")}
    expect(states[two] == "disabled" and states[one] != "disabled", "the one that was named", states)
    mount.rsm("enable", "drive", f"{libraries[1]['id']}:256")

    # each of them is locked
    result = bench.rsmfs(two, bench.path("elsewhere"), check=False)
    expect(result.returncode == 1 and mount.point in result.stderr, result.stderr)

    # state is with the first; without the other its cartridges are off-line, names and trees stay
    mount.unmount()
    mount = bench.mount(one)
    for name in data:
        there = barcodes[name][0] == "A"
        expect(os.listdir(mount / f"Backup/{name}") == ["file"], "listed in any case")
        expect(rsm_xattr(mount / f"Backup/{name}", "location").startswith("slot") == there, name)
    mount.unmount()
    mount = bench.mount(one, options=f"library={two}")
    for name in data:
        expect(read_file(mount / f"Backup/{name}/file") == data[name], name)


@test()
def cartridges_leave_in_loads_and_doors_are_locked_and_opened(bench):
    library = bench.library(drives=2, slots=8, ports=2, cartridges=5, capacity="200M")
    mount = bench.mount(library)
    os.mkdir(mount / "Backup")
    os.mkdir(mount / "Backup/monday")
    write_file(mount / "Backup/monday/file", b"bytes")
    mount.rsm("sync")
    mine = rsm_xattr(mount / "Backup/monday", "barcode")
    others = sorted(b for b in places(library) if b.startswith("A") and b != mine)[:2]

    ejecting = subprocess.Popen([RSM, "-m", mount.point, "eject", "Backup/monday", *others], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until("a person is asked to empty the ports",
               lambda: any(x["kind"] == "message" for x in rows(mount, "view", "requests")))
    expect(any(x["kind"] == "eject" and x["state"] == "waiting" for x in rows(mount, "view", "queue")), "it is queued")
    with open(mount / "Backup/monday/file", "rb") as f:
        expect_errno(errno.ENOMEDIUM, os.pread, f.fileno(), 100, 0)
    expect(places(library)[others[1]].startswith("slots"), "the third waits")
    taken = next(b for b, place in places(library).items() if place.startswith("ports"))
    os.rename(cartridge_folder(library, taken), os.path.join(library, "shelf", taken))
    expect(ejecting.wait(20) == 0, "then it goes", ejecting.stdout.read())
    expect(places(library)[others[1]].startswith("ports"), "to the port that is free")
    expect(not any(x["kind"] == "message" for x in rows(mount, "view", "requests")), "nothing is asked any more")
    result = mount.rsm("eject", "--cancel", others[1])
    # its label may be read first
    wait_until(result.stdout, lambda: places(library)[others[1]].startswith("slots"))

    # in again, through any port, to any slot: the same cartridge
    lmid = rsm_xattr(mount / "Backup/monday", "lmid")
    if taken == mine:
        os.rename(os.path.join(library, "shelf", mine), os.path.join(library, "ports/10", mine))
    mount.rsm("inject", "--timeout", "10")
    wait_until("it is back", lambda: rsm_xattr(mount / "Backup/monday", "location").startswith("slot"))
    expect(read_file(mount / "Backup/monday/file") == b"bytes", "with its contents")
    expect(rsm_xattr(mount / "Backup/monday", "lmid") == lmid, "and its LMID")

    mount.rsm("door", "lock")
    expect(rows(mount, "view", "libraries")[0]["door"] == "locked", "locked")
    expect(os.path.exists(os.path.join(library, "LOCKED")), "and shut")
    mount.rsm("door", "unlock", "--inventory", "fast")
    expect(not any(p.startswith("drives") for p in places(library).values()), "the drives are empty")
    write_file(os.path.join(library, "OPEN"), b"")
    wait_until("it is seen", lambda: rows(mount, "view", "libraries")[0]["door"] == "open")
    result = mount.rsm("mount", "Backup/monday", "--nowait", check=False, timeout=5)
    expect(result.returncode == 1 and "the door of" in result.stderr, "who does not wait does not", result.stderr)
    os.rename(os.path.join(library, "slots/1008"), os.path.join(library, "shelf/magazine"))
    os.remove(os.path.join(library, "OPEN"))
    wait_until("it is closed", lambda: rows(mount, "view", "libraries")[0]["door"] == "unlocked")
    wait_until("the magazine is missed", lambda: {x["element"]: x["state"] for x in rows(mount, "view", "slots")}[1008]
               == "not-present")


def drive(mount, element=256):
    return next(x for x in rows(mount, "view", "drives") if x["element"] == element)


@test()
def drives_are_cleaned_when_they_ask_and_what_is_disabled_fails(bench):
    library = bench.library(drives=1, slots=8, ports=1, cartridges=3, capacity="200M")
    with open(os.path.join(library, "library.conf"), "a") as f:
        f.write("clean_after = 3\ncleanings = 1\n")
    mount = bench.mount(library, options="autoclean")
    # the cartridges were looked at when it was mounted: that made three loads
    wait_until("it is cleaned by itself", lambda: drive(mount)["cleaned"] and not drive(mount)["unclean"])
    os.mkdir(mount / "Backup")
    for name in ("a", "b"):
        os.mkdir(mount / f"Backup/{name}")
        write_file(mount / f"Backup/{name}/file", name.encode())
    mount.rsm("sync")
    for i in range(4):
        mount.rsm("mount", f"Backup/{'ab'[i % 2]}")
        mount.rsm("dismount", f"Backup/{'ab'[i % 2]}")
    wait_until("a cleaning cartridge is asked for, this one is spent",
               lambda: any(x["kind"] == "cleaner" for x in rows(mount, "view", "requests")))
    expect(places(library)["CLN001L1"].startswith("slots"), "and at home")
    result = mount.rsm("clean", "256", check=False)
    expect(result.returncode == 1 and "cleaning cartridge" in result.stderr, result.stderr)

    # the user finishes, the next one fails
    with open(mount / "Backup/a/file", "r+b") as f:
        expect(f.read() == b"a", "before")
        mount.rsm("disable", "library")
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        expect(os.pread(f.fileno(), 1, 0) == b"a", "he still reads")
        f.write(b"nd more")
        f.flush()
        os.fsync(f.fileno())
        expect_errno(errno.ENODEV, open, mount / "Backup/a/file", "rb")
        expect_errno(errno.ENODEV, open, mount / "Backup/a/new", "wb")
        expect(os.listdir(mount / "Backup/b") == ["file"], "what is known is shown")
    result = mount.rsm("mount", "Backup/b", check=False)
    expect(result.returncode == 1 and "disabled" in result.stderr, result.stderr)
    expect(mount.rsm("disable", "library", check=False).returncode == 1, "it is so already")
    mount.rsm("enable", "library")
    expect(read_file(mount / "Backup/a/file") == b"and more", "as before, with what he wrote")
    expect(read_file(mount / "Backup/b/file") == b"b", "and the other")


@test()
def with_inject_manual_what_is_put_into_a_port_waits_for_rsm_inject(bench):
    library = bench.library(drives=1, slots=6, ports=2, cartridges=2, capacity="200M")
    mount = bench.mount(library)
    os.makedirs(mount / "Backup/monday")
    write_file(mount / "Backup/monday/file", b"bytes")
    mount.rsm("sync")
    mine, lmid = (rsm_xattr(mount / "Backup/monday", key) for key in ("barcode", "lmid"))
    other = next(b for b in places(library) if b.startswith("A") and b != mine)
    mount.unmount()
    for barcode in (mine, other):
        os.rename(cartridge_folder(library, barcode), os.path.join(library, "shelf", barcode))

    mount = bench.mount(library, options="inject=manual")
    expect(rsm_xattr(mount / "Backup/monday", "location") == "offline", "it is on the shelf")
    for barcode, port in ((mine, 10), (other, 11)):
        os.rename(os.path.join(library, "shelf", barcode), os.path.join(library, f"ports/{port}", barcode))
    wait_until("it is noticed", lambda: rsm_xattr(mount / "Backup/monday", "location") == "port 10")
    before = bench.moves(mount)
    time.sleep(1)
    expect(bench.moves(mount) == before, "somebody has moved it")
    expect(sorted(p for p in places(library).values() if p.startswith("ports")) == ["ports/10", "ports/11"], "both wait")
    mount.rsm("inject", "--timeout", "5")
    for barcode in (mine, other):
        wait_until(f"{barcode} is in a slot", lambda b=barcode: places(library)[b].startswith("slots"))
    expect(rsm_xattr(mount / "Backup/monday", "lmid") == lmid, "it is another one")
    expect(read_file(mount / "Backup/monday/file") == b"bytes", "it holds something else")
    mount.unmount()

    # without the option the same is taken in by itself
    os.rename(cartridge_folder(library, other), os.path.join(library, "ports/10", other))
    mount = bench.mount(library, options="inject=auto")
    wait_until("it is taken in", lambda: places(library)[other].startswith("slots"))
