"""Files go to cartridges and come back: the work that all this is for."""
import os
import subprocess
import time

from harness import (LONG, PATIENCE, SEED, RSM, big_file, cartridge_folder, expect, places, random_bytes, read_file,
                     rsm_xattr, same_tree, sha256, source_tree, test, tree_lines, wait_until, write_file)


@test(timeout=900)
def copy_tree_and_back(bench):
    """cp -a, tar and rsync -a of a source tree and a large file come back the same after a new mount."""
    source, big = bench.path("source"), bench.path("big")
    source_tree(source, 10_000 if LONG else 2_000, SEED)
    big_file(big, 2048 if LONG else 256, SEED)
    library = bench.library()
    mount = bench.mount(library)
    os.mkdir(mount / "Backup")
    tape = mount / "Backup/monday"
    os.mkdir(tape)
    bench.run("cp", "-a", source, f"{tape}/cp", timeout=300)
    bench.run("cp", big, f"{tape}/big", timeout=300)
    bench.run("tar", "-C", bench.folder, "--format=pax", "--xattrs", "-cf", f"{tape}/tree.tar", "source",
              timeout=300)
    bench.run("tar", "-C", tape, "--xattrs", "-xf", f"{tape}/tree.tar", timeout=300)
    bench.run("rsync", "-aX", f"{source}/", f"{tape}/rsync", timeout=300)
    barcode = rsm_xattr(tape, "barcode")
    mount.rsm("sync", timeout=300)
    mount.unmount()
    home = places(library)
    expect(home[barcode].startswith("slots/"), f"{barcode} is in {home[barcode]} after the unmount")

    mount = bench.mount(library)
    expect(rsm_xattr(tape, "location") == "slot " + home[barcode].split("/")[1],
           f"user.rsm.location is {rsm_xattr(tape, 'location')!r}, {home[barcode]} was expected")
    before = bench.moves(mount)
    listing = bench.run("ls", "-lR", tape).stdout
    expect(listing.count("\n") > 3000, "ls -R lists too little")
    lines = tree_lines(f"{tape}/cp")
    expect(places(library) == home and bench.moves(mount) == before, "ls -R moved the robot")
    expect(lines == tree_lines(source), "what is listed is not what was copied")
    expect(rsm_xattr(f"{tape}/big", "residency") == "medium", "the large file is not on the medium")

    same_tree(source, f"{tape}/cp")
    same_tree(source, f"{tape}/source")
    same_tree(source, f"{tape}/rsync")
    bench.run("cmp", big, f"{tape}/big", timeout=300)
    bench.run("tar", "-C", bench.folder, "-df", f"{tape}/tree.tar", timeout=300)
    again = bench.run("rsync", "-aXi", f"{source}/", f"{tape}/rsync", timeout=300).stdout
    expect(again == "", "a second rsync finds something to do", again[:500])


@test(timeout=600)
def many_cartridges(bench):
    """24 cartridges written and read at once with two drives; nobody else waits."""
    count, mib = 24, 64 if LONG else 12
    library = bench.library(cartridges=count, drives=2)
    mount = bench.mount(library)
    os.mkdir(mount / "P")
    names = [mount / f"P/c{i:02}" for i in range(count)]
    for i, name in enumerate(names):
        os.mkdir(name)
        big_file(bench.path(f"in{i}"), mib, SEED + i)

    writers = [subprocess.Popen(["cp", bench.path(f"in{i}"), f"{name}/data"]) for i, name in
               enumerate(names)]
    expect(all(w.wait() == 0 for w in writers), "a cp failed")
    mount.rsm("sync", timeout=400)
    expect(len({rsm_xattr(n, "barcode") for n in names}) == count, "two names share a cartridge")
    mount.unmount()

    mount = bench.mount(library)
    readers = [subprocess.Popen(["cmp", bench.path(f"in{i}"), f"{name}/data"]) for i, name in
               enumerate(names)]
    slowest, rounds = ("nothing", 0.0), 0
    while any(r.poll() is None for r in readers):
        rounds += 1
        for what, argv in (("stat", ["stat", f"{names[rounds % count]}/data"]),
                           ("ls", ["ls", "-l", names[(rounds * 7) % count]]),
                           ("df", ["df", mount / "P"]),
                           ("mkdir", ["mkdir", mount / f"Pool{rounds}"]),
                           ("mkdir in a cartridge", ["mkdir", f"{names[rounds % count]}/d{rounds}"])):
            began = time.monotonic()
            bench.run(*argv)
            slowest = max(slowest, (what, time.monotonic() - began), key=lambda x: x[1])
        time.sleep(0.1)
    expect(all(r.returncode == 0 for r in readers), "a reader got other bytes or an error")
    expect(slowest[1] < 1.0 * PATIENCE, f"{slowest[0]} took {slowest[1]:.2f} s while others read")
    print(f"{rounds} rounds beside the readers, slowest: {slowest[0]} {slowest[1]:.2f} s")


