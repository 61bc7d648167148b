-- Those whose state is not an end, though their time may have passed. A list of three would make SQLite build a table of
-- it for every change; it compares with a list of two as it is.
DROP INDEX elevation_live;
CREATE INDEX elevation_live ON elevation (role, requester_id, since) WHERE state NOT IN ('Closed', 'Rejected');
