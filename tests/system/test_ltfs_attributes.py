"""user.ltfs.*: the virtual attributes of the LTFS reference implementation, row by row, as its own tools
use them."""
import errno
import os
import re
import shutil
import subprocess
import sys

from harness import (cartridge_folder, expect, expect_errno, need_root, random_bytes, read_file, rsm_xattr,
                     sha256, test, wait_until, write_file)
from ltfs_check import Volume

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"
NUMBER = r"-1|\d+"

# name, form of its value, where it is, what can be done: r only read, w written, d removed as well
EVERYWHERE = "root dir file empty staged"
ROWS = [
    *((f"{name}Time", TIME, EVERYWHERE, "w") for name in ("create", "modify", "access", "change", "backup")),
    ("fileUID", r"[1-9]\d*", EVERYWHERE, "r"),
    ("volumeUUID", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", EVERYWHERE, "r"),
    ("volumeLockState", "0x00000000", EVERYWHERE, "w"),
    ("softwareVersion", r"\d.*", EVERYWHERE, "r"),
    ("softwareFormatSpec", r"2\.4\.0", EVERYWHERE, "r"),
    ("softwareVendor", "rsmfs", EVERYWHERE, "r"),
    ("softwareProduct", "LTFS.*", EVERYWHERE, "r"),
    ("mamBarcode", ".{32}", EVERYWHERE, "w"),
    ("mamApplicationVendor", "RSMFS   ", EVERYWHERE, "r"),
    ("mamApplicationVersion", ".{8}", EVERYWHERE, "r"),
    ("mamApplicationFormatVersion", r"2\.4\.0 {11}", EVERYWHERE, "r"),
    ("partition", "b", "file", "r"),
    ("startblock", r"\d+", "file", "r"),
    ("commitMessage", "", "root", "wd"),
    ("indexGeneration", r"\d+", "root", "r"),
    ("indexTime", TIME, "root", "r"),
    ("indexCreator", "rsmfs .*", "root", "r"),
    ("indexVersion", r"2\.4\.0", "root", "r"),
    ("indexLocation", r"[ab]:\d+", "root", "r"),
    ("indexPrevious", r"b:\d+", "root", "r"),
    ("labelCreator", "rsmfs .*", "root", "r"),
    ("labelVersion", r"2\.4\.0", "root", "r"),
    ("volumeFormatTime", TIME, "root", "r"),
    ("volumeSerial", "[0-9A-Z]{6}", "root", "r"),
    ("volumeBlocksize", "524288", "root", "r"),
    ("volumeCompression", "true|false", "root", "r"),
    ("partitionMap", "I:a,D:b", "root", "r"),
    ("policyExists", "false", "root", "r"),
    ("policyAllowUpdate", "true", "root", "r"),
    ("policyMaxFileSize", None, "", "r"),  # of a volume with a placement policy only
    *((f"media{name}", NUMBER, "root", "r") for name in (
        "Loads", "RecoveredWriteErrors", "PermanentWriteErrors", "RecoveredReadErrors", "PermanentReadErrors",
        "PreviousPermanentWriteErrors", "PreviousPermanentReadErrors", "BeginningMediumPasses",
        "MiddleMediumPasses", "Efficiency", "DatasetsWritten", "DatasetsRead", "MBWritten", "MBRead")),
    ("mediaStorageAlert", "0x[0-9a-f]{16}", "root", "w"),
    *((f"media{part}Partition{what}", r"\d+", "root", "r") for part in ("Data", "Index")
      for what in ("TotalCapacity", "AvailableSpace")),
    ("mediaEncrypted", "false", "root", "r"),
    ("driveEncryptionState", "off", "root", "r"),
    ("driveEncryptionMethod", "No Method", "root", "r"),
    ("vendor.IBM.referencedBlocks", r"\d+", "root", "r"),
    ("vendor.IBM.totalBlocks", r"\d+", "root", "r"),
    ("driveCaptureDump", None, "", "r"),  # no drive here has one
]
GOOD = {"mamBarcode": b"A00001L8", "mediaStorageAlert": b"0x0", "commitMessage": b"why", "volumeLockState": b"0"}


def get(path, key):
    return os.getxattr(path, f"user.ltfs.{key}").decode()


def put(path, key, value):
    os.setxattr(path, f"user.ltfs.{key}", value.encode() if isinstance(value, str) else value)


def given_cartridge(bench, options=""):
    library = bench.library(cartridges=3)
    mount = bench.mount(library, options=options)
    os.makedirs(mount / "P/c/dir")
    write_file(mount / "P/c/file", random_bytes(600_000, 1))
    write_file(mount / "P/c/empty", b"")
    os.symlink("file", mount / "P/c/link")
    mount.rsm("sync")
    return library, mount


@test()
def each_row_of_the_reference(bench):
    """Where each attribute is, its form, and the errors of reading, writing and removing it."""
    library, mount = given_cartridge(bench)
    mount.unmount()
    mount = bench.mount(library, options="migrate_delay=600000")
    write_file(mount / "P/c/staged", b"not on the medium yet")
    paths = {name: mount / f"P/c/{name}" for name in ("dir", "file", "empty", "staged")}
    paths["root"] = mount / "P/c"
    wrong = []

    def check(words, path, key, code, call, *value):
        try:
            call(path, f"user.ltfs.{key}", *value)
            got = 0
        except OSError as e:
            got = e.errno
        if got != code:
            wrong.append(f"{words} {key} of {path}: {errno.errorcode.get(got, got)}, "
                         f"{errno.errorcode.get(code, code)} was expected")

    for key, form, where, can in ROWS:
        for name, path in paths.items():
            there = name in where.split()
            check("reading", path, key, 0 if there else errno.ENODATA, os.getxattr)
            if there and not re.fullmatch(form, get(path, key)):
                wrong.append(f"{key} of {name} is {get(path, key)!r}")
            if key.endswith("Time") and can == "w":
                value, bad = b"2001-02-03T04:05:06.000000007Z", b"2001-02-03"
            else:
                value, bad = GOOD.get(key, b"1"), b"\xff\xfe"
            writable = there and "w" in can
            check("writing", path, key, 0 if writable else errno.EACCES, os.setxattr, value)
            if writable:
                check("writing nonsense to", path, key, errno.EINVAL, os.setxattr, bad)
            check("removing", path, key, 0 if there and "d" in can else errno.EACCES, os.removexattr)
    for name, path in paths.items():
        listed = [k for k in os.listxattr(path) if k.lower().startswith("user.ltfs")]
        if listed:
            wrong.append(f"{name}: virtual attributes are listed: {listed}")
        check("writing what is reserved,", path, "nonsense", errno.EACCES, os.setxattr, b"1")
        check("writing what is a vendor's,", path, "vendor.ACME.x", errno.EACCES, os.setxattr, b"1")
        check("writing ours,", path, "vendor.rsmfs.unix", errno.EACCES, os.setxattr, b"1")
        expect_errno(errno.EACCES, os.setxattr, path, "user.LTFS.x", b"1")
    for call in (os.getxattr, os.removexattr):
        expect_errno(errno.EPERM if call == os.removexattr else errno.ENODATA, call, mount / "P/c/link",
                     "user.ltfs.fileUID", follow_symlinks=False)
    expect(not wrong, f"{len(wrong)} rows are not as the reference has them", *wrong[:15])


@test()
def values_of_the_attributes(bench):
    """What they say agrees with the medium and with each other; what is set is on the medium after a sync."""
    library, mount = given_cartridge(bench)
    root, file = mount / "P/c", mount / "P/c/file"
    barcode = rsm_xattr(root, "barcode")
    expect(get(root, "volumeName") == get(file, "volumeName") == "c", get(root, "volumeName"))
    expect_errno(errno.EACCES, put, file, "volumeName", "x")
    put(root, "volumeName", "Völ: ume")
    put(root, "commitMessage", "why & <what>")
    put(file, "createTime", "2001-02-03T04:05:06.000000007Z")
    put(file, "backupTime", "2200-01-01T00:00:00.000000000Z")
    put(file, "changeTime", "1969-12-31T23:59:59.999999999Z")
    put(file, "mamBarcode", "OTHER1L8")
    expect(get(root, "mamBarcode") == f"{'OTHER1L8':32}", get(root, "mamBarcode"))
    expect_errno(errno.EINVAL, put, root, "mamBarcode", "x" * 33)
    generation = int(get(root, "indexGeneration"))
    put(root, "sync", "anything")
    expect(int(get(root, "indexGeneration")) > generation, "sync wrote no index")
    generation = int(get(root, "indexGeneration"))
    put(root, "sync", "again")
    expect(int(get(root, "indexGeneration")) == generation, "an index without a change")
    # reading it is the same
    write_file(mount / "P/c/more", b"12345")
    expect(os.getxattr(root, "user.ltfs.sync") == b"", "sync has a value")
    expect(rsm_xattr(mount / "P/c/more", "residency") == "medium", "reading sync does not sync")
    expect_errno(errno.ENODATA, os.getxattr, file, "user.ltfs.sync")
    expect_errno(errno.EACCES, put, file, "sync", "1")
    shown = {key: get(root, key) for key, form, where, _ in ROWS if "root" in where}
    position = get(file, "partition"), int(get(file, "startblock"))
    expect(f"{position[0]}:{position[1]}" == rsm_xattr(file, "position"), "two positions", position)
    inode = get(file, "fileUID")
    mount.unmount()

    volume = Volume(cartridge_folder(library, barcode))
    node = volume.nodes["file"]
    expect(node.extents[0][1:3] == position, "the position", node.extents)
    index = volume.index["root"]
    expect(index.findtext("directory/name") == "V%C3%B6l%3A%20ume" or
           index.findtext("directory/name") == "Völ: ume", index.findtext("directory/name"))
    expect(index.findtext("comment") == "why & <what>", index.findtext("comment"))
    element = next(f for f in index.iter("file") if f.findtext("name") == "file")
    expect(element.findtext("creationtime") == "2001-02-03T04:05:06.000000007Z", "creationtime")
    expect(element.findtext("changetime") == "1969-12-31T23:59:59.999999999Z", "changetime")
    expect(element.findtext("backuptime") == "2200-01-01T00:00:00.000000000Z", "backuptime")
    expect(element.findtext("fileuid") == inode, "fileuid", inode)
    expect(volume.mam[0][0x0806] == b"OTHER1L8".ljust(32), volume.mam[0][0x0806])
    expect(shown["volumeUUID"] == volume.label["uuid"], "uuid")
    expect(shown["volumeFormatTime"] == volume.label["formattime"], "format time")
    expect(shown["volumeSerial"].encode() == volume.label["serial"], "serial")
    expect(shown["labelCreator"] == volume.label["creator"], "creator")
    blocks = sum(-(-e[4] // volume.block_size) for n in volume.nodes.values() for e in n.extents)
    expect(int(shown["vendor.IBM.referencedBlocks"]) == blocks, "referencedBlocks", blocks)
    mount = bench.mount(library)
    put(root, "volumeName", "")
    os.removexattr(root, "user.ltfs.commitMessage")
    mount.rsm("sync")
    mount.unmount()
    index = Volume(cartridge_folder(library, barcode)).index["root"]
    expect(index.findtext("directory/name") == "c", "an emptied name is the cartridge's again",
           index.findtext("directory/name"))
    expect(index.find("comment") is None, "the comment cannot be removed")


@test()
def the_lock_of_a_volume(bench):
    """Set by its owner: in the index and the memory of the medium, honoured over mounts, taken away again."""
    need_root()
    library, mount = given_cartridge(bench)
    root, file = mount / "P/c", mount / "P/c/file"
    barcode = rsm_xattr(root, "barcode")
    os.chmod(root, 0o777)
    os.chmod(file, 0o666)
    code = (f"import os, errno\nos.setgid(65534); os.setuid(65534)\ntry:\n os.setxattr({file!r}, "
            "'user.ltfs.volumeLockState', b'1')\nexcept OSError as e:\n raise SystemExit(e.errno)")
    expect(subprocess.run([sys.executable, "-c", code]).returncode == errno.EPERM, "a stranger locks it")
    for bad in ("3", "x", "", "0x1z"):
        expect_errno(errno.EINVAL, put, root, "volumeLockState", bad)
    with open(file, "r+b"):
        expect_errno(errno.EBUSY, put, root, "volumeLockState", "1")
    write_file(f"{root}/last", b"written before")
    put(file, "volumeLockState", "1")
    expect(get(root, "volumeLockState") == "0x00000001", get(root, "volumeLockState"))
    expect_errno(errno.EROFS, write_file, f"{root}/new", b"x")
    expect_errno(errno.EROFS, os.chmod, file, 0o600)
    expect_errno(errno.EROFS, put, root, "commitMessage", "x")
    expect(read_file(f"{root}/last") == b"written before", "it cannot be read")
    mount.unmount()
    volume = Volume(cartridge_folder(library, barcode))
    expect(volume.index["root"].findtext("volumelockstate") == "locked" and "last" in volume.nodes, "the index")
    expect(volume.mam[0].get(0x1623) == b"\1", "the memory", volume.mam[0].get(0x1623))

    shutil.rmtree(f"{library}/catalog")
    shutil.rmtree(f"{library}/staging")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    wait_until("it is back", lambda: os.path.isdir(root), 30)
    expect_errno(errno.EROFS, write_file, f"{root}/new", b"x")
    put(root, "volumeLockState", "0")
    expect(get(root, "volumeLockState") == "0x00000000", get(root, "volumeLockState"))
    write_file(f"{root}/new", b"x")
    put(root, "volumeLockState", "2")
    expect(get(root, "volumeLockState") == "0x00000002", get(root, "volumeLockState"))
    for value in ("0", "1"):
        expect_errno(errno.EROFS, put, root, "volumeLockState", value)
    mount.unmount()
    volume = Volume(cartridge_folder(library, barcode))
    expect(volume.index["root"].findtext("volumelockstate") == "permlocked" and "new" in volume.nodes, "index")
    expect(volume.mam[0].get(0x1623) == b"\3", "the memory", volume.mam[0].get(0x1623))
    mount = bench.mount(library)
    mount.rsm("mount", root)
    expect_errno(errno.EROFS, write_file, f"{root}/more", b"x")
    expect_errno(errno.EROFS, put, root, "volumeLockState", "0")


def ordered_copy(sources, target):
    """As the reference's tool does it: by volume, partition and first block; what is on no tape last.
    Returns the order."""
    items = []
    for path in sources:
        try:
            uuid = os.getxattr(path, "user.ltfs.volumeUUID")
        except OSError:
            items.append((b"", b"", 0, path))
            continue
        try:
            place = (os.getxattr(path, "user.ltfs.partition"), int(os.getxattr(path, "user.ltfs.startblock")))
        except OSError:
            place = (b"a", 0)
        items.append((uuid, *place, path))
    items.sort()
    for item in items:
        copy = os.path.join(target, os.path.basename(item[3]))
        shutil.copy2(item[3], copy)
        for key in os.listxattr(item[3]):
            os.setxattr(copy, key, os.getxattr(item[3], key))
    return items


@test()
def an_ordered_copy_reads_a_tape_in_its_order(bench):
    """What the reference's ordered copy asks of files and of its target, and the order that comes of it."""
    library, mount = given_cartridge(bench)
    names = [f"n{(i * 37) % 40:02}" for i in range(40)]  # not in the order of names
    for i, name in enumerate(names):
        write_file(mount / f"P/c/{name}", random_bytes(20_000 + 17_000 * (i % 50), i))
        os.setxattr(mount / f"P/c/{name}", "user.note", name.encode())
        os.utime(mount / f"P/c/{name}", ns=(i, i))
    mount.rsm("sync")
    mount.unmount()
    mount = bench.mount(library, options="debug=scsi")
    sources = sorted(mount / f"P/c/{name}" for name in names)
    out = bench.path("out")
    os.mkdir(out)
    begin = os.path.getsize(bench.log)
    order = ordered_copy(sources, out)
    expect([os.path.basename(i[3]) for i in order] == names, "the order is not that of the tape",
           [i[1:] for i in order])
    expect(len({i[0] for i in order}) == 1 and {i[1] for i in order} == {b"b"}, "one volume, one partition")
    for name in names:
        expect(sha256(f"{out}/{name}") == sha256(mount / f"P/c/{name}"), f"{name} differs")
    with open(bench.log, errors="replace") as f:
        f.seek(begin)
        locates = len(re.findall(r"\blocate", f.read(), re.I))
    expect(locates < 15, f"{locates} times the tape was positioned for 40 files in order")
    # a target is LTFS if its signature says so; then the tool writes with one thread
    expect(get(mount / "P/c", "softwareProduct").startswith("LTFS"), "the target is not known as LTFS")
    os.mkdir(mount / "P/copy")
    ordered_copy(sources, mount / "P/copy")
    for name in names:
        st = os.stat(mount / f"P/copy/{name}")
        expect(st.st_mtime_ns == os.stat(mount / f"P/c/{name}").st_mtime_ns, f"{name}: the time is lost")
        expect(os.getxattr(mount / f"P/copy/{name}", "user.note") == name.encode(), f"{name}: user.note is lost")
