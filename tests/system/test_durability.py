"""What is flushed before what: seen in the drive's commands, and in the system calls of rsmfs (strace)."""
import os
import re
import subprocess
import time

from harness import RSMFS, Mount, Skip, expect, is_mounted, need_program, random_bytes, test, wait_until, write_file

# One letter a command of the drive. L, R and V are what a write, a filemark and a write attribute are not:
# LOCATE to partition 0 or 1 is that digit.
FILE = "staging/[0-9a-f-]+/(log|file)\\.[0-9]+"
WAL = "staging/[0-9a-f-]+/index\\.db-wal"
TAPE = "drives/256/[^/]+/partition{}\\.tap"


def commands(log):
    """D: data or index record, s: flush, m: filemark that waits for nothing, M: one that flushes, A: attribute,
    F: format, U: unload, 0 and 1: to that partition."""
    letters = ""
    with open(log) as f:
        for line in f:
            found = re.search(r"drive 256: [A-Z ]+(?:\([0-9]+\))? \[ ([0-9a-f ]+) \].*-> good", line)
            if not found:
                continue
            cdb = [int(b, 16) for b in found.group(1).split()]
            if cdb[0] == 0x0A:
                letters += "D"
            elif cdb[0] == 0x10:
                letters += "m" if cdb[1] & 1 else "M" if any(cdb[2:5]) else "s"
            elif cdb[0] == 0x8D:
                letters += "A"
            elif cdb[0] == 0x04:
                letters += "F"
            elif cdb[0] == 0x1B and not cdb[4] & 1:
                letters += "U"
            elif cdb[0] == 0x92 and cdb[1] & 2:
                letters += str(cdb[3])
    return letters


@test()
def writes_follow_the_order_that_a_crash_survives(bench):
    """Data, flush; index on the data partition between filemarks; the same on the index partition; attributes."""
    library = bench.library(cartridges=1, drives=1, capacity="200M")
    mount = bench.mount(library, options="debug=scsi,dismount_delay=30")
    os.makedirs(mount / "P/c")
    mount.rsm("sync")
    begin = len(commands(bench.log))
    write_file(mount / "P/c/f", random_bytes(1_600_000, 1))
    mount.rsm("sync")
    middle = len(commands(bench.log))
    os.rename(mount / "P/c/f", mount / "P/c/g")
    mount.unmount()
    letters = commands(bench.log)
    made, written, ended = letters[:begin], letters[begin:middle], letters[middle:]
    expect(re.search(r"F[01]*1DMDM1?mDM0DMDM0?mDMA+", made), f"format: {made}")
    expect(re.fullmatch(r"[01]*1D{4}s[01]*1?mD+MA{2}[01]*", written), f"data and index: {written}")
    expect(re.fullmatch(r"[01]*1?mD+M[01]*0mD+MA{2}[01]*U", ended), f"dismount: {ended}")


