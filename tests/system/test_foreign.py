"""Volumes that other software wrote: they list and read exactly as their writer's own listing says,
and can be taken over. The tapes are not part of this project: RSM_FIXTURES names their folder."""
import errno
import os
import re
import shutil
import subprocess
import sys
import tarfile

import ltfs_make
from harness import (SEED, TOP, Skip, cartridge_folder, digest, expect, expect_errno, random_bytes, read_file,
                     rsm_xattr, test, wait_until, write_file)

HERE = os.path.dirname(os.path.abspath(__file__))
CHECK = os.path.join(HERE, "ltfs_check.py")
SHARED = os.environ.get("RSM_FIXTURES") or f"{TOP}/../shared/fixtures/ltfs"
CONVERT = os.path.join(SHARED, "../../tools/tape-convert")
TAPES = {"empty": "EMPT01L5", "rich": "RICH01L5", "placement": "PLAC01L5",
         "stale-index-partition": "STAL01L5", "unclean": "UNCL01L5"}


def foreign_library(bench):
    if not os.path.exists(CONVERT):
        raise Skip("the foreign tapes are not here (RSM_FIXTURES)")
    library = bench.library(type="LTO-5", cartridges=3, slots=12)
    for slot, (name, barcode) in enumerate(TAPES.items(), 1006):
        records = bench.path("records", name)
        with tarfile.open(f"{SHARED}/{name}.tar.xz") as tar:
            tar.extractall(records)
        while not any(n.endswith("_R") for n in os.listdir(records)):
            records = os.path.join(records, os.listdir(records)[0])
        bench.run(sys.executable, CONVERT, "to-cartridge", records, f"{library}/slots/{slot}/{barcode}",
                  "--barcode", barcode, "--type", "LTO-5")
    return library


def unescape(text):
    """%XX of a manifest."""
    raw, out, at = text.encode(), bytearray(), 0
    while at < len(raw):
        if raw[at:at + 1] == b"%":
            out.append(int(raw[at + 1:at + 3], 16))
            at += 3
        else:
            out.append(raw[at])
            at += 1
    return bytes(out)


def nanoseconds(text):
    """Digits behind the point count forward, before 1970 as well."""
    seconds, fraction = text.split(".")
    return int(seconds) * 10**9 + int(fraction)


def unlike_manifest(path, kind, fields, changed, st):
    """What of the less visible things is not as listed: read-only, uid, place, the other two times."""
    mode, uid = fields[2:4] if kind == "D" else fields[5:7]
    times = dict(word.split("=") for word in fields[-5:])
    want = {"fileUID": uid}
    if not changed:
        want |= {key: time_of(times[short]) for key, short in (("createTime", "cr"), ("backupTime", "b"))}
    if kind == "F" and fields[4] != "-":
        want["partition"], want["startblock"] = fields[4].split(":")
    wrong = []
    for key, value in want.items():
        got = os.getxattr(path, f"user.ltfs.{key}").decode()
        if got != value:
            wrong.append(f"{path}: {key} is {got}, {value} was listed")
    # the root's mode is the cartridge's
    if fields[1] != "." and (mode == "ro") != (not st.st_mode & 0o222):
        wrong.append(f"{path}: mode {st.st_mode:o}, {mode} was listed")
    return wrong


def time_of(text):
    """The time of a manifest as the format writes it."""
    return ltfs_make.stamp(nanoseconds(text))


