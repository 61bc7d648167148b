-- The guards of requesters: who files under a quota relies on the version and writes it.
CREATE TABLE guard (
    account BLOB    NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What waits for approval, by who asked for it.
CREATE INDEX elevation_pending_requester ON elevation (requester_id, pending_expire_time) WHERE state = 'PendingApproval';
