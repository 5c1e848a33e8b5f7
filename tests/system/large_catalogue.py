"""large_catalogue.py - a catalogue of very many cartridges, made in seconds.

What a first inventory and months of work would have made is written into the catalogue as rows, and
the cartridges as empty folders: nobody looks into one that is not loaded. The cartridges that work
is done with are real ones (`real`), first in the order of choice.
"""
import os
import sqlite3
import uuid

TYPE = "LTO-8"


def fill_slots(library, first_slot, barcodes):
    """Puts empty cartridges into slots from first_slot on."""
    for number, barcode in enumerate(barcodes, first_slot):
        os.makedirs(os.path.join(library, "slots", str(number), barcode), exist_ok=True)


def open_catalogue(library):
    """As one who writes: rsmfs must have ended."""
    return sqlite3.connect(os.path.join(library, "catalog", "catalog.db"), isolation_level=None)


def pool_id(db, *path):
    parent = 0
    for name in path:
        parent = db.execute("SELECT id FROM pool WHERE ifnull(parent, 0) = ? AND name = ?",
                            (parent, name)).fetchone()[0]
    return parent


def new_uuid():
    return str(uuid.uuid4())


def add_media(db, barcodes, pool, *, library=None, first_slot=0, allocated=False, label="RSMFS FREE"):
    """Rows of one kind: in slots of `library` (its row) or off-line; allocated under their barcodes,
    or available."""
    if allocated:
        db.executemany(
            'INSERT INTO logical_medium (lmid, pool, name, nfc, mode, owner, "group", created, '
            "modified, changed) VALUES (?1, ?2, ?3, ?3, 493, 0, 0, 1, 1, 1)",
            ((new_uuid(), pool, barcode) for barcode in barcodes))
    location = 2 if library else 0
    for number, barcode in enumerate(barcodes):
        slot = first_slot + number if library else 0
        medium = db.execute(
            "INSERT INTO medium (guid, barcode, media_type, library, location, element, home_slot, "
            "created) VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
            (new_uuid(), barcode, TYPE, library, location, slot, slot)).lastrowid
        logical = db.execute("SELECT id FROM logical_medium WHERE pool = ? AND name = ?",
                             (pool, barcode)).fetchone()[0] if allocated else None
        db.execute(
            "INSERT INTO side (guid, medium, shown, pool, state, logical, label_type, volume_uuid, "
            "mounts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 9)",
            (new_uuid(), medium, barcode, pool, 5 if allocated else 4, logical,
             "LTFS" if allocated else label, new_uuid() if allocated else ""))


def barcodes(prefix, count):
    """Of eight characters; prefix is one letter or two."""
    return [f"{prefix}{i:0{6 - len(prefix)}d}L8" for i in range(count)]


def fill(libraries, *, in_library, offline, allocated, real):
    """Fills the catalogue of libraries[0] (made by one mount with all of them): in_library cartridges
    in each library and `offline` ones, of which `allocated` ones of the first library are in the pool
    Big and the off-line ones in Archive."""
    db = open_catalogue(libraries[0])
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    rows = dict(db.execute("SELECT source, id FROM library"))
    free = pool_id(db, "Free", TYPE)
    for number, library in enumerate(libraries):
        here = barcodes("PQRS"[number], in_library)
        at = 1002 + real  # the cleaning cartridge lies behind the real ones
        row = rows[os.path.realpath(library)]
        taken = allocated if number == 0 else 0
        add_media(db, here[:taken], pool_id(db, "Big") if taken else 0, library=row, first_slot=at,
                  allocated=True)
        add_media(db, here[taken:], free, library=row, first_slot=at + taken)
        fill_slots(library, at, here)
    add_media(db, barcodes("Z", offline), pool_id(db, "Archive"), allocated=True)
    db.execute("COMMIT")
    db.close()
