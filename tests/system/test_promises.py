"""The eighteen promises (rsm-model.md 20): which tests show each, and those that need a whole mount."""
import glob
import json
import os
import re
import signal
import subprocess
import time

from harness import (PATIENCE, RSM, TESTS, TOP, cartridge_folder, expect, expect_errno, places, random_bytes,
                     read_file, rsm_xattr, test, wait_until, write_file)
from test_media_promises import made_elsewhere
from test_queue import slow
from test_tool import table

# A promise in our own words; its unit tests; its system tests.
PROMISES = {
    1: (
        "two who allocate at one instant never get one side; a death in the middle of an allocation leaves "
        "the medium in the pool that it came from or in the one that asked, not in both, not in neither",
        ["fifty_at_once_never_get_the_same_one",
         "fifty_for_one_name_make_one",
         "a_killed_process_leaves_each_medium_in_one_pool",
         "a_death_behind_any_row_of_an_allocation_leaves_it_in_one_pool",
         "nor_does_one_in_the_middle_of_a_deallocation"],
        ["allocation-race",
         "kill-nine-keeps-allocations"]),
    2: (
        "an LMID names one allocation for ever; a side's id survives deallocation, moves to other pools, "
        "being off-line, and the loss of the catalogue",
        ["an_lmid_seen_once_never_names_another_allocation_and_a_side_keeps_its_id",
         "the_id_of_a_side_outlives_allocations_pools_and_the_catalogue",
         "the_id_of_a_side_follows_from_the_serial_number"],
        ["an-lmid-seen-once-never-comes-again"]),
    3: (
        "a free label is written by rsm free and for an empty cartridge that is given back, by nothing else, "
        "and never on a medium whose label was not read just before",
        ["freeing_is_for_what_was_asked_and_nothing_else",
         "no_free_label_is_written_on_a_medium_whose_label_was_not_just_read"],
        ["no-operation-but-free-writes-a-free-label-and-none-on-a-label-it-has-not-just-read",
         "the-label-is-read-before-the-first-write-after-every-load"]),
    4: (
        "a barcode is no reason to write: after each load the label is read and compared before the first "
        "write",
        ["a_wrong_label_never_takes_an_allocated_one_from_its_owner",
         "a_barcode_alone_never_makes_rsmfs_write",
         "a_stranger_in_the_place_of_a_cartridge_is_known_as_what_it_is"],
        ["a-barcode-alone-never-makes-rsmfs-write",
         "nor-does-a-place-alone-where-there-are-no-barcodes",
         "the-label-is-read-before-the-first-write-after-every-load"]),
    5: (
        "an allocated cartridge that was ejected and injected, in whichever slot, is there under its path "
        "with its LMID; a free one is free; an unrecognized one is new",
        ["who_leaves_and_returns_is_who_it_was",
         "import_and_unrecognized_ones_that_leave_are_forgotten",
         "an_ejected_cartridge_waits_over_a_restart_until_it_is_injected"],
        ["ejecting-and-injecting-a-cartridge-brings-it-back-as-what-it-was",
         "cartridges-leave-in-loads-and-doors-are-locked-and-opened"]),
    6: (
        "an import taken into a pool keeps every byte; an import that is freed loses all, and somebody was "
        "asked",
        ["an_import_is_taken_over_with_all_it_holds",
         "an_imported_volume_is_taken_over_with_all_its_bytes"],
        ["import-to-application-pool-keeps-every-byte-import-to-free-loses-all-and-was-asked-for"]),
    7: (
        "two that are mounted together with one drive free move neither; cancelled while the first is on its "
        "way, it is at home afterwards and both drives are as they were",
        ["mounting_two_with_one_drive_free_moves_neither",
         "cancelling_it_while_one_is_on_its_way_leaves_both_at_home",
         "a_set_waits_until_it_can_have_all_its_drives"],
        ["ctrl-c-in-a-mount-of-two-leaves-both-at-home"]),
    8: (
        "a timeout fires within a second of its time, also while the robot moves; the move ends, and the "
        "medium goes home or stays idle",
        ["a_timeout_fires_within_a_second_even_when_the_robot_is_mid_move"],
        ["timeouts-fire-while-the-robot-moves",
         "waiting-ends-with-the-timeout"]),
    9: (
        "an idle cartridge leaves at once when somebody waits for its drive, else after the whole delay; "
        "whoever opens it before moves no robot",
        ["an_idle_cartridge_leaves_at_once_when_wanted_else_stays",
         "an_idle_cartridge_yields_its_drive",
         "the_deferred_dismount_is_honoured"],
        ["an-idle-cartridge-stays-its-delay-unless-its-drive-is-wanted"]),
    10: (
        "what is disabled while it is used is used to the end, and the next user fails; enabled, it is as "
        "before",
        ["disable_a_medium_during_use_the_user_finishes_the_next_one_fails",
         "disable_a_drive_during_use_the_user_finishes_the_next_one_fails",
         "disable_a_library_during_use_the_user_finishes_the_next_one_fails",
         "who_waits_for_what_is_disabled_waits_no_longer"],
        ["drives-are-cleaned-when-they-ask-and-what-is-disabled-fails"]),
    11: (
        "a fast inventory finds two cartridges that changed places: by barcodes, nothing is mounted; without "
        "them by the label at the next mount",
        ["cartridges_that_changed_places_are_found_by_barcode",
         "two_with_exchanged_barcodes_are_found_again"],
        ["fast-inventory-after-two-cartridges-changed-places-finds-both",
         "a-start-knows-what-was-carried-between-thousands-of-slots"]),
    12: (
        "a full library with a full drive dismounts before it mounts, and the slot that is the home of what "
        "is in the drive is an empty slot for it",
        ["a_full_library_and_a_full_drive_dismount_before_they_mount",
         "a_cartridge_in_a_drive_keeps_its_home"],
        ["a-full-library-with-a-full-drive-goes-on"]),
    13: (
        "after a restart with work items in the queue none of them runs, nothing is half done, nobody waits "
        "for ever",
        ["after_a_restart_with_work_items_queued_none_runs_and_nobody_waits",
         "after_a_restart_no_work_item_runs"],
        ["a-death-with-a-full-queue-leaves-nothing-half-done"]),
    14: (
        "a request to the operator that is said to be done and is not is asked again, with what was found; "
        "the mere arrival of the cartridge lets who waits go on",
        ["a_claim_is_checked_and_what_was_found_is_told",
         "satisfied_falsely_it_is_asked_again_with_what_was_found"],
        ["satisfied-by-the-cartridges-mere-arrival-the-waiter-goes-on-with-no-typing",
         "refusing-ends-the-wait-and-arrival-satisfies-it"]),
    15: (
        "a medium can be deallocated while it is off-line; its label is written when it is back, before "
        "anybody can use it",
        ["deallocation_needs_no_presence",
         "deallocation_while_off_line_succeeds_and_what_returns_is_free"],
        ["deallocation-while-off-line-succeeds-and-the-label-is-written-before-it-is-used-again"]),
    16: (
        "a side that was allocated as often as it may be is decommissioned when it is given back, is listed, "
        "and is never allocated again",
        ["a_worn_out_side_is_decommissioned_and_never_allocated"],
        ["limits-of-a-pool-hold-and-the-worn-out-are-listed"]),
    17: (
        "that a cartridge is complete is on the medium: it survives a restart, the loss of the catalogue, and "
        "a visit to another machine",
        ["complete_survives_a_restart",
         "names_pools_and_states_are_found_again_without_the_catalogue"],
        ["complete-survives-restart-catalogue-loss-and-a-visit-to-another-machine"]),
    18: (
        "each failure names cartridge, drive and slot in its event, and the file in the log",
        ["a_read_error_names_cartridge_drive_slot_and_file",
         "a_write_error_names_cartridge_drive_slot_and_file",
         "a_failure_to_load_names_cartridge_drive_and_slot",
         "a_robot_that_fails_names_cartridge_drive_and_slot",
         "so_does_one_that_fails_on_the_way_home",
         "an_ejection_that_fails_names_cartridge_and_slot",
         "a_cleaning_that_fails_names_cleaner_drive_and_slot",
         "a_label_that_is_not_the_expected_one_names_cartridge_drive_and_slot",
         "a_full_cartridge_names_itself_drive_slot_and_file"],
        ["every-failure-names-cartridge-drive-and-slot-in-the-event-and-the-file-in-the-log"]),
}


