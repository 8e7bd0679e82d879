DO $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'Page' AND column_name = 'Locale') THEN
    ALTER TABLE "Page" ADD COLUMN "Locale" varchar(5) DEFAULT 'de' NOT NULL;
  END IF;
  IF EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'page_locale_check') THEN
    ALTER TABLE "Page" DROP CONSTRAINT page_locale_check;
  END IF;
END $$;
