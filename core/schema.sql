-- The catalogue, version 1: what must never be is a constraint here, not a hope elsewhere.
--
-- Times are nanoseconds since 1970 (UTC), flags 0 or 1, missing texts ''. Numbers of states and
-- kinds are those of ntmsapi.h (rsm-model.md). Counts that everybody asks for are kept by triggers.

PRAGMA application_id = 1381190979; -- RSMC
PRAGMA user_version = 1;

CREATE TABLE setting (
	key TEXT PRIMARY KEY NOT NULL,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE library (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	guid TEXT NOT NULL UNIQUE,
	source TEXT NOT NULL UNIQUE CHECK (source <> ''),
	kind TEXT NOT NULL,
	enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
	-- is it served now? Media in a library that is not are off-line until it is again
	present INTEGER NOT NULL DEFAULT 1 CHECK (present IN (0, 1)),
	created INTEGER NOT NULL
) STRICT;

CREATE TABLE library_media_type (
	library INTEGER NOT NULL REFERENCES library (id) ON DELETE CASCADE,
	media_type TEXT NOT NULL CHECK (media_type <> ''),
	-- behind the key: SQLite 3.40's quick_check takes it for missing before it
	place INTEGER NOT NULL,
	PRIMARY KEY (library, media_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE drive (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	library INTEGER NOT NULL REFERENCES library (id) ON DELETE CASCADE,
	element INTEGER NOT NULL,
	vendor TEXT NOT NULL,
	product TEXT NOT NULL,
	serial TEXT NOT NULL,
	enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
	mounts INTEGER NOT NULL DEFAULT 0 CHECK (mounts >= 0)
) STRICT;
-- counts follow a drive by its serial number where it reports one, else by position
CREATE UNIQUE INDEX drive_serial ON drive (serial) WHERE serial <> '';
CREATE UNIQUE INDEX drive_place ON drive (library, element) WHERE serial = '';

CREATE TABLE pool (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	guid TEXT NOT NULL UNIQUE,
	parent INTEGER REFERENCES pool (id), -- NULL: the top
	name TEXT NOT NULL CHECK (name <> '' AND substr(name, 1, 1) <> '.' AND instr(name, '/') = 0),
	nfc TEXT NOT NULL,
	kind INTEGER NOT NULL CHECK (kind IN (1, 2, 3, 1000)),
	holds INTEGER NOT NULL CHECK (holds IN (1, 2)),
	media_type TEXT NOT NULL,
	draw_from_free INTEGER NOT NULL CHECK (draw_from_free IN (0, 1)),
	return_to_free INTEGER NOT NULL CHECK (return_to_free IN (0, 1)),
	allocation_limit INTEGER NOT NULL CHECK (allocation_limit >= 0),
	max_allocations INTEGER NOT NULL CHECK (max_allocations >= 0),
	mode INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 4095),
	owner INTEGER NOT NULL,
	"group" INTEGER NOT NULL,
	created INTEGER NOT NULL,
	modified INTEGER NOT NULL,
	changed INTEGER NOT NULL,
	sub_pools INTEGER NOT NULL DEFAULT 0 CHECK (sub_pools >= 0),
	media INTEGER NOT NULL DEFAULT 0 CHECK (media >= 0),
	allocated INTEGER NOT NULL DEFAULT 0 CHECK (allocated >= 0),
	CHECK (holds = 1 OR media_type = ''),
	CHECK (holds = 1 OR media = 0),
	CHECK (holds = 2 OR sub_pools = 0),
	CHECK (media = 0 OR media_type <> '')
) STRICT;
CREATE UNIQUE INDEX pool_name ON pool (ifnull(parent, 0), name);
CREATE UNIQUE INDEX pool_nfc ON pool (ifnull(parent, 0), nfc);
CREATE INDEX pool_parent ON pool (parent);

CREATE TRIGGER pool_nests BEFORE INSERT ON pool
WHEN NEW.parent IS NOT NULL AND NOT EXISTS (
	SELECT 1 FROM pool p WHERE p.id = NEW.parent AND p.holds = 2 AND p.kind = NEW.kind)
BEGIN
	SELECT RAISE(ABORT, 'a pool in a pool that cannot hold it');
END;
CREATE TRIGGER pool_moves BEFORE UPDATE OF parent, kind ON pool
WHEN NEW.parent IS NOT NULL AND NOT EXISTS (
	SELECT 1 FROM pool p WHERE p.id = NEW.parent AND p.holds = 2 AND p.kind = NEW.kind)
BEGIN
	SELECT RAISE(ABORT, 'a pool in a pool that cannot hold it');
END;
CREATE TRIGGER pool_retyped BEFORE UPDATE OF media_type, holds ON pool
WHEN (OLD.media_type <> NEW.media_type OR OLD.holds <> NEW.holds) AND (OLD.media OR OLD.sub_pools)
BEGIN
	SELECT RAISE(ABORT, 'a pool that is not empty keeps what it holds');
END;
CREATE TRIGGER pool_counts_insert AFTER INSERT ON pool BEGIN
	UPDATE pool SET sub_pools = sub_pools + 1 WHERE id = NEW.parent;
END;
CREATE TRIGGER pool_counts_delete AFTER DELETE ON pool BEGIN
	UPDATE pool SET sub_pools = sub_pools - 1 WHERE id = OLD.parent;
	DELETE FROM xattr WHERE kind = 'p' AND object = OLD.id;
END;
CREATE TRIGGER pool_counts_move AFTER UPDATE OF parent ON pool
WHEN OLD.parent IS NOT NEW.parent BEGIN
	UPDATE pool SET sub_pools = sub_pools - 1 WHERE id = OLD.parent;
	UPDATE pool SET sub_pools = sub_pools + 1 WHERE id = NEW.parent;
END;

-- A cartridge. Two may bear one barcode by accident, so that is no key.
CREATE TABLE medium (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	guid TEXT NOT NULL UNIQUE,
	barcode TEXT NOT NULL,
	media_type TEXT NOT NULL CHECK (media_type <> ''),
	enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
	cleaner INTEGER NOT NULL DEFAULT 0 CHECK (cleaner IN (0, 1)),
	library INTEGER REFERENCES library (id),
	location INTEGER NOT NULL DEFAULT 0 CHECK (location IN (0, 2, 3, 4)),
	element INTEGER NOT NULL DEFAULT 0,
	home_slot INTEGER NOT NULL DEFAULT 0,
	write_protected INTEGER NOT NULL DEFAULT 0 CHECK (write_protected IN (0, 1)),
	created INTEGER NOT NULL,
	CHECK ((location = 0) = (library IS NULL))
) STRICT;
CREATE INDEX medium_barcode ON medium (barcode) WHERE barcode <> '';
-- one cartridge an element
CREATE UNIQUE INDEX medium_place ON medium (library, location, element) WHERE location <> 0;

-- Exists from allocation to deallocation.
CREATE TABLE logical_medium (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	lmid TEXT NOT NULL UNIQUE CHECK (length(lmid) = 36),
	pool INTEGER NOT NULL REFERENCES pool (id),
	name TEXT NOT NULL CHECK (name <> '' AND substr(name, 1, 1) <> '.' AND instr(name, '/') = 0),
	nfc TEXT NOT NULL,
	mode INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 4095),
	owner INTEGER NOT NULL,
	"group" INTEGER NOT NULL,
	created INTEGER NOT NULL,
	modified INTEGER NOT NULL,
	changed INTEGER NOT NULL,
	priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -15 AND 15),
	UNIQUE (pool, name),
	UNIQUE (pool, nfc),
	UNIQUE (id, pool)
) STRICT;

