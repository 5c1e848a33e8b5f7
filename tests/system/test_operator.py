"""Operator requests, and the program that is told of them."""
import os
import re
import signal
import subprocess
import time

from harness import RSM, cartridge_folder, expect, random_bytes, read_file, rsm_xattr, test, wait_until, write_file


def script(bench, name, text):
    path = bench.path(name)
    write_file(path, text.encode())
    os.chmod(path, 0o755)
    return path


def away(bench, library, mount, path):
    """Takes an allocated cartridge out of the library."""
    barcode = rsm_xattr(mount / path, "barcode")
    mount.rsm("sync")
    mount.rsm("eject", path)
    os.makedirs(f"{library}/shelf", exist_ok=True)
    os.rename(cartridge_folder(library, barcode), f"{library}/shelf/{barcode}")
    wait_until("it is offline", lambda: rsm_xattr(mount / path, "location") == "offline", 30)
    return barcode


@test()
def a_hook_is_told_of_requests(bench):
    """Arguments and environment, no shell in between, names with blanks and quotes unharmed."""
    library = bench.library()
    told = bench.path("told")
    hook = script(bench, "my hook", f"""#!/bin/sh
printf '%s|' "$@" "$RSM_EVENT" "$RSM_STATE" "$RSM_KIND" "$RSM_MOUNT" >> '{told}'
echo >> '{told}'
""")
    mount = bench.mount(library, options=f"hook={hook}")
    text = "a 'quoted' \"text\"; touch /tmp/pwned $(id) \\ %n"
    number = mount.rsm("requests", "ask", text).stdout.strip()
    lines = lambda: read_file(told).decode().splitlines() if os.path.exists(told) else []
    wait_until("the hook was called", lambda: len(lines()) == 1, 10)
    expect(lines()[0] == f"request|{number}|{text}|request|submitted|message|{mount.point}|", lines()[0])
    mount.rsm("requests", "refuse", number)
    wait_until("it was told of the answer", lambda: len(lines()) == 2, 10)
    expect("|refused|" in lines()[1], lines()[1])
    os.makedirs(mount / "P/c")
    barcode = away(bench, library, mount, "P/c")
    bench.run("cat", mount / "P/c", check=False)
    mount.rsm("mount", "P/c", check=False)
    wait_until("it was told which cartridge", lambda: any(barcode in l for l in lines()), 10)


@test()
def a_hook_is_told_of_what_fails_while_rsmfs_ends(bench):
    """A cartridge that cannot be written any more when the mount is gone already."""
    bench.allow_error("03/0C/00")
    library = bench.library(cartridges=1, drives=1)
    told = bench.path("told")
    hook = script(bench, "hook", f"""#!/bin/sh
printf '%s|%s|%s|%s\\n' "$1" "$2" "$RSM_DRIVE" "$RSM_SLOT" >> '{told}'
""")
    mount = bench.mount(library)
    os.makedirs(mount / "P/c")
    barcode = rsm_xattr(mount / "P/c", "barcode")
    mount.rsm("sync")
    mount.unmount()
    conf = read_file(f"{library}/library.conf")
    write_file(f"{library}/library.conf", conf + b"fail = write 1 x1000 03/0C/00\n")
    # nothing is written before it ends
    mount = bench.mount(library, options=f"hook={hook},migrate_delay=600000,dismount_delay=600")
    mount.rsm("mount", "P/c")
    write_file(mount / "P/c/f", b"1" * 1000)
    expect(not os.path.exists(told), "it failed too early")
    mount.unmount()
    wait_until("the hook was called", lambda: os.path.exists(told), 10)
    line = read_file(told).decode().splitlines()[0]
    expect(re.fullmatch(rf"error\|{barcode}\|drive 256\|\d+", line), line)
    write_file(f"{library}/library.conf", conf)
    mount = bench.mount(library)
    expect(read_file(mount / "P/c/f") == b"1" * 1000, "it is lost")


@test()
def a_hook_that_hangs_holds_nobody_up(bench):
    """At most four run at one time, the mount goes on, and its end does not wait for them."""
    library = bench.library()
    pids = bench.path("hook-pids")
    hook = script(bench, "hook", f"#!/bin/sh\necho $$ >> '{pids}'\nexec sleep 1000\n")
    mount = bench.mount(library, options=f"hook={hook}")
    try:
        for i in range(8):
            mount.rsm("requests", "ask", f"question {i}")
        wait_until("four hang", lambda: len(read_file(pids).split()) == 4, 10)
        began = time.monotonic()
        os.makedirs(mount / "P/c")
        write_file(mount / "P/c/f", b"1")
        expect(read_file(mount / "P/c/f") == b"1" and time.monotonic() - began < 5, "the mount waits")
        time.sleep(0.3)
        expect(len(read_file(pids).split()) == 4, "more than four run")
        os.kill(int(read_file(pids).split()[0]), signal.SIGTERM)
        wait_until("the next one has its turn", lambda: len(read_file(pids).split()) == 5, 10)
        began = time.monotonic()
        mount.unmount()
        expect(time.monotonic() - began < 10, "the end waited for them")
    finally:
        for pid in read_file(pids).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass


