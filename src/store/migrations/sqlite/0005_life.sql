-- The duration of an elevation: what time alone does to it, stages, the rules of a role, the client's own name of a request.

-- When time alone will start or end it; null when it has ended. It says which ones are live, too.
ALTER TABLE elevation ADD COLUMN due INTEGER;
-- The stage of the approval that was open after the last decision, from 0.
ALTER TABLE elevation ADD COLUMN stage INTEGER NOT NULL DEFAULT 0;
-- The client's own name of the request, and what stands for what was asked under it.
ALTER TABLE elevation ADD COLUMN client_request BLOB CHECK (length(client_request) = 16);
ALTER TABLE elevation ADD COLUMN fingerprint BLOB CHECK (length(fingerprint) = 16);
ALTER TABLE elevation_past ADD COLUMN due INTEGER;
ALTER TABLE elevation_past ADD COLUMN stage INTEGER NOT NULL DEFAULT 0;
ALTER TABLE elevation_past ADD COLUMN client_request BLOB;
ALTER TABLE elevation_past ADD COLUMN fingerprint BLOB;

UPDATE elevation SET due = CASE state
    WHEN 'Active' THEN expire_time
    WHEN 'PendingApproval' THEN pending_expire_time
    WHEN 'Scheduled' THEN requested_start_time
END;

DROP INDEX elevation_live;
CREATE INDEX elevation_live ON elevation (role, requester_id, since) WHERE due IS NOT NULL;
CREATE INDEX elevation_due ON elevation (due) WHERE due IS NOT NULL;
CREATE INDEX elevation_client_request ON elevation (requester_id, client_request, create_time)
    WHERE client_request IS NOT NULL;

-- What happened to one subject, in order.
CREATE INDEX event_subject ON event (subject);

CREATE TABLE role_with_rules (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    version        INTEGER NOT NULL,
    since          INTEGER NOT NULL, -- the sequence of its last event
    display_name   TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    max_duration   INTEGER NOT NULL,
    candidates     TEXT    NOT NULL CHECK (json_valid(candidates)),
    stages         TEXT    NOT NULL CHECK (json_valid(stages)), -- an empty list when no approval is required
    available_from TEXT    NOT NULL, -- a time of day such as 08:00; empty when any will do
    available_to   TEXT    NOT NULL,
    rules          TEXT    NOT NULL CHECK (json_valid(rules)),
    deleted        INTEGER NOT NULL DEFAULT 0, -- the row stays, so that the id is never used again
    CHECK ((available_from = '') = (available_to = ''))
) STRICT, WITHOUT ROWID;

INSERT INTO role_with_rules SELECT id, version, since, display_name, description, max_duration, candidates,
    CASE WHEN approvers IS NULL THEN '[]'
         ELSE json_array(json_object('approvers', json(approvers), 'required_approvals', required_approvals)) END,
    '', '', '{}', deleted FROM role;

CREATE TABLE role_past_with_rules (
    until_time     INTEGER NOT NULL,
    until          INTEGER NOT NULL,
    id             BLOB    NOT NULL,
    version        INTEGER NOT NULL,
    since          INTEGER NOT NULL,
    display_name   TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    max_duration   INTEGER NOT NULL,
    candidates     TEXT    NOT NULL,
    stages         TEXT    NOT NULL,
    available_from TEXT    NOT NULL,
    available_to   TEXT    NOT NULL,
    rules          TEXT    NOT NULL,
    deleted        INTEGER NOT NULL,
    PRIMARY KEY (until_time, until, id)
) STRICT, WITHOUT ROWID;

INSERT INTO role_past_with_rules SELECT until_time, until, id, version, since, display_name, description, max_duration,
    candidates,
    CASE WHEN approvers IS NULL THEN '[]'
         ELSE json_array(json_object('approvers', json(approvers), 'required_approvals', required_approvals)) END,
    '', '', '{}', deleted FROM role_past;

CREATE TABLE role_principal_with_stage (
    principal BLOB    NOT NULL CHECK (length(principal) = 16),
    part      TEXT    NOT NULL CHECK (part IN ('approver', 'candidate')),
    stage     INTEGER NOT NULL, -- 0 for a candidate
    role      BLOB    NOT NULL,
    PRIMARY KEY (principal, part, role, stage)
) STRICT, WITHOUT ROWID;

INSERT INTO role_principal_with_stage SELECT principal, part, 0, role FROM role_principal;

DROP TABLE role_principal;
DROP TABLE role;
DROP TABLE role_past;
ALTER TABLE role_with_rules RENAME TO role;
ALTER TABLE role_past_with_rules RENAME TO role_past;

CREATE TABLE role_principal (
    principal BLOB    NOT NULL CHECK (length(principal) = 16),
    part      TEXT    NOT NULL CHECK (part IN ('approver', 'candidate')),
    stage     INTEGER NOT NULL, -- 0 for a candidate
    role      BLOB    NOT NULL REFERENCES role (id) ON DELETE CASCADE,
    PRIMARY KEY (principal, part, role, stage)
) STRICT, WITHOUT ROWID;

INSERT INTO role_principal SELECT * FROM role_principal_with_stage;
DROP TABLE role_principal_with_stage;
CREATE INDEX role_principal_role ON role_principal (role);
