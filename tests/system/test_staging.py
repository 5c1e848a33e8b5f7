"""What happens when the staging area is full: writers wait, nothing fails, nothing is lost."""
import os
import shutil
import random
import signal
import subprocess
import threading
import time

from harness import LONG, SEED, Skip, big_file, cartridge_folder, expect, rsm_xattr, same_tree, source_tree, test

MIB = 1 << 20


def staged_mib(folder):
    """What the staging area takes on the disk (without its databases)."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            if name.startswith(("file.", "log.")):
                try:
                    total += os.stat(os.path.join(path, name)).st_blocks * 512
                except FileNotFoundError:
                    pass
    return total / MIB


class Watch(threading.Thread):
    """The most that the staging area had."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.most, self.ended = folder, 0, False
        self.start()

    def run(self):
        while not self.ended:
            self.most = max(self.most, staged_mib(self.folder))
            time.sleep(0.1)

    def end(self):
        self.ended = True
        self.join()
        return self.most


def check_cartridge(bench, library, barcode, folder):
    """Another LTFS reader finds the same files."""
    result = bench.run("python3", os.path.join(os.path.dirname(__file__), "ltfs_check.py"),
                       cartridge_folder(library, barcode), "--compare", folder, check=False, timeout=300)
    expect(result.returncode == 0, "not a consistent volume", result.stdout[-2000:], result.stderr[-2000:])


def cartridge(mount, name):
    if not os.path.isdir(mount / "P"):
        os.mkdir(mount / "P")
    os.mkdir(mount / f"P/{name}")
    return mount / f"P/{name}"


@test(timeout=600)
def a_file_larger_than_the_staging_area(bench):
    """One cp of far more than the staging limit goes through, and the limit is kept."""
    mib = 1024 if LONG else 320
    os.mkdir(bench.path("in"))
    big_file(bench.path("in/big"), mib, SEED)
    library = bench.library(drives=1)
    mount = bench.mount(library, options="staging_limit=64M")
    tape = cartridge(mount, "monday")
    watch = Watch(f"{library}/staging")
    barcode = rsm_xattr(tape, "barcode")
    bench.run("cp", bench.path("in/big"), f"{tape}/big", timeout=400)
    most = watch.end()
    expect(most < 70, f"the staging area had {most} MiB")
    bench.run("cmp", bench.path("in/big"), f"{tape}/big", timeout=300)
    mount.rsm("sync", timeout=120)
    expect(rsm_xattr(f"{tape}/big", "residency") == "medium", "it is not on the medium")
    expect(staged_mib(f"{library}/staging") == 0, "something of it is still staged")
    mount.unmount()
    check_cartridge(bench, library, barcode, bench.path("in"))
    mount = bench.mount(library)
    bench.run("cmp", bench.path("in/big"), f"{tape}/big", timeout=300)


@test(timeout=600)
def large_files_share_a_drive(bench):
    """Several such files at once, each to a cartridge of its own, with one drive for all."""
    mib, count = (600, 4) if LONG else (150, 3)
    library = bench.library(drives=1)
    mount = bench.mount(library, options="staging_limit=64M")
    tapes = [cartridge(mount, f"c{i}") for i in range(count)]
    for i in range(count):
        big_file(bench.path(f"in{i}"), mib, SEED + i)
    writers = [subprocess.Popen(["cp", bench.path(f"in{i}"), f"{tape}/big"])
               for i, tape in enumerate(tapes)]
    expect(all(w.wait() == 0 for w in writers), "a cp failed")
    for i, tape in enumerate(tapes):
        bench.run("cmp", bench.path(f"in{i}"), f"{tape}/big", timeout=300)


@test(timeout=600)
def many_small_files_through_a_small_area(bench):
    """A tree of small files and some large ones, several times what fits."""
    source = bench.path("source")
    source_tree(source, 2000, SEED)
    for i in range(6):
        big_file(f"{source}/big{i}", 20, SEED + i)
    mount = bench.mount(bench.library(), options="staging_limit=40M")
    tapes = [cartridge(mount, f"c{i}") for i in range(3)]
    writers = [subprocess.Popen(["cp", "-a", source, f"{tape}/copy"]) for tape in tapes]
    expect(all(w.wait() == 0 for w in writers), "a cp failed")
    for tape in tapes:
        same_tree(source, f"{tape}/copy")


