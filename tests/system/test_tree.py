"""The tree: pools, cartridges and what each call on them means (contract 2 and 3)."""
import ctypes
import errno
import os
import re
import shutil
import stat
import subprocess
import time

from harness import (Skip, cartridge_folder, expect, expect_errno, need_program, need_root, places, read_file,
                     rsm_xattr, source_tree, same_tree, test, wait_until, write_file)

libc = ctypes.CDLL(None, use_errno=True)


def exchange(a, b):
    """renameat2 with RENAME_EXCHANGE."""
    if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), a)


@test()
def the_root_shows_system_pools(bench):
    library = bench.library()
    mount = bench.mount(library)
    expect(sorted(os.listdir(mount.point)) == ["Free", "Import", "Unrecognized"], os.listdir(mount.point))
    expect(os.listdir(mount / "Free") == ["LTO-8"], os.listdir(mount / "Free"))
    free = sorted(os.listdir(mount / "Free/LTO-8"))
    expect(len(free) == 16 and free[0] == "A00001L8", f"Free holds {free}")
    expect(os.path.isdir(mount / ".rsm") and ".rsm" not in os.listdir(mount.point), ".rsm is not as it should be")
    with open("/proc/mounts") as f:
        line = next(x.split() for x in f if x.split()[1] == mount.point)
    expect(line[0] == library and line[2] == "fuse.rsmfs", f"/proc/mounts has {line}")


def in_parallel(count, action):
    """Runs action(i) in `count` processes that start together; the list of their results' bytes."""
    gate_out, gate_in = os.pipe()
    pipes = []
    for i in range(count):
        out, into = os.pipe()
        if os.fork() == 0:
            os.close(gate_in)
            os.read(gate_out, 1)
            try:
                os.write(into, action(i))
            finally:
                os._exit(0)
        os.close(into)
        pipes.append(out)
    os.close(gate_out)
    os.close(gate_in)
    results = []
    for out in pipes:
        results.append(os.read(out, 1000))
        os.close(out)
        os.wait()
    return results


@test()
def allocation_race(bench):
    """50 processes for one name: one wins. 50 names for 16 cartridges: 16 win, each another one."""
    library = bench.library(cartridges=17)
    mount = bench.mount(library)
    os.mkdir(mount / "P")

    def make(name):
        try:
            os.mkdir(mount / f"P/{name}")
        except OSError as e:
            return errno.errorcode[e.errno].encode()
        return b"won " + os.getxattr(mount / f"P/{name}", "user.rsm.barcode")

    results = in_parallel(50, lambda i: make("one"))
    expect(sum(r.startswith(b"won") for r in results) == 1 and results.count(b"EEXIST") == 49,
           "one name for fifty", sorted(results))
    results = in_parallel(50, lambda i: make(f"n{i}"))
    won = [r for r in results if r.startswith(b"won")]
    expect(len(won) == 16 and len(set(won)) == 16 and results.count(b"ENOSPC") == 34,
           "fifty names for sixteen cartridges", sorted(results))
    barcodes = [os.getxattr(mount / f"P/{n}", "user.rsm.barcode") for n in os.listdir(mount / "P")]
    expect(len(barcodes) == 17 == len(set(barcodes)), "one cartridge has two names", barcodes)
    expect(os.listdir(mount / "Free/LTO-8") == [], "Free is not empty")


