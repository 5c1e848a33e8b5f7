"""rsm undelete: what a deallocation left on the medium comes back, until the next allocation."""
import errno
import os
import shutil
import subprocess
import time

from harness import (RSM, cartridge_folder, digest, expect, expect_errno, places, random_bytes, read_file,
                     rsm_xattr, same_tree, source_tree, test, wait_until, write_file)


def given_tree(bench, mount, path, seed=1):
    """A cartridge with a tree on its medium; yields the tree's copy and the barcode."""
    source = bench.path(f"source{seed}")
    source_tree(source, 40, seed)
    os.makedirs(mount / path, exist_ok=True)
    bench.run("cp", "-a", f"{source}/.", str(mount / path))
    mount.rsm("sync", path)
    return source, rsm_xattr(mount / path, "barcode")


@test()
def what_rm_r_deleted_comes_back(bench):
    """Owner, mode and every file; under a new LMID; and the name may be another one."""
    mount = bench.mount(bench.library())
    source, barcode = given_tree(bench, mount, "Backup/monday")
    os.chmod(mount / "Backup/monday", 0o710)
    lmid = rsm_xattr(mount / "Backup/monday", "lmid")
    shutil.rmtree(mount / "Backup/monday")
    expect(barcode in os.listdir(mount / "Free/LTO-8"), "it is not in Free")
    line = mount.rsm("undelete", barcode, "Backup/again").stdout.split()
    expect(line[0].endswith("Backup/again"), f"it printed {line}")
    same_tree(source, mount / "Backup/again")
    expect(os.stat(mount / "Backup/again").st_mode & 0o7777 == 0o710, "the mode is another one")
    expect(rsm_xattr(mount / "Backup/again", "lmid") not in ("", lmid), "an LMID names two allocations")
    expect(rsm_xattr(mount / "Backup/again", "lmid") == line[1], "it printed another LMID")
    expect(rsm_xattr(mount / "Backup/again", "state") == "allocated", "state")
    write_file(mount / "Backup/again/new", b"goes on")
    mount.rsm("sync")
    mount.unmount()
    mount = bench.mount(mount.library)
    expect(read_file(mount / "Backup/again/new") == b"goes on", "it does not go on")


