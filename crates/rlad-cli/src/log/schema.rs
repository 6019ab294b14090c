//! The tables of a log.

/// The version of the schema below.
pub(super) const VERSION: u32 = 1;

pub(super) const SCHEMA: &str = "
CREATE TABLE entries (
    entry      INTEGER PRIMARY KEY,
    who        TEXT    NOT NULL,
    time       TEXT    NOT NULL,                 -- RFC 3339, UTC
    action     TEXT    NOT NULL CHECK (action IN ('annotate', 'undo', 'redo', 'withdraw')),
    source     TEXT    CHECK (source IN ('question', 'unprompted', 'similar', 'import')),
    taught     INTEGER NOT NULL,                 -- the round that learns from it
    question   INTEGER,
    round      INTEGER,                          -- that asked the question
    series     TEXT,
    point      INTEGER,                          -- that was asked about
    reason     TEXT,                             -- why the point was asked about
    first      INTEGER,                          -- nanoseconds since 1970, or the index: of the first point that is labelled
    last       INTEGER,                          -- of the last one
    annotation TEXT,                             -- JSON
    comment    TEXT,
    seconds    REAL    NOT NULL,                 -- that the expert took
    model      TEXT,                             -- hash of the detector that asked; NULL in the warm-up
    score      REAL,                             -- of the point when it was asked about; NULL for NaN
    again      INTEGER NOT NULL CHECK (again IN (0, 1)), -- whether the question was asked once more
    client     TEXT    UNIQUE,                   -- the key that the client gave to its request
    step       INTEGER,                          -- the first entry of those that are undone together with it
    target     INTEGER,                          -- the entry that this one takes back or brings back
    CHECK ((action = 'annotate') = (annotation IS NOT NULL AND source IS NOT NULL AND series IS NOT NULL)),
    CHECK (source IS NOT 'question' OR (question IS NOT NULL AND round IS NOT NULL AND point IS NOT NULL AND reason IS NOT NULL)),
    CHECK (action NOT IN ('undo', 'redo') OR target IS NOT NULL),
    CHECK (action <> 'withdraw' OR question IS NOT NULL)
) STRICT;
CREATE INDEX entries_of_question ON entries (question);
CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the answer log is append-only'); END;
CREATE TRIGGER entries_are_not_removed BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the answer log is append-only'); END;
";
