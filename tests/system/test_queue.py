"""Who gets the drives: one drive for two cartridges, more cartridges than drives, and who gives up waiting."""
import json
import os
import subprocess
import time

from harness import (RSM, SEED, big_file, expect, expect_errno, places, read_file, rsm_xattr, same_tree,
                     source_tree, test, wait_until, write_file)


def slow(library, **times):
    """The library takes its time from now on (seconds, and MB/s)."""
    values = {"timing": "real", "robot_s": 0.1, "load_s": 0.1, "unload_s": 0.1, "locate_mb_s": 20000,
              "rate_mb_s": 300, **times}
    with open(f"{library}/library.conf") as f:
        lines = [line for line in f.read().splitlines() if line.split("=")[0].strip() not in values]
    lines += [f"{key} = {value}" for key, value in values.items()]
    write_file(f"{library}/library.conf", ("\n".join(lines) + "\n").encode())


@test(timeout=300)
def copying_from_one_cartridge_to_another_with_one_drive(bench):
    """cp -r A/* B/ with a single drive goes by way of the staging area, in a few exchanges."""
    library = bench.library(cartridges=2, drives=1)
    mount = bench.mount(library)
    os.makedirs(mount / "P")
    a, b = mount / "P/A", mount / "P/B"
    os.mkdir(a)
    os.mkdir(b)
    source = bench.path("source")
    source_tree(source, 120, SEED)
    big_file(f"{source}/big", 48, SEED)
    bench.run("cp", "-r", source, f"{a}/tree", timeout=120)
    mount.rsm("sync", timeout=120)
    mount.unmount()

    slow(library)
    mount = bench.mount(library)
    before = bench.moves(mount)
    began = time.monotonic()
    bench.run("sh", "-c", f"cp -r {a}/* {b}/", timeout=200)
    copied, took = bench.moves(mount) - before, time.monotonic() - began
    mount.rsm("sync", timeout=120)
    synced = bench.moves(mount) - before
    expect(copied <= 6, f"the robot moved {copied} times for a cp")
    expect(synced <= 8, f"the robot moved {synced} times for a cp and a sync")
    same_tree(source, f"{b}/tree", times=False, xattrs=False)
    print(f"cp: {copied} moves in {took:.1f} s, with sync {synced}")


@test(timeout=300)
def copying_more_than_the_staging_area_holds_with_one_drive(bench):
    """The same when the staging area is smaller than what is copied: it is filled and emptied in turn."""
    library = bench.library(cartridges=2, drives=1)
    mount = bench.mount(library)
    os.makedirs(mount / "P")
    a, b = mount / "P/A", mount / "P/B"
    os.mkdir(a)
    os.mkdir(b)
    for i in range(12):
        big_file(f"{a}/f{i}", 8, SEED + i)
        big_file(bench.path(f"f{i}"), 8, SEED + i)
    mount.rsm("sync", timeout=120)
    mount.unmount()

    slow(library)
    mount = bench.mount(library, options="staging_limit=32M")
    before = bench.moves(mount)
    bench.run("sh", "-c", f"cp -r {a}/* {b}/", timeout=250)
    mount.rsm("sync", timeout=120)
    count = bench.moves(mount) - before
    for i in range(12):
        bench.run("cmp", bench.path(f"f{i}"), f"{b}/f{i}", timeout=60)
    expect(count <= 30, f"the robot moved {count} times for 96 MB by way of 32 MB")
    print(f"{count} moves")