@test()
def small_changes_survive(bench):
    """Appending, patching, truncating, renaming and removing, in part on the medium already."""
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    tape = mount / "P/c"
    model = {}

    def put(name, data):
        model[name] = data
        write_file(f"{tape}/{name}", data)

    def change():
        with open(f"{tape}/patched", "r+b") as f:
            f.seek(700_001)
            f.write(b"PATCH" * 1000)
        model["patched"] = model["patched"][:700_001] + b"PATCH" * 1000 + model["patched"][705_001:]
        with open(f"{tape}/grown", "ab") as f:
            f.write(b"tail")
        model["grown"] += b"tail"
        os.truncate(f"{tape}/cut", 600_000)
        model["cut"] = model["cut"][:600_000]
        os.truncate(f"{tape}/holed", 3_000_000)
        model["holed"] = model["holed"].ljust(3_000_000, b"\0")
        os.rename(f"{tape}/old", f"{tape}/new")
        model["new"] = model.pop("old")
        os.rename(f"{tape}/over", f"{tape}/under")
        model["under"] = model.pop("over")
        os.unlink(f"{tape}/gone")
        del model["gone"]

    def compare(when):
        expect(sorted(os.listdir(tape)) == sorted(model), f"other names {when}",
               sorted(os.listdir(tape)), sorted(model))
        for name, data in model.items():
            expect(read_file(f"{tape}/{name}") == data, f"{name} differs {when}")

    for name, length in (("patched", 2_000_000), ("grown", 524_288), ("cut", 1_500_000), ("holed", 10),
                         ("old", 5000), ("over", 6000), ("under", 7000), ("gone", 8000), ("empty", 0)):
        put(name, random_bytes(length, name))
    mount.rsm("sync")
    change()
    compare("while staged")
    mount.rsm("sync")
    compare("after sync")
    mount.unmount()
    mount = bench.mount(library)
    compare("after the next mount")


@test()
def residency_tells_where_data_is(bench):
    library = bench.library()
    mount = bench.mount(library, options="migrate_delay=600000")
    os.makedirs(mount / "P/c")
    file = mount / "P/c/f"
    write_file(file, b"x" * 1000)
    expect(rsm_xattr(file, "residency") == "staged", "a new file is not staged")
    mount.rsm("sync", "P/c")
    expect(rsm_xattr(file, "residency") == "medium", "a synced file is not on the medium")
    expect(rsm_xattr(file, "position").startswith("b:"), "its position is no block of the data partition")


@test()
def df_goes_down_with_what_is_written(bench):
    library = bench.library(capacity="2G")
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    # what a medium holds is known for sure once it was in a drive
    mount.rsm("mount", "P/c")

    def free():
        st = os.statvfs(mount / "P/c")
        return st.f_bavail * st.f_frsize

    before = free()
    expect(0 < before < 2_200_000_000, f"df of a fresh cartridge of 2 GB: {before}")
    write_file(mount / "P/c/f", random_bytes(100 << 20, 1))
    after = free()
    expect(80 << 20 <= before - after <= 130 << 20, f"100 MiB written took {before - after} of df")
    mount.rsm("sync")
    on_medium = free()
    expect(abs(on_medium - after) < 30 << 20, f"df says {after} while staged, {on_medium} on the medium")


@test(timeout=200)
def a_full_cartridge_loses_nothing(bench):
    """Writing beyond the end fails with ENOSPC for the writer; what was accepted stays readable."""
    bench.allow_error(r"full|ENOSPC|No space|early warning|end of (the )?medium")
    library = bench.library(capacity="300M", cartridges=2)
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    tape, written = mount / "P/c", {}
    refused = None
    for i in range(60):
        data = random_bytes(10 << 20, i)
        try:
            write_file(f"{tape}/f{i}", data)
            written[f"f{i}"] = data
        except OSError as e:
            refused = e
            break
    expect(refused is not None, "600 MiB went onto a cartridge of 300 MB")
    expect(refused.errno in (28, 30), f"the writer is told {refused}")
    expect(len(written) >= 20, f"only {len(written)} files of 10 MiB fit on 300 MB")
    mount.rsm("sync", check=False)
    mount.unmount()
    mount = bench.mount(library)
    for name, data in written.items():
        expect(read_file(f"{tape}/{name}") == data, f"{name} differs")
    print(f"{len(written)} files of 10 MiB, then: {refused.strerror}")


@test()
def a_read_waits_for_the_robot_only_if_it_must(bench):
    """open and read of staged data move nothing; of data on a medium they fetch it."""
    library = bench.library()
    mount = bench.mount(library, options="label_delay=600000,migrate_delay=600000")
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", b"staged")
    barcode = rsm_xattr(mount / "P/c", "barcode")
    home = places(library)[barcode]  # of others, some may be looked at just now
    expect(read_file(mount / "P/c/f") == b"staged" and places(library)[barcode] == home, "reading what is "
           "staged moved the robot")
    mount.rsm("sync")
    mount.rsm("dismount", "P/c")
    wait_until("the cartridge is in its slot", lambda: places(library)[barcode].startswith("slots/"))
    mount.unmount()
    mount = bench.mount(library)
    expect(read_file(mount / "P/c/f") == b"staged", "what came from the medium differs")
    expect(places(library)[barcode].startswith("drives/"), "data was read without its medium?")
    wait_until("the deferred dismount took place",
               lambda: places(library)[barcode].startswith("slots/"), 20)


