"""Cartridges: which drive takes which, what is written once, who is who, and what cleans."""
import errno
import json
import os
import shutil
import time

from harness import (cartridge_folder, expect, expect_errno, places, random_bytes, read_file, rsm_xattr, test,
                     wait_until, write_file)


def media(mount, *args):
    """What `rsm view media --json` tells, by shown name."""
    rows = json.loads(mount.rsm("--json", "view", "media", *args).stdout)
    rows = next(iter(rows.values())) if isinstance(rows, dict) else rows
    return {row["barcode"] or row["path"].rpartition("/")[2]: row for row in rows}


def sides(mount):
    """The id of each side, by its cartridge's shown name."""
    return {row["medium"]: row["guid"] for row in json.loads(mount.rsm("--json", "view", "sides").stdout)["sides"]}


def loads(mount, barcode):
    """The drives that it was loaded in, as the events tell."""
    return [line.split('drive="')[1].split('"')[0] for line in mount.rsm("events").stdout.splitlines()
            if "event=load" in line and barcode in line]


def attribute(identifier, value):
    return identifier.to_bytes(2, "big") + b"\x80" + len(value).to_bytes(2, "big") + value


def blank(library, slot, barcode, density=None, medium_type=0):
    """Puts a cartridge into a slot that has nothing but a memory."""
    folder = os.path.join(library, "slots", str(slot), barcode)
    os.mkdir(folder)
    memory = attribute(0x0408, bytes([medium_type]))
    if density:
        memory = attribute(0x0405, bytes([density])) + memory
    write_file(os.path.join(folder, "partition0.mam"), memory)


@test()
def cartridges_go_to_drives_of_their_generation(bench):
    library = bench.library(drives=2, slots=10, ports=2, cartridges=2, capacity="200M",
                            **{"drive-type": "LTO-9,LTO-8"})
    blank(library, 1004, "S00001L7")
    blank(library, 1005, "N00001L9")
    blank(library, 1006, "F00001L5")
    blank(library, 1007, "N00002L8", density=0x60)  # whatever its barcode says
    mount = bench.mount(library)
    wait_until("all are identified", lambda: "unknown" not in {row["state"] for row in media(mount).values()})
    expect(sorted(os.listdir(mount / "Unrecognized")) == ["LTO-5", "LTO-7", "LTO-8", "LTO-9"],
           "by what the drives say", os.listdir(mount / "Unrecognized"))
    expect(os.listdir(mount / "Unrecognized/LTO-9") == ["N00001L9", "N00002L8"], "LTO-9")
    old = mount / "Unrecognized/LTO-5/F00001L5"
    expect(rsm_xattr(old, "state") == "incompatible", "no drive takes it")
    expect("no drive here can use F00001L5 (LTO-5): they are LTO-9, LTO-8" == rsm_xattr(old, "health"),
           rsm_xattr(old, "health"))
    result = mount.rsm("mount", "F00001L5", check=False)
    expect(result.returncode == 1 and "no drive here can use F00001L5" in result.stderr, result.stderr)
    result = mount.rsm("free", "--yes", "F00001L5", check=False)
    expect(result.returncode == 1, result.stderr)

    types = {row["name"]: row for row in json.loads(mount.rsm("--json", "view", "media-types").stdout)["media-types"]}
    expect([types[f"LTO-{n}"]["writers"] for n in (5, 7, 8, 9)] == [0, 1, 2, 1], "which drives write which", types)

    data = {}
    mount.rsm("free", "--yes", "S00001L7", "N00001L9")
    for pool, kind in (("Seven", "LTO-7"), ("Eight", "LTO-8"), ("Nine", "LTO-9")):
        mount.rsm("createpool", pool, "--type", kind)
    wait_until("their labels are written", lambda: {media(mount)[b]["state"] for b in ("S00001L7", "N00001L9")}
               == {"available"})
    for pool in ("Seven", "Eight", "Nine"):
        os.mkdir(mount / f"{pool}/x")
        expect(rsm_xattr(mount / f"{pool}/x", "media_type") == f"LTO-{dict(Seven=7, Eight=8, Nine=9)[pool]}", pool)
        data[pool] = random_bytes(300_000, len(pool))
        write_file(mount / f"{pool}/x/file", data[pool])
    mount.rsm("sync")
    for pool in ("Seven", "Eight", "Nine"):
        mount.rsm("dismount", f"{pool}/x", check=False)
    for pool in ("Nine", "Seven", "Eight"):
        expect(read_file(mount / f"{pool}/x/file") == data[pool], pool)
    # all of them at the same time, with one drive for each of two
    for name in ("a", "b"):
        for pool in ("Seven", "Nine"):
            write_file(mount / f"{pool}/x/{name}", data[pool])
    mount.rsm("sync")
    expect(set(loads(mount, "S00001L7")) == {"drive 257"}, "LTO-7 in the LTO-8 drive alone", loads(mount, "S00001L7"))
    expect(set(loads(mount, "N00001L9")) == {"drive 256"}, "LTO-9 in the LTO-9 drive alone", loads(mount, "N00001L9"))
    result = mount.rsm("mount", "Seven/x", "--drive", "256", check=False)
    expect(result.returncode == 1 and "drive 256 (LTO-9) cannot use S00001L7 (LTO-7)" in result.stderr, result.stderr)

    # an LTO-7 cartridge has no place in a pool for LTO-8
    expect_errno(errno.EMEDIUMTYPE, os.rename, mount / "Seven/x", mount / "Eight/y")


