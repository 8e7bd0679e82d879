ALTER TABLE "Page" ALTER COLUMN "Published" SET DATA TYPE timestamp with time zone USING "Published" AT TIME ZONE 'Europe/Berlin';
ALTER TABLE "Page" ALTER "Published" SET DEFAULT now();
