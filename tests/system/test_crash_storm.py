"""What is never lost (contract 6), with everything at once: copies by cp, tar and rsync, renames,
deletions, allocations and dismounts, and a kill -9 at a random instant: in the middle of work, while
it starts, while it ends."""
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

from harness import (LONG, PATIENCE, RSMFS, SEED, Failure, alive, cartridge_folder, expect, is_mounted,
                     places, random_bytes, read_file, rsm_xattr, source_tree, test, tree_lines,
                     wait_until, write_file)

CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ltfs_check.py")


class Work(threading.Thread):
    """Does random things in one cartridge until told to stop or the mount goes.

    files: path -> (seed, length), of what was closed; trees: path -> source, of what cp, tar or rsync
    finished; unsure: what a rename or a deletion was under way for.
    """

    def __init__(self, bench, folder, label, seed, sources):
        super().__init__(daemon=True)
        self.bench, self.folder, self.label = bench, folder, label
        self.rng, self.sources = random.Random(seed), sources
        self.files, self.trees, self.unsure = {}, {}, {}
        self.stopping, self.error, self.count = False, None, 0

    def run(self):
        try:
            while not self.stopping:
                self.count += 1
                self.rng.choice([self.small, self.small, self.small, self.burst, self.large, self.copy,
                                 self.patch, self.rename, self.delete])()
        except OSError as e:
            self.error = e

    def name(self):
        return f"{self.folder}/{self.label}-{self.count}"

    def put(self, path, length):
        seed = f"{SEED}-{os.path.basename(path)}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            data = memoryview(random_bytes(length, seed))
            step = self.rng.choice([4096, 100_001, 1 << 20])
            while data:
                data = data[os.write(fd, data[:step]):]
        finally:
            os.close(fd)
        self.files[path] = (seed, length, None)

    def small(self):
        self.put(self.name(), self.rng.choice([0, 1, 511, 4096, 5000, 70_000]))

    def burst(self):
        folder = self.name()
        os.mkdir(folder)
        for i in range(self.rng.randrange(1, 40)):
            self.put(f"{folder}/{self.label}-{self.count}.{i}", self.rng.randrange(3000))

    def large(self):
        self.put(self.name(), self.rng.randrange(1 << 20, 9 << 20))

    def copy(self):
        """By a program; counts as a whole when it ended well."""
        source, target = self.rng.choice(self.sources), self.name()
        argv = self.rng.choice([["cp", "-a", source, target],
                                ["sh", "-c", f"mkdir '{target}' && tar -C '{source}' --format=posix -cf - . | "
                                             f"tar -C '{target}' -xf -"],
                                ["rsync", "-a", f"{source}/", target]])
        if argv[0] == "rsync" and not shutil.which("rsync"):
            argv = ["cp", "-a", source, target]
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
        if result.returncode == 0:
            self.trees[target] = source
        elif alive(self.bench.storm_pid):
            time.sleep(0.2)
            if alive(self.bench.storm_pid):
                self.bench.storm_failures.append(f"{argv}: {result.stderr[-500:]}")

    def patch(self):
        """Changes a closed file in its middle: before or behind, never between, once it is closed."""
        if not self.files:
            return
        path = self.rng.choice(list(self.files))
        seed, length, patch = self.files[path]
        if length < 2000 or patch:
            return
        at = self.rng.randrange(length - 1000)
        self.unsure[path] = self.files.pop(path)
        fd = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(fd, b"P" * 1000, at)
        finally:
            os.close(fd)
        del self.unsure[path]
        self.files[path] = (seed, length, at)

    def rename(self):
        if not self.files:
            return
        path = self.rng.choice(list(self.files))
        target = self.name()
        entry = self.files.pop(path)
        self.unsure[path] = self.unsure[target] = entry
        os.rename(path, target)
        del self.unsure[path], self.unsure[target]
        self.files[target] = entry

    def delete(self):
        if not self.files or self.rng.random() < 0.5:
            return
        path = self.rng.choice(list(self.files))
        self.unsure[path] = self.files.pop(path)
        os.unlink(path)
        del self.unsure[path]
        self.bench.storm_gone.add(path)


def contents(entry):
    seed, length, patch = entry
    data = random_bytes(length, seed)
    return data if patch is None else data[:patch] + b"P" * 1000 + data[patch + 1000:]


def check_files(files, where):
    for path, entry in files.items():
        expect(os.path.exists(path), f"{where}: {path} was closed and is gone", entry)
        data = read_file(path)
        expect(data == contents(entry), f"{where}: {path} was closed and differs now "
                                        f"(length {len(data)}, was {entry[1]})", entry)