@test()
def a_generation_that_drives_only_read_is_read_only(bench):
    library = bench.library(type="LTO-5", drives=1, slots=4, ports=2, cartridges=2, capacity="200M")
    mount = bench.mount(library)
    os.mkdir(mount / "Old")
    os.mkdir(mount / "Old/x")
    write_file(mount / "Old/x/file", b"bytes")
    mount.rsm("sync")
    mount.unmount()
    conf = read_file(os.path.join(library, "library.conf")).replace(b"drive_type = LTO-5", b"drive_type = LTO-7")
    write_file(os.path.join(library, "library.conf"), conf)
    mount = bench.mount(library)
    expect(read_file(mount / "Old/x/file") == b"bytes", "it is read")
    expect_errno(errno.EROFS, write_file, mount / "Old/x/more", b"")
    expect_errno(errno.EMEDIUMTYPE, os.mkdir, mount / "Old/y")
    os.rename(mount / "Old/x", mount / "Old/z")  # in the catalogue alone
    expect(read_file(mount / "Old/z/file") == b"bytes", "under its new name")
    result = mount.rsm("allocate", "Old/y", check=False)
    expect(result.returncode == 1 and "no drive here writes LTO-5" in result.stderr, result.stderr)


@test()
def what_is_written_once_stays(bench):
    library = bench.library(type="LTO-8-WORM", drives=1, slots=5, ports=2, cartridges=3, capacity="400M")
    mount = bench.mount(library)
    wait_until("they are free", lambda: len(os.listdir(mount / "Free/LTO-8-WORM")) == 3)
    os.mkdir(mount / "Law")
    os.mkdir(mount / "Law/case")
    barcode = rsm_xattr(mount / "Law/case", "barcode")
    data = random_bytes(400_000, 5)
    write_file(mount / "Law/case/file", data)
    mount.rsm("sync")
    image = os.path.join(cartridge_folder(library, barcode), "partition0.tap")
    mount.rsm("dismount", "Law/case")
    image = os.path.join(cartridge_folder(library, barcode), "partition0.tap")
    before = read_file(image)
    # changes are added, and nothing that stands there is touched
    os.unlink(mount / "Law/case/file")
    write_file(mount / "Law/case/other", data)
    os.rename(mount / "Law/case", mount / "Law/closed")
    mount.rsm("sync")
    mount.rsm("dismount", "Law/closed")
    after = read_file(image)
    expect(len(after) > len(before) and after.startswith(before), "the index partition has only grown")
    mount.unmount()
    shutil.rmtree(os.path.join(library, "catalog"))
    shutil.rmtree(os.path.join(library, "staging"))
    mount = bench.mount(library)
    wait_until("it is found again", lambda: os.path.exists(mount / "Law/closed"))
    expect(os.listdir(mount / "Law/closed") == ["other"], "as it was")
    expect(read_file(mount / "Law/closed/other") == data, "with its contents")

    os.unlink(mount / "Law/closed/other")
    os.rmdir(mount / "Law/closed")
    expect(media(mount)[barcode]["state"] == "decommissioned", "never allocated again", media(mount)[barcode])
    left = sorted(os.listdir(mount / "Free/LTO-8-WORM"))
    expect(barcode not in left and len(left) == 2, left)
    result = mount.rsm("free", "--yes", left[0], check=False)
    expect(result.returncode == 1 and f"{left[0]} is written once (LTO-8-WORM)" in result.stderr, result.stderr)
    # one that was never written is as good as new
    os.mkdir(mount / "Law/short")
    os.rmdir(mount / "Law/short")
    expect(sorted(os.listdir(mount / "Free/LTO-8-WORM")) == left, "it is free again")