def unit_tests():
    """What the programs that are built run: functions that their tables have, however these spell it."""
    found = set()
    for folder in glob.glob(f"{TOP}/tests/*/meson.build"):
        built = set(re.findall(r"'(\w+)'", read_file(folder).decode()))
        for path in glob.glob(os.path.join(os.path.dirname(folder), "test_*.c")):
            if os.path.basename(path)[5:-2] not in built:
                continue
            text = read_file(path).decode()
            listed = text.partition("CMUnitTest")[2]
            found |= {f for f in re.findall(r"^static void (\w+)\(void \*\*\w+\)", text, re.M)
                      if re.search(rf"\b{f}\b", listed)}
    return found


@test(mounts=False)
def each_of_the_eighteen_promises_has_its_tests(bench):
    """Every one has tests, of the parts and of a whole mount, and they exist."""
    expect(list(PROMISES) == list(range(1, 19)), "there are eighteen", list(PROMISES))
    units = unit_tests()
    expect(len(units) > 500, "the tests of units are found", len(units))
    for number, (words, names, system) in PROMISES.items():
        expect(len(words) > 40, f"promise {number} has no words")
        expect(names and system, f"promise {number} has no test: {words}")
        missing = set(names) - units
        expect(not missing, f"promise {number}: no unit test is called {missing}")
        missing = [name for name in system if name not in TESTS]
        expect(not missing, f"promise {number}: there is no system test {missing}")


