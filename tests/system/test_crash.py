"""What is never lost (contract 6): crashes, ends in the middle of writes, second mounts."""
import errno
import os
import random
import signal
import subprocess
import threading
import time

from harness import (LONG, SEED, expect, is_mounted, places, random_bytes, read_file, test, wait_until,
                     write_file)


class Writer(threading.Thread):
    """Writes files until it is told to stop or the mount goes; remembers what was closed well."""

    def __init__(self, folder, label, seed, largest=3_000_000):
        super().__init__(daemon=True)
        self.folder, self.label, self.rng, self.largest = folder, label, random.Random(seed), largest
        self.closed, self.error, self.stopping = {}, None, False

    def run(self):
        count = 0
        try:
            while not self.stopping:
                name = f"{self.label}-{count}"
                length = self.rng.choice([0, 100, 5000, 70_000, 300_000, self.largest])
                length = self.rng.randrange(length + 1)
                fd = os.open(f"{self.folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                try:
                    data = memoryview(random_bytes(length, f"{SEED}-{name}"))
                    while data:
                        data = data[os.write(fd, data[:200_000]):]
                finally:
                    os.close(fd)
                self.closed[name] = length
                count += 1
        except OSError as e:
            self.error = e


def check_closed(folder, closed):
    for name, length in closed.items():
        path = f"{folder}/{name}"
        expect(os.path.exists(path), f"{name} was closed and is gone")
        expect(read_file(path) == random_bytes(length, f"{SEED}-{name}"),
               f"{name} was closed and differs now (length {os.path.getsize(path)}, was {length})")


@test(timeout=3600 if LONG else 300)
def kill_nine(bench):
    """kill -9 at random instants: every closed file is there after the next mount, and identical."""
    rounds = 100 if LONG else 8
    rng = random.Random(SEED)
    library = bench.library()
    bench.default_options = "dismount_delay=1,migrate_delay=20,label_delay=0,index_interval=1"
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    os.makedirs(mount / "P/b")
    closed = {"a": {}, "b": {}}
    total = 0
    for i in range(rounds):
        writers = {c: Writer(mount / f"P/{c}", f"{c}{i}", rng.random()) for c in closed}
        for writer in writers.values():
            writer.start()
        time.sleep(rng.uniform(0.05, 1.5))
        mount.kill()
        recent = {}
        for c, writer in writers.items():
            writer.join(30)
            expect(not writer.is_alive(), "a writer hangs on a dead mount")
            recent[c] = writer.closed
            closed[c].update(writer.closed)
        expect(is_mounted(mount.point), "the dead mount is expected to be left")
        # every third time the robot works for each single file, so that kills meet it as well
        restless = i % 3 == 2
        mount = bench.mount(library, options="dismount_delay=0" if restless else "")
        for c in closed:
            names = sorted(recent[c])
            for name in names:
                expect(os.path.exists(mount / f"P/{c}/{name}"), f"{name} was closed and is gone")
            chosen = rng.sample(names, min(len(names), 20)) if restless else names
            check_closed(mount / f"P/{c}", {n: recent[c][n] for n in chosen})
            total += len(names)
    mount.rsm("sync", timeout=300)
    mount.unmount()
    mount = bench.mount(library)
    for c in closed:
        check_closed(mount / f"P/{c}", closed[c])
    expect(total > rounds, f"only {total} files were closed in {rounds} rounds")
    print(f"{rounds} kills, {total} closed files all there")


@test()
def kill_nine_with_folders_and_attributes(bench):
    """What was fsynced with its folder, renamed, linked and given attributes before the kill is there."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c/d/e")
    write_file(mount / "P/c/d/e/tmp", b"new")
    os.setxattr(mount / "P/c/d/e/tmp", "user.k", b"v")
    os.chmod(mount / "P/c/d/e/tmp", 0o640)
    os.rename(mount / "P/c/d/e/tmp", mount / "P/c/d/e/file")
    os.symlink("d/e/file", mount / "P/c/link")
    for folder in ("P/c/d/e", "P/c"):
        fd = os.open(mount / folder, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
    mount.kill()
    mount = bench.mount(library)
    expect(read_file(mount / "P/c/link") == b"new", "the file differs")
    expect(os.getxattr(mount / "P/c/d/e/file", "user.k") == b"v", "its attribute is lost")
    expect(os.stat(mount / "P/c/d/e/file").st_mode & 0o777 == 0o640, "its mode is lost")
    expect(not os.path.exists(mount / "P/c/d/e/tmp"), "it has its old name as well")


@test()
def kill_nine_keeps_allocations(bench):
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    os.mkdir(mount / "P/b")
    lmids = {c: os.getxattr(mount / f"P/{c}", "user.rsm.lmid") for c in "ab"}
    os.rename(mount / "P/b", mount / "P/c")
    os.mkdir(mount / "Q")
    mount.kill()
    mount = bench.mount(library)
    expect(os.getxattr(mount / "P/a", "user.rsm.lmid") == lmids["a"], "P/a has another LMID")
    expect(os.getxattr(mount / "P/c", "user.rsm.lmid") == lmids["b"], "P/c has another LMID")
    expect(os.path.isdir(mount / "Q") and not os.path.exists(mount / "P/b"), "pools or names are lost")


@test()
def sigterm_in_writes(bench):
    """A clean end while programs write: what they closed is there, and rsmfs ends by itself."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    writers = [Writer(mount / "P/c", f"w{i}", SEED + i) for i in range(3)]
    for writer in writers:
        writer.start()
    time.sleep(1.5)
    mount.signal(signal.SIGTERM)
    mount.wait(60)
    closed = {}
    for writer in writers:
        writer.stopping = True
        writer.join(30)
        expect(not writer.is_alive(), "a writer hangs on an ended mount")
        closed.update(writer.closed)
    expect(not is_mounted(mount.point), "the mount point is still mounted")
    expect(not os.listdir(mount.point), "something was written under the mount point")
    mount = bench.mount(library)
    check_closed(mount / "P/c", closed)
    print(f"{len(closed)} files were closed before the end")


@test()
def a_second_sigterm_ends_at_once(bench):
    library = bench.library()
    mount = bench.mount(library, options="migrate_delay=600000")
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", random_bytes(64 << 20, 1))
    mount.signal(signal.SIGTERM)
    time.sleep(0.05)
    try:
        mount.signal(signal.SIGTERM)
    except ProcessLookupError:
        pass
    mount.wait(20)
    mount = bench.mount(library)
    expect(read_file(mount / "P/c/f") == random_bytes(64 << 20, 1), "the staged file differs")


@test()
def fusermount_in_writes(bench):
    """Busy while files are open; an unmount right behind the last write loses nothing."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    with open(mount / "P/c/open", "wb") as f:
        f.write(b"1" * 100_000)
        f.flush()
        result = bench.run("fusermount3", "-u", mount.point, check=False)
        expect(result.returncode != 0 and is_mounted(mount.point), "unmounted under an open file")
        f.write(b"2" * 100_000)
    closed = {}
    for i in range(100):
        write_file(mount / f"P/c/f{i}", random_bytes(i * 1000, f"{SEED}-f{i}"))
        closed[f"f{i}"] = i * 1000
    mount.unmount()
    barcodes = places(library)
    expect(all(not p.startswith("drives/") for p in barcodes.values()), "a drive is still loaded",
           barcodes)
    mount = bench.mount(library)
    check_closed(mount / "P/c", closed)
    expect(read_file(mount / "P/c/open") == b"1" * 100_000 + b"2" * 100_000, "the open file differs")


@test()
def second_mount(bench):
    """Fails at once, with one line that names the mount point."""
    library = bench.library()
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    began = time.monotonic()
    result = bench.rsmfs(library, bench.path("other"), check=False)
    seconds = time.monotonic() - began
    lines = result.stderr.strip().splitlines()
    expect(result.returncode != 0, "a second rsmfs on the library mounted")
    expect(len(lines) == 1 and mount.point in lines[0], "one line with the mount point was expected",
           result.stderr)
    expect(seconds < 3, f"it took {seconds:.1f} s")
    expect(os.path.isdir(mount / "P"), "the first mount suffers")


@test()
def mount_while_ending_waits(bench):
    """A mount on a library whose rsmfs still writes waits for it, and says so."""
    library = bench.library()
    mount = bench.mount(library, options="migrate_delay=600000")
    os.makedirs(mount / "P/c")
    data = random_bytes(200 << 20, 1)
    write_file(mount / "P/c/f", data)
    bench.run("fusermount3", "-u", mount.point)
    ending = bench.pid_of(library) != 0
    result = bench.rsmfs(library, timeout=120)
    expect(is_mounted(mount.point), "not mounted")
    expect(not ending or "wait" in (result.stdout + result.stderr), "it did not say that it waits",
           result.stdout + result.stderr)
    bench.pids.add(bench.pid_of(library))
    expect(read_file(mount / "P/c/f") == data, "the file differs")


@test()
def a_dead_mount_does_not_hang_anybody(bench):
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    fd = os.open(mount / "P/c/f", os.O_WRONLY | os.O_CREAT)
    mount.kill()
    try:
        os.write(fd, b"x")
        os.fsync(fd)
        raise AssertionError("a write into a dead mount went well")
    except OSError as e:
        expect(e.errno in (errno.ENOTCONN, errno.ECONNABORTED), f"{e}")
    finally:
        try:
            os.close(fd)
        except OSError:
            pass
    mount = bench.mount(library)
    expect(os.path.isdir(mount / "P/c"), "the cartridge is gone")


@test()
def a_lost_catalogue_is_found_again(bench):
    """With catalog/ lost, an inventory finds every allocated cartridge with contents and names."""
    import shutil
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    os.mkdir(mount / "P/b")
    os.chmod(mount / "P/b", 0o750)
    write_file(mount / "P/a/f", b"one")
    write_file(mount / "P/b/g", b"two")
    lmid = os.getxattr(mount / "P/a", "user.rsm.lmid")
    mount.rsm("sync")
    mount.unmount()
    shutil.move(f"{library}/catalog", bench.path("lost"))
    mount = bench.mount(library)
    mount.rsm("inventory", "--full", timeout=200)
    wait_until("the cartridges are in their pool again", lambda: os.path.exists(mount / "P/b/g"), 60)
    expect(read_file(mount / "P/a/f") == b"one" and read_file(mount / "P/b/g") == b"two", "other bytes")
    expect(os.getxattr(mount / "P/a", "user.rsm.lmid") == lmid, "another LMID")
    expect(os.stat(mount / "P/b").st_mode & 0o777 == 0o750, "another mode")


@test()
def umount_waits(bench):
    """umount of an installed rsmfs returns only when all is put away."""
    import shutil
    from harness import BUILD, Skip, need_root
    need_root()
    if not (os.environ.get("RSM_TEST_INSTALL") or os.environ.get("CI") == "true"):
        raise Skip("puts helpers into /sbin: set RSM_TEST_INSTALL=1 or CI=true")
    if any(os.path.exists(f"/sbin/{h}.fuse.rsmfs") or shutil.which("rsmfs") for h in ("mount", "umount")):
        raise Skip("rsmfs is installed on this machine already")
    bench.run("meson", "install", "-C", BUILD, "--no-rebuild", timeout=120)
    try:
        library = bench.library()
        os.mkdir(bench.point)
        bench.run("mount", "-t", "fuse.rsmfs", library, bench.point, "-o",
                  f"{bench.default_options},migrate_delay=600000,log={bench.log}")
        bench.pids.add(bench.pid_of(library))
        os.makedirs(f"{bench.point}/P/c")
        write_file(f"{bench.point}/P/c/f", random_bytes(100 << 20, 1))
        bench.run("umount", bench.point, timeout=100)
        free = bench.run("flock", "-n", f"{library}/.rsmfs.lock", "true", check=False)
        expect(free.returncode == 0, "umount returned while rsmfs still holds the library")
        expect(not any(p.startswith("drives/") for p in places(library).values()), "a drive is loaded")
    finally:
        log = os.path.join(BUILD, "meson-logs", "install-log.txt")
        with open(log) as f:
            for line in f:
                path = line.strip()
                if path.startswith("/") and os.path.isfile(path):
                    os.unlink(path)
        for helper in ("mount", "umount"):
            if os.path.exists(f"/sbin/{helper}.fuse.rsmfs"):
                os.unlink(f"/sbin/{helper}.fuse.rsmfs")
