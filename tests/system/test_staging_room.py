"""A full staging area: writers wait until what is on the medium has an index there, and not longer."""
import os
import time

from harness import SEED, expect, random_bytes, read_file, test, write_file


@test()
def a_full_staging_area_is_emptied_at_once(bench):
    """More than fits is written in little time, although an index would be due in five minutes only."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library, options="staging_limit=40M,index_interval=300")
    os.makedirs(mount / "P/c")
    began = time.monotonic()
    for i in range(8):
        write_file(mount / f"P/c/f{i}", random_bytes(15_000_000, f"{SEED}-{i}"))
    seconds = time.monotonic() - began
    expect(seconds < 60, f"it took {seconds:.0f} s")
    for i in range(8):
        expect(read_file(mount / f"P/c/f{i}") == random_bytes(15_000_000, f"{SEED}-{i}"), f"f{i} differs")
    mount.unmount()
    print(f"{seconds:.1f} s")