# ---- 2 ----


@test()
def an_lmid_seen_once_never_comes_again(bench):
    """Over deallocations, moves, renames, swaps, kill -9 and the loss of the catalogue."""
    library = bench.library(cartridges=3, slots=6, drives=1)
    mount = bench.mount(library)
    os.makedirs(mount / "P")
    os.mkdir(mount / "Q")
    seen, current = set(), {}

    def note(path):
        lmid = rsm_xattr(mount / path, "lmid")
        expect(lmid not in seen, f"{path} has an LMID that was another's")
        seen.add(lmid)
        return lmid

    for i in range(6):
        os.mkdir(mount / "P/a")
        lmid = note("P/a")
        mount.rsm("move", "P/a", "Q")
        mount.rsm("rename", "Q/a", "b")
        expect(rsm_xattr(mount / "Q/b", "lmid") == lmid, "a move changed it")
        os.rmdir(mount / "Q/b")
    for name in ("keep", "other"):
        os.mkdir(mount / f"P/{name}")
        current[name] = note(f"P/{name}")
        write_file(mount / f"P/{name}/f", name.encode())
    mount.rsm("swap", "P/keep", "P/other")
    mount.rsm("sync")
    mount.kill()
    mount = bench.mount(library)
    expect({n: rsm_xattr(mount / f"P/{n}", "lmid") for n in current} == current, "kill -9 changed it")
    mount.unmount()
    os.rename(f"{library}/catalog", f"{library}/catalog-lost")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    expect({n: rsm_xattr(mount / f"P/{n}", "lmid") for n in current} == current, "the catalogue's loss changed it")
    os.mkdir(mount / "P/new")
    note("P/new")


# ---- 3 and 4 ----


