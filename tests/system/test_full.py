"""A cartridge that is filled to the last byte stays a volume: readable, consistent, to be tidied."""
import errno
import os
import random
import subprocess
import sys
import time

from harness import SEED, cartridge_folder, expect, expect_errno, random_bytes, read_file, test, write_file

CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ltfs_check.py")


def free_of(path):
    at = os.statvfs(path)
    return at.f_bavail * at.f_frsize


def try_write(path, data):
    """False when it did not fit; then nothing is left of it."""
    try:
        write_file(path, data)
        return True
    except OSError as e:
        expect(e.errno == errno.ENOSPC, f"{path}: {e}")
        if os.path.exists(path):
            os.unlink(path)
        return False


def save(base, folder, files):
    """What should be on it, as plain files."""
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name not in files:
            os.unlink(os.path.join(folder, name))
    for name, data in files.items():
        write_file(os.path.join(folder, name), data)


def check(bench, library, barcode, files):
    folder = bench.path("expected")
    save(None, folder, files)
    result = subprocess.run([sys.executable, CHECK, cartridge_folder(library, barcode), "--compare", folder,
                             "--history"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    expect(result.returncode == 0, result.stdout)


def expect_all(base, files):
    expect(sorted(os.listdir(base)) == sorted(files), "the names differ",
           f"{len(os.listdir(base))} instead of {len(files)}")
    for name, data in files.items():
        expect(read_file(f"{base}/{name}") == data, f"{name} differs")


def again(bench, library, mount, barcode, files):
    """The cartridge goes home, is looked at by another reader, and comes back."""
    mount.rsm("sync")
    mount.unmount()
    check(bench, library, barcode, files)
    mount = bench.mount(library)
    expect_all(mount / "P/c", files)
    return mount


@test()
def a_cartridge_full_of_large_files_stays_consistent(bench):
    """df tells what can be written, ENOSPC comes then, and all that was accepted gets onto the medium."""
    library = bench.library(cartridges=1, drives=1, capacity="64M")
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    barcode = os.getxattr(mount / "P/c", "user.rsm.barcode").decode()
    promised, files = free_of(mount / "P/c"), {}
    size = 7_000_000
    while size >= 10_000:
        data = random_bytes(size, f"{SEED}-{len(files)}")
        if try_write(mount / f"P/c/f{len(files)}", data):
            files[f"f{len(files)}"] = data
        else:
            size //= 2
        expect(len(files) < 200, "it never gets full")
    written = sum(len(d) for d in files.values())
    expect(0.93 * promised <= written <= promised + 100_000,
           f"df said {promised}, {written} were taken, of 64M")
    expect(free_of(mount / "P/c") < 1_500_000, f"{free_of(mount / 'P/c')} are said to be free")
    mount = again(bench, library, mount, barcode, files)
    expect(free_of(mount / "P/c") < 1_500_000, f"{free_of(mount / 'P/c')} are said to be free")
    expect_errno(errno.ENOSPC, write_file, mount / "P/c/more", bytes(4_000_000))
    if os.path.exists(mount / "P/c/more"):
        os.unlink(mount / "P/c/more")
    for name in list(files)[::2]:
        os.unlink(mount / f"P/c/{name}")
        del files[name]
    os.rename(mount / "P/c/f1", mount / "P/c/renamed")
    files["renamed"] = files.pop("f1")
    mount = again(bench, library, mount, barcode, files)
    mount.unmount()


def make_all(make, base):
    """Makes names until they are refused, as they must be soon: the index may have shrunk a little since."""
    made = []
    for i in range(300):
        try:
            make(f"{base}/made{i}")
            made.append(f"{base}/made{i}")
        except OSError as e:
            expect(e.errno == errno.ENOSPC, str(e))
            return made
    raise AssertionError("300 more names were taken when files were not")


@test(timeout=240)
def a_cartridge_full_of_small_files_stays_consistent(bench):
    """Here the index is what does not fit: ENOSPC comes before it is too long for its partition."""
    library = bench.library(cartridges=1, drives=1, capacity="20M")
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    barcode = os.getxattr(mount / "P/c", "user.rsm.barcode").decode()
    files = {}
    while True:
        name = f"{len(files):05}" + ("-" * 200 if len(files) % 3 == 0 else "")
        data = f"{len(files)} ".encode() * (len(files) % 50)
        if not try_write(mount / f"P/c/{name}", data):
            break
        files[name] = data
        expect(len(files) < 20_000, "the index never gets full")
    expect(len(files) > 300, f"only {len(files)} files fit")
    for make, unmake in ((os.mkdir, os.rmdir), (lambda path: os.symlink("target", path), os.unlink)):
        made = make_all(make, mount / "P/c")
        for path in made:
            unmake(path)
    mount = again(bench, library, mount, barcode, files)
    full = len(files)

    for name in list(files)[::2]:
        os.unlink(mount / f"P/c/{name}")
        del files[name]
    mount.rsm("sync")
    expect(try_write(mount / "P/c/new", b"there is room again"), "nothing fits after many were deleted")
    files["new"] = b"there is room again"
    mount = again(bench, library, mount, barcode, files)
    mount.unmount()
    print(f"{full} files")


@test()
def attributes_that_fill_the_index_are_refused_in_time(bench):
    library = bench.library(cartridges=1, drives=1, capacity="20M")
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    barcode = os.getxattr(mount / "P/c", "user.rsm.barcode").decode()
    write_file(mount / "P/c/f", b"data")
    for i in range(2000):
        try:
            os.setxattr(mount / "P/c/f", f"user.x{i}", os.urandom(2000))
        except OSError as e:
            expect(e.errno == errno.ENOSPC, str(e))
            break
    else:
        raise AssertionError("4 MB of attributes were taken")
    expect(i > 50, f"only {i} were taken")
    mount = again(bench, library, mount, barcode, {"f": b"data"})
    expect(len(os.listxattr(mount / "P/c/f")) == i, "attributes are missing")
    mount.unmount()


@test()
def room_of_what_was_removed_is_there_at_once(bench):
    """What is staged and removed, cut or replaced makes room for what is written in the next moment."""
    library = bench.library(cartridges=1, drives=1, capacity="64M")
    mount = bench.mount(library)
    base = str(mount / "P/c")
    os.makedirs(base)
    mount.rsm("sync")
    write_file(f"{base}/first", bytes(40_000_000))
    mount.rsm("sync")
    size = free_of(base) * 7 // 10
    data = [random_bytes(size, f"{SEED}-{i}") for i in range(5)]
    write_file(f"{base}/a", data[0])
    os.unlink(f"{base}/a")
    write_file(f"{base}/a", data[1])
    write_file(f"{base}/a", data[2])  # O_TRUNC
    write_file(f"{base}/small", b"small")
    os.rename(f"{base}/small", f"{base}/a")
    write_file(f"{base}/b", data[3])
    expect_errno(errno.ENOSPC, write_file, f"{base}/more", data[4])
    os.unlink(f"{base}/more")
    mount = again(bench, library, mount, "A00001L8", {"first": bytes(40_000_000), "a": b"small", "b": data[3]})
    mount.unmount()


@test(timeout=240)
def what_was_taken_fits_however_much_was_removed_meanwhile(bench):
    """Files come and go on a nearly full cartridge while the drive writes: what was taken gets there."""
    library = bench.library(cartridges=1, drives=1, capacity="64M")
    mount = bench.mount(library, options="migrate_delay=50")
    base = str(mount / "P/c")
    os.makedirs(base)
    files, dice = {}, random.Random(SEED)
    refused = 0
    for turn in range(120):
        name, size = f"f{dice.randrange(12)}", dice.randrange(10_000, 4_000_000)
        if name in files and dice.random() < 0.4:
            os.unlink(f"{base}/{name}")
            del files[name]
        elif name not in files or dice.random() < 0.5:
            data = random_bytes(size, f"{SEED}-{turn}")
            files.pop(name, None)
            if try_write(f"{base}/{name}", data):
                files[name] = data
            else:
                refused += 1
        if dice.random() < 0.1:
            time.sleep(dice.random() / 2)
    expect_all(base, files)
    mount = again(bench, library, mount, "A00001L8", files)
    mount.unmount()
    print(f"{refused} refused, {sum(len(d) for d in files.values()) >> 20} MiB in the end")
