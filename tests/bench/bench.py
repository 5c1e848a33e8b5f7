#!/usr/bin/env python3
"""bench.py - the same work on the host's plain file system, on memfs, and on rsmfs, as ratios.

  bench.py MEMFS RSMFS RSM         (meson test --benchmark gives these)

BENCH_SCALE=0.1: a tenth of the work; BENCH_ROUNDS=1: so many rounds (3), of which medians are shown.

All in one run, for only then do ratios mean something. memfs (memfs.c) is the least that a FUSE file
system can do with rsmfs' settings: the ceiling that FUSE itself sets on this machine. Caches are
dropped where the work is to be cold, if we are root; the last line says if not. Memory is touched
before each work, since a virtual machine may have to ask its host for every page that it has not used
for a while, which takes longer than anything that is measured here.
"""
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

SCALE = float(os.environ.get("BENCH_SCALE") or 1)
ROUNDS = int(os.environ.get("BENCH_ROUNDS") or 3)
MIB = max(int(2048 * SCALE), 8)
FOLDERS = max(int(1000 * SCALE), 5)
PER_FOLDER = 100
KINDS = ("plain", "memfs", "rsmfs")


def run(*argv, **how):
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL, **how)


def drop_caches():
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3\n")
        return True
    except OSError:
        return False