@test(timeout=600)
def random_writes_under_pressure(bench):
    """A program that seeks, overwrites and truncates a file larger than the area finds its bytes."""
    size, rng = (300 if LONG else 120) * MIB, random.Random(SEED)
    mount = bench.mount(bench.library(), options="staging_limit=32M")
    tape = cartridge(mount, "monday")
    barcode = rsm_xattr(tape, "barcode")
    os.mkdir(bench.path("model"))
    model = bytearray()
    noise = rng.randbytes(2 * MIB)
    with open(bench.path("model/file"), "wb") as plain, open(f"{tape}/file", "w+b", buffering=0) as file:
        end = time.monotonic() + (120 if LONG else 25)
        written = 0
        while time.monotonic() < end and written < 4 * size:
            what = rng.randrange(100)
            if what < 3:
                length = rng.randrange(len(model) + 1) if what == 0 else max(0, len(model) - MIB)
                file.truncate(length)
                del model[length:]
            elif what < 20 and model:
                at = rng.randrange(len(model))
                count = min(rng.randrange(1, MIB), len(model) - at)
                expect(os.pread(file.fileno(), count, at) == model[at:at + count],
                       f"{count} bytes at {at} differ")
            else:
                count = rng.randrange(1, 2 * MIB if what < 60 else 5000)
                at = len(model) if what < 70 else rng.randrange(len(model) + 3 * MIB)
                if at + count > size:
                    continue
                data = noise[rng.randrange(2 * MIB - count):][:count]
                os.pwrite(file.fileno(), data, at)
                model += bytes(max(0, at + count - len(model)))
                model[at:at + count] = data
                written += count
        plain.write(model)
    bench.run("cmp", bench.path("model/file"), f"{tape}/file", timeout=200)
    mount.rsm("sync", timeout=200)
    mount.unmount()
    check_cartridge(bench, mount.library, barcode, bench.path("model"))
    mount = bench.mount(mount.library)
    bench.run("cmp", bench.path("model/file"), f"{tape}/file", timeout=200)


@test(timeout=600)
def death_while_streaming(bench):
    """kill -9 while a large file is migrated in parts: what was closed is there, and work goes on."""
    source = bench.path("source")
    source_tree(source, 300, SEED)
    big_file(bench.path("big"), 200, SEED)
    big_file(bench.path("huge"), 1000 if LONG else 400, SEED)
    library = bench.library()
    for turn in range(5 if LONG else 2):
        mount = bench.mount(library, options="staging_limit=48M")
        tape = mount / "P/monday"
        if turn == 0:
            tape = cartridge(mount, "monday")
        bench.run("cp", "-a", source, f"{tape}/copy{turn}", timeout=200)
        bench.run("cp", bench.path("big"), f"{tape}/whole{turn}", timeout=200)
        writer = subprocess.Popen(["cp", bench.path("huge"), f"{tape}/cut{turn}"], stderr=subprocess.DEVNULL)
        enough = (0.2 + 0.6 * bench.rng.random()) * os.path.getsize(bench.path("huge"))
        while not os.path.exists(f"{tape}/cut{turn}") or os.path.getsize(f"{tape}/cut{turn}") < enough:
            time.sleep(0.005)
        mount.kill()
        expect(writer.wait() != 0, "the cp had ended before")
        mount = bench.mount(library, options="staging_limit=48M")
        for i in range(turn + 1):
            same_tree(source, f"{tape}/copy{i}")
            bench.run("cmp", bench.path("big"), f"{tape}/whole{i}", timeout=200)
        mount.rsm("sync", timeout=200)
        bench.run("cp", bench.path("big"), f"{tape}/cut{turn}", timeout=200)
        bench.run("cmp", bench.path("big"), f"{tape}/cut{turn}", timeout=200)
        mount.unmount()


