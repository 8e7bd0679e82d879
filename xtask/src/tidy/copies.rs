//! Text that stands in two places for its readers' sake, and must be the same in both.

use crate::finding::Finding;
use crate::tree::File;

/// A document that shows a file's text to those who will not look for it.
struct Copy {
    document: &'static str,
    original: &'static str,
    /// Placeholder in the original, and what the document puts there.
    filled: (&'static str, &'static str),
}

static COPIES: &[Copy] = &[
    Copy {
        document: "README.md",
        original: "crates/pg/queries/least_rights.sql",
        filled: (":role", "pgward"),
    },
    Copy {
        document: "README.md",
        original: "crates/pg/queries/deploy_rights.sql",
        filled: (":role", "deploy"),
    },
];

/// Copies that are no longer their originals.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let text = |path: &str| files.iter().find(|f| f.path == path).map(|f| f.text.as_str());
    let mut findings = Vec::new();
    for copy in COPIES {
        let (Some(document), Some(original)) = (text(copy.document), text(copy.original)) else {
            findings.push(Finding::error(
                copy.original,
                format!("is to be shown in {}, and one of the two is missing", copy.document),
                "bring it back, or take the pair out of xtask/src/tidy/copies.rs",
            ));
            continue;
        };
        let (placeholder, value) = copy.filled;
        let original = original.replace(placeholder, value);
        if !document.contains(original.trim()) {
            findings.push(Finding::error(
                copy.document,
                format!("does not show {} as it is now", copy.original),
                format!("copy its text into {}, with {value} for {placeholder}", copy.document),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_fell_behind_is_found() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let original = file("crates/pg/queries/least_rights.sql", "GRANT x TO :role;\n");
        let deploy = file("crates/pg/queries/deploy_rights.sql", "GRANT z TO :role;\n");
        let shown = |rights: &str| {
            file("README.md", &format!("```sql\n{rights}\n```\n```sql\nGRANT z TO deploy;\n```\n"))
        };
        let good = shown("GRANT x TO pgward;");
        assert_eq!(check(&[original.clone(), deploy.clone(), good]), []);
        let old = shown("GRANT y TO pgward;");
        let findings = check(&[original.clone(), deploy.clone(), old]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.contains("least_rights.sql"), "{findings:?}");
        assert_eq!(check(&[original, deploy]).len(), 2);
    }
}
