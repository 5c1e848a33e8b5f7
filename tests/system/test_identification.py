"""What people see of cartridges that nobody knows: whose label they bear, and their tape files."""
import json
import os
import struct

from harness import (cartridge_folder, expect, expect_errno, random_bytes, read_file, rsm_xattr, test,
                     wait_until, write_file)

EMEDIUMTYPE, ENOMEDIUM = 124, 123


def records(data, size):
    """As dd or mt write it: records of one size, the last one as long as the rest is."""
    return [data[at:at + size] for at in range(0, len(data), size)]


def tape(*files):
    """A tape image: each file is a list of records, with a filemark behind it."""
    image = b""
    for file in files:
        for record in file:
            length = struct.pack("<I", len(record))
            image += length + record + b"\0" * (len(record) % 2) + length
        image += bytes(4)
    return image


def given(library, slot, barcode, *files):
    folder = f"{library}/slots/{slot}/{barcode}"
    os.mkdir(folder)
    write_file(f"{folder}/partition0.tap", tape(*files))


def mtf():
    block = bytearray(1024)
    block[0:4] = b"TAPE"
    struct.pack_into("<H", block, 8, 1024)
    block[48] = 2
    at = 94
    for address, text in ((68, "Media 7"), (80, "Backup Exec")):
        text = text.encode("utf-16-le")
        struct.pack_into("<HH", block, address, len(text), at)
        block[at:at + len(text)] = text
        at += len(text)
    total = 0
    for word in struct.unpack_from("<25H", block):
        total ^= word
    struct.pack_into("<H", block, 50, total)
    return bytes(block)


def bacula(name, identity=b"Bacula 1.0 immortal\n"):
    label = identity + b"\0" + struct.pack(">I", 11) + bytes(32) + name + b"\0\0Full\0Backup\0LTO-8\0"
    record = struct.pack(">iiI", -2, 0, len(label)) + label
    block = struct.pack(">III4sII", 0, 24 + len(record), 0, b"BB02", 1, 2) + record
    return block.ljust(64512, b"\0")


def label(text):
    return text.encode().ljust(80)


@test()
def foreign_tapes_are_named_and_their_files_can_be_read(bench):
    """Real tar and cpio, and labels as the formats have them, several files on each tape."""
    library = bench.library(cartridges=1, slots=20)
    source = bench.path("source")
    os.mkdir(source)
    for i in range(5):
        write_file(f"{source}/file-{i}", random_bytes(30_000 + i, i))
    names = "\n".join(sorted(os.listdir(source))) + "\n"
    expected = {}

    def add(what, *files):
        barcode = f"Q{len(expected):05}L8"
        given(library, 1005 + len(expected), barcode, *files)
        expected[barcode] = (what, files)

    def output(*argv, **how):
        archive = bench.path("archive")
        bench.run("sh", "-c", f'cd "{source}" && "$@" > "{archive}"', "sh", *argv, **how)
        return read_file(archive)

    for kind in ("gnu", "posix", "ustar", "v7"):
        data = output("tar", f"--format={kind}", "-b20", "-cf", "-", "file-0", "file-1", "file-2")
        add("tar file-0", records(data, 10240), records(data[::-1], 32768))
    data = output("tar", "-b512", "-V", "nightly 7", "-cf", "-", "file-3")
    add("tar nightly 7", records(data, 262144))
    write_file(f"{source}/names", names.encode())
    for kind in ("bin", "odc", "newc", "crc"):
        data = output("sh", "-c", f"cpio -o -H {kind} -B < names")
        add("cpio file-0", records(data, 5120), [b"a second file"])
    payload = random_bytes(100_000, 7)
    add("ANSI VOL1 PAY01 PAYROLL.DATA",
        [label("VOL1PAY01 " + " " * 69 + "4"), label("HDR1PAYROLL.DATA     PAY01 00010001"), label("HDR2F0204800080")],
        records(payload, 2048), [label("EOF1PAYROLL.DATA     PAY01 00010001")])
    add("MTF Media 7 (Backup Exec)", [mtf()] + records(payload, 65536), records(payload, 16384))
    add("Bacula Full-0001", records(bacula(b"Full-0001") + payload, 64512))
    add("Bareos Incr-0002", records(bacula(b"Incr-0002", b"Bareos 2.0 immortal\n"), 64512), [payload])
    add("Amanda daily-07", [b"AMANDA: TAPESTART DATE 20260102030405 TAPE daily-07\n\f\n".ljust(32768, b"\0")],
        records(b"AMANDA: FILE 20260102030405 host /home lev 0\n".ljust(32768, b"\0") + payload, 32768))
    add("unknown", [b"nobody's format"])

    mount = bench.mount(library)
    folder = mount / "Unrecognized/LTO-8"
    wait_until("all of them are known", lambda: all(
        os.path.exists(f"{folder}/{b}") and rsm_xattr(f"{folder}/{b}", "label") for b in expected), 60)
    shown = {row["barcode"]: row["label"]
             for row in json.loads(mount.rsm("view", "media", "--json").stdout)["media"]}
    for barcode, (what, files) in expected.items():
        path = f"{folder}/{barcode}"
        expect(rsm_xattr(path, "label") == what, f"{barcode} is called {rsm_xattr(path, 'label')}, not {what}")
        expect(shown[barcode] == what, f"rsm view media shows {shown[barcode]}")
        expect(sorted(os.listdir(path)) == [f"file{i:06}" for i in range(len(files))], os.listdir(path))
        for i, file in enumerate(files):
            expect(read_file(f"{path}/file{i:06}") == b"".join(file), f"{what}: file {i} differs")
    listed = bench.run("tar", "-tf", f"{folder}/Q00000L8/file000000").stdout.split()
    expect(listed == ["file-0", "file-1", "file-2"], listed)
    expect_errno(30, open, f"{folder}/Q00000L8/new", "w")


