"""An index of many files on a slow drive: while it is written or read, nobody else waits for it."""
import glob
import os
import threading
import time

from harness import expect, read_file, rsm_xattr, test, wait_until, write_file
from test_slow_library import Prober

FILES = 6000  # an index of some 4 MB
RATE_MB_S = 3


def slow_drives(bench, **shape):
    """A library that moves at once, and whose drives take a second for a few megabytes."""
    library = bench.library(**shape)
    with open(f"{library}/library.conf") as f:
        lines = [line for line in f.read().splitlines()
                 if line.split("=")[0].strip() not in ("timing", "rate_mb_s", "robot_s", "load_s",
                                                       "unload_s", "locate_mb_s")]
    lines += ["timing = real", f"rate_mb_s = {RATE_MB_S}", "robot_s = 0", "load_s = 0", "unload_s = 0",
              "locate_mb_s = 1000000"]
    write_file(f"{library}/library.conf", ("\n".join(lines) + "\n").encode())
    return library


def make_files(folder, count):
    for d in range(count // 500):
        os.mkdir(f"{folder}/{d:03}")
        for i in range(500):
            os.close(os.open(f"{folder}/{d:03}/some-file-{i:05}.dat", os.O_CREAT | os.O_WRONLY))


class Looker(Prober):
    """Only looks: what is written to a cartridge keeps it in its drive."""

    def run(self):
        try:
            while not self.stopping:
                self.rounds += 1
                some = self.names[self.rounds % len(self.names)]
                self.timed("stat", os.stat, f"{some}/data")
                self.timed("stat", os.stat, f"{some}/003/some-file-{self.rounds % 500:05}.dat")
                self.timed("ls", os.listdir, f"{some}/{self.rounds % 10:03}")
                self.timed("df", os.statvfs, some)
                time.sleep(0.05)
        except OSError as e:
            self.error = e


def slow_part(what, began):
    """How long it took, which has to be long for the test to say anything."""
    took = time.monotonic() - began
    expect(took > 1.0, f"{what} took {took:.2f} s: too short to tell anything")
    return took


@test(timeout=300)
def a_large_index_stops_nobody(bench):
    """Others look, write and read at once while the index of many files is written, and read."""
    library = slow_drives(bench, cartridges=2, drives=2)
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    large, small = mount / "P/large", mount / "P/small"
    for name in (large, small):
        mount.allocate(f"P/{os.path.basename(name)}")
        write_file(f"{name}/data", b"hello")
    mount.rsm("sync", timeout=200)
    make_files(large, FILES)

    # while it is written, also on the very cartridge
    probers = [Prober(mount, [small]), Looker(mount, [large])]
    for prober in probers:
        prober.start()
    began = time.monotonic()
    mount.rsm("dismount", large, timeout=200)
    took = slow_part("writing the index", began)
    told = f"{took:.1f} s: " + "; ".join(prober.check("while writing") for prober in probers)
    mount.rsm("sync", timeout=200)
    mount.unmount()

    # the cached tree is gone: the index has to be read
    [database] = [path for path in glob.glob(f"{library}/**/index.db", recursive=True)
                  if os.path.getsize(path) > 500_000]
    os.unlink(database)
    mount = bench.mount(library)
    write_file(f"{small}/again", b"hello")
    prober = Prober(mount, [small])
    prober.start()
    began = time.monotonic()
    expect(read_file(f"{large}/data") == b"hello", "other bytes")
    took = slow_part("reading the index", began)
    told += f"; {took:.1f} s: " + prober.check("while reading")
    names = [name for _, _, names in os.walk(large) for name in names]
    expect(names.count("data") == 1 and len(names) > FILES, f"{len(names)} files are there")
    print(told)


class Writer(threading.Thread):
    """Closes one small file after the other, as fast as it can."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.count, self.ended = folder, 0, False
        self.start()

    def run(self):
        while not self.ended:
            write_file(f"{self.folder}/w{self.count:06}", b"and another one")
            self.count += 1
            time.sleep(0.002)


@test(timeout=120)
def a_writer_does_not_keep_a_cartridge_from_leaving(bench):
    """rsm dismount waits for what was written when it was asked, not for what comes meanwhile."""
    library = slow_drives(bench, cartridges=2, drives=1)
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    mount.allocate("P/c")
    make_files(mount / "P/c", 3000)
    mount.rsm("mount", "P/c")
    writer = Writer(mount / "P/c")
    wait_until("it writes", lambda: writer.count > 50)
    write_file(mount / "P/c/before", b"written before")
    for _ in range(200):  # it refuses while a file is open for writing, and there is one most of the time
        began = time.monotonic()
        result = mount.rsm("dismount", "P/c", timeout=60, check=False)
        if "open for writing" not in result.stderr:
            break
    took = time.monotonic() - began
    expect(result.returncode == 0, "the dismount failed", result.stderr)
    expect(took < 30, f"the dismount took {took:.1f} s")
    expect(rsm_xattr(mount / "P/c/before", "residency") == "medium", "it left without what was there")
    writer.ended = True
    writer.join()
    expect(writer.count > 100, "nothing was written meanwhile")
    mount.unmount()
    mount = bench.mount(library)
    expect(len(os.listdir(mount / "P/c")) == writer.count + 1 + 6, "files are missing")
