"""librsm: what a program that was written for ntmsapi.h calls, through the shared library as installed."""
import ctypes
import errno
import os
import re
import select
import signal
import subprocess
import threading
import time

from harness import BUILD, Skip, TOP, expect, need_program, places, read_file, rsm_xattr, test, wait_until, write_file

TIMEOUT, LOST = 1, 2


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 508)]


class Allocated(ctypes.Structure):
    _fields_ = [("path", ctypes.c_void_p), ("lmid", ctypes.c_char * 40), ("barcode", ctypes.c_char * 72)]


SHARED = os.path.join(BUILD, "fs/librsm/librsm.so.1")


def need_plain_library():
    """A sanitizer's runtime comes first in a process, or not at all."""
    needed = re.findall(rb"lib[at]san", read_file(SHARED))
    if needed:
        raise Skip(f"librsm wants {needed[0].decode()} in programs that are built without it")


class Library:
    """The functions, with exceptions for failures."""

    def __init__(self):
        need_plain_library()
        self.lib = ctypes.CDLL(SHARED)
        self.lib.rsm_event_get.restype = ctypes.c_char_p
        self.lib.rsm_event_line.restype = ctypes.c_char_p

    def __call__(self, name, *args, allow=(0,)):
        error = Error()
        result = getattr(self.lib, "rsm_" + name)(*args, ctypes.byref(error))
        if result not in allow:
            expect(result == -error.code, f"{name}: returned {result}, but the error is {error.code}")
            raise OSError(error.code, error.text.decode())
        return result

    def session(self, point=None):
        session = ctypes.c_void_p()
        self("session_open", point.encode() if point else None, ctypes.byref(session))
        return session

    def strings(self, *words):
        return (ctypes.c_char_p * len(words))(*[w.encode() for w in words]), ctypes.c_size_t(len(words))


