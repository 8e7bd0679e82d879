//! Starts a member of a kind from its template.

use crate::kinds::{KINDS, is_id};
use anyhow::{Context, Result, bail};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Writes the file of member `id` and returns what is left to do.
///
/// # Errors
/// When there is no such kind, the id is none, or the file exists or cannot be written.
pub(crate) fn new(root: &Path, kind: &str, id: &str) -> Result<String> {
    let templated = || KINDS.iter().filter(|k| k.template.is_some());
    let Some((kind, template)) =
        templated().find(|k| k.name == kind).and_then(|k| Some((k, k.template?)))
    else {
        let names: Vec<&str> = templated().map(|k| k.name).collect();
        bail!("there is no template for '{kind}', only for: {}", names.join(", "));
    };
    if !is_id(id) {
        bail!("'{id}' is no id: use lower-case words joined by _, such as drop_table");
    }
    let path = kind.path(id);
    let full = root.join(&path);
    if let Some(dir) = full.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", kind.dir))?;
    }
    // Never over a file that is there.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&full)
        .with_context(|| format!("cannot create {path}"))?;
    file.write_all(template.replace("{{id}}", id).as_bytes())
        .with_context(|| format!("cannot write {path}"))?;
    Ok(format!(
        "Wrote {path}.\nNext: write {}.\nThen fill it in; CONTRIBUTING.md says what its tests ask.\n",
        kind.registration(id)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Registration;
    use crate::tree;

    /// Names of the fields of `static NAME: Kind = Kind { ... };`.
    fn fields(text: &str, name: &str) -> Vec<String> {
        text.lines()
            .skip_while(|line| !line.contains(&format!("static {name}: ")))
            .skip(1)
            .take_while(|line| !line.starts_with('}'))
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(|line| line.split_once([':', ',']))
            .map(|(field, _)| field.to_owned())
            .collect()
    }

    #[test]
    fn templates_have_the_shape_of_present_members() {
        let files = tree::files(&tree::root()).unwrap();
        for kind in KINDS {
            let (Registration::Slice { member }, Some(template)) =
                (kind.registration, kind.template)
            else {
                continue;
            };
            let expected = fields(template, member);
            assert!(!expected.is_empty(), "no static {member} in the template of {}", kind.name);
            for file in files.iter().filter(|f| f.is_in(kind.dir) && f.stem() != "mod") {
                assert_eq!(fields(&file.text, member), expected, "{}", file.path);
            }
        }
    }

    #[test]
    fn a_member_is_written_once() {
        let root = std::env::temp_dir().join(format!("xtask-new-{}", std::process::id()));
        let said = new(&root, "cause", "lock_new").unwrap();
        assert!(said.contains("`&lock_new::CAUSE,` in crates/incident/src/causes.rs"), "{said}");
        let path = root.join("crates/incident/src/causes/lock_new.rs");
        assert!(std::fs::read_to_string(&path).unwrap().contains("id: \"lock_new\""));
        let again = new(&root, "cause", "lock_new").unwrap_err();
        std::fs::remove_dir_all(&root).unwrap();
        assert!(again.to_string().contains("cannot create"), "{again}");
        assert!(new(&root, "cause", "Lock").unwrap_err().to_string().contains("is no id"));
        assert!(new(&root, "moon", "x").unwrap_err().to_string().contains("only for: "));
    }
}
