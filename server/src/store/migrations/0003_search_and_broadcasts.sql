-- Searches: by the whole nick or e-mail address. Many users have neither, and nobody looks for them. Each index ends with the number by
-- itself, in the order of which a page is read.
CREATE INDEX users_by_nick ON users (nick COLLATE NOCASE) WHERE nick <> '';
CREATE INDEX users_by_email ON users (email COLLATE NOCASE) WHERE email <> '';

-- What the administrator says to everybody: a few at a time, and not for ever.
CREATE TABLE broadcasts (
    -- A number of the same kind as those of messages: no message has it.
    id   INTEGER PRIMARY KEY,
    -- Microseconds since 1970.
    time INTEGER NOT NULL,
    text TEXT    NOT NULL
) STRICT;

-- The last one that a user has acknowledged, or that was there before him.
ALTER TABLE users ADD COLUMN last_broadcast INTEGER NOT NULL DEFAULT 0;
