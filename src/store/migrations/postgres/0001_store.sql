-- Times are counts of 100 ns since 1970-01-01T00:00:00Z, durations are seconds. Text compares by code point, as in SQLite,
-- whatever the collation of the database is. Lists are jsonb, so that the server refuses text that is not JSON. Tables,
-- columns and indexes are in the same order as in SQLite.

-- The end of the record: one row, which every commit locks first. Before the first event the hash is a random id, so that no
-- two records are alike.
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
    previous bigint NOT NULL CHECK (0 <= previous AND previous < sequence), -- that of the event before of its subject, or 0
    header   bytea  NOT NULL,
    payload  bytea  NOT NULL
);

-- Roles. The row of a deleted role stays, so that its id is never used again.
CREATE TABLE role (
    id             uuid    NOT NULL PRIMARY KEY,
    version        bigint  NOT NULL,
    since          bigint  NOT NULL, -- the sequence of its last event
    display_name   text    COLLATE "C" NOT NULL,
    description    text    COLLATE "C" NOT NULL,
    max_duration   bigint  NOT NULL,
    candidates     jsonb   NOT NULL,
    stages         jsonb   NOT NULL, -- empty if no approval is required
    available_from text    COLLATE "C" NOT NULL, -- a time of day such as 08:00; empty without a window
    available_to   text    COLLATE "C" NOT NULL,
    rules          jsonb   NOT NULL,
    deleted        boolean NOT NULL DEFAULT false,
    CHECK ((available_from = '') = (available_to = ''))
);

-- The principals that a role names, to find the roles of an account.
CREATE TABLE role_principal (
    principal uuid   NOT NULL,
    part      text   COLLATE "C" NOT NULL CHECK (part IN ('approver', 'candidate')),
    stage     bigint NOT NULL, -- 0 for a candidate
    role      uuid   NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (principal, part, role, stage)
);

CREATE INDEX role_principal_role ON role_principal (role);

-- Elevations, each with its approval. Pages keep room, so that the next version of a row is in the same page, and no index
-- changes.
CREATE TABLE elevation (
    id                   uuid   NOT NULL PRIMARY KEY,
    version              bigint NOT NULL,
    since                bigint NOT NULL, -- the sequence of its last event
    requester_id         uuid   NOT NULL,
    requester_name       text   COLLATE "C" NOT NULL,
    role                 uuid   NOT NULL,
    role_display_name    text   COLLATE "C" NOT NULL,
    justification        text   COLLATE "C",
    requested_duration   bigint NOT NULL,
    duration             bigint NOT NULL,
    requested_start_time bigint NOT NULL,
    create_time          bigint NOT NULL,
    activate_time        bigint, -- null until it was activated
    expire_time          bigint, -- null until it was activated
    state                text   COLLATE "C" NOT NULL,
    due                  bigint, -- when time alone starts or ends it; null if it has ended
    ended                bigint NOT NULL CHECK (ended IN (0, 1)), -- set by its last event only, so that no other event moves a row in an index
    fim_request_id       uuid   NOT NULL,
    approval             uuid, -- null if the role required none
    pending_expire_time  bigint,
    stage                bigint NOT NULL, -- the open stage after the last decision, from 0
    outcome              text   COLLATE "C" CHECK (outcome IN ('approve', 'reject')), -- null while the approval is open
    decisions            jsonb  NOT NULL,
    channel              text   COLLATE "C" NOT NULL CHECK (channel IN ('grpc', 'pam_web_api')),
    client_request       uuid, -- the client's own id of the request
    fingerprint          uuid, -- the fingerprint of the request under that id
    CHECK ((activate_time IS NULL) = (expire_time IS NULL)),
    CHECK ((approval IS NULL) = (pending_expire_time IS NULL)),
    CHECK ((due IS NULL) = (state = 'Closed' OR state = 'Expired' OR state = 'Rejected')),
    CHECK ((ended = 1) = (due IS NULL))
) WITH (fillfactor = 60);

CREATE UNIQUE INDEX elevation_approval ON elevation (approval) WHERE approval IS NOT NULL;
-- The elevations that no event has ended, though their time may have passed.
CREATE INDEX elevation_live ON elevation (role, create_time, id) WHERE ended = 0;
CREATE INDEX elevation_live_requester ON elevation (requester_id, role) WHERE ended = 0;
-- A list of elevations without order keys continues after the last row by this index.
CREATE INDEX elevation_requester ON elevation (requester_id, create_time, id);
CREATE INDEX elevation_client_request ON elevation (requester_id, client_request, create_time)
    WHERE client_request IS NOT NULL;

-- The moments at which elevations become due. A row is written with every new moment of an elevation, and stays if the
-- elevation gets another one. Then it is spent: it means nothing, and is deleted once its moment has passed.
CREATE TABLE alarm (
    due bigint NOT NULL,
    id  uuid   NOT NULL,
    PRIMARY KEY (due, id)
);

-- The guards of requesters. A filing under a quota, or with an id of the client, relies on the version and writes it.
CREATE TABLE guard (
    account uuid   PRIMARY KEY,
    version bigint NOT NULL
);

-- The effects of decisions that were not carried out. A row is written in the commit that causes it, and deleted in the
-- commit that settles it.
CREATE TABLE effect (
    id       uuid   PRIMARY KEY,
    version  bigint NOT NULL,
    subject  uuid   NOT NULL, -- effects of one subject are carried out in order
    sequence bigint NOT NULL, -- that of the last event of its commit
    number   bigint NOT NULL, -- its place in the commit
    due      bigint NOT NULL,
    attempts bigint NOT NULL,
    payload  bytea  NOT NULL CHECK (length(payload) <= 65536)
);

CREATE INDEX effect_subject ON effect (subject, sequence, number);
CREATE INDEX effect_due ON effect (due);