@test()
def foreign_reader(bench):
    """After a clean dismount another LTFS reader finds all files, and both partitions consistent."""
    import ltfs_check
    source = bench.path("source")
    source_tree(source, 400, SEED)
    write_file(f"{source}/block", random_bytes(524_288, 1))
    write_file(f"{source}/block+1", random_bytes(524_289, 2))
    write_file(f"{source}/colon:in name", b"1")
    write_file(f"{source}/tab\tand%percent", b"2")
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    tape = mount / "P/c"
    bench.run("cp", "-a", f"{source}/.", tape)
    mount.rsm("sync")
    # a second session on the same volume, in part over the first
    for base in (source, tape):
        write_file(f"{base}/second", b"session")
        with open(f"{base}/block", "r+b") as f:
            f.seek(1000)
            f.write(b"patched")
        os.rename(f"{base}/block+1", f"{base}/renamed")
        os.truncate(f"{base}/renamed", 2_000_000)
    barcode = rsm_xattr(tape, "barcode")
    uuid = rsm_xattr(tape, "volume_uuid")
    mount.rsm("dismount", "P/c", check=False)  # else it has gone home by itself
    wait_until("the cartridge is in its slot", lambda: places(library)[barcode].startswith("slots/"))
    for when in ("after rsm dismount", "after the unmount"):
        try:
            volume = ltfs_check.Volume(cartridge_folder(library, barcode))
            volume.compare(source)
            volume.check_history()
        except ltfs_check.Bad as e:
            raise AssertionError(f"{when}: {e}") from e
        expect(volume.label["uuid"] == uuid, "user.rsm.volume_uuid is not the label's")
        keys = volume.nodes[""].xattrs
        expect(keys.get("ltfs.vendor.rsmfs.pool") == b"P" and keys.get("ltfs.vendor.rsmfs.name") == b"c",
               f"the medium does not know its pool and name: {keys}")
        if when == "after rsm dismount":
            mount.unmount()


@test()
def quickstart(bench):
    """The two commands of the README, as a user of their own would."""
    from harness import BUILD, TOP, is_mounted
    library, point = bench.path("library"), bench.path("mnt")
    env = {**os.environ, "RSM_BUILD": BUILD, "RSM_LIBRARY": library, "HOME": bench.folder}
    result = bench.run(f"{TOP}/examples/quickstart.sh", point, env=env, check=False, timeout=100)
    pid = bench.pid_of(library)
    if pid:
        bench.pids.add(pid)
    expect(result.returncode == 0, "quickstart failed", result.stdout[-3000:], result.stderr[-2000:])
    expect("all the same" in result.stdout and is_mounted(point), "no compared copy, or no mount")
    again = bench.run(f"{TOP}/examples/quickstart.sh", point, env=env, check=False, timeout=100)
    if bench.pid_of(library):
        bench.pids.add(bench.pid_of(library))
    expect(again.returncode == 0, "a second quickstart failed", again.stdout[-2000:],
           again.stderr[-2000:])


@test()
def example_backup(bench):
    """examples/backup.sh keeps the last so many, verified."""
    from harness import TOP
    library = bench.library()
    mount = bench.mount(library)
    source = bench.path("docs")
    source_tree(source, 60, SEED)
    env = {**os.environ, "PATH": f"{os.path.dirname(RSM)}:{os.environ['PATH']}"}
    for i in range(3):
        write_file(f"{source}/round", str(i).encode())
        result = bench.run(f"{TOP}/examples/backup.sh", "-m", mount.point, "-k", "2", source, env=env)
        expect("is verified" in result.stdout, "not verified", result.stdout)
        time.sleep(1.1)
    kept = sorted(os.listdir(mount / "Backup"))
    expect(len(kept) == 2, f"two were to be kept: {kept}")
    bench.run("tar", "-C", bench.folder, "-xf", mount / f"Backup/{kept[-1]}/docs.tar",
              "--one-top-level=out")
    expect(read_file(bench.path("out/docs/round")) == b"2", "the last backup is not the last")
    expect(sha256(mount / f"Backup/{kept[0]}/docs.tar") in
           read_file(mount / f"Backup/{kept[0]}/SHA256SUMS").decode(), "the sum beside it differs")


@test()
def example_rsm_path(bench):
    """RSM's path with plain POSIX calls."""
    from harness import BUILD
    library = bench.library()
    mount = bench.mount(library)
    result = bench.run(os.path.join(BUILD, "examples", "rsm_path"), mount.point)
    expect("read back" in result.stdout, "unexpected words", result.stdout)
    expect(not os.path.exists(mount / "RsmPath/demo"), "the example did not deallocate")