@test()
def so_does_what_was_deleted_one_by_one_with_indexes_between(bench):
    mount = bench.mount(bench.library())
    source, barcode = given_tree(bench, mount, "Backup/monday")
    names = sorted(os.listdir(mount / "Backup/monday"))
    for name in names[: len(names) // 2]:
        bench.run("rm", "-r", os.path.join(mount / "Backup/monday", name))
    mount.rsm("sync", "Backup/monday")
    mount.rsm("dismount", "Backup/monday", check=False)
    for name in names[len(names) // 2:]:
        bench.run("rm", "-r", os.path.join(mount / "Backup/monday", name))
    mount.rsm("sync", "Backup/monday")
    mount.unmount()  # an index of the empty tree is the newest one
    mount = bench.mount(mount.library)
    os.rmdir(mount / "Backup/monday")
    mount.rsm("undelete", barcode, "Backup/monday")
    same_tree(source, mount / "Backup/monday")


@test()
def deallocated_by_force_or_while_off_line_it_comes_back_as_well(bench):
    library = bench.library()
    mount = bench.mount(library)
    source, one = given_tree(bench, mount, "Backup/one", 1)
    other_source, other = given_tree(bench, mount, "Backup/other", 2)
    mount.rsm("eject", "Backup/other")
    os.makedirs(f"{library}/shelf", exist_ok=True)
    bench.run("mv", cartridge_folder(library, other), f"{library}/shelf/")
    wait_until("it is off-line", lambda: rsm_xattr(mount / "Backup/other", "location") == "offline")
    before = digest(f"{library}/shelf/{other}")
    mount.rsm("deallocate", "Backup/one", "Backup/other", "--force")
    expect(os.listdir(mount / "Backup") == [], "still there")
    expect(digest(f"{library}/shelf/{other}") == before, "something was written off-line")
    mount.kill()
    mount = bench.mount(library)
    mount.rsm("undelete", one, "Backup")
    same_tree(source, mount / "Backup/one")
    bench.run("mv", f"{library}/shelf/{other}", f"{library}/ports/11/")
    mount.rsm("inject", "--timeout", "20")
    wait_until("it is here", lambda: places(library).get(other, "").startswith(("slots", "drives")))
    expect(rsm_xattr(mount / f"Free/LTO-8/{other}", "state") == "unprepared", "it is not unprepared")
    mount.rsm("undelete", other, "Backup/back")
    same_tree(other_source, mount / "Backup/back")


@test()
def what_was_complete_comes_back_complete(bench):
    """It takes no changes, as before; nor does it when the catalogue is lost then."""
    mount = bench.mount(bench.library())
    source, barcode = given_tree(bench, mount, "Backup/monday")
    mount.rsm("complete", "Backup/monday")
    mount.rsm("deallocate", "--force", "Backup/monday")
    mount.rsm("undelete", barcode, "Backup/back")

    def check(path):
        expect(rsm_xattr(path, "state") == "complete", f"it is {rsm_xattr(path, 'state')}")
        expect_errno(errno.EROFS, write_file, f"{path}/new", b"more")
        same_tree(source, path)

    check(mount / "Backup/back")
    mount.rsm("sync")
    mount.unmount()
    shutil.rmtree(f"{mount.library}/catalog")
    mount = bench.mount(mount.library)
    mount.rsm("inventory", "--full")
    check(mount / "Backup/back")


@test()
def what_was_allocated_or_freed_since_does_not(bench):
    mount = bench.mount(bench.library(cartridges=2))
    source, barcode = given_tree(bench, mount, "Backup/monday")
    shutil.rmtree(mount / "Backup/monday")
    os.mkdir(mount / "Backup/x")
    expect(rsm_xattr(mount / "Backup/x", "barcode") != barcode, "the restorable one was not the last choice")
    result = mount.rsm("undelete", rsm_xattr(mount / "Backup/x", "barcode"), "Backup/y", check=False)
    expect(result.returncode == 1 and "is allocated" in result.stderr, result.stderr)
    os.mkdir(mount / f"Backup/{barcode}")
    mount.rsm("sync")
    os.rmdir(mount / f"Backup/{barcode}")
    result = mount.rsm("undelete", barcode, "Backup/monday", check=False)
    expect(result.returncode == 1 and "nothing that could be restored" in result.stderr, result.stderr)
    mount.rsm("free", "--yes", barcode)
    mount.rsm("sync")
    result = mount.rsm("undelete", barcode, "Backup/monday", check=False)
    expect(result.returncode == 1 and "nothing that could be restored" in result.stderr, result.stderr)
    expect(len(result.stderr.splitlines()) == 1 and barcode in result.stderr, result.stderr)


@test()
def a_death_at_any_moment_of_it_loses_nothing_and_the_same_request_goes_on(bench):
    """What was deleted one by one comes back; killed again and again on the way there."""
    library = bench.library()
    mount = bench.mount(library)
    source, barcode = given_tree(bench, mount, "Backup/monday")
    for name in os.listdir(mount / "Backup/monday"):
        bench.run("rm", "-r", os.path.join(mount / "Backup/monday", name))
        if name == os.listdir(source)[0]:
            mount.rsm("sync", "Backup/monday")
    mount.rsm("sync", "Backup/monday")
    os.rmdir(mount / "Backup/monday")
    for delay in (0.005, 0.03, 0.08, 0.15, 0.3):
        request = subprocess.Popen([RSM, "-m", mount.point, "undelete", barcode, "Backup/monday"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        mount.kill()
        request.wait(20)
        mount = bench.mount(library)
        if os.path.exists(mount / "Backup/monday"):
            expect(rsm_xattr(mount / "Backup/monday", "state") == "allocated", "state")
        else:
            expect(rsm_xattr(mount / f"Free/LTO-8/{barcode}", "state") == "unprepared", "state")
    result = mount.rsm("undelete", barcode, "Backup/monday", check=False)
    expect(result.returncode == 0 or "is allocated" in result.stderr, result.stderr)
    same_tree(source, mount / "Backup/monday")


@test()
def a_death_between_leaves_it_deallocated_or_allocated(bench):
    library = bench.library()
    mount = bench.mount(library)
    source, barcode = given_tree(bench, mount, "Backup/monday")
    write_file(mount / "Backup/monday/staged-only", random_bytes(3000, 1))
    shutil.rmtree(mount / "Backup/monday")
    mount.kill()
    mount = bench.mount(library)
    mount.rsm("undelete", barcode, "Backup/monday")
    mount.kill()
    mount = bench.mount(library)
    same_tree(source, mount / "Backup/monday")
    left = [n for n in os.listdir(f"{library}/staging") if len(n) == 36]
    expect(len(left) <= 1, f"staging keeps {left}")
