//! The kinds of the house whose members are one file each, and where they live.

/// A kind; each file in its folder is a member, named by the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// As in `cargo xtask new KIND ID`.
    pub(crate) name: &'static str,
    pub(crate) dir: &'static str,
    pub(crate) registration: Registration,
    /// What a new member starts from; `{{id}}` is its id. None where a member is no more than
    /// a function of its own shape.
    pub(crate) template: Option<&'static str>,
}

/// How the house learns of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registration {
    /// `mod ID;` beside the folder, and one entry of a slice there that names it.
    Slice {
        /// The member's static: `LINT` makes the entry `&ID::LINT`.
        member: &'static str,
    },
    /// `mod ID;` beside the folder, and a call there.
    Call,
    /// A Markdown file that this source file includes by its path.
    Included { by: &'static str },
}

pub(crate) static KINDS: &[Kind] = &[
    Kind {
        name: "lint",
        dir: "crates/lint/src/lints",
        registration: Registration::Slice { member: "LINT" },
        template: Some(include_str!("../templates/lint.rs")),
    },
    Kind {
        name: "detector",
        dir: "crates/incident/src/detectors",
        registration: Registration::Slice { member: "DETECTOR" },
        template: Some(include_str!("../templates/detector.rs")),
    },
    Kind {
        name: "cause",
        dir: "crates/incident/src/causes",
        registration: Registration::Slice { member: "CAUSE" },
        template: Some(include_str!("../templates/cause.rs")),
    },
    Kind {
        name: "action",
        dir: "crates/recover/src/actions",
        registration: Registration::Slice { member: "ACTION" },
        template: Some(include_str!("../templates/action.rs")),
    },
    Kind {
        name: "check",
        dir: "crates/integrity/src/checks",
        registration: Registration::Slice { member: "CHECK" },
        template: Some(include_str!("../templates/check.rs")),
    },
    Kind {
        name: "sampler",
        dir: "crates/watch/src/samplers",
        registration: Registration::Slice { member: "SAMPLER" },
        template: None,
    },
    Kind {
        name: "sink",
        dir: "crates/app/src/alert",
        registration: Registration::Slice { member: "SINK" },
        template: None,
    },
    Kind {
        name: "series",
        dir: "crates/store/src/series",
        registration: Registration::Slice { member: "SERIES" },
        template: None,
    },
    Kind {
        name: "fault",
        dir: "crates/sandbox/src/faults",
        registration: Registration::Slice { member: "FAULT" },
        template: None,
    },
    Kind {
        name: "framework",
        dir: "crates/sql/src/frameworks",
        registration: Registration::Slice { member: "FRAMEWORK" },
        template: None,
    },
    Kind {
        name: "family",
        dir: "crates/logs/src/families",
        registration: Registration::Slice { member: "FAMILY" },
        template: None,
    },
    Kind {
        name: "scenario",
        dir: "crates/drill/scenarios",
        registration: Registration::Included { by: "crates/drill/src/scenario.rs" },
        template: Some(include_str!("../templates/scenario.md")),
    },
    Kind {
        name: "output",
        dir: "crates/render/src/outputs",
        registration: Registration::Slice { member: "OUTPUT" },
        template: None,
    },
    Kind {
        name: "command",
        dir: "crates/app/src/cli",
        registration: Registration::Call,
        template: None,
    },
];

impl Kind {
    pub(crate) fn extension(&self) -> &'static str {
        match self.registration {
            Registration::Included { .. } => "md",
            Registration::Slice { .. } | Registration::Call => "rs",
        }
    }

    /// Where the file of member `id` lies.
    pub(crate) fn path(&self, id: &str) -> String {
        format!("{}/{id}.{}", self.dir, self.extension())
    }

    /// What to write where, so that member `id` is known.
    pub(crate) fn registration(&self, id: &str) -> String {
        match self.registration {
            Registration::Slice { member } => {
                format!("`mod {id};` and the slice's entry `&{id}::{member},` in {}.rs", self.dir)
            }
            Registration::Call => format!("`mod {id};` and a call of it in {}.rs", self.dir),
            Registration::Included { by } => {
                format!(
                    "`(\"{id}\", include_str!(\"../scenarios/{id}.md\")),` in the slice of {by}"
                )
            }
        }
    }
}

/// Lower-case words joined by underscores, as a file, an id and a config key may all be called.
pub(crate) fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !text.ends_with('_')
        && !text.contains("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_snake_case() {
        for good in ["drop_table", "sha256", "a"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "DropTable", "drop-table", "2nd", "_drop", "drop_", "drop__table"] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
