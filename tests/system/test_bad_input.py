"""What is broken is told in one clear line; nothing crashes, nothing is changed."""
import os
import shutil
import struct

from harness import (RSM, Skip, cartridge_folder, digest, expect, expect_errno, is_mounted, need_root, places,
                     random_bytes, read_file, rsm_xattr, test, wait_until, write_file)


def refused(bench, library, *words, point=None, options=""):
    """rsmfs does not mount: not 0, one line that holds the words, the library as it was."""
    before = digest(library) if os.path.isdir(library) else None
    result = bench.rsmfs(library, point, options, check=False, timeout=30)
    lines = (result.stdout + result.stderr).strip().splitlines()
    expect(result.returncode in (1, 2), f"exit code {result.returncode}", result.stderr)
    expect(len(lines) == 1, "one line was expected", *lines)
    for word in words:
        expect(word in lines[0], f"the line does not name {word}", lines[0])
    if before:
        expect(digest(library) == before, "the library's folder was changed")
    return lines[0]


@test()
def damaged_library_conf(bench):
    good = read_file(os.path.join(bench.library("good"), "library.conf"))
    cases = {"unknown key": good + b"\nno_such_key = 1\n", "bad type": b"drive_type = LTO-99\n",
             "binary": random_bytes(5000, 1), "no value": good + b"\ncapacity\n",
             "number": good + b"\nrobot_s = fast\n"}
    for i, (what, text) in enumerate(cases.items()):
        library = bench.library(f"l{i}")
        write_file(f"{library}/library.conf", text)
        line = refused(bench, library, "library.conf")
        expect(not is_mounted(bench.point), f"{what}: mounted, although {line}")


@test()
def foreign_folder(bench):
    """A folder that holds other things is not turned into a library."""
    folder = bench.path("documents")
    os.makedirs(f"{folder}/letters")
    write_file(f"{folder}/important.txt", b"not a tape")
    refused(bench, folder, folder)


@test()
def mount_points(bench):
    """Not empty, no folder, missing, busy, inside itself: refused with its name."""
    library = bench.library()
    full = bench.path("full")
    os.mkdir(full)
    write_file(f"{full}/file", b"1")
    refused(bench, library, full, point=full)
    refused(bench, library, "nowhere", point=bench.path("no/nowhere"))
    file = bench.path("file")
    write_file(file, b"")
    refused(bench, library, file, point=file)
    mount = bench.mount(library)
    other = bench.library("other")
    refused(bench, other, mount.point)
    expect(sorted(os.listdir(mount.point)) == ["Free", "Import", "Unrecognized"], "the first mount suffers")
    mount.unmount()
    inside = bench.path("point")
    os.mkdir(inside)
    refused(bench, f"{inside}/library", inside, point=inside, options="nonempty")
    refused(bench, library, inside, point=inside, options=f"log={inside}/log")
    expect(os.listdir(inside) == [], "a log was made in the mount point", os.listdir(inside))
    mount = bench.mount(library, point=full, options="nonempty")
    expect(os.path.isdir(mount / "Free"), "-o nonempty mounts over files")


@test()
def bad_usage(bench):
    library = bench.library()
    for options in ("no_such_option", "dismount_delay=soon", "debug=nonsense"):
        line = refused(bench, library, options.split("=")[0], options=options)
        expect("rsmfs" in line, line)
    from harness import RSM, RSMFS
    expect(bench.run(RSMFS, check=False).returncode == 2, "no arguments: usage is exit code 2")
    expect(bench.run(RSM, "no-such-verb", check=False).returncode == 2, "an unknown verb: exit code 2")
    result = bench.run(RSM, "-m", bench.path("nowhere"), "view", check=False)
    expect(result.returncode == 1 and len(result.stderr.splitlines()) == 1, result.stderr)


def written_cartridge(bench, library):
    """A cartridge P/c with three files on it, at home; its folder."""
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    for i in range(3):
        write_file(mount / f"P/c/f{i}", random_bytes(1_200_000, i))
    barcode = rsm_xattr(mount / "P/c", "barcode")
    mount.rsm("sync")
    mount.unmount()
    expect(places(library)[barcode].startswith("slots/"), "not in its slot")
    return cartridge_folder(library, barcode)