@test(timeout=300)
def a_waiting_writer_can_be_interrupted(bench):
    """Without a drive writers wait; Ctrl-C ends one within a second, the others go on later."""
    library = bench.library(drives=1)
    mount = bench.mount(library, options="staging_limit=32M")
    one, other = cartridge(mount, "one"), cartridge(mount, "other")
    drive = os.listdir(f"{library}/drives")[0]
    mount.rsm("disable", "drive", drive)
    big_file(bench.path("big"), 80, SEED)
    writers = [subprocess.Popen(["cp", bench.path("big"), f"{tape}/big"]) for tape in (one, other)]
    time.sleep(3)
    expect(all(w.poll() is None for w in writers), "a writer did not wait")
    writers[0].send_signal(signal.SIGINT)
    start = time.monotonic()
    writers[0].wait(timeout=20)
    expect(time.monotonic() - start < 2, "Ctrl-C took long")
    os.remove(f"{one}/big")
    mount.rsm("enable", "drive", drive)
    expect(writers[1].wait(timeout=120) == 0, "the other cp failed")
    bench.run("cmp", bench.path("big"), f"{other}/big", timeout=100)


@test(timeout=300)
def a_full_cartridge_ends_its_writer(bench):
    """ENOSPC for what does not fit on the cartridge; what was accepted stays, others go on."""
    mount = bench.mount(bench.library(capacity="100M"), options="staging_limit=32M")
    small, other = cartridge(mount, "small"), cartridge(mount, "other")
    big_file(bench.path("big"), 200, SEED)
    big_file(bench.path("fits"), 50, SEED + 1)
    second = subprocess.Popen(["cp", bench.path("fits"), f"{other}/fits"])
    result = bench.run("cp", bench.path("big"), f"{small}/big", check=False, timeout=200)
    expect(result.returncode != 0 and "No space left" in result.stderr, "no ENOSPC", result.stderr)
    expect(second.wait(timeout=100) == 0, "the cp to the other cartridge failed")
    length = os.path.getsize(f"{small}/big")
    expect(length > 60 * MIB, f"only {length} bytes were accepted")
    bench.run("cmp", "-n", length, bench.path("big"), f"{small}/big", timeout=200)
    bench.run("cmp", bench.path("fits"), f"{other}/fits", timeout=200)


def small_disk(bench, mib):
    if os.geteuid() != 0:
        raise Skip("mounting a tmpfs takes root")
    staging = bench.path("staging")
    os.mkdir(staging)
    bench.run("mount", "-t", "tmpfs", "-o", f"size={mib}M", "tmpfs", staging)
    return staging


def fill_to_the_last_byte(folder):
    """The open file that has it all."""
    other = os.open(f"{folder}/other", os.O_WRONLY | os.O_CREAT)
    for size in (MIB, 4096, 1):
        try:
            while True:
                os.write(other, bytes(size))
        except OSError as e:
            expect(e.errno == 28, f"filling the disk: {e}")
    return other