@test()
def whoever_is_asked_for_is_looked_at_first(bench):
    """The mount is usable at once; the robot takes its time, but not for what somebody waits for."""
    library = bench.library(cartridges=8, slots=10, drives=1, blank=True)
    conf = [line for line in read_file(f"{library}/library.conf").decode().splitlines()
            if not line.startswith(("timing", "robot_s", "load_s", "unload_s"))]
    conf += ["timing = real", "robot_s = 0.1", "load_s = 0.2", "unload_s = 0.1", ""]
    write_file(f"{library}/library.conf", "\n".join(conf).encode())
    mount = bench.mount(library)
    os.listdir(mount / "Unrecognized/LTO-8/A00008L8")
    loads = [line for line in mount.rsm("events").stdout.splitlines() if "event=identify" in line]
    expect("medium=A00008L8" in loads[-1] and len(loads) < 8, "it was not looked at next", *loads)
    result = json.loads(mount.rsm("inventory", "--slot", "1007", "--json").stdout)["inventory"][0]
    expect(result["barcode"] == "A00007L8" and result["state"] == "unrecognized" and
           result["label"] == "blank", result)
    result = mount.rsm("inventory", "--slot", "1010")
    expect("slot 1010 is empty" in result.stdout, result.stdout)
    result = mount.rsm("inventory", "--slot", "99", check=False)
    expect(result.returncode == 1 and "slot 99" in result.stderr, result.stderr)
    expect(mount.rsm("inventory", "--stop").returncode == 0, "nothing to stop is no error")


@test()
def a_wrong_label_is_told_and_the_right_one_found(bench):
    """What is on two cartridges changes places behind our back, their barcodes do not."""
    bench.allow_error(r".* it holds LTFS .* was expected")
    library = bench.library(cartridges=2, slots=6)
    mount = bench.mount(library)
    os.mkdir(mount / "Backup")
    for name in ("monday", "tuesday"):
        os.mkdir(mount / f"Backup/{name}")
        write_file(mount / f"Backup/{name}/file", name.encode())
    mount.rsm("sync")
    ids = {n: [rsm_xattr(mount / f"Backup/{n}", key) for key in ("lmid", "volume_uuid")]
           for n in ("monday", "tuesday")}
    mount.unmount()
    one, other = (cartridge_folder(library, b) for b in ("A00001L8", "A00002L8"))
    for name in os.listdir(one):
        os.rename(f"{one}/{name}", f"{library}/kept")
        os.rename(f"{other}/{name}", f"{one}/{name}")
        os.rename(f"{library}/kept", f"{other}/{name}")

    mount = bench.mount(library)

    def found(name):
        try:
            return read_file(mount / f"Backup/{name}/file") == name.encode()
        except OSError as e: # the wrong one is in the drive, or the right one not found yet
            expect(e.errno in (EMEDIUMTYPE, ENOMEDIUM), e)
            return False

    for name, (lmid, _) in ids.items():
        wait_until(f"{name} is found", lambda n=name: found(n), 30)
    told = [x for x in mount.rsm("events").stdout.splitlines() if "event=wrong_label" in x]
    expect(told and all(ids[n][1] in told[0] for n in ids), "no event names both labels", *told)
    for name, (lmid, _) in ids.items():
        expect(rsm_xattr(mount / f"Backup/{name}", "lmid") == lmid, f"{name} has another LMID")