COMMAND = re.compile(r"debug: (drive \d+): [^\[]*\[((?: [0-9a-f]{2})+) \]")
LOAD_UNLOAD, LOCATE, READ, REWIND = 0x1B, 0x92, 0x08, 0x01
WRITES = {0x0A: "WRITE", 0x10: "WRITE FILEMARKS", 0x04: "FORMAT MEDIUM", 0x19: "ERASE", 0x8D: "WRITE ATTRIBUTE"}


def first_writes(log):
    """Reads a trace of SCSI commands: how many loads were written to, and what was written unread."""
    state, written, wrong = {}, 0, []
    for line in log.splitlines():
        found = COMMAND.search(line)
        if not found:
            continue
        cdb = bytes.fromhex(found[2])
        drive = state.setdefault(found[1], {"at_begin": False, "read": False, "written": False})
        if cdb[0] == LOAD_UNLOAD:
            drive.update(at_begin=bool(cdb[4] & 1), read=False, written=False)
        elif cdb[0] == REWIND:
            drive["at_begin"] = True
        elif cdb[0] == LOCATE:
            drive["at_begin"] = cdb[4:12] == bytes(8)
        elif cdb[0] == READ:
            drive["read"] = drive["read"] or drive["at_begin"]
        elif cdb[0] in WRITES and not drive["written"]:
            if cdb[0] == 0x10 and cdb[2:5] == bytes(3):
                continue  # only flushes
            drive["written"] = True
            written += 1
            if not drive["read"]:
                wrong.append(f"{WRITES[cdb[0]]}: {line[:120]}")
    return written, wrong


@test()
def the_label_is_read_before_the_first_write_after_every_load(bench):
    """By the trace of all SCSI commands, over all that writes: formats, files, indexes, free labels, erasing."""
    bench.allow_error("was expected")
    library = bench.library(type="LTO-5", cartridges=4, slots=12, drives=1)
    made_elsewhere(f"{library}/slots/1008", "X00001L5", 1)
    mount = bench.mount(library, options="debug=scsi")
    wait_until("it is recognised", lambda: os.path.exists(mount / "Import/LTO-5/X00001L5"))
    os.mkdir(mount / "P")
    for turn in range(2):  # with one drive each turn is a load
        for name in "abc":
            os.makedirs(mount / f"P/{name}", exist_ok=True)
            write_file(mount / f"P/{name}/f{turn}", name.encode() * 1000)
        mount.rsm("sync")
    barcode = rsm_xattr(mount / "P/b", "barcode")
    mount.rsm("rename", "P/a", "a2")
    mount.rsm("complete", "P/a2")
    mount.rsm("deallocate", "--force", "P/b")
    mount.rsm("undelete", barcode, "P/back")
    mount.rsm("deallocate", "--force", "P/back")
    mount.rsm("free", "--yes", "--erase", barcode)
    os.rename(mount / "Import/LTO-5/X00001L5", mount / "P/taken")
    write_file(mount / "P/taken/mine", b"1")
    mount.rsm("sync")
    mount.rsm("deallocate", "--force", "P/c")
    os.mkdir(mount / "P/d")
    mount.rsm("eject", "P/a2")
    mount.rsm("inject")
    mount.rsm("sync")
    mount.unmount()
    log = read_file(bench.log).decode(errors="replace")
    written, wrong = first_writes(log)
    expect(not wrong, "written to before the label was read", *wrong[:5])
    expect(written >= 8, f"only {written} loads were written to")
    # the check itself can fail
    blind = "\n".join(line for line in log.splitlines() if ": READ [" not in line)
    expect(len(first_writes(blind)[1]) == written, "the check sees nothing")


# ---- 7, 8, 9, 12: a library that takes its time ----


def given_written(bench, names, options="dismount_delay=0", **shape):
    """Cartridges P/NAME with a file f that holds the name, all at home; the library, not mounted."""
    library = bench.library(**shape)
    mount = bench.mount(library, options=options)
    os.mkdir(mount / "P")
    for name in names:
        os.mkdir(mount / f"P/{name}")
        write_file(mount / f"P/{name}/f", name.encode() * 1000)
    mount.rsm("sync")
    mount.unmount()
    return library


