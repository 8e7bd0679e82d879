//! What migration tools keep of what they have carried out: their tables, and how a file's name
//! and text stand in them.

use sha2::{Digest, Sha256, Sha384};

/// A tool that keeps a table of what it has carried out.
pub struct Tool {
    /// As in the `tool` of a `MigrationHistory`.
    pub id: &'static str,
    pub title: &'static str,
    /// The version that the name of a file gives it.
    version: fn(&str) -> Option<String>,
    /// What becomes of a file that sorts before one that is applied.
    pub late: Late,
    /// What it keeps of a file's text, where it compares that on every run.
    pub checksum: Option<fn(&str) -> String>,
}

/// What a tool does with a new migration that sorts before one that it has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It runs nothing at all.
    Refused,
    /// It never runs it and says nothing.
    Skipped,
    /// It runs it, after those that it stands before.
    Runs,
}

/// Every tool whose table is read.
///
/// Sources: golang-migrate, MIGRATIONS.md and FAQ.md; goose, README, `-allow-missing`; Flyway,
/// Validate and `outOfOrder`; sqlx, `Migrate::run`; Prisma, Production Troubleshooting; dbmate,
/// README, `--strict`; Rails Guides, Active Record Migrations; refinery, `abort_missing`; diesel,
/// `MigrationHarness`.
pub static TOOLS: &[Tool] = &[
    Tool { id: "dbmate", title: "dbmate", version: leading, late: Late::Runs, checksum: None },
    Tool { id: "diesel", title: "diesel", version: of_folder, late: Late::Runs, checksum: None },
    Tool {
        id: "flyway",
        title: "Flyway",
        version: of_flyway,
        late: Late::Refused,
        checksum: Some(crc_of_lines),
    },
    Tool {
        id: "golang_migrate",
        title: "golang-migrate",
        version: leading,
        late: Late::Skipped,
        checksum: None,
    },
    Tool { id: "goose", title: "goose", version: leading, late: Late::Refused, checksum: None },
    Tool {
        id: "prisma",
        title: "Prisma",
        version: of_prisma,
        late: Late::Runs,
        checksum: Some(|text| hex(&Sha256::digest(text))),
    },
    Tool {
        id: "refinery",
        title: "refinery",
        version: of_flyway,
        late: Late::Refused,
        checksum: None,
    },
    Tool {
        id: "sqlx",
        title: "sqlx",
        version: leading,
        late: Late::Runs,
        checksum: Some(|text| hex(&Sha384::digest(text))),
    },
];

/// The tool of that id.
pub fn tool(id: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|t| t.id == id)
}

impl Tool {
    /// The version of a file by its path, as the tool's table has it but for zeros in front;
    /// `None` where it is none of its migrations.
    pub fn version(&self, path: &str) -> Option<String> {
        let is_sql = path.to_ascii_lowercase().ends_with(".sql");
        let is_down = path.ends_with(".down.sql") || path.ends_with("/down.sql");
        (is_sql && !is_down).then(|| (self.version)(path)).flatten()
    }
}

/// The version of a file by its name, whichever tool it is for.
pub fn version(path: &str) -> Option<String> {
    let by = |f: fn(&str) -> Option<String>| f(path);
    by(of_flyway).or_else(|| by(leading)).or_else(|| by(of_folder))
}

/// Where a version stands among others: by its numbers, then by its words.
pub fn place(version: &str) -> (Vec<u128>, &str) {
    let digits = version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    let mut parts: Vec<u128> = digits.collect();
    while parts.len() > 1 && parts.last() == Some(&0) {
        parts.pop();
    }
    (parts, version)
}

/// Is it the same version, however many zeros stand in front?
pub fn is_same(one: &str, other: &str) -> bool {
    let plain = |v: &str| v.chars().all(|c| c.is_ascii_digit() || c == '.');
    one == other || plain(one) && plain(other) && place(one).0 == place(other).0
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `12` of `db/000012_title.up.sql`.
fn leading(path: &str) -> Option<String> {
    numbered(name(path)).filter(|_| !name(path).starts_with('V'))
}

fn numbered(name: &str) -> Option<String> {
    let (digits, _) = name.split_once(['_', '-'])?;
    let number: u128 = digits.parse().ok()?;
    Some(number.to_string())
}

/// `1.2` of `V1_2__title.sql`.
fn of_flyway(path: &str) -> Option<String> {
    let (head, _) = name(path).strip_prefix('V')?.split_once("__")?;
    let parts: Option<Vec<String>> =
        head.split(['.', '_']).map(|p| Some(p.parse::<u128>().ok()?.to_string())).collect();
    Some(parts?.join("."))
}

/// `20240131120000` of `2024-01-31-120000_title/up.sql`.
fn of_folder(path: &str) -> Option<String> {
    let folder = path.strip_suffix("/up.sql")?;
    let (version, _) = name(folder).split_once('_')?;
    let version = version.replace('-', "");
    version.parse::<u128>().ok().map(|_| version)
}

/// `20240131120000_title` of `20240131120000_title/migration.sql`.
fn of_prisma(path: &str) -> Option<String> {
    Some(name(path.strip_suffix("/migration.sql")?).to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Line by line, without line ends and byte order mark.
fn crc_of_lines(text: &str) -> String {
    let mut crc = crc32fast::Hasher::new();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        crc.update(line.as_bytes());
    }
    crc.finalize().cast_signed().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_knows_its_files() {
        for (id, path, version) in [
            ("golang_migrate", "db/000012_a.up.sql", Some("12")),
            ("golang_migrate", "db/000012_a.down.sql", None),
            ("goose", "00012_a.sql", Some("12")),
            ("flyway", "V001_2__a.sql", Some("1.2")),
            ("flyway", "R__a.sql", None),
            ("diesel", "2024-01-31-120000_a/up.sql", Some("20240131120000")),
            ("diesel", "2024-01-31-120000_a/down.sql", None),
            ("prisma", "m/20240131120000_a/migration.sql", Some("20240131120000_a")),
            ("sqlx", "seed.sql", None),
        ] {
            assert_eq!(tool(id).unwrap().version(path).as_deref(), version, "{id} {path}");
        }
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(
            place("9") < place("10") && place("1.2") < place("1.10") && place("1") < place("1.1")
        );
        assert!(is_same("000012", "12") && is_same("1.0", "1") && !is_same("1.2", "1.20"));
        assert!(place("20240101_b") < place("20240102_a"));
    }

    #[test]
    fn checksums_are_those_of_the_tools() {
        let of = |id: &str, text: &str| (tool(id).unwrap().checksum.unwrap())(text);
        // CRC-32 of "123456789" is 0xCBF43926, whatever lines it stands on.
        assert_eq!(of("flyway", "\u{feff}1234\r\n56789\n"), "-873187034");
        assert!(of("prisma", "").starts_with("e3b0c44298fc1c14"));
        assert!(of("sqlx", "").starts_with("38b060a751ac9638"));
    }
}
