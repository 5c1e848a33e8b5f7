"""Many programs at once on few drives: nothing is lost, nothing is there twice.

Each program allocates, writes, reads, renames and deallocates at random, and keeps a ledger of what it
was told is done. A second reader looks at the catalogue (plain sqlite3, read-only) and at the
library's folders while they run, and at the end the ledgers, the mount, the catalogue and the media
have to agree. RSM_LONG=1: 200 programs for ten minutes.
"""
import collections
import contextlib
import errno
import hashlib
import json
import os
import random
import signal
import sqlite3
import time
import traceback

from harness import LONG, PATIENCE, SEED, alive, expect, places, read_file, rsm_xattr, test, wait_until

PROGRAMS = 200 if LONG else 24
SECONDS = 600 if LONG else 12
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
    """Looks at what rsmfs keeps with other eyes than its own."""

    def __init__(self, library, media):
        self.library, self.media = library, media
        self.db = sqlite3.connect(f"file:{library}/catalog/catalog.db?mode=ro", uri=True)
        self.side_of_lmid = {}
        self.looks = 0

    def none(self, words, sql):
        rows = self.db.execute(sql).fetchall()
        expect(not rows, words, *rows[:5])

    def look_at_catalogue(self):
        self.db.execute("BEGIN")  # one moment
        self.none("a logical medium has two sides", "SELECT logical FROM side WHERE logical IS NOT NULL "
                  "GROUP BY logical HAVING count(*) > 1")
        self.none("an allocated side has no logical medium", "SELECT id, shown FROM side WHERE state IN "
                  "(5, 6) AND logical NOT IN (SELECT id FROM logical_medium)")
        self.none("a logical medium has no side", "SELECT name FROM logical_medium WHERE id NOT IN "
                  "(SELECT logical FROM side WHERE logical IS NOT NULL)")
        self.none("two cartridges are in one place", "SELECT location, element FROM medium WHERE "
                  "location <> 0 GROUP BY library, location, element HAVING count(*) > 1")
        self.none("a volume has two cartridges", "SELECT volume_uuid FROM side WHERE volume_uuid <> '' "
                  "GROUP BY volume_uuid HAVING count(*) > 1")
        self.none("a side is in another pool than its logical medium", "SELECT s.shown FROM side s JOIN "
                  "logical_medium l ON l.id = s.logical WHERE l.pool <> s.pool")
        self.none("a pool's counts are wrong", "SELECT name FROM pool p WHERE media <> (SELECT count(*) "
                  "FROM side WHERE pool = p.id) OR allocated <> (SELECT count(*) FROM logical_medium "
                  "WHERE pool = p.id)")
        count = self.db.execute("SELECT count(*) FROM medium").fetchone()[0]
        expect(count == self.media, f"there are {count} cartridges, not {self.media}")
        for lmid, side in self.db.execute("SELECT l.lmid, s.id FROM logical_medium l JOIN side s ON "
                                          "s.logical = l.id"):
            expect(self.side_of_lmid.setdefault(lmid, side) == side,
                   f"LMID {lmid} named one side and names another")
        self.db.execute("COMMIT")

    def all_places(self):
        found = collections.defaultdict(list)
        for kind in ("slots", "drives", "ports", "shelf"):
            base = os.path.join(self.library, kind)
            for element in os.listdir(base):
                with contextlib.suppress(OSError):
                    for name in os.listdir(os.path.join(base, element)):
                        path = os.path.join(base, element, name)
                        if not name.startswith(".") and name != "BUSY" and os.path.isdir(path):
                            found[name].append(path)
        return found

    def look_at_folders(self):
        """The robot carries while we look: what looks odd is looked at again."""
        for _ in range(50):
            found = self.all_places()
            twice = [p for p in found.values() if len(p) > 1 and all(map(os.path.isdir, p))
                     and all(map(os.path.isdir, p))]
            expect(not twice, "a cartridge is in two places", *twice[:5])
            crowd = collections.defaultdict(list)
            for paths in found.values():
                crowd[os.path.dirname(paths[0])].append(paths[0])
            crowded = [p for p in crowd.values() if len(p) > 1 and all(map(os.path.isdir, p))
                       and all(map(os.path.isdir, p))]
            expect(not crowded, "two cartridges are in one element", *crowded)
            if len(found) == self.media:
                return
        raise AssertionError(f"{self.media - len(found)} cartridges are nowhere")

    def look(self):
        self.look_at_catalogue()
        self.look_at_folders()
        self.looks += 1


class Truth:
    """What all ledgers say: what must be there, what may be there."""

    def __init__(self, bench):
        self.must = {}          # name -> {file: sha256}
        self.lmids = []
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
        elif what == "gone":
            self.must[name].pop(rest[0])
        elif what == "deallocating":
            del self.must[name]
            self.lmid_of.pop(name)
        elif what == "moved":
            self.must[rest[0]] = self.must.pop(name)
            self.lmid_of[rest[0]] = self.lmid_of.pop(name)

    def check(self, mount, when):
        pool = mount / "Storm"
        for name, files in sorted(self.must.items()):
            expect(rsm_xattr(os.path.join(pool, name), "lmid") == self.lmid_of[name],
                   f"{when}: {name} has another LMID than it was allocated with")
            there = set(os.listdir(os.path.join(pool, name)))
            expect(there == set(files), f"{when}: {name} holds other names", there ^ set(files))
            for file, digest in files.items():
                data = read_file(os.path.join(pool, name, file))
                expect(hashlib.sha256(data).hexdigest() == digest,
                       f"{when}: {name}/{file} has other bytes than were written")
        expect(set(os.listdir(pool)) == set(self.must), f"{when}: the pool has other cartridges",
               set(os.listdir(pool)) ^ set(self.must))


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
        reader.look()
        time.sleep(0.3)


@test(timeout=1500 if LONG else 150)
def a_storm_of_programs_loses_nothing_and_doubles_nothing(bench):
    library = bench.library(drives=DRIVES, slots=CARTRIDGES + 4, ports=2, cartridges=CARTRIDGES,
                            capacity="60M")
    mount = bench.mount(library)
    os.mkdir(mount / "Storm")
    wait_until("all are in Free", lambda: len(os.listdir(mount / "Free/LTO-8")) == CARTRIDGES)
    reader = SecondReader(library, CARTRIDGES + 1)  # and the cleaning cartridge
    end = time.monotonic() + SECONDS

    watch(bench, reader, [start(bench, mount / "Storm", i, end) for i in range(PROGRAMS)],
          end + 120 * PATIENCE)

    truth = Truth(bench)
    expect(len(set(truth.lmids)) == len(truth.lmids), "an LMID was given twice")
    truth.check(mount, "at the end")
    mount.rsm("sync", timeout=300)
    mount.unmount(300)
    expect(not alive(mount.pid), "rsmfs has ended")
    reader.look()
    expect(not [p for p in places(library).values() if p.startswith("drives")], "all went home")
    mount = bench.mount(library)
    truth.check(mount, "after another mount")
    reader.look()
    print(f"{PROGRAMS} programs, {len(truth.lmids)} allocations, {reader.looks} looks")
