"""Checksums: stored when a file is written to its medium, gone when it changes, compared by rsm verify."""
import contextlib
import ctypes
import hashlib
import json
import mmap
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import time
import zlib

from foreign import Foreign
from harness import (RSM, expect, expect_errno, cartridge_folder, places, random_bytes, read_file, rsm_xattr,
                     sha256, test, wait_until, write_file)

KEY = "user.ltfs.hash.sha256sum"


def stored(path, key=KEY):
    try:
        return os.getxattr(path, key).decode()
    except OSError:
        return None


def barcode_of(mount, cartridge):
    return os.getxattr(mount / cartridge, "user.rsm.barcode").decode()


def flip(image, payload, at):
    """Flips a bit of the image where `payload` stands in it."""
    with open(image, "r+b") as f:
        data = f.read()
        where = data.find(payload)
        expect(where >= 0, f"the bytes are not in {image}")
        f.seek(where + at)
        f.write(bytes([data[where + at] ^ 0x10]))


def find_image(folder, payload):
    for name in sorted(os.listdir(folder)):
        if name.endswith(".tap") and payload in read_file(os.path.join(folder, name)):
            return os.path.join(folder, name)
    raise AssertionError(f"no image in {folder} has the bytes")


@test()
def checksums_are_stored_and_stay_true(bench):
    """Each way in which contents come and change: what is stored is right or absent."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    base = mount / "P/c"
    plain = {"small": b"x" * 10, "block": random_bytes(524288, 1), "more": random_bytes(1_600_001, 2),
             "big": random_bytes(9_000_000, 3)}
    for name, data in plain.items():
        write_file(f"{base}/{name}", data)
    with open(f"{base}/holes", "wb") as f:
        f.truncate(3_000_000)
        f.seek(1_000_000)
        f.write(b"here")
    write_file(f"{base}/empty", b"")
    mount.rsm("sync")
    for name in [*plain, "holes"]:
        expect(stored(f"{base}/{name}") == sha256(f"{base}/{name}"),
               f"{name}: {stored(f'{base}/{name}')} is stored")
        expect(KEY not in os.listxattr(f"{base}/{name}"), f"{name}: the checksum is listed")
    # changed: gone at once; written to the medium: right again, if all was written
    write_file(f"{base}/small", b"other")
    expect(stored(f"{base}/small") is None, "the checksum outlives the contents (rewritten)")
    with open(f"{base}/more", "r+b") as f:
        f.seek(600_000)
        f.write(b"patch")
    expect(stored(f"{base}/more") is None, "the checksum outlives the contents (patched)")
    os.truncate(f"{base}/block", 1000)
    expect(stored(f"{base}/block") is None, "the checksum outlives the contents (truncated)")
    with open(f"{base}/big", "ab") as f:
        f.write(b"tail")
    expect(stored(f"{base}/big") is None, "the checksum outlives the contents (appended)")
    mount.rsm("sync")
    expect(stored(f"{base}/small") == hashlib.sha256(b"other").hexdigest(), "rewritten, not hashed anew")
    for name in ("more", "block", "big"):
        expect(stored(f"{base}/{name}") in (None, sha256(f"{base}/{name}")), f"{name}: a false checksum")
    # a rename, a change of mode or times: the contents are the same
    before = stored(f"{base}/small")
    os.rename(f"{base}/small", f"{base}/renamed")
    os.chmod(f"{base}/renamed", 0o600)
    os.utime(f"{base}/renamed", (1, 1))
    expect(stored(f"{base}/renamed") == before, "the checksum went without need")
    result = mount.rsm("verify", base)
    expect("differ" in result.stdout and " 0 differ, 0 cannot be read" in result.stdout, result.stdout)
    mount.unmount()
    mount = bench.mount(library)
    expect(stored(f"{base}/renamed") == before, "the checksum was lost over a mount")


@test()
def a_growing_file_is_on_its_way_to_the_tape_and_keeps_its_checksum(bench):
    """Written in order, it goes in parts while it is open; a header that is changed at the end does no harm."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    data = random_bytes(100 << 20, 7)
    files = {}
    for name in ("in-order", "with-a-header"):
        files[name] = open(mount / f"P/c/{name}", "wb")
        before = 0
        for at in range(0, len(data), 1 << 20):
            files[name].write(data[at:at + (1 << 20)])
        os.fsync(files[name].fileno())

        def grown():
            folder = cartridge_folder(library, barcode_of(mount, "P/c"))
            size = os.path.getsize(f"{folder}/partition1.tap") if os.path.exists(f"{folder}/partition1.tap") else 0
            return size - before > 60 << 20

        wait_until(f"{name} is on its way while it is open", grown, 60)
        before = os.path.getsize(f"{cartridge_folder(library, barcode_of(mount, 'P/c'))}/partition1.tap")
    files["with-a-header"].seek(0)
    files["with-a-header"].write(b"HEADER")
    for f in files.values():
        f.close()
    mount.rsm("sync")
    whole = {"in-order": data, "with-a-header": b"HEADER" + data[6:]}
    for name, expected in whole.items():
        expect(rsm_xattr(mount / f"P/c/{name}", "residency") == "medium", f"{name} is not on the medium")
        expect(stored(mount / f"P/c/{name}") == hashlib.sha256(expected).hexdigest(), f"the checksum of {name}")
    mount.unmount()
    mount = bench.mount(library)
    for name, expected in whole.items():
        expect(sha256(mount / f"P/c/{name}") == hashlib.sha256(expected).hexdigest(), f"{name} differs")
    shown = json.loads(mount.rsm("--json", "verify", mount / "P/c").stdout)
    expect(shown["summary"][0]["verified"] == 2, "both are verified", shown)


