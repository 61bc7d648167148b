-- Moments are counts of 100 ns since 1970-01-01T00:00:00Z, lives are seconds, ids are the 16 bytes of a GUID.

-- The end of the record: one row. Before the first event the hash is a random id, so that no record is like another.
CREATE TABLE head (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    sequence INTEGER NOT NULL,
    hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

INSERT INTO head (only, sequence, hash) VALUES (1, 0, randomblob(32));

-- The record. Rows are written once and never changed.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    subject  BLOB NOT NULL CHECK (length(subject) = 16),
    header   BLOB NOT NULL,
    payload  BLOB NOT NULL
) STRICT;

CREATE TABLE role (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version      INTEGER NOT NULL,
    since        INTEGER NOT NULL, -- the sequence of its last event
    display_name TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    max_duration INTEGER NOT NULL,
    candidates   TEXT    NOT NULL CHECK (json_valid(candidates)),
    approvers    TEXT             CHECK (json_valid(approvers)), -- null when no approval is required
    required_approvals       INTEGER,
    deleted      INTEGER NOT NULL DEFAULT 0, -- the row stays, so that the id is never used again
    CHECK ((approvers IS NULL) = (required_approvals IS NULL))
) STRICT, WITHOUT ROWID;

-- Whom a role names, to find the roles of somebody.
CREATE TABLE role_principal (
    principal BLOB NOT NULL CHECK (length(principal) = 16),
    part      TEXT NOT NULL CHECK (part IN ('approver', 'candidate')),
    role      BLOB NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (principal, part, role)
) STRICT, WITHOUT ROWID;

CREATE INDEX role_principal_role ON role_principal (role);

-- What roles were before they changed, for lists that show an earlier moment; kept as elevation_past is.
CREATE TABLE role_past (
    until_time   INTEGER NOT NULL,
    until        INTEGER NOT NULL,
    id           BLOB    NOT NULL,
    version      INTEGER NOT NULL,
    since        INTEGER NOT NULL,
    display_name TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    max_duration INTEGER NOT NULL,
    candidates   TEXT    NOT NULL,
    approvers    TEXT,
    required_approvals       INTEGER,
    deleted      INTEGER NOT NULL,
    PRIMARY KEY (until_time, until, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE elevation (
    id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version           INTEGER NOT NULL,
    since             INTEGER NOT NULL, -- the sequence of its last event
    requester_id      BLOB    NOT NULL CHECK (length(requester_id) = 16),
    requester_name    TEXT    NOT NULL,
    role              BLOB    NOT NULL CHECK (length(role) = 16),
    role_display_name TEXT    NOT NULL,
    justification     TEXT,
    requested_duration    INTEGER NOT NULL,
    duration              INTEGER NOT NULL,
    requested_start_time   INTEGER NOT NULL,
    create_time          INTEGER NOT NULL,
    activate_time      INTEGER, -- null until it was activated
    expire_time        INTEGER, -- null until it was activated
    state             TEXT    NOT NULL,
    fim_request_id    BLOB    NOT NULL CHECK (length(fim_request_id) = 16),
    approval          BLOB             CHECK (length(approval) = 16), -- null when the role needed none
    pending_expire_time     INTEGER,
    outcome           TEXT             CHECK (outcome IN ('approve', 'reject')), -- null while the approval is open
    decisions         TEXT    NOT NULL CHECK (json_valid(decisions)),
    channel           TEXT    NOT NULL CHECK (channel IN ('grpc', 'pam_web_api')),
    CHECK ((activate_time IS NULL) = (expire_time IS NULL)),
    CHECK ((approval IS NULL) = (pending_expire_time IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX elevation_approval ON elevation (approval) WHERE approval IS NOT NULL;
CREATE INDEX elevation_pending ON elevation (role, create_time) WHERE state = 'PendingApproval';
CREATE INDEX elevation_requester ON elevation (requester_id, create_time);
-- Those whose state is not an end, though their time may have passed.
CREATE INDEX elevation_live ON elevation (role, requester_id, since)
    WHERE state IN ('Active', 'PendingApproval', 'Scheduled');

-- What elevations were before they changed, for lists that show an earlier moment. Kept for as long as a page token
-- lives; the record, not this table, is the history.
CREATE TABLE elevation_past (
    until_time        INTEGER NOT NULL,
    until             INTEGER NOT NULL, -- the sequence of the event that ended this
    id                BLOB    NOT NULL,
    version           INTEGER NOT NULL,
    since             INTEGER NOT NULL,
    requester_id      BLOB    NOT NULL,
    requester_name    TEXT    NOT NULL,
    role              BLOB    NOT NULL,
    role_display_name TEXT    NOT NULL,
    justification     TEXT,
    requested_duration    INTEGER NOT NULL,
    duration              INTEGER NOT NULL,
    requested_start_time   INTEGER NOT NULL,
    create_time          INTEGER NOT NULL,
    activate_time      INTEGER,
    expire_time        INTEGER,
    state             TEXT    NOT NULL,
    fim_request_id    BLOB    NOT NULL,
    approval          BLOB,
    pending_expire_time     INTEGER,
    outcome           TEXT,
    decisions         TEXT    NOT NULL,
    channel           TEXT    NOT NULL,
    PRIMARY KEY (until_time, until, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX elevation_past_pending ON elevation_past (role, until) WHERE state = 'PendingApproval';
