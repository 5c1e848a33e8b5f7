"""Promises of the model (rsm-model.md 20) about who is who, each kept over a whole mount."""
import errno
import os
import shutil

from harness import (cartridge_folder, expect, expect_errno, places, random_bytes, read_file, rsm_xattr, test,
                     wait_until, write_file)
from test_identification import given
from test_media_promises import images
from test_tool import table


def events(mount, *words):
    return [line for line in mount.rsm("events").stdout.splitlines() if all(word in line for word in words)]


def change_places(library, one, other):
    """An operator takes two cartridges out and puts each where the other was."""
    from_one, from_other = (os.path.dirname(cartridge_folder(library, b)) for b in (one, other))
    kept = f"{library}/shelf/.{one}"
    os.makedirs(os.path.dirname(kept), exist_ok=True)
    os.rename(f"{from_one}/{one}", kept)
    os.rename(f"{from_other}/{other}", f"{from_one}/{other}")
    os.rename(kept, f"{from_other}/{one}")


def change_tapes(library, one, other):
    """The barcode stickers of two cartridges change places."""
    one, other = (cartridge_folder(library, b) for b in (one, other))
    kept = f"{library}/.kept"
    os.rename(one, kept)
    os.rename(other, one)
    os.rename(kept, other)


def set_conf(library, line):
    with open(f"{library}/library.conf", "a") as f:
        f.write(line + "\n")


def is_home(mount):
    return all(row["state"] == "empty" for row in table(mount, "view", "drives"))


def given_week(bench, library, options=""):
    """Two cartridges with a file each, at home."""
    mount = bench.mount(library, options=options)
    os.mkdir(mount / "Backup")
    for name in ("monday", "tuesday"):
        os.mkdir(mount / f"Backup/{name}")
        write_file(mount / f"Backup/{name}/file", random_bytes(50_000, name))
    mount.rsm("sync")
    wait_until("both are at home", lambda: is_home(mount))
    return mount, {name: {key: rsm_xattr(mount / f"Backup/{name}", key)
                          for key in ("barcode", "lmid", "volume_uuid")} for name in ("monday", "tuesday")}


def expect_week(mount, week, *more):
    """Each is under its name, with its LMID and its bytes."""
    def comes(path, data):
        try:
            return read_file(path) == data
        except OSError as e:  # the wrong one is in a drive, or the right one is not found yet
            expect(e.errno in (errno.EMEDIUMTYPE, errno.ENOMEDIUM), e)
            return False

    for name, ids in week.items():
        for what in ("", *more):
            wait_until(f"{name}/file{what} is what it was",
                       lambda p=mount / f"Backup/{name}/file{what}", d=random_bytes(50_000, name + what): comes(p, d))
        for key in ("lmid", "volume_uuid"):
            expect(rsm_xattr(mount / f"Backup/{name}", key) == ids[key], f"{name} has another {key}")


def by_volume(library, week):
    """The barcodes of the two tapes, told by the volume that they hold."""
    found = {}
    for barcode in places(library):
        tape = b"".join(images(library, barcode))
        for name, ids in week.items():
            if ids["volume_uuid"].encode() in tape[:20_000]:
                expect(name not in found, f"two tapes hold {name}")
                found[name] = barcode
    expect(set(found) == set(week), "a volume is gone", found)
    return found


def expect_written_where_it_belongs(library, week, more):
    tapes = {name: b"".join(images(library, barcode)) for name, barcode in by_volume(library, week).items()}
    for name in week:
        for owner in week:
            expect((random_bytes(50_000, owner + more) in tapes[name]) == (owner == name),
                   f"what was written for {owner} is wrong on the tape of {name}")


def write_behind_the_back(bench, mount, library, week, exchange):
    """They change places; then both are written to before anybody has looked."""
    for name in week:
        write_file(mount / f"Backup/{name}/file", random_bytes(50_000, name))
    mount.rsm("sync")
    wait_until("both are at home", lambda: is_home(mount))
    exchange()
    for name in week:
        write_file(mount / f"Backup/{name}/filemore", random_bytes(50_000, name + "more"))
    mount.rsm("sync", check=False)  # the wrong label is told, and the right one looked for
    expect_week(mount, week, "more")
    mount.rsm("sync")
    expect(events(mount, "event=wrong_label", week["monday"]["volume_uuid"], week["tuesday"]["volume_uuid"]),
           "no event names both labels")
    mount.unmount()
    expect_written_where_it_belongs(library, week, "more")


