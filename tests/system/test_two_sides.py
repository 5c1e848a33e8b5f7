"""Cartridges with two sides, in a library whose robot turns them over."""
import errno
import json
import os
import shutil
import threading
import time

from harness import (cartridge_folder, expect, expect_errno, places, random_bytes, read_file, rsm_xattr, same_tree,
                     source_tree, test, wait_until, write_file)


def library(bench, cartridges=2, drives=2, **how):
    return bench.library(sides=2, cartridges=cartridges, drives=drives, slots=cartridges + 2, ports=2,
                         capacity="100M", **how)


def rows(mount, what, *args):
    found = json.loads(mount.rsm("--json", "view", what, *args).stdout)
    return next(iter(found.values())) if isinstance(found, dict) else found


def sides(mount):
    """Of each side that people see: {"A00001L8.A": row of view sides}."""
    return {row["medium"]: row for row in rows(mount, "sides") if not row["medium"].startswith("CLN")}


def free(mount):
    try:
        return sorted(os.listdir(mount / "Free/LTO-8"))
    except FileNotFoundError:
        return []


def all_free(mount, count):
    wait_until(f"{count} sides are free", lambda: len(free(mount)) == count)


def given_pool(bench, mount, *names, pool="P"):
    mount.rsm("createpool", pool)
    for name in names:
        os.mkdir(mount / f"{pool}/{name}")


def drop_caches():
    try:
        write_file("/proc/sys/vm/drop_caches", b"3")
    except OSError:
        pass  # the mount was made anew, which is enough


def turned_in_slots(library):
    return [barcode for barcode, place in places(library).items()
            if not place.startswith("drives") and os.path.exists(os.path.join(library, place, barcode, "inverted"))]


def trees_on_both_sides(bench, drives):
    folder = library(bench, drives=drives)
    source = bench.path("source")
    source_tree(source, 60, drives)
    mount = bench.mount(folder)
    all_free(mount, 4)
    names = ["one", "two", "three", "four"]
    given_pool(bench, mount, *names)
    for name in names:
        bench.run("cp", "-a", f"{source}/.", mount / f"P/{name}")
        write_file(mount / f"P/{name}/mine", random_bytes(300_000, name))
    mount.rsm("sync")
    expect({row["barcode"] for row in rows(mount, "media", "P")} == {"A00001L8", "A00002L8"}, "two cartridges")
    mount.unmount()
    expect(not turned_in_slots(folder), "in its slot each lies the right way round", turned_in_slots(folder))

    mount = bench.mount(folder)
    drop_caches()
    for name in names:
        expect(read_file(mount / f"P/{name}/mine") == random_bytes(300_000, name), name)
        os.unlink(mount / f"P/{name}/mine")
        same_tree(source, mount / f"P/{name}")
    mount.rsm("sync")
    for name in names:
        expect(mount.rsm("check", mount / f"P/{name}").returncode == 0, name)
    mount.unmount()


@test()
def both_sides_of_two_cartridges_hold_trees_with_one_drive(bench):
    trees_on_both_sides(bench, 1)


@test()
def both_sides_of_two_cartridges_hold_trees_with_two_drives(bench):
    trees_on_both_sides(bench, 2)


