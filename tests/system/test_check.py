"""rsm check: what state a cartridge is in, and its repair. After each one the independent reader
accepts the volume, and what was on it is there, or is told to be lost."""
import errno
import json
import os
import pty
import struct

from harness import (RSM, cartridge_folder, expect, expect_errno, places, random_bytes, read_file, rsm_xattr, test,
                     wait_until, write_file)
from test_foreign import foreign_library

TORN = b'<?xml version="1.0" encoding="UTF-8"?><ltfsindex version="2.4.0"><creator>'
FILES = {f"f{i}": random_bytes(1_200_000, i) for i in range(3)}


class Image:
    """A tape image as a list of blocks: bytes of a record, or None for a filemark."""

    def __init__(self, folder, partition):
        self.path, self.folder = f"{folder}/partition{partition}.tap", folder
        raw, at, self.blocks = read_file(self.path), 0, []
        while at + 4 <= len(raw):
            (length,) = struct.unpack_from("<I", raw, at)
            self.blocks.append(raw[at + 4:at + 4 + length] if length else None)
            at += 4 if not length else 8 + length + (length & 1)

    def save(self, tail=b""):
        for name in os.listdir(self.folder):
            if not name.startswith("partition") or name.endswith(".idx"):
                os.unlink(f"{self.folder}/{name}")
        with open(self.path, "wb") as f:
            for block in self.blocks:
                if block is None:
                    f.write(struct.pack("<I", 0))
                else:
                    size = struct.pack("<I", len(block))
                    f.write(size + block + b"\0" * (len(block) & 1) + size)
            f.write(tail)

    def cut(self, count):
        del self.blocks[len(self.blocks) - count:]
        return self


def written(bench, library):
    """P/c with three files, at home; its folder."""
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    for name, data in FILES.items():
        write_file(mount / f"P/c/{name}", data)
    barcode = rsm_xattr(mount / "P/c", "barcode")
    mount.rsm("sync")
    mount.unmount()
    return cartridge_folder(library, barcode)


def drop_attribute(folder, partition, wanted):
    path, at, kept = f"{folder}/partition{partition}.mam", 0, b""
    raw = read_file(path)
    while at < len(raw):
        ident, _, length = struct.unpack_from(">HBH", raw, at)
        if ident != wanted:
            kept += raw[at:at + 5 + length]
        at += 5 + length
    expect(len(kept) < len(raw), f"{path} has no attribute {wanted:04x}h")
    write_file(path, kept)


def check(mount, *args, code=0):
    result = mount.rsm("check", "P/c", "--json", *args, check=False)
    expect(result.returncode == (1 if code else 0), f"exit code {result.returncode}", result.stdout, result.stderr)
    return result


def report(mount, *args):
    """What it tells, from the JSON of a call that succeeds."""
    return json.loads(check(mount, *args).stdout)


def findings(text, kind):
    return [f["text"] for f in text["findings"] if f["severity"] == kind]


def assert_good(bench, folder, history=True):
    import ltfs_check
    try:
        volume = ltfs_check.Volume(folder)
        if history:
            volume.check_history()
    except ltfs_check.Bad as e:
        raise AssertionError(f"the independent reader: {e}") from e
    return volume


def assert_files(mount):
    for name, data in FILES.items():
        expect(read_file(mount / f"P/c/{name}") == data, f"{name} is not what it was")


def dismount(mount):
    """The kernel may still be reading ahead in what was just read."""
    wait_until("it goes home", lambda: mount.rsm("dismount", "P/c", check=False).returncode == 0)


def health(mount):
    return rsm_xattr(mount / "P/c", "health")


@test()
def check_of_a_good_cartridge(bench):
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    mount = bench.mount(library)
    told = report(mount)
    expect([p["state"] for p in told["partitions"]] == ["complete"] * 2, f"states: {told}")
    expect([p["role"] for p in told["partitions"]] == ["index", "data"], f"roles: {told}")
    expect(told["findings"] == [] and told["summary"][0]["consistent"] == 1, f"findings: {told}")
    expect("consistent" in mount.rsm("check", "P/c").stdout, "it does not say so")
    told = report(mount, "--deep")
    scan = told["scan"][0]
    expect(told["files"] == [] and scan["damaged_files"] == 0 and scan["unreferenced_blocks"] == 0
           and scan["unreadable"] == 0 and scan["indexes"] >= 3, f"scan: {scan}")
    expect("say --yes" in mount.rsm("check", "P/c", "--repair", check=False).stderr, "it does not ask")
    expect(mount.rsm("check", "P/c", "--list", "--deep", check=False).returncode == 2, "both were taken")
    expect(mount.rsm("check", "P", check=False).returncode == 1, "a pool was checked")
    mount.unmount()
    assert_good(bench, folder)


