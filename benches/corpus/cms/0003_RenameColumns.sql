ALTER TABLE "Site" RENAME COLUMN "Host Name" TO "HostName";
ALTER TABLE "Page" RENAME COLUMN "Order" TO "Position";
ALTER TABLE "Page" RENAME CONSTRAINT "Page_SiteId_fkey" TO "FK Page -> Site";
ALTER INDEX "Page path; unique" RENAME TO "UX_Page_Path";
