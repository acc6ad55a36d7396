-- What the third version added: broadcasts, and how far each user is with them.

INSERT INTO broadcasts (id, time, text)
VALUES (1700000000000011, 1700000000000011, 'The server moves.'), (1700000000000013, 1700000000000012, '海 it''s done');

UPDATE users SET last_broadcast = 1700000000000011 WHERE uin = 10001;
UPDATE users SET last_broadcast = 1700000000000013 WHERE uin = 7;
