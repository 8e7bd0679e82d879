-- RenameIndex
ALTER INDEX "Contact_ownerId_idx" RENAME TO "idx_contact_owner";

-- RenameForeignKey
ALTER TABLE "Note" RENAME CONSTRAINT "Note_authorId_fkey" TO "fk_note_author";
