-- Messages are stored by the thousand: one index finds a mailbox and, in the order of their numbers, its messages. How many are
-- from one sender is counted from them. Whether a recipient exists is asked once for many messages, not by a
-- reference for each.

ALTER TABLE messages RENAME TO messages_before;

CREATE TABLE messages (
    id        INTEGER PRIMARY KEY,
    recipient INTEGER NOT NULL,
    -- The administrator need not be a user, and what a removed user said stays said.
    sender    INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    -- Microseconds since 1970.
    time      INTEGER NOT NULL,
    charset   TEXT    NOT NULL,
    text      BLOB    NOT NULL
) STRICT;

INSERT INTO messages (id, recipient, sender, kind, time, charset, text)
SELECT id, recipient, sender, kind, time, charset, text FROM messages_before ORDER BY id;

DROP TABLE messages_before;

-- The index ends with the id by itself: the key of the row.
CREATE INDEX messages_of_recipient ON messages (recipient);

CREATE TRIGGER messages_of_removed_user AFTER DELETE ON users BEGIN
    DELETE FROM messages WHERE recipient = OLD.uin;
END;
