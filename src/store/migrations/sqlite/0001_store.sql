-- Times are counts of 100 ns since 1970-01-01T00:00:00Z, durations are seconds, ids are the 16 bytes of a GUID. Tables,
-- columns and indexes are in the same order as in PostgreSQL.

-- The end of the record: one row. Before the first event the hash is a random id, so that no two records are alike. `file`
-- is a random id of this file, which a backup does not share. Every commit writes this row, so a log with commits has the
-- id of its file.
CREATE TABLE head (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    sequence INTEGER NOT NULL,
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    file     BLOB    NOT NULL CHECK (length(file) = 16)
) STRICT;

INSERT INTO head (one, sequence, hash, file) VALUES (1, 0, randomblob(32), randomblob(16));

-- The record. Rows are written once and never changed.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    previous INTEGER NOT NULL CHECK (0 <= previous AND previous < sequence), -- that of the event before of its subject, or 0
    header   BLOB    NOT NULL,
    payload  BLOB    NOT NULL
) STRICT;

-- Roles. The row of a deleted role stays, so that its id is never used again.
CREATE TABLE role (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version        INTEGER NOT NULL,
    since          INTEGER NOT NULL, -- the sequence of its last event
    display_name   TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    max_duration   INTEGER NOT NULL,
    candidates     TEXT    NOT NULL CHECK (json_valid(candidates)),
    stages         TEXT    NOT NULL CHECK (json_valid(stages)), -- empty if no approval is required
    available_from TEXT    NOT NULL, -- a time of day such as 08:00; empty without a window
    available_to   TEXT    NOT NULL,
    rules          TEXT    NOT NULL CHECK (json_valid(rules)),
    deleted        INTEGER NOT NULL DEFAULT 0,
    CHECK ((available_from = '') = (available_to = ''))
) STRICT, WITHOUT ROWID;

-- The principals that a role names, to find the roles of an account.
CREATE TABLE role_principal (
    principal BLOB    NOT NULL CHECK (length(principal) = 16),
    part      TEXT    NOT NULL CHECK (part IN ('approver', 'candidate')),
    stage     INTEGER NOT NULL, -- 0 for a candidate
    role      BLOB    NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (principal, part, role, stage)
) STRICT, WITHOUT ROWID;

CREATE INDEX role_principal_role ON role_principal (role);

-- Elevations, each with its approval.
CREATE TABLE elevation (
    id                   BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version              INTEGER NOT NULL,
    since                INTEGER NOT NULL, -- the sequence of its last event
    requester_id         BLOB    NOT NULL CHECK (length(requester_id) = 16),
    requester_name       TEXT    NOT NULL,
    role                 BLOB    NOT NULL CHECK (length(role) = 16),
    role_display_name    TEXT    NOT NULL,
    justification        TEXT,
    requested_duration   INTEGER NOT NULL,
    duration             INTEGER NOT NULL,
    requested_start_time INTEGER NOT NULL,
    create_time          INTEGER NOT NULL,
    activate_time        INTEGER, -- null until it was activated
    expire_time          INTEGER, -- null until it was activated
    state                TEXT    NOT NULL,
    due                  INTEGER, -- when time alone starts or ends it; null if it has ended
    ended                INTEGER NOT NULL CHECK (ended IN (0, 1)), -- set by its last event only, so that no other event moves a row in an index
    fim_request_id       BLOB    NOT NULL CHECK (length(fim_request_id) = 16),
    approval             BLOB    CHECK (length(approval) = 16), -- null if the role required none
    pending_expire_time  INTEGER,
    stage                INTEGER NOT NULL, -- the open stage after the last decision, from 0
    outcome              TEXT    CHECK (outcome IN ('approve', 'reject')), -- null while the approval is open
    decisions            TEXT    NOT NULL CHECK (json_valid(decisions)),
    channel              TEXT    NOT NULL CHECK (channel IN ('grpc', 'pam_web_api')),
    client_request       BLOB    CHECK (length(client_request) = 16), -- the client's own id of the request
    fingerprint          BLOB    CHECK (length(fingerprint) = 16), -- the fingerprint of the request under that id
    CHECK ((activate_time IS NULL) = (expire_time IS NULL)),
    CHECK ((approval IS NULL) = (pending_expire_time IS NULL)),
    CHECK ((due IS NULL) = (state = 'Closed' OR state = 'Expired' OR state = 'Rejected')),
    CHECK ((ended = 1) = (due IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX elevation_approval ON elevation (approval) WHERE approval IS NOT NULL;
-- Approvers list these. This is the only index that an approval changes: without it the list reads all that is active, too.
CREATE INDEX elevation_pending ON elevation (role, create_time) WHERE state = 'PendingApproval';
-- The elevations that no event has ended, though their time may have passed.
CREATE INDEX elevation_live ON elevation (role, create_time) WHERE ended = 0;
CREATE INDEX elevation_live_requester ON elevation (requester_id, role) WHERE ended = 0;
-- A list of elevations without order keys continues after the last row by this index.
CREATE INDEX elevation_requester ON elevation (requester_id, create_time, id);
CREATE INDEX elevation_client_request ON elevation (requester_id, client_request, create_time)
    WHERE client_request IS NOT NULL;

-- The moments at which elevations become due. A row is written with every new moment of an elevation, and stays if the
-- elevation gets another one. Then it is spent: it means nothing, and is deleted once its moment has passed.
CREATE TABLE alarm (
    due INTEGER NOT NULL,
    id  BLOB    NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (due, id)
) STRICT, WITHOUT ROWID;

-- The guards of requesters. A filing under a quota, or with an id of the client, relies on the version and writes it.
CREATE TABLE guard (
    account BLOB    NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The effects of decisions that were not carried out. A row is written in the commit that causes it, and deleted in the
-- commit that settles it.
CREATE TABLE effect (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version  INTEGER NOT NULL,
    subject  BLOB    NOT NULL CHECK (length(subject) = 16), -- effects of one subject are carried out in order
    sequence INTEGER NOT NULL, -- that of the last event of its commit
    number   INTEGER NOT NULL, -- its place in the commit
    due      INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    payload  BLOB    NOT NULL CHECK (length(payload) <= 65536)
) STRICT, WITHOUT ROWID;

CREATE INDEX effect_subject ON effect (subject, sequence, number);
CREATE INDEX effect_due ON effect (due);
