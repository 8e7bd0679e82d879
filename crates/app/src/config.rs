//! `pgward.toml`: what a team has agreed for its files (lints it accepts and why, what they
//! weigh, values of variables, whether a file is one transaction), what it asks of its schema,
//! which servers are watched, and who is told of trouble.

mod policy;
mod watched;

pub use watched::{Server, Watched, of_servers};

use anyhow::{Context, anyhow, bail};
use pgward_lint::lints::LINTS;
use pgward_lint::{FileOptions, Policy};
use pgward_model::near;
use pgward_model::prelude::*;
use pgward_sql::expect::Allowance;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The name that is looked for.
const NAME: &str = "pgward.toml";
/// Written by hand, so far below this.
const BYTES_MAX: u64 = 1 << 20;

/// A configuration, read and checked.
#[derive(Debug, Default)]
pub struct Config {
    /// Where its paths begin.
    base: PathBuf,
    general: Rules,
    policy: Policy,
    /// Patterns of paths in the order written; what comes later wins.
    paths: Vec<(String, Rules)>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Document {
    check: General,
    policy: policy::RawPolicy,
    server: Vec<watched::RawServer>,
    alert: Vec<watched::RawRoute>,
    daemon: watched::RawDaemon,
    otlp: Option<watched::RawOtlp>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct General {
    allow: Vec<Allow>,
    severity: BTreeMap<Spanned<String>, Severity>,
    vars: BTreeMap<String, String>,
    transaction: Option<Transaction>,
    paths: BTreeMap<Spanned<String>, Rules>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    allow: Vec<Allow>,
    severity: BTreeMap<Spanned<String>, Severity>,
    vars: BTreeMap<String, String>,
    transaction: Option<Transaction>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    lint: Spanned<String>,
    reason: Spanned<String>,
}

/// Who begins a transaction around a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Transaction {
    /// The deploy tool, one for each file.
    File,
    /// Nobody but the file itself.
    None,
}

/// What is agreed of some files.
#[derive(Debug, Default)]
pub struct Agreed {
    /// By their path.
    pub files: BTreeMap<String, FileOptions>,
    pub policy: Policy,
}

/// What `pgward.toml` says of these files. It is `given`, or the nearest
/// one above the folder that all files share; without one, nothing is said.
///
/// # Errors
/// A file that cannot be read, and whatever in it is not understood, with its line.
pub fn of_files(given: Option<&Path>, files: &[String]) -> anyhow::Result<Agreed> {
    let Some(path) = given.map(Path::to_owned).or_else(|| nearest(files)) else {
        return Ok(Agreed::default());
    };
    let config = read(&path, &text_of(&path)?)?;
    let files = files.iter().map(|file| (file.clone(), config.of(file))).collect();
    Ok(Agreed { files, policy: config.policy })
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let metadata = std::fs::metadata(path)
        .with_context(|| format!("{}: no such configuration", path.display()))?;
    if metadata.len() > BYTES_MAX {
        bail!("{}: {} is no configuration", path.display(), human_bytes(metadata.len() as f64));
    }
    std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))
}

fn nearest(files: &[String]) -> Option<PathBuf> {
    let folder = common_folder(files)?;
    folder.ancestors().map(|dir| dir.join(NAME)).find(|path| path.is_file())
}

/// The deepest folder that holds all files; that of standard input is the current one.
fn common_folder(files: &[String]) -> Option<PathBuf> {
    let folder_of = |file: &String| match Path::new(file).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."), // standard input, and files of the current folder
    };
    let folders: BTreeSet<PathBuf> = files.iter().map(folder_of).collect();
    let mut common: Option<PathBuf> = None;
    // Most share the folder above them, whose links are followed once.
    let mut above: BTreeMap<&Path, Option<PathBuf>> = BTreeMap::new();
    for folder in &folders {
        let placed = match (folder.parent(), folder.file_name()) {
            (Some(parent), Some(name)) if parent != Path::new("") && !folder.is_symlink() => {
                let parent = above.entry(parent).or_insert_with(|| parent.canonicalize().ok());
                parent.as_ref().map(|parent| parent.join(name))
            }
            _ => folder.canonicalize().ok(),
        };
        common = match (common, placed) {
            (Some(a), Some(b)) => {
                let same = a.components().zip(b.components()).take_while(|(a, b)| a == b);
                Some(same.map(|(part, _)| part).collect())
            }
            (a, b) => a.or(b),
        };
    }
    common
}

/// A line with one of these may hold a password, also where it is mistyped.
const SECRET: [&str; 6] = ["//", "@", "database", "password", "key", "token"];

/// What is wrong at byte `at`, with its line and column. A line that may hold a secret is not
/// repeated.
fn wrong_at(path: &Path, text: &str, at: usize, what: &str) -> anyhow::Error {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count());
    let written = text.lines().nth(line).unwrap_or("").trim();
    let secret = SECRET.iter().any(|word| written.contains(word));
    let shown = if secret { String::new() } else { format!(", in: {written}") };
    anyhow!("{}:{}:{}: {what}{shown}", path.display(), line + 1, column + 1)
}