@test()
def two_of_one_barcode_one_without_and_a_cleaner(bench):
    library = bench.library(drives=2, slots=8, ports=2, cartridges=4, capacity="200M")
    os.rename(cartridge_folder(library, "A00002L8"), os.path.join(library, "slots/1002/A00001L8"))
    os.rename(cartridge_folder(library, "A00003L8"), os.path.join(library, "slots/1003/no barcode"))
    blank(library, 1007, "CLN002L1", medium_type=1)
    blank(library, 1008, "X00001L8", medium_type=1)
    mount = bench.mount(library)
    wait_until("all are identified", lambda: "unknown" not in
               {row["state"] for row in media(mount).values() if row["barcode"] != "X00001L8"})
    free = os.listdir(mount / "Free/LTO-8")
    expect("A00001L8" in free and "A00001L8~2" in free, "both are kept", free)
    expect("event=duplicate medium=A00001L8~2" in mount.rsm("events").stdout, "and told of")
    number = [name for name in free if name.isdigit()]
    expect(len(number) == 1, "a number for the one without a barcode", free)
    os.mkdir(mount / "Backup")
    result = mount.rsm("allocate", "Backup/x", "--medium", "A00001L8", check=False)
    expect(result.returncode == 1 and "2 cartridges bear the barcode A00001L8" in result.stderr, result.stderr)
    os.rename(mount / "Free/LTO-8/A00001L8~2", mount / "Backup/second")  # by its own name
    os.rename(mount / f"Free/LTO-8/{number[0]}", mount / "Backup/unlabelled")
    write_file(mount / "Backup/second/file", b"second")
    write_file(mount / "Backup/unlabelled/file", b"unlabelled")
    mount.rsm("sync")
    side = sides(mount)[number[0]]
    mount.unmount()
    # the number stays with it, in any slot
    place = next(p for b, p in places(library).items() if b == "no barcode")
    os.rename(os.path.join(library, place, "no barcode"), os.path.join(library, "slots/1006/no barcode"))
    mount = bench.mount(library)
    expect(read_file(mount / "Backup/unlabelled/file") == b"unlabelled", "found by its label")
    expect(read_file(mount / "Backup/second/file") == b"second", "likewise")
    expect(sides(mount).get(number[0]) == side, "its number and its id are what they were", sides(mount))

    for cleaner in ("CLN002L1", "X00001L8"):
        wait_until(f"{cleaner} is a cleaner", lambda c=cleaner: media(mount)[c]["state"] == "cleaner")
        result = mount.rsm("mount", cleaner, check=False)
        expect(result.returncode == 1 and "is a cleaning cartridge" in result.stderr, result.stderr)
        result = mount.rsm("free", "--yes", cleaner, check=False)
        expect(result.returncode == 1 and "is a cleaning cartridge" in result.stderr, result.stderr)
    expect("event=move medium=CLN002L1" not in mount.rsm("events").stdout, "it was never brought anywhere")
    names = [name for pool in ("Free", "Import", "Unrecognized") for kind in os.listdir(mount / pool)
             for name in os.listdir(mount / f"{pool}/{kind}")]
    expect("CLN002L1" not in names and "X00001L8" not in names, "in no pool", names)


