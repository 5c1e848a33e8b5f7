"""Promises of the model (rsm-model.md 20) about what media hold, each kept over a whole mount."""
import glob
import os
import random
import subprocess

from harness import (SEED, cartridge_folder, expect, expect_errno, random_bytes, read_file, rsm_xattr, test,
                     wait_until, write_file)
from ltfs_make import Tape
from test_reading import UUID, Maker
from test_tool import table


def made_elsewhere(folder, barcode, number):
    """A cartridge with a volume of some other system; yields its files."""
    tape = Tape(UUID.format(number))
    maker = Maker(tape, random.Random(SEED + number))
    maker.shapes()
    maker.finish()
    tape.write(f"{folder}/{barcode}", barcode)
    return maker.bytes


def images(library, barcode):
    folder = cartridge_folder(library, barcode)
    return [read_file(f"{folder}/partition{n}.tap") for n in (0, 1) if os.path.exists(f"{folder}/partition{n}.tap")]


def is_free(library, barcode):
    return b"RSMFS FREE" in images(library, barcode)[0][:200]


def expect_files(root, files, when):
    for name, data in files.items():
        expect(read_file(os.path.join(root, name)) == data, f"{name} differs {when}")


@test()
def import_to_application_pool_keeps_every_byte_import_to_free_loses_all_and_was_asked_for(bench):
    """Promise 6."""
    library = bench.library(type="LTO-5", cartridges=1, slots=8)
    files = made_elsewhere(f"{library}/slots/1003", "X00001L5", 1)
    made_elsewhere(f"{library}/slots/1004", "X00002L5", 2)
    mount = bench.mount(library)
    for barcode in ("X00001L5", "X00002L5"):
        wait_until(f"{barcode} is recognised", lambda b=barcode: os.path.exists(mount / f"Import/LTO-5/{b}"))
    before = images(library, "X00001L5")
    os.mkdir(mount / "P")
    os.rename(mount / "Import/LTO-5/X00001L5", mount / "P/old")
    expect_files(mount / "P/old", files, "behind the move")
    mount.rsm("sync")
    mount.rsm("dismount", "P/old", check=False)
    expect_files(mount / "P/old", files, "when it is our own")

    result = mount.rsm("free", "X00002L5", check=False)
    expect(result.returncode == 1 and "--yes" in result.stderr, "it was not asked", result.stderr)
    expect(not is_free(library, "X00002L5"), "it is free without having been asked for")
    expect_errno(1, os.rename, mount / "Import/LTO-5/X00002L5", mount / "Free/LTO-5/X00002L5")
    mount.rsm("free", "--yes", "X00002L5")
    mount.rsm("sync")
    mount.unmount()
    expect(is_free(library, "X00002L5") and len(b"".join(images(library, "X00002L5"))) < 1000, "not all is lost")
    now = images(library, "X00001L5")
    # the data partition is only ever added to; the index partition's old index is replaced
    expect(any(part.startswith(before[1][:-4]) for part in now), "bytes of the data partition were overwritten")


@test()
def no_operation_but_free_writes_a_free_label_and_none_on_a_label_it_has_not_just_read(bench):
    """Promise 3. (A deallocation writes no label at all: its contents can be had back.)"""
    bench.allow_error("was expected|where a free label")
    library = bench.library(type="LTO-5", cartridges=4, slots=12)
    made_elsewhere(f"{library}/slots/1006", "X00001L5", 1)
    made_elsewhere(bench.path("other"), "X00001L5", 2)
    mount = bench.mount(library)
    wait_until("it is recognised", lambda: os.path.exists(mount / "Import/LTO-5/X00001L5"))
    for name in "abc":
        os.makedirs(mount / f"P/{name}")
        write_file(mount / f"P/{name}/f", name.encode())
    mount.rsm("sync")
    used = [rsm_xattr(mount / f"P/{name}", "barcode") for name in "abc"]
    mount.rsm("createpool", "Q", "--no-return")
    mount.rsm("rename", "P/a", "a2")
    mount.rsm("swap", "P/a2", "P/b")
    mount.rsm("move", "P/b", "Q")
    mount.rsm("complete", "P/a2")
    mount.rsm("deallocate", "--force", "Q/b")
    os.unlink(mount / "P/c/f")
    os.rmdir(mount / "P/c")
    mount.rsm("eject", "P/a2")
    mount.rsm("inject")
    mount.rsm("inventory", "--full")
    mount.rsm("decommission", next(m["barcode"] for m in table(mount, "view", "media") if m["pool"] == "Q"))
    mount.rsm("sync")
    mount.unmount()
    expect(not any(is_free(library, barcode) for barcode in used + ["X00001L5"]), "somebody wrote a free label")

    # while the catalogue waits to free one volume, a person puts another under that barcode
    os.makedirs(f"{library}/shelf", exist_ok=True)
    mount = bench.mount(library)
    bench.run("mv", cartridge_folder(library, "X00001L5"), f"{library}/shelf/")
    wait_until("it is off-line", lambda: "X00001L5" not in os.listdir(mount / "Import/LTO-5")
               or rsm_xattr(mount / "Import/LTO-5/X00001L5", "location") == "offline")
    known = mount.rsm("free", "--yes", "X00001L5", check=False).returncode == 0
    other = read_file(bench.path("other") + "/X00001L5/partition1.tap")
    bench.run("mv", bench.path("other") + "/X00001L5", f"{library}/ports/10/")
    wait_until("it is recognised as what it is",
               lambda: os.path.exists(mount / "Import/LTO-5/X00001L5")
               and rsm_xattr(mount / "Import/LTO-5/X00001L5", "volume_uuid") == UUID.format(2))
    mount.rsm("sync")
    mount.unmount()
    expect(read_file(cartridge_folder(library, "X00001L5") + "/partition1.tap") == other,
           f"a label was written over a volume that nobody meant ({known})")


