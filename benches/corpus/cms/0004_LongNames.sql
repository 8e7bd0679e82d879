-- longer than 63 bytes, PostgreSQL truncates both
CREATE TABLE "PageContentBlockTranslationRevisionApprovalWorkflowStepAssignmentHistory" (
  "Id" bigserial PRIMARY KEY,
  "PageContentBlockTranslationRevisionApprovalWorkflowStepAssignmentId" int
);
CREATE INDEX "IX_PageContentBlockTranslationRevisionApprovalWorkflowStepAssignmentHistory_Step"
  ON "PageContentBlockTranslationRevisionApprovalWorkflowStepAssignmentHistory" ("PageContentBlockTranslationRevisionApprovalWorkflowStepAssignmentId");
ALTER TABLE "PageContentBlockTranslationRevisionApprovalWorkflowStepAssignmentHistory" ADD COLUMN note text;
