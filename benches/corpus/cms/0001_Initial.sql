-- Diese Datei legt das Schema an; nicht mehr ändern!
CREATE TABLE "Site" ("Id" serial PRIMARY KEY, "Host Name" varchar(100) NOT NULL UNIQUE, "Theme" text);
CREATE TABLE "Page" (
  "Id" serial PRIMARY KEY,
  "SiteId" int NOT NULL REFERENCES "Site" ("Id"),
  "Path" text NOT NULL,
  "Title" text,
  "Body" text, -- markdown; may contain ';'
  "Published" timestamp NULL,
  "Order" int
);
CREATE TABLE "Straße" ("Größe" int, "naïve café" text, "日付" date);
CREATE UNIQUE INDEX "Page path; unique" ON "Page" ("SiteId", "Path");
