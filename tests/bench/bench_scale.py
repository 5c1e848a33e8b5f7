#!/usr/bin/env python3
"""bench_scale.py - how long things take with 100,000 cartridges in the catalogue.

  bench_scale.py RSMFS RSM         (meson test --benchmark gives these)

BENCH_SCALE=0.1: a tenth of the cartridges. Two libraries of one mount with 30,000 slots each, the rest
off-line; 10,000 are in one pool. Figures are printed beside what they are to stay below. What is cold
(after caches were dropped) is shown as well and depends on the disk above all.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))
import large_catalogue  # noqa: E402

SCALE = float(os.environ.get("BENCH_SCALE") or 1)
SLOTS = max(int(30000 * SCALE), 300)
IN_POOL = max(int(10000 * SCALE), 50)
OFFLINE = max(int(40000 * SCALE), 100)
REAL = 50
RSMFS, RSM = sys.argv[1:3]


def timed(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def run(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def show(what, seconds, limit=None):
    limit_words = f"   (at most {limit * 1000:.0f} ms)" if limit else ""
    print(f"{what:46} {seconds * 1000:10.1f} ms{limit_words}", flush=True)


def drop_caches():
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3\n")
        return True
    except OSError:
        return False


class Bench:
    def __init__(self, base):
        self.point = os.path.join(base, "mnt")
        self.libraries = [os.path.join(base, name) for name in ("first", "second")]
        os.mkdir(self.point)

    def mount(self):
        run(RSMFS, self.libraries[0], self.point, "-o", f"library={self.libraries[1]},log=/dev/null")

    def unmount(self):
        while subprocess.run(["fusermount3", "-u", self.point], stderr=subprocess.DEVNULL).returncode:
            time.sleep(0.2)
        run(RSM, "wait", self.libraries[0])

    def make(self):
        for library in self.libraries:
            run(RSM, "library", "create", library, "--drives", "2", "--slots", str(SLOTS), "--ports", "4",
                "--cartridges", str(REAL))
        # two cartridges of one barcode would be one another's twins
        for slot in os.listdir(os.path.join(self.libraries[1], "slots")):
            for name in os.listdir(os.path.join(self.libraries[1], "slots", slot)):
                shutil.rmtree(os.path.join(self.libraries[1], "slots", slot, name))
        self.mount()
        for pool in ("Big", "Archive"):
            os.mkdir(os.path.join(self.point, pool))
        while len(os.listdir(os.path.join(self.point, "Free", large_catalogue.TYPE))) < REAL:
            time.sleep(0.1)
        self.unmount()
        large_catalogue.fill(self.libraries, in_library=SLOTS - REAL - 1, offline=OFFLINE,
                             allocated=IN_POOL, real=REAL)

    def allocate(self, number):
        return timed(lambda: os.mkdir(os.path.join(self.point, "Archive", f"new{number}")))

    def first_line(self, *options):
        began = time.perf_counter()
        process = subprocess.Popen([RSM, "-m", self.point, "view", "media", *options],
                                   stdout=subprocess.PIPE)
        process.stdout.readline()
        taken = time.perf_counter() - began
        process.stdout.close()
        process.kill()
        process.wait()
        return taken

    def view(self, *options):
        """How long a whole view takes, and the most memory of the program that shows it, in MiB."""
        began = time.perf_counter()
        process = subprocess.Popen([RSM, "-m", self.point, "view", "media", *options],
                                   stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"rsm view media {' '.join(options)}: exit code {process.returncode}")
        return time.perf_counter() - began, usage.ru_maxrss // 1024

    def memory(self):
        """The most that rsmfs has had, in MiB."""
        with open(f"/proc/{self.pid()}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) // 1024

    def restart(self):
        """The whole of it: a clean end, awaited, and a start."""
        return timed(self.unmount) + timed(self.mount)

    def forget_slots(self):
        """As before the first start: nothing is remembered of what the slots hold."""
        for library in self.libraries:
            os.remove(os.path.join(library, ".elements"))

    def measure(self):
        print(f"{2 * SLOTS + OFFLINE:,} cartridges, of which {IN_POOL:,} in one pool")
        cold = ", caches dropped" if drop_caches() else ""
        show("first mount, slots looked into" + cold, timed(self.mount))
        self.unmount()
        drop_caches()
        show("mount" + cold, timed(self.mount), 2)
        self.unmount()
        self.forget_slots()
        show("mount, slots looked into", timed(self.mount), 2)
        self.unmount()
        show("mount", statistics.median(self.remount() for _ in range(3)), 2)
        show("restart (unmount, wait, mount)", statistics.median(self.restart() for _ in range(3)))
        pool = os.path.join(self.point, "Big")
        show(f"ls of a pool of {IN_POOL:,}", statistics.median(timed(lambda: run("ls", pool))
                                                            for _ in range(5)), 0.2)
        show("ls -l of it", timed(lambda: run("ls", "-l", pool)))
        show("df of the mount", timed(lambda: run("df", self.point)))
        show("allocate, median of 20", statistics.median(self.allocate(i) for i in range(20)), 0.005)
        show("rsm view media, first line", self.first_line())
        show("rsm view media --json, first line", self.first_line("--json"))
        for options in ([], ["--json"]):
            seconds, most = self.view(*options)
            words = " ".join(["rsm view media", *options])
            show(words, seconds)
            print(f"{'    its memory at most':46} {most:10} MiB")
        show("rsm view media of the pool", timed(lambda: run(RSM, "-m", self.point, "view", "media", "Big")))
        show("rsm sync with nothing to do", timed(lambda: run(RSM, "-m", self.point, "sync", "Big")))
        for library in self.libraries:
            show(f"rsm inventory --fast, {SLOTS:,} slots",
                 timed(lambda: run(RSM, "-m", self.point, "inventory", library, "--fast")))
        print(f"{'most memory of rsmfs':46} {self.memory():10} MiB")

    def pid(self):
        with open(os.path.join(self.libraries[0], ".rsmfs.lock")) as f:
            return int(f.readline().split()[1])

    def remount(self):
        taken = timed(self.mount)
        if not hasattr(self, "mounts"):
            self.mounts = 0
        self.mounts += 1
        if self.mounts < 3:
            self.unmount()
        return taken


def main():
    base = tempfile.mkdtemp(prefix="rsm-bench-scale.")
    bench = Bench(base)
    try:
        bench.make()
        bench.measure()
        bench.unmount()
    finally:
        subprocess.run(["umount", "-l", bench.point], stderr=subprocess.DEVNULL)
        shutil.rmtree(base, ignore_errors=True)


main()
