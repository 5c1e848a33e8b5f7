"""Many programs at once on few drives: nothing is lost, nothing is there twice.

Each program allocates, writes, reads, renames and deallocates at random, and keeps a ledger of what it
was told is done. A second reader (second_reader.py) looks at the catalogue and at the library's
folders while they run. At the end the ledgers, the mount, the catalogue and the media have to agree:
at once, after another mount, and after the catalogue was lost and made anew from the media. RSM_LONG=1: 200 programs for ten minutes
(RSM_STORM_PROGRAMS, RSM_STORM_SECONDS: as many as that, as long as that).
"""
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback

from harness import LONG, PATIENCE, RSM, SEED, alive, expect, read_file, rsm_xattr, test, wait_until

PROGRAMS = int(os.environ.get("RSM_STORM_PROGRAMS") or (200 if LONG else 24))
SECONDS = int(os.environ.get("RSM_STORM_SECONDS") or (600 if LONG else 10))
CARTRIDGES = 160 if LONG else 28
DRIVES = 4
FILES = 30  # on one cartridge, deleted ones included: its room does not come back


class Program:
    """One of them, in its own process."""

    def __init__(self, pool, number, ledger, end):
        self.pool, self.number, self.end = pool, number, end
        self.rng = random.Random(SEED * 1000 + number)
        self.ledger = open(ledger, "w")
        self.cartridges = {}  # name -> {file: sha256}
        self.written = {}     # name -> how many files it got
        self.last = 0

    def note(self, *words):
        """What is noted was done: it must be so from now on, whoever dies."""
        self.ledger.write(json.dumps(words) + "\n")
        self.ledger.flush()

    def new_name(self):
        self.last += 1
        return f"p{self.number}-{self.last}"

    def path(self, *names):
        return os.path.join(self.pool, *names)

    def allocate(self):
        name = self.new_name()
        try:
            os.mkdir(self.path(name))
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise
            time.sleep(0.05)
            return
        self.cartridges[name], self.written[name] = {}, 0
        self.note("allocated", name, rsm_xattr(self.path(name), "lmid"),
                  rsm_xattr(self.path(name), "barcode"))

    def write(self, name):
        if self.written[name] >= FILES:
            return self.deallocate(name)
        files = self.cartridges[name]
        again = files and self.rng.random() < 0.2
        file = self.rng.choice(sorted(files)) if again else self.new_name()
        data = self.rng.randbytes(self.rng.choice([0, 10, 5000, 70000, 300000]))
        self.written[name] += 1
        if again:
            self.note("gone", name, file)
        with open(self.path(name, file), "wb") as f:
            f.write(data)
        files[file] = hashlib.sha256(data).hexdigest()
        self.note("written", name, file, files[file])

    def read(self, name):
        if not self.cartridges[name]:
            return
        file = self.rng.choice(sorted(self.cartridges[name]))
        found = hashlib.sha256(read_file(self.path(name, file))).hexdigest()
        assert found == self.cartridges[name][file], f"{name}/{file} has other bytes than were written"

    def rename_file(self, name):
        files = self.cartridges[name]
        if not files:
            return
        old, new = self.rng.choice(sorted(files)), self.new_name()
        self.note("gone", name, old)
        os.rename(self.path(name, old), self.path(name, new))
        files[new] = files.pop(old)
        self.note("written", name, new, files[new])

    def rename(self, name):
        new = self.new_name()
        self.note("moving", name, new)
        os.rename(self.path(name), self.path(new))
        self.cartridges[new] = self.cartridges.pop(name)
        self.written[new] = self.written.pop(name)
        self.note("moved", name, new)

    def deallocate(self, name):
        self.note("deallocating", name)
        for file in list(self.cartridges[name]):
            os.unlink(self.path(name, file))
        while True:  # a transfer that is under way is a reason
            try:
                os.rmdir(self.path(name))
                break
            except OSError as e:
                if e.errno != errno.EBUSY:
                    raise
                time.sleep(0.05)
        del self.cartridges[name], self.written[name]
        self.note("deallocated", name)

    def step(self):
        if not self.cartridges:
            return self.allocate()
        name = self.rng.choice(sorted(self.cartridges))
        work = self.rng.choices(
            [self.allocate, self.write, self.read, self.rename_file, self.rename, self.deallocate],
            [1 if len(self.cartridges) < 2 else 0, 10, 6, 3, 1, 1])[0]
        return work() if work == self.allocate else work(name)

    def run(self):
        while time.monotonic() < self.end:
            self.step()
            time.sleep(self.rng.random() * 0.02)


