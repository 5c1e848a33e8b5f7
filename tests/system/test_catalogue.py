"""The catalogue's own safety: export and import, vaults, figures of a life, and its loss."""
import errno
import glob
import json
import os
import shutil
import sqlite3
import subprocess
import time

import ltfs_check
from harness import (cartridge_folder, expect, expect_errno, need_program, random_bytes, read_file,
                     rsm_xattr, source_tree, test, tree_lines, wait_until, write_file)


def table(mount, *args):
    found = json.loads(mount.rsm("--json", *args).stdout)
    lists = [v for v in found.values() if isinstance(v, list)]
    expect(len(lists) == 1, f"{args}: one table was expected", str(found)[:300])
    return lists[0]


def medium(mount, word):
    return table(mount, "view", "media", word)[0]


def take_away(mount, library, path):
    """The cartridge goes to the shelf by way of a port."""
    barcode = rsm_xattr(mount / path, "barcode")
    mount.rsm("eject", path)
    [where] = glob.glob(f"{library}/ports/*/{barcode}")
    os.makedirs(f"{library}/shelf", exist_ok=True)
    os.rename(where, f"{library}/shelf/{barcode}")
    wait_until("it is off-line", lambda: medium(mount, barcode)["location"] == "offline", 20)
    return barcode


@test()
def vault_and_return_of_a_shelved_cartridge(bench):
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", b"1")
    mount.rsm("sync")
    mount.rsm("set", "P/c", "vault=cellar 3, shelf 2", "return=2031-05-06")
    expect(rsm_xattr(mount / "P/c", "vault") == "cellar 3, shelf 2", "user.rsm.vault")
    expect(rsm_xattr(mount / "P/c", "return") == "2031-05-06", "user.rsm.return")
    barcode = take_away(mount, library, "P/c")
    row = medium(mount, barcode)
    expect(row["vault"] == "cellar 3, shelf 2" and row["return"] == "2031-05-06", str(row))
    expect(not table(mount, "view", "requests"), "asked for before its day")

    mount.rsm("set", barcode, "return=2020-01-01")
    wait_until("a person is asked", lambda: table(mount, "view", "requests"), 10)
    request = table(mount, "view", "requests")[0]
    expect(request["medium"] == barcode and "cellar 3" in request["text"], str(request))
    expect("event=due" in mount.rsm("log", barcode).stdout, "no event")
    mount.unmount()
    mount = bench.mount(library)
    wait_until("asked again after a restart", lambda: table(mount, "view", "requests"), 10)

    os.rename(f"{library}/shelf/{barcode}", f"{library}/ports/10/{barcode}")
    wait_until("it is back", lambda: medium(mount, barcode)["location"] != "offline", 30)
    wait_until("the request is satisfied", lambda: not table(mount, "view", "requests"), 10)
    row = medium(mount, barcode)
    expect(row["return"] in (None, "") and row["vault"] == "cellar 3, shelf 2", str(row))
    for wrong in ("return=soon", "colour=red", "vault"):
        result = mount.rsm("set", barcode, wrong, check=False)
        expect(result.returncode == 1 and len(result.stderr.splitlines()) == 1, wrong, result.stderr)


@test()
def figures_of_a_cartridges_life(bench):
    library = bench.library()
    mount = bench.mount(library, options="hash=sha256,dismount_delay=0")
    os.makedirs(mount / "P/c")
    data = random_bytes(3_000_000, 1)
    write_file(mount / "P/c/f", data)
    mount.rsm("sync")
    barcode = rsm_xattr(mount / "P/c", "barcode")
    wait_until("what was written is counted", lambda: medium(mount, barcode)["written"] >= 3_000_000, 10)
    expect_errno(errno.ENODATA, os.getxattr, mount / "P/c", "user.rsm.verified")
    mount.rsm("verify", "P/c")
    mount.unmount()
    mount = bench.mount(library)
    row = medium(mount, barcode)
    expect(row["read"] >= 3_000_000 and row["mounts"] >= 1 and row["allocations"] == 1, str(row))
    expect(row["write_errors"] == 0 and row["read_errors"] == 0 and row["verify_errors"] == 0, str(row))
    expect(row["verified"] and rsm_xattr(mount / "P/c", "verified"), str(row))
    expect(int(rsm_xattr(mount / "P/c", "bytes_written")) == row["written"], str(row))
    expect_errno(errno.EPERM, os.setxattr, mount / "P/c", "user.rsm.bytes_written", b"0")


