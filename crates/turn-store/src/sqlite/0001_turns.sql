-- The long texts stand last: what only counts and measures then never reads the pages they overflow to.
CREATE TABLE sessions (
    id         TEXT PRIMARY KEY NOT NULL,
    room       TEXT NOT NULL,
    agent      TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    -- When the latest turn began.
    last_us    INTEGER NOT NULL
);
CREATE INDEX sessions_by_start ON sessions (started_us, id);

CREATE TABLE turns (
    span_id         TEXT PRIMARY KEY NOT NULL,
    trace_id        TEXT NOT NULL,
    run             TEXT NOT NULL,
    session         TEXT NOT NULL,
    speaker         TEXT NOT NULL,
    turn            INTEGER NOT NULL,
    status          TEXT NOT NULL,
    started_us      INTEGER NOT NULL,
    ended_us        INTEGER,
    ttft_us         INTEGER,
    e2e_us          INTEGER,
    input_tokens    INTEGER NOT NULL DEFAULT 0,
    output_tokens   INTEGER NOT NULL DEFAULT 0,
    cached_tokens   INTEGER,
    usage_estimated INTEGER NOT NULL DEFAULT 0,
    attempts        INTEGER NOT NULL DEFAULT 0,
    model           TEXT,
    error_class     TEXT,
    error_message   TEXT,
    question        TEXT,
    answer          TEXT
);
CREATE INDEX turns_of_session ON turns (session, started_us, span_id);
CREATE INDEX turns_by_status ON turns (session, status);
CREATE INDEX turns_by_start ON turns (started_us);
CREATE INDEX turns_open ON turns (run) WHERE status = 'open';

CREATE TABLE attempts (
    span_id       TEXT NOT NULL REFERENCES turns (span_id) ON DELETE CASCADE,
    stage         TEXT NOT NULL,
    number        INTEGER NOT NULL,
    started_us    INTEGER NOT NULL,
    ended_us      INTEGER NOT NULL,
    http_status   INTEGER,
    error_class   TEXT,
    error_message TEXT,
    PRIMARY KEY (span_id, stage, number)
) WITHOUT ROWID;