@test()
def errno_table(bench):
    """Each refusal of contract 2 with its errno, and nothing changed by it."""
    library = bench.library(cartridges=4)
    mount = bench.mount(library)
    pool, tape = mount / "P", mount / "P/c"
    os.mkdir(pool)
    os.mkdir(tape)
    os.mkdir(f"{pool}/d")
    write_file(f"{tape}/f", b"1")
    os.mkdir(f"{tape}/dir")

    # names that are taken
    expect_errno(errno.EEXIST, os.mkdir, pool)
    expect_errno(errno.EEXIST, os.mkdir, tape)
    expect_errno(errno.EEXIST, os.mkdir, f"{tape}/dir")
    os.mkdir(mount / "Q")
    expect_errno(errno.EEXIST, os.rename, f"{pool}/d", tape)
    expect_errno(errno.EEXIST, os.rename, tape, f"{pool}/d")
    expect_errno(errno.EEXIST, os.rename, mount / "Q", pool)
    # not empty, in use; an open file in what is not empty is not waited for
    with open(f"{tape}/f", "rb"):
        began = time.monotonic()
        expect_errno(errno.ENOTEMPTY, os.rmdir, tape)
        expect(time.monotonic() - began < 0.5, "rmdir of a cartridge with files waits")
    expect_errno(errno.ENOTEMPTY, os.rmdir, tape)
    expect_errno(errno.ENOTEMPTY, os.rmdir, pool)
    with open(f"{pool}/d/open", "wb") as f:
        f.write(b"x")
        os.unlink(f"{pool}/d/open")
        expect_errno(errno.EBUSY, os.rmdir, f"{pool}/d")
        expect_errno(errno.EBUSY, exchange, tape, f"{pool}/d")
        expect(os.fstat(f.fileno()).st_nlink == 0, "a removed file has a link")
    # system pools, and what is in them
    for name in ("Free", "Import", "Unrecognized", "Free/LTO-8"):
        expect_errno(errno.EPERM, os.rmdir, mount / name)
        expect_errno(errno.EPERM, os.rename, mount / name, mount / "Other")
    barcode = os.listdir(mount / "Free/LTO-8")[0]
    for name in ("Free", "Free/LTO-8", "Import", "Unrecognized"):
        expect_errno(errno.EPERM, os.mkdir, mount / f"{name}/new")
        expect_errno(errno.EPERM, os.rename, f"{pool}/d", mount / f"{name}/d")
    expect_errno(errno.EPERM, os.rmdir, mount / f"Free/LTO-8/{barcode}")
    expect_errno(errno.EPERM, exchange, tape, mount / f"Free/LTO-8/{barcode}")
    # plain files, links and such where only pools and cartridges are
    for where in (mount.point, pool):
        expect_errno(errno.EPERM, os.open, f"{where}/file", os.O_CREAT | os.O_WRONLY)
        expect_errno(errno.EPERM, os.symlink, "x", f"{where}/link")
        expect_errno(errno.EPERM, os.mkfifo, f"{where}/fifo")
        expect_errno(errno.EPERM, os.mkdir, f"{where}/.Trash-1000")
        expect_errno(errno.ENOENT, os.stat, f"{where}/.Trash-1000")
    expect_errno(errno.EPERM, os.rename, f"{tape}/f", f"{pool}/f")
    expect_errno(errno.EPERM, os.rename, f"{tape}/dir", f"{pool}/newtape")
    # in a cartridge
    expect_errno(errno.EPERM, os.link, f"{tape}/f", f"{tape}/hard")
    expect_errno(errno.EPERM, os.mkfifo, f"{tape}/fifo")
    if os.getuid() == 0:
        expect_errno(errno.EPERM, os.mknod, f"{tape}/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    expect_errno(errno.EINVAL, os.rename, f"{pool}/d", f"{tape}/inner")
    expect_errno(errno.EXDEV, os.rename, f"{tape}/f", f"{pool}/d/f")
    expect_errno(errno.EILSEQ, os.mkdir, f"{tape}/".encode() + b"\xff\xfe")
    os.mkdir(f"{tape}/\u00e9")
    expect_errno(errno.EEXIST, os.mkdir, f"{tape}/e\u0301")
    # the other spelling is no way to the first, neither to read nor to overwrite it
    write_file(f"{tape}/\u00f6", b"1")
    expect_errno(errno.ENOENT, os.stat, f"{tape}/o\u0308")
    expect_errno(errno.EEXIST, write_file, f"{tape}/o\u0308", b"2")
    expect_errno(errno.EEXIST, os.rename, f"{tape}/f", f"{tape}/o\u0308")
    os.rename(f"{tape}/\u00f6", f"{tape}/o\u0308")
    expect("o\u0308" in os.listdir(tape) and "\u00f6" not in os.listdir(tape), os.listdir(tape))
    expect_errno(errno.ENOTEMPTY, os.rename, f"{tape}/\u00e9", f"{tape}/dir") if not os.mkdir(
        f"{tape}/dir/sub") else None
    expect_errno(errno.EISDIR, os.rename, f"{tape}/f", f"{tape}/dir")
    # Free runs dry
    os.mkdir(f"{pool}/e3")
    os.mkdir(f"{pool}/e4")
    expect_errno(errno.ENOSPC, os.mkdir, f"{pool}/e5")
    os.setxattr(mount / "Q", "user.rsm.allocation_limit", b"0")
    expect_errno(errno.EINVAL, os.setxattr, mount / "Q", "user.rsm.media_type", b"LTO-X")
    os.setxattr(mount / "Q", "user.rsm.media_type", b"LTO-7")
    expect_errno(errno.EMEDIUMTYPE, os.rename, f"{pool}/e4", mount / "Q/e4")
    os.setxattr(pool, "user.rsm.allocation_limit", b"4")
    expect_errno(errno.EDQUOT, os.mkdir, f"{pool}/e5")
    # all is as it was
    expect(sorted(os.listdir(pool)) == ["c", "d", "e3", "e4"], os.listdir(pool))
    expect(read_file(f"{tape}/f") == b"1", "the file was changed")


@test()
def cartridges_are_renamed_moved_and_given_back(bench):
    library = bench.library()
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    os.mkdir(mount / "Q")
    os.mkdir(mount / "P/monday")
    write_file(mount / "P/monday/f", b"1")
    lmid, barcode = rsm_xattr(mount / "P/monday", "lmid"), rsm_xattr(mount / "P/monday", "barcode")

    os.rename(mount / "P/monday", mount / "P/friday")
    os.rename(mount / "P/friday", mount / "Q/friday")
    os.rename(mount / "Q", mount / "R")
    expect(rsm_xattr(mount / "R/friday", "lmid") == lmid, "renaming changed the LMID")
    expect(rsm_xattr(mount / "R/friday", "pool") == "R", rsm_xattr(mount / "R/friday", "pool"))
    expect(read_file(mount / "R/friday/f") == b"1", "the contents differ")

    os.rename(mount / "Free/LTO-8/A00005L8", mount / "P/five")
    expect(rsm_xattr(mount / "P/five", "barcode") == "A00005L8", "another cartridge than asked for")
    os.mkdir(mount / "P/A00007L8")
    expect(rsm_xattr(mount / "P/A00007L8", "barcode") == "A00007L8", "a barcode as a name is that cartridge")

    bench.run("mv", mount / "R/friday/f", mount / "P/five/f")
    expect(read_file(mount / "P/five/f") == b"1" and not os.path.exists(mount / "R/friday/f"),
           "mv across cartridges copies and removes")
    source_tree(bench.path("tree"), 50, 1)
    bench.run("cp", "-a", bench.path("tree"), mount / "P/five/tree")
    bench.run("mv", mount / "P/five/tree", mount / "R/friday/tree")
    same_tree(bench.path("tree"), mount / "R/friday/tree")

    five, seven = rsm_xattr(mount / "P/five", "lmid"), rsm_xattr(mount / "P/A00007L8", "lmid")
    time.sleep(0.2)
    exchange(mount / "P/five", mount / "P/A00007L8")
    expect(rsm_xattr(mount / "P/five", "barcode") == "A00007L8", "the exchange changed no barcode")
    expect((rsm_xattr(mount / "P/five", "lmid"), rsm_xattr(mount / "P/A00007L8", "lmid")) == (five, seven),
           "the LMID stays with the name")
    expect(read_file(mount / "P/A00007L8/f") == b"1", "the contents go with the medium")

    bench.run("rm", "-r", mount / "R/friday")
    expect(barcode in os.listdir(mount / "Free/LTO-8"), "a deallocated cartridge is not in Free")
    os.rmdir(mount / "R")
    bench.run("rm", "-r", mount / "P")
    expect(len(os.listdir(mount / "Free/LTO-8")) == 16, "some cartridge did not come back to Free")


@test()
def pools_nest(bench):
    library = bench.library()
    mount = bench.mount(library)
    mount.rsm("createpool", "Archive", "--holds", "pools")
    os.mkdir(mount / "Archive/Film")
    os.mkdir(mount / "Archive/Film/reel1")
    expect(rsm_xattr(mount / "Archive/Film/reel1", "state") == "allocated", "not an allocated cartridge")
    os.mkdir(mount / "B")
    os.setxattr(mount / "B", "user.rsm.holds", b"pools")
    os.mkdir(mount / "B/inner")
    expect(rsm_xattr(mount / "B/inner", "holds") == "media", "a pool in a pool of pools holds media")
    write_file(mount / "Archive/Film/reel1/f", b"1")
    mount.unmount()
    mount = bench.mount(library)
    expect(read_file(mount / "Archive/Film/reel1/f") == b"1", "after the next mount")
    expect_errno(errno.ENOTEMPTY, os.rmdir, mount / "Archive")


@test()
def xattrs(bench):
    """user.rsm.* tell the truth and are not listed; others are kept on the medium."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    tape, pool = mount / "P/c", mount / "P"
    expect(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", rsm_xattr(tape, "lmid")), "no LMID")
    barcode = rsm_xattr(tape, "barcode")
    expect(barcode in places(library), f"barcode {barcode}")
    for name, value in (("media_type", "LTO-8"), ("state", "allocated"), ("pool", "P"), ("health", "good")):
        expect(rsm_xattr(tape, name) == value, f"user.rsm.{name} is {rsm_xattr(tape, name)!r}")
    expect(re.fullmatch(r"(slot|drive) \d+", rsm_xattr(tape, "location")), rsm_xattr(tape, "location"))
    for name in ("mounted", "capacity", "remaining", "mounts", "priority", "generation"):
        expect(re.fullmatch(r"-?\d+", rsm_xattr(tape, name)), f"user.rsm.{name}: {rsm_xattr(tape, name)!r}")
    expect(11e12 < int(rsm_xattr(tape, "capacity")) < 13e12, rsm_xattr(tape, "capacity"))
    for name, value in (("holds", "media"), ("draw_from_free", "1"), ("return_to_free", "1"),
                        ("allocation_limit", "0"), ("max_allocations", "0")):
        expect(rsm_xattr(pool, name) == value, f"user.rsm.{name} is {rsm_xattr(pool, name)!r}")
    write_file(f"{tape}/f", b"x")
    for path in (mount.point, pool, tape, f"{tape}/f"):
        listed = [k for k in os.listxattr(path) if k.startswith(("user.rsm.", "user.ltfs."))]
        expect(not listed, f"{path} lists {listed}")
    expect_errno(errno.ENODATA, os.getxattr, f"{tape}/f", "user.nothing")

    os.setxattr(pool, "user.rsm.return_to_free", b"0")
    os.rmdir(tape) if os.unlink(f"{tape}/f") is None else None
    expect(barcode not in os.listdir(mount / "Free/LTO-8"), "a pool that keeps its media gave one to Free")
    os.mkdir(mount / "P/again")
    expect(rsm_xattr(mount / "P/again", "barcode") == barcode, "the pool's own available medium goes first")

    file = bench.path("f")
    write_file(file, b"1")
    values = {"user.text": b"plain", "user.binary": bytes(range(256)), "user.empty": b"", "user.big": b"v" * 4000}
    os.setxattr(file, "user.text", values["user.text"])
    bench.run("cp", "-a", file, mount / "P/again/f")
    expect(os.listxattr(mount / "P/again/f") == ["user.text"], "cp -a carries attributes")
    for key, value in values.items():
        os.setxattr(mount / "P/again/f", key, value)
    uuid_before = rsm_xattr(mount / "P/again", "lmid")
    mount.rsm("sync")
    volume = os.getxattr(mount / "P/again", "user.ltfs.volumeUUID").decode()
    expect(volume == rsm_xattr(mount / "P/again", "volume_uuid"), "two UUIDs for one volume")
    mount.unmount()
    mount = bench.mount(library)
    for key, value in values.items():
        expect(os.getxattr(mount / "P/again/f", key) == value, f"{key} differs")
    listed = [k for k in os.listxattr(mount / "P/again/f") if not k.startswith("user.ltfs.hash.")]
    expect(sorted(listed) == sorted(values), f"others are listed: {listed}")
    expect(rsm_xattr(mount / "P/again", "lmid") == uuid_before, "the LMID changed")


@test(timeout=180)
def ports(bench):
    """A cartridge that is taken out is offline but listed; put into a port it is back as it was."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", b"x" * 100_000)
    lmid, barcode = rsm_xattr(mount / "P/c", "lmid"), rsm_xattr(mount / "P/c", "barcode")
    mount.rsm("sync")
    mount.rsm("dismount", "P/c")
    wait_until("the cartridge is in its slot", lambda: places(library)[barcode].startswith("slots/"))
    mount.unmount()
    os.makedirs(f"{library}/shelf", exist_ok=True)
    bench.allow_error(r"not in the library|ENOMEDIUM|No medium")

    mount = bench.mount(library)
    os.listdir(mount / "P/c")
    bench.run("mv", cartridge_folder(library, barcode), f"{library}/shelf/")
    wait_until("it is known to be offline", lambda: rsm_xattr(mount / "P/c", "location") == "offline", 30)
    expect(os.listdir(mount / "P/c") == ["f"], "an offline cartridge lists its files")
    expect(os.stat(mount / "P/c/f").st_size == 100_000, "and their sizes")
    expect_errno(errno.ENOMEDIUM, write_file, mount / "P/c/new", b"1")
    expect("put cartridge" in mount.rsm("view", "requests").stdout, "a refused change raises no request")
    expect_errno(errno.ENOMEDIUM, lambda: read_file(mount / "P/c/f"))
    for change in ((os.mkdir, "d"), (os.unlink, "f"), (os.chmod, "f", 0o600), (os.truncate, "f", 0)):
        expect_errno(errno.ENOMEDIUM, change[0], mount / f"P/c/{change[1]}", *change[2:])
    expect(mount.rsm("view", "requests").stdout.strip() != "", "no operator request was raised")

    bench.run("mv", f"{library}/shelf/{barcode}", f"{library}/ports/10/")
    mount.rsm("inject", "--timeout", "20", check=False)
    wait_until("it is back", lambda: rsm_xattr(mount / "P/c", "location") != "offline", 30)
    expect(read_file(mount / "P/c/f") == b"x" * 100_000, "its file differs")
    expect(rsm_xattr(mount / "P/c", "lmid") == lmid, "it has another LMID")
    write_file(mount / "P/c/new", b"1")