@test()
def each_side_is_named_and_allocated_by_itself(bench):
    mount = bench.mount(library(bench))
    all_free(mount, 4)
    expect(free(mount) == ["A00001L8.A", "A00001L8.B", "A00002L8.A", "A00002L8.B"], "in Free", free(mount))
    mount.rsm("createpool", "P")
    os.rename(mount / "Free/LTO-8/A00002L8.B", mount / "P/exact")
    expect(rsm_xattr(mount / "P/exact", "barcode") == "A00002L8", "by side")
    expect(sides(mount)["A00002L8.B"]["state"] == "allocated", "B", sides(mount))
    expect(sides(mount)["A00002L8.A"]["state"] == "available", "A")
    expect(free(mount) == ["A00001L8.A", "A00001L8.B"], "both sides went to the pool", free(mount))
    wait_until("both sides are seen in its slot",
               lambda: (None, "P/exact") in [(row["path"], row["other_path"]) for row in rows(mount, "slots")])
    os.mkdir(mount / "P/A00001L8.B")
    expect(sides(mount)["A00001L8.B"]["state"] == "allocated", "the side that the name is of", sides(mount))
    lmids = {rsm_xattr(mount / f"P/{name}", "lmid") for name in ("exact", "A00001L8.B")}
    expect(len(lmids) == 2, "an LMID each")

    # its other side is another pool's then as little as it is anybody's in Free
    mount.rsm("createpool", "Q")
    result = mount.rsm("allocate", "Q/x", "--medium", "A00001L8.A", check=False)
    expect(result.returncode == 1 and "the other side of A00001L8.A is allocated" in result.stderr, result.stderr)
    expect_errno(errno.ENOSPC, os.mkdir, mount / "Q/x")
    os.mkdir(mount / "P/second")
    os.mkdir(mount / "P/third")
    expect_errno(errno.ENOSPC, os.mkdir, mount / "P/fourth")

    os.rmdir(mount / "P/exact")
    for name in os.listdir(mount / "P"):
        if rsm_xattr(mount / f"P/{name}", "barcode") == "A00002L8":
            expect(free(mount) == [], "one is allocated yet", free(mount))
            os.rmdir(mount / f"P/{name}")
    expect(free(mount) == ["A00002L8.A", "A00002L8.B"], "back together", free(mount))
    mount.unmount()


@test()
def a_new_cartridge_keeps_its_other_side_for_its_owner(bench):
    folder = library(bench)
    mount = bench.mount(folder)
    all_free(mount, 4)
    mount.rsm("createpool", "P")
    mount.rsm("allocate", "P/first", "--new")
    barcode = rsm_xattr(mount / "P/first", "barcode")
    other = next(name for name, row in sides(mount).items() if row["state"] == "reserved")
    expect(other.startswith(barcode), other)
    os.mkdir(mount / "P/somebody")
    expect(rsm_xattr(mount / "P/somebody", "barcode") != barcode, "reserved is nobody else's")
    mount.unmount()

    mount = bench.mount(folder)
    expect(sides(mount)[other]["state"] == "reserved", "after a restart as well")
    mount.rsm("inventory", "--full")
    expect(sides(mount)[other]["state"] == "reserved", "and when its free label was read")
    mount.rsm("allocate", "P/second", "--next", mount / "P/first")
    expect(rsm_xattr(mount / "P/second", "barcode") == barcode, "the next side of that cartridge")
    expect(rsm_xattr(mount / "P/second", "lmid") != rsm_xattr(mount / "P/first", "lmid"), "one LMID a side")
    result = mount.rsm("allocate", "P/third", "--next", mount / "P/first", check=False)
    expect(result.returncode == 1 and "no side of it is reserved" in result.stderr, result.stderr)
    os.rmdir(mount / "P/second")
    os.rmdir(mount / "P/first")
    mount.rsm("allocate", "P/first", "--new")
    reserved = next(name for name, row in sides(mount).items() if row["state"] == "reserved")
    os.rmdir(mount / "P/first")
    expect(sides(mount)[reserved]["state"] in ("available", "unprepared"), "it waits no more", sides(mount)[reserved])
    mount.unmount()