def touch_memory():
    with open("/proc/meminfo") as f:
        available = next(int(line.split()[1]) for line in f if line.startswith("MemFree")) >> 10
    mib = min(3 * MIB + 512, available * 7 // 10)
    subprocess.run([sys.executable, "-c", f"b = bytearray({mib} << 20)\nb[::4096] = b'x' * ({mib} << 8)"], check=False)


class Plain:
    """A folder of the host's file system."""

    def __init__(self, base):
        self.base = self.tape = os.path.join(base, "plain")
        os.mkdir(self.base)

    def make_cartridge(self, name):
        os.mkdir(f"{self.base}/{name}")
        os.rmdir(f"{self.base}/{name}")

    def sync(self):
        fd = os.open(self.base, os.O_RDONLY)
        subprocess.run(["sync", "-f", self.base], check=True)
        os.close(fd)

    def remount(self):
        drop_caches()

    def end(self):
        pass


class Memfs(Plain):
    def __init__(self, base, program, *disk):
        self.program = program
        self.base = self.tape = os.path.join(base, "memfs" + ("-disk" if disk else ""))
        os.mkdir(self.base)
        self.process = subprocess.Popen([program, self.base, *disk])
        end = time.monotonic() + 10
        while not os.path.ismount(self.base):
            if time.monotonic() > end or self.process.poll() is not None:
                sys.exit("memfs did not mount")
            time.sleep(0.02)

    def sync(self):
        pass

    def end(self):
        run("fusermount3", "-u", self.base)
        self.process.wait(60)


class Rsmfs(Plain):
    def __init__(self, base, program, tool):
        self.program, self.tool = program, tool
        self.library, self.point = os.path.join(base, "library"), os.path.join(base, "rsmfs")
        os.mkdir(self.point)
        self.mount()
        self.base = os.path.join(self.point, "P")
        self.tape = os.path.join(self.base, "c")
        os.mkdir(self.base)
        os.mkdir(self.tape)

    def mount(self):
        run(self.program, self.library, self.point)

    def sync(self):
        run(self.tool, "-m", self.point, "sync")

    def remount(self):
        self.end()
        drop_caches()
        self.mount()

    def end(self):
        run("fusermount3", "-u", self.point)
        run(self.tool, "wait", self.library)


def timed(work):
    touch_memory()
    began = time.monotonic()
    work()
    return time.monotonic() - began


def make_inputs(base):
    data = os.urandom(1 << 20)
    with open(f"{base}/big", "wb") as f:
        for i in range(MIB):
            f.write(i.to_bytes(8, "big") + data[8:])
    tree = f"{base}/tree"
    for d in range(FOLDERS):
        os.makedirs(f"{tree}/d{d:04}")
        for i in range(PER_FOLDER):
            with open(f"{tree}/d{d:04}/f{i:03}", "wb") as f:
                f.write(data[i * 1024:(i + 1) * 1024])
    run("tar", "-C", base, "-cf", f"{base}/tree.tar", "tree")
    shutil.rmtree(tree)


def read_through(fs):
    """What FUSE takes for the data of a cold file: memfs has its data in memory."""
    run("cp", f"{fs.tape}/big", f"{fs.base}.data")
    through = Memfs(os.path.dirname(fs.base), fs.program, f"{fs.base}.data")
    try:
        with open(f"{through.tape}/big", "wb") as f:
            f.truncate(os.path.getsize(f"{fs.base}.data"))
        drop_caches()
        return timed(lambda: run("cat", f"{through.tape}/big"))
    finally:
        through.end()
        os.unlink(f"{fs.base}.data")


def measure(fs, base, row):
    tape = fs.tape
    run("cat", f"{base}/big", f"{base}/tree.tar")  # the inputs are warm for everybody

    def copy_and_sync():
        began = time.monotonic()
        run("cp", f"{base}/big", f"{tape}/big")
        row("cp in, to the end of cp", time.monotonic() - began)
        fs.sync()

    row("cp in, to the end of sync", timed(copy_and_sync))
    fs.remount()
    cold_s = timed(lambda: run("cat", f"{tape}/big"))
    row("cold read back", cold_s)
    row("the same, memfs from a file", read_through(fs) if isinstance(fs, Memfs) else cold_s)
    run("rm", f"{tape}/big")
    row("untar of small files", timed(lambda: run("tar", "-C", tape, "-xf", f"{base}/tree.tar")))
    fs.sync()
    fs.remount()
    for name, argv in (("find", ["find", f"{tape}/tree"]), ("ls -lR", ["ls", "-lR", f"{tape}/tree"])):
        if name == "ls -lR":
            fs.remount()
        row(f"{name}, first", timed(lambda a=argv: run(*a)))
        row(f"{name}, second", timed(lambda a=argv: run(*a)))
    rounds = 50
    row("mkdir to rmdir of a cartridge",
        timed(lambda: [fs.make_cartridge(f"x{i}") for i in range(rounds)]) / rounds)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    memfs, rsmfs, rsm = (os.path.abspath(a) for a in sys.argv[1:])
    base = tempfile.mkdtemp(prefix="rsm-bench.", dir=os.environ.get("BENCH_DIR"))
    results = {}
    cold = drop_caches()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    try:
        make_inputs(base)
        for turn in range(ROUNDS):
            place = os.path.join(base, f"round{turn}")
            os.mkdir(place)
            for kind in KINDS:
                fs = {"plain": lambda: Plain(place), "memfs": lambda: Memfs(place, memfs),
                      "rsmfs": lambda: Rsmfs(place, rsmfs, rsm)}[kind]()
                print(f"... round {turn + 1} of {ROUNDS}, {kind}", file=sys.stderr, flush=True)

                def row(what, seconds, k=kind):
                    print(f"      {what}: {seconds:.3f}", file=sys.stderr, flush=True)
                    results.setdefault(what, {}).setdefault(k, []).append(seconds)

                try:
                    measure(fs, base, row)
                finally:
                    fs.end()
            shutil.rmtree(place)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{MIB} MiB in one file, {FOLDERS * PER_FOLDER} files of 1 KiB in {FOLDERS} folders; seconds, "
          f"medians of {ROUNDS}")
    print(f"{'':32}{'plain':>9}{'memfs':>9}{'rsmfs':>9}{'rsmfs/plain':>13}{'rsmfs/memfs':>13}")
    for what in sorted(results, key=list(results).index):
        plain, mem, own = (statistics.median(results[what].get(k) or [float("nan")]) for k in KINDS)
        print(f"{what:32}{plain:9.3f}{mem:9.3f}{own:9.3f}{own / plain:13.2f}{own / mem:13.2f}")
    if not cold:
        print("caches were not dropped (not root): what is called cold and first was warm on plain")


main()