@test()
def a_barcode_alone_never_makes_rsmfs_write(bench):
    """Promise 4: before the first write after every load, the label is read and compared. The barcodes of two
    cartridges are exchanged, and a third one, which the catalogue has as free, is overwritten by somebody else.
    """
    bench.allow_error(r"it holds .* was expected")
    library = bench.library(drives=2, cartridges=3, slots=8)
    mount, week = given_week(bench, library)
    third, = {"A00001L8", "A00002L8", "A00003L8"} - {ids["barcode"] for ids in week.values()}
    theirs = f"{cartridge_folder(library, third)}/partition0.tap"
    shutil.rmtree(os.path.dirname(theirs))
    given(library, os.path.basename(os.path.dirname(os.path.dirname(theirs))), third, [b"somebody's only backup"])
    before = read_file(theirs)
    os.mkdir(mount / "Backup/wednesday")
    write_file(mount / "Backup/wednesday/file", b"wednesday")
    result = mount.rsm("sync", "Backup/wednesday", check=False)
    expect(result.returncode == 1 and "it holds" in result.stderr and "is left as it is" in result.stderr,
           result.stderr)
    wait_until("it is at home", lambda: is_home(mount))
    expect(read_file(theirs) == before, "a label was written where the barcode alone said so")
    expect(read_file(mount / "Backup/wednesday/file") == b"wednesday", "what is not on a medium is lost")
    mount.rsm("deallocate", "--force", "Backup/wednesday")

    barcodes = [ids["barcode"] for ids in week.values()]
    write_behind_the_back(bench, mount, library, week, lambda: change_tapes(library, *barcodes))
    expect(read_file(theirs) == before, "a label was written where the barcode alone said so")


@test()
def nor_does_a_place_alone_where_there_are_no_barcodes(bench):
    """Promise 4, `barcodes = off`: two cartridges change places behind our back."""
    bench.allow_error(r"it holds .* was expected")
    library = bench.library(drives=2, cartridges=2, slots=8)
    set_conf(library, "barcodes = off")
    mount, week = given_week(bench, library)
    expect(not any(ids["barcode"] for ids in week.values()), week)
    write_behind_the_back(bench, mount, library, week, lambda: change_places(library, *by_volume(library, week).values()))


@test()
def fast_inventory_after_two_cartridges_changed_places_finds_both(bench):
    """Promise 11: with barcodes nothing is mounted; without, the label check finds them at the next mount."""
    bench.allow_error(r"it holds .* was expected")
    library = bench.library(drives=2, cartridges=2, slots=8)
    mount, week = given_week(bench, library)
    where = {name: rsm_xattr(mount / f"Backup/{name}", "location") for name in week}
    moves = len(events(mount, "event=move"))
    change_places(library, *by_volume(library, week).values())
    mount.rsm("inventory")
    now = {name: rsm_xattr(mount / f"Backup/{name}", "location") for name in week}
    expect(now == {"monday": where["tuesday"], "tuesday": where["monday"]}, "not found by their barcodes", now)
    expect(len(events(mount, "event=move")) == moves, "something was mounted")
    expect_week(mount, week)
    expect(not events(mount, "event=wrong_label"), "a wrong one was fetched")
    mount.unmount()

    # the reader is broken: nobody sees it before the mount
    set_conf(library, "barcodes = off")
    mount = bench.mount(library)
    mount.rsm("inventory")
    wait_until("both are at home", lambda: is_home(mount))
    moves = len(events(mount, "event=move"))
    change_places(library, *by_volume(library, week).values())
    mount.rsm("inventory")
    expect(len(events(mount, "event=move")) == moves, "something was mounted")
    expect_week(mount, week)
    expect(events(mount, "event=wrong_label"), "nobody was told")


