"""Stand-alone drives: one drive, and the operator is the robot (rsm-model.md 8.6, 14, 20)."""
import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

from harness import PATIENCE, RSM, expect, read_file, rsm_xattr, test, wait_until, write_file


class Operator:
    """Who carries cartridges between shelf and drive."""

    def __init__(self, bench, **shape):
        self.library = bench.library(standalone=True, capacity="200M", **{"cartridges": 3, **shape})
        self.drive = f"{self.library}/drives/256"
        self.shelf = f"{self.library}/shelf"

    def loaded(self):
        return [name for name in os.listdir(self.drive) if name != "BUSY"]

    def take_out(self, name=None):
        """What is in the drive, as soon as the drive lets go of it."""
        wait_until("the drive lets go of it", lambda: not os.path.exists(f"{self.drive}/BUSY"))
        for name in [name] if name else self.loaded():
            os.rename(f"{self.drive}/{name}", f"{self.shelf}/{name}")

    def put_in(self, name):
        self.take_out()
        os.rename(f"{self.shelf}/{name}", f"{self.drive}/{name}")


def requests(mount, kind="move-media"):
    """Open ones: number and text."""
    rows = json.loads(mount.rsm("--json", "requests").stdout)["requests"]
    return [(row["id"], row["text"]) for row in rows if row["kind"] == kind]


def asked_for(mount, barcode):
    return [r for r in requests(mount) if f"put cartridge {barcode} " in r[1]]


def given_two(bench, operator, **how):
    """P/a on A00001L8, P/b on A00002L8, each with a file; the latter is in the drive."""
    mount = bench.mount(operator.library, **how)
    os.mkdir(mount / "P")
    for name, barcode in (("a", "A00001L8"), ("b", "A00002L8")):
        operator.put_in(barcode)
        wait_until(f"{barcode} is known", lambda: os.path.exists(mount / f"Free/LTO-8/{barcode}"))
        os.mkdir(mount / f"P/{name}")
        expect(rsm_xattr(mount / f"P/{name}", "barcode") == barcode, "the one in the drive")
        write_file(mount / f"P/{name}/file", name.encode() * 300_000)
        write_file(mount / f"P/{name}/small", b"small")
        mount.rsm("sync")
        mount.rsm("dismount", f"P/{name}")  # else it may be taken out after dismount_delay
    return mount