@test()
def a_lost_catalogue_finds_both_sides_again(bench):
    folder = library(bench)
    mount = bench.mount(folder)
    all_free(mount, 4)
    given_pool(bench, mount, "one", "two", "three")
    data = {name: random_bytes(500_000, name) for name in ("one", "two", "three")}
    for name, content in data.items():
        write_file(mount / f"P/{name}/file", content)
    os.chmod(mount / "P/two", 0o750)
    mount.rsm("sync")
    ids = {name: row["guid"] for name, row in sides(mount).items()}
    lmids = {name: rsm_xattr(mount / f"P/{name}", "lmid") for name in data}
    mount.unmount()
    shutil.rmtree(os.path.join(folder, "catalog"))
    shutil.rmtree(os.path.join(folder, "staging"))

    mount = bench.mount(folder)
    mount.rsm("inventory", "--full")
    expect(sorted(os.listdir(mount / "P")) == ["one", "three", "two"], "all are there", os.listdir(mount / "P"))
    for name, content in data.items():
        expect(read_file(mount / f"P/{name}/file") == content, name)
        expect(rsm_xattr(mount / f"P/{name}", "lmid") == lmids[name], f"LMID of {name}")
    expect(os.stat(mount / "P/two").st_mode & 0o777 == 0o750, "its mode")
    expect({name: row["guid"] for name, row in sides(mount).items()} == ids, "each side has its id again")
    expect([row["state"] for row in sides(mount).values()].count("available") == 1, "the fourth", sides(mount))
    mount.unmount()


@test()
def a_lost_catalogue_knows_whose_the_reserved_side_is(bench):
    folder = library(bench)
    mount = bench.mount(folder)
    all_free(mount, 4)
    mount.rsm("createpool", "P")
    for name in ("waits", "taken"):
        mount.rsm("allocate", f"P/{name}", "--new")
        write_file(mount / f"P/{name}/file", random_bytes(50_000, name))
    mount.rsm("sync")
    mount.rsm("allocate", "P/next", "--next", mount / "P/taken")
    write_file(mount / "P/next/file", random_bytes(50_000, "next"))
    mount.rsm("sync")
    barcode = rsm_xattr(mount / "P/waits", "barcode")
    reserved = {name for name, row in sides(mount).items() if row["state"] == "reserved"}
    expect(len(reserved) == 1, reserved)
    mount.unmount()
    shutil.rmtree(os.path.join(folder, "catalog"))
    shutil.rmtree(os.path.join(folder, "staging"))

    mount = bench.mount(folder)
    mount.rsm("inventory", "--full")
    expect({name for name, row in sides(mount).items() if row["state"] == "reserved"} == reserved, "it waits still",
           sides(mount))
    result = mount.rsm("allocate", "P/more", "--next", mount / "P/taken", check=False)
    expect(result.returncode == 1 and "no side of it is reserved" in result.stderr, result.stderr)
    mount.rsm("allocate", "P/more", "--next", mount / "P/waits")
    expect(rsm_xattr(mount / "P/more", "barcode") == barcode, "the side that it waited with")
    # once nobody has it, it is nobody's after the next loss either
    os.rmdir(mount / "P/more")
    mount.rsm("sync")
    mount.unmount()
    shutil.rmtree(os.path.join(folder, "catalog"))
    shutil.rmtree(os.path.join(folder, "staging"))
    mount = bench.mount(folder)
    mount.rsm("inventory", "--full")
    expect([row["state"] for row in sides(mount).values()].count("reserved") == 0, "it waits no more", sides(mount))
    mount.unmount()


@test()
def a_side_that_lies_the_wrong_way_round_is_turned(bench):
    folder = library(bench, cartridges=1, drives=1)
    mount = bench.mount(folder)
    all_free(mount, 2)
    given_pool(bench, mount, "one", "two")
    names = {sides(mount)[n]["lmid"]: n for n in sides(mount)}
    for name in ("one", "two"):
        write_file(mount / f"P/{name}/file", random_bytes(200_000, name))
    mount.rsm("sync")
    mount.unmount()
    write_file(os.path.join(cartridge_folder(folder, "A00001L8"), "inverted"), b"")

    mount = bench.mount(folder)
    drop_caches()
    expect(read_file(mount / "P/one/file") == random_bytes(200_000, "one"), "one")
    events = mount.rsm("events").stdout
    expect("event=turn" in events and "wrong_label" not in events, "it is turned, and no stranger")
    turns = events.count("event=turn")
    expect(read_file(mount / "P/two/file") == random_bytes(200_000, "two"), "two")
    write_file(mount / "P/two/more", random_bytes(200_000, "more"))
    mount.rsm("sync")
    expect(mount.rsm("events").stdout.count("event=turn") == turns, "and lies as it should from then on")
    expect({sides(mount)[n]["lmid"]: n for n in sides(mount)} == names, "each is who it was")
    mount.unmount()
    expect(not turned_in_slots(folder), "also in its slot")


