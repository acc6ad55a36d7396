-- What a server of the first version may have left behind: users with and without a profile, among them one whom the administrator has
-- chosen a number for; lists; open questions; messages in several charsets, also from somebody who was removed.

INSERT INTO users (uin, password_hash, created_at, face, nick, age, gender, country, province, city, email, address, zipcode, tel, name, blood, college, occupation, homepage, intro, auth)
VALUES (10001, '$argon2id$v=19$m=8,t=1,p=1$AAAA$BBBB', 1700000001, 7, '林', 23, 1, '中国', '浙江', '杭州', 'Lin@example.org', 'a "street"',
        '310000', '0571', 'Lin ''s', 3, 'ZJU', 'poet', 'http://example.org/', 'two
lines', 2);
INSERT INTO users (uin, password_hash, created_at) VALUES (10002, 'two', 1700000002), (10003, 'three', 1700000003);
INSERT INTO users (uin, password_hash, created_at, nick) VALUES (7, 'seven', 1700000004, 'Ann');
UPDATE sqlite_sequence SET seq = 10008 WHERE name = 'users';

INSERT INTO contacts (owner, contact) VALUES (10001, 10002), (10001, 7), (10002, 10003), (7, 10001);

INSERT INTO auth_requests (id, asker, target) VALUES (3, 10003, 10001), (5, 10002, 7);

-- 10004 was removed.
INSERT INTO messages (id, recipient, sender, kind, time, charset, text)
VALUES (1700000000000007, 10002, 10001, 0, 1700000000000007, 'gbk', X'68656c6c6fff53696d53756eff39ff30ff30'),
       (1700000000000003, 10002, 10004, 0, 1700000000000003, 'utf-8', X'e6b5b7'),
       (1700000000000005, 10003, 10000, 4, 1700000000000004, 'big5', X''),
       (1700000000000009, 7, 10001, 255, 9, 'gbk', X'00ff');
