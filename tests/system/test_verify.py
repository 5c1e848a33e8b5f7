"""Checksums: stored when a file is written to its medium, gone when it changes, compared by rsm verify."""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
import zlib

from harness import (RSM, expect, expect_errno, cartridge_folder, places, random_bytes, read_file, rsm_xattr, sha256,
                     test, wait_until, write_file)

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
