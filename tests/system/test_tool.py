"""rsm: what an administrator types, and what scripts read."""
import json
import os
import re
import time

from harness import RSM, cartridge_folder, expect, places, read_file, rsm_xattr, test, wait_until, write_file


def rows(mount, *args):
    """`rsm --json ...` as Python's own; checked to be JSON."""
    text = mount.rsm("--json", *args).stdout
    try:
        return json.loads(text)
    except ValueError as e:
        raise AssertionError(f"rsm --json {' '.join(args)} is no JSON: {e}\n{text[:1000]}") from e


def table(mount, *args):
    """The rows of the one table."""
    found = rows(mount, *args)
    lists = [v for v in found.values() if isinstance(v, list)]
    expect(len(lists) == 1, f"{args}: one table was expected", str(found)[:300])
    return lists[0]


@test()
def rsm_tool(bench):
    """The path of RSM's own tool: create, allocate, mount, view, dismount, move, deallocate, delete."""
    library = bench.library()
    mount = bench.mount(library)
    mount.rsm("createpool", "Backup")
    expect(os.path.isdir(mount / "Backup"), "no folder came of createpool")
    line = mount.rsm("allocate", "Backup/monday").stdout.strip()
    expect(re.fullmatch(r"\S*Backup/monday\t[0-9a-f-]{36}", line), f"allocate printed {line!r}")
    expect(line.split("\t")[1] == rsm_xattr(mount / "Backup/monday", "lmid"), "it printed another LMID")
    barcode = rsm_xattr(mount / "Backup/monday", "barcode")

    mount.rsm("mount", "Backup/monday")
    expect(places(library)[barcode].startswith("drives/"), "rsm mount returned before the medium was in")
    expect(rsm_xattr(mount / "Backup/monday", "mounted") == "1", "user.rsm.mounted is not 1")
    drives = table(mount, "view", "drives")
    expect(any(d["medium"] == barcode for d in drives), "rsm view drives does not show it", str(drives))
    mount.rsm("dismount", "Backup/monday")
    wait_until("it went home", lambda: places(library)[barcode].startswith("slots/"), 20)

    line = mount.rsm("allocate", "Backup", "--medium", "A00009L8").stdout.strip()
    expect(line and rsm_xattr(mount / line.split("\t")[0], "barcode") == "A00009L8", f"--medium: {line!r}")
    mount.rsm("createpool", "Archive", "--limit", "1")
    mount.rsm("move", "Backup/monday", "Archive")
    mount.rsm("rename", "Archive/monday", "tuesday")
    expect(rsm_xattr(mount / "Archive/tuesday", "barcode") == barcode, "moved and renamed")
    result = mount.rsm("allocate", "Archive/second", check=False)
    expect(result.returncode == 1 and len(result.stderr.splitlines()) == 1, "beyond the limit", result.stderr)

    write_file(mount / "Archive/tuesday/f", b"1")
    result = mount.rsm("deallocate", "Archive/tuesday", check=False)
    expect(result.returncode == 1 and os.path.exists(mount / "Archive/tuesday/f"), "deallocated with files")
    mount.rsm("sync", "Archive/tuesday")
    mount.rsm("deallocate", "Archive/tuesday", "--force")
    expect(not os.path.exists(mount / "Archive/tuesday"), "still there after --force")
    mount.rsm("deletepool", "Archive")
    expect(not os.path.exists(mount / "Archive"), "the pool is still there")


@test()
def a_relative_mount_point_works_with_paths_below_it(bench):
    """rsm -m mnt VERB mnt/P/c: for whatever takes a path, also to what it makes."""
    mount = bench.mount(bench.library())
    here = os.path.dirname(mount.point)
    point = os.path.basename(mount.point)

    def rsm(*args, at=point, where=here, **how):
        return bench.run(RSM, "-m", at, *args, cwd=where, **how).stdout

    rsm("createpool", f"{point}/P")
    rsm("allocate", f"{point}/P/c")
    write_file(mount / "P/c/f", b"1")
    for verb in (["sync"], ["mount"], ["view", "media"], ["log"], ["check"], ["verify"], ["dismount"], ["find", "f"]):
        rsm(*verb, f"{point}/P" if verb[0] == "find" else f"{point}/P/c")
    expect("P/c" in rsm("view", f"{point}/P"), "rsm view shows nothing of the pool")
    rsm("createpool", f"./{point}/Q")
    rsm("move", f"{point}/P/c", f"{point}/Q", at=f"./{point}/")
    rsm("rename", "c", "d", at="..", where=mount / "Q")
    barcode = rsm_xattr(mount / "Q/d", "barcode")
    rsm("deallocate", f"{point}/Q/d", "--force")
    rsm("undelete", barcode, f"{point}/P/e")
    expect(read_file(mount / "P/e/f") == b"1", "it is not back")
    os.symlink(mount.point, bench.path("link"))
    expect("P/e" in rsm("view", "media", f"{point}/P", at="link"), "over a symbolic link")
    result = bench.run(RSM, "view", "media", f"{point}/P", cwd=here, env={**os.environ, "RSM_MOUNT": point})
    expect("P/e" in result.stdout, "RSM_MOUNT is relative as well", result.stdout)