@test(timeout=200)
def import_fixtures(bench):
    """Volumes that other LTFS software wrote: found in Import, listed as they are, every byte right."""
    import tarfile
    from harness import TOP
    shared = next((d for d in (os.environ.get("RSM_SHARED"), f"{TOP}/../shared")
                   if d and os.path.isdir(f"{d}/fixtures/ltfs")), None)
    converter = shared and f"{shared}/tools/tape-convert"
    if not shared or not os.path.exists(converter):
        raise Skip("no tapes of other software here (../shared/fixtures/ltfs, ../shared/tools)")
    library = bench.library(type="LTO-7", slots=24, cartridges=2)
    fixtures = {}
    for i, name in enumerate(("empty", "placement", "rich", "stale-index-partition")):
        with tarfile.open(f"{shared}/fixtures/ltfs/{name}.tar.xz") as archive:
            archive.extractall(bench.path("records"))
        barcode = f"X0000{i}L5"
        slot = f"{library}/slots/{1010 + i}"
        bench.run(converter, "to-cartridge", bench.path("records", name), f"{slot}/{barcode}", "--type", "LTO-5")
        fixtures[name] = barcode
    mount = bench.mount(library)
    for name, barcode in fixtures.items():
        path = mount / f"Import/LTO-5/{barcode}"
        wait_until(f"{name} is recognised", lambda p=path: os.path.exists(p), 60)
        manifest = f"{shared}/fixtures/ltfs/{name}.manifest"
        check_manifest(path, manifest)
        sums = f"{shared}/fixtures/ltfs/{name}.sha256"
        if os.path.getsize(sums):
            bench.run("sha256sum", "--quiet", "-c", sums, cwd=path)
        expect_errno(errno.EROFS, write_file, f"{path}/new", b"1")
    mount.rsm("createpool", "B", "--type", "LTO-5")
    before = [line for line in subprocess.run(["ls", "-lR", mount / f"Import/LTO-5/{fixtures['rich']}"],
                                              stdout=subprocess.PIPE, check=True).stdout.splitlines()[1:]]
    os.rename(mount / f"Import/LTO-5/{fixtures['rich']}", mount / "B/old")
    after = subprocess.run(["ls", "-lR", mount / "B/old"], stdout=subprocess.PIPE, check=True).stdout
    expect(len(after.splitlines()[1:]) == len(before), "taking it over changed the listing")