@test()
def free_sides_are_told_apart_by_their_memories(bench):
    """Their labels are the same: what was given up on one is not taken for the other's."""
    folder = library(bench, cartridges=1, drives=1)
    mount = bench.mount(folder)
    all_free(mount, 2)
    mount.rsm("createpool", "P")
    os.rename(mount / "Free/LTO-8/A00001L8.B", mount / "P/b")
    mount.rsm("sync")
    mount.unmount()
    write_file(os.path.join(cartridge_folder(folder, "A00001L8"), "inverted"), b"")
    before = read_file(os.path.join(cartridge_folder(folder, "A00001L8"), "partition0.tap"))

    mount = bench.mount(folder)
    os.mkdir(mount / "P/A00001L8.A")
    write_file(mount / "P/A00001L8.A/file", b"first side")
    mount.rsm("sync")
    mount.unmount()
    cartridge = cartridge_folder(folder, "A00001L8")
    expect(read_file(os.path.join(cartridge, "partition0.tap")) != before, "written to side A")
    mount = bench.mount(folder)
    expect(read_file(mount / "P/A00001L8.A/file") == b"first side", "and read from there")
    expect(os.listdir(mount / "P/b") == [], "B is as it was")
    mount.unmount()


@test()
def killed_at_any_time_each_side_has_its_own(bench):
    """kill -9 while both sides are written to in turn: what was closed is there, on the right side."""
    folder = library(bench, cartridges=1, drives=1)
    bench.default_options = "dismount_delay=0,migrate_delay=20,label_delay=50"
    mount = bench.mount(folder)
    all_free(mount, 2)
    given_pool(bench, mount, "one", "two")
    data = {}
    for turn in range(4):
        for i in range(6):
            for name in ("one", "two"):
                data[name, f"{turn}-{i}"] = random_bytes(20_000 + i, f"{name}{turn}{i}")
                write_file(mount / f"P/{name}/{turn}-{i}", data[name, f"{turn}-{i}"])
            time.sleep(bench.rng.random() * 0.05)
        mount.kill()
        bench.run("fusermount3", "-u", "-z", bench.point, check=False)
        mount = bench.mount(folder)
    mount.rsm("sync")
    mount.unmount()
    mount = bench.mount(folder)
    for name in ("one", "two"):
        expect(sorted(os.listdir(mount / f"P/{name}")) == sorted(n for s, n in data if s == name), f"names in {name}")
    for (name, file), content in data.items():
        expect(read_file(mount / f"P/{name}/{file}") == content, f"{name}/{file}")
    events = mount.rsm("events").stdout
    expect("wrong_label" not in events, "nobody was taken for a stranger")
    mount.unmount()
    expect(not turned_in_slots(folder), "in its slot it lies the right way round")


