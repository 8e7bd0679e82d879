-- hand edited: Prisma wanted to drop and re-create
ALTER TABLE "Deal" RENAME TO "Opportunity";
ALTER TABLE "Opportunity" RENAME CONSTRAINT "Deal_pkey" TO "Opportunity_pkey";
ALTER TABLE "Opportunity" RENAME CONSTRAINT "Deal_contactId_fkey" TO "Opportunity_contactId_fkey";
ALTER INDEX "Deal_stage_closedAt_idx" RENAME TO "Opportunity_stage_closedAt_idx";
ALTER SEQUENCE "Deal_id_seq" RENAME TO "Opportunity_id_seq";
ALTER TYPE "DealStage" RENAME TO "OpportunityStage";
ALTER TYPE "OpportunityStage" RENAME VALUE 'LEAD' TO 'NEW';
