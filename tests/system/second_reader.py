#!/usr/bin/env python3
"""second_reader.py - looks at what rsmfs keeps with other eyes than its own: is each thing there once?

  second_reader.py watch LIBRARY COUNT      again and again until its input ends, while rsmfs works
  second_reader.py rest LIBRARY COUNT       once, when rsmfs has ended: staging area and media, too;
                                            prints what the media hold: {POOL/NAME: {lmid, files}}
  second_reader.py events FILE              what `rsm events --follow` told: moves that fit, LMIDs once

COUNT: how many cartridges there are, cleaning ones included. Knows the catalogue's tables, the folders
of a virtual library and LTFS; nothing of the programs that made them. Exits with 1 and a line that says
what is wrong.
"""
import collections
import contextlib
import hashlib
import json
import os
import re
import select
import shlex
import sqlite3
import sys
import time

import ltfs_check

PAUSE_S = 0.3
LATE_S = 30  # a catalogue that says another place than the folder's for so long is wrong
KINDS = {2: "slots", 3: "ports", 4: "drives"}
ONE_MOMENT = (
    ("a logical medium has two sides",
     "SELECT logical FROM side WHERE logical IS NOT NULL GROUP BY logical HAVING count(*) > 1"),
    ("an allocated side has no logical medium",
     "SELECT id, shown FROM side WHERE state IN (5, 6) AND logical NOT IN (SELECT id FROM logical_medium)"),
    ("a logical medium has no side",
     "SELECT name FROM logical_medium WHERE id NOT IN (SELECT logical FROM side WHERE logical NOT NULL)"),
    ("two logical media have one name",
     "SELECT pool, name FROM logical_medium GROUP BY pool, name HAVING count(*) > 1"),
    ("two cartridges are in one place",
     "SELECT location, element FROM medium WHERE location <> 0 GROUP BY library, location, element "
     "HAVING count(*) > 1"),
    ("two cartridges have one barcode",
     "SELECT barcode FROM medium GROUP BY barcode HAVING count(*) > 1"),
    ("a volume has two cartridges",
     "SELECT volume_uuid FROM side WHERE volume_uuid <> '' GROUP BY volume_uuid HAVING count(*) > 1"),
    ("a side is in another pool than its logical medium",
     "SELECT s.shown FROM side s JOIN logical_medium l ON l.id = s.logical WHERE l.pool <> s.pool"),
    ("a pool's counts are wrong",
     "SELECT name, media, allocated FROM pool p WHERE media <> (SELECT count(*) FROM side WHERE pool = p.id) "
     "OR allocated <> (SELECT count(*) FROM logical_medium WHERE pool = p.id)"),
    ("a work item is open that nobody works on",
     "SELECT id, text FROM work_item WHERE (state IN (2, 3, 4, 7, 8)) <> (ended <> 0)"),
)


class Wrong(Exception):
    pass


def expect(condition, words, *details):
    if not condition:
        raise Wrong(": ".join([words] + [str(d) for d in details]))


