"""harness.py - what a system test stands on: its own folder, its own library, its own mount.

A test is a function with @test; its name is a promise. It gets a Bench (below), calls programs
through it, and fails by an exception. Each runs in a process of its own (run, the program beside
this file), so that one that hangs can be ended, with its state dumped.

What the harness itself holds every test to, whatever the test looks at:
  no rsmfs outlives its test; none logs an error that the test did not announce (bench.allow_error);
  none is killed by a signal that the test did not send.
"""
import contextlib
import errno
import hashlib
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("RSM_BUILD") or os.path.join(TOP, "build"))
RSMFS = os.path.join(BUILD, "fs", "rsmfs")
RSM = os.path.join(BUILD, "fs", "rsm")
LONG = bool(os.environ.get("RSM_LONG"))
SEED = int(os.environ.get("RSM_SEED") or random.SystemRandom().randrange(1 << 32))
# sanitized programs are slower
PATIENCE = float(os.environ.get("RSM_PATIENCE") or 1)

TESTS = {}


class Skip(Exception):
    """The machine cannot do what the test needs; the reason is the message."""


class Failure(AssertionError):
    pass


def test(timeout=120, mounts=True, long_only=False):
    def register(function):
        name = function.__name__.replace("_", "-")
        TESTS[name] = (function, timeout * PATIENCE, mounts, long_only)
        return function

    return register


def expect(condition, words, *details):
    if not condition:
        raise Failure(str(words) + "".join(f"\n    {d}" for d in details))


def expect_errno(code, call, *args, **kwargs):
    """The call fails with just this errno."""
    shown = f"{getattr(call, '__name__', call)}{args!r}"
    try:
        result = call(*args, **kwargs)
    except OSError as e:
        expect(e.errno == code, f"{shown}: {errno.errorcode.get(e.errno, e.errno)}, "
                                f"{errno.errorcode[code]} was expected")
        return
    raise Failure(f"{shown}: went well ({result!r}), {errno.errorcode[code]} was expected")


def wait_until(what, condition, seconds=30):
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"after {seconds} s still not so: {what}")
        time.sleep(0.05)


def sha256(path):
    total = hashlib.sha256()
    with open(path, "rb") as f:
        while data := f.read(1 << 20):
            total.update(data)
    return total.hexdigest()


def random_bytes(length, seed):
    """The same for the same seed; not compressible; quick."""
    block = random.Random(seed).randbytes(min(length, 1 << 20))
    out = bytearray()
    count = 0
    while len(out) < length:
        out += count.to_bytes(8, "big") + block
        count += 1
    return bytes(out[:length])


def write_file(path, data):
    with open(path, "wb") as f:
        f.write(data)


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def big_file(path, mib, seed):
    data = random.Random(seed).randbytes(1 << 20)
    with open(path, "wb") as f:
        for i in range(mib):
            f.write(i.to_bytes(8, "big") + data[8:])


def source_tree(path, files, seed):
    """A tree as sources are: folders, many small files, some links, odd names, odd times."""
    rng = random.Random(seed)
    names = ["main", "util", "Makefile", "a b", "größe", "x", "日本", "read me", "-dash", "q'uote"]
    folders = [path]
    os.makedirs(path)
    for i in range(files):
        if i % 40 == 39:
            parent = rng.choice(folders[-20:])
            folder = os.path.join(parent, f"{rng.choice(names)}.{i}")
            os.mkdir(folder)
            folders.append(folder)
        file = os.path.join(rng.choice(folders), f"{rng.choice(names)}-{i}.c")
        size = rng.choice([0, 1, 17, 600, 3000, 4096, 9000, 20000]) if i % 200 else 700_000
        write_file(file, rng.randbytes(size))
        os.chmod(file, rng.choice([0o644, 0o600, 0o755, 0o444]))
        os.utime(file, ns=(rng.randrange(2**60), rng.randrange(2**60)))
        if i % 100 == 50:
            os.symlink(os.path.basename(file), os.path.join(folders[-1], f"link-{i}"))
        if i % 100 == 51:
            os.setxattr(file, "user.note", f"number {i}".encode())
    for folder in reversed(folders):
        os.utime(folder, ns=(rng.randrange(2**60), rng.randrange(2**60)))