def traced_mount(bench, library, options):
    """A mount whose system calls are written down, with the paths of descriptors."""
    need_program("strace")
    trace, point = bench.path("trace"), bench.path("mnt")
    os.makedirs(point, exist_ok=True)
    if subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], stdin=subprocess.DEVNULL,
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        raise Skip("strace may not trace here")
    all_options = f"{bench.default_options},log={bench.log},{options}"
    # strace lives as long as what it traces: it must not keep a pipe of ours
    subprocess.run(["strace", "-D", "-f", "-y", "-ttt", "-s", "0", "-e",
                    "trace=fsync,fdatasync,fallocate,unlink,unlinkat,pwritev,pwrite64,ftruncate", "-o", trace, RSMFS,
                    library, point, "-o", all_options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True, timeout=60,
                   env=dict(os.environ, ASAN_OPTIONS=os.environ["ASAN_OPTIONS"] + ":detect_leaks=0"))
    wait_until("it is mounted", lambda: is_mounted(point), 30)
    return Mount(bench, library, point), trace


def calls_of(trace):
    """(when it ended, name, path, when it began) in the order of the ends."""
    begun, calls = {}, []
    with open(trace, errors="replace") as f:
        for line in f:
            found = re.match(r"(\d+) +(\d+\.\d+) (.*)", line)
            if not found:
                continue
            pid, at, text = found.group(1), float(found.group(2)), found.group(3)
            resumed = re.match(r"<\.\.\. (\w+) resumed>(.*)", text)
            if resumed:
                if pid not in begun:
                    continue
                start, text = begun.pop(pid)
                text += resumed.group(2)
            elif text.endswith("<unfinished ...>"):
                begun[pid] = (at, text)
                continue
            else:
                start = at
            call = re.match(r"(\w+)\((?:\d+|AT_FDCWD)?(?:<([^>]*)>)?(?:, )?(?:\"([^\"]*)\")?", text)
            if call and " = -1 " not in text:
                path = "/".join(filter(None, (call.group(2), call.group(3))))
                calls.append((at, call.group(1), path, start))
    return calls


def expect_in_order(calls, begin, end, *patterns):
    """Within that time, these files are flushed in this order."""
    at = begin
    for pattern in patterns:
        for when, name, path, start in calls:
            if name in ("fsync", "fdatasync") and start >= at and when <= end and re.search(pattern + "$", path):
                at = when
                break
        else:
            raise AssertionError(f"{pattern} is not flushed in its turn: "
                                 f"{[(n, p) for w, n, p, s in calls if begin <= s and w <= end]}")


def staged_unlinks(trace, since):
    return [start for _, name, path, start in calls_of(trace)
            if name == "unlinkat" and start >= since and re.search(FILE + "$", path)]


@test()
def fsync_answers_after_the_disk(bench):
    """fsync of a file, of a folder, and an allocation are on the disk when their callers go on."""
    library = bench.library(cartridges=1, drives=1, capacity="200M")
    mount, trace = traced_mount(bench, library, "migrate_delay=600000,label_delay=600000")
    times = {}

    def timed(name, call, *args):
        began = time.time()
        result = call(*args)
        times[name] = (began, time.time())
        return result

    os.mkdir(mount / "P")
    timed("allocate", os.mkdir, mount / "P/c")
    for name, size in (("small", 100), ("large", 3_000_000)):
        fd = os.open(mount / f"P/c/{name}", os.O_CREAT | os.O_WRONLY)
        os.write(fd, bytes(size))
        timed(name, os.fsync, fd)
        os.write(fd, bytes(size))
        timed(name + " again", os.fsync, fd)
        os.close(fd)
    os.mkdir(mount / "P/c/folder")
    fd = os.open(mount / "P/c/folder", os.O_RDONLY)
    timed("folder", os.fsync, fd)
    os.close(fd)
    # what was on the disk for good goes when that it has no name is there, too
    unlinked = time.time()
    os.rename(mount / "P/c/small", mount / "P/c/large")
    wait_until("the old file is gone", lambda: staged_unlinks(trace, unlinked), 30)
    mount.unmount()

    calls = calls_of(trace)
    expect_in_order(calls, *times["allocate"], "catalog/catalog\\.db-wal")
    for name in ("small", "small again", "large", "large again"):
        expect_in_order(calls, *times[name], FILE, WAL)
    expect_in_order(calls, *times["folder"], WAL)
    expect_in_order(calls, unlinked, staged_unlinks(trace, unlinked)[0], WAL)


@test()
def staged_copies_go_after_the_medium_has_them(bench):
    """Every write to the tape is flushed, and the index that covers it noted durably, before a copy goes."""
    library = bench.library(cartridges=1, drives=1, capacity="200M")
    mount, trace = traced_mount(bench, library, "dismount_delay=30")
    os.makedirs(mount / "P/c")
    for i in range(3):
        write_file(mount / f"P/c/large{i}", random_bytes(2_000_000, i))
        for k in range(5):
            write_file(mount / f"P/c/small{i}-{k}", random_bytes(1000, k))
        mount.rsm("sync")
    mount.unmount()

    dirty, noted, gone = False, True, 0
    for when, name, path, start in sorted(calls_of(trace), key=lambda call: call[3]):
        if name.startswith("pwrite") and re.search(TAPE.format(1) + "$", path):
            dirty, noted = True, False
        elif name == "fdatasync" and re.search(TAPE.format(1) + "$", path):
            dirty = False
        elif name == "fdatasync" and not dirty and re.search(WAL + "$", path):
            noted = True
        elif name in ("unlinkat", "unlink", "fallocate", "ftruncate") and re.search(FILE + "$", path):
            expect(not dirty and noted, f"{path} goes before the medium has it", f"{name} at {start:.6f}")
            gone += 1
    expect(gone >= 3, f"only {gone} staged files went")
