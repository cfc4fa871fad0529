-- Step 1 of the file's format. A step is never edited once it has been released: a change of format is a further step.

-- Every change, in order. `old` and `new` are JSON; none is absence. `hash` chains each entry to the one before.
CREATE TABLE log (
    seq    INTEGER PRIMARY KEY,
    at     TEXT NOT NULL,
    who    TEXT NOT NULL,
    kind   TEXT NOT NULL,
    key    TEXT NOT NULL,
    old    TEXT,
    new    TEXT,
    undoes INTEGER,
    redoes INTEGER,
    hash   TEXT NOT NULL
) STRICT;
CREATE TRIGGER log_keeps_entries BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;
CREATE TRIGGER log_keeps_all BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log only grows'); END;

-- What the log adds up to.
CREATE TABLE fact (
    kind  TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    seq   INTEGER NOT NULL REFERENCES log,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- Pictures by their BLAKE3 hash.
CREATE TABLE picture (
    hash  TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER picture_keeps_bytes BEFORE UPDATE ON picture BEGIN SELECT RAISE(ABORT, 'pictures stay'); END;
CREATE TRIGGER picture_keeps_all BEFORE DELETE ON picture BEGIN SELECT RAISE(ABORT, 'pictures stay'); END;

-- For whoever reads the file with other tools.
CREATE VIEW queries AS SELECT key ->> 0 AS query, value ->> 'path' AS path, value ->> 'hash' AS hash,
    value ->> 'bytes' AS bytes, value ->> 'width' AS width, value ->> 'height' AS height,
    value ->> 'camera' AS camera, value ->> 'identity' AS identity, value ->> 'time' AS time
    FROM fact WHERE kind = 'query';
CREATE VIEW searches AS SELECT key ->> 0 AS search, value ->> 'query' AS query, value ->> 'model' AS model,
    value ->> 'gallery' AS gallery, value ->> 'gallery_images' AS gallery_images, value ->> 'measure' AS measure,
    value ->> 'settings' AS settings, log.at AS at, log.who AS who
    FROM fact JOIN log USING (seq) WHERE fact.kind = 'search';
CREATE VIEW candidates AS SELECT fact.key ->> 0 AS search, c.value ->> 'rank' AS rank, c.value ->> 'path' AS path,
    c.value ->> 'hash' AS hash, c.value ->> 'distance' AS distance, c.value ->> 'camera' AS camera
    FROM fact, json_each(fact.value, '$.candidates') AS c WHERE fact.kind = 'search';
CREATE VIEW verdicts AS SELECT key ->> 0 AS query, key ->> 1 AS image, value ->> 'judgement' AS verdict,
    value ->> 'by' AS by, value ->> 'at' AS at, value ->> 'hash' AS hash,
    value ->> '$.seen.rank' AS rank, value ->> '$.seen.distance' AS distance
    FROM fact WHERE kind = 'verdict';
CREATE VIEW reviews AS SELECT key ->> 0 AS query, key ->> 1 AS image, key ->> 2 AS by,
    value ->> 'judgement' AS verdict, value ->> 'of' AS of_verdict, value ->> 'at' AS at
    FROM fact WHERE kind = 'review';
CREATE VIEW bookmarks AS SELECT key ->> 0 AS query, key ->> 1 AS image, value ->> 'by' AS by, value ->> 'at' AS at
    FROM fact WHERE kind = 'bookmark';
CREATE VIEW tags AS SELECT key ->> 0 AS query, key ->> 1 AS image, key ->> 2 AS tag, value ->> 'by' AS by,
    value ->> 'at' AS at FROM fact WHERE kind = 'tag';
CREATE VIEW notes AS SELECT key ->> 0 AS query, key ->> 1 AS image, value ->> 'text' AS text, value ->> 'by' AS by,
    value ->> 'at' AS at FROM fact WHERE kind = 'note';