@test()
def the_other_side_waits_for_its_turn(bench):
    folder = library(bench, cartridges=2, drives=2)
    bench.default_options = "dismount_delay=600,migrate_delay=50,label_delay=50"
    mount = bench.mount(folder)
    all_free(mount, 4)
    given_pool(bench, mount, "one", "two", "three")
    for name in ("one", "two", "three"):
        write_file(mount / f"P/{name}/file", random_bytes(100_000, name))
    mount.rsm("sync")

    def at(name):
        return rsm_xattr(mount / f"P/{name}", "mounted")

    pair = {}
    for name in ("one", "two", "three"):
        pair.setdefault(rsm_xattr(mount / f"P/{name}", "barcode"), []).append(name)
    first, second = next(names for names in pair.values() if len(names) == 2)
    mount.rsm("mount", mount / f"P/{first}")
    mount.rsm("dismount", mount / f"P/{first}", "--deferred")
    expect((at(first), at(second)) == ("1", "0"), "one side at a time")
    mount.rsm("mount", mount / f"P/{second}")  # the idle one yields, though its time has not come
    expect((at(first), at(second)) == ("0", "1"), "turned over")
    result = mount.rsm("mount", "--nowait", mount / f"P/{first}", check=False)
    expect(result.returncode == 1, "it is held")
    result = mount.rsm("mount", mount / f"P/{first}", "--timeout", "1", check=False)
    expect(result.returncode == 1 and "in time" in result.stderr, "it is not taken from who holds it", result.stderr)
    result = mount.rsm("mount", mount / f"P/{first}", mount / f"P/{second}", check=False)
    expect(result.returncode == 1 and "are sides of one cartridge" in result.stderr, "never both", result.stderr)

    answer = []
    waiter = threading.Thread(target=lambda: answer.append(mount.rsm("mount", mount / f"P/{first}", check=False)))
    waiter.start()
    time.sleep(0.3)
    expect(not answer, "who asks waits")
    mount.rsm("dismount", mount / f"P/{second}")
    waiter.join(30)
    expect(answer and answer[0].returncode == 0 and at(first) == "1", "and has it next")
    mount.rsm("dismount", mount / f"P/{first}")
    third = next(names for names in pair.values() if len(names) == 1)[0]
    mount.rsm("mount", mount / f"P/{second}", mount / f"P/{third}")
    expect((at(second), at(third)) == ("1", "1"), "one of each")
    mount.rsm("dismount", mount / f"P/{second}", mount / f"P/{third}")
    mount.unmount()


@test()
def a_cartridge_with_an_open_side_is_not_ejected(bench):
    folder = library(bench, cartridges=1, drives=1)
    mount = bench.mount(folder)
    all_free(mount, 2)
    given_pool(bench, mount, "one", "two")
    for name in ("one", "two"):
        write_file(mount / f"P/{name}/file", random_bytes(100_000, name))
    mount.rsm("sync")
    lmids = {name: rsm_xattr(mount / f"P/{name}", "lmid") for name in ("one", "two")}
    with open(mount / "P/one/file", "rb") as f:
        f.read(1)
        for name in ("one", "two"):
            result = mount.rsm("eject", mount / f"P/{name}", check=False)
            expect(result.returncode == 1 and "in use" in result.stderr, name, result.stderr)
    read_file(mount / "P/one/file")
    # a close is told to rsmfs a moment after it
    wait_until("it is ejected", lambda: mount.rsm("eject", mount / "P/two", check=False).returncode == 0)
    expect(places(folder)["A00001L8"].startswith("ports"), places(folder))
    expect(not turned_in_slots(folder), "the right way round")
    for name in ("one", "two"):
        expect(rsm_xattr(mount / f"P/{name}", "location").startswith("port"), name)
    os.rename(cartridge_folder(folder, "A00001L8"), os.path.join(folder, "shelf/A00001L8"))
    wait_until("both are off-line", lambda: [rsm_xattr(mount / f"P/{n}", "location") for n in ("one", "two")]
               == ["offline"] * 2)
    expect(sorted(os.listdir(mount / "P/one")) == ["file"], "browsable")
    os.rename(os.path.join(folder, "shelf/A00001L8"), os.path.join(folder, "slots/1003/A00001L8"))
    wait_until("both are back", lambda: [rsm_xattr(mount / f"P/{n}", "location")[:4] for n in ("one", "two")]
               == ["slot"] * 2 or "drive" in rsm_xattr(mount / "P/one", "location"))
    for name in ("one", "two"):
        expect(read_file(mount / f"P/{name}/file") == random_bytes(100_000, name), name)
        expect(rsm_xattr(mount / f"P/{name}", "lmid") == lmids[name], f"LMID of {name}")
    mount.rsm("disable", mount / "P/one")
    result = mount.rsm("mount", mount / "P/two", check=False)
    expect(result.returncode == 1 and "disabled" in result.stderr, "a cartridge is disabled with both sides",
           result.stderr)
    mount.rsm("enable", mount / "P/two")
    mount.rsm("mount", mount / "P/one")
    mount.rsm("dismount", mount / "P/one")
    mount.unmount()