@test()
def every_view_has_json(bench):
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", b"1")
    mount.rsm("sync")
    for what in ("libraries", "drives", "slots", "media", "pools", "queue", "requests"):
        expect(isinstance(rows(mount, "view", what), dict), what)
        expect(mount.rsm("view", what).returncode == 0, what)
    expect(isinstance(rows(mount, "view"), (dict, list)), "the overview")
    media = table(mount, "view", "media")
    expect(len(media) == 17 and any(m["path"].endswith("P/c") for m in media), str(media)[:500])
    expect(len(table(mount, "view", "slots")) == 28, "24 slots and 4 ports")
    one = table(mount, "view", "media", "P/c")
    expect(len(one) == 1 and one[0]["barcode"] == rsm_xattr(mount / "P/c", "barcode"), str(one))
    events = mount.rsm("events").stdout.splitlines()
    for line in events:
        expect(re.match(r"\d{4}-\d\d-\d\dT\S+Z event=\w+( [a-z_]+=(\"(\\.|[^\"\\])*\"|\S+))*$", line), line)
    expect(any("event=move" in e for e in events), "no robot move among the events")
    expect("f" in mount.rsm("find", "f").stdout, "rsm find does not find")
    expect(barcode_in(mount.rsm("log", "P/c").stdout, one[0]["barcode"]), "rsm log is empty")


def barcode_in(text, barcode):
    return barcode in text


@test()
def swap_free_and_decommission(bench):
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/a")
    os.mkdir(mount / "P/b")
    write_file(mount / "P/a/f", b"a")
    before = rsm_xattr(mount / "P/a", "barcode"), rsm_xattr(mount / "P/b", "barcode")
    mount.rsm("sync")
    time.sleep(0.2)
    mount.rsm("swap", "P/a", "P/b")
    expect((rsm_xattr(mount / "P/b", "barcode"), rsm_xattr(mount / "P/a", "barcode")) == before, "no swap")
    expect(read_file(mount / "P/b/f") == b"a", "the contents go with the medium")
    mount.rsm("complete", "P/b")
    try:
        write_file(mount / "P/b/new", b"1")
        raise AssertionError("a complete cartridge took a file")
    except OSError as e:
        expect(e.errno == 30, f"{e}")
    expect(read_file(mount / "P/b/f") == b"a", "a complete cartridge stays readable")
    os.rmdir(mount / "P/a")
    mount.rsm("decommission", "A00003L8")
    medium = table(mount, "view", "media", "A00003L8")[0]
    expect(medium["state"] == "decommissioned", str(medium))
    os.mkdir(mount / "P/A00003L8")
    expect(rsm_xattr(mount / "P/A00003L8", "barcode") != "A00003L8", "a decommissioned medium was allocated")


@test(timeout=180)
def eject_and_inject(bench):
    library = bench.library()
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", b"1")
    barcode = rsm_xattr(mount / "P/c", "barcode")
    mount.rsm("sync")
    mount.rsm("eject", "P/c")
    expect(places(library)[barcode].startswith("ports/"), f"it is in {places(library)[barcode]}")
    os.makedirs(f"{library}/shelf", exist_ok=True)
    bench.run("mv", cartridge_folder(library, barcode), f"{library}/shelf/")
    wait_until("it is offline", lambda: rsm_xattr(mount / "P/c", "location") == "offline", 30)
    bench.run("mv", f"{library}/shelf/{barcode}", f"{library}/ports/11/")
    mount.rsm("inject", "--timeout", "20")
    wait_until("it has a place", lambda: places(library).get(barcode, "").startswith(("slots", "drives")), 30)
    expect(read_file(mount / "P/c/f") == b"1", "the file differs")


@test()
def events_follow(bench):
    """--follow shows what comes, as it comes."""
    import subprocess
    library = bench.library()
    mount = bench.mount(library)
    follower = subprocess.Popen([RSM, "-m", mount.point, "events", "--follow"], stdout=subprocess.PIPE,
                                text=True)
    try:
        time.sleep(0.5)
        os.makedirs(mount / "P/c")
        mount.rsm("mount", "P/c")
        seen = ""
        end = time.monotonic() + 20
        os.set_blocking(follower.stdout.fileno(), False)
        while "event=move" not in seen and time.monotonic() < end:
            seen += follower.stdout.read() or ""
            time.sleep(0.05)
        expect("event=allocate" in seen and "event=move" in seen, "events did not come", seen)
    finally:
        follower.terminate()
        follower.wait(10)


@test()
def ctrl_c_ends_a_wait(bench):
    """A read that waits for a drive ends within a second of a signal; nobody else waits with it."""
    import signal
    import subprocess
    library = bench.library(drives=1)
    mount = bench.mount(library, options="label_delay=0")
    os.makedirs(mount / "P/a")
    write_file(mount / "P/a/f", b"1")
    mount.rsm("sync", timeout=100)
    mount.rsm("dismount", "P/a")
    mount.unmount()
    conf = read_file(f"{library}/library.conf").decode()
    for key, value in (("timing", "real"), ("robot_s", "3"), ("load_s", "4"), ("unload_s", "1")):
        conf = re.sub(rf"^{key} = \S+", f"{key} = {value}", conf, flags=re.M)
    write_file(f"{library}/library.conf", conf.encode())
    mount = bench.mount(library)
    reader = subprocess.Popen(["cat", mount / "P/a/f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    expect(reader.poll() is None, "the read did not wait for the robot")
    began = time.monotonic()
    os.mkdir(mount / "Q")
    os.listdir(mount / "P/a")
    expect(time.monotonic() - began < 1, "others wait with it")
    began = time.monotonic()
    reader.send_signal(signal.SIGINT)
    reader.wait(10)
    expect(time.monotonic() - began < 1, f"it took {time.monotonic() - began:.1f} s to end")
