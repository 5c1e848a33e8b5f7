"""Sentences of the contract, each called just as it stands there, that no other test holds."""
import errno
import json
import os

from harness import RSM, expect, expect_errno, rsm_xattr, test, write_file


@test()
def what_an_index_cannot_hold_is_refused_or_shown_as_it_will_be(bench):
    """No link, attribute or time is other after the catalogue is lost than it was shown before."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    tape = mount / "P/c"
    write_file(f"{tape}/f", b"x")

    expect_errno(errno.EILSEQ, os.symlink, b"latin1-\xe4", os.fsencode(f"{tape}/l"))
    expect_errno(errno.EILSEQ, os.symlink, "a\ufffe", f"{tape}/l")
    expect_errno(errno.EILSEQ, os.symlink, "a\x1f", f"{tape}/l")
    expect_errno(errno.EILSEQ, os.setxattr, f"{tape}/f", b"user.\xe4", b"1")
    expect_errno(errno.ENODATA, os.removexattr, f"{tape}/f", b"user.\xe4")
    os.symlink("/e\u0301:\x01/../%41", f"{tape}/l")
    os.setxattr(f"{tape}/f", "user.a:b/\u00e9", b"\xe4\x00")
    for name, seconds in (("early", -2**55), ("late", 2**62), ("first", -62167219200), ("last", 253402300799)):
        write_file(f"{tape}/{name}", b"")
        os.utime(f"{tape}/{name}", (seconds, seconds))

    def look():
        return [os.readlink(f"{tape}/l"), os.getxattr(f"{tape}/f", "user.a:b/\u00e9"),
                *(os.stat(f"{tape}/{n}").st_mtime_ns for n in ("early", "late", "first", "last"))]

    before = look()
    expect(before[2] == before[4] == -62167219200 * 10**9 and before[3] // 10**9 == 253402300799, before)
    mount.rsm("sync")
    mount.unmount()
    bench.run("rm", "-r", f"{library}/catalog")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    expect(look() == before, "other than before", look(), before)


@test()
def a_deallocated_cartridge_holds_as_much_as_before(bench):
    """df, the attributes and rsm view tell one figure, whoever has the cartridge."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)

    def figures(path):
        view = json.loads(mount.rsm("view", "media", path, "--json").stdout)["media"][0]
        told = int(rsm_xattr(mount / path, "capacity")), int(rsm_xattr(mount / path, "remaining"))
        df = os.statvfs(mount / path)
        expect((view["capacity"], view["remaining"]) == told, f"{path}: the view differs", view, told)
        for bytes_, blocks in zip(told, (df.f_blocks, df.f_bavail)):
            expect(0 <= bytes_ - blocks * df.f_frsize < df.f_frsize, f"{path}: df differs", df, told)
        return told

    figures("Free/LTO-8/A00001L8")
    os.makedirs(mount / "P/A00001L8")
    figures("P/A00001L8")
    write_file(mount / "P/A00001L8/f", b"x" * 3_000_000)
    mount.rsm("sync")
    used = figures("P/A00001L8")
    refused = mount.rsm("deallocate", "P/A00001L8", check=False)
    expect(refused.returncode == 1 and "--force" in refused.stderr, "it is not told what to do", refused)
    bench.run("rm", "-r", mount / "P")
    freed = figures("Free/LTO-8/A00001L8")
    expect(freed[0] == used[0], "its capacity changed with its pool", used, freed)
    expect(freed[1] >= used[1] + 3_000_000, "the room of what was deleted did not come back", used, freed)


@test()
def a_library_that_is_none_is_an_error_and_nothing_is_made(bench):
    """What is mistyped, not plugged in, or no tape device is named in one line."""
    os.mkdir(bench.path("empty"))
    for path in ("missing", "empty"):
        result = bench.run(RSM, "wait", bench.path(path), check=False)
        expect(result.returncode == 1 and bench.path(path) in result.stderr, "rsm wait of no library", result)
    library = bench.library(cartridges=1)
    expect(bench.run(RSM, "wait", library).stdout == "", "rsm wait says something")
    told = json.loads(bench.run(RSM, "--json", "wait", library).stdout)
    expect(told == {"wait": [{"library": library}]}, "rsm wait --json", told)

    device = "/dev/rsmfs-no-such-device"
    result = bench.rsmfs(device, check=False)
    expect(result.returncode == 1 and device in result.stderr, "a device that is not there", result)
    expect(not os.path.exists(device), f"{device} was made")
    result = bench.rsmfs("/dev/null", options=f"state={bench.path('state')}", check=False)
    expect(result.returncode == 1 and "not a SCSI" in result.stderr, "a device of another kind", result)
    expect(os.path.isdir(bench.path("state/staging")), "the staging area of a device is not with its state")
    for option, word in (("remount,ro", "mount it again"), ("library=", "needs a value")):
        result = bench.rsmfs(bench.path("library"), options=option, check=False)
        expect(result.returncode == 2 and word in result.stderr, f"-o {option}", result)


@test()
def a_removed_file_that_is_open_stays_a_file_without_a_name(bench):
    """Whatever is done with it: no link, its bytes and its mode, until the last close."""
    mount = bench.mount(bench.library(cartridges=2))
    os.makedirs(mount / "P/c")
    with open(mount / "P/c/f", "w+b", buffering=0) as f:
        f.write(b"abc")
        os.unlink(mount / "P/c/f")
        for change in (lambda: os.fchmod(f.fileno(), 0o600), lambda: os.ftruncate(f.fileno(), 10),
                       lambda: os.pwrite(f.fileno(), b"Z", 1), lambda: os.utime(f.fileno(), (1, 1)),
                       lambda: os.fsync(f.fileno())):
            change()
            expect(os.fstat(f.fileno()).st_nlink == 0, "a removed file has a link again")
        st = os.fstat(f.fileno())
        expect((st.st_size, st.st_mode & 0o777, st.st_mtime) == (10, 0o600, 1), st)
        expect(os.pread(f.fileno(), 20, 0) == b"aZc" + bytes(7), "its bytes differ")
    os.rmdir(mount / "P/c")


@test()
def a_hole_takes_no_room(bench):
    """A file may be far larger than its cartridge, if most of it was never written."""
    library = bench.library(cartridges=1, capacity="200M")
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    before = int(rsm_xattr(mount / "P/c", "remaining"))
    parts = {0: b"a" * 5000, 1 << 40: b"b" * 5000, 1 << 30: b"c" * 5000}
    for name, size in (("buffered", 100), ("own", 200_000)):
        with open(mount / f"P/c/{name}", "w+b", buffering=0) as f:
            f.write(b"a" * size)
            for offset, data in parts.items():
                expect(os.pwrite(f.fileno(), data, offset) == 5000, "a short write")
    expect(before - int(rsm_xattr(mount / "P/c", "remaining")) < 2_000_000, "holes were counted as data")

    def look():
        for name in ("buffered", "own"):
            with open(mount / f"P/c/{name}", "rb") as f:
                expect(os.fstat(f.fileno()).st_size == (1 << 40) + 5000, f"{name} has another size")
                for offset, data in (*parts.items(), (1 << 29, bytes(100)), ((1 << 40) - 100, bytes(100))):
                    expect(os.pread(f.fileno(), len(data), offset) == data, f"{name} differs at {offset}")

    look()
    mount.rsm("sync")
    mount.unmount()
    mount = bench.mount(library)
    look()