def tree_lines(root, times=True, xattrs=True):
    """One line an object: what must be the same in a copy besides the bytes, which diff compares."""
    lines = []
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files) + folders:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            line = f"{os.path.relpath(path, root)!r} {st.st_mode:o} {st.st_uid}:{st.st_gid}"
            if os.path.islink(path):
                line += f" -> {os.readlink(path)!r}"
            elif not os.path.isdir(path):
                line += f" {st.st_size}"
            if times:
                line += f" {st.st_mtime_ns}"
            if xattrs and not os.path.islink(path):
                for key in sorted(os.listxattr(path)):
                    # a checksum comes with the writing to the medium, whatever the source has
                    if key.startswith("user.") and not key.startswith("user.ltfs.hash."):
                        line += f" {key}={os.getxattr(path, key)!r}"
            lines.append(line)
    return lines


def same_tree(left, right, **how):
    result = subprocess.run(["diff", "-r", "--no-dereference", left, right], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    expect(result.returncode == 0, f"diff -r {left} {right}", result.stdout[:3000])
    a, b = tree_lines(left, **how), tree_lines(right, **how)
    different = [f"- {x}\n    + {y}" for x, y in zip(a, b) if x != y][:5]
    expect(a == b, f"{left} and {right} differ in more than bytes", *different)


def digest(folder, leave_out=(".rsmfs.lock",)):
    """Of everything below a folder: names, kinds, bytes."""
    total = hashlib.sha256()
    for path, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if name in leave_out:
                continue
            full = os.path.join(path, name)
            total.update(f"{os.path.relpath(full, folder)}\0".encode())
            if os.path.isfile(full):
                total.update(sha256(full).encode())
        for name in folders:
            total.update(f"{os.path.relpath(os.path.join(path, name), folder)}/\0".encode())
    return total.hexdigest()


def places(library):
    """Where each cartridge of a virtual library is: {barcode: "slots/1001"}."""
    found = {}
    for kind in ("slots", "drives", "ports"):
        base = os.path.join(library, kind)
        for element in os.listdir(base) if os.path.isdir(base) else ():
            for name in os.listdir(os.path.join(base, element)):
                if not name.startswith(".") and os.path.isdir(os.path.join(base, element, name)):
                    found[name] = f"{kind}/{element}"
    return found


def cartridge_folder(library, barcode):
    return os.path.join(library, places(library)[barcode], barcode)


def rsm_xattr(path, name):
    return os.getxattr(path, f"user.rsm.{name}").decode()


def is_mounted(path):
    path = os.path.realpath(os.path.dirname(path)) + "/" + os.path.basename(path)
    with open("/proc/self/mountinfo") as f:
        return any(line.split()[4].encode().decode("unicode_escape") == path for line in f)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Mount:
    """One running rsmfs."""

    def __init__(self, bench, library, point):
        self.bench, self.library, self.point = bench, library, point
        self.pid = bench.pid_of(library)
        expect(self.pid, f"{library}: mounted, but its lock names no process")
        bench.pids.add(self.pid)
        with open(os.path.join(bench.folder, "pids"), "a") as f:
            f.write(f"{self.pid} {point}\n")

    def __truediv__(self, name):
        return os.path.join(self.point, name)

    def unmount(self, seconds=120):
        """Clean end, awaited. Somebody who looks through all mounts (df, an rsm without -m) may be in it
        for a moment: a second try is what a person would do."""
        for last in (False, False, True):
            result = self.bench.run("fusermount3", "-u", self.point, check=last)
            if result.returncode == 0:
                break
            time.sleep(0.5)
        self.wait(seconds)

    def wait(self, seconds=120):
        self.bench.run(RSM, "wait", self.library, timeout=seconds * PATIENCE)
        wait_until(f"rsmfs {self.pid} has ended", lambda: not alive(self.pid), 10)

    def signal(self, number):
        self.bench.note(f"kill -{number} {self.pid}")
        os.kill(self.pid, number)

    def kill(self):
        """kill -9, and nothing else: the dead mount stays."""
        self.signal(signal.SIGKILL)
        wait_until(f"rsmfs {self.pid} is dead", lambda: not alive(self.pid), 10)

    def rsm(self, *args, **how):
        return self.bench.rsm(self, *args, **how)

    def allocate(self, name):
        """As mkdir does, but waits for one where the robot takes its time to find it."""
        self.rsm("allocate", name, "--wait=100")


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.pids = set()
        self.allowed = []
        self.log = os.path.join(folder, "rsmfs.log")
        self.commands = open(os.path.join(folder, "commands"), "a")
        self.rng = random.Random(SEED)
        self.point = self.path("mnt")
        self.default_options = "dismount_delay=1,migrate_delay=100,label_delay=500"

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def note(self, words):
        self.commands.write(words + "\n")
        self.commands.flush()

    def allow_error(self, pattern):
        """A line that the daemon may log as an error in this test."""
        self.allowed.append(re.compile(pattern))

    def run(self, *argv, check=True, timeout=60, **how):
        """Runs a program; its result has returncode, stdout, stderr as text."""
        argv = [str(a) for a in argv]
        self.note(" ".join(shlex.quote(a) for a in argv))
        result = subprocess.run(argv, text=True, errors="surrogateescape", timeout=timeout * PATIENCE,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **how)
        if check and result.returncode != 0:
            raise Failure(f"{' '.join(argv)}: exit code {result.returncode}",
                          ) from Failure((result.stdout[-1000:] + result.stderr[-2000:]).strip())
        return result

    def library(self, name="library", **shape):
        """Makes one: drives=2, cartridges=16, capacity="200M" ..."""
        folder = self.path(name)
        options = []
        for key, value in shape.items():
            options += [f"--{key}"] if value is True else [f"--{key}", str(value)]
        self.run(RSM, "library", "create", folder, *options)
        return folder

    def pid_of(self, library):
        try:
            with open(os.path.join(library, ".rsmfs.lock")) as f:
                words = f.readline().split()
            return int(words[1])
        except (OSError, IndexError, ValueError):
            return 0

    def rsmfs(self, library, point=None, options="", check=True, timeout=60, **how):
        """Calls rsmfs as it is; the result is subprocess's."""
        point = point or self.point
        with contextlib.suppress(FileExistsError, OSError):
            os.mkdir(point)
        all_options = ",".join(filter(None, [self.default_options, f"log={self.log}", options]))
        return self.run(RSMFS, library, point, "-o", all_options, check=check, timeout=timeout, **how)

    def mount(self, library, point=None, options="", **how):
        point = point or self.point
        self.rsmfs(library, point, options, **how)
        expect(is_mounted(point), f"rsmfs returned 0, but {point} is not mounted")
        return Mount(self, library, point)

    def rsm(self, mount, *args, check=True, timeout=120, **how):
        return self.run(RSM, "-m", mount.point, *args, check=check, timeout=timeout, **how)

    def moves(self, mount):
        """How many robot moves the events tell of."""
        return self.rsm(mount, "events").stdout.count("event=move")

    # ---- the end ----

    def clean_up(self):
        """What the test left mounted is ended cleanly; what does not end is a failure."""
        for line in reversed(self.our_mounts()):
            point, kind = line
            if kind == "fuse.rsmfs":
                result = subprocess.run(["fusermount3", "-u", point], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
                if result.returncode == 0:
                    continue
            subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60 * PATIENCE
        while any(alive(p) for p in self.pids) and time.monotonic() < end:
            time.sleep(0.05)
        left = [p for p in self.pids if alive(p)]
        if left:
            dump_processes(left, self.path("dump"))
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise Failure(f"rsmfs {left} outlived its test (see dump)")

    def check_log(self):
        if not os.path.exists(self.log):
            return
        with open(self.log, errors="replace") as f:
            bad = [line.strip() for line in f
                   if re.search(r"rsmfs error:|ERROR: \w+Sanitizer|runtime error:", line)
                   and not any(a.search(line) for a in self.allowed)]
        expect(not bad, "rsmfs logged errors that nobody expected", *bad[:10])

    def check_sanitizers(self):
        reports = [n for n in os.listdir(self.folder) if n.startswith("sanitizer.")]
        for name in reports:
            text = read_file(self.path(name)).decode(errors="replace")
            raise Failure(f"a sanitizer reports ({name})", text[:3000])

    def our_mounts(self):
        found = []
        with open("/proc/self/mountinfo") as f:
            for line in f:
                left, right = line.split(" - ", 1)
                point = left.split()[4].replace("\\040", " ")
                if point.startswith(self.folder + "/"):
                    found.append((point, right.split()[0]))
        return found


def dump_processes(pids, path):
    """Where each thread of a process stands, as far as the machine tells."""
    with open(path, "a") as out:
        for pid in pids:
            out.write(f"==== process {pid}\n")
            for name in ("cmdline", "status"):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}") as f:
                    out.write(f.read().replace("\0", " ") + "\n")
            tasks = []
            with contextlib.suppress(OSError):
                tasks = os.listdir(f"/proc/{pid}/task")
            for task in tasks:
                words = []
                for name in ("comm", "wchan", "syscall", "stack"):
                    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/{name}") as f:
                        words.append(f.read().strip())
                out.write(f"thread {task}: " + " | ".join(words) + "\n")
            if shutil.which("gdb"):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    result = subprocess.run(
                        ["gdb", "-p", str(pid), "-batch", "-ex", "thread apply all bt"], text=True,
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                        timeout=60)
                    out.write(result.stdout)


# ---- one test, in its own process ----


def run_one(name, folder):
    """0 passed, 1 failed, 77 skipped; why is the last thing printed."""
    os.environ["RSM_SEED"] = str(SEED)
    report = os.path.join(folder, "sanitizer")
    for kind in ("ASAN", "UBSAN", "TSAN"):
        more = os.environ.get(f"{kind}_OPTIONS", "")
        os.environ[f"{kind}_OPTIONS"] = ":".join(filter(None, [more, f"log_path={report}"]))
    # what fuse_session_mount has is freed by fuse_session_unmount, and that is left out when somebody
    # else has unmounted, or nobody is to wait for it
    suppressions = os.path.join(folder, "lsan")
    write_file(suppressions, b"leak:fuse_session_mount\n")
    os.environ["LSAN_OPTIONS"] = f"suppressions={suppressions}:print_suppressions=0"
    # a shell's background job ignores SIGINT, and so would all that a test starts
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    function, _, mounts, long_only = TESTS[name]
    bench = Bench(folder)
    result = 0
    try:
        if long_only and not LONG:
            raise Skip("takes long: tests/run.sh --long")
        if mounts:
            need_fuse()
        function(bench)
        bench.clean_up()
        bench.check_log()
        bench.check_sanitizers()
    except Skip as e:
        print(f"skipped: {e}")
        result = 77
    except BaseException as e:  # noqa: BLE001: whatever it is, it is this test's failure
        result = 1
        import traceback
        where = traceback.extract_tb(e.__traceback__)
        ours = [f for f in where if not f.filename.endswith("harness.py")]
        if ours:
            print(f"at {os.path.basename(ours[-1].filename)}:{ours[-1].lineno}: {ours[-1].line}")
        print(f"{type(e).__name__}: {e}" if not isinstance(e, Failure) else f"{e}")
        if e.__cause__:
            print(f"    {e.__cause__}")
        if not isinstance(e, (Failure, OSError)):
            traceback.print_exc(file=sys.stdout)
    if result:
        try:
            bench.clean_up()
        except BaseException as e:  # noqa: BLE001
            print(f"    besides: {e}")
    sys.stdout.flush()
    return result


def need_fuse():
    if not os.path.exists("/dev/fuse"):
        raise Skip("there is no /dev/fuse")
    if not shutil.which("fusermount3"):
        raise Skip("there is no fusermount3")
    if os.getuid() == 0:
        with open("/proc/self/status") as f:
            effective = int(re.search(r"CapEff:\s*(\w+)", f.read())[1], 16)
        if not effective & (1 << 21):
            raise Skip("root without CAP_SYS_ADMIN cannot mount here")


def need_root():
    if os.getuid() != 0:
        raise Skip("needs root")


def need_program(name):
    if not shutil.which(name):
        raise Skip(f"needs {name}")