@test()
def ejecting_and_injecting_a_cartridge_brings_it_back_as_what_it_was(bench):
    """Promise 5: an allocated one under the same path with the same LMID, in any slot; a Free one likewise; an
    Unrecognized one comes back as new.
    """
    library = bench.library(drives=2, cartridges=3, slots=8, ports=2)
    given(library, 1005, "Q00001L8", [b"somebody's only backup"])
    mount, week = given_week(bench, library)
    free, = {"A00001L8", "A00002L8", "A00003L8"} - {ids["barcode"] for ids in week.values()}
    strange = "Q00001L8"
    path = {free: mount / f"Free/LTO-8/{free}", strange: mount / f"Unrecognized/LTO-8/{strange}"}
    wait_until("it is known", lambda: rsm_xattr(path[strange], "label") == "unknown")
    monday = week["monday"]["barcode"]
    for barcode in (free, strange, strange):
        mount.rsm("mount", barcode)
        mount.rsm("dismount", barcode)
    sides = {row["medium"]: row for row in table(mount, "view", "sides")}
    folders = {}
    for barcode, name in ((monday, "Backup/monday"), (free, free), (strange, strange)):
        mount.rsm("eject", name)
        wait_until("it is in a port", lambda b=barcode: places(library)[b].startswith("ports/"))
        folders[barcode] = f"{library}/shelf/.{barcode}"
        os.makedirs(f"{library}/shelf", exist_ok=True)
        os.rename(cartridge_folder(library, barcode), folders[barcode])
    wait_until("they have left", lambda: rsm_xattr(mount / "Backup/monday", "location") == "offline"
               and not os.path.exists(path[strange]))
    expect(rsm_xattr(path[free], "location") == "offline" and rsm_xattr(path[free], "state") == "available",
           "the free one is not remembered")
    expect_errno(errno.ENOMEDIUM, read_file, mount / "Backup/monday/file")
    slots = iter((1008, 1007, 1006))
    for barcode, folder in folders.items():  # each in another slot, and one of them through a port
        slot = next(slots)
        place = f"{library}/slots/{slot}" if barcode != free else f"{library}/ports/10"
        os.rename(folder, f"{place}/{barcode}")
    mount.rsm("inventory")
    wait_until("all are back", lambda: os.path.exists(path[strange]) and all(
        row["location"].startswith("slot") for row in table(mount, "view", "media")))
    expect(rsm_xattr(mount / "Backup/monday", "location") == "slot 1008", "it is where it lies")
    expect_week(mount, week)
    wait_until("it is identified", lambda: rsm_xattr(path[strange], "label") == "unknown")
    now = {row["medium"]: row for row in table(mount, "view", "sides")}
    for barcode in (monday, free):
        expect(now[barcode]["guid"] == sides[barcode]["guid"], f"the side of {barcode} has another id")
        expect(int(now[barcode]["mounts"]) >= int(sides[barcode]["mounts"]), "its mounts are forgotten", sides, now)
    expect(int(now[strange]["mounts"]) == 1 and int(sides[strange]["mounts"]) > 2,
           "who was forgotten comes back as new", sides, now)
    expect(rsm_xattr(path[free], "state") == "available", rsm_xattr(path[free], "state"))
    os.rename(path[free], mount / "Backup/wednesday")
    write_file(mount / "Backup/wednesday/file", b"wednesday")
    mount.rsm("sync")
    expect(read_file(mount / "Backup/wednesday/file") == b"wednesday", "a free one can be allocated again")


@test()
def of_two_cartridges_with_one_volume_or_one_barcode_neither_is_written_wrongly(bench):
    """A block-wise copy, first beside its original, then in its place; and a stranger with the barcode of one."""
    bench.allow_error(r"it holds .* was expected")
    library = bench.library(drives=2, cartridges=2, slots=8, ports=2)
    mount, week = given_week(bench, library)
    monday = week["monday"]["barcode"]
    os.makedirs(f"{library}/shelf", exist_ok=True)
    shutil.copytree(cartridge_folder(library, monday), f"{library}/shelf/C00001L8")
    copied = read_file(f"{library}/shelf/C00001L8/partition1.tap")
    os.rename(f"{library}/shelf/C00001L8", f"{library}/slots/1006/C00001L8")
    mount.rsm("inventory")
    copy = mount / "Import/LTO-8/C00001L8"
    wait_until("the copy is known", lambda: os.path.exists(copy))
    write_file(mount / "Backup/monday/filemore", random_bytes(50_000, "mondaymore"))
    expect_errno(errno.EROFS, write_file, f"{copy}/more", b"")
    expect_errno(errno.EPERM, os.rename, copy, mount / "Backup/copy")
    mount.rsm("sync")
    expect(len(events(mount, "event=duplicate", "medium=C00001L8", f"of={monday}")) >= 1, "no event tells of the copy")
    expect(not os.path.exists(f"{copy}/filemore"), "the copy shows what is on the other one")
    week_of = table(mount, "view", "media")
    expect([row["label"] for row in week_of if row["barcode"] == "C00001L8"][0].startswith("LTFS"), week_of)

    # a second cartridge with the barcode of an allocated one, which is a stranger
    mount.unmount()
    given(library, 1007, week["tuesday"]["barcode"], [b"somebody's only backup"])
    stranger = f"{library}/slots/1007/{week['tuesday']['barcode']}/partition0.tap"
    before = read_file(stranger)
    mount = bench.mount(library)
    second = mount / f"Unrecognized/LTO-8/{week['tuesday']['barcode']}~2"
    wait_until("it is known", lambda: os.path.exists(second) and rsm_xattr(second, "label") == "unknown")
    expect(events(mount, "event=duplicate", f"medium={week['tuesday']['barcode']}~2"), "no event tells of the barcode")
    write_file(mount / "Backup/tuesday/filemore", random_bytes(50_000, "tuesdaymore"))
    mount.rsm("sync")
    expect_week(mount, week, "more")
    mount.unmount()
    expect(read_file(f"{cartridge_folder(library, 'C00001L8')}/partition1.tap") == copied, "the copy was written to")
    expect(read_file(stranger) == before, "the stranger was written to")