def put_in(mount, library, slot, barcode, **memory):
    """As a person does it: whole, and at once."""
    os.makedirs(os.path.join(library, "shelf"), exist_ok=True)
    blank(library, "../shelf", barcode, **memory)
    os.rename(os.path.join(library, "shelf", barcode), os.path.join(library, "slots", str(slot), barcode))
    mount.rsm("inventory", "--fast")


def slots(mount):
    return {row["element"]: row for row in json.loads(mount.rsm("--json", "view", "slots").stdout)["slots"]}


def refused(mount, *arguments):
    result = mount.rsm(*arguments, check=False)
    expect(result.returncode == 1, f"{arguments} was not refused")
    return result.stderr


@test()
def a_person_says_what_no_barcode_tells(bench):
    """A slot is the cleaner's; a cartridge is of a type that neither barcode nor drive tell."""
    library = bench.library(drives=1, slots=8, ports=2, cartridges=2, capacity="200M")
    shutil.rmtree(cartridge_folder(library, "CLN001L1"))
    mount = bench.mount(library)
    expect(not slots(mount)[1007]["cleaner"], "none is to begin with")
    expect("there is no slot:1099" in refused(mount, "set", "slot:1099", "cleaner=1"), "no such slot")
    expect("a drive has read it" in refused(mount, "set", "slot:1001", "cleaner=1"), "for data")
    expect("slot 1007 is not the cleaner's" in refused(mount, "set", "slot:1007", "cleaner=0"), "not yet")
    mount.rsm("set", "slot:1007", "cleaner=1")
    expect(slots(mount)[1007]["cleaner"] and not slots(mount)[1006]["cleaner"], "that one is", slots(mount))
    expect("slot 1007 is the cleaner's already" in refused(mount, "set", "slot:1006", "cleaner=1"), "one only")
    expect("empty slot has no 'uses'" in refused(mount, "set", "slot:1007", "uses=3"), "it is empty")
    # what comes there cleans, and no drive has to find that out
    put_in(mount, library, 1007, "X00002L8", medium_type=1)
    expect(media(mount)["X00002L8"]["state"] == "cleaner", "it is a cleaner")
    expect("event=move" not in mount.rsm("log", "X00002L8").stdout, "it was never brought anywhere")
    mount.rsm("set", "X00002L8", "uses=2")
    mount.rsm("clean", "256")
    expect(media(mount)["X00002L8"]["uses"] == 1, "it has cleaned")
    expect(places(library)["X00002L8"] == "slots/1007", "and is back", places(library))
    mount.unmount()

    # a cartridge for data, by mistake
    mount = bench.mount(library)
    expect(slots(mount)[1007]["cleaner"], "it is the cleaner's for good")
    shutil.rmtree(cartridge_folder(library, "X00002L8"))
    put_in(mount, library, 1007, "D00001L8", density=0x5E)
    expect(media(mount)["D00001L8"]["state"] == "cleaner", "it is thought to be one")
    mount.rsm("set", "slot:1007", "cleaner=0")
    wait_until("it is none", lambda: media(mount)["D00001L8"]["state"] == "unrecognized")
    expect(not slots(mount)[1007]["cleaner"], "nor is the slot")
    expect(os.path.isdir(mount / "Unrecognized/LTO-8/D00001L8"), "it is listed")

    # types
    expect("its barcode says that it is LTO-8" in refused(mount, "set", "D00001L8", "media_type=LTO-7"), "L8")
    mount.rsm("disable", "drive", "256")
    put_in(mount, library, 1006, "no barcode", density=0x5E)
    expect("LTO-99 is no media type" in refused(mount, "set", "slot:1006", "media_type=LTO-99"), "no such type")
    mount.rsm("set", "slot:1006", "media_type=LTO-7")
    number = os.listdir(mount / "Unrecognized/LTO-7")
    expect(len(number) == 1, "it is of that type now", number)
    expect(rsm_xattr(mount / f"Unrecognized/LTO-7/{number[0]}", "media_type") == "LTO-7", "and says so")
    mount.rsm("set", f"Unrecognized/LTO-7/{number[0]}", "media_type=LTO-8")
    expect(os.listdir(mount / "Unrecognized/LTO-7") == [], "back again")
    mount.rsm("enable", "drive", "256")
    wait_until("a drive has told", lambda: media(mount)[number[0]]["state"] == "unrecognized")
    expect("a drive says that it is LTO-8" in refused(mount, "set", number[0], "media_type=LTO-7"), "told")


