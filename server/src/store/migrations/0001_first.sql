-- Users, their contact lists, who waits for an authorization, and messages for those who are away.
-- Texts of profiles are UTF-8; texts of messages are as they came, in the charset beside them.

CREATE TABLE users (
    -- AUTOINCREMENT: the number of a removed user is never given to another, on whose behalf he would get messages.
    uin           INTEGER PRIMARY KEY AUTOINCREMENT CHECK (uin BETWEEN 1 AND 4294967295),
    password_hash TEXT    NOT NULL,
    -- Seconds since 1970.
    created_at    INTEGER NOT NULL DEFAULT (unixepoch()),
    face          INTEGER NOT NULL DEFAULT 0,
    nick          TEXT    NOT NULL DEFAULT '',
    age           INTEGER NOT NULL DEFAULT 0,
    gender        INTEGER NOT NULL DEFAULT 0,
    country       TEXT    NOT NULL DEFAULT '',
    province      TEXT    NOT NULL DEFAULT '',
    city          TEXT    NOT NULL DEFAULT '',
    email         TEXT    NOT NULL DEFAULT '',
    address       TEXT    NOT NULL DEFAULT '',
    zipcode       TEXT    NOT NULL DEFAULT '',
    tel           TEXT    NOT NULL DEFAULT '',
    name          TEXT    NOT NULL DEFAULT '',
    blood         INTEGER NOT NULL DEFAULT 0,
    college       TEXT    NOT NULL DEFAULT '',
    occupation    TEXT    NOT NULL DEFAULT '',
    homepage      TEXT    NOT NULL DEFAULT '',
    intro         TEXT    NOT NULL DEFAULT '',
    auth          INTEGER NOT NULL DEFAULT 0
) STRICT;

-- 10000 is the administrator's; the first registration gets the number after it.
INSERT INTO sqlite_sequence (name, seq) VALUES ('users', 10000);

CREATE TABLE contacts (
    owner   INTEGER NOT NULL REFERENCES users (uin) ON DELETE CASCADE,
    contact INTEGER NOT NULL REFERENCES users (uin) ON DELETE CASCADE,
    PRIMARY KEY (owner, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE auth_requests (
    -- Rises with the time of the request: an asker's oldest one goes when he has too many.
    id     INTEGER PRIMARY KEY,
    asker  INTEGER NOT NULL REFERENCES users (uin) ON DELETE CASCADE,
    target INTEGER NOT NULL REFERENCES users (uin) ON DELETE CASCADE,
    UNIQUE (asker, target)
) STRICT;

CREATE TABLE messages (
    id        INTEGER PRIMARY KEY,
    recipient INTEGER NOT NULL REFERENCES users (uin) ON DELETE CASCADE,
    -- No reference: the administrator need not be a user, and what a removed user said stays said.
    sender    INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    -- Microseconds since 1970.
    time      INTEGER NOT NULL,
    charset   TEXT    NOT NULL,
    text      BLOB    NOT NULL
) STRICT;

-- Each index ends with the id by itself: the key of the row.
CREATE INDEX messages_of_recipient ON messages (recipient);
CREATE INDEX messages_of_pair ON messages (recipient, sender);