class Reader:
    def __init__(self, library, count):
        self.library, self.count = library, count
        self.side_of_lmid = {}
        self.differs_since = {}  # (barcode, catalogue's place, folder) -> when
        self.looks = 0

    def catalogue(self):
        """Anew for each look: read-only, and nothing is held in between."""
        db = sqlite3.connect(f"file:{self.library}/catalog/catalog.db?mode=ro", uri=True, timeout=30,
                             isolation_level=None)
        db.execute("BEGIN")
        return contextlib.closing(db)

    def look_at_catalogue(self):
        """*: where it says that each cartridge is."""
        with self.catalogue() as db:
            for words, sql in ONE_MOMENT:
                rows = db.execute(sql).fetchall()
                expect(not rows, words, rows[:5])
            count = db.execute("SELECT count(*) FROM medium").fetchone()[0]
            expect(count == self.count, f"the catalogue has {count} cartridges, not {self.count}")
            for lmid, side in db.execute("SELECT l.lmid, s.id FROM logical_medium l JOIN side s ON "
                                         "s.logical = l.id"):
                expect(self.side_of_lmid.setdefault(lmid, side) == side,
                       f"LMID {lmid} named one side and names another")
            return {barcode: f"{KINDS[kind]}/{element}" if kind else "offline"
                    for barcode, kind, element in
                    db.execute("SELECT barcode, location, element FROM medium")}

    def all_places(self):
        found = collections.defaultdict(list)
        for kind in ("slots", "drives", "ports", "shelf"):
            base = os.path.join(self.library, kind)
            for element in os.listdir(base) if os.path.isdir(base) else ():
                with contextlib.suppress(OSError):
                    for name in os.listdir(os.path.join(base, element)):
                        path = os.path.join(base, element, name)
                        if not name.startswith(".") and os.path.isdir(path):
                            found[name].append(path)
        return found

    def look_at_folders(self):
        """The robot carries while we look: what looks odd is looked at again."""
        for _ in range(50):
            found = self.all_places()
            for paths in found.values():
                expect(len(paths) < 2 or not all(map(os.path.isdir, paths)) or
                       not all(map(os.path.isdir, paths)), "a cartridge is in two places", paths)
            crowds = collections.defaultdict(list)
            for paths in found.values():
                crowds[os.path.dirname(paths[0])].append(paths[0])
            for paths in crowds.values():
                expect(len(paths) < 2 or not all(map(os.path.isdir, paths)) or
                       not all(map(os.path.isdir, paths)), "two cartridges are in one element", paths)
            if len(found) == self.count:
                return {name: os.path.relpath(os.path.dirname(paths[0]), self.library)
                        for name, paths in found.items()}
        raise Wrong(f"{self.count - len(found)} of {self.count} cartridges are nowhere")

    def compare_places(self, late_s):
        """A move is entered after it was made: only a difference that stays is one."""
        told, there, now = self.look_at_catalogue(), self.look_at_folders(), time.monotonic()
        differs = {(name, told.get(name), place) for name, place in there.items()
                   if told.get(name) != place}
        self.differs_since = {d: self.differs_since.get(d, now) for d in differs}
        for (name, said, place), since in self.differs_since.items():
            expect(now - since < late_s, f"{name} is in {place}, the catalogue says {said}")

    def look(self, late_s=LATE_S):
        self.compare_places(late_s)
        self.looks += 1

    def watch(self):
        while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
            self.look()
        self.look()
        print(self.looks)

    # ---- when rsmfs has ended ----

    def check_staging(self, uuids):
        """No folder that no side owns; no staged file that its volume's database does not know."""
        base = os.path.join(self.library, "staging")
        staged = set()
        for name in os.listdir(base):
            folder = os.path.join(base, name)
            if name.startswith(".") or not os.path.isdir(folder):
                continue
            expect(name in uuids, f"staging/{name} is of no cartridge in the catalogue")
            with contextlib.closing(sqlite3.connect(f"file:{folder}/index.db?mode=ro", uri=True)) as db:
                ids = {row[0] for row in db.execute("SELECT id FROM node WHERE staged IS NOT NULL")}
                nameless = db.execute("SELECT count(*) FROM node WHERE key IS NULL AND id > 1").fetchone()[0]
            expect(not nameless, f"staging/{name}: {nameless} nodes that have no name stay")
            files = [f for f in os.listdir(folder) if re.fullmatch(r"(log|file)\.\d+", f)]
            for file in files:
                kind, number = file.split(".")
                expect(kind == "log" and ids or int(number) in ids,
                       f"staging/{name}/{file} is named by no row")
            if ids:
                staged.add(name)
        return staged

    def read_medium(self, folder, told, staged):
        """What an allocated cartridge holds, read by another reader of LTFS."""
        volume = ltfs_check.Volume(folder)
        where = f"{folder} ({told['name']})"
        expect(volume.label["uuid"] == told["uuid"], f"{where}: another volume than the catalogue says",
               volume.label["uuid"], told["uuid"])
        expect(told["uuid"] not in staged, f"{where}: something is still staged")
        root = volume.nodes[""].xattrs
        for key in ("lmid", "name", "pool"):
            said = root.get(f"ltfs.vendor.rsmfs.{key}", b"").decode()
            expect(said == told[key], f"{where}: {key} on the medium is {said!r}, {told[key]!r} in the "
                                      "catalogue")
        files = {}
        for node in volume.nodes.values():
            if node.kind == "F":
                digest = hashlib.sha256()
                for piece in volume.contents(node):
                    digest.update(piece)
                files[volume.shown_path(node).decode()] = digest.hexdigest()
        return {"lmid": told["lmid"], "files": files}

    def pool_paths(self, db):
        rows = {row[0]: row[1:] for row in db.execute("SELECT id, parent, name FROM pool")}

        def path(number):
            parent, name = rows[number]
            return f"{path(parent)}/{name}" if parent else name

        return {number: path(number) for number in rows}

    def rest(self):
        self.look(0)
        with self.catalogue() as db:
            expect(db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the catalogue is damaged")
            pools = self.pool_paths(db)
            allocated = [
                {"barcode": barcode, "uuid": uuid, "lmid": lmid, "name": name, "pool": pools[pool]}
                for barcode, uuid, lmid, name, pool in db.execute(
                    "SELECT m.barcode, s.volume_uuid, l.lmid, l.name, l.pool FROM side s JOIN medium m ON "
                    "m.id = s.medium JOIN logical_medium l ON l.id = s.logical")]
            uuids = {row[0] for row in db.execute(
                "SELECT volume_uuid FROM side UNION SELECT old_uuid FROM side UNION SELECT guid FROM side")}
        there = self.look_at_folders()
        expect(not [p for p in there.values() if p.startswith("drives")], "a cartridge is left in a drive")
        staged = self.check_staging(uuids)
        held = {}
        for told in allocated:
            folder = os.path.join(self.library, there[told["barcode"]], told["barcode"])
            try:
                held[f"{told['pool']}/{told['name']}"] = self.read_medium(folder, told, staged)
            except ltfs_check.Bad as e:
                raise Wrong(f"{told['barcode']} ({told['name']}) is no consistent volume: {e}") from e
        print(json.dumps(held))


def check_events(path):
    """Each move begins where the one before it ended; no LMID is given twice."""
    at, lmids, gone = {}, set(), set()
    moves = 0
    with open(path) as file:
        for line in file:
            expect(line != "lost\n", "events were lost, though somebody followed them")
            event = dict(word.split("=", 1) for word in shlex.split(line)[1:])
            if event["event"] == "move":
                medium = event["medium"]
                expect(at.setdefault(medium, event["from"]) == event["from"],
                       f"{medium} was carried to {at[medium]} and is carried from {event['from']}", line)
                at[medium] = event["to"]
                moves += 1
            elif event["event"] == "allocate":
                expect(event["lmid"] not in lmids, f"LMID {event['lmid']} was given twice", line)
                lmids.add(event["lmid"])
            elif event["event"] == "deallocate":
                expect(event["lmid"] in lmids and event["lmid"] not in gone,
                       f"LMID {event['lmid']} was given back twice, or before it was given", line)
                gone.add(event["lmid"])
    print(json.dumps({"moves": moves, "allocations": len(lmids), "deallocations": len(gone)}))


def main():
    what, path = sys.argv[1:3]
    try:
        if what == "events":
            check_events(path)
        else:
            reader = Reader(path, int(sys.argv[3]))
            reader.watch() if what == "watch" else reader.rest()
    except Wrong as e:
        sys.exit(str(e))


main()
