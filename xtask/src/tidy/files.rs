//! Rules that one file keeps by itself: its first line, its length, no registry's address.

use crate::finding::Finding;
use crate::tree::File;

/// Beyond this a reader no longer holds a file in the head.
const LINES_MAX: usize = 800;

/// Registries, as name and domain, so that this file does not name one itself. Which registry
/// or mirror a machine uses is that machine's business and does not belong into the checkout.
const REGISTRIES: [(&str, &str); 14] = [
    ("crates", "io"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("rubygems", "org"),
    ("proxy.golang", "org"),
    ("repo.maven.apache", "org"),
    ("deb.debian", "org"),
    ("archive.ubuntu", "com"),
    ("apt.postgresql", "org"),
    ("docker", "io"),
    ("ghcr", "io"),
];

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.path.ends_with(".rs") {
        findings.extend(head(file));
        findings.extend(length(file));
    }
    findings.extend(registry(file));
    if file.path == ".cargo/config.toml" {
        findings.extend(cargo_config(file));
    }
    findings
}

fn head(file: &File) -> Option<Finding> {
    let first = file.text.lines().next().unwrap_or("");
    let says_something = first.strip_prefix("//!").is_some_and(|rest| !rest.trim().is_empty());
    (!says_something).then(|| {
        Finding::error(
            format!("{}:1", file.path),
            "does not begin by saying what it is for",
            "make its first line a sentence: //! What this file is for.",
        )
    })
}

fn length(file: &File) -> Option<Finding> {
    let n_lines = file.text.lines().count();
    (n_lines > LINES_MAX).then(|| {
        Finding::warning(
            &file.path,
            format!("has {n_lines} lines, more than {LINES_MAX}"),
            "split it where its parts have names of their own",
        )
    })
}

fn registry(file: &File) -> Vec<Finding> {
    let is_lock = file.path.ends_with("Cargo.lock");
    let default_source = format!(
        "source = \"registry+https://github.com/rust-lang/{}-index\"",
        REGISTRIES.first().map_or_else(String::new, |(name, domain)| format!("{name}.{domain}"))
    );
    let mut findings = Vec::new();
    for (i, line) in file.text.lines().enumerate() {
        let place = format!("{}:{}", file.path, i + 1);
        if is_lock && line.starts_with("source = ") {
            if line != default_source {
                findings.push(Finding::error(
                    place,
                    format!("a package comes from elsewhere: {line}"),
                    "use packages of cargo's default registry, and write the lock file without \
                     replacing that source by address",
                ));
            }
            continue;
        }
        if let Some(host) = REGISTRIES
            .iter()
            .map(|(name, domain)| format!("{name}.{domain}"))
            .find(|host| names_host(line, host))
        {
            findings.push(Finding::error(
                place,
                format!("names a package registry: {host}"),
                "leave it to the machine's own configuration; in text, write 'the registry'",
            ));
        }
    }
    findings
}

/// Does `host` stand in `line` as a host, itself or with something before a dot?
fn names_host(line: &str, host: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    line.match_indices(host).any(|(at, _)| {
        let before = line.get(..at).and_then(|l| l.chars().next_back());
        let after = line.get(at + host.len()..).and_then(|l| l.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn cargo_config(file: &File) -> Vec<Finding> {
    let redirects = |line: &str| {
        let table = line.trim().trim_start_matches('[');
        line.trim().starts_with('[')
            && ["source", "registries", "registry"]
                .iter()
                .any(|t| table.strip_prefix(t).is_some_and(|rest| rest.starts_with(['.', ']'])))
    };
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| redirects(line))
        .map(|(i, line)| {
            Finding::error(
                format!("{}:{}", file.path, i + 1),
                format!("redirects packages for everybody: {}", line.trim()),
                "put it into the machine's own cargo configuration",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn findings(path: &str, text: &str, expected: &[&str]) {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        let said: Vec<String> = check(&file).iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn every_source_file_says_what_it_is_for() {
        findings("crates/a/src/a.rs", "//! Adds.\n", &[]);
        findings("crates/a/src/a.rs", "use b;\n", &["crates/a/src/a.rs:1: does not begin"]);
        findings("crates/a/src/a.rs", "//!\n", &["does not begin"]);
        findings("crates/a/src/a.rs", "", &["does not begin"]);
        findings("notes.md", "# Notes\n", &[]);
    }

    #[test]
    fn long_files_are_warned_of() {
        let text = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        findings("crates/a/src/a.rs", &text, &["warning: crates/a/src/a.rs: has 801 lines"]);
    }

    #[test]
    fn no_file_names_a_registry() {
        let host = ["static.crates", "io"].join(".");
        findings("notes.md", &format!("\nfrom https://{host}/x\n"), &["notes.md:2: names a"]);
        findings("notes.md", &format!("my-{host}s and not{host}\n"), &["names a"]);
        let part = ["hypocrates", "io"].join(".");
        findings("notes.md", &format!("{part} {part}n\n"), &[]);
    }

    #[test]
    fn the_lock_file_knows_one_source() {
        let host = ["crates", "io"].join(".");
        let default = format!("source = \"registry+https://github.com/rust-lang/{host}-index\"\n");
        findings("Cargo.lock", &default, &[]);
        findings("Cargo.lock", "source = \"git+https://a.b/c\"\n", &["comes from elsewhere"]);
    }

    #[test]
    fn cargo_is_not_redirected() {
        findings(".cargo/config.toml", "[alias]\nxtask = \"run\"\n", &[]);
        findings(".cargo/config.toml", "[source.mirror]\n", &["redirects packages"]);
        findings(".cargo/config.toml", "[registries]\n", &["redirects packages"]);
    }
}