@test(timeout=300)
def more_cartridges_than_drives_in_one_program(bench):
    """A program that has files of five cartridges open and reads from them in turn goes on with two drives."""
    library = bench.library(cartridges=5, drives=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P")
    names = [mount / f"P/c{i}" for i in range(5)]
    for i, name in enumerate(names):
        os.mkdir(name)
        big_file(f"{name}/data", 3, SEED + i)
        big_file(bench.path(f"d{i}"), 3, SEED + i)
    mount.rsm("sync", timeout=120)
    mount.unmount()
    slow(library, robot_s=0.05, load_s=0.05, unload_s=0.05)
    mount = bench.mount(library)
    files = [open(f"{name}/data", "rb", buffering=0) for name in names]
    contents = [read_file(bench.path(f"d{i}")) for i in range(5)]
    for at in range(0, 3 << 20, 1 << 20):
        for i, f in enumerate(files):
            expect(os.pread(f.fileno(), 1 << 20, at) == contents[i][at:at + (1 << 20)],
                   f"cartridge {i} reads other bytes at {at}")
    for f in files:
        f.close()


@test(timeout=120)
def waiting_ends_with_the_timeout(bench):
    """-o mount_timeout: a read that gets no drive ends with ETIMEDOUT; rsm mount --timeout and --nowait do as well."""
    library = bench.library(cartridges=3, drives=1)
    mount = bench.mount(library, options="dismount_delay=0")
    os.makedirs(mount / "P")
    for name in ("a", "b", "c"):
        os.mkdir(mount / f"P/{name}")
        write_file(mount / f"P/{name}/data", b"x" * 100_000)
    mount.rsm("sync", timeout=60)
    mount.unmount()
    mount = bench.mount(library, options="mount_timeout=1")
    mount.rsm("mount", "P/a")
    began = time.monotonic()
    expect_errno(110, read_file, mount / "P/b/data")
    took = time.monotonic() - began
    expect(0.9 < took < 2.5, f"ETIMEDOUT after {took:.1f} s")
    began = time.monotonic()
    result = mount.rsm("mount", "P/b", "--timeout", "1", check=False)
    took = time.monotonic() - began
    expect(result.returncode == 1 and 0.9 < took < 2.5, f"rsm mount --timeout: {took:.1f} s", result.stderr)
    expect(mount.rsm("mount", "P/b", "--nowait", check=False).returncode == 1, "--nowait waited")
    expect(mount.rsm("mount", "P/a", "P/b", "--nowait", check=False).returncode == 1, "two in one drive")
    mount.rsm("dismount", "P/a")
    expect(read_file(mount / "P/b/data") == b"x" * 100_000, "b reads other bytes")


@test(timeout=120)
def the_queue_is_shown_cancelled_and_reordered(bench):
    """rsm queue: who waits for a drive; cancel ends that, first and last change the order; ended ones are purged."""
    library = bench.library(cartridges=3, drives=1)
    mount = bench.mount(library)
    os.makedirs(mount / "P")
    for name in ("a", "b", "c"):
        os.mkdir(mount / f"P/{name}")
        write_file(mount / f"P/{name}/data", name.encode() * 1000)
    mount.rsm("sync", timeout=60)
    barcode = {name: rsm_xattr(mount / f"P/{name}", "barcode") for name in "abc"}
    mount.rsm("mount", "P/a")

    def waiting():
        rows = json.loads(mount.rsm("queue", "--json").stdout)["queue"]
        return {row["medium"]: row["id"] for row in rows if row["kind"] == "mount"}

    def start(name):
        reader = subprocess.Popen(["cat", mount / f"P/{name}/data"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(f"{name} waits", lambda: barcode[name] in waiting(), 10)
        return reader

    b, c = start("b"), start("c")
    mount.rsm("queue", "cancel", waiting()[barcode["b"]])
    out, err = b.communicate(timeout=10)
    expect(b.returncode == 1 and "ancel" in err.decode(), "the reader of b was not told", err)
    expect(barcode["b"] not in waiting(), "b waits still")
    b = start("b")
    def positions():
        rows = json.loads(mount.rsm("queue", "--json").stdout)["queue"]
        return [next(row["position"] for row in rows if row["medium"] == barcode[name]) for name in "bc"]

    expect(positions() == [2, 1], "c came first", positions())
    mount.rsm("queue", "first", waiting()[barcode["b"]])
    expect(positions() == [1, 2], "b is first now", positions())
    mount.rsm("queue", "last", waiting()[barcode["c"]])
    result = mount.rsm("queue", "first", "999999", check=False)
    expect(result.returncode == 1 and "999999" in result.stderr, "an item that is not there", result.stderr)
    mount.rsm("dismount", "P/a")
    for name, reader in (("b", b), ("c", c)):
        out, err = reader.communicate(timeout=30)
        expect(out == name.encode() * 1000, f"{name} reads other bytes", err)
    loads = [line for line in mount.rsm("events").stdout.splitlines() if "event=load" in line]
    expect(barcode["b"] in loads[-2] and barcode["c"] in loads[-1], "c came before b", loads[-3:])
    ended = json.loads(mount.rsm("queue", "--all", "--json").stdout)["queue"]
    expect({"passed", "cancelled"} <= {row["state"] for row in ended}, "what became of them", ended)
    mount.rsm("queue", "purge")
    expect(not [row for row in json.loads(mount.rsm("queue", "--all", "--json").stdout)["queue"] if row["ended"]],
           "ended items are there still")


@test(timeout=120)
def the_queue_tells_what_a_cartridge_is_wanted_for(bench):
    """And of several reasons one that is true, also when the first of them has gone."""
    library = bench.library(cartridges=6, drives=1)
    mount = bench.mount(library, options="label_delay=0,index_interval=0")
    os.makedirs(mount / "P")
    names = ("held", "asked", "sync", "verify", "check", "mount")
    for name in names:
        os.mkdir(mount / f"P/{name}")
        write_file(mount / f"P/{name}/data", name.encode() * 1000)
    mount.rsm("sync", timeout=60)
    barcode = {rsm_xattr(mount / f"P/{name}", "barcode"): name for name in names}
    mount.rsm("mount", "P/held")

    def queue(*args):
        return json.loads(mount.rsm("queue", "--json", *args).stdout)["queue"]

    def awaited(name, text):
        def texts():
            return [row["text"] for row in queue() if barcode.get(row["medium"]) == name]
        wait_until(f"{name}: '{text}', not {texts()}", lambda: texts() == [text], 10)

    result = mount.rsm("mount", "--nowait", "P/asked", check=False)
    expect(result.returncode == 1 and "no drive is free" in result.stderr, result.stderr)
    asked = "a mount was asked for, by somebody who did not wait"
    awaited("asked", asked)
    handle = os.open(mount / "P/asked/data", os.O_RDONLY)
    awaited("asked", "a file of it is open")
    reader = subprocess.Popen(["cat", mount / "P/asked/data"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    awaited("asked", "to be read")
    reader.terminate()
    reader.wait()
    awaited("asked", "a file of it is open")
    os.close(handle)
    awaited("asked", asked)
    waiting = []
    for name, text in (("sync", "a sync waits for it"), ("verify", "to be verified"), ("check", "to be checked"),
                       ("mount", "a mount was asked for")):
        if name == "sync":
            write_file(mount / "P/sync/more", b"more")
        waiting.append(subprocess.Popen([RSM, "-m", mount.point, name, f"P/{name}"], stdout=subprocess.DEVNULL))
        awaited(name, text)
    mount.rsm("dismount", "P/held")
    expect(waiting.pop().wait(60) == 0, "the mount failed")
    mount.rsm("dismount", "P/mount")
    expect([p.wait(60) for p in waiting] == [0] * 3, "one of them failed")
    wait_until("all has passed", lambda: queue() == [])
    expect(not [row for row in queue("--all") if row["state"] == "passed" and row["text"]],
           "what has passed tells of something", queue("--all"))