@test()
def complete_survives_restart_catalogue_loss_and_a_visit_to_another_machine(bench):
    """Promise 17: it is on the medium."""
    library, other = bench.library(), bench.library("other", cartridges=1)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    data = random_bytes(100_000, 1)
    write_file(mount / "P/c/f", data)
    with open(mount / "P/c/open", "wb"):
        result = mount.rsm("complete", "P/c", check=False)
        expect(result.returncode == 1 and "open for writing" in result.stderr, result.stderr)
    mount.rsm("sync")
    mount.rsm("dismount", "P/c", check=False)
    expect(rsm_xattr(mount / "P/c", "location").startswith("slot"), "at home", rsm_xattr(mount / "P/c", "location"))
    mount.rsm("complete", "P/c")
    barcode = rsm_xattr(mount / "P/c", "barcode")

    def is_complete(when):
        expect(rsm_xattr(mount / "P/c", "state") == "complete", f"not complete {when}")
        expect_errno(30, write_file, mount / "P/c/new", b"1")
        expect(read_file(mount / "P/c/f") == data, f"not readable {when}")

    is_complete("at once")
    mount.kill()
    mount = bench.mount(library)
    is_complete("after a restart")
    mount.unmount()
    os.rename(f"{library}/catalog", f"{library}/catalog-lost")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    is_complete("after the catalogue's loss")
    mount.unmount()
    bench.run("mv", cartridge_folder(library, barcode), f"{other}/slots/1010/B00001L8")
    mount = bench.mount(other)
    wait_until("it is known there", lambda: os.path.exists(mount / "P/c"))
    is_complete("on another machine")
    mount.unmount()
    bench.run("mv", cartridge_folder(other, "B00001L8"), f"{library}/slots/1020/{barcode}")
    mount = bench.mount(library)
    wait_until("it is back", lambda: rsm_xattr(mount / "P/c", "location") != "offline")
    is_complete("behind the visit")


@test()
def who_has_a_file_open_gets_no_mix_of_old_and_new_bytes(bench):
    """Another system has changed it; that is noticed only when the first read brings the cartridge into a drive."""
    bench.allow_error("another system has changed the file")
    library, other = bench.library(cartridges=3, drives=1), bench.library("other", cartridges=1)
    mount = bench.mount(library, options="dismount_delay=600")
    for name in ("c", "idle"):
        os.makedirs(mount / f"P/{name}")
        write_file(mount / f"P/{name}/f", b"one\n")
        mount.rsm("sync")
    barcode = rsm_xattr(mount / "P/c", "barcode")
    mount.rsm("eject", "P/c")
    port = next(p for p in glob.glob(f"{library}/ports/*/{barcode}"))
    os.rename(port, f"{other}/slots/1010/B00001L8")
    wait_until("it is gone", lambda: rsm_xattr(mount / "P/c", "location") == "offline")
    os.mkdir(bench.path("there"))
    there = bench.mount(other, point=bench.path("there"))
    wait_until("it is known there", lambda: os.path.exists(there / "P/c/f"))
    write_file(there / "P/c/f", b"changed\n")
    there.rsm("sync")
    there.unmount()
    mount.rsm("mount", "P/idle")
    mount.rsm("dismount", "P/idle", "--deferred")
    os.rename(cartridge_folder(other, "B00001L8"), f"{library}/ports/10/{barcode}")
    wait_until("it is back", lambda: rsm_xattr(mount / "P/c", "location").startswith("slot"))
    seen = subprocess.run(["od", "-An", "-c", mount / "P/c/f"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expect(seen.stdout.split() in (["o", "n", "e", "\\n"], [], list("changed") + ["\\n"]), "old bytes or new ones", seen.stdout)
    wait_until("a second try reads what is there now", lambda: read_file(mount / "P/c/f") == b"changed\n")
    mount.unmount()


@test()
def what_a_hand_takes_out_of_its_drive_is_found_and_read_again(bench):
    library = bench.library(cartridges=2, drives=1, slots=12)
    mount = bench.mount(library, options="dismount_delay=600")
    os.makedirs(mount / "P/c")
    data = {name: random_bytes(3_000_000, name) for name in ("one", "two")}
    for name, content in data.items():
        write_file(mount / f"P/c/{name}", content)
    mount.rsm("sync")
    mount.unmount()
    mount = bench.mount(library, options="dismount_delay=600")
    bench.allow_error("no medium|may have been changed")
    expect(read_file(mount / "P/c/one") == data["one"], "one")
    barcode = rsm_xattr(mount / "P/c", "barcode")
    wait_until("nobody uses it", lambda: not os.path.exists(f"{library}/drives/256/{barcode}/BUSY"))
    os.rename(f"{library}/drives/256/{barcode}", f"{library}/slots/1010/{barcode}")
    expect(read_file(mount / "P/c/two") == data["two"], "two, where it is now")
    mount.unmount()
