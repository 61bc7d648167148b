-- Moments are counts of 100 ns since 1970-01-01T00:00:00Z, lives are seconds. Text compares by code point, as it does in
-- SQLite, whatever the database's own collation is. Lists are jsonb, so that the server refuses what is no JSON.

-- The end of the record: one row, which whoever writes locks first. Before the first event the hash is a random id, so
-- that no record is like another.
CREATE TABLE head (
    one      integer PRIMARY KEY CHECK (one = 1),
    sequence bigint  NOT NULL,
    hash     bytea   NOT NULL CHECK (length(hash) = 32)
);

INSERT INTO head (one, sequence, hash)
    VALUES (1, 0, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- The record. Rows are written once and never changed.
CREATE TABLE event (
    sequence bigint PRIMARY KEY,
    subject  uuid  NOT NULL,
    header   bytea NOT NULL,
    payload  bytea NOT NULL
);

CREATE TABLE role (
    id           uuid    PRIMARY KEY,
    version      bigint  NOT NULL,
    since        bigint  NOT NULL, -- the sequence of its last event
    display_name text    COLLATE "C" NOT NULL,
    description  text    COLLATE "C" NOT NULL,
    max_duration bigint  NOT NULL,
    candidates   jsonb   NOT NULL,
    approvers    jsonb, -- null when no approval is required
    required_approvals       bigint,
    deleted      boolean NOT NULL DEFAULT false, -- the row stays, so that the id is never used again
    CHECK ((approvers IS NULL) = (required_approvals IS NULL))
);

-- Whom a role names, to find the roles of somebody.
CREATE TABLE role_principal (
    principal uuid NOT NULL,
    part      text COLLATE "C" NOT NULL CHECK (part IN ('approver', 'candidate')),
    role      uuid NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (principal, part, role)
);

CREATE INDEX role_principal_role ON role_principal (role);

-- What roles were before they changed, for lists that show an earlier moment; kept as elevation_past is.
CREATE TABLE role_past (
    until_time   bigint  NOT NULL,
    until        bigint  NOT NULL,
    id           uuid    NOT NULL,
    version      bigint  NOT NULL,
    since        bigint  NOT NULL,
    display_name text    COLLATE "C" NOT NULL,
    description  text    COLLATE "C" NOT NULL,
    max_duration bigint  NOT NULL,
    candidates   jsonb   NOT NULL,
    approvers    jsonb,
    required_approvals       bigint,
    deleted      boolean NOT NULL,
    PRIMARY KEY (until_time, until, id)
);

CREATE TABLE elevation (
    id                uuid   PRIMARY KEY,
    version           bigint NOT NULL,
    since             bigint NOT NULL, -- the sequence of its last event
    requester_id      uuid   NOT NULL,
    requester_name    text   COLLATE "C" NOT NULL,
    role              uuid   NOT NULL,
    role_display_name text   COLLATE "C" NOT NULL,
    justification     text   COLLATE "C",
    requested_duration    bigint NOT NULL,
    duration              bigint NOT NULL,
    requested_start_time   bigint NOT NULL,
    create_time          bigint NOT NULL,
    activate_time      bigint, -- null until it was activated
    expire_time        bigint, -- null until it was activated
    state             text   COLLATE "C" NOT NULL,
    fim_request_id    uuid   NOT NULL,
    approval          uuid, -- null when the role needed none
    pending_expire_time     bigint,
    outcome           text   COLLATE "C" CHECK (outcome IN ('approve', 'reject')), -- null while the approval is open
    decisions         jsonb  NOT NULL,
    channel           text   COLLATE "C" NOT NULL CHECK (channel IN ('grpc', 'pam_web_api')),
    CHECK ((activate_time IS NULL) = (expire_time IS NULL)),
    CHECK ((approval IS NULL) = (pending_expire_time IS NULL))
);

CREATE UNIQUE INDEX elevation_approval ON elevation (approval) WHERE approval IS NOT NULL;
CREATE INDEX elevation_pending ON elevation (role, create_time) WHERE state = 'PendingApproval';
CREATE INDEX elevation_requester ON elevation (requester_id, create_time);
-- Those whose state is not an end, though their time may have passed.
CREATE INDEX elevation_live ON elevation (role, requester_id, since)
    WHERE state IN ('Active', 'PendingApproval', 'Scheduled');

-- What elevations were before they changed, for lists that show an earlier moment. Kept for as long as a page token
-- lives; the record, not this table, is the history.
CREATE TABLE elevation_past (
    until_time        bigint NOT NULL,
    until             bigint NOT NULL, -- the sequence of the event that ended this
    id                uuid   NOT NULL,
    version           bigint NOT NULL,
    since             bigint NOT NULL,
    requester_id      uuid   NOT NULL,
    requester_name    text   COLLATE "C" NOT NULL,
    role              uuid   NOT NULL,
    role_display_name text   COLLATE "C" NOT NULL,
    justification     text   COLLATE "C",
    requested_duration    bigint NOT NULL,
    duration              bigint NOT NULL,
    requested_start_time   bigint NOT NULL,
    create_time          bigint NOT NULL,
    activate_time      bigint,
    expire_time        bigint,
    state             text   COLLATE "C" NOT NULL,
    fim_request_id    uuid   NOT NULL,
    approval          uuid,
    pending_expire_time     bigint,
    outcome           text   COLLATE "C",
    decisions         jsonb  NOT NULL,
    channel           text   COLLATE "C" NOT NULL,
    PRIMARY KEY (until_time, until, id)
);

CREATE INDEX elevation_past_pending ON elevation_past (role, until) WHERE state = 'PendingApproval';
