-- What media and drives are for each other. Run at each opening: catalogues of older versions have
-- none of it.

-- Media types that no drive of a library writes; `reads`: one of them reads it.
CREATE TABLE IF NOT EXISTS library_limit (
	library INTEGER NOT NULL REFERENCES library (id) ON DELETE CASCADE,
	media_type TEXT NOT NULL CHECK (media_type <> ''),
	reads INTEGER NOT NULL CHECK (reads IN (0, 1)),
	PRIMARY KEY (library, media_type)
) STRICT, WITHOUT ROWID;

-- A medium of a system pool that turns out to be of another type goes to the pool of that one; in
-- an application pool it stays what it was taken for (the constraint on sides sees to that).
DROP TRIGGER IF EXISTS medium_fits_update;
CREATE TRIGGER IF NOT EXISTS medium_retyped AFTER UPDATE OF media_type ON medium
WHEN OLD.media_type <> NEW.media_type
BEGIN
	UPDATE side SET pool = (SELECT n.id FROM pool o JOIN pool n ON n.parent = o.parent AND
		n.media_type = NEW.media_type WHERE o.id = side.pool AND o.kind <> 1000)
	WHERE medium = NEW.id AND pool IS NOT NULL;
END;

-- One that turns out to be a cleaner is in no pool; one that is none after all is to be looked at.
DROP TRIGGER IF EXISTS medium_cleans;
CREATE TRIGGER IF NOT EXISTS medium_cleans_or_not AFTER UPDATE OF cleaner ON medium
WHEN OLD.cleaner <> NEW.cleaner
BEGIN
	UPDATE side SET pool = NULL, state = 0 WHERE medium = NEW.id AND NEW.cleaner = 1;
	UPDATE side SET pool = (SELECT n.id FROM pool o JOIN pool n ON n.parent = o.id
		WHERE o.parent IS NULL AND o.kind = 2 AND n.media_type = NEW.media_type)
	WHERE medium = NEW.id AND NEW.cleaner = 0;
	SELECT RAISE(ABORT, 'a medium in a pool that cannot hold it')
	WHERE EXISTS (SELECT 1 FROM side_misplaced x JOIN side s ON s.id = x.id
		WHERE s.medium = NEW.id);
END;

-- A cartridge may have two sides, each with a state of its own, always in one pool. So a side that
-- bears somebody else's volume, or that nobody knows, may be where the other one is.
DROP VIEW IF EXISTS side_misplaced;
CREATE VIEW side_misplaced AS
SELECT s.id FROM side s JOIN medium m ON m.id = s.medium LEFT JOIN pool p ON p.id = s.pool
WHERE CASE WHEN m.cleaner THEN s.pool IS NOT NULL OR s.state <> 0
ELSE NOT ifnull(p.holds = 1 AND p.media_type = m.media_type AND (CASE p.kind
	WHEN 1 THEN s.state IN (1, 3, 4)
	WHEN 2 THEN s.state IN (0, 2, 7)
	WHEN 3 THEN s.state = 8
	ELSE s.state IN (1, 3, 4, 5, 6, 9) END
	OR (p.kind <> 1 AND s.state IN (0, 1, 2, 3, 4, 7, 8) AND EXISTS (SELECT 1 FROM side o
		WHERE o.medium = s.medium AND o.side_number <> s.side_number))), 0) END;

CREATE TRIGGER IF NOT EXISTS sides_stay_together AFTER UPDATE OF pool ON side
WHEN OLD.pool IS NOT NEW.pool
BEGIN
	UPDATE side SET pool = NEW.pool WHERE medium = NEW.medium AND pool IS NOT NEW.pool;
END;
