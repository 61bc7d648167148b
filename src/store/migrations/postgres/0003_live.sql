-- Those whose state is not an end, though their time may have passed; in the words that suit SQLite, since both backends
-- ask with the same.
DROP INDEX elevation_live;
CREATE INDEX elevation_live ON elevation (role, requester_id, since) WHERE state NOT IN ('Closed', 'Rejected');
