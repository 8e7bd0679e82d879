INSERT INTO "EmailTemplate" ("id", "kind", "subject", "html") VALUES
  ('clx0001', 'WELCOME', 'Welcome!', '<p>Hello; nice to meet you</p>'),
  ('clx0002', 'FOLLOW_UP', 'Any news?', '<p>--</p>');