def check_manifest(root, manifest):
    expected = set()
    with open(manifest, encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            fields = line.rstrip("\n").split("\t")
            if fields[0] in "DFL" and len(fields) > 1:
                path = re.sub("%([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), fields[1])
                expected.add(path)
                full = f"{root}/{path}"
                if fields[0] == "F":
                    expect(os.path.getsize(full) == int(fields[2]), f"{path} has another size")
                elif fields[0] == "L":
                    target = re.sub("%([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), fields[2])
                    expect(os.readlink(full) == target, f"{path} -> {os.readlink(full)!r}, not {target!r}")
                seconds = next((x for x in fields if x.startswith("m=")), None)
                if seconds:
                    whole, _, fraction = seconds[2:].partition(".")
                    # the digits behind the point count forward, before 1970 as well
                    want = int(whole) * 10**9 + int(fraction)
                    have = os.lstat(full).st_mtime_ns
                    expect(have == want, f"{path}: mtime {have}, {want} was expected")
    found = {"."}
    for folder, folders, files in os.walk(root):
        found.update(os.path.relpath(os.path.join(folder, n), root) for n in folders + files)
    expect(found == expected, "other names than the manifest's", sorted(found ^ expected)[:5])


@test()
def permissions(bench):
    """umask, setgid, default ACLs, and who may not."""
    need_root()
    need_program("setpriv")
    need_program("setfacl")
    library = bench.library()
    mount = bench.mount(library)
    user = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]

    os.umask(0o027)
    os.mkdir(mount / "Plain")
    expect(os.stat(mount / "Plain").st_mode & 0o7777 == 0o750, oct(os.stat(mount / "Plain").st_mode))
    for command in (["ls", mount / "Plain"], ["mkdir", mount / "Plain/c"], ["rmdir", mount / "Plain"]):
        result = bench.run(*user, *command, check=False)
        expect(result.returncode != 0 and "ermission denied" in result.stderr, f"{command}: {result.stderr}")
    os.mkdir(mount / "Plain/secret")

    barcode = os.listdir(mount / "Free/LTO-8")[0]
    os.rename(mount / f"Free/LTO-8/{barcode}", mount / "Plain/exact")
    expect(os.stat(mount / "Plain/exact").st_mode & 0o777 == 0o750, "mv from Free forgets the umask")

    os.umask(0o022)
    os.mkdir(mount / "Shared")
    os.chmod(mount / "Shared", 0o2777)
    os.chown(mount / "Shared", 0, 777)
    os.chmod(mount / "Shared", 0o2777)
    bench.run(*user, "mkdir", mount / "Shared/mine")
    st = os.stat(mount / "Shared/mine")
    expect((st.st_uid, st.st_gid) == (12345, 777), f"owner {st.st_uid}:{st.st_gid}, 12345:777 was expected")
    expect(st.st_mode & 0o777 == 0o755, oct(st.st_mode))
    bench.run(*user, "sh", "-c", 'umask 077; echo 1 >"$1/f"; mkdir "$1/d"', "sh", mount / "Shared/mine")
    expect(os.stat(mount / "Shared/mine/f").st_mode & 0o777 == 0o600, "umask of files")
    expect(os.stat(mount / "Shared/mine/d").st_mode & 0o777 == 0o700, "umask of folders")
    expect(os.stat(mount / "Shared/mine/f").st_uid == 12345, "owner of files")
    other = ["setpriv", "--reuid", "12346", "--regid", "12346", "--clear-groups"]
    result = bench.run(*other, "cat", mount / "Shared/mine/f", check=False)
    expect(result.returncode != 0, "somebody else reads a file of mode 0600")
    result = bench.run(*other, "setfattr", "-n", "user.rsm.allocation_limit", "-v", "1", mount / "Shared",
                       check=False)
    expect(result.returncode != 0 and "ermitted" in result.stderr, "anybody sets a pool's limits")

    bench.run("setfacl", "-m", "d:u:12346:rwx,d:g::rx,d:o::-", mount / "Shared")
    bench.run(*user, "mkdir", mount / "Shared/acl")
    text = bench.run("getfacl", "-cn", mount / "Shared/acl").stdout
    expect("user:12346:rwx" in text and "other::---" in text, "the default ACL is not inherited", text)
    bench.run(*other, "touch", mount / "Shared/acl/theirs")

    mount.rsm("sync")
    mount.unmount()
    mount = bench.mount(library)
    st = os.stat(mount / "Shared/mine")
    expect((st.st_uid, st.st_gid, st.st_mode & 0o777) == (12345, 777, 0o755), "after the next mount")
    expect(os.stat(mount / "Shared/mine/f").st_mode & 0o777 == 0o600, "a file's mode after the next mount")
    text = bench.run("getfacl", "-cn", mount / "Shared/acl").stdout
    expect("user:12346:rwx" in text, "the ACL after the next mount", text)


def open_device_to_all(bench):
    """/dev/fuse as most machines have it, for this process and its children only: some that run tests keep
    it for root."""
    if os.stat("/dev/fuse").st_mode & 0o006 == 0o006:
        return
    if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        raise Skip(f"/dev/fuse is root's, and no other can be had: {os.strerror(ctypes.get_errno())}")
    node, mask = bench.path("fuse"), os.umask(0)
    result = bench.run("mount", "--make-rprivate", "/", check=False)
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(10, 229))
    except OSError as e:
        raise Skip(f"/dev/fuse is root's, and no other can be had: {e}") from e
    finally:
        os.umask(mask)
    if result.returncode == 0:
        result = bench.run("mount", "--bind", node, "/dev/fuse", check=False)
    if result.returncode != 0:
        raise Skip(f"/dev/fuse is root's, and no other can be had: {result.stderr.strip()}")


@test()
def an_unprivileged_user_mounts(bench):
    """Somebody who is not root does all of this on a virtual library."""
    from harness import RSM, RSMFS
    user = []
    if os.getuid() == 0:
        need_program("setpriv")
        user = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        probe = bench.run(*user, "test", "-x", RSMFS, check=False)
        if probe.returncode != 0:
            raise Skip("another user cannot reach the build folder")
    helper = os.stat(subprocess.run(["which", "fusermount3"], stdout=subprocess.PIPE, text=True,
                                    check=True).stdout.strip())
    if not helper.st_mode & stat.S_ISUID:
        raise Skip("fusermount3 is not setuid root")
    if os.getuid() == 0:
        open_device_to_all(bench)
    home = bench.path("home")
    os.mkdir(home)
    os.mkdir(f"{home}/mnt")
    if os.getuid() == 0:
        for path in (home, f"{home}/mnt"):
            shutil.chown(path, "nobody", "nogroup")
    env = {**os.environ, "HOME": home}
    env.pop("XDG_DATA_HOME", None)
    result = bench.run(*user, RSMFS, f"{home}/mnt", "-o", bench.default_options, env=env, check=False)
    if result.returncode != 0 and re.search(r"(fuse\w*: .*(permission|not permitted)|/dev/fuse)",
                                            result.stderr, re.I):
        raise Skip(f"this machine lets no user mount: {result.stderr.splitlines()[0]}")
    expect(result.returncode == 0, "the mount failed", result.stderr)
    library = f"{home}/.local/share/rsmfs/library"
    bench.pids.add(bench.pid_of(library))
    script = ('set -e; umask 077; mkdir "$1/P"; mkdir "$1/P/c"; echo hello >"$1/P/c/f"; "$2" -m "$1" sync; '
              '"$2" -m "$1" view media P/c; cat "$1/P/c/f"')
    result = bench.run(*user, "sh", "-c", script, "sh", f"{home}/mnt", RSM, env=env)
    expect(result.stdout.endswith("hello\n"), "unexpected words", result.stdout)
    bench.run(*user, "fusermount3", "-u", f"{home}/mnt", env=env)
    bench.run(*user, RSM, "wait", library, env=env)


@test(timeout=3600, long_only=True)
def memory_of_a_million_files(bench):
    """A million files on a cartridge take rsmfs less than 64 MiB."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    for d in range(1000):
        folder = mount / f"P/c/{d:03}"
        os.mkdir(folder)
        for i in range(1000):
            os.close(os.open(f"{folder}/{i:03}", os.O_CREAT | os.O_WRONLY))
    mount.rsm("sync", timeout=1800)
    peak = high_water(mount.pid)
    mount.unmount(1800)
    mount = bench.mount(library)
    count = int(bench.run("sh", "-c", f"find '{mount.point}/P/c' -type f | wc -l", timeout=1800).stdout)
    expect(count == 1_000_000, f"{count} files are there")
    peak = max(peak, high_water(mount.pid))
    expect(peak < 64 * 1024, f"VmHWM is {peak} KiB")
    print(f"VmHWM {peak} KiB")


def high_water(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s*(\d+)", f.read())[1])