@test()
def two_allocations_at_one_instant_never_share_a_side(bench):
    """Promise 1, and 2: no LMID is seen twice, and a side keeps its id."""
    folder = library(bench, cartridges=4, drives=2)
    mount = bench.mount(folder)
    all_free(mount, 8)
    mount.rsm("createpool", "P")
    ids = {name: row["guid"] for name, row in sides(mount).items()}
    seen = set()
    for turn in range(3):
        failed = []

        def allocate(number):
            try:
                os.mkdir(mount / f"P/{number}")
            except OSError as e:
                failed.append(e.errno)

        threads = [threading.Thread(target=allocate, args=(n,)) for n in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        expect(failed == [errno.ENOSPC] * 2, "eight sides for ten", failed)
        now = {row["lmid"]: name for name, row in sides(mount).items()}
        expect(len(now) == 8 and not seen & set(now), "new LMIDs, one a side", now)
        seen |= set(now)
        if turn == 1:
            mount.kill()
            bench.run("fusermount3", "-u", "-z", bench.point, check=False)
            mount = bench.mount(folder)
            expect({row["lmid"]: name for name, row in sides(mount).items()} == now, "after a kill as before")
        for name in os.listdir(mount / "P"):
            os.rmdir(mount / f"P/{name}")
        expect(len(free(mount)) == 8, "all are back in Free", free(mount))
    expect({name: row["guid"] for name, row in sides(mount).items()} == ids, "each side has its id")
    mount.unmount()


@test()
def a_library_that_turns_nothing_over_reads_one_side_and_harms_none(bench):
    folder = library(bench, cartridges=1)
    mount = bench.mount(folder)
    all_free(mount, 2)
    given_pool(bench, mount, "one", "two")
    for name in ("one", "two"):
        write_file(mount / f"P/{name}/file", random_bytes(150_000, name))
    mount.rsm("sync")
    mount.unmount()
    shutil.rmtree(os.path.join(folder, "catalog"))
    shutil.rmtree(os.path.join(folder, "staging"))
    other = bench.library("other", drives=1, slots=4, ports=1, cartridges=1, capacity="100M")
    os.rename(cartridge_folder(folder, "A00001L8"), os.path.join(other, "slots/1003/B00001L8"))

    # in a library that turns nothing over its first side is all there is, and nothing is lost of the other
    mount = bench.mount(other)
    wait_until("its first side is found", lambda: os.path.isdir(mount / "P"))
    expect(len(os.listdir(mount / "P")) == 1, os.listdir(mount / "P"))
    name = os.listdir(mount / "P")[0]
    expect(read_file(mount / f"P/{name}/file") == random_bytes(150_000, name), name)
    mount.unmount()
    os.rename(cartridge_folder(other, "B00001L8"), os.path.join(folder, "slots/1001/A00001L8"))
    mount = bench.mount(folder)
    mount.rsm("inventory", "--full")
    for name in ("one", "two"):
        expect(read_file(mount / f"P/{name}/file") == random_bytes(150_000, name), name)
    mount.unmount()


@test()
def a_robot_that_learns_to_turn_finds_the_second_sides(bench):
    folder = bench.library(cartridges=2, slots=4, ports=1, drives=1, capacity="100M")
    mount = bench.mount(folder)
    all_free(mount, 2)
    given_pool(bench, mount, "one")
    write_file(mount / "P/one/file", random_bytes(100_000, 1))
    mount.rsm("sync")
    lmid, barcode = rsm_xattr(mount / "P/one", "lmid"), rsm_xattr(mount / "P/one", "barcode")
    mount.unmount()
    with open(os.path.join(folder, "library.conf"), "a") as f:
        f.write("sides = 2\n")

    mount = bench.mount(folder)
    wait_until("the second side is looked at",
               lambda: sides(mount).get(f"{barcode}.B", {}).get("state") == "unrecognized")
    expect(rsm_xattr(mount / "P/one", "lmid") == lmid, "the first is who it was")
    expect(read_file(mount / "P/one/file") == random_bytes(100_000, 1), "with what it holds")
    result = mount.rsm("free", "--yes", f"{barcode}.B", check=False)
    expect(result.returncode == 1 and "the other side" in result.stderr, result.stderr)
    bench.run("rm", "-r", mount / "P/one")
    mount.rsm("free", "--yes", f"{barcode}.B")
    mount.rsm("sync")
    wait_until("both have free labels", lambda: [sides(mount)[f"{barcode}.{s}"]["label_type"] for s in "AB"]
               == ["RSMFS FREE"] * 2)
    expect({f"{barcode}.A", f"{barcode}.B"} <= set(free(mount)), "in Free", free(mount))
    mount.unmount()


@test()
def a_volume_on_the_other_side_is_not_freed_unnamed(bench):
    folder = library(bench, cartridges=1, drives=1)
    mount = bench.mount(folder)
    all_free(mount, 2)
    mount.rsm("createpool", "P")
    os.rename(mount / "Free/LTO-8/A00001L8.A", mount / "P/one")
    write_file(mount / "P/one/file", random_bytes(100_000, 1))
    mount.rsm("sync")
    mount.unmount()
    cartridge = cartridge_folder(folder, "A00001L8")
    for name in ("partition0.tap", "partition1.tap"):
        shutil.copy(os.path.join(cartridge, name), os.path.join(cartridge, "side1", name))

    mount = bench.mount(folder)
    mount.rsm("inventory", "--full")
    expect(sides(mount)["A00001L8.B"]["state"] == "import", "a copy of the first", sides(mount))
    expect(read_file(mount / "P/one/file") == random_bytes(100_000, 1), "which is who it was")
    bench.run("rm", "-r", mount / "P/one")
    result = mount.rsm("free", "--yes", "A00001L8.A", check=False)
    expect(result.returncode == 1, "refused")
    expect("A00001L8.A: its other side A00001L8.B bears a volume: name both" in result.stderr, result.stderr)
    expect(sides(mount)["A00001L8.B"]["state"] == "import", "nothing is done", sides(mount))
    mount.rsm("free", "--yes", "A00001L8.A", "A00001L8.B")
    mount.rsm("sync")
    all_free(mount, 2)
    wait_until("both have free labels", lambda: [sides(mount)[f"A00001L8.{s}"]["label_type"] for s in "AB"]
               == ["RSMFS FREE"] * 2)
    mount.unmount()


@test()
def a_second_side_is_out_of_reach_where_nothing_turns_it_over(bench):
    folder = library(bench, cartridges=1, drives=1)
    plain = bench.library("plain", cartridges=0, slots=4, ports=1, drives=1, capacity="100M")
    mount = bench.mount(folder, options=f"library={plain}")
    all_free(mount, 2)
    mount.rsm("createpool", "P")
    os.rename(mount / "Free/LTO-8/A00001L8.A", mount / "P/one")
    os.mkdir(mount / "P/two")
    expect(rsm_xattr(mount / "P/two", "location") == rsm_xattr(mount / "P/one", "location"), "its other side")
    for name in ("one", "two"):
        write_file(mount / f"P/{name}/file", random_bytes(100_000, name))
    mount.rsm("sync")
    wait_until("it is at home", lambda: places(folder)["A00001L8"] == "slots/1001")
    os.rename(cartridge_folder(folder, "A00001L8"), os.path.join(plain, "slots/1003/A00001L8"))
    wait_until("it is seen there", lambda: rsm_xattr(mount / "P/two", "location") == "slot 1003")
    mount.rsm("mount", mount / "P/one")
    mount.rsm("dismount", mount / "P/one")
    result = mount.rsm("mount", mount / "P/two", check=False)
    expect(result.returncode == 1 and "no robot here can turn A00001L8.B over" in result.stderr, result.stderr)
    os.rename(cartridge_folder(plain, "A00001L8"), os.path.join(folder, "slots/1001/A00001L8"))
    wait_until("it is back", lambda: rsm_xattr(mount / "P/two", "location") == "slot 1001")
    expect(read_file(mount / "P/two/file") == random_bytes(100_000, "two"), "and so can the second")
    mount.unmount()


@test()
def without_barcodes_both_sides_are_called_by_a_number(bench):
    folder = library(bench, drives=1)
    with open(os.path.join(folder, "library.conf"), "a") as f:
        f.write("barcodes = off\n")
    mount = bench.mount(folder)
    all_free(mount, 4)
    numbers = {name.rpartition(".")[0] for name in free(mount)}
    expect(len(numbers) == 2 and all(n.isdigit() for n in numbers), free(mount))
    given_pool(bench, mount, "one", "two")
    for name in ("one", "two"):
        write_file(mount / f"P/{name}/file", random_bytes(100_000, name))
    mount.rsm("sync")
    mount.unmount()
    # they change places behind everybody's back
    for source, target in (("1001/A00001L8", "x"), ("1002/A00002L8", "1001/A00002L8"), ("x", "1002/A00001L8")):
        os.rename(os.path.join(folder, "slots", source), os.path.join(folder, "slots", target))
    bench.allow_error("where volume .* was expected")
    mount = bench.mount(folder)
    mount.rsm("mount", mount / "P/two", check=False)  # what it finds there tells that they were exchanged
    mount.rsm("inventory", "--full")
    expect(len(free(mount)) == 2, "the other two are free", free(mount))
    for name in ("two", "one"):
        expect(read_file(mount / f"P/{name}/file") == random_bytes(100_000, name), name)
    mount.unmount()


@test()
def a_copy_is_never_on_the_other_side(bench):
    mount = bench.mount(library(bench))
    all_free(mount, 4)
    mount.rsm("createpool", "P", "--copies", "2")
    os.mkdir(mount / "P/one")
    write_file(mount / "P/one/file", random_bytes(100_000, 1))
    mount.rsm("sync")
    wait_until("it has a copy", lambda: sum(row["state"] == "allocated" for row in sides(mount).values()) == 2)
    cartridges = {name[:8] for name, row in sides(mount).items() if row["state"] == "allocated"}
    expect(len(cartridges) == 2, "on two cartridges", sides(mount))
    mount.unmount()


@test()
def what_was_deallocated_is_undeleted_by_side(bench):
    mount = bench.mount(library(bench, cartridges=1, drives=1))
    all_free(mount, 2)
    given_pool(bench, mount, "one", "two")
    names = {}
    for name in ("one", "two"):
        write_file(mount / f"P/{name}/file", random_bytes(100_000, name))
        names[name] = next(n for n, row in sides(mount).items() if row["lmid"] == rsm_xattr(mount / f"P/{name}", "lmid"))
    mount.rsm("sync")
    for name in ("one", "two"):
        mount.rsm("deallocate", "--force", mount / f"P/{name}")
    expect(len(free(mount)) == 2, "back in Free together", free(mount))
    for name in ("two", "one"):
        mount.rsm("undelete", names[name], f"P/{name}")
        expect(read_file(mount / f"P/{name}/file") == random_bytes(100_000, name), name)
    mount.unmount()
