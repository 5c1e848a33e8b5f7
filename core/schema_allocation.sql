-- What allocations need besides. Run at each opening: catalogues of older versions have none of it.

-- Carried from one library to another: from one that cannot give it, say, to one that can.
CREATE TRIGGER IF NOT EXISTS medium_carried AFTER UPDATE OF library ON medium
WHEN OLD.library IS NOT NEW.library AND NEW.library IS NOT NULL BEGIN
	UPDATE side SET ready = (NEW.enabled = 1 AND NEW.location IN (2, 4)) WHERE medium = NEW.id;
END;

-- Deallocated volumes that are on their media still (undelete.h).

CREATE TABLE IF NOT EXISTS former (
	side INTEGER PRIMARY KEY REFERENCES side (id) ON DELETE CASCADE,
	volume_uuid TEXT NOT NULL CHECK (length(volume_uuid) = 36),
	pool TEXT NOT NULL,
	name TEXT NOT NULL,
	mode INTEGER NOT NULL CHECK (mode BETWEEN 0 AND 4095),
	owner INTEGER NOT NULL,
	"group" INTEGER NOT NULL,
	acl TEXT NOT NULL,
	generation INTEGER NOT NULL,
	ended INTEGER NOT NULL,
	complete INTEGER NOT NULL DEFAULT 0 CHECK (complete IN (0, 1)) -- it took no more changes
) STRICT;

CREATE TRIGGER IF NOT EXISTS former_ends AFTER UPDATE OF restorable ON side
WHEN OLD.restorable = 1 AND NEW.restorable = 0 BEGIN
	DELETE FROM former WHERE side = NEW.id;
END;