@test()
def a_hook_that_cannot_be_run_is_an_error_at_once(bench):
    library = bench.library()
    result = bench.rsmfs(library, options="hook=/nonexistent/program", check=False)
    expect(result.returncode != 0 and "hook=/nonexistent/program" in result.stderr, result.stderr)


@test()
def refusing_ends_the_wait_and_arrival_satisfies_it(bench):
    """-o offline=wait: a reader of an absent cartridge waits; the operator's no is its end, the
    cartridge's mere arrival its go (rsm-model.md 20, 14)."""
    library = bench.library()
    mount = bench.mount(library, options="offline=wait")
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", b"here")
    barcode = away(bench, library, mount, "P/c")

    def reader():
        return subprocess.Popen(["cat", mount / "P/c/f"], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def request():
        found = re.findall(r"^(\d+)\tmove-media", mount.rsm("--plain", "requests").stdout, re.M)
        return found[0] if found else None

    result = mount.rsm("mount", "P/c", "--timeout", "1", check=False)
    expect(result.returncode == 1, "it came from nowhere", result.stderr)
    expect(request() is None, "nobody waits any more", mount.rsm("requests").stdout)
    first = reader()
    wait_until("the operator is asked", request, 10)
    result = mount.rsm("requests", "satisfy", request(), check=False)
    expect(result.returncode == 1 and "nothing came" in result.stderr, result.stderr)
    expect(first.poll() is None, "a claim that is not so ended the wait")
    mount.rsm("requests", "refuse", request())
    expect(first.wait(10) != 0, "the refused read went well")

    second = reader()
    wait_until("the operator is asked again", request, 10)
    os.rename(f"{library}/shelf/{barcode}", f"{library}/ports/11/{barcode}")
    out, err = second.communicate(timeout=30)
    expect((second.returncode, out) == (0, "here"), f"{second.returncode} {out!r} {err!r}")
    expect(request() is None, "it is still asked for")


@test()
def a_killed_reader_needs_no_operator(bench):
    """What the kernel read ahead for him goes on for nobody; who else waits for the same bytes gets them."""
    library = bench.library()
    data = random_bytes(3_000_000, "killed")

    def without_the_cartridge(mount):
        """Mounted anew: the kernel has nothing of the file."""
        barcode = away(bench, library, mount, "P/c")
        mount.unmount()
        return barcode, bench.mount(library, options="offline=wait")

    def asked():
        return "move-media" in mount.rsm("--plain", "requests").stdout

    mount = bench.mount(library, options="offline=wait")
    os.makedirs(mount / "P/c")
    write_file(mount / "P/c/f", data)
    barcode, mount = without_the_cartridge(mount)
    readers = [subprocess.Popen(["cat", mount / "P/c/f"], stdout=subprocess.PIPE) for _ in range(2)]
    wait_until("the operator is asked", asked, 10)
    time.sleep(1)
    readers[0].kill()
    readers[0].wait()
    time.sleep(2)
    expect(asked(), "somebody waits still", mount.rsm("requests").stdout)
    expect(readers[1].poll() is None, "the other reader was ended, too")
    os.rename(f"{library}/shelf/{barcode}", f"{library}/ports/11/{barcode}")
    expect(readers[1].communicate(timeout=30)[0] == data, "the other reader got something else")

    barcode, mount = without_the_cartridge(mount)
    reader = subprocess.Popen(["cat", mount / "P/c/f"], stdout=subprocess.DEVNULL)
    wait_until("the operator is asked again", asked, 10)
    reader.kill()
    reader.wait()
    wait_until("nobody is asked for what nobody waits for", lambda: not asked(), 3)
    queue = mount.rsm("--plain", "view", "queue").stdout
    expect(barcode not in queue, queue)


@test()
def ctrl_c_ends_a_wait_for_the_operator(bench):
    mount = bench.mount(bench.library())
    number = mount.rsm("requests", "ask", "anybody there?").stdout.strip()
    waiter = subprocess.Popen([RSM, "-m", mount.point, "requests", "wait", number],
                              stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    expect(waiter.poll() is None, "it did not wait")
    began = time.monotonic()
    waiter.send_signal(signal.SIGINT)
    waiter.wait(10)
    expect(time.monotonic() - began < 1, "it took its time")
    wait_until("the daemon has let go", lambda: mount.rsm("requests", "refuse", number, check=False).returncode == 0, 5)
