"""What an LTFS writer owes to every other LTFS system, held against the tapes by readers and a second
writer that share no code with rsmfs. The positions and pointers asked for here are those of the
reference implementation, recorded when it wrote and checked the same sessions."""
import os
import re
import shutil

from foreign import Foreign
from harness import (SEED, cartridge_folder, digest, expect, need_program, need_root, random_bytes, read_file,
                     rsm_xattr, same_tree, source_tree, test, tree_lines, wait_until, write_file)
from ltfs_check import Partition, Volume
from ltfs_strict import constructs, strict


def barcode_of(path):
    return rsm_xattr(path, "barcode")


def blocks(volume, n):
    """'VOL1 FM label FM FM idx FM' ..."""
    words = []
    kinds = {first: kind for kind, first, _ in constructs(volume, n)}
    for block, record in enumerate(volume.partitions[n].blocks):
        words.append("FM" if record is None else ("VOL1", "", "label")[block] if block < 4 else
                     "idx" if kinds.get(block) == "index" else "data")
    return " ".join(words)


@test()
def a_fresh_volume_is_laid_out_as_the_format_says(bench):
    """Blocks 0 to 7 of both partitions, one generation, both coherency attributes, all others in form."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "Pool/größe")
    barcode = barcode_of(mount / "Pool/größe")
    mount.rsm("sync")
    mount.unmount()
    volume = strict(cartridge_folder(library, barcode))
    for n in (0, 1):
        expect(blocks(volume, n) == "VOL1 FM label FM FM idx FM", f"partition {n}", blocks(volume, n))
        expect(len(volume.partitions[n].read(0)) == 80 and len(volume.partitions[n].read(2)) <= 4096, "labels")
    data = volume.read_index(volume.data_at, 5)
    expect(volume.generations == [1] and data["back"] is None, "the first index of the data partition")
    expect(volume.index["self"] == ("a", 5) and volume.index["back"] == ("b", 5), "that of the index partition")
    expect(volume.label["index"] == "a" and volume.label["data"] == "b" and volume.index_at == 0, "letters")
    expect(volume.label["serial"].decode() == barcode[:6] and volume.block_size == 524288, "label")
    expect(volume.mam[0][0x0803].startswith("größe".encode()) and volume.mam[0][0x0808].startswith(b"Pool\0"),
           "the medium's text and pool")


@test()
def sessions_are_appended(bench):
    """One small file a session: data, index on the data partition, the same on the index partition."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    barcode = barcode_of(mount / "P/c")
    mount.rsm("sync")
    mount.unmount()
    for i in range(3):
        mount = bench.mount(library)
        write_file(mount / f"P/c/f{i}", bytes(1000))
        mount.rsm("sync")
        mount.unmount()
    volume = strict(cartridge_folder(library, barcode))
    expect(blocks(volume, 1) == "VOL1 FM label FM FM idx FM" + " data FM idx FM" * 3, blocks(volume, 1))
    expect(blocks(volume, 0) == "VOL1 FM label FM FM idx FM", blocks(volume, 0))
    expect(volume.index["back"] == ("b", 17) and volume.generations == [4, 3, 2, 1], "pointers",
           volume.index["back"], volume.generations)
    expect([volume.nodes[f"f{i}"].extents for i in range(3)] ==
           [[(0, "b", 7 + 4 * i, 0, 1000)] for i in range(3)], "extents")


