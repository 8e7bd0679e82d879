-- CreateEnum
CREATE TYPE "TemplateKind" AS ENUM ('WELCOME', 'FOLLOW_UP', 'INVOICE');

-- CreateTable
CREATE TABLE "EmailTemplate" (
    "id" TEXT NOT NULL,
    "kind" "TemplateKind" NOT NULL,
    "subject" TEXT NOT NULL,
    "html" TEXT NOT NULL,

    CONSTRAINT "EmailTemplate_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "EmailTemplate_kind_key" ON "EmailTemplate"("kind");
