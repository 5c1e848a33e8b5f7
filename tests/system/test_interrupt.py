"""Whatever waits for a drive, a robot, a cartridge or a person ends within a second of Ctrl-C."""
import json
import os
import signal
import subprocess
import sys
import time

from harness import PATIENCE, RSM, expect, read_file, rsm_xattr, test, wait_until, write_file

ROBOT_S = 8
SECOND_READER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "second_reader.py")
SETTLE_S = 0.5  # by then what does not block has ended


def slow_down(library, robot_s):
    """From the next mount on the robot takes its time."""
    path = os.path.join(library, "library.conf")
    conf = [line for line in read_file(path).decode().splitlines()
            if line.split("=")[0].strip() not in ("timing", "robot_s", "load_s", "unload_s")]
    conf += ["timing = real", f"robot_s = {robot_s}", "load_s = 1", "unload_s = 1", ""]
    write_file(path, "\n".join(conf).encode())


def hurry_up(bench, library):
    """Mounted with a robot that takes no time."""
    path = os.path.join(library, "library.conf")
    write_file(path, read_file(path).replace(b"timing = real\n", b"timing = none\n"))
    return bench.mount(library)


class Waiter:
    """A program that is to block."""

    def __init__(self, bench, words, *argv):
        bench.note(" ".join(argv))
        self.words = words
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def interrupt(self):
        """How long it takes to end."""
        time.sleep(SETTLE_S)
        if self.process.poll() is not None:
            raise AssertionError(f"{self.words}: has not blocked: {self.process.communicate()}")
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=10 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        taken = time.monotonic() - began
        expect(taken < 1 * PATIENCE, f"{self.words}: ended {taken:.1f} s after Ctrl-C")
        return taken


def given_slow_library(bench, options="", staged=True, robot_s=ROBOT_S):
    """One drive; every cartridge is allocated, with a file on it; Archive/d has staged data if that is wanted."""
    library = bench.library(drives=1, slots=8, ports=2, cartridges=4, capacity="100M")
    mount = bench.mount(library)
    os.mkdir(mount / "Archive")
    wait_until("all are in Free", lambda: len(os.listdir(mount / "Free/LTO-8")) == 4)
    for name in "abcd":
        os.mkdir(mount / f"Archive/{name}")
        write_file(mount / f"Archive/{name}/file", name.encode() * 300_000)
    mount.rsm("sync")
    mount.unmount()
    slow_down(library, robot_s)
    mount = bench.mount(library, options=f"migrate_delay=60000,dismount_delay=1,{options}".rstrip(","))
    if staged:
        write_file(mount / "Archive/d/more", b"d" * 1000)
    return library, mount


@test(timeout=200)
def every_wait_ends_within_a_second_of_ctrl_c(bench):
    library, mount = given_slow_library(bench, "staging_limit=32M")

    def rsm(words, *args):
        return Waiter(bench, f"rsm {words}", RSM, "-m", mount.point, *args).interrupt()

    times = []
    # the robot goes on fetching a, whoever has given up
    times.append(rsm("mount", "mount", "Archive/a"))
    times.append(rsm("dismount", "dismount", "Archive/a"))
    times.append(rsm("eject", "eject", "Archive/a"))
    times.append(rsm("mount that waits for its turn", "mount", "Archive/b", "--timeout", "60"))
    times.append(rsm("sync of one", "sync", "Archive/d"))
    times.append(rsm("verify", "verify", "Archive/c"))
    times.append(rsm("check", "check", "--deep", "Archive/c"))
    times.append(Waiter(bench, "reading a file", "cat", mount / "Archive/b/file").interrupt())
    times.append(Waiter(bench, "copying from one cartridge to another", "cp", mount / "Archive/c/file",
                        mount / "Archive/d/copy").interrupt())
    times.append(Waiter(bench, "user.ltfs.sync", "setfattr", "-n", "user.ltfs.sync", "-v", "1",
                        mount / "Archive/d").interrupt())
    # what waits for no robot
    for words in (["sync", mount / "Archive/d/more"], [RSM, "-m", mount.point, "find", "fi"],
                  [RSM, "-m", mount.point, "export", bench.path("catalogue")], ["ls", mount / "Archive/c"],
                  [RSM, "-m", mount.point, "view", "media"]):
        bench.run(*words, timeout=ROBOT_S - 2)
    # people
    times.append(rsm("inject", "inject", "--timeout", "60"))
    times.append(rsm("events --follow", "events", "--follow"))
    times.append(rsm("allocate --wait", "allocate", "Archive/e", "--wait"))
    times.append(Waiter(bench, "rsm wait", RSM, "wait", library).interrupt())
    asker = Waiter(bench, "rsm allocate --wait", RSM, "-m", mount.point, "allocate", "Archive/f",
                   "--wait")
    requests = []

    def asked():
        requests[:] = [r for r in json.loads(mount.rsm("view", "requests", "--json").stdout)["requests"]
                       if "Archive/f" in r["text"] or "wanted" in r["text"]]
        return requests

    wait_until("the operator is asked", asked, 10)
    times.append(rsm("requests wait", "requests", "wait", str(requests[0]["id"])))
    times.append(asker.interrupt())
    # the staging area has no room until the robot has fetched a cartridge for what is in it
    times.append(Waiter(bench, "writing into a full staging area", "dd", "if=/dev/zero",
                        f"of={mount / 'Archive/d/large'}", "bs=1M", "count=90", "status=none").interrupt())
    # all at once
    times.append(rsm("sync", "sync"))
    times.append(rsm("inventory --full", "inventory", "--full"))

    expect(mount.rsm("view", "drives").returncode == 0, "the mount serves on")
    expect(open(mount / "Archive/d/more", "rb").read() == b"d" * 1000, "what was staged is")
    mount.signal(signal.SIGTERM)
    mount.signal(signal.SIGTERM)  # what is staged stays so: that takes no hour of a robot
    mount.wait(60)
    print(f"{len(times)} kinds, the longest {max(times):.2f} s")


