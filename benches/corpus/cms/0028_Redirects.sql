CREATE TABLE redirect ("from" text PRIMARY KEY, "to" text NOT NULL, code smallint NOT NULL DEFAULT 301 CHECK (code IN (301, 302, 308)));
INSERT INTO redirect ("from", "to") VALUES ('/index.php?a=1;b=2', '/'), ('/über-uns', '/about');
