//! Post-mortems and their figures, as the files people open.

use crate::error::Error;
use crate::vault::{Vault, checked};
use object_store::path::Path;
use std::path::PathBuf;

/// What a post-mortem is made of.
const ENDINGS: [&str; 4] = [".md", ".html", ".svg", ".json"];

impl Vault {
    /// Writes `postmortems/NAME` (ending `.md`, `.html`, `.svg` or `.json`), over an earlier
    /// version, and returns where it lies.
    pub fn write_postmortem(&self, name: &str, bytes: Vec<u8>) -> Result<PathBuf, Error> {
        let what = "a post-mortem file";
        if !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            let why = "it ends in none of .md, .html, .svg, .json";
            return Err(Error::Name { name: name.to_owned(), what, why });
        }
        self.put(&Path::from_iter(["postmortems", checked(name, what)?]), bytes)
    }

    /// Names of all post-mortem files, sorted.
    pub fn postmortem_names(&self) -> Result<Vec<String>, Error> {
        Ok(self.names(&Path::from("postmortems"))?.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_where_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        vault.write_postmortem("17.md", b"# old".to_vec()).unwrap();
        let path = vault.write_postmortem("17.md", b"# new".to_vec()).unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"# new");
        vault.write_postmortem("17-timeline.svg", b"<svg/>".to_vec()).unwrap();
        assert_eq!(vault.postmortem_names().unwrap(), ["17-timeline.svg", "17.md"]);
        assert!(vault.write_postmortem("17.exe", Vec::new()).is_err());
        assert!(vault.write_postmortem("../17.md", Vec::new()).is_err());
    }
}