@test()
def torn_tail(bench):
    """A crash in mid-append leaves half a record: the volume is as before, and goes on."""
    library = bench.library()
    folder = written_cartridge(bench, library)
    with open(f"{folder}/partition1.tap", "ab") as f:
        f.write(struct.pack("<I", 524_288) + b"half a record")
    mount = bench.mount(library)
    for i in range(3):
        expect(read_file(mount / f"P/c/f{i}") == random_bytes(1_200_000, i), f"f{i} differs")
    write_file(mount / "P/c/more", b"1")
    mount.unmount()
    mount = bench.mount(library)
    expect(read_file(mount / "P/c/more") == b"1" and read_file(mount / "P/c/f2") == random_bytes(1_200_000, 2),
           "after writing behind the torn record")


@test()
def truncated_tap(bench):
    """An image whose end is cut off: what is there is read, the rest is an error, no crash."""
    bench.allow_error(r".*")
    library = bench.library()
    folder = written_cartridge(bench, library)
    for extra in os.listdir(folder):
        if not extra.startswith("partition"):
            os.unlink(f"{folder}/{extra}")
    image = f"{folder}/partition1.tap"
    os.truncate(image, os.path.getsize(image) // 2)
    mount = bench.mount(library)
    others = 0
    for i in range(3):
        try:
            data = read_file(mount / f"P/c/f{i}")
            expect(data == random_bytes(1_200_000, i), f"f{i} is neither right nor an error")
        except OSError:
            others += 1
    expect(others > 0, "half of the image is gone and every file is there?")
    os.mkdir(mount / "P/other")
    write_file(mount / "P/other/f", b"1")
    mount.rsm("sync", "P/other")
    expect(rsm_xattr(mount / "P/other/f", "residency") == "medium", "another cartridge suffers")


@test()
def damaged_tap(bench):
    """Lengths that differ in the middle of an image: that cartridge suffers, the rest mounts."""
    bench.allow_error(r".*")
    library = bench.library()
    folder = written_cartridge(bench, library)
    for extra in os.listdir(folder):
        if not extra.startswith("partition"):
            os.unlink(f"{folder}/{extra}")
    with open(f"{folder}/partition1.tap", "r+b") as f:
        f.seek(2_000_000)
        f.write(b"\xa5" * 700_000)
    mount = bench.mount(library)
    for i in range(3):
        try:
            data = read_file(mount / f"P/c/f{i}")
        except OSError:
            continue
        expect(len(data) == 1_200_000, f"f{i} has another length")
    os.mkdir(mount / "P/other")
    write_file(mount / "P/other/f", b"1")
    mount.rsm("sync", "P/other")


@test()
def garbage_mam(bench):
    """MAM is a courtesy: a volume whose attributes are garbage is mounted by what the tape says."""
    bench.allow_error(r".*")
    library = bench.library()
    folder = written_cartridge(bench, library)
    for n in (0, 1):
        write_file(f"{folder}/partition{n}.mam", random_bytes(3000, n))
    mount = bench.mount(library)
    for i in range(3):
        expect(read_file(mount / f"P/c/f{i}") == random_bytes(1_200_000, i), f"f{i} differs")
    mount.unmount()
    for n in (0, 1):
        os.truncate(f"{folder}/partition{n}.mam", 0)
    mount = bench.mount(library)
    expect(read_file(mount / "P/c/f0") == random_bytes(1_200_000, 0), "with empty attributes")


@test()
def a_cartridge_in_two_places(bench):
    """Told in words; neither copy is written to, the rest works."""
    bench.allow_error(r"A00001L8|two|twice|both|duplicate")
    library = bench.library()
    shutil.copytree(f"{library}/slots/1001/A00001L8", f"{library}/slots/1020/A00001L8")
    before = [digest(f"{library}/slots/{n}") for n in (1001, 1020)]
    result = bench.rsmfs(library, check=False)
    if result.returncode == 0:
        bench.pids.add(bench.pid_of(library))
        os.makedirs(f"{bench.point}/P/c")
        write_file(f"{bench.point}/P/c/f", b"1")
        events = bench.run(RSM, "-m", bench.point, "events").stdout
        # whoever walks over all mounts of the machine just now keeps it busy for a moment
        wait_until("it is unmounted",
                   lambda: bench.run("fusermount3", "-u", bench.point, check=False).returncode == 0, 20)
        wait_until("it ended", lambda: bench.pid_of(library) == 0 or not os.path.exists(
            f"/proc/{bench.pid_of(library)}"), 30)
        told = "\n".join(x for x in events.splitlines() if "event=duplicate" in x)
    else:
        told = result.stderr
        expect(len(told.strip().splitlines()) == 1, "one line was expected", told)
    expect("A00001L8" in told, "nobody tells of the cartridge", told)
    expect([digest(f"{library}/slots/{n}") for n in (1001, 1020)] == before, "a copy was changed")


@test()
def things_that_do_not_belong(bench):
    """Files, links and odd names among the elements are left alone."""
    bench.allow_error(r".*")
    library = bench.library()
    write_file(f"{library}/slots/1001/note.txt", b"hello")
    os.mkdir(f"{library}/slots/.hidden")
    os.mkdir(f"{library}/slots/1005/.partial")
    os.symlink("/etc", f"{library}/slots/1006/A00099L8")
    write_file(f"{library}/readme", b"mine")
    before = digest(f"{library}/slots")
    mount = bench.mount(library)
    wait_until("all are identified", lambda: len(os.listdir(mount / "Free/LTO-8")) >= 15)
    mount.unmount()
    expect(digest(f"{library}/slots") == before, "something was changed")


@test()
def blank_and_foreign_tapes_go_to_unrecognized(bench):
    library = bench.library(cartridges=2, slots=10)
    os.mkdir(f"{library}/slots/1008/Q00001L8")
    os.mkdir(f"{library}/slots/1009/Q00002L8")
    record = b"old tar archive".ljust(10_240, b"\0")
    write_file(f"{library}/slots/1009/Q00002L8/partition0.tap",
               struct.pack("<I", len(record)) + record + struct.pack("<I", len(record)) + bytes(4))
    mount = bench.mount(library)
    for name in ("Q00001L8", "Q00002L8"):
        wait_until(f"{name} is in Unrecognized",
                   lambda n=name: os.path.exists(mount / f"Unrecognized/LTO-8/{n}"), 60)
    expect_errno(1, os.rename, mount / "Free/LTO-8/A00001L8", mount / "Unrecognized/LTO-8/x")
    wait_until("its tape file is shown",
               lambda: os.listdir(mount / "Unrecognized/LTO-8/Q00002L8") == ["file000000"], 30)
    expect(read_file(mount / "Unrecognized/LTO-8/Q00002L8/file000000") == record, "its bytes differ")


@test()
def a_damaged_foreign_tape_is_read_up_to_the_damage(bench):
    """What is before it can be read; the cartridge says where it ends, and no drive is blamed."""
    library = bench.library(cartridges=1)
    folder = f"{library}/slots/1010/Q00003L8"
    os.makedirs(folder)
    good = random_bytes(16384, 5)
    tape = b"".join(struct.pack("<I", 8192) + good[at:at + 8192] + struct.pack("<I", 8192) for at in (0, 8192))
    write_file(f"{folder}/partition0.tap", tape + struct.pack("<I", 8192) + b"x" * 8192 + struct.pack("<I", 8193) + tape)
    bench.allow_error("Q00003L8")
    mount = bench.mount(library)
    tape = mount / "Unrecognized/LTO-8/Q00003L8"
    wait_until("the tape is listed", lambda: os.path.isdir(tape) and os.listdir(tape) == ["file000000"], 30)

    expect("damaged" in rsm_xattr(tape, "health"), "its health", rsm_xattr(tape, "health"))
    expect(read_file(tape + "/file000000") == good, "what is before the damage differs")
    requests = mount.rsm("view", "requests", "--plain").stdout
    expect("device-service" not in requests, "a drive was blamed", requests)


@test()
def read_only_library(bench):
    """A library folder that cannot be written: one clear line, or a mount that only reads."""
    need_root()
    library = bench.library()
    bound = bench.path("bound")
    os.mkdir(bound)
    result = bench.run("mount", "--bind", library, bound, check=False)
    if result.returncode != 0:
        raise Skip(f"no bind mounts here: {result.stderr.strip()}")
    bench.run("mount", "-o", "remount,bind,ro", bound)
    before = digest(library)
    result = bench.rsmfs(bound, check=False)
    lines = (result.stdout + result.stderr).strip().splitlines()
    expect(len(lines) == 1, "one line was expected", *lines)
    if result.returncode == 0:
        bench.run("fusermount3", "-u", bench.point)
    else:
        expect(result.returncode == 1 and ("ead-only" in lines[0] or bound in lines[0]), lines[0])
    expect(digest(library) == before, "it was changed")