@test(timeout=180)
def an_export_brings_back_what_media_cannot_tell(bench):
    """catalog/ and staging/ are lost; an export has empty pools and shelved cartridges."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/here")
    os.mkdir(mount / "P/shelved")
    os.mkdir(mount / "Empty")
    os.chmod(mount / "Empty", 0o750)
    mount.rsm("createpool", "Archive", "--holds", "pools")
    mount.rsm("createpool", "Archive/Film", "--limit", "5", "--no-draw")
    write_file(mount / "P/here/f", b"here")
    write_file(mount / "P/shelved/f", b"shelved")
    mount.rsm("sync")
    lmids = {n: rsm_xattr(mount / f"P/{n}", "lmid") for n in ("here", "shelved")}
    barcode = take_away(mount, library, "P/shelved")
    mount.rsm("set", barcode, "vault=bank")
    # to a file, and to a tape, while it is mounted
    backup = bench.path("backup.db")
    mount.rsm("export", backup)
    mount.rsm("export", str(mount / "P/here/catalogue.db"))
    mount.rsm("sync")
    for file in (backup, mount / "P/here/catalogue.db"):
        shutil.copy(file, bench.path("look.db"))
        with sqlite3.connect(bench.path("look.db")) as db:
            expect(db.execute("PRAGMA integrity_check").fetchone() == ("ok",), f"{file} is damaged")
            expect(db.execute("SELECT count(*) FROM pool WHERE name = 'Film'").fetchone() == (1,), str(file))
    mount.unmount()
    shutil.rmtree(f"{library}/catalog")
    shutil.rmtree(f"{library}/staging")

    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    expect(read_file(mount / "P/here/f") == b"here", "the medium tells of itself")
    expect(rsm_xattr(mount / "P/here", "lmid") == lmids["here"], "its LMID")
    expect(not os.path.exists(mount / "Empty") and not os.path.exists(mount / "P/shelved"), "from where?")
    mount.rsm("import", os.path.relpath(backup), cwd=os.getcwd())
    expect(os.stat(mount / "Empty").st_mode & 0o777 == 0o750, "the empty pool and its mode")
    expect(rsm_xattr(mount / "Archive/Film", "allocation_limit") == "5", "its limit")
    expect(rsm_xattr(mount / "Archive/Film", "draw_from_free") == "0", "its policy")
    expect(rsm_xattr(mount / "P/shelved", "lmid") == lmids["shelved"], "the shelved one's LMID")
    expect(rsm_xattr(mount / "P/shelved", "location") == "offline", "it is on the shelf")
    expect(rsm_xattr(mount / "P/shelved", "vault") == "bank", "and where that is")
    expect(rsm_xattr(mount / "P/here", "lmid") == lmids["here"], "it was known")
    os.rename(f"{library}/shelf/{barcode}", f"{library}/ports/10/{barcode}")
    wait_until("it can be read", lambda: os.path.exists(mount / "P/shelved/f"), 30)
    expect(read_file(mount / "P/shelved/f") == b"shelved", "its contents")
    # also from the tape itself
    mount.rsm("import", str(mount / "P/here/catalogue.db"))

    write_file(bench.path("no-catalogue"), b"SQLite format 3\0" + bytes(4096))
    for wrong in ("no-catalogue", "missing"):
        result = mount.rsm("import", bench.path(wrong), check=False)
        expect(result.returncode == 1 and len(result.stderr.splitlines()) == 1, wrong, result.stderr)


@test(timeout=180)
def empty_pools_outlive_the_catalogue(bench):
    """With catalog/ lost, not staging/: the automatic export and the media bring all of it back."""
    need_program("setfacl")
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    os.mkdir(mount / "P/done")
    mount.rsm("createpool", "Empty", "--limit", "3")
    os.chmod(mount / "Empty", 0o700)
    os.chmod(mount / "P/c", 0o2751)
    subprocess.run(["setfacl", "-m", "u:12345:rx", mount / "P/c"], check=True)
    acl = os.getxattr(mount / "P/c", "system.posix_acl_access")
    write_file(mount / "P/c/f", random_bytes(100_000, 2))
    write_file(mount / "P/done/f", b"done")
    mount.rsm("complete", "P/done")
    mount.rsm("sync")
    before = {n: (os.stat(mount / f"P/{n}").st_mode, os.stat(mount / f"P/{n}").st_uid,
                  rsm_xattr(mount / f"P/{n}", "lmid"), rsm_xattr(mount / f"P/{n}", "state"))
              for n in ("c", "done")}
    mount.unmount()
    shutil.rmtree(f"{library}/catalog")

    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    expect(rsm_xattr(mount / "Empty", "allocation_limit") == "3", "the empty pool's limit")
    expect(os.stat(mount / "Empty").st_mode & 0o7777 == 0o700, "the empty pool's mode")
    after = {n: (os.stat(mount / f"P/{n}").st_mode, os.stat(mount / f"P/{n}").st_uid,
                 rsm_xattr(mount / f"P/{n}", "lmid"), rsm_xattr(mount / f"P/{n}", "state"))
             for n in ("c", "done")}
    expect(after == before, "names, owners, modes, LMIDs, completeness", str(before), str(after))
    expect(os.getxattr(mount / "P/c", "system.posix_acl_access") == acl, "its ACL")
    expect(read_file(mount / "P/c/f") == random_bytes(100_000, 2), "its contents")
    expect_errno(errno.EROFS, open, mount / "P/done/g", "w")
    expect(sorted(os.listdir(mount / "P")) == ["c", "done"], str(os.listdir(mount / "P")))
    expect(cartridge_folder(library, rsm_xattr(mount / "P/c", "barcode")), "its folder")


def check_cartridge(folder):
    """A whole LTFS volume, by a reader of its own."""
    ltfs_check.Volume(folder).check_history()


def copy_state(mount, path):
    row = medium(mount, rsm_xattr(mount / path, "barcode"))
    return row["copies"]


@test(timeout=180)
def a_pool_of_two_copies(bench):
    """Both cartridges get it; the tree shows one; each is a whole volume; either can be read."""
    library = bench.library()
    mount = bench.mount(library)
    mount.rsm("createpool", "Safe", "--copies", "2")
    expect(rsm_xattr(mount / "Safe", "copies") == "2", "user.rsm.copies")
    os.mkdir(mount / "Safe/a")
    source_tree(mount / "Safe/a/tree", 60, 7)
    data = random_bytes(3_000_000, 3)
    write_file(mount / "Safe/a/big", data)
    wait_until("both have it", lambda: mount.rsm("sync") and copy_state(mount, "Safe/a") == "in step", 60)
    barcode = rsm_xattr(mount / "Safe/a", "barcode")
    second = medium(mount, barcode)["copy"]
    expect(rsm_xattr(mount / "Safe/a", "copy") == second, second)
    row = medium(mount, second)
    expect(row["copies"] == "copy" and row["copy_of"] == barcode and not row["path"], str(row))
    expect(os.listdir(mount / "Safe") == ["a"] and sorted(os.listdir(mount.point)) ==
           ["Free", "Import", "Safe", "Unrecognized"], "no other names", str(os.listdir(mount.point)))
    expect(len(mount.rsm("find", "big").stdout.splitlines()) == 1, "found once")
    pool = [p for p in table(mount, "view", "pools") if p["path"] == "Safe"][0]
    expect(pool["media"] == 1 and pool["allocated"] == 1 and pool["copies"] == 2, str(pool))

    # the first goes to the vault
    lines = tree_lines(str(mount / "Safe/a/tree"))
    take_away(mount, library, "Safe/a")
    expect(read_file(mount / "Safe/a/big") == data, "read from the copy")
    expect("event=copy-read" in mount.rsm("log", barcode).stdout, "no event")
    expect_errno(errno.ENOMEDIUM, write_file, mount / "Safe/a/new", b"1")
    mount.unmount()
    # with the catalogue lost and the first one away, the copy stands for it
    shutil.rmtree(f"{library}/catalog")
    shutil.rmtree(f"{library}/staging")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    expect(rsm_xattr(mount / "Safe/a", "barcode") == second, "the second one has the name")
    expect(read_file(mount / "Safe/a/big") == data, "and the contents")
    expect(tree_lines(str(mount / "Safe/a/tree")) == lines, "and the tree")
    check_cartridge(cartridge_folder(library, second))


@test(timeout=240)
def copies_survive_kill(bench):
    """kill -9 between the writes of the two: both come to have all that was closed."""
    library = bench.library(drives="1")
    files = {}
    for round_number in range(4):
        mount = bench.mount(library, options="dismount_delay=0")
        if round_number == 0:
            mount.rsm("createpool", "Safe", "--copies", "2")
            os.mkdir(mount / "Safe/a")
        for i in range(12):
            name = f"f{round_number}.{i}"
            files[name] = random_bytes(100_000 + i * 50_000, round_number * 100 + i)
            write_file(mount / f"Safe/a/{name}", files[name])
        time.sleep(0.4 * (round_number + 1))
        mount.kill()
    mount = bench.mount(library, options="dismount_delay=0")
    wait_until("both have it", lambda: mount.rsm("sync") and copy_state(mount, "Safe/a") == "in step", 90)
    barcode = rsm_xattr(mount / "Safe/a", "barcode")
    second = medium(mount, barcode)["copy"]
    for name, data in files.items():
        expect(read_file(mount / f"Safe/a/{name}") == data, f"{name} of the first")
    # the second as a cartridge of its own
    mount.rsm("createpool", "Look")
    mount.rsm("move", second, "Look")
    expect(sorted(os.listdir(mount / f"Look/{second}")) == sorted(files), "names of the second")
    for name, data in files.items():
        expect(read_file(mount / f"Look/{second}/{name}") == data, f"{name} of the second")
    mount.rsm("deallocate", "--force", "Safe/a")
    mount.unmount()
    check_cartridge(cartridge_folder(library, second))