CREATE TRIGGER logical_counts_insert AFTER INSERT ON logical_medium BEGIN
	UPDATE pool SET allocated = allocated + 1 WHERE id = NEW.pool;
END;
CREATE TRIGGER logical_counts_delete AFTER DELETE ON logical_medium BEGIN
	UPDATE pool SET allocated = allocated - 1 WHERE id = OLD.pool;
END;
CREATE TRIGGER logical_counts_move AFTER UPDATE OF pool ON logical_medium
WHEN OLD.pool <> NEW.pool BEGIN
	UPDATE pool SET allocated = allocated - 1 WHERE id = OLD.pool;
	UPDATE pool SET allocated = allocated + 1 WHERE id = NEW.pool;
END;

-- What carries a label and a state. Its id is the volume number in inode numbers.
CREATE TABLE side (
	id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 16777215),
	guid TEXT NOT NULL UNIQUE,
	medium INTEGER NOT NULL REFERENCES medium (id) ON DELETE CASCADE,
	side_number INTEGER NOT NULL DEFAULT 0 CHECK (side_number IN (0, 1)),
	shown TEXT NOT NULL UNIQUE CHECK (shown <> ''),
	pool INTEGER REFERENCES pool (id), -- NULL: a cleaner
	state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 9),
	logical INTEGER UNIQUE,
	label_type TEXT NOT NULL DEFAULT '',
	label_info TEXT NOT NULL DEFAULT '',
	volume_uuid TEXT NOT NULL DEFAULT '' CHECK (length(volume_uuid) IN (0, 36)),
	old_uuid TEXT NOT NULL DEFAULT '' CHECK (length(old_uuid) IN (0, 36)),
	restorable INTEGER NOT NULL DEFAULT 0 CHECK (restorable IN (0, 1)),
	label_work INTEGER NOT NULL DEFAULT 0 CHECK (label_work BETWEEN 0 AND 3),
	format_generation INTEGER NOT NULL DEFAULT 0,
	index_generation INTEGER NOT NULL DEFAULT 0,
	capacity INTEGER NOT NULL DEFAULT 0,
	remaining INTEGER NOT NULL DEFAULT 0,
	mounts INTEGER NOT NULL DEFAULT 0 CHECK (mounts >= 0),
	allocations INTEGER NOT NULL DEFAULT 0 CHECK (allocations >= 0),
	released INTEGER NOT NULL DEFAULT 0, -- when it was last given back
	health TEXT NOT NULL DEFAULT 'good',
	duplicate INTEGER NOT NULL DEFAULT 0 CHECK (duplicate IN (0, 1)),
	-- kept by triggers: enabled, and in a slot or drive
	ready INTEGER NOT NULL DEFAULT 0 CHECK (ready IN (0, 1)),
	-- how gladly it is allocated: unused, used, still restorable, in bad health
	rank INTEGER GENERATED ALWAYS AS
		((health <> 'good') * 4 + restorable * 2 + (allocations > 0)) VIRTUAL,
	UNIQUE (medium, side_number),
	-- allocated and complete sides are in the pool of their logical medium, and only they have one
	FOREIGN KEY (logical, pool) REFERENCES logical_medium (id, pool)
		DEFERRABLE INITIALLY DEFERRED,
	CHECK ((state IN (5, 6)) = (logical IS NOT NULL)),
	CHECK (logical IS NULL OR (volume_uuid <> '' AND pool IS NOT NULL AND duplicate = 0)),
	CHECK (CASE label_work WHEN 0 THEN 1 WHEN 3 THEN logical IS NULL ELSE logical IS NOT NULL END)
) STRICT;
CREATE INDEX side_pool ON side (pool, shown);
CREATE INDEX side_choice ON side (pool, rank, mounts, released, shown)
	WHERE ready = 1 AND state IN (1, 4) AND duplicate = 0;