def start(bench, pool, number, end):
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        Program(pool, number, bench.path(f"ledger{number}"), end).run()
        code = 0
    except BaseException:  # noqa: BLE001: whatever it is, the parent tells it
        with open(bench.path(f"trouble{number}"), "w") as f:
            traceback.print_exc(file=f)
    finally:
        os._exit(code)


class SecondReader:
    """second_reader.py, which looks at the catalogue and the folders while all this goes on."""

    PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "second_reader.py")

    def __init__(self, bench, library, count):
        self.bench, self.library, self.count = bench, library, count
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, self.PATH, "watch", self.library, str(self.count)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def check(self):
        expect(self.process.poll() is None, "the second reader found", self.process.communicate()[1]
               if self.process.poll() is not None else "")

    def end(self):
        """How often it has looked."""
        looks, words = self.process.communicate(timeout=120 * PATIENCE)
        expect(self.process.returncode == 0, "the second reader found", words)
        return int(looks)

    def rest(self):
        """What the media hold, when rsmfs has ended."""
        return json.loads(self.bench.run(sys.executable, self.PATH, "rest", self.library, self.count,
                                         timeout=600).stdout)

    def events(self, path):
        return json.loads(self.bench.run(sys.executable, self.PATH, "events", path).stdout)


class Truth:
    """What all ledgers say: what must be there, what may be there."""

    def __init__(self, bench):
        self.must = {}          # name -> {file: sha256}
        self.lmids = []
        self.given_back = set()
        self.writes = 0
        self.lmid_of = {}       # name -> lmid, of those that must be there
        for number in range(PROGRAMS):
            with open(bench.path(f"ledger{number}")) as f:
                for line in f:
                    self.take(*json.loads(line))

    def take(self, what, name, *rest):
        if what == "allocated":
            self.must[name] = {}
            self.lmids.append(rest[0])
            self.lmid_of[name] = rest[0]
        elif what == "written":
            self.must[name][rest[0]] = rest[1]
            self.writes += 1
        elif what == "gone":
            self.must[name].pop(rest[0])
        elif what == "deallocating":
            del self.must[name]
            self.lmid_of.pop(name)
            self.given_back.add(name)
        elif what == "moved":
            self.given_back.add(name)
            self.must[rest[0]] = self.must.pop(name)
            self.lmid_of[rest[0]] = self.lmid_of.pop(name)

    def check_names(self, found, when, others=()):
        """others: what may be there as well."""
        wrong = [n for n in found ^ set(self.must) if n in self.must or n not in others]
        expect(not wrong, f"{when}: the pool has other cartridges", *wrong[:10])

    def check_media(self, held, when, others=()):
        """What another reader of LTFS found on them."""
        found = {name.removeprefix("Storm/"): one for name, one in held.items()}
        self.check_names(set(found), when, others)
        for name, files in self.must.items():
            expect(found[name]["lmid"] == self.lmid_of[name], f"{when}: {name} has another LMID")
            expect(found[name]["files"] == files, f"{when}: {name} holds other files than were written",
                   set(found[name]["files"].items()) ^ set(files.items()))

    def check(self, mount, when, others=()):
        pool = mount / "Storm"
        self.check_names(set(os.listdir(pool)), when, others)
        for name, files in sorted(self.must.items()):
            expect(rsm_xattr(os.path.join(pool, name), "lmid") == self.lmid_of[name],
                   f"{when}: {name} has another LMID than it was allocated with")
            there = set(os.listdir(os.path.join(pool, name)))
            expect(there == set(files), f"{when}: {name} holds other names", there ^ set(files))
            for file, digest in files.items():
                data = read_file(os.path.join(pool, name, file))
                expect(hashlib.sha256(data).hexdigest() == digest,
                       f"{when}: {name}/{file} has other bytes than were written")