MAPPED = """import mmap, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
fd = os.open(sys.argv[1], os.O_RDONLY)
mmap.mmap(fd, 0, prot=mmap.PROT_READ)[100000]
"""


@test(timeout=200)
def every_system_call_that_waits_ends_within_a_second_of_ctrl_c(bench):
    """With -o browse=mount each look into a cartridge waits for it."""
    library, mount = given_slow_library(bench, "browse=mount", staged=False, robot_s=60)
    c, d, freed = mount / "Archive/c", mount / "Archive/d", rsm_xattr(mount / "Archive/b", "barcode")
    mount.rsm("deallocate", "--force", "Archive/b")
    times = {}

    def call(words, *argv):
        times[words] = Waiter(bench, words, *argv).interrupt()

    def rsm(words, *args):
        call(f"rsm {words}", RSM, "-m", mount.point, *args)

    # one drive: while a is on its way, whatever wants another cartridge waits
    rsm("mount", "mount", "Archive/a", "--timeout", "100")
    call("ls", "ls", c)
    call("stat of a file", "stat", c + "/file")
    call("open for reading", "head", "-c", "1", c + "/file")
    call("a fault of a mapping", sys.executable, "-c", MAPPED, c + "/file")
    call("mkdir", "mkdir", c + "/folder")
    call("rmdir", "rmdir", c + "/folder")
    call("create", "touch", c + "/new")
    call("rename", "mv", c + "/file", c + "/other")
    call("unlink", "rm", "-f", c + "/file")
    call("chmod", "chmod", "600", c + "/file")
    call("getxattr", "getfattr", "-n", "user.note", c + "/file")
    call("truncate", "truncate", "-s", "10", c + "/file")
    call("find", "find", c, "-name", "x")
    rsm("undelete", "undelete", freed, "Archive/again")
    rsm("inventory of a slot", "inventory", "--slot", rsm_xattr(c, "location").split()[1])
    rsm("check", "check", "Archive/c")
    rsm("clean", "clean", "256")
    rsm("free", "free", "--yes", "--erase", freed)

    print(f"{len(times)} kinds, the longest {max(times.values()):.2f} s")
    mount.kill()
    mount = hurry_up(bench, library)
    expect(sorted(os.listdir(mount / "Archive")) == ["a", "c", "d"], "cartridges as they were",
           os.listdir(mount / "Archive"))
    expect(os.listdir(c) == ["file"] and read_file(c + "/file") == b"c" * 300_000, "and what is on them")
    expect(os.stat(c + "/file").st_mode & 0o777 == 0o644, "with its mode")
    wait_until("what is to be freed is, though nobody waits for it",
               lambda: rsm_xattr(mount / f"Free/LTO-8/{freed}", "state") == "available", 20)
    os.mkdir(mount / "Archive/again")
    mount.rsm("sync")
    mount.unmount()
    bench.run(sys.executable, SECOND_READER, "rest", library, 5)