fn parsed(path: &Path, text: &str) -> anyhow::Result<Document> {
    toml::from_str(text).map_err(|e| {
        let what = e.message().trim().replace('\n', "; ");
        let meant = nearest_key(&what).map_or(String::new(), |k| format!("; did you mean `{k}`?"));
        wrong_at(path, text, e.span().map_or(0, |s| s.start), &format!("{what}{meant}"))
    })
}

/// The known word most like the unknown one, both told in backticks by the parser's message.
fn nearest_key(message: &str) -> Option<&str> {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (unknown, known) = words.split_first()?;
    if !message.starts_with("unknown") {
        return None;
    }
    near::nearest(unknown, known.iter().copied())
}

fn read(path: &Path, text: &str) -> anyhow::Result<Config> {
    let wrong = |at: usize, what: &str| wrong_at(path, text, at, what);
    let document = parsed(path, text)?;
    let base = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let base = base.parent().unwrap_or(Path::new("")).to_owned();
    let General { allow, severity, vars, transaction, paths } = document.check;
    let general = Rules { allow, severity, vars, transaction };
    let mut paths: Vec<(Spanned<String>, Rules)> = paths.into_iter().collect();
    paths.sort_by_key(|(pattern, _)| pattern.span().start);
    for rules in std::iter::once(&general).chain(paths.iter().map(|(_, rules)| rules)) {
        checked(rules, &wrong)?;
    }
    for (pattern, _) in &paths {
        let name = trimmed(pattern.get_ref());
        if !name.contains('*') && name != "-" && !base.join(name).exists() {
            return Err(wrong(pattern.span().start, &format!("there is no `{name}`")));
        }
    }
    let paths = paths.into_iter().map(|(p, rules)| (trimmed(p.get_ref()).to_owned(), rules));
    let policy = policy::read(document.policy, &wrong)?;
    Ok(Config { base, general, policy, paths: paths.collect() })
}

/// Every lint exists, every allowance has its reason.
fn checked(rules: &Rules, wrong: &impl Fn(usize, &str) -> anyhow::Error) -> anyhow::Result<()> {
    let named = rules.allow.iter().map(|a| &a.lint).chain(rules.severity.keys());
    for lint in named {
        let id = lint.get_ref();
        if !LINTS.iter().any(|l| l.id == id) {
            let what = format!("`{id}` is no lint (`pgward explain` lists them)");
            return Err(wrong(lint.span().start, &what));
        }
    }
    for allow in &rules.allow {
        if allow.reason.get_ref().trim().is_empty() {
            let what = format!("`{}` is allowed without a reason", allow.lint.get_ref());
            return Err(wrong(allow.reason.span().start, &what));
        }
    }
    Ok(())
}

/// A pattern without `./` before it and `/` behind it.
fn trimmed(pattern: &str) -> &str {
    pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/')
}

impl Config {
    /// What holds for a file: the general part, then each path that it is or lies below.
    fn of(&self, file: &str) -> FileOptions {
        let path = match std::fs::canonicalize(file) {
            Ok(path) if file != "-" => path,
            _ => self.base.join(file),
        };
        let below = path.strip_prefix(&self.base).unwrap_or(&path);
        let mut options = FileOptions::default();
        self.general.add_to(&mut options);
        for (pattern, rules) in &self.paths {
            let names = below.ancestors().map(|p| p.to_string_lossy());
            if names.into_iter().any(|name| !name.is_empty() && matches(pattern, &name)) {
                rules.add_to(&mut options);
            }
        }
        options
    }
}

impl Rules {
    fn add_to(&self, options: &mut FileOptions) {
        options.allow.extend(self.allow.iter().map(|a| Allowance {
            lint: a.lint.get_ref().clone(),
            reason: a.reason.get_ref().trim().to_owned(),
        }));
        let weights = self.severity.iter().map(|(id, severity)| (id.get_ref().clone(), *severity));
        options.severity.extend(weights);
        options.vars.extend(self.vars.clone());
        if let Some(transaction) = self.transaction {
            options.transaction = Some(transaction == Transaction::File);
        }
    }
}

/// `*` stands for any text within a name, `**` for any text.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut parts, mut rest) = (Vec::new(), pattern.chars().peekable());
    while let Some(c) = rest.next() {
        let double = c == '*' && rest.next_if_eq(&'*').is_some();
        parts.push(if double { '\0' } else { c });
    }
    // Which parts may come next, after each character of the path.
    let mut next = vec![false; parts.len() + 1];
    let open = |next: &mut Vec<bool>| {
        for (i, part) in parts.iter().enumerate() {
            if matches!(part, '*' | '\0') && next.get(i) == Some(&true) {
                next[i + 1] = true;
            }
        }
    };
    next[0] = true;
    open(&mut next);
    for c in path.chars() {
        let mut then = vec![false; parts.len() + 1];
        for (i, part) in parts.iter().enumerate().filter(|(i, _)| next[*i]) {
            match part {
                '\0' => then[i] = true,
                '*' => then[i] = c != '/',
                part => then[i + 1] |= *part == c,
            }
        }
        open(&mut then);
        next = then;
    }
    next.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[check]