@test()
def a_carried_checksum_does_not_survive(bench):
    """cp -a, rsync -X and tar carry attributes along: an old checksum is not taken for the file's."""
    mount = bench.mount(bench.library(cartridges=2))
    os.makedirs(mount / "P/c")
    source = bench.path("source")
    write_file(source, b"what it holds now")
    wrong = hashlib.sha256(b"what it once held").hexdigest().encode()
    os.setxattr(source, KEY, wrong)
    bench.run("cp", "-a", source, mount / "P/c/copied")
    os.setxattr(mount / "P/c/copied", "user.ltfs.hash.md5sum", b"kept: nobody computes this one")
    mount.rsm("sync")
    right = hashlib.sha256(b"what it holds now").hexdigest()
    expect(stored(mount / "P/c/copied") == right, "the carried checksum survived")
    expect(stored(mount / "P/c/copied", "user.ltfs.hash.md5sum"), "a checksum set by a user is gone")
    os.setxattr(mount / "P/c/copied", KEY, wrong)
    expect(stored(mount / "P/c/copied") == right, "a carried checksum replaced the computed one")
    os.removexattr(mount / "P/c/copied", KEY)
    expect(stored(mount / "P/c/copied") is None, "it cannot be removed")


@test()
def other_checksums(bench):
    """-o hash=crc32 and none."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library, options="hash=crc32")
    os.makedirs(mount / "P/c")
    data = random_bytes(2_000_003, 7)
    write_file(mount / "P/c/f", data)
    mount.rsm("sync")
    expect(stored(mount / "P/c/f", "user.ltfs.hash.crc32sum") == f"{zlib.crc32(data):08x}", "another crc")
    expect(stored(mount / "P/c/f") is None, "sha256, too")
    expect("1 verified, 0 differ" in mount.rsm("verify", mount / "P/c").stdout, "crc32 is not verified")
    mount.unmount()
    mount = bench.mount(library, options="hash=none")
    write_file(mount / "P/c/g", data)
    mount.rsm("sync")
    expect(os.listxattr(mount / "P/c/g") == [], "attributes", os.listxattr(mount / "P/c/g"))
    expect("1 verified, 0 differ, 0 cannot be read, 1 without" in mount.rsm("verify", mount / "P/c").stdout,
           "counts")
    mount.unmount()
    expect(bench.rsmfs(library, options="hash=md4", check=False).returncode != 0, "-o hash=md4 is taken")


@test()
def verify_finds_a_flipped_bit(bench):
    """A bit of the image changes while nobody looks: the file is named, and the others are well."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c/d")
    files = {name: random_bytes(size, name) for name, size in
             [("one", 700_000), ("two", 3_000_000), ("d/three", 900), ("d/four", 1_048_576)]}
    for name, data in files.items():
        write_file(mount / f"P/c/{name}", data)
    mount.rsm("sync")
    result = mount.rsm("verify", mount / "P/c")
    expect(result.stdout.strip() == "4 verified, 0 differ, 0 cannot be read, 0 without checksum",
           "counts", result.stdout)
    barcode = barcode_of(mount, "P/c")
    mount.unmount()
    folder = cartridge_folder(library, barcode)
    payload = files["two"][1_200_000:1_200_064]
    flip(find_image(folder, payload), payload, 33)
    mount = bench.mount(library)
    result = mount.rsm("verify", mount / "P/c", check=False)
    expect(result.returncode == 1, f"exit code {result.returncode}", result.stdout, result.stderr)
    lines = result.stdout.strip().split("\n")
    expect(len(lines) == 2 and lines[0].startswith("P/c/two\tdiffers\t"), "the report", result.stdout)
    expect(lines[1] == "3 verified, 1 differ, 0 cannot be read, 0 without checksum", "counts", lines[1])
    expect("1 files differ" in result.stderr, result.stderr)
    # only a part: the damage is not in it
    expect("2 verified, 0 differ" in mount.rsm("verify", mount / "P/c/d").stdout, "a folder")
    expect("1 verified, 0 differ" in mount.rsm("verify", mount / "P/c/one").stdout, "a file")
    expect(mount.rsm("verify", mount / "P/c/two", check=False).returncode == 1, "the bad file alone")
    expect("event=verify" in mount.rsm("log", mount / "P/c").stdout, "no event")
    shown = json.loads(mount.rsm("--json", "verify", mount / "P/c/d").stdout)
    expect(shown["summary"][0]["verified"] == 2, "JSON", shown)
    expect(mount.rsm("verify", mount / "P", check=False).returncode == 1, "a pool is verified")
    expect(mount.rsm("verify", mount / "P/c/none", check=False).returncode == 1, "what is not there is well")


