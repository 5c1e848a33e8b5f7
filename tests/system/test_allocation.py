"""Allocation as programs and operators meet it: waiting, limits, moves in advance, the end of a medium."""
import json
import os
import signal
import subprocess
import time

from harness import (RSM, cartridge_folder, expect, expect_errno, need_program, need_root, rsm_xattr, test,
                     wait_until, write_file)
from test_tool import table


def start(mount, *args):
    return subprocess.Popen([RSM, "-m", mount.point, *args], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def open_requests(mount):
    return [r for r in table(mount, "view", "requests") if r["state"] not in ("complete", "refused")]


def given_one_on_the_shelf(bench, library, barcode):
    os.makedirs(f"{library}/shelf", exist_ok=True)
    bench.run("mv", cartridge_folder(library, barcode), f"{library}/shelf/")


@test()
def satisfied_by_the_cartridges_mere_arrival_the_waiter_goes_on_with_no_typing(bench):
    """Promise 14: and one that is satisfied falsely is asked again, with what was found."""
    library = bench.library(cartridges=3)
    given_one_on_the_shelf(bench, library, "A00002L8")
    given_one_on_the_shelf(bench, library, "A00003L8")
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    waiter = start(mount, "allocate", "P/b", "--wait")
    wait_until("the operator is asked", lambda: open_requests(mount))
    first = open_requests(mount)[0]
    expect(first["kind"] == "new-media" and "P/b" in first["text"], str(first))
    result = mount.rsm("requests", "satisfy", str(first["id"]), check=False)
    expect(result.returncode == 1 and "it is not so, nothing came" in result.stderr, result.stderr)
    expect(len(open_requests(mount)) == 1 and waiter.poll() is None, "nobody is asked any more")
    bench.run("mv", f"{library}/shelf/A00002L8", f"{library}/ports/10/")
    out, err = waiter.communicate(timeout=30)
    expect(waiter.returncode == 0 and "P/b\t" in out, f"{waiter.returncode} {out} {err}")
    expect(rsm_xattr(mount / "P/b", "barcode") == "A00002L8", "another one")
    expect(not open_requests(mount), "the request stays open")

    # a deallocation serves as well; of two who wait for one, one goes on waiting
    waiters = [start(mount, "allocate", f"P/{name}", "--wait") for name in "cd"]
    wait_until("it is asked", lambda: open_requests(mount))
    expect(len(open_requests(mount)) == 1, "one request a pool is enough")
    os.rmdir(mount / "P/a")
    wait_until("one has it", lambda: any(w.poll() is not None for w in waiters))
    loser = [w for w in waiters if w.poll() is None]
    expect(len(loser) == 1, "both have one")
    expect(len(open_requests(mount)) == 1, "nobody is asked for the other")
    mount.rsm("requests", "refuse", str(open_requests(mount)[0]["id"]))
    out, err = loser[0].communicate(timeout=10)
    expect(loser[0].returncode == 1 and "refused" in err and len(err.splitlines()) == 1, err)


@test()
def a_wait_for_a_cartridge_ends_within_a_second_of_ctrl_c(bench):
    mount = bench.mount(bench.library(cartridges=1))
    os.makedirs(mount / "P/a")
    expect_errno(28, os.mkdir, mount / "P/b")
    waiter = start(mount, "allocate", "P/b", "--wait")
    wait_until("the operator is asked", lambda: open_requests(mount))
    began = time.monotonic()
    waiter.send_signal(signal.SIGINT)
    waiter.communicate(timeout=10)
    expect(time.monotonic() - began < 1, f"it took {time.monotonic() - began:.1f} s")
    wait_until("the request is withdrawn", lambda: not open_requests(mount), 2)
    began = time.monotonic()
    result = mount.rsm("allocate", "P/b", "--wait=1", check=False)
    took = time.monotonic() - began
    expect(result.returncode == 1 and 0.9 < took < 3, f"{took:.1f} s, {result.stderr}")
    expect(not open_requests(mount), "the request stays open")


@test()
def limits_of_a_pool_hold_and_the_worn_out_are_listed(bench):
    """Promise 16: a side at its allocation limit is decommissioned by deallocation, listed, never allocated."""
    mount = bench.mount(bench.library(cartridges=2))
    os.mkdir(mount / "P")
    os.setxattr(mount / "P", "user.rsm.max_allocations", b"1")
    os.setxattr(mount / "P", "user.rsm.allocation_limit", b"1")
    os.mkdir(mount / "P/a")
    barcode = rsm_xattr(mount / "P/a", "barcode")
    expect_errno(122, os.mkdir, mount / "P/b")
    os.rmdir(mount / "P/a")
    media = {m["barcode"]: m for m in table(mount, "view", "media")}
    expect(media[barcode]["state"] == "decommissioned" and media[barcode]["pool"] == "P", str(media[barcode]))
    os.mkdir(mount / "P/b")
    expect(rsm_xattr(mount / "P/b", "barcode") != barcode, "it was allocated again")
    os.rmdir(mount / "P/b")
    expect_errno(28, os.mkdir, mount / "P/c")
    result = mount.rsm("allocate", "P/c", "--medium", barcode, check=False)
    expect(result.returncode == 1 and "decommissioned" in result.stderr, result.stderr)
    result = mount.rsm("free", "--yes", barcode, check=False)
    expect(result.returncode == 1 and "decommissioned" in result.stderr, result.stderr)


def exchange(a, b):
    """renameat2(RENAME_EXCHANGE); 0 or the errno."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    at_cwd, rename_exchange = -100, 2
    if libc.renameat2(at_cwd, os.fsencode(a), at_cwd, os.fsencode(b), rename_exchange) == 0:
        return 0
    return ctypes.get_errno()


def of_the_name(path):
    stat = os.stat(path)
    return rsm_xattr(path, "lmid"), stat.st_mode, stat.st_uid, stat.st_gid


def of_the_medium(path):
    return (rsm_xattr(path, "barcode"), rsm_xattr(path, "volume_uuid"), os.stat(path).st_ino, sorted(os.listdir(path)))


@test()
def a_swap_exchanges_media_under_their_names_and_survives_kill_9(bench):
    """Name, LMID, owner, mode stay; medium, contents, volume UUID, inode numbers change places."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    os.mkdir(mount / "P/b", 0o700)
    write_file(mount / "P/a/on-a", b"a")
    write_file(mount / "P/b/on-b", b"b")
    mount.rsm("sync")
    write_file(mount / "P/a/staged", b"not on the medium yet")
    names = of_the_name(mount / "P/a"), of_the_name(mount / "P/b")
    media = of_the_medium(mount / "P/a"), of_the_medium(mount / "P/b")
    with open(mount / "P/a/on-a", "rb"):
        expect(exchange(mount / "P/a", mount / "P/b") == 16, "a cartridge in use was swapped")
    wait_until("it is not in use", lambda: exchange(mount / "P/a", mount / "P/b") == 0, 2)
    expect((of_the_name(mount / "P/a"), of_the_name(mount / "P/b")) == names, "what belongs to the name went along")
    expect((of_the_medium(mount / "P/b"), of_the_medium(mount / "P/a")) == media, "the media did not change places")
    mount.kill()
    mount = bench.mount(library)
    expect((of_the_name(mount / "P/a"), of_the_name(mount / "P/b")) == names, "names after kill -9")
    expect((of_the_medium(mount / "P/b"), of_the_medium(mount / "P/a")) == media, "media after kill -9")
    mount.rsm("sync")
    bench.run("rm", "-rf", f"{library}/catalog-lost")
    mount.unmount()
    os.rename(f"{library}/catalog", f"{library}/catalog-lost")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    expect((of_the_name(mount / "P/a"), of_the_name(mount / "P/b")) == names, "names without the catalogue")
    expect((of_the_medium(mount / "P/b")[3], of_the_medium(mount / "P/a")[3]) == (media[0][3], media[1][3]), "contents")
    os.mkdir(mount / "Q")
    os.mkdir(mount / "Q/c")
    expect(exchange(mount / "P/a", mount / "Q/c") == 22, "media of two pools were swapped")
    expect(exchange(mount / "P/a", mount / "Q") == 22, "a cartridge and a pool were swapped")


@test()
def an_available_medium_is_moved_into_a_pool_in_advance(bench):
    mount = bench.mount(bench.library())
    mount.rsm("createpool", "P", "--no-draw")
    expect_errno(28, os.mkdir, mount / "P/a")
    mount.rsm("move", "Free/LTO-8/A00007L8", "P")
    expect(os.listdir(mount / "P") == [], "what is not allocated is no name in the tree")
    media = {m["barcode"]: m for m in table(mount, "view", "media")}
    expect(media["A00007L8"]["pool"] == "P" and media["A00007L8"]["state"] == "available", str(media["A00007L8"]))
    expect("A00007L8" not in os.listdir(mount / "Free/LTO-8"), "it is in two pools")
    os.mkdir(mount / "P/a")
    expect(rsm_xattr(mount / "P/a", "barcode") == "A00007L8", "another one")
    labels = [w for w in table(mount, "view", "queue") if w["medium"] == "A00007L8"]
    expect([(w["kind"], w["id"]) for w in labels] == [("write-label", None)], "its label is no work item", str(labels))
    mount.rsm("sync")
    expect(not [w for w in table(mount, "view", "queue") if w["medium"] == "A00007L8"], "sync did not wait for it")
    os.rmdir(mount / "P/a")
    os.rmdir(mount / "P")
    expect("A00007L8" in os.listdir(mount / "Free/LTO-8"), "it did not go home with its pool's end")


@test()
def deallocation_while_off_line_succeeds_and_the_label_is_written_before_it_is_used_again(bench):
    """Promise 15."""
    library = bench.library(cartridges=1)
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    write_file(mount / "P/a/secret", b"secret" * 1000)
    mount.rsm("sync")
    old = rsm_xattr(mount / "P/a", "volume_uuid")
    mount.rsm("eject", "P/a")
    given_one_on_the_shelf(bench, library, "A00001L8")
    wait_until("it is off-line", lambda: rsm_xattr(mount / "P/a", "location") == "offline")
    mount.rsm("deallocate", "P/a", "--force")
    expect(os.listdir(mount / "P") == [], "it is still allocated")
    expect_errno(28, os.mkdir, mount / "P/b")
    bench.run("mv", f"{library}/shelf/A00001L8", f"{library}/ports/10/")
    mount.rsm("allocate", "P/b", "--wait=20")
    expect(os.listdir(mount / "P/b") == [], "it shows what was deallocated")
    write_file(mount / "P/b/new", b"1")
    mount.rsm("sync")
    expect(rsm_xattr(mount / "P/b", "volume_uuid") != old, "the old volume")
    mount.unmount()
    os.rename(f"{library}/catalog", f"{library}/catalog-lost")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    expect(os.listdir(mount / "P/b") == ["new"], "the medium says something else")


@test()
def a_freed_medium_is_erased_and_its_contents_are_nowhere(bench):
    """rsm free asks; --erase overwrites the whole medium; allocated ones are refused."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    secret = b"the secret that must go" * 2000
    write_file(mount / "P/a/secret", secret)
    mount.rsm("sync")
    barcode = rsm_xattr(mount / "P/a", "barcode")
    mount.rsm("dismount", "P/a", check=False)
    result = mount.rsm("free", "--yes", "--erase", "P/a", check=False)
    expect(result.returncode == 1 and "allocated" in result.stderr, result.stderr)
    mount.rsm("deallocate", "--force", "P/a")
    result = mount.rsm("free", barcode, check=False)
    expect(result.returncode == 1 and "--yes" in result.stderr, result.stderr)
    result = bench.run(RSM, "-m", bench.path("nowhere"), "free", barcode, check=False)
    expect(result.returncode == 1 and "no rsmfs is mounted" in result.stderr, result.stderr)
    mount.rsm("free", "--yes", "--erase", barcode)
    expect(rsm_xattr(mount / f"Free/LTO-8/{barcode}", "state") == "available", "state")
    expect(rsm_xattr(mount / f"Free/LTO-8/{barcode}", "label").startswith("RSMFS FREE"), "label")
    expect(any("event=erase" in line for line in mount.rsm("log", barcode).stdout.splitlines()), "no event")
    mount.unmount()
    for folder, _, files in os.walk(cartridge_folder(library, barcode)):
        for name in files:
            with open(os.path.join(folder, name), "rb") as f:
                expect(secret[:100] not in f.read(), f"{name} has it still")


@test()
def an_off_line_medium_that_nobody_owns_can_be_forgotten(bench):
    library = bench.library(cartridges=3)
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    wait_until("it is identified", lambda: len(os.listdir(mount / "Free/LTO-8")) == 2)
    wait_until("what is in the library is not forgotten", lambda: "in the library" in mount.rsm(
        "forget", "A00002L8", check=False).stderr)
    for barcode in ("A00002L8", rsm_xattr(mount / "P/a", "barcode")):
        given_one_on_the_shelf(bench, library, barcode)
    wait_until("they are off-line", lambda: rsm_xattr(mount / "P/a", "location") == "offline")
    wait_until("both are", lambda: rsm_xattr(mount / "Free/LTO-8/A00002L8", "location") == "offline")
    result = mount.rsm("forget", "P/a", check=False)
    expect(result.returncode == 1 and "is allocated" in result.stderr, result.stderr)
    expect("A00002L8" in mount.rsm("mount", "A00002L8", check=False).stderr, "it is not here")
    expect("A00002L8" in mount.rsm("requests").stdout, "it is asked for", mount.rsm("requests").stdout)
    mount.rsm("forget", "A00002L8")
    expect("A00002L8" not in mount.rsm("requests").stdout, "it is asked for still", mount.rsm("requests").stdout)
    expect("A00002L8" not in os.listdir(mount / "Free/LTO-8"), "it is still listed")
    expect(mount.rsm("view", "media", "A00002L8", check=False).returncode == 1, "it is still known")
    bench.run("mv", f"{library}/shelf/A00002L8", f"{library}/ports/10/")
    wait_until("it is identified anew", lambda: "A00002L8" in os.listdir(mount / "Free/LTO-8"))


@test()
def rights_are_mode_bits_acls_the_sticky_bit_and_the_admin_group(bench):
    """Section 16: w+x on the pool allocates and gives back, in a sticky one only one's own; administrators
    are root, who mounted, and the admin group; what somebody deleted is his and theirs to have back."""
    need_root()
    need_program("setpriv")
    need_program("setfacl")

    def as_user(uid, *argv, groups="--clear-groups"):
        return bench.run("setpriv", "--reuid", str(uid), "--regid", str(uid), groups, *argv, check=False)

    def rsm_as(uid, *argv, **how):
        return as_user(uid, RSM, "-m", mount.point, *argv, **how)

    def refused(result):
        expect(result.returncode == 1 and len(result.stderr.splitlines()) == 1
               and ("permission denied" in result.stderr.lower() or "only" in result.stderr),
               f"{result.args}: {result.returncode}", result.stderr)

    def done(result):
        expect(result.returncode == 0, f"{result.args}: {result.returncode}", result.stderr)

    bench.run("chmod", "a+rx", bench.folder)
    mount = bench.mount(bench.library(), options="admin_group=12399")
    os.mkdir(mount / "P")
    os.chmod(mount / "P", 0o755)
    refused(rsm_as(12345, "allocate", "P/no"))
    expect(as_user(12345, "mkdir", mount / "P/no").returncode != 0, "allocated without w on the pool")
    bench.run("setfacl", "-m", "u:12345:rwx", mount / "P")
    done(rsm_as(12345, "allocate", "P/acl"))
    refused(rsm_as(12346, "deallocate", "P/acl"))
    os.chmod(mount / "P", 0o1777)
    done(as_user(12346, "mkdir", mount / "P/theirs"))
    for verb in (("deallocate", "P/theirs"), ("rename", "P/theirs", "x"), ("move", "P/theirs", "Free"),
                 ("complete", "P/theirs"), ("swap", "P/theirs", "P/acl")):
        refused(rsm_as(12345, *verb))
    expect(as_user(12345, "rmdir", mount / "P/theirs").returncode != 0, "the sticky bit is not looked at")
    expect(as_user(12345, "mv", mount / "P/theirs", mount / "P/x").returncode != 0, "nor by mv")

    done(as_user(12346, "sh", "-c", 'umask 077; echo mine >"$1/f"', "sh", mount / "P/theirs"))
    mount.rsm("sync")
    barcode = rsm_xattr(mount / "P/theirs", "barcode")
    done(as_user(12346, "rm", "-r", mount / "P/theirs"))
    refused(rsm_as(12345, "undelete", barcode, "P/stolen"))
    media = {m["barcode"]: m for m in json.loads(rsm_as(12345, "--json", "view", "media").stdout)["media"]}
    expect(not media[barcode]["former"], "others are told what somebody deleted")
    done(rsm_as(12346, "undelete", barcode, "P/back"))
    expect(os.stat(mount / "P/back").st_uid == 12346, "its owner")
    done(as_user(12346, "grep", "-q", "mine", mount / "P/back/f"))
    refused(rsm_as(12346, "free", "--yes", "A00009L8"))
    refused(rsm_as(12346, "decommission", "A00009L8"))
    refused(rsm_as(12346, "forget", "A00009L8"))
    done(rsm_as(12347, "free", "--yes", "A00009L8", groups="--groups=12399"))
    done(rsm_as(12347, "decommission", "A00009L8", groups="--groups=12399"))
