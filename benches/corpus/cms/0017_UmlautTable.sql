ALTER TABLE "Straße" ALTER COLUMN "Größe" TYPE bigint, ADD CONSTRAINT "größer null" CHECK ("Größe" > 0);
ALTER TABLE "Straße" RENAME TO "Straßen";
CREATE INDEX "Straßen_日付" ON "Straßen" ("日付");