@test()
def what_a_crash_leaves_mends_itself(bench):
    """Torn ends of either partition: put right by a mount, with events that say so."""
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    cases = {
        "the filemark behind the last index of partition b": lambda: Image(folder, 1).cut(1).save(),
        "the index partition holds no index": lambda: Image(folder, 0).cut(3).save(),
        "index partition's index is not whole": lambda: tear(Image(folder, 0).cut(2)),
        "lie behind the last index": lambda: add(Image(folder, 1), b"of no file"),
        "the data partition has lost its last index": lambda: Image(folder, 1).cut(3).save(),
        "does not tell how the partitions end": lambda: drop_attribute(folder, 1, 0x080C),
        "was not finished": lambda: tear(Image(folder, 1), mark=True),
    }
    for words, damage in cases.items():
        damage()
        mount = bench.mount(library)
        told = report(mount)
        expect(any(words in f["text"] for f in told["findings"]), f"'{words}' is not told: {told['findings']}")
        expect(not findings(told, "loss") and not findings(told, "repair"), f"it does not mend: {told}")
        assert_files(mount)
        dismount(mount)
        expect(health(mount) == "good", f"health: {health(mount)}")
        if "tell" not in words:
            log = mount.rsm("log", "P/c").stdout
            expect(f"event=damage" in log and "event=repair" in log and words in log, f"the log: {log}")
        told = report(mount)
        expect(told["summary"][0]["consistent"] == 1, f"after '{words}': {told}")
        mount.unmount()
        volume = assert_good(bench, folder, history="finished" not in words)
        expect({"f0", "f1", "f2"} <= set(volume.nodes), f"after '{words}': {sorted(volume.nodes)}")


def tear(image, mark=False):
    if mark:
        image.blocks.append(None)
    image.blocks.append(TORN)
    image.save()


def add(image, record):
    image.blocks.append(record)
    image.save()


@test()
def a_missing_end_of_data_is_repaired_when_asked(bench):
    gap = b"\xfe\xff\xff\xff"
    for partitions in ((1,), (0,), (0, 1)):
        library = bench.library(f"library{partitions}", cartridges=2)
        folder = written(bench, library)
        for partition in partitions:
            Image(folder, partition).save(tail=gap)
        mount = bench.mount(library)
        result = check(mount, code=1)
        expect("rsm check --repair P/c" in result.stderr, result.stderr)
        expect("has no end of data" in health(mount), f"health: {health(mount)}")
        assert_files(mount)
        expect_errno(errno.EROFS, write_file, mount / "P/c/new", b"1")
        told = report(mount, "--repair", "--yes")
        expect(any("got an end of data" in r["text"] for r in told["repaired"]), f"{told}")
        expect(health(mount) == "good", f"health: {health(mount)}")
        write_file(mount / "P/c/new", b"1")
        mount.rsm("sync")
        mount.unmount()
        assert_good(bench, folder)


@test()
def a_damaged_newest_index(bench):
    """Known here it is written again; on a strange system nothing is done without being asked."""
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    mount = bench.mount(library)
    write_file(mount / "P/c/last", b"last")
    barcode = rsm_xattr(mount / "P/c", "barcode")
    mount.rsm("sync")
    mount.kill()
    wait_until("it is gone", lambda: not os.path.exists(f"/proc/{mount.pid}") if hasattr(mount, "pid") else True)
    folder = cartridge_folder(library, barcode)
    image = Image(folder, 1)
    expect(image.blocks[-1] is None and image.blocks[-2] and b"<ltfsindex" in image.blocks[-2][:200],
           "there is no index at the end")
    image.blocks[-2] = image.blocks[-2][:3000]
    image.save()
    mount = bench.mount(library)
    told = report(mount)
    expect(any("it is known here" in t for t in findings(told, "mends")), f"{told}")
    expect(read_file(mount / "P/c/last") == b"last", "the last file is lost")
    dismount(mount)
    mount.unmount()
    expect("last" in assert_good(bench, cartridge_folder(library, barcode), history=False).nodes, "it was not written")


