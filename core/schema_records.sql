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