def check_manifest(root, name, changed=()):
    """The tree is just what the manifest lists; returns how many objects."""
    root, wrong, seen = root.encode(), [], set()
    xattrs, count = {}, 0
    with open(f"{SHARED}/{name}.manifest", newline="\n") as f:
        lines = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    for fields in lines:
        if fields[0] == "X":
            xattrs.setdefault(unescape(fields[1]), {})[b"user." + unescape(fields[2])] = (
                b"" if fields[4] == "-" else bytes.fromhex(fields[4]))
    for fields in lines:
        if fields[0] not in "DFL":
            continue
        relative = unescape(fields[1])
        path = root if relative == b"." else root + b"/" + relative
        seen.add(path)
        count += 1
        try:
            st = os.lstat(path)
        except OSError as e:
            wrong.append(f"{e}")
            continue
        times = dict(word.split("=") for word in fields if word[1:2] == "=")
        if relative not in changed:
            for key, got in (("m", st.st_mtime_ns), ("a", st.st_atime_ns), ("c", st.st_ctime_ns)):
                if got != nanoseconds(times[key]):
                    wrong.append(f"{path}: {key} {got}, {times[key]} was listed")
        kind = {0o040000: "D", 0o100000: "F", 0o120000: "L"}[st.st_mode & 0o170000]
        if kind != fields[0]:
            wrong.append(f"{path}: {kind}, {fields[0]} was listed")
        if kind == "F" and st.st_size != int(fields[2]):
            wrong.append(f"{path}: {st.st_size} bytes, {fields[2]} were listed")
        if kind == "L" and os.readlink(path) != unescape(fields[2]):
            wrong.append(f"{path}: -> {os.readlink(path)}, {fields[2]} was listed")
        if kind != "L":
            wrong += unlike_manifest(path, kind, fields, relative in changed, st)
            want = xattrs.get(relative, {})
            got = {os.fsencode(k): os.getxattr(path, k) for k in os.listxattr(path)}
            got = {k: v for k, v in got.items() if k.startswith(b"user.")}
            shown = {k: v for k, v in want.items()}
            if got != shown:
                wrong.append(f"{path}: xattrs {sorted(got)[:30]}, {sorted(shown)[:30]} were listed")
    for folder, folders, files in os.walk(root):
        for entry in folders + files:
            path = os.path.join(folder, entry)
            if path not in seen:
                wrong.append(f"{path}: not listed by its writer")
    expect(not wrong, f"{name} is not as its writer lists it", *wrong[:20])
    sums = f"{SHARED}/{name}.sha256"
    if os.path.getsize(sums):
        result = subprocess.run(["sha256sum", "--quiet", "-c", sums], cwd=root, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        expect(result.returncode == 0, f"sha256sum -c of {name}", result.stdout[:2000])
    return count


@test()
def foreign_volumes_read_as_written(bench):
    """Five tapes of the LTFS reference implementation, two of them left unclean, as Import."""
    library = foreign_library(bench)
    before = {b: digest(cartridge_folder(library, b)) for b in TAPES.values()}
    mount = bench.mount(library)
    for name, barcode in TAPES.items():
        path = mount / f"Import/LTO-5/{barcode}"
        wait_until(f"{barcode} is in Import", lambda p=path: os.path.isdir(p), 30)
        count = check_manifest(path, name)
        print(f"{name}: {count} objects", end="; ")
        expect_errno(errno.EROFS, os.mkdir, f"{path}/no such")
        expect_errno(errno.EROFS, os.open, f"{path}/no such", os.O_CREAT | os.O_WRONLY)
    mount.unmount()
    for barcode in TAPES.values():
        # what a drive keeps beside the images can be made again
        images = {n for n in os.listdir(cartridge_folder(library, barcode)) if n.endswith(".tap")}
        expect(images == {"partition0.tap", "partition1.tap"}, images)
    after = {b: digest(cartridge_folder(library, b), leave_out=(".rsmfs.lock", "position")) for b in before}
    expect(all(after[b] == before[b] for b in before), "reading changed a cartridge",
           *[b for b in before if after[b] != before[b]])


@test()
def a_foreign_volume_is_taken_over(bench):
    """mv out of Import keeps every byte; then it can be written, and stays consistent for others."""
    library = foreign_library(bench)
    mount = bench.mount(library)
    os.mkdir(mount / "Pool")
    for name, barcode in TAPES.items():
        path = mount / f"Import/LTO-5/{barcode}"
        wait_until(f"{barcode} is in Import", lambda p=path: os.path.isdir(p), 30)
        bench.run("mv", path, mount / f"Pool/{name}")
        check_manifest(mount / f"Pool/{name}", name, changed=(b".",))
    for name in TAPES:
        tape = mount / f"Pool/{name}"
        os.mkdir(f"{tape}/ours")
        write_file(f"{tape}/ours/new", random_bytes(1_300_000, SEED))
    with open(mount / "Pool/rich/extents/appended", "ab") as f:
        f.write(b"and more")
    os.rename(mount / "Pool/rich/links/relative", mount / "Pool/rich/links/renamed")
    os.unlink(mount / "Pool/placement/a.txt")
    mount.rsm("sync")
    mount.unmount()
    for name, barcode in TAPES.items():
        bench.run(sys.executable, CHECK, cartridge_folder(library, barcode))
    shutil.rmtree(f"{library}/catalog")
    shutil.rmtree(f"{library}/staging")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full")
    for name in TAPES:
        tape = mount / f"Pool/{name}"
        wait_until(f"{name} is back", lambda t=tape: os.path.isdir(t), 30)
        expect(read_file(f"{tape}/ours/new") == random_bytes(1_300_000, SEED), f"{name}: ours/new differs")
        shutil.rmtree(f"{tape}/ours")
    check_manifest(mount / "Pool/unclean", "unclean", changed=(b".",))
    check_manifest(mount / "Pool/stale-index-partition", "stale-index-partition", changed=(b".",))
    expect(os.path.islink(mount / "Pool/rich/links/renamed"), "the renamed link is gone")
    expect(read_file(mount / "Pool/rich/extents/appended").endswith(b"and more"), "the change is lost")
    expect(rsm_xattr(mount / "Pool/rich", "state") == "allocated", "not allocated")


@test()
def foreign_volumes_show_their_attributes(bench):
    """user.ltfs.* of the root is what the reference shows (V lines), before anything is written."""
    library = foreign_library(bench)
    mount = bench.mount(library)
    wrong, compared = [], 0
    # the reference had finished or repaired these before it listed them
    unlike = {"unclean": ("index",), "stale-index-partition": ("indexLocation", "indexPrevious", "indexCreator")}
    for name, barcode in TAPES.items():
        path = mount / f"Import/LTO-5/{barcode}"
        wait_until(f"{barcode} is in Import", lambda p=path: os.path.isdir(p), 30)
        with open(f"{SHARED}/{name}.manifest", newline="\n") as f:
            lines = [line.rstrip("\n").split("\t") for line in f if line.startswith("V\t")]
        for _, key, value in lines:
            if key.startswith(unlike.get(name, ("-",))):
                continue
            compared += 1
            if key == "mamBarcode":
                value = f"{barcode:32}"  # the conversion writes it
            try:
                got = os.getxattr(path, f"user.ltfs.{key}")
            except OSError as e:
                got = str(e)
            if got != unescape(value):
                wrong.append(f"{name}: {key} is {got}, {value!r} was listed")
        for key in ("volumeUUID", "mediaLoads", "indexTime", "commitMessage"):
            expect_errno(errno.EROFS if key == "commitMessage" else errno.EACCES, os.setxattr, path,
                         f"user.ltfs.{key}", b"1")
    expect(not wrong, "attributes are not what the reference shows", *wrong)
    expect(compared > 80, f"only {compared} attributes were compared")