CREATE INDEX side_label_work ON side (id) WHERE label_work <> 0;
CREATE INDEX side_unknown ON side (id) WHERE state = 0;
-- one volume, one cartridge; copies of it are marked
CREATE UNIQUE INDEX side_volume ON side (volume_uuid) WHERE volume_uuid <> '' AND duplicate = 0;
CREATE INDEX side_copy ON side (volume_uuid) WHERE duplicate = 1;
CREATE INDEX side_old_volume ON side (old_uuid) WHERE old_uuid <> '';

CREATE VIEW side_misplaced AS
SELECT s.id FROM side s JOIN medium m ON m.id = s.medium LEFT JOIN pool p ON p.id = s.pool
WHERE CASE WHEN m.cleaner THEN s.pool IS NOT NULL OR s.state <> 0
ELSE NOT ifnull(p.holds = 1 AND p.media_type = m.media_type AND CASE p.kind
	WHEN 1 THEN s.state IN (1, 3, 4)
	WHEN 2 THEN s.state IN (0, 2, 7)
	WHEN 3 THEN s.state = 8
	ELSE s.state IN (1, 3, 4, 5, 6, 9) END, 0) END;

CREATE TRIGGER side_fits_insert AFTER INSERT ON side
WHEN EXISTS (SELECT 1 FROM side_misplaced WHERE id = NEW.id)
BEGIN
	SELECT RAISE(ABORT, 'a medium in a pool that cannot hold it');