def check_trees(trees, where):
    for path, source in trees.items():
        result = subprocess.run(["diff", "-r", "--no-dereference", source, path], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        expect(result.returncode == 0, f"{where}: {path} was copied and differs", result.stdout[:2000])
        a, b = tree_lines(source, xattrs=False), tree_lines(path, xattrs=False)
        expect(a == b, f"{where}: {path} differs in more than bytes",
               *[f"- {x}\n    + {y}" for x, y in zip(a, b) if x != y][:4])


def old_links(root):
    """rsync takes times of the same second as equal: links of now would keep their own."""
    for folder, folders, files in os.walk(root):
        for name in files + folders:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                os.utime(path, ns=(10**18, 10**18 + 123456789), follow_symlinks=False)
        times = os.stat(folder)
        os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))


def kill_while_starting(bench, rng, library):
    """Starts rsmfs on the dead mount and kills it at once; nobody knows how far it came."""
    process = subprocess.Popen([RSMFS, library, bench.point, "-f", "-o",
                                f"{bench.default_options},log={bench.log}"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(rng.uniform(0, 0.25))
    process.kill()
    process.wait()
    bench.note("killed while starting")


def disturb(bench, rng, mount, stop):
    """Meanwhile: syncs, dismounts, allocations, inventories."""
    count = 0
    while not stop.is_set():
        count += 1
        what = rng.choice(["sync", "dismount", "allocate", "rename", "nothing", "view"])
        argv = {"sync": ["sync", f"P/{rng.choice('ab')}"], "dismount": ["dismount", f"P/{rng.choice('ab')}"],
                "view": ["view"]}.get(what)
        try:
            if argv:
                bench.run(*([bench_rsm(), "-m", mount.point] + argv), check=False, timeout=60)
            elif what == "allocate":
                path = mount / f"Q/n{rng.randrange(1 << 30)}"
                os.mkdir(path)
                bench.storm_allocated.add(path)
                if len(bench.storm_allocated) > 4:
                    gone = bench.storm_allocated.pop()
                    os.rmdir(gone)
            elif what == "rename" and bench.storm_allocated:
                path = bench.storm_allocated.pop()
                os.rename(path, path + "r")
                bench.storm_allocated.add(path + "r")
        except OSError:
            pass
        stop.wait(rng.uniform(0.05, 0.6))


def bench_rsm():
    from harness import RSM
    return RSM


@test(timeout=5400 if LONG else 400)
def crash_storm(bench):
    """kill -9 at random instants of everything: what was closed is there, after each and in the end."""
    rounds = int(os.environ.get("RSM_ROUNDS") or (100 if LONG else 7))
    rng = random.Random(SEED)
    sources = []
    for i, files in enumerate((15, 60, 200)):
        sources.append(bench.path(f"source{i}"))
        source_tree(sources[-1], files, SEED + i)
        old_links(sources[-1])
    library = bench.library()
    bench.storm_failures, bench.storm_allocated, bench.storm_gone = [], set(), set()
    files, trees, deleted = {}, {}, set()
    bench.default_options = "dismount_delay=0,migrate_delay=20,label_delay=0,index_interval=1"
    mount = bench.mount(library)
    for folder in ("P/a", "P/b", "Q"):
        os.makedirs(mount / folder)
    kinds = {"work": 0, "start": 0, "end": 0, "term": 0}
    for i in range(rounds):
        bench.storm_pid = mount.pid
        workers = [Work(bench, mount / f"P/{c}", f"{c}{n}-{i}", rng.random(), sources)
                   for c in "ab" for n in range(2)]
        for w in workers:  # so that later rounds change what earlier ones wrote
            mine = [p for p in files if p.startswith(w.folder + "/") and
                    hash((p, i)) % 2 == int(w.label[1])][:20]
            for p in mine:
                w.files[p] = files.pop(p)
        stop = threading.Event()
        other = threading.Thread(target=disturb, args=(bench, random.Random(rng.random()), mount, stop),
                                 daemon=True)
        for w in workers:
            w.start()
        other.start()
        time.sleep(rng.choice([rng.uniform(0.02, 0.4), rng.uniform(0.2, 2.5)]))
        kind = rng.choices(["work", "start", "end", "term"], [6, 2, 2, 1])[0]
        kinds[kind] += 1
        if kind == "end":
            for w in workers:
                w.stopping = True
            stop.set()
            for w in workers:
                w.join(60 * PATIENCE)
            other.join(60 * PATIENCE)
            bench.run("fusermount3", "-u", mount.point, check=False)
            time.sleep(rng.uniform(0, 0.7))
        elif kind == "term":
            bench.storm_pid = 0  # from here programs may fail: the mount goes, the process stays a while
            mount.signal(signal.SIGTERM)
            time.sleep(rng.uniform(0, 0.7))
        try:
            mount.kill()
        except ProcessLookupError:
            pass
        stop.set()
        unsure = {}
        recent, recent_trees = {}, {}
        for w in workers:
            w.join(60 * PATIENCE)
            expect(not w.is_alive(), f"a writer hangs on a dead mount (round {i}, {kind})")
            if kind != "end" and w.error is None:
                pass
            recent.update(w.files)
            recent_trees.update(w.trees)
            unsure.update(w.unsure)
        other.join(60 * PATIENCE)
        expect(not bench.storm_failures, "a program failed while rsmfs was alive", *bench.storm_failures)
        if kind == "start":
            for _ in range(rng.randrange(1, 4)):
                kill_while_starting(bench, rng, library)
        mount = bench.mount(library)
        where = f"round {i} ({kind})"
        try:
            check_files(recent, where)
            check_trees(recent_trees, where)
            for path, entry in unsure.items():
                if os.path.exists(path):  # an unfinished rename or deletion: either, but never a wrong one
                    data = read_file(path)
                    expect(len(data) == entry[1], f"{where}: {path} has another length: {len(data)}", entry)
            for path in list(bench.storm_allocated):
                expect(os.path.isdir(path), f"{where}: {path} was allocated and is gone")
            for path in bench.storm_gone:
                expect(not os.path.exists(path), f"{where}: {path} was deleted and is there again")
        except Failure:
            bench.note(f"{where}: mounted for the check as {mount.pid}")
            raise
        files.update(recent)
        trees.update(recent_trees)
        # keeps the whole small enough
        for path in rng.sample(sorted(trees), max(0, len(trees) - 6)):
            shutil.rmtree(path)
            del trees[path]
            deleted.add(path)
        for path in rng.sample(sorted(files), max(0, len(files) - 500)):
            os.unlink(path)
            del files[path]
            deleted.add(path)
        if LONG or i % 10 == 9:
            print(f"{time.strftime('%H:%M:%S')} round {i} ({kind}): {len(files)} files, {len(trees)} trees", file=sys.stderr, flush=True)
    check_files(files, "after all rounds")
    mount.rsm("sync", timeout=600)
    barcodes = {c: rsm_xattr(mount / f"P/{c}", "barcode") for c in "ab"}
    mount.unmount()
    expect(all(not p.startswith("drives/") for p in places(library).values()), "a drive is still loaded")
    for barcode in barcodes.values():
        bench.run(sys.executable, CHECK, cartridge_folder(library, barcode), timeout=300)
    shutil.rmtree(f"{library}/catalog")
    shutil.rmtree(f"{library}/staging")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full", timeout=300)
    wait_until("the cartridges are in their pool again",
               lambda: all(os.path.isdir(mount / f"P/{c}") for c in "ab"), 60)
    check_files(files, "without catalogue and staging")
    check_trees(trees, "without catalogue and staging")
    for path in deleted | bench.storm_gone:
        expect(not os.path.exists(path), f"{path} was deleted and is there again")
    print(f"{rounds} kills ({kinds}), {len(files)} files and {len(trees)} trees all there")


@test(timeout=200)
def kill_nine_while_ending(bench):
    """Killed while it starts or ends, with programs writing: they get an error, and wait for nobody."""
    rng = random.Random(SEED)
    library = bench.library(cartridges=2)
    bench.default_options = "dismount_delay=0,migrate_delay=20,label_delay=0"
    for i in range(60 if LONG else 15):
        mount = bench.mount(library)
        os.makedirs(mount / "P/c", exist_ok=True)
        writers = [subprocess.Popen(["sh", "-c", f"i=0; while echo {i} >{mount.point}/P/c/{k}-$i; do "
                                                 "i=$(((i + 1) % 100)); done"], stderr=subprocess.DEVNULL)
                   for k in range(3)]
        time.sleep(rng.uniform(0, 0.3))
        if rng.random() < 0.8:
            mount.signal(signal.SIGTERM)
            time.sleep(rng.uniform(0, 0.05))
        try:
            mount.kill()
        except ProcessLookupError:
            pass
        for writer in writers:
            try:
                writer.wait(20 * PATIENCE)
            except subprocess.TimeoutExpired:
                raise Failure(f"a writer hangs on a dead mount (round {i})") from None
    mount = bench.mount(library)
    expect(os.listdir(mount / "P/c"), "nothing was written at all?")
