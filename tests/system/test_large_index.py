"""An index of many files on a slow drive: while it is written or read, nobody else waits for it."""
import glob
import os
import time

from harness import expect, read_file, test, write_file
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
        os.mkdir(name)
        write_file(f"{name}/data", b"hello")
    mount.rsm("sync", timeout=200)
    make_files(large, FILES)

    # while it is written, also on the very cartridge
    prober = Prober(mount, [large, small])
    prober.start()
    began = time.monotonic()
    mount.rsm("dismount", large, timeout=200)
    took = slow_part("writing the index", began)
    told = prober.check("while writing") + f" of {took:.1f} s"
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
    told += "; " + prober.check("while reading") + f" of {took:.1f} s"
    names = [name for _, _, names in os.walk(large) for name in names]
    expect(names.count("data") == 1 and len(names) > FILES, f"{len(names)} files are there")
    print(told)