def fails(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except OSError as e:
        expect(e.errno == code, f"{args}: {e} instead of {errno.errorcode[code]}")
        return e.strerror
    raise AssertionError(f"{args}: went well, {errno.errorcode[code]} was expected")


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def allocate(rsm, session, pool, name, medium=None, flags=4, timeout=0):
    allocated = Allocated()
    rsm("allocate", session, pool.encode(), name.encode() if name else None,
        medium.encode() if medium else None, flags, timeout, ctypes.byref(allocated))
    return ctypes.string_at(allocated.path).decode(), allocated.lmid.decode(), allocated.barcode.decode()


@test()
def a_program_follows_its_path_by_the_library(bench):
    """The example of examples/ does all of it, and leaves nothing behind."""
    library = bench.library()
    mount = bench.mount(library)
    result = bench.run(os.path.join(BUILD, "examples/librsm_path"), mount.point)
    for part in ("session: ", "allocated: LibrsmPath/demo, LMID ", "mounted: drive ", "read back: written",
                 "not yet: ", "event: allocate", "event: load", "event: deallocate"):
        expect(part in result.stdout, f"{part!r} is missing", result.stdout)
    expect(not os.path.exists(mount / "LibrsmPath"), "the pool is still there")


@test()
def the_library_says_what_went_wrong(bench):
    """Errors have a number and a line that names the object; nothing is half done."""
    mount = bench.mount(bench.library(cartridges=2, drives=1))
    rsm = Library()
    fails(errno.ENOTCONN, rsm.session, bench.path())
    session = rsm.session(mount.point)
    rsm("pool_open", session, b"P", 2, None)
    expect("P" in fails(errno.EEXIST, rsm, "pool_open", session, b"P", 2, None), "it names the pool")
    rsm("pool_open", session, b"P", 1, None)
    rsm("pool_open", session, b"P", 3, b"LTO-8")
    fails(errno.ENOENT, rsm, "pool_open", session, b"Q", 1, None)
    path, lmid, barcode = allocate(rsm, session, "P", "a")
    expect((path, lmid) == ("P/a", rsm_xattr(mount / "P/a", "lmid")), f"{path} {lmid}")
    text = fails(errno.EEXIST, allocate, rsm, session, "P", "a")
    expect("a" in text and "\n" not in text, text)
    allocate(rsm, session, "P", "-dash")
    fails(errno.ENOSPC, allocate, rsm, session, "P", "c")
    began = time.monotonic()
    fails(errno.ETIMEDOUT, allocate, rsm, session, "P", "c", None, 0, 700)
    expect(0.5 < time.monotonic() - began < 3, "the time-out")
    two, count = rsm.strings("P/a", "P/-dash")
    fails(errno.EINVAL, rsm, "mount", session, two, count, 1, 0, 0, 0)  # one drive
    nobody, count = rsm.strings("P/none")
    fails(errno.ENOENT, rsm, "mount", session, nobody, count, 1, 0, 0, 0)
    value = ctypes.c_void_p()
    fails(errno.ENODATA, rsm, "get", session, lmid.encode(), b"colour", ctypes.byref(value))
    rsm("get", session, lmid.encode(), b"barcode", ctypes.byref(value))
    expect(ctypes.string_at(value.value).decode() == barcode, "rsm_get")
    rsm("set", session, b"P", b"limit", b"2")
    expect(rsm_xattr(mount / "P", "allocation_limit") == "2", "rsm_set")
    write_file(mount / "P/a/f", b"1")
    fails(errno.ENOTEMPTY, rsm, "deallocate", session, lmid.encode(), 0)
    rsm("deallocate", session, lmid.encode(), 1)
    fails(errno.ENOENT, rsm, "deallocate", session, lmid.encode(), 1)
    rsm("deallocate", session, b"P/-dash", 0)
    rsm("pool_delete", session, b"P")
    words = (ctypes.c_char_p * 3)(b"wait", b"/x", None)
    fails(errno.EOPNOTSUPP, rsm, "call", session, words, None, None)
    rsm.lib.rsm_session_close(session)


@test()
def the_library_gives_the_next_side_of_a_new_cartridge(bench):
    NEW, NEXT, AT_ONCE = 1, 2, 4
    mount = bench.mount(bench.library(cartridges=2, drives=1, sides=2))
    wait_until("four free sides",
               lambda: len([name for name in os.listdir(mount / "Free/LTO-8") if name.endswith((".A", ".B"))]) == 4)
    rsm = Library()
    session = rsm.session(mount.point)
    rsm("pool_open", session, b"P", 2, None)
    _, lmid, barcode = allocate(rsm, session, "P", "first", flags=NEW | AT_ONCE)
    other = allocate(rsm, session, "P", "second", flags=NEW)
    expect(other[2] != barcode, "another cartridge, for the other side is reserved", other)
    fails(errno.ENOSPC, allocate, rsm, session, "P", "nobody", flags=NEW | AT_ONCE)
    _, second, same = allocate(rsm, session, "P", "next", lmid, NEXT)
    expect(same == barcode and second != lmid, "the other side, with an LMID of its own", same)
    began = time.monotonic()
    fails(errno.ENOSPC, allocate, rsm, session, "P", "more", lmid, NEXT)
    expect(time.monotonic() - began < 3, "it does not wait for what nobody can bring")
    for flags, medium in ((NEXT, None), (NEXT | NEW, lmid), (8, None)):
        fails(errno.EINVAL, allocate, rsm, session, "P", "bad", medium, flags)
    rsm.lib.rsm_session_close(session)


@test()
def notifications_come_and_can_be_polled(bench):
    mount = bench.mount(bench.library())
    rsm = Library()
    session = rsm.session(mount.point)
    notification, event = ctypes.c_void_p(), ctypes.c_void_p()
    rsm("notification_open", session, ctypes.byref(notification))

    def wait(timeout):
        return rsm("notification_wait", notification, timeout, ctypes.byref(event), allow=(0, TIMEOUT, LOST))

    while wait(200) != TIMEOUT:  # what the start left to say
        pass
    fd = rsm.lib.rsm_notification_fd(notification)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    busy = cpu(mount.pid)
    expect(poll.poll(500) == [], "readable, though nothing has happened")
    expect(poll.poll(500) == [], "readable, though nothing has happened")
    expect(cpu(mount.pid) - busy < 0.3, "the daemon is busy with a poll that waits")
    rsm("pool_open", session, b"P", 2, None)
    path, lmid, barcode = allocate(rsm, session, "P", "a b \"c\"")
    expect(poll.poll(5000) != [], "poll does not tell of an event")
    seen = {}
    while "allocate" not in seen and wait(5000) == 0:
        get = lambda key: (rsm.lib.rsm_event_get(event, key.encode()) or b"").decode()
        seen[get("event")] = (get("medium"), get("name"), get("lmid"), get("time"))
        expect(rsm.lib.rsm_event_get(event, b"nonsense") is None, "a key that is not there")
    expect(seen.get("allocate", ("",) * 4)[:3] == (barcode, 'a b "c"', lmid), f"{seen}")
    expect(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", seen["allocate"][3]), seen)
    began = time.monotonic()
    while wait(300) == 0:
        pass
    expect(0.2 < time.monotonic() - began < 5, "the time-out of a wait")
    mount.signal(signal.SIGTERM)
    fails(errno.ENOTCONN, wait, 20000)
    rsm.lib.rsm_notification_close(notification)
    rsm.lib.rsm_session_close(session)


@test()
def several_threads_share_a_session(bench):
    """Eight threads allocate and deallocate; nobody gets what another has."""
    mount = bench.mount(bench.library())
    wait_until("all are identified", lambda: len(os.listdir(mount / "Free/LTO-8")) >= 15)
    rsm = Library()
    session = rsm.session(mount.point)
    rsm("pool_open", session, b"P", 2, None)
    failures, held, lock = [], set(), threading.Lock()

    def work(number):
        try:
            for i in range(5):
                path, lmid, barcode = allocate(rsm, session, "P", f"t{number}-{i}")
                with lock:
                    expect(barcode not in held, f"{barcode} twice")
                    held.add(barcode)
                with lock:
                    held.remove(barcode)
                rsm("deallocate", session, lmid.encode(), 0)
        except Exception as e:  # noqa: BLE001
            failures.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    expect(not failures, failures[:3])
    expect(os.listdir(mount / "P") == [], "some are left")
    rsm.lib.rsm_session_close(session)


@test()
def a_script_asks_and_the_operator_answers(bench):
    mount = bench.mount(bench.library())
    rsm = Library()
    session = rsm.session(mount.point)
    number = ctypes.c_int64()
    rsm("request_submit", session, "is the tape in the safe? 'yes' or \"no\"".encode(), ctypes.byref(number))
    fails(errno.ETIMEDOUT, rsm, "request_wait", session, number, 300)
    answered = threading.Timer(0.3, lambda: mount.rsm("requests", "satisfy", str(number.value)))
    answered.start()
    rsm("request_wait", session, number, 20000)
    answered.join()
    rsm("request_submit", session, b"again?", ctypes.byref(number))
    rsm("request_refuse", session, number)
    fails(errno.ECANCELED, rsm, "request_wait", session, number, 0)
    rsm.lib.rsm_session_close(session)


@test()
def a_signal_ends_a_wait_of_the_library(bench):
    """-EINTR within a second, and what was waited for is withdrawn."""
    need_plain_library()
    mount = bench.mount(bench.library(cartridges=1))
    script = f"""
import ctypes, signal, sys
sys.path[:0] = [{os.path.join(TOP, 'tests/system')!r}]
import test_librsm as t
signal.signal(signal.SIGUSR1, lambda *a: None)
signal.siginterrupt(signal.SIGUSR1, True)
rsm = t.Library()
session = rsm.session({mount.point!r})
rsm("pool_open", session, b"P", 2, None)
t.allocate(rsm, session, "P", "a")
print("waiting", flush=True)
try:
    t.allocate(rsm, session, "P", "b", None, 0, 0)
except OSError as e:
    print(e.errno, flush=True)
"""
    waiter = subprocess.Popen(["python3", "-c", script], stdout=subprocess.PIPE, text=True,
                              env=dict(os.environ, RSM_BUILD=BUILD))
    expect(waiter.stdout.readline() == "waiting\n", "it did not begin")
    requests = lambda: mount.rsm("--plain", "requests").stdout
    wait_until("the operator is asked", lambda: "new-media" in requests(), 10)
    began = time.monotonic()
    waiter.send_signal(signal.SIGUSR1)
    out, _ = waiter.communicate(timeout=20)
    expect(out == f"{errno.EINTR}\n", out)
    expect(time.monotonic() - began < 1.5, "it took its time")
    wait_until("nobody is asked any more", lambda: "new-media" not in requests(), 10)


@test(mounts=False)
def the_library_is_installed_for_others(bench):
    """Header, pkg-config file, both libraries, man page: the example compiles with them alone."""
    need_plain_library()
    need_program("pkg-config")
    need_program("meson")
    stage = bench.path("stage")
    result = bench.run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", stage, check=False)
    if result.returncode:
        raise Skip(f"meson install: {result.stderr[-200:]}")
    found = {name: os.path.join(folder, name) for folder, _, names in os.walk(stage) for name in names}
    for name in ("rsm.h", "librsm.pc", "librsm.so.1", "librsm.so", "librsm.a", "librsm.3"):
        expect(name in found, f"{name} is not installed", *sorted(found))
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(found["librsm.pc"]), PKG_CONFIG_SYSROOT_DIR=stage)
    flags = bench.run("pkg-config", "--cflags", "--libs", "librsm", env=env).stdout.split()
    source = os.path.join(TOP, "examples/librsm_path.c")
    # pkg-config leaves out the folders where compilers look anyhow
    flags += ["-I", os.path.dirname(found["rsm.h"]), "-L", os.path.dirname(found["librsm.so"])]
    bench.run("cc", "-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", source, *flags,
              "-o", bench.path("shared"))
    bench.run("cc", source, "-I", os.path.dirname(found["rsm.h"]), found["librsm.a"], "-o", bench.path("static"))
    env["LD_LIBRARY_PATH"] = os.path.dirname(found["librsm.so"])
    for program in ("shared", "static"):
        result = bench.run(bench.path(program), "/nonexistent", env=env, check=False)
        expect(result.returncode == 1 and "/nonexistent: no rsmfs is mounted there" in result.stderr,
               f"{program}: {result.returncode} {result.stderr}")