def at_home(library):
    return all(place.startswith("slots/") for place in places(library).values())


@test()
def ctrl_c_in_a_mount_of_two_leaves_both_at_home(bench):
    """Promise 7."""
    library = given_written(bench, "abc", drives=2, cartridges=3, slots=6)
    slow(library, robot_s=0.6, load_s=0, unload_s=0)
    mount = bench.mount(library)
    homes = places(library)

    # one drive is taken: neither moves
    mount.rsm("mount", "P/c")
    before, taken = bench.moves(mount), places(library)
    result = mount.rsm("mount", "P/a", "P/b", "--timeout", "1", check=False)
    expect(result.returncode == 1 and bench.moves(mount) == before, "something moved", result.stderr)
    expect(places(library) == taken, "something is elsewhere")
    mount.rsm("dismount", "P/c")
    wait_until("it is home", lambda: places(library) == homes)

    # the first one is on its way
    waiter = subprocess.Popen([RSM, "-m", mount.point, "mount", "P/a", "P/b"], stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    expect(waiter.poll() is None, "it did not wait")
    began = time.monotonic()
    waiter.send_signal(signal.SIGINT)
    waiter.wait(10)
    expect(time.monotonic() - began < PATIENCE, "Ctrl-C took its time")
    wait_until("all is at home", lambda: places(library) == homes)
    drives = table(mount, "view", "drives")
    wait_until("the drives are as they were",
               lambda: all(d["state"] == "empty" for d in table(mount, "view", "drives")), 10)
    expect(all(d["enabled"] for d in drives), "a drive is out of service", drives)
    mount.rsm("mount", "P/a", "P/b")
    expect(read_file(mount / "P/b/f") == b"b" * 1000, "they cannot be used")


@test()
def timeouts_fire_while_the_robot_moves(bench):
    """Promise 8: of rsm mount and of a read; what moves arrives, and goes home or can be used."""
    library = given_written(bench, "ab", drives=1, cartridges=2, slots=6)
    slow(library, robot_s=2.1, load_s=0, unload_s=0)
    mount = bench.mount(library, options="mount_timeout=1")
    for name, attempt in (("a", lambda: mount.rsm("mount", "P/a", "--timeout", "1", check=False).returncode),
                          ("b", lambda: expect_errno(110, read_file, mount / "P/b/f") or 1)):
        wait_until("all is at home", lambda: at_home(library))
        before = bench.moves(mount)
        began = time.monotonic()
        expect(attempt() == 1, f"{name}: it went well")
        took = time.monotonic() - began
        expect(0.9 < took < 1 + PATIENCE, f"{name}: a timeout of 1 s fired after {took:.1f} s")
        wait_until(f"{name}: the move is completed", lambda b=before: bench.moves(mount) > b)
        barcode = rsm_xattr(mount / f"P/{name}", "barcode")
        wait_until(f"{name} is home or idle",
                   lambda: places(library)[barcode].startswith("slots/") or rsm_xattr(mount / f"P/{name}", "mounted") == "1")
    mount.unmount()
    expect(at_home(library), "something is not at home", places(library))


@test()
def an_idle_cartridge_stays_its_delay_unless_its_drive_is_wanted(bench):
    """Promise 9."""
    library = given_written(bench, "ab", drives=1, cartridges=2, slots=6)
    mount = bench.mount(library, options="dismount_delay=3")
    read_file(mount / "P/a/f")
    before = bench.moves(mount)
    time.sleep(1)
    with open(mount / "P/a/f", "rb") as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        expect(f.read() == b"a" * 1000, "reopened")
    closed = time.monotonic()
    time.sleep(2.2)
    expect(rsm_xattr(mount / "P/a", "mounted") == "1", "it left before its time")
    expect(bench.moves(mount) == before, "a reopen moved the robot")
    wait_until("it goes home", lambda: at_home(library))
    expect(time.monotonic() - closed > 2.9, "it left before its time")

    read_file(mount / "P/a/f")
    began = time.monotonic()
    expect(read_file(mount / "P/b/f") == b"b" * 1000, "b")
    expect(time.monotonic() - began < PATIENCE, "an idle cartridge kept its drive from a reader")


@test()
def a_full_library_with_a_full_drive_goes_on(bench):
    """Promise 12: as many cartridges as slots, one drive, and each is read in turn."""
    library = given_written(bench, "abcd", drives=1, cartridges=4, slots=5, ports=1)
    os.rename(cartridge_folder(library, "CLN001L1"), f"{library}/shelf/CLN001L1")
    for slot in os.listdir(f"{library}/slots"):
        if not os.listdir(f"{library}/slots/{slot}"):
            os.rmdir(f"{library}/slots/{slot}")
    homes = places(library)
    expect(len(os.listdir(f"{library}/slots")) == 4, "each slot has its cartridge", homes)
    mount = bench.mount(library)
    for name in "abcdbadc":
        expect(read_file(mount / f"P/{name}/f") == name.encode() * 1000, name)
        with open(mount / f"P/{name}/f", "rb") as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        mount.rsm("mount", f"P/{name}")
        mount.rsm("dismount", "--deferred", f"P/{name}")
    events = mount.rsm("events").stdout
    expect("no slot" not in events and "event=error" not in events, "there was no empty slot", events[-1000:])
    mount.unmount()
    expect(places(library) == homes, "not all are where they were", places(library))
    expect("no slot of the library is empty" not in read_file(bench.log).decode(), "it is in the log")


# ---- 13 ----


@test()
def a_death_with_a_full_queue_leaves_nothing_half_done(bench):
    """Mounts that wait, an ejection that waits for ports, an inventory, a wait for the operator; then kill -9."""
    library = given_written(bench, "abcde", drives=1, cartridges=5, slots=8, ports=1)
    mount = bench.mount(library, options="offline=wait")
    barcode = {n: rsm_xattr(mount / f"P/{n}", "barcode") for n in "abcde"}
    os.rename(cartridge_folder(library, barcode["e"]), f"{library}/shelf/{barcode['e']}")
    wait_until("it is off-line", lambda: rsm_xattr(mount / "P/e", "location") == "offline")
    mount.rsm("mount", "P/a")
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    waiters = [subprocess.Popen([RSM, "-m", mount.point, "mount", "P/b"], **pipes),
               subprocess.Popen(["cat", mount / "P/e/f"], **pipes),
               subprocess.Popen([RSM, "-m", mount.point, "eject", "P/c", "P/d"], **pipes),
               subprocess.Popen([RSM, "-m", mount.point, "inventory", "--full"], **pipes)]

    def waiting():
        rows = json.loads(mount.rsm("queue", "--json").stdout)["queue"]
        return {row["kind"] for row in rows if row["id"]}

    wait_until("all of it is in the queue", lambda: {"mount", "eject", "inventory"} <= waiting(), 20)
    mount.kill()
    for waiter in waiters:
        waiter.wait(15)
    found = places(library)
    expect(set(barcode.values()) - set(found) == {barcode["e"]}, "a cartridge is nowhere", found)
    mount = bench.mount(library)
    rows = json.loads(mount.rsm("queue", "--json").stdout)["queue"]
    expect(not [r for r in rows if r["kind"] in ("mount", "eject", "inventory")], "it runs again", rows)
    expect(not table(mount, "view", "requests"), "somebody is asked for what nobody waits for",
           table(mount, "view", "requests"))
    time.sleep(1)
    after = places(library)
    expect({b: p for b, p in after.items() if p.startswith("ports")} ==
           {b: p for b, p in found.items() if p.startswith("ports")}, "the ejection went on", after)
    mount.rsm("inject", check=False)
    os.rename(f"{library}/shelf/{barcode['e']}", f"{library}/ports/10/{barcode['e']}")
    for n in "abcde":
        wait_until(f"{n} can be had", lambda n=n: rsm_xattr(mount / f"P/{n}", "location").startswith(("slot", "drive")))
        expect(read_file(mount / f"P/{n}/f") == n.encode() * 1000, f"{n} differs")


# ---- 18 ----


def reads_of_a_mount(bench, library):
    """How many READ commands it takes until a cartridge is mounted: those behind them are for files."""
    begin = os.path.getsize(bench.log)
    mount = bench.mount(library, options="debug=scsi")
    mount.rsm("mount", "P/a")
    with open(bench.log, errors="replace") as f:
        f.seek(begin)
        count = sum(": READ [" in line for line in f)
    mount.unmount()
    return count


@test()
def every_failure_names_cartridge_drive_and_slot_in_the_event_and_the_file_in_the_log(bench):
    """Scripted faults: a write, a read, a load, the robot."""
    bench.allow_error(r"0[34]/\w\w/\w\w")
    library = given_written(bench, "a", drives=1, cartridges=1, slots=3)
    data = random_bytes(2 << 20, 1)

    def failing(faults, act):
        """With these faults; gives the events of errors and what was logged meanwhile."""
        conf = read_file(f"{library}/library.conf").decode()
        write_file(f"{library}/library.conf", (conf + "".join(f"fail = {f}\n" for f in faults)).encode())
        begin = os.path.getsize(bench.log)
        mount = bench.mount(library)
        barcode, slot = rsm_xattr(mount / "P/a", "barcode"), rsm_xattr(mount / "P/a", "location")
        last = len(mount.rsm("events").stdout.splitlines())
        act(mount)
        errors = [line for line in mount.rsm("events").stdout.splitlines()[last:] if "event=error" in line]
        mount.unmount()
        write_file(f"{library}/library.conf", conf.encode())
        with open(bench.log, errors="replace") as f:
            f.seek(begin)
            logged = [line for line in f if "rsmfs error:" in line]
        expect(errors and logged, f"{faults}: {len(errors)} events, {len(logged)} lines of the log")
        for event in errors:
            for word in (f"medium={barcode} ", 'drive="drive 256" ', f"slot={slot.split()[1]} "):
                expect(word in event + " ", f"{faults}: an event without {word}", event)
        for line in logged:
            expect(barcode in line and "drive 256" in line, f"{faults}: a line without cartridge and drive", line)
        return errors, logged

    def write(mount):
        os.mkdir(mount / "P/a/folder")
        write_file(mount / "P/a/folder/new file", data)
        expect(mount.rsm("sync", check=False).returncode == 1, "the write went well")

    errors, logged = failing(["write 1 x40 03/0C/00"], write)
    expect(any('file="folder/new file"' in e for e in errors), "the event does not name the file", *errors)
    expect(any("folder/new file" in line for line in logged), "the log does not name the file", *logged)
    mount = bench.mount(library)
    mount.rsm("sync")
    mount.unmount()

    def read(mount):
        mount.rsm("mount", "P/a")
        expect_errno(5, read_file, mount / "P/a/folder/new file")

    errors, logged = failing([f"read {reads_of_a_mount(bench, library) + 1} x100 03/11/00"], read)
    expect(any('file="folder/new file"' in e for e in errors), "the event does not name the file", *errors)
    expect(any("folder/new file" in line for line in logged), "the log does not name the file", *logged)

    failing(["load 1 x5 04/53/00"], lambda m: expect(m.rsm("mount", "P/a", check=False).returncode == 1, "loaded"))
    failing(["move_medium 1 x20 04/15/01"],
            lambda m: expect(m.rsm("mount", "P/a", check=False).returncode == 1, "moved"))
    mount = bench.mount(library)
    expect(read_file(mount / "P/a/folder/new file") == data, "it is not what was written")
