-- AlterTable
ALTER TABLE "User" ADD COLUMN     "organizationId" UUID;

UPDATE "User" SET "organizationId" = '00000000-0000-0000-0000-000000000001';

-- AlterTable
ALTER TABLE "User" ALTER COLUMN "organizationId" SET NOT NULL;

-- AddForeignKey
ALTER TABLE "User" ADD CONSTRAINT "User_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES "Organization"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
