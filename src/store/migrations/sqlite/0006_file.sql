-- The random id of this file, which a backup does not share. Every commit writes this row, so a log with commits carries the
-- id of the file that it belongs to.
ALTER TABLE head ADD COLUMN file BLOB NOT NULL DEFAULT x'00000000000000000000000000000000' CHECK (length(file) = 16);
UPDATE head SET file = randomblob(16);
