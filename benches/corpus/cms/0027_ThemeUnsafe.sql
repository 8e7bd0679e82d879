-- fails where a site has no theme; was run after a clean-up by hand
UPDATE "Site" SET "Theme" = 'plain' WHERE "Theme" IS NULL;
ALTER TABLE "Site" ALTER "Theme" SET NOT NULL, ALTER "Theme" SET DEFAULT 'plain', ADD CHECK ("Theme" <> '');