transaction = "file"
vars = { schema = "app", owner = "deploy" }
allow = [{ lint = "rename_column", reason = "all clients use views" }]

[check.paths."old"]
severity = { drop_table = "note" }
vars = { owner = "old" }

[check.paths."old/9*.sql"]
transaction = "none"
severity.drop_table = "warning"
"#;

    #[test]
    fn what_comes_later_and_deeper_wins() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("old")).unwrap();
        let path = dir.path().join(NAME);
        for (name, text) in [(NAME, GOOD), ("old/1.sql", ""), ("old/91.sql", ""), ("2.sql", "")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let file = |name: &str| dir.path().join(name).display().to_string();
        let files = [file("old/1.sql"), file("old/91.sql"), file("2.sql")];
        let said = of_files(None, &files).unwrap().files;
        let of = |name: &str| &said[&file(name)];
        assert_eq!(of("2.sql").severity, BTreeMap::new());
        assert_eq!(of("2.sql").transaction, Some(true));
        assert_eq!(of("old/1.sql").severity["drop_table"], Severity::Note);
        assert_eq!(of("old/91.sql").severity["drop_table"], Severity::Warning);
        assert_eq!(of("old/91.sql").transaction, Some(false));
        assert_eq!(of("old/1.sql").vars["owner"], "old");
        assert_eq!(of("old/1.sql").vars["schema"], "app");
        assert_eq!(of("old/1.sql").allow.len(), 1);
        assert_eq!(of_files(Some(&path), &files).unwrap().files, said);
    }

    #[test]
    fn links_lead_to_the_same_configuration() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("real/m/sub")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("m/sub", dir.path().join("real/short")).unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(file("real/pgward.toml"), "[check.paths.m]\ntransaction = \"file\"\n")
            .unwrap();
        let files = ["link/m/1.sql", "real/m/2.sql", "real/m/../m/3.sql", "link/short/4.sql"];
        for name in files {
            std::fs::write(file(name), "").unwrap();
        }
        let said = of_files(None, &files.map(file)).unwrap().files;
        for name in files {
            assert_eq!(said[&file(name)].transaction, Some(true), "{name}");
        }
    }

    #[track_caller]
    fn wrong(text: &str, says: &[&str]) {
        let error = read(Path::new("pgward.toml"), text).unwrap_err().to_string();
        for word in says {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        wrong("[chekc]\n", &["pgward.toml:1:", "`chekc`"]);
        wrong(
            "[check]\n\nalow = []\n",
            &["pgward.toml:3:1:", "`alow`", "did you mean `allow`?", "in: alow"],
        );
        wrong("[check.paths.src]\nvrs = {}\n", &["pgward.toml:2:", "`vrs`"]);
        wrong("[check]\nvars = { a = 5 }\n", &["pgward.toml:2:", "string", "a = 5"]);
        wrong("[check]\ntransaction = \"flie\"\n", &["pgward.toml:2:", "`flie`"]);
        wrong("[check.severity]\ndrop_table = \"of\"\n", &["pgward.toml:2:", "`of`"]);
        wrong("[check.severity]\ndrop_tabel = \"note\"\n", &["pgward.toml:2:", "`drop_tabel`"]);
        let allow = |inner: &str| format!("[check]\nallow = [\n  {{ {inner} }},\n]\n");
        wrong(&allow("lint = \"drop_tabel\", reason = \"x\""), &["pgward.toml:3:", "`drop_tabel`"]);
        wrong(&allow("lint = \"drop_table\", reason = \" \""), &["pgward.toml:3:", "drop_table"]);
        wrong(&allow("lint = \"drop_table\""), &["pgward.toml:3:", "`reason`"]);
        wrong(&allow("lint = \"drop_table\", why = \"x\""), &["pgward.toml:3:", "`why`"]);
        wrong("[check.paths.\"no-such-folder\"]\n", &["pgward.toml:1:", "`no-such-folder`"]);
        wrong("[check\n", &["pgward.toml:1:"]);
        wrong(
            "[policy]\nrow_alignment = true\nforbid_foreing_keys = true\n",
            &["pgward.toml:3:1:", "did you mean `forbid_foreign_keys`?"],
        );
        wrong(
            "[policy.names]\ntable = \"[a-z\"\n",
            &["pgward.toml:2:9:", "no regular expression", "unclosed"],
        );
    }

    #[test]
    fn stars_stay_within_a_name() {
        for (pattern, path, fits) in [
            ("m/1.sql", "m/1.sql", true),
            ("m/*.sql", "m/1.sql", true),
            ("m/*.sql", "m/a/1.sql", false),
            ("m/**.sql", "m/a/1.sql", true),
            ("**/down.sql", "m/a/down.sql", true),
            ("*", "m", true),
            ("*", "m/a", false),
            ("m*", "", false),
        ] {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }
}