def reader(path):
    process = subprocess.Popen(["cat", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    atexit.register(process.kill)  # one that waits would keep its mount after a failure
    return process


def ends_well(process, content):
    out, err = process.communicate(timeout=30 * PATIENCE)
    expect(process.returncode == 0 and out == content, err)


@test()
def operator_request_satisfied_falsely_is_asked_again_with_what_was_found(bench):
    """Promise 14, first half: of a stand-alone drive, also when the wrong cartridge was put in."""
    operator = Operator(bench)
    mount = given_two(bench, operator)
    waiter = reader(mount / "P/a/file")
    wait_until("the operator is asked", lambda: asked_for(mount, "A00001L8"), 10)
    number, text = asked_for(mount, "A00001L8")[0]
    expect("drive 256" in text and operator.library in text, text)

    # nothing was done
    result = mount.rsm("requests", "satisfy", str(number), check=False)
    expect(result.returncode == 1 and "it is not so" in result.stderr, result.stderr)
    expect(waiter.poll() is None, "a claim that is not so ended the wait")

    # the wrong one: known, free, and then one that nobody has ever seen
    operator.put_in("A00003L8")
    wait_until("it is said what came", lambda: "A00003L8 came instead" in asked_for(mount, "A00001L8")[0][1], 10)
    result = mount.rsm("requests", "satisfy", str(number), check=False)
    expect(result.returncode == 1 and "A00003L8 came instead" in result.stderr, result.stderr)
    expect(asked_for(mount, "A00001L8")[0][0] == number, "it is the same request")
    shutil.copytree(f"{operator.shelf}/A00001L8", f"{operator.shelf}/Q00001L8",
                    ignore=shutil.ignore_patterns("*"))
    operator.put_in("Q00001L8")
    wait_until("it was looked at", lambda: os.listdir(mount / "Unrecognized/LTO-8"), 10)
    shown = os.listdir(mount / "Unrecognized/LTO-8")[0]  # a number: no memory tells a barcode
    wait_until("and it is said what came", lambda: f"{shown} came instead" in asked_for(mount, "A00001L8")[0][1], 10)
    expect(waiter.poll() is None, "the wrong cartridge ended the wait")
    expect(rsm_xattr(mount / "P/b", "location") == "offline", "what was taken out is off-line")

    operator.put_in("A00001L8")
    ends_well(waiter, "a" * 300_000)
    expect(not requests(mount), "nothing is asked any more", requests(mount))


@test()
def operator_request_satisfied_by_the_cartridges_mere_arrival_the_waiter_goes_on_with_no_typing(bench):
    """Promise 14, second half. What lies idle in the drive is unloaded for it, and two who wait for
    different cartridges take turns."""
    operator = Operator(bench)
    mount = given_two(bench, operator, options="dismount_delay=600")
    expect(read_file(mount / "P/b/small") == b"small" and operator.loaded() == ["A00002L8"], "it is in the drive")
    first = reader(mount / "P/a/file")
    wait_until("the operator is asked", lambda: asked_for(mount, "A00001L8"), 10)
    wait_until("the other one is given back",
               lambda: mount.rsm("events").stdout.count("event=unload medium=A00002L8") == 2, 10)
    second = reader(mount / "P/b/file")  # which waits for its turn, as a person is on his way
    operator.put_in("A00001L8")
    ends_well(first, "a" * 300_000)
    wait_until("the operator is asked for the other one", lambda: asked_for(mount, "A00002L8"), 10)
    expect(not asked_for(mount, "A00001L8"), requests(mount))
    operator.put_in("A00002L8")
    ends_well(second, "b" * 300_000)
    expect(not requests(mount), requests(mount))


@test()
def a_cartridge_at_rest_stays_in_the_drive_and_no_operator_is_needed_for_it(bench):
    """Rewound, closed, free to be taken; so it is after the end of a mount, and after its death."""
    operator = Operator(bench)
    mount = given_two(bench, operator, options="dismount_delay=0")

    def drive():
        return json.loads(mount.rsm("view", "drives", "--json").stdout)["drives"][0]

    wait_until("it is at rest", lambda: rsm_xattr(mount / "P/b", "mounted") == "0", 10)
    expect(operator.loaded() == ["A00002L8"] and not os.path.exists(f"{operator.drive}/BUSY"), "free to be taken")
    expect(drive()["medium"] == "A00002L8" and rsm_xattr(mount / "P/b", "location") == "drive 256", drive())
    expect(read_file(mount / "P/b/file") == b"b" * 300_000, "it is read where it is")
    mount.unmount()
    mount = bench.mount(operator.library)
    expect(read_file(mount / "P/b/file") == b"b" * 300_000, "and by the next mount")
    mount.kill()
    operator.put_in("A00001L8")  # while nobody looks
    mount = bench.mount(operator.library)
    expect(read_file(mount / "P/a/file") == b"a" * 300_000, "the next mount identifies what is in the drive")
    expect(rsm_xattr(mount / "P/b", "location") == "offline", "and not by what was there before")
    expect(not requests(mount), requests(mount))


@test()
def refusing_ends_the_waiters_and_so_does_ctrl_c(bench):
    operator = Operator(bench)
    mount = given_two(bench, operator)
    waiters = [reader(mount / "P/a/file"), subprocess.Popen(
        [RSM, "-m", mount.point, "mount", "P/a"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)]
    wait_until("the operator is asked", lambda: asked_for(mount, "A00001L8"), 10)
    time.sleep(0.5)
    mount.rsm("requests", "refuse", str(asked_for(mount, "A00001L8")[0][0]))
    for waiter in waiters:
        waiter.communicate(timeout=10)
        expect(waiter.returncode != 0, "the refused one went well")
    expect(not requests(mount), "nobody waits, and it is asked for", requests(mount))

    for argv in (["cat", mount / "P/a/file"], [RSM, "-m", mount.point, "mount", "P/a"]):
        waiter = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until("the operator is asked again", lambda: asked_for(mount, "A00001L8"), 10)
        time.sleep(0.3)
        began = time.monotonic()
        waiter.send_signal(signal.SIGINT)
        waiter.communicate(timeout=10)
        expect(time.monotonic() - began < 1 * PATIENCE, "it took long to end")
        wait_until("the request is withdrawn", lambda: not requests(mount), 5)

    # and a restart with the request open: nobody waits any more, nobody is asked
    waiter = reader(mount / "P/a/file")
    wait_until("the operator is asked", lambda: asked_for(mount, "A00001L8"), 10)
    mount.kill()
    waiter.communicate(timeout=10)
    mount = bench.mount(operator.library)
    expect(not requests(mount), requests(mount))
    waiter = reader(mount / "P/a/file")
    wait_until("the operator is asked anew", lambda: asked_for(mount, "A00001L8"), 10)
    operator.put_in("A00001L8")
    ends_well(waiter, "a" * 300_000)


@test()
def what_is_written_for_an_absent_cartridge_is_staged_and_the_operator_is_asked(bench):
    operator = Operator(bench)
    mount = given_two(bench, operator)
    write_file(mount / "P/a/more", b"m" * 100_000)
    expect(read_file(mount / "P/a/more") == b"m" * 100_000, "it can be read meanwhile")
    wait_until("the operator is asked", lambda: asked_for(mount, "A00001L8"), 10)
    sync = subprocess.Popen([RSM, "-m", mount.point, "sync", "P/a"], stderr=subprocess.PIPE, text=True)
    operator.put_in("A00001L8")
    expect(sync.wait(30 * PATIENCE) == 0, "sync failed")
    expect(rsm_xattr(mount / "P/a/more", "residency") == "medium", "it is not on the tape")


@test()
def allocation_waits_for_a_free_cartridge_that_is_put_in(bench):
    """Free media that are off-line are not chosen: the operator brings one."""
    operator = Operator(bench)
    mount = given_two(bench, operator)
    operator.put_in("A00003L8")
    wait_until("it is known", lambda: os.path.exists(mount / "Free/LTO-8/A00003L8"), 10)
    operator.put_in("A00001L8")
    wait_until("it is off-line", lambda: rsm_xattr(mount / "Free/LTO-8/A00003L8", "location") == "offline", 10)
    with contextlib.suppress(OSError):
        os.mkdir(mount / "P/c")
        expect(False, "an off-line cartridge was allocated")
    waiter = subprocess.Popen([RSM, "-m", mount.point, "allocate", "P/c", "--wait"], stdout=subprocess.PIPE, text=True)
    wait_until("the operator is asked", lambda: requests(mount, "new-media"), 10)
    operator.put_in("A00002L8")  # is somebody's
    wait_until("it is seen", lambda: rsm_xattr(mount / "P/b", "location") == "drive 256", 10)
    expect(waiter.poll() is None, "somebody else's cartridge was taken")
    operator.put_in("A00003L8")
    expect(waiter.wait(30 * PATIENCE) == 0 and rsm_xattr(mount / "P/c", "barcode") == "A00003L8", "not allocated")
    write_file(mount / "P/c/file", b"c")
    mount.rsm("sync")
    expect(rsm_xattr(mount / "P/c/file", "residency") == "medium", "it has its label, and the file")


@test()
def eject_and_dismount_unload_it_and_what_is_taken_out_is_off_line(bench):
    operator = Operator(bench)
    mount = given_two(bench, operator, options="dismount_delay=600")
    expect("event=unload medium=A00002L8" in mount.rsm("events").stdout, "not unloaded")
    expect(read_file(mount / "P/b/file") == b"b" * 300_000, "touched, it is loaded again: it is still in the drive")
    with open(mount / "P/b/file", "rb"):
        result = mount.rsm("eject", "P/b", check=False)
        expect(result.returncode == 1 and "in use" in result.stderr, result.stderr)
    mount.rsm("eject", "P/b")
    expect(rsm_xattr(mount / "P/b", "location") == "offline", "a person is to take it")
    expect("event=eject medium=A00002L8" in mount.rsm("events").stdout, "no event")
    waiter = reader(mount / "P/b/file")
    wait_until("the operator is asked", lambda: asked_for(mount, "A00002L8"), 10)
    operator.put_in("A00002L8")
    ends_well(waiter, "b" * 300_000)
    # by hand, while it lies there with a file open
    with open(mount / "P/b/file", "rb") as f:
        f.read(10)
        operator.take_out()
        wait_until("that is noticed", lambda: rsm_xattr(mount / "P/b", "location") == "offline", 10)
        waiter = subprocess.Popen(["tail", "-c", "5", mount / "P/b/file"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        operator.put_in("A00002L8")
        ends_well(waiter, "bbbbb")


@test()
def write_protected_blank_and_unlabelled_cartridges_are_told_when_they_are_put_in(bench):
    """Also without any barcode: the label tells who it is."""
    operator = Operator(bench)
    mount = given_two(bench, operator)
    operator.take_out()
    # the memory has forgotten the barcode; what is on the tape has not
    path = f"{operator.shelf}/A00001L8/partition0.mam"
    memory = read_file(path)
    at = memory.index(bytes([0x08, 0x06]))
    length = int.from_bytes(memory[at + 3:at + 5], "big")
    write_file(path, memory[:at] + memory[at + 5 + length:])
    waiter = reader(mount / "P/a/file")
    wait_until("the operator is asked", lambda: asked_for(mount, "A00001L8"), 10)
    operator.put_in("A00001L8")
    ends_well(waiter, "a" * 300_000)
    os.mkdir(f"{operator.shelf}/CLEAN")
    write_file(f"{operator.shelf}/CLEAN/partition0.mam", read_file(f"{operator.shelf}/CLN001L1/partition0.mam"))
    operator.put_in("CLN001L1")
    wait_until("the cleaner is known", lambda: "event=arrive medium=CLN001L1" in mount.rsm("events").stdout, 10)
    operator.put_in("A00002L8")
    expect(read_file(mount / "P/b/file") == b"b" * 300_000, "and does not stand in the way")


@test()
def a_tape_drive_and_a_robot_in_one_mount_bring_each_other_cartridges(bench):
    """What left the robot's library can be put into the drive."""
    robot = bench.library("robot", drives=1, slots=4, ports=1, cartridges=2, capacity="200M")
    operator = Operator(bench, cartridges=0)
    mount = bench.mount(robot, options=f"library={operator.library}")
    os.mkdir(mount / "P")
    wait_until("all are in Free", lambda: len(os.listdir(mount / "Free/LTO-8")) == 2)
    os.mkdir(mount / "P/a")
    write_file(mount / "P/a/file", b"a" * 1000)
    mount.rsm("sync")
    mount.rsm("eject", "P/a")
    barcode = rsm_xattr(mount / "P/a", "barcode")
    port = [d for d in os.listdir(f"{robot}/ports") if os.path.exists(f"{robot}/ports/{d}/{barcode}")][0]
    os.rename(f"{robot}/ports/{port}/{barcode}", f"{operator.shelf}/{barcode}")
    wait_until("it is off-line", lambda: rsm_xattr(mount / "P/a", "location") == "offline", 10)
    waiter = reader(mount / "P/a/file")
    wait_until("the operator is asked", lambda: asked_for(mount, barcode), 10)
    operator.put_in(barcode)
    ends_well(waiter, "a" * 1000)
    expect(rsm_xattr(mount / "P/a", "location") == "drive 256", rsm_xattr(mount / "P/a", "location"))
