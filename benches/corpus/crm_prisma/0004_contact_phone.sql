-- AlterTable
ALTER TABLE "Contact" ADD COLUMN     "phone" TEXT,
ADD COLUMN     "isArchived" BOOLEAN NOT NULL DEFAULT false;