END;
CREATE TRIGGER side_fits_update AFTER UPDATE OF pool, state, medium ON side
WHEN EXISTS (SELECT 1 FROM side_misplaced WHERE id = NEW.id)
BEGIN
	SELECT RAISE(ABORT, 'a medium in a pool that cannot hold it');
END;
CREATE TRIGGER medium_fits_update AFTER UPDATE OF media_type, cleaner ON medium
WHEN EXISTS (SELECT 1 FROM side_misplaced x JOIN side s ON s.id = x.id WHERE s.medium = NEW.id)
BEGIN
	SELECT RAISE(ABORT, 'a medium in a pool that cannot hold it');
END;

CREATE TRIGGER side_counts_insert AFTER INSERT ON side BEGIN
	UPDATE pool SET media = media + 1 WHERE id = NEW.pool;
	UPDATE side SET ready = (SELECT enabled = 1 AND location IN (2, 4) FROM medium m
		WHERE m.id = NEW.medium) WHERE id = NEW.id;
END;
CREATE TRIGGER side_counts_delete AFTER DELETE ON side BEGIN
	UPDATE pool SET media = media - 1 WHERE id = OLD.pool;
	DELETE FROM xattr WHERE kind = 'm' AND object = OLD.id;
END;
CREATE TRIGGER side_counts_move AFTER UPDATE OF pool ON side
WHEN OLD.pool IS NOT NEW.pool BEGIN
	UPDATE pool SET media = media + 1 WHERE id = NEW.pool;
	UPDATE pool SET media = media - 1 WHERE id = OLD.pool;
END;
CREATE TRIGGER medium_ready AFTER UPDATE OF location, enabled ON medium
WHEN (OLD.enabled = 1 AND OLD.location IN (2, 4)) <> (NEW.enabled = 1 AND NEW.location IN (2, 4))
BEGIN
	UPDATE side SET ready = (NEW.enabled = 1 AND NEW.location IN (2, 4)) WHERE medium = NEW.id;
END;

CREATE TABLE xattr (
	kind TEXT NOT NULL CHECK (kind IN ('p', 'm')),
	object INTEGER NOT NULL,
	key TEXT NOT NULL CHECK (key <> ''),
	value BLOB NOT NULL,
	PRIMARY KEY (kind, object, key)
) STRICT, WITHOUT ROWID;

-- Items that ended may name objects that are gone: no foreign keys here and below.
CREATE TABLE work_item (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	-- those of ntmsapi.h are 0 to 21, our own follow
	kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 99),
	state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8),
	medium INTEGER NOT NULL,
	library INTEGER NOT NULL,
	drive INTEGER NOT NULL,
	priority INTEGER NOT NULL,
	user INTEGER NOT NULL,
	text TEXT NOT NULL,
	queued INTEGER NOT NULL,
	ended INTEGER NOT NULL DEFAULT 0,
	CHECK ((state IN (2, 3, 4, 7, 8)) = (ended <> 0))
) STRICT;
CREATE INDEX work_item_open ON work_item (id) WHERE ended = 0;
CREATE INDEX work_item_ended ON work_item (ended) WHERE ended <> 0;

CREATE TABLE operator_request (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 5),
	medium INTEGER NOT NULL,
	pool INTEGER NOT NULL,
	library INTEGER NOT NULL,
	element INTEGER NOT NULL,
	text TEXT NOT NULL,
	submitted INTEGER NOT NULL,
	ended INTEGER NOT NULL DEFAULT 0,
	CHECK ((state IN (4, 5)) = (ended <> 0))
) STRICT;
-- one open request an object, however many wait for it
CREATE UNIQUE INDEX operator_request_open
	ON operator_request (kind, medium, pool, library, element, CASE kind WHEN 5 THEN text ELSE '' END)
	WHERE ended = 0;

CREATE TABLE event (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	medium TEXT NOT NULL,
	line TEXT NOT NULL
) STRICT;
CREATE INDEX event_medium ON event (medium, id) WHERE medium <> '';
