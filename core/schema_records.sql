-- What came after version 1 and stands beside its tables, so that an older rsmfs takes no notice of
-- it. Made if missing, at each start. Units as in schema.sql.

-- The life of a side, and where its cartridge is kept while it is out of the library.
CREATE TABLE IF NOT EXISTS medium_record (
	side INTEGER PRIMARY KEY REFERENCES side (id) ON DELETE CASCADE,
	bytes_written INTEGER NOT NULL DEFAULT 0 CHECK (bytes_written >= 0),
	bytes_read INTEGER NOT NULL DEFAULT 0 CHECK (bytes_read >= 0),
	write_errors INTEGER NOT NULL DEFAULT 0 CHECK (write_errors >= 0),
	read_errors INTEGER NOT NULL DEFAULT 0 CHECK (read_errors >= 0),
	verified INTEGER NOT NULL DEFAULT 0, -- 0: never
	verify_errors INTEGER NOT NULL DEFAULT 0 CHECK (verify_errors >= 0),
	vault TEXT NOT NULL DEFAULT '',
	due INTEGER NOT NULL DEFAULT 0, -- when it is to come back; 0: not said
	-- it came from a backup, and no drive has seen it since: what is on it is believed, not this
	doubtful INTEGER NOT NULL DEFAULT 0 CHECK (doubtful IN (0, 1)),
	asked INTEGER NOT NULL DEFAULT 0 -- for which `due` a person was asked for it
) STRICT;
CREATE INDEX IF NOT EXISTS medium_record_due ON medium_record (due) WHERE due <> 0;

-- How many cartridges are to hold what one of the pool holds; no row: one.
CREATE TABLE IF NOT EXISTS pool_copies (
	pool INTEGER PRIMARY KEY REFERENCES pool (id) ON DELETE CASCADE,
	copies INTEGER NOT NULL CHECK (copies BETWEEN 1 AND 2)
) STRICT;

-- A second cartridge and the volume that it follows. It is allocated in a pool that nobody sees,
-- under the name of that volume. The versions are those of the first one's tree.
CREATE TABLE IF NOT EXISTS medium_copy (
	side INTEGER PRIMARY KEY REFERENCES side (id) ON DELETE CASCADE,
	of TEXT NOT NULL UNIQUE CHECK (length(of) = 36),
	seen INTEGER NOT NULL DEFAULT -1,
	done INTEGER NOT NULL DEFAULT 0,
	-- whose it is, as the medium itself says: for when the first one is gone
	pool TEXT NOT NULL DEFAULT '',
	name TEXT NOT NULL DEFAULT '',
	lmid TEXT NOT NULL DEFAULT '',
	mode INTEGER NOT NULL DEFAULT 493,
	owner INTEGER NOT NULL DEFAULT 0,
	"group" INTEGER NOT NULL DEFAULT 0,
	complete INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS medium_copy_behind ON medium_copy (side) WHERE seen <> done;
-- How many files and folders the copy keeps that the first one has not, or older; no row: none.
CREATE TABLE IF NOT EXISTS copy_kept (
	side INTEGER PRIMARY KEY REFERENCES medium_copy (side) ON DELETE CASCADE,
	kept INTEGER NOT NULL CHECK (kept > 0)
) STRICT;
CREATE TRIGGER IF NOT EXISTS copy_follows AFTER UPDATE OF label_work ON side
WHEN NEW.label_work = 2 AND OLD.label_work <> 2 AND NEW.volume_uuid <> '' BEGIN
	UPDATE side SET label_work = 2 WHERE label_work = 0 AND logical IS NOT NULL AND id IN (
		SELECT side FROM medium_copy WHERE of = NEW.volume_uuid);
END;
CREATE TRIGGER IF NOT EXISTS copy_ends AFTER UPDATE OF pool, logical ON side
WHEN NEW.logical IS NULL OR NEW.pool IS NOT OLD.pool BEGIN
	DELETE FROM medium_copy WHERE side = NEW.id;
END;
