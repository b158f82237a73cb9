-- Moments by the count since boot, which nobody can set; boot is empty where nobody counted.
ALTER TABLE operations ADD COLUMN began_boot TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN began_uptime_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operations ADD COLUMN waits_boot TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN waits_uptime_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operations ADD COLUMN waits_since INTEGER NOT NULL DEFAULT 0;
-- Whether anything was called for it. What was called before there were breakers opens none.
ALTER TABLE operations ADD COLUMN called INTEGER NOT NULL DEFAULT 0;

-- Keys that joined an operation which another key, or none, had begun.
CREATE TABLE more_keys (
    idempotency_key TEXT PRIMARY KEY,
    operation_id    TEXT NOT NULL REFERENCES operations (id)
) STRICT;

ALTER TABLE attempts ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN uptime_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX attempts_by_time ON attempts (started_at);

ALTER TABLE leases ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE leases ADD COLUMN expires_uptime_ms INTEGER NOT NULL DEFAULT 0;

-- What a person set. One row at most for the halt, one a freeze, one a target whose breaker was reset.
CREATE TABLE controls (
    id         INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,             -- halt, freeze, reset
    target     TEXT,                      -- freeze: none means all
    reason     TEXT NOT NULL,
    began_at   INTEGER NOT NULL,
    boot       TEXT NOT NULL,
    uptime_ms  INTEGER NOT NULL,
    number     INTEGER NOT NULL           -- freeze: seconds; reset: the last operation that counts no more
) STRICT;

-- The audit: written once, never changed.
CREATE TABLE audit (
    number       INTEGER PRIMARY KEY,
    at_ms        INTEGER NOT NULL,
    operation_id TEXT,
    text         TEXT NOT NULL,
    previous     TEXT NOT NULL,
    hash         TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_operation ON audit (operation_id);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TABLE audit_head (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    hash   TEXT NOT NULL
) STRICT;