@test()
def a_copy_of_a_volume_is_read_only(bench):
    library = bench.library(drives=2, slots=8, ports=2, cartridges=1, capacity="200M")
    mount = bench.mount(library)
    os.mkdir(mount / "Backup")
    os.mkdir(mount / "Backup/monday")
    write_file(mount / "Backup/monday/file", b"bytes")
    mount.rsm("sync")
    mount.rsm("dismount", "Backup/monday")
    shutil.copytree(cartridge_folder(library, "A00001L8"), os.path.join(library, "shelf/B00001L8"))
    os.rename(os.path.join(library, "shelf/B00001L8"), os.path.join(library, "ports/10/B00001L8"))
    wait_until("it is identified", lambda: os.path.exists(mount / "Import/LTO-8/B00001L8"))
    copy = mount / "Import/LTO-8/B00001L8"
    expect(read_file(f"{copy}/file") == b"bytes", "it is read")
    expect_errno(errno.EROFS, write_file, f"{copy}/more", b"")
    expect_errno(errno.EPERM, os.rename, copy, mount / "Backup/copy")
    expect("it bears the same volume as A00001L8" == rsm_xattr(copy, "health"), rsm_xattr(copy, "health"))
    expect("event=duplicate medium=B00001L8 of=A00001L8" in mount.rsm("events").stdout, "and told of")
    write_file(mount / "Backup/monday/more", b"more")


@test()
def a_drive_is_given_up_for_who_has_no_other(bench):
    library = bench.library(drives=2, slots=6, ports=2, cartridges=2, capacity="200M",
                            **{"drive-type": "LTO-9,LTO-8"})
    blank(library, 1004, "S00001L7")
    mount = bench.mount(library, options="dismount_delay=600")
    mount.rsm("free", "--yes", "S00001L7")
    mount.rsm("createpool", "Seven", "--type", "LTO-7")
    mount.rsm("createpool", "Eight", "--type", "LTO-8")
    mount.rsm("sync")
    for pool in ("Seven", "Eight"):
        os.mkdir(mount / f"{pool}/x")
        write_file(mount / f"{pool}/x/file", pool.encode())
    mount.rsm("sync")
    for pool in ("Seven", "Eight"):
        mount.rsm("dismount", f"{pool}/x", check=False)
    mount.rsm("mount", "Eight/x", "--drive", "257")
    mount.rsm("dismount", "--deferred", "Eight/x")
    start = time.monotonic()
    expect(read_file(mount / "Seven/x/file") == b"Seven", "the empty LTO-9 drive is none for it")
    expect(time.monotonic() - start < 10, "the idle cartridge made way", time.monotonic() - start)
    expect(read_file(mount / "Eight/x/file") == b"Eight", "and has the other one")
    expect(loads(mount, "S00001L7")[-1] == "drive 257" and rsm_xattr(mount / "Seven/x", "mounted") == "1",
           loads(mount, "S00001L7"))