@test()
def files_whose_blocks_are_gone(bench):
    """The tape is shorter than its files: read-only, the rest is read, nothing is repaired."""
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    image = Image(folder, 1)
    image.cut(3 + 4).save()  # the index, and data
    mount = bench.mount(library)
    check(mount, code=1)
    expect("files have blocks up to" in health(mount), f"health: {health(mount)}")
    expect_errno(errno.EROFS, write_file, mount / "P/c/new", b"1")
    result = check(mount, "--repair", "--yes", code=1)
    expect("cannot be repaired" in result.stderr, result.stderr)
    result = mount.rsm("check", "P/c", "--deep", check=False)
    bad = [line for line in result.stdout.splitlines() if "is not on the tape" in line]
    readable = 0
    for name, data in FILES.items():
        if any(line.split()[0] == name for line in bad):
            expect_errno(errno.EIO, read_file, mount / f"P/c/{name}")
        else:
            expect(read_file(mount / f"P/c/{name}") == data, f"{name} is not what it was")
            readable += 1
    expect(bad and readable, f"{len(bad)} damaged, {readable} readable", result.stdout)
    bench.allow_error(r".*")


@test()
def blocks_of_no_file_become_files(bench):
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    image = Image(folder, 1)
    first = len(image.blocks)
    big, small = random_bytes(524_288, 7), random_bytes(777, 8)
    image.blocks += [big, small, b"another"]
    image.save()
    mount = bench.mount(library)
    scan = report(mount, "--deep")["scan"][0]
    expect(scan["unreferenced_blocks"] == 3 and scan["unreferenced_bytes"] == 524_288 + 777 + 7, f"{scan}")
    dismount(mount)  # an index is behind them now
    scan = report(mount, "--deep")["scan"][0]
    expect(scan["unreferenced_blocks"] == 3, f"{scan}")
    told = report(mount, "--deep", "--repair", "--yes")
    lost = mount / "P/c/_ltfs_lostandfound"
    names = sorted(os.listdir(lost))
    expect(names == [f"partition1_block{first}_{524_288 + 777}bytes", f"partition1_block{first + 2}_7bytes"],
           f"{names}", f"{told}")
    expect(read_file(f"{lost}/{names[0]}") == big + small and read_file(f"{lost}/{names[1]}") == b"another",
           "they are not what they were")
    expect(os.stat(f"{lost}/{names[0]}").st_mode & 0o222 == 0, "they can be written")
    expect(report(mount, "--deep")["scan"][0]["unreferenced_blocks"] == 0, "they are still lost")
    assert_files(mount)
    os.chmod(lost, 0o700)
    os.unlink(f"{lost}/{names[1]}")
    dismount(mount)
    expect(report(mount, "--deep")["scan"][0]["unreferenced_blocks"] == 0, "what was deleted is lost again")
    mount.unmount()
    assert_good(bench, folder)


@test()
def a_volume_without_any_index(bench):
    """Strange and without index: an empty read-only volume, whose blocks can be had as files."""
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    data, index = Image(folder, 1), Image(folder, 0)
    index.cut(3).save()
    data.blocks = [b if i < 4 or b is None or b"<ltfsindex" not in b[:200] else b"x" * len(b)
                   for i, b in enumerate(data.blocks)]
    data.save()
    mount = bench.mount(library)
    check(mount, code=1)
    expect("neither partition holds an index" in health(mount), f"health: {health(mount)}")
    assert_files(mount)  # the catalogue knows them
    report(mount, "--repair", "--yes")
    assert_files(mount)
    dismount(mount)
    told = report(mount)
    expect(told["summary"][0]["consistent"] == 1, f"{told}")
    mount.unmount()
    try:
        assert_good(bench, folder, history=False)
    except AssertionError as e:  # there is nothing that the first index could point back to
        expect("the chain of indexes ends at block" in str(e), str(e))