def troubles(bench):
    return [read_file(bench.path(n)).decode()[-1500:]
            for n in sorted(os.listdir(bench.folder)) if n.startswith("trouble")]


def watch(bench, reader, pids, until):
    """Until all have ended; who has not `until` then hangs."""
    left = dict.fromkeys(pids)
    while left:
        for pid in list(left):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del left[pid]
        expect(not troubles(bench), "a program met what it must not", *troubles(bench)[:2])
        if time.monotonic() > until:
            stuck = sorted(left)
            for pid in stuck:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"{len(stuck)} programs hang: {stuck[:10]}")
        reader.check()
        time.sleep(0.1)


def follow(bench, mount):
    """All that happens from now on, to a file."""
    bench.note("rsm events --follow > events")
    process = subprocess.Popen([RSM, "-m", mount.point, "events", "--follow"], stdin=subprocess.DEVNULL,
                               stdout=open(bench.path("events"), "w"), stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    return process


def given_storm(bench):
    library = bench.library(drives=DRIVES, slots=CARTRIDGES + 4, ports=2, cartridges=CARTRIDGES,
                            capacity="60M")
    mount = bench.mount(library)
    os.mkdir(mount / "Storm")
    wait_until("all are in Free", lambda: len(os.listdir(mount / "Free/LTO-8")) == CARTRIDGES)
    return library, mount


def lose_the_catalogue(bench, library):
    shutil.rmtree(f"{library}/catalog")
    mount = bench.mount(library)
    mount.rsm("inventory", "--full", timeout=600)
    return mount


@test(timeout=SECONDS + (1800 if LONG else 140))
def a_storm_of_programs_loses_nothing_and_doubles_nothing(bench):
    library, mount = given_storm(bench)
    reader = SecondReader(bench, library, CARTRIDGES + 1)  # and the cleaning cartridge
    reader.start()
    follower = follow(bench, mount)
    end = time.monotonic() + SECONDS

    watch(bench, reader, [start(bench, mount / "Storm", i, end) for i in range(PROGRAMS)],
          end + (600 if LONG else 120) * PATIENCE)

    truth = Truth(bench)
    expect(len(set(truth.lmids)) == len(truth.lmids), "an LMID was given twice")
    truth.check(mount, "at the end")
    mount.rsm("sync", timeout=600)
    looks = reader.end()
    follower.send_signal(signal.SIGINT)  # an open .rsm/events keeps the mount busy
    follower.wait(10)
    mount.unmount(600)
    expect(not alive(mount.pid), "rsmfs has ended")
    told = reader.events(bench.path("events"))
    expect(told["allocations"] == len(truth.lmids), "events tell of each allocation", told, len(truth.lmids))
    truth.check_media(reader.rest(), "on the media")

    mount = bench.mount(library)
    truth.check(mount, "after another mount")
    mount.unmount(600)
    mount = lose_the_catalogue(bench, library)
    truth.check(mount, "without the catalogue", others=truth.given_back)
    mount.unmount(600)
    truth.check_media(reader.rest(), "on the media, without the catalogue", others=truth.given_back)
    print(f"{PROGRAMS} programs, {SECONDS} s: {len(truth.lmids)} allocations, {truth.writes} files, "
          f"{told['moves']} moves, {looks} looks")