@test()
def verify_brings_it_to_the_medium_first(bench):
    """Files that are still staged are written, then read from the medium."""
    mount = bench.mount(bench.library(cartridges=2), options="migrate_delay=600000")
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", random_bytes(400_000, 1))
    result = mount.rsm("verify", mount / "P/c")
    expect(result.stdout.startswith("1 verified, 0 differ"), result.stdout)
    expect(os.getxattr(mount / "P/c/f", "user.rsm.residency") == b"medium", "it is staged")


@test(timeout=180)
def verify_can_be_interrupted(bench):
    """Ctrl-C ends it within a second, and nothing of it is left."""
    library = bench.library(cartridges=2, capacity="4G")
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    for i in range(6):
        write_file(mount / f"P/c/{i}", random_bytes(100_000_000, i))
    mount.rsm("sync", timeout=120)
    tool = subprocess.Popen([RSM, "-m", mount.point, "verify", mount / "P/c"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    time.sleep(0.3)
    begin = time.monotonic()
    tool.send_signal(signal.SIGINT)
    tool.wait(10)
    expect(time.monotonic() - begin < 1.5, f"it took {time.monotonic() - begin} s to end")
    # the daemon has let go of it: nothing is open any more
    wait_until("the cartridge can be dismounted",
               lambda: mount.rsm("dismount", mount / "P/c", check=False).returncode == 0 or
               os.getxattr(mount / "P/c", "user.rsm.barcode").decode() in places(library) and
               places(library)[barcode_of(mount, "P/c")].startswith("slots"), 10)


@test()
def a_change_of_another_system_is_no_damage(bench):
    """It keeps our checksum of what the file once was: stale, not shown, replaced when the user says so."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c/d")
    for name in ("changed", "same", "moved", "d/hit"):
        write_file(mount / f"P/c/{name}", random_bytes(600_000, name))
    mount.rsm("sync")
    barcode = barcode_of(mount, "P/c")
    mount.unmount()
    foreign = Foreign(cartridge_folder(library, barcode))
    key = "ltfs.vendor.rsmfs.hash"
    for name in ("changed", "same", "moved", "d/hit"):
        expect(foreign.volume.nodes[name].xattrs[key].startswith(b"sha256sum 600000 "), f"{name} lacks {key}")
    foreign.rewrite("changed", b"by another system")
    foreign.rewrite("moved", random_bytes(600_000, "moved"))
    foreign.commit()
    # what is damaged is damage still
    payload = random_bytes(600_000, "d/hit")[1000:1064]
    flip(find_image(cartridge_folder(library, barcode), payload), payload, 5)

    mount = bench.mount(library)
    base = mount / "P/c"
    mount.rsm("mount", base)
    expect(read_file(f"{base}/changed") == b"by another system", "the other system's change is not here")
    for name in ("changed", "moved"):
        expect(stored(f"{base}/{name}") is None, f"{name}: a stale checksum is shown")
        expect(os.listxattr(f"{base}/{name}") == [], "listed", os.listxattr(f"{base}/{name}"))
    expect(stored(f"{base}/same") == sha256(f"{base}/same"), "the true one is gone")
    result = mount.rsm("verify", base, check=False)
    expect(result.returncode == 1 and sorted(result.stdout.splitlines()) == [
        "2 verified, 1 differ, 0 cannot be read, 0 without checksum, 1 with a stale checksum",
        "P/c/changed\tstale\tstale checksum: another system changed the file",
        "P/c/d/hit\tdiffers\tdiffers from its checksum (sha256sum)"], "the report", result.stdout)
    result = mount.rsm("verify", f"{base}/changed")
    expect(result.returncode == 0, "a stale checksum counts as damage")
    # it stays known as stale over our own index
    write_file(f"{base}/new", b"makes another index")
    mount.rsm("sync")
    mount.unmount()
    shutil.rmtree(f"{library}/catalog")
    shutil.rmtree(f"{library}/staging")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    wait_until("the cartridge is back", lambda: os.path.isdir(base), 30)
    expect("1 with a stale checksum" in mount.rsm("verify", f"{base}/changed").stdout, "it is taken for true")
    shown = json.loads(mount.rsm("--json", "verify", "--update", base, check=False).stdout)["summary"][0]
    expect((shown["verified"], shown["differ"], shown["stale"], shown["updated"]) == (3, 1, 0, 2), shown)
    expect(stored(f"{base}/changed") == hashlib.sha256(b"by another system").hexdigest(), "not stored")
    expect(stored(f"{base}/d/hit") == hashlib.sha256(random_bytes(600_000, "d/hit")).hexdigest(),
           "what differs got a new checksum")
    mount.rsm("sync")
    mount.unmount()
    nodes = Foreign(cartridge_folder(library, barcode)).volume.nodes
    expect(nodes["changed"].xattrs[key].startswith(b"sha256sum 17 "), nodes["changed"].xattrs)
    mount = bench.mount(library)
    expect(mount.rsm("verify", f"{base}/changed", f"{base}/moved").stdout ==
           "2 verified, 0 differ, 0 cannot be read, 0 without checksum\n", "it is not verified now")


@test()
def verify_of_several_and_update(bench):
    """Several paths on several cartridges: each file once; missing checksums are made on demand only."""
    library = bench.library(cartridges=3)
    mount = bench.mount(library, options="hash=none")
    for cartridge in ("a", "b"):
        os.makedirs(mount / f"P/{cartridge}/d")
        for name in ("one", "d/two"):
            write_file(mount / f"P/{cartridge}/{name}", random_bytes(300_000, cartridge + name))
    mount.rsm("sync")
    mount.unmount()
    mount = bench.mount(library)
    write_file(mount / "P/a/three", random_bytes(10_000, 3))
    a, b = mount / "P/a", mount / "P/b"
    result = mount.rsm("verify", f"{a}/d", a, f"{b}/one", a)
    expect(result.stdout == "1 verified, 0 differ, 0 cannot be read, 3 without checksum\n", result.stdout)
    result = mount.rsm("verify", "--update", f"{b}/one", f"{a}/d", a)
    expect(result.stdout == "1 verified, 0 differ, 0 cannot be read, 0 without checksum, 3 checksums stored\n",
           result.stdout)
    expect(stored(f"{b}/one") == sha256(f"{b}/one") and stored(f"{b}/d/two") is None, "stored")
    result = mount.rsm("verify", a, b)
    expect(result.stdout == "4 verified, 0 differ, 0 cannot be read, 1 without checksum\n", result.stdout)
    # one that cannot be had does not keep back the others
    expect(mount.rsm("verify", a, mount / "P/none", check=False).returncode == 1, "a name that is not there")
    mount.rsm("dismount", b)
    mount.rsm("disable", barcode_of(mount, "P/b"))
    result = mount.rsm("verify", b, a, check=False)
    expect(result.returncode == 1 and "3 verified" in result.stdout, "the result", result.stdout, result.stderr)


@test()
def verify_on_a_terminal_shows_how_far_it_is(bench):
    """A bar, bytes and the file's name; gone when it is done."""
    library = bench.library(cartridges=2, capacity="2G")
    with open(f"{library}/library.conf") as f:
        conf = re.sub(r"(?m)^(timing|\w+_s|rate_mb_s) *=.*$", "", f.read())
    write_file(f"{library}/library.conf", (conf + "timing = real\nrobot_s = 0\nload_s = 0\nunload_s = 0\n"
                                           "rate_mb_s = 70\n").encode())
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    mount.allocate("P/c")
    for i in range(2):
        write_file(mount / f"P/c/file{i}", random_bytes(60_000_000, i))
    mount.rsm("sync")
    master, slave = pty.openpty()
    tool = subprocess.Popen([RSM, "-m", mount.point, "verify", mount / "P/c"], stdin=slave, stdout=slave,
                            stderr=slave)
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(master, 65536):
            shown += piece
    os.close(master)
    expect(tool.wait(60) == 0, shown[-500:])
    expect(b"2 verified, 0 differ" in shown, shown[-500:])
    expect(re.search(rb"\[#+\.*\] ?[0-9.]+", shown) and b"P/c/file" in shown, "no bar", shown[:500])


@test()
def no_way_to_change_a_file_leaves_a_false_checksum(bench):
    """Each call that changes contents, on files that are on the medium and on others that are not yet."""
    library = bench.library(cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    base, size = mount / "P/c", 1_200_000
    libc = ctypes.CDLL(None, use_errno=True)

    def fallocate(mode, offset, length):
        def call(path):
            fd = os.open(path, os.O_RDWR)
            r = libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length))
            code = ctypes.get_errno()
            os.close(fd)
            expect(r == 0, f"fallocate {mode}: {os.strerror(code)}")

        return call

    def write_at(offset, data, flags=0):
        def call(path):
            fd = os.open(path, os.O_WRONLY | flags)
            os.pwrite(fd, data, offset)
            os.close(fd)

        return call

    def map_and_write(path):
        with open(path, "r+b") as f, mmap.mmap(f.fileno(), size) as m:
            m[700_000:700_003] = b"map"

    def copy_range(path):
        with open(f"{base}/source", "rb") as source, open(path, "r+b") as f:
            os.copy_file_range(source.fileno(), f.fileno(), 1000, 5000, 300_000)

    def replace(path):
        write_file(f"{path}.new", b"quite other contents")
        os.rename(f"{path}.new", path)

    def exchange(path):
        write_file(f"{path}.other", b"the other one's contents")
        r = libc.renameat2(-100, path.encode(), -100, f"{path}.other".encode(), 2)
        expect(r == 0, "renameat2")

    ways = {"begin": write_at(0, b"x"), "middle": write_at(600_000, b"yy"), "end": write_at(size, b"more"),
            "far": write_at(3 * size, b"behind a hole"), "cut": lambda p: os.truncate(p, 600_000),
            "cut-to-0": lambda p: os.truncate(p, 0), "grow": lambda p: os.truncate(p, size + 5),
            "o-trunc": write_at(0, b"z", os.O_TRUNC), "append": write_at(0, b"a", os.O_APPEND),
            "punch": fallocate(3, 100_000, 200_000), "zero": fallocate(0x10, 0, 5), "longer": fallocate(0, size, 9),
            "map": map_and_write, "copy-range": copy_range, "replace": replace, "exchange": exchange}
    write_file(f"{base}/source", random_bytes(size, "source"))
    for name in ways:
        write_file(f"{base}/{name}", random_bytes(size, name))
    mount.rsm("sync")
    for name, change in ways.items():
        expect(stored(f"{base}/{name}") == sha256(f"{base}/{name}"), f"{name}: no checksum to begin with")
        change(f"{base}/{name}")
        expect(stored(f"{base}/{name}") in (None, sha256(f"{base}/{name}")), f"{name}: a false checksum at once")
        write_file(f"{base}/{name}.fresh", random_bytes(size, name))
        change(f"{base}/{name}.fresh")
    mount.rsm("sync")
    counted = mount.rsm("verify", base).stdout
    expect(" 0 differ, 0 cannot be read" in counted and "stale" not in counted, counted)
    for name in sorted(os.listdir(base)):
        expect(stored(f"{base}/{name}") in (None, sha256(f"{base}/{name}")), f"{name}: a false checksum")
    barcode = barcode_of(mount, "P/c")
    mount.unmount()
    volume = Foreign(cartridge_folder(library, barcode)).volume
    expect(volume.nodes, "nothing is on the tape")
    for name, node in volume.nodes.items():
        if "ltfs.hash.sha256sum" in node.xattrs:
            found = hashlib.sha256(b"".join(volume.contents(node))).hexdigest()
            expect(node.xattrs["ltfs.hash.sha256sum"].decode() == found, f"{name}: false on the tape")
            expect(node.xattrs["ltfs.vendor.rsmfs.hash"].startswith(b"sha256sum %d " % node.length), name)
