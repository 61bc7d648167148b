-- What a requester holds, by when it ends.
CREATE INDEX elevation_requester_expiry ON elevation (requester_id, expire_time);
