"""A catalogue of many cartridges, scaled down: what is asked of a few costs no look at all of them.

Figures are for tests/bench/bench_scale.py; here is what must be so whatever the machine.
"""
import json
import os
import sqlite3
import subprocess

import large_catalogue
from harness import RSM, expect, rsm_xattr, test, wait_until

SLOTS = 2300
REAL = 6
IN_POOL = 1200
OFFLINE = 1500


def given_many(bench, **shape):
    library = bench.library(drives=2, slots=SLOTS, ports=2, cartridges=REAL, capacity="50M", **shape)
    mount = bench.mount(library)
    os.mkdir(mount / "Big")
    os.mkdir(mount / "Archive")
    wait_until("all are in Free", lambda: len(os.listdir(mount / "Free/LTO-8")) == REAL)
    mount.unmount()
    large_catalogue.fill([library], in_library=SLOTS - REAL - 1, offline=OFFLINE, allocated=IN_POOL,
                         real=REAL)
    return library


@test()
def thousands_of_cartridges_are_listed_allocated_and_read(bench):
    library = given_many(bench)
    mount = bench.mount(library)
    expect(len(os.listdir(mount / "Big")) == IN_POOL, "every cartridge of the pool is listed once")
    expect(len(os.listdir(mount / "Archive")) == OFFLINE, "off-line ones, too")
    rows = json.loads(mount.rsm("view", "media", "--json").stdout)["media"]
    expect(len(rows) == SLOTS + OFFLINE, "view media tells all", len(rows))
    expect(len({row["barcode"] for row in rows}) == len(rows), "and each once")
    of_pool = json.loads(mount.rsm("view", "media", "Big", "--json").stdout)["media"]
    expect({r["barcode"] for r in of_pool} == {r["barcode"] for r in rows if r["pool"] == "Big"},
           "view media of a pool are those of view media that are in it")

    os.mkdir(mount / "Archive/new")
    expect(rsm_xattr(mount / "Archive/new", "barcode").startswith("A0000"),
           "the least used was chosen among thousands")
    with open(mount / "Archive/new/file", "wb") as f:
        f.write(b"x" * 70000)
    mount.rsm("sync", "Archive/new")
    mount.rsm("dismount", "Archive/new", check=False)
    with open(mount / "Archive/new/file", "rb") as f:
        expect(f.read() == b"x" * 70000, "it is read back")
    lmid = rsm_xattr(mount / "Archive/new", "lmid")
    expect(mount.rsm("view", lmid).stdout == mount.rsm("view", "Archive/new").stdout,
           "an LMID names it as its path does")


@test()
def a_start_knows_what_was_carried_between_thousands_of_slots(bench):
    library = given_many(bench)
    mount = bench.mount(library)
    mount.unmount()
    expect(os.path.exists(os.path.join(library, ".elements")), "what the slots hold is remembered")
    slots = os.path.join(library, "slots")
    os.rename(f"{slots}/1001/A00001L8", f"{library}/shelf/A00001L8")
    os.rename(f"{slots}/1500/" + os.listdir(f"{slots}/1500")[0], f"{slots}/1001/moved")
    os.rename(f"{slots}/1002/A00002L8", f"{slots}/1500/A00002L8")

    mount = bench.mount(library)

    rows = {row["barcode"]: row["location"]
            for row in json.loads(mount.rsm("view", "media", "--json").stdout)["media"]}
    expect(rows["A00001L8"] == "offline", "what lies on the shelf is not in the library")
    expect(rows["A00002L8"] == "slot 1500", "what changed its slot is where it is")
    expect(rows["moved"] == "slot 1001", "as is the other")


@test()
def a_long_view_streams(bench):
    library = given_many(bench)
    mount = bench.mount(library)
    for options in ([], ["--json"]):
        process = subprocess.Popen([RSM, "-m", mount.point, "view", "media", *options],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            expect(process.stdout.readline(), "the first line comes")
            # a pipe takes 64 KiB: it waits for the reader, with the daemon behind it, and nobody else does
            expect(process.poll() is None, "it has not ended: the rest is still to be sent")
            os.mkdir(mount / f"Pool{len(options)}")
            expect(mount.rsm("view", "drives").returncode == 0, "others are served meanwhile")
        finally:
            process.kill()
            process.communicate()


@test()
def no_request_for_one_cartridge_walks_through_all(bench):
    """Each of the statements for one row has an index for it."""
    library = given_many(bench)
    db = sqlite3.connect(f"file:{library}/catalog/catalog.db?mode=ro", uri=True)
    db.execute("PRAGMA query_only = ON")
    for sql in ("SELECT id FROM side WHERE shown = ?", "SELECT id FROM side WHERE guid = ?",
                "SELECT id FROM medium WHERE barcode = ? AND barcode <> ''",
                "SELECT id FROM logical_medium WHERE lmid = ?",
                "SELECT id FROM logical_medium WHERE pool = 7 AND name = ?",
                "SELECT id FROM medium WHERE library = 1 AND location = 4 AND location <> 0 AND element = ?",
                "SELECT id FROM side WHERE pool = 7 AND shown > ? ORDER BY shown"):
        plan = " ".join(row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, ("x",)))
        expect("SCAN" not in plan and "TEMP B-TREE" not in plan, sql, plan)
    db.close()