@test(timeout=600)
def a_disk_that_runs_out(bench):
    """The disk of the staging area is really full: programs wait, and all that they wrote is there."""
    staging = small_disk(bench, 192)
    source = bench.path("source")
    source_tree(source, 1500, SEED)
    big_file(bench.path("big"), 200, SEED)
    mount = bench.mount(bench.library(), options=f"staging={staging}")
    tapes = [cartridge(mount, f"c{i}") for i in range(3)]
    writers = [subprocess.Popen(["cp", "-a", source, f"{tapes[0]}/copy"]),
               subprocess.Popen(["cp", "-a", source, f"{tapes[1]}/copy"]),
               subprocess.Popen(["cp", bench.path("big"), f"{tapes[2]}/big"]),
               subprocess.Popen(["cp", bench.path("big"), f"{tapes[1]}/big"])]
    time.sleep(2)
    with open(f"{staging}/other", "wb") as other:  # somebody else takes what is left
        while os.statvfs(staging).f_bavail * os.statvfs(staging).f_frsize > 8 * MIB:
            other.write(bytes(MIB // 2))
            other.flush()
    time.sleep(2)
    os.remove(f"{staging}/other")
    expect(all(w.wait(timeout=300) == 0 for w in writers), "a cp failed")
    for tape in tapes[:2]:
        same_tree(source, f"{tape}/copy")
    for tape in tapes[1:]:
        bench.run("cmp", bench.path("big"), f"{tape}/big", timeout=200)
    mount.unmount()
    bench.run("umount", staging)


@test(timeout=300)
def a_disk_filled_to_the_last_byte(bench):
    """Somebody else takes all that is left while files are open: who has to wait waits, nothing is lost."""
    staging = small_disk(bench, 64)
    mount = bench.mount(bench.library(drives=1), options=f"staging={staging}")
    tapes = [cartridge(mount, f"c{i}") for i in range(2)]
    source = bench.path("source")
    source_tree(source, 60, SEED)
    for tape in tapes:
        bench.run("cp", "-a", source, f"{tape}/before")
    # open, partly written, and their rows not committed yet
    data = [bench.rng.randbytes(n) for n in (0, 1, 500, 30_000, 100_000, 3_000_000)]
    files = [(tape, i, open(f"{tape}/open{i}", "wb", buffering=0)) for tape in tapes for i in range(len(data))]
    for _, i, file in files:
        file.write(data[i][:len(data[i]) // 2])
    other = fill_to_the_last_byte(staging)
    failed = []

    def finish(tape, i, file):
        try:
            with file:
                file.write(data[i][len(data[i]) // 2:])
                os.fsync(file.fileno())
            with open(f"{tape}/new{i}", "wb", buffering=0) as new:
                new.write(data[i])
        except OSError as e:
            failed.append(f"{i}: {e}")

    threads = [threading.Thread(target=finish, args=args, daemon=True) for args in files]
    for thread in threads:
        thread.start()
    time.sleep(3)
    os.ftruncate(other, 0)
    for thread in threads:
        thread.join(100)
    expect(not any(t.is_alive() for t in threads), "somebody still waits")
    expect(not failed, "a file could not be written", *failed)

    def check():
        for tape in tapes:
            same_tree(source, f"{tape}/before")
            for i, bytes_ in enumerate(data):
                for name in (f"open{i}", f"new{i}"):
                    with open(f"{tape}/{name}", "rb") as file:
                        expect(file.read() == bytes_, f"{tape}/{name} differs")

    check()
    mount.unmount()
    mount = bench.mount(mount.library, options=f"staging={staging}")
    check()
    mount.unmount()
    os.close(other)
    bench.run("umount", staging)


@test(timeout=300)
def who_reads_waits_for_room_on_a_full_disk(bench):
    """A cartridge whose contents have to be read from it needs a little of the disk that somebody else has filled."""
    staging = small_disk(bench, 64)
    mount = bench.mount(bench.library(drives=1), options=f"staging={staging}")
    tape = cartridge(mount, "c")
    data = bench.rng.randbytes(300_000)
    with open(f"{tape}/file", "wb") as file:
        file.write(data)
    mount.rsm("sync")
    mount.unmount()
    for name in os.listdir(staging):
        if os.path.isdir(f"{staging}/{name}"):
            shutil.rmtree(f"{staging}/{name}")
    mount = bench.mount(mount.library, options=f"staging={staging}")
    other = fill_to_the_last_byte(staging)
    found = []

    def read():
        try:
            with open(f"{tape}/file", "rb") as file:
                found.append(file.read())
        except OSError as e:
            found.append(e)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(3)
    expect(not found, "it waits", str(found)[:200])
    expect("drive" not in mount.rsm("view", "requests").stdout, "the drive needs no attention")
    os.ftruncate(other, 0)
    reader.join(60)
    expect(found == [data], "and is read", str(found)[:200])
    os.close(other)
    mount.unmount()
    bench.run("umount", staging)
