CREATE TABLE operations (
    id              TEXT PRIMARY KEY,
    target          TEXT NOT NULL,
    issue_type      TEXT NOT NULL,
    state           TEXT NOT NULL,
    idempotency_key TEXT UNIQUE,
    created_at      INTEGER NOT NULL, -- milliseconds since 1970, UTC
    updated_at      INTEGER NOT NULL,
    document        TEXT NOT NULL     -- the whole operation as JSON
) STRICT;
CREATE INDEX operations_by_target ON operations (target, created_at);
CREATE INDEX operations_by_state ON operations (state);

-- The cooldown's view of what was called.
CREATE TABLE attempts (
    operation_id TEXT NOT NULL REFERENCES operations (id),
    number       INTEGER NOT NULL,
    target       TEXT NOT NULL,
    issue_type   TEXT NOT NULL,
    action       TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    outcome      TEXT NOT NULL,
    PRIMARY KEY (operation_id, number)
) STRICT;
CREATE INDEX attempts_by_target ON attempts (target, started_at);

-- One row a target for ever: the fence only rises.
CREATE TABLE leases (
    target       TEXT PRIMARY KEY,
    operation_id TEXT NOT NULL,
    owner        TEXT NOT NULL,
    fence        INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL  -- 0: nobody holds it
) STRICT;

CREATE TABLE health_reports (
    id         INTEGER PRIMARY KEY,
    checked_at INTEGER NOT NULL,
    document   TEXT NOT NULL
) STRICT;
CREATE INDEX health_reports_by_time ON health_reports (checked_at);