@test()
def a_label_in_one_partition_only(bench):
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    image = Image(folder, 0)
    image.blocks = []
    image.save()
    mount = bench.mount(library)
    check(mount, code=1)
    expect("partition a has no LTFS label" in health(mount), f"health: {health(mount)}")
    assert_files(mount)
    expect_errno(errno.EROFS, write_file, mount / "P/c/new", b"1")
    report(mount, "--repair", "--yes")
    expect(health(mount) == "good", f"health: {health(mount)}")
    assert_files(mount)
    mount.unmount()
    assert_good(bench, folder)


@test()
def a_repair_asks_on_a_terminal(bench):
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    Image(folder, 1).save(tail=b"\xfe\xff\xff\xff")
    mount = bench.mount(library)
    for answer, code in (("n", 1), ("y", 0), ("y", 0)):
        shown, status = on_terminal([RSM, "-m", mount.point, "check", "P/c", "--repair"], answer)
        expect(status == code, f"exit code {status} after {answer}", shown)
        if code or "repaired" in shown:
            expect("has no end of data" in shown and "Go on?" in shown, shown)
    expect("Go on?" not in shown and "consistent" in shown, "there is nothing left to ask about", shown)


def on_terminal(argv, answer):
    """Runs it on a terminal of its own, types the answer; what was shown, and the exit code."""
    pid, master = pty.fork()
    if pid == 0:
        os.execv(argv[0], argv)
    os.write(master, answer.encode() + b"\n")
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@test()
def an_unreadable_block(bench):
    """A medium error costs the file it is in, and --deep names it."""
    bench.allow_error(r".*")
    library = bench.library(cartridges=2)
    folder = written(bench, library)
    data = read_file(f"{folder}/partition1.tap")
    where = data.find(FILES["f1"][524_288:524_288 + 64])
    expect(where > 0, "the file's second block is not found")
    with open(f"{folder}/partition1.tap", "r+b") as f:
        for at in (where - 4, where + 524_288):
            f.seek(at)
            f.write(struct.pack("<I", 524_288 | 0x80000000))
    mount = bench.mount(library)
    expect(check(mount).returncode == 0, "the ends are fine")
    result = mount.rsm("check", "P/c", "--deep", check=False)
    expect(result.returncode == 1 and "f1" in result.stdout and "f0" not in result.stdout, result.stdout)
    expect(read_file(mount / "P/c/f2") == FILES["f2"], "another file suffers")


@test(timeout=180)
def foreign_tapes_that_were_not_left_clean(bench):
    """What the reference's writer left when it was killed: readable at once, taken over, mended."""
    import ltfs_check
    library = foreign_library(bench)
    mount = bench.mount(library)
    wait_until("they are identified", lambda: len(os.listdir(mount / "Import/LTO-5")) == 5, 90)
    mount.rsm("createpool", "Old")
    for barcode, words in (("UNCL01L5", "lie behind the last index"), ("STAL01L5", "the volume is at")):
        path = f"Import/LTO-5/{barcode}"
        told = json.loads(mount.rsm("check", path, "--json").stdout)
        expect(any(words in t for t in findings(told, "mends")), f"{barcode}: {told}")
        result = mount.rsm("check", path, "--repair", "--yes", check=False)
        expect(result.returncode == 1 and "belongs to no pool here" in result.stderr, result.stderr)
        os.rename(mount / path, mount / f"Old/{barcode}")
        mount.rsm("check", f"Old/{barcode}", "--deep", "--repair", "--yes")
        told = json.loads(mount.rsm("check", f"Old/{barcode}", "--json").stdout)
        expect(told["summary"][0]["consistent"] == 1, f"{barcode}: {told}")
    lost = mount / "Old/UNCL01L5/_ltfs_lostandfound"
    names = sorted(os.listdir(lost))
    data = b"".join(read_file(f"{lost}/{name}") for name in names)
    expect(names[0].startswith("partition1_block21_") and data[:6] == b"lost1 ", f"{names}", f"{data[:64]}")
    lines = b"".join(b"%-15s %015x\n" % (b"lost1", at) for at in range(0, 1_200_000, 32))
    size = os.path.getsize(f"{lost}/{names[0]}")
    expect(size > 2 * 524_288 and data[:size] == lines[:size], "the blocks of the file are not in order")
    expect(not os.path.exists(mount / "Old/STAL01L5/_ltfs_lostandfound"), "nothing was lost there")
    barcodes = ("UNCL01L5", "STAL01L5")
    mount.unmount()
    for barcode in barcodes:
        assert_good(bench, cartridge_folder(library, barcode))