@test()
def without_a_change_nothing_is_written(bench):
    """Mounting, looking and reading leave every byte of tape and memory; a rename writes indexes alone."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    barcode = barcode_of(mount / "P/c")
    write_file(mount / "P/c/f", random_bytes(700_000, 1))
    mount.rsm("sync")
    mount.unmount()
    folder = cartridge_folder(library, barcode)
    before, volume = digest(folder, leave_out=("position",)), strict(folder)
    mount = bench.mount(library)
    mount.rsm("mount", mount / "P/c")
    expect(read_file(mount / "P/c/f") == random_bytes(700_000, 1), "f")
    mount.rsm("verify", mount / "P/c")
    mount.rsm("sync")
    mount.unmount()
    expect(digest(folder, leave_out=("position",)) == before, "reading changed the cartridge")
    mount = bench.mount(library)
    os.rename(mount / "P/c/f", mount / "P/c/g")
    mount.rsm("sync")
    mount.unmount()
    after = strict(folder)
    expect(blocks(after, 1) == blocks(volume, 1) + " FM idx FM", "more than an index", blocks(after, 1))
    expect(after.generations[0] == volume.generations[0] + 1, "generations", after.generations)
    expect(after.nodes["g"].extents == volume.nodes["f"].extents, "data were written again")


@test()
def an_index_of_just_so_many_blocks(bench):
    """Whole records and no empty one when the length is a multiple of the block size; one more else."""
    library = bench.library(cartridges=2, capacity="400M")
    mount = bench.mount(library)
    root = mount / "P/c"
    os.makedirs(root)
    barcode = barcode_of(root)
    for i in range(800):
        os.symlink("x" * (i % 7 + 1), f"{root}/a link with a rather long name {i:04}")

    def records(want):
        """Syncs with a comment of `want` bytes; how long the newest index's records are."""
        os.setxattr(root, "user.ltfs.commitMessage", b"c" * want)
        os.setxattr(root, "user.ltfs.sync", b"1")
        tape = Partition(f"{cartridge_folder(library, barcode)}/partition1.tap").blocks
        first = len(tape) - 1
        while tape[first - 1] is not None:
            first -= 1
        return [length for _, length in tape[first:-1]]

    comment, lengths = 100, records(100)
    while -sum(lengths) % 524288 > 60_000:  # the comment can make up the rest
        for i in range(-sum(lengths) % 524288 // 1000):
            os.symlink("y", f"{root}/one more {i} of {len(os.listdir(root))}")
        lengths = records(comment)
    whole = -(-sum(lengths) // 524288)
    for target, want in ((whole * 524288, [524288] * whole), (whole * 524288 + 1, [524288] * whole + [1])):
        for _ in range(4):  # a counter may have got another digit
            comment += target - sum(lengths)
            lengths = records(comment)
            if sum(lengths) == target:
                break
        expect(lengths == want, f"an index of {target} bytes", lengths)
        mount.rsm("dismount", root)
        wait_until("it is home", lambda: rsm_xattr(root, "mounted") == "0")
        strict(cartridge_folder(library, barcode))
    names = sorted(os.listdir(root))
    mount.unmount()
    shutil.rmtree(f"{library}/catalog")
    shutil.rmtree(f"{library}/staging")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    wait_until("it is back", lambda: os.path.isdir(root), 30)
    expect(sorted(os.listdir(root)) == names, "names are lost")


@test()
def two_writers_alternate(bench):
    """Six sessions each with another LTFS system: both see all, every generation can be listed."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    root = mount / "P/c"
    os.makedirs(f"{root}/d")
    barcode = barcode_of(root)
    want = {"ours": b"", "d/theirs": b"first"}
    for name, data in want.items():
        write_file(f"{root}/{name}", data)
    for i in range(6):
        want["ours"] = random_bytes(530_000 + i, i)
        want[f"d/new{i}"] = random_bytes(1000 * i + 1, i)
        for name in ("ours", f"d/new{i}"):
            write_file(f"{root}/{name}", want[name])
        mount.rsm("sync")
        mount.unmount()
        foreign = Foreign(cartridge_folder(library, barcode))
        for name, data in want.items():
            expect(b"".join(foreign.volume.contents(foreign.volume.nodes[name])) == data, f"round {i}: {name}")
        want["d/theirs"] = random_bytes(600_000 - i, 100 + i)
        foreign.rewrite("d/theirs", want["d/theirs"])
        foreign.commit()
        Volume(cartridge_folder(library, barcode)).check_history()
        mount = bench.mount(library)
        mount.rsm("mount", root)
        for name, data in want.items():
            expect(read_file(f"{root}/{name}") == data, f"round {i}: {name} is not what was written")
    mount.unmount()
    volume = Volume(cartridge_folder(library, barcode))
    expect(len(volume.generations) >= 12, volume.generations)


@test()
def each_vendor_key_is_on_the_tape(bench):
    """Contract 8, read from the index itself; none of them is seen in the mount."""
    need_root()
    need_program("setfacl")
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "Top")
    mount.rsm("createpool", mount / "Archive", "--holds", "pools")
    os.mkdir(mount / "Archive/Film")
    root = mount / "Archive/Film/reel: 1"
    os.mkdir(root)
    os.chown(root, 1234, 2345)
    os.chmod(root, 0o2750)
    bench.run("setfacl", "-m", "u:4321:rwx,d:g:5432:r-x", root)
    barcode, lmid = barcode_of(root), rsm_xattr(root, "lmid")
    decomposed = "cafe\u0301"
    os.mkdir(f"{root}/{decomposed}")
    write_file(f"{root}/{decomposed}/plain", b"x" * 1000)
    os.chmod(f"{root}/{decomposed}/plain", 0o4751)
    os.chown(f"{root}/{decomposed}/plain", 0, 777)
    os.chmod(f"{root}/{decomposed}/plain", 0o4751)
    bench.run("setfacl", "-m", "u:4321:r--", f"{root}/{decomposed}/plain")
    mount.rsm("sync")
    shown = {k for p, _, fs in os.walk(root) for n in [p, *(f"{p}/{f}" for f in fs)] for k in os.listxattr(n)}
    expect(shown <= {"system.posix_acl_access", "system.posix_acl_default"}, "shown", shown)
    mount.unmount()
    volume = strict(cartridge_folder(library, barcode))
    keys = {k.removeprefix("ltfs.vendor.rsmfs."): v.decode() for k, v in volume.nodes[""].xattrs.items()
            if k.startswith("ltfs.vendor.rsmfs.")}
    side = keys.pop("side")
    acl = keys.pop("acl")
    expect(keys == {"pool": "Archive/Film", "name": "reel: 1", "owner": "1234:2345", "mode": "2770", "lmid": lmid,
                    "state": "allocated"}, "the root's keys", keys)
    expect(re.fullmatch("[0-9a-f-]{36}", side) and re.fullmatch("access:[A-Za-z0-9+/=]+ default:[A-Za-z0-9+/=]+", acl),
           side, acl)
    folder, file = volume.nodes["café"], volume.nodes["café/plain"]
    expect(folder.xattrs["ltfs.vendor.rsmfs.name"] == decomposed.encode(), folder.xattrs)
    unix = file.xattrs["ltfs.vendor.rsmfs.unix"].decode()
    expect(re.fullmatch(r"4751 0 777 root \S+", unix), unix)
    expect("ltfs.vendor.rsmfs.name" not in file.xattrs, "a name that is in normal form is kept twice")
    expect(len(file.xattrs["ltfs.vendor.rsmfs.acl_access"]) == 4 + 6 * 8, file.xattrs)
    expect(file.xattrs["ltfs.vendor.rsmfs.hash"].startswith(b"sha256sum 1000 "), file.xattrs)
    expect(volume.mam[0][0x0803].startswith(b"reel: 1\0") and volume.mam[0][0x0808].startswith(b"Archive/Film\0"),
           "the medium's memory")


@test()
def a_cartridge_comes_back_without_the_catalogue(bench):
    """Pool, name, owner, mode, ACLs, LMID and contents of a cartridge, from the medium alone."""
    need_root()
    need_program("setfacl")
    library = bench.library(cartridges=3)
    mount = bench.mount(library)
    os.mkdir(mount / "Backup")
    roots = [mount / "Backup/mon day", mount / "Backup/ü"]
    for i, root in enumerate(roots):
        os.mkdir(root)
        os.chown(root, 1000 + i, 2000 + i)
        os.chmod(root, 0o3751)
        write_file(f"{root}/f", random_bytes(100_000, i))
    bench.run("setfacl", "-m", "u:4321:rwx,g:99:---,d:u:4321:r-x", roots[0])
    mount.rsm("sync")
    # an ACL that goes does not come back
    bench.run("setfacl", "-m", "u:1:rwx", roots[1])
    mount.rsm("sync")
    bench.run("setfacl", "-b", roots[1])
    mount.rsm("sync")
    os.chmod(roots[1], 0o1700)

    def seen():
        return [(rsm_xattr(r, "lmid"), rsm_xattr(r, "pool"), rsm_xattr(r, "state"), oct(os.stat(r).st_mode),
                 os.stat(r).st_uid, os.stat(r).st_gid,
                 bench.run("getfacl", "-cnp", r).stdout) for r in roots]

    mount.rsm("sync")
    before = seen()
    expect("user:4321:rwx" in before[0][-1] and "default:user:4321:r-x" in before[0][-1], before[0][-1])
    mount.unmount()
    for _ in range(2):  # and again: what came back goes on the medium again
        shutil.rmtree(f"{library}/catalog")
        shutil.rmtree(f"{library}/staging")
        mount = bench.mount(library)
        mount.rsm("inventory", "--full")
        wait_until("they are back", lambda: all(os.path.isdir(r) for r in roots), 30)
        expect(seen() == before, "not what it was", seen(), before)
        for i, root in enumerate(roots):
            expect(read_file(f"{root}/f") == random_bytes(100_000, i), f"{root}/f")
        write_file(f"{roots[0]}/g", b"another index")
        mount.rsm("sync")
        mount.unmount()


def hard_tree(path, acls, bench):
    """What copies have to keep: names, times, modes, owners, links, attributes, ACLs, holes."""
    source_tree(path, 200, SEED)
    os.makedirs(f"{path}/dec\u0301/e\u0301: x")
    write_file(f"{path}/dec\u0301/e\u0301: x/n\u0303", b"decomposed")
    write_file(f"{path}/set", b"x")
    os.setxattr(f"{path}/set", "user.bin", bytes(range(256)))
    os.setxattr(f"{path}/set", "user.empty", b"")
    os.setxattr(f"{path}/set", "user.a: b%41", "wert \u00fc\r\n".encode())
    with open(f"{path}/holes", "wb") as f:
        f.truncate(3_000_000)
        f.seek(1_234_567)
        f.write(b"here")
    if os.getuid() == 0:
        os.chown(f"{path}/set", 12345, 23456)
        os.lchown(f"{path}/dec\u0301", 1, 2)
    os.chmod(f"{path}/set", 0o2755)
    if acls:
        bench.run("setfacl", "-m", "u:4321:rw-,g:77:r--", f"{path}/set")
        bench.run("setfacl", "-m", "u:4321:rwx,d:u:4321:r-x,d:g:77:rwx", f"{path}/dec\u0301")
    # rsync does not set what differs by less than a second from a new link's or folder's time
    for folder, _, files in os.walk(path):
        for name in files:
            if os.path.islink(f"{folder}/{name}"):
                os.utime(f"{folder}/{name}", ns=(7, 1_000_000_000_123_456_789), follow_symlinks=False)
    os.utime(f"{path}/set", ns=(1, -1_999_999_999))
    os.utime(f"{path}/dec\u0301/e\u0301: x", ns=(3, 1_500_000_000_000_000_001))
    os.utime(f"{path}/dec\u0301", ns=(5, 2**33 * 10**9 + 7))


@test(timeout=240)
def copies_come_back_from_the_medium_alone(bench):
    """cp -a, rsync -aAXH (the second run moves nothing) and tar with ACLs and attributes, through a cartridge
    whose catalogue and staging were lost."""
    need_root()
    for program in ("rsync", "setfacl", "tar"):
        need_program(program)
    source = bench.path("source")
    acls = bench.run("setfacl", "-m", "u:1:r", bench.folder, check=False).returncode == 0
    bench.run("setfacl", "-b", bench.folder, check=False)
    hard_tree(source, acls, bench)
    library = bench.library(cartridges=2, capacity="400M")
    mount = bench.mount(library)
    root = mount / "P/c"
    os.makedirs(root)
    barcode = barcode_of(root)
    rsync = ["rsync", "-aAXH", "--numeric-ids", "--itemize-changes"]
    bench.run("cp", "-a", source, f"{root}/cp")
    bench.run(*rsync, f"{source}/", f"{root}/rsync/")
    bench.run("tar", "-C", source, "--acls", "--xattrs", "--xattrs-include=user.*", "-cpf", f"{root}/tar.tar", ".")
    again = bench.run(*rsync, f"{source}/", f"{root}/rsync/").stdout
    expect(again == "", "the second rsync moved something", again[:500])
    mount.rsm("sync")
    again = bench.run(*rsync, f"{source}/", f"{root}/cp/").stdout
    expect(again == "", "rsync finds the copy of cp -a different", again[:500])
    mount.unmount()
    volume = strict(cartridge_folder(library, barcode))
    shutil.rmtree(f"{library}/catalog")
    shutil.rmtree(f"{library}/staging")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    wait_until("it is back", lambda: os.path.isdir(f"{root}/cp"), 30)
    for copy in ("cp", "rsync"):
        again = bench.run(*rsync, f"{source}/", f"{root}/{copy}/").stdout
        expect(again == "", f"rsync finds {copy} different after the catalogue was lost", again[:500])
        same_tree(source, f"{root}/{copy}")
    back = bench.path("back")
    os.mkdir(back)
    bench.run("tar", "-C", back, "--acls", "--xattrs", "--xattrs-include=user.*", "-xpf", f"{root}/tar.tar")
    same_tree(source, back)
    if acls:
        facls = [sorted(bench.run("getfacl", "-Rnp", ".", cwd=p).stdout.split("\n\n"))
                 for p in (source, f"{root}/cp", f"{root}/rsync", back)]
        for i in (1, 2, 3):
            different = [f"{a}\n--\n{b}" for a, b in zip(facls[0], facls[i]) if a != b]
            expect(not different and len(facls[0]) == len(facls[i]), f"ACLs differ ({i})", *different[:2])
    out = bench.path("out")
    bench.run("cp", "-a", f"{root}/cp", out)
    expect(tree_lines(out) == tree_lines(source), "out again by cp -a")


