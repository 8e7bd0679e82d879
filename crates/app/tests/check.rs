//! `pgward check` as a build server uses it: formats, pgward.toml, a kept catalog, --since.
#![allow(clippy::unwrap_used)]

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A directory with these files.
fn with(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::Builder::new().prefix("pgward-test-").tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgward"));
    for name in ["DATABASE_URL", "PGWARD_VAULT", "PGPASSWORD", "GIT_DIR", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command.current_dir(dir).args(args).output().unwrap()
}

/// Standard output of a run that must end with this exit code.
#[track_caller]
fn told(dir: &Path, args: &[&str], code: i32) -> String {
    let output = run(dir, args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(dir: &Path, args: &[&str], code: i32) -> serde_json::Value {
    serde_json::from_str(&told(dir, args, code)).unwrap()
}

/// Exit code 2 and every word of `says` on standard error.
#[track_caller]
fn fails(dir: &Path, args: &[&str], says: &[&str]) {
    let output = run(dir, args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    for word in says {
        assert!(error.contains(word), "{args:?}: `{word}` is not in: {error}");
    }
    assert!(!error.contains("panicked") && error.lines().count() <= 6, "{args:?}: {error}");
}

/// Lints of a report with the file they are found in.
fn lints(report: &serde_json::Value) -> Vec<(String, String)> {
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|f| (text(&f["lint"]), text(&f["file"]))).collect()
}

fn has(report: &serde_json::Value, lint: &str, file: &str) -> bool {
    lints(report).contains(&(lint.to_owned(), file.to_owned()))
}

#[test]
fn every_format_is_written_whole() {
    let dir = with(&[("m/1.sql", "DROP TABLE orders;\n")]);
    let check = |format: &str| told(dir.path(), &["check", "m", "--format", format], 1);
    let sarif: serde_json::Value = serde_json::from_str(&check("sarif")).unwrap();
    let driver = &sarif["runs"][0]["tool"]["driver"];
    assert_eq!(driver["semanticVersion"], env!("CARGO_PKG_VERSION"));
    let rules = driver["rules"].as_array().unwrap();
    assert_eq!(rules.len(), pgward_lint::lints::LINTS.len());
    assert!(rules.iter().all(|r| r["help"]["text"].as_str().is_some_and(|t| !t.is_empty())));
    let gitlab: serde_json::Value = serde_json::from_str(&check("gitlab")).unwrap();
    assert_eq!(gitlab[0]["location"]["path"], "m/1.sql");
    assert!(check("github").starts_with("::error file=m/1.sql,line=1,col=1,"));
    assert!(check("junit").contains("name=\"drop_table (1:1)\""));
    assert!(check("markdown").contains("`drop_table`"));
    assert!(check("terminal").contains("error[drop_table]"));
    let quiet = with(&[("1.sql", "SELECT 1;\n")]);
    assert_eq!(told(quiet.path(), &["check", "1.sql", "--format", "gitlab"], 0).trim(), "[]");
}

#[test]
fn what_is_allowed_is_told_with_its_reason() {
    let sql = "-- pgward: allow drop_table moved to the archive\nDROP TABLE orders;\n\
               -- pgward: allow drop_tabel typo\nSELECT 1;\n";
    let config =
        "[check.paths.old]\nallow = [{ lint = \"lock_timeout_missing\", reason = \"agreed\" }]\n";
    let dir = with(&[
        ("1.sql", sql),
        ("old/2.sql", "ALTER TABLE a ADD COLUMN b int;"),
        ("new/2.sql", "ALTER TABLE a ADD COLUMN b int;"),
        ("pgward.toml", config),
    ]);
    let files = ["check", "1.sql", "old/2.sql", "new/2.sql"];
    let report = json(dir.path(), &[&files[..], &["--format", "json"]].concat(), 1);
    let silenced = report["silenced"].as_array().unwrap();
    assert_eq!(silenced.len(), 2, "{silenced:?}");
    assert_eq!(silenced[0]["reason"], "moved to the archive");
    assert_eq!((&silenced[0]["was"], &silenced[0]["now"]), (&"error".into(), &"warning".into()));
    assert_eq!((&silenced[1]["by"], &silenced[1]["file"]), (&"config".into(), &"old/2.sql".into()));
    assert_eq!(report["stopped_by"], serde_json::Value::Null);
    assert!(
        has(&report, "allow_unknown", "1.sql") && has(&report, "lock_timeout_missing", "new/2.sql")
    );
    assert!(!has(&report, "lock_timeout_missing", "old/2.sql"));
    let shown = told(dir.path(), &files, 1);
    for word in ["lowered: 1.sql:2  moved to the archive", "in pgward.toml: old/2.sql:1  agreed"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    std::fs::write(dir.path().join("other.toml"), "[check]\nalow = []\n").unwrap();
    let other = ["check", "1.sql", "--config", "other.toml"];
    fails(dir.path(), &other, &["other.toml:2", "`alow`"]);
    fails(dir.path(), &["check", "1.sql", "--config", "no.toml"], &["no.toml", "no such"]);
}

#[test]
fn a_kept_catalog_stands_for_the_live_one() {
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    let session = Session::connect(&server.target(), Purpose::Private).unwrap();
    let setup = "CREATE ROLE reader LOGIN PASSWORD 'reader';
                 CREATE TABLE public.orders (id bigint, note text);
                 INSERT INTO public.orders SELECT n, 'x' FROM generate_series(1, 1000) n;
                 CREATE VIEW public.notes AS SELECT note FROM public.orders;
                 ANALYZE public.orders;";
    session.simple(setup).unwrap();
    let url = format!("postgres://reader:reader@127.0.0.1:{}/postgres", server.port());
    let dir = with(&[("1.sql", "TRUNCATE orders;\n"), ("no.json", "{}"), ("cut.json", "")]);
    let dir = dir.path();
    let kept = told(dir, &["catalog", "--database", &url], 0);
    let words: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(words["pgward_catalog"], 1);
    std::fs::write(dir.join("kept.json"), &kept).unwrap();
    server.stop();
    let report = json(dir, &["check", "1.sql", "--catalog", "kept.json", "--format", "json"], 1);
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["layer"] == "catalog"), "{findings:#?}");
    assert_eq!(report["catalog"]["taken_at"], words["taken_at"]);
    assert!(report["catalog"]["age_s"].as_f64().unwrap() < 300.0);
    let shown = told(dir, &["check", "1.sql", "--catalog", "kept.json"], 1);
    assert!(shown.contains("kept.json") && shown.contains(" old"), "{shown}");
    let with_catalog = |file: &str, says: &[&str]| {
        fails(
            dir,
            &["check", "1.sql", "--catalog", file],
            &[&[file, "pgward catalog"], says].concat(),
        );
    };
    std::fs::write(dir.join("cut.json"), &kept[..kept.len() / 2]).unwrap();
    let other = kept.replacen("\"pgward_catalog\":1", "\"pgward_catalog\":2", 1);
    std::fs::write(dir.join("other.json"), other).unwrap();
    with_catalog("no.json", &["not a catalog"]);
    with_catalog("cut.json", &["catalog"]);
    with_catalog("other.json", &["format 2"]);
    fails(dir, &["check", "1.sql", "--catalog", "none.json"], &["none.json", "no such catalog"]);
}

#[test]
fn a_table_made_under_a_variable_is_known_to_the_next_file() {
    let dir = with(&[
        (
            "m/1.sql",
            "CREATE TABLE \"${PREFIX}orders\" (id bigint PRIMARY KEY, paid numeric(10, 2));\n",
        ),
        ("m/2.sql", "ALTER TABLE shop_orders ALTER COLUMN paid TYPE numeric(10, 1);\n"),
    ]);
    let check = ["check", "m", "--var", "PREFIX=shop_", "--format", "json"];
    let report = json(dir.path(), &check, 1);
    assert!(has(&report, "alter_type_narrows", "m/2.sql"), "{:#?}", lints(&report));
}

#[test]
fn what_the_planner_says_stays_when_each_file_is_a_change() {
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    let session = Session::connect(&server.target(), Purpose::Private).unwrap();
    let setup = "CREATE ROLE reader LOGIN PASSWORD 'reader';
                 CREATE TABLE public.orders (id bigint PRIMARY KEY, note text);
                 INSERT INTO public.orders SELECT n, 'x' FROM generate_series(1, 1000) n;
                 ANALYZE public.orders;
                 GRANT SELECT, UPDATE ON public.orders TO reader;";
    session.simple(setup).unwrap();
    let url = format!("postgres://reader:reader@127.0.0.1:{}/postgres", server.port());
    let update = "-- pgward: expect rows <= 10\nUPDATE orders SET note = 'y' WHERE id <= 900;\n";
    let dir = with(&[("m/1.sql", update), ("m/2.sql", "SELECT 1;\n")]);
    let check = ["check", "m", "--database", &url, "--without", "rehearsal", "--format", "json"];
    let report = json(dir.path(), &check, 1);
    assert!(has(&report, "rows_above_expectation", "m/1.sql"), "{:#?}", lints(&report));
    server.stop();
}

#[test]
fn exact_fixes_are_written_and_the_fixed_file_is_quiet() {
    let sql = "ALTER TABLE orders ADD CONSTRAINT paid CHECK (total >= 0);\n\
               CREATE UNIQUE INDEX orders_ref ON orders (ref);\n\
               ALTER TABLE orders ALTER COLUMN ref SET NOT NULL;\n";
    let dir = with(&[("1.sql", sql), ("2.sql", "TRUNCATE orders;\n")]);
    let dir = dir.path();
    told(dir, &["check", "1.sql"], 1);
    told(dir, &["check", "--fix", "1.sql"], 0);
    told(dir, &["check", "1.sql"], 0);
    let fixed = std::fs::read_to_string(dir.join("1.sql")).unwrap();
    assert!(fixed.contains("CREATE UNIQUE INDEX CONCURRENTLY orders_ref ON orders (ref);\n"));
    assert!(fixed.contains("CHECK (total >= 0) NOT VALID;\n"), "{fixed}");
    told(dir, &["check", "--fix", "2.sql"], 1);
    assert_eq!(std::fs::read_to_string(dir.join("2.sql")).unwrap(), "TRUNCATE orders;\n");
    fails(dir, &["check", "--fix", "-"], &["--fix", "standard input"]);
}

fn git(dir: &Path, args: &[&str]) {
    let as_somebody = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").args(as_somebody).args(args).current_dir(dir).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn only_what_changed_since_a_commit_is_judged() {
    let dir = with(&[("m/1.sql", "DROP TABLE a;\n"), ("m/2.sql", "CREATE TABLE b (c int);\n")]);
    let dir = dir.path();
    git(dir, &["init", "-q", "-b", "main"]);
    git(dir, &["add", "."]);
    git(dir, &["commit", "-q", "-m", "first"]);
    let since = |code: i32| json(dir, &["check", "m", "--since", "main", "--format", "json"], code);
    let nothing = since(0);
    assert_eq!(lints(&nothing), []);
    assert_eq!(nothing["since"]["n_files_unchanged"], 2);
    git(dir, &["checkout", "-q", "-b", "work"]);
    let change = "DROP TABLE d;\nALTER TABLE b DROP COLUMN c;\n";
    std::fs::write(dir.join("m/3 é.sql"), change).unwrap();
    let untracked = since(1);
    assert!(
        has(&untracked, "drop_table", "m/3 é.sql") && !has(&untracked, "drop_table", "m/1.sql")
    );
    git(dir, &["add", "."]);
    git(dir, &["commit", "-q", "-m", "second"]);
    // What the other branch does meanwhile is not ours.
    git(dir, &["checkout", "-q", "main"]);
    std::fs::write(dir.join("m/1.sql"), "DROP TABLE a, e;\n").unwrap();
    git(dir, &["commit", "-q", "-a", "-m", "third"]);
    git(dir, &["checkout", "-q", "work"]);
    let committed = since(1);
    assert_eq!(lints(&committed), lints(&untracked));
    assert_eq!(committed["since"]["n_files_judged"], 1);
    fails(dir, &["check", "m", "--since", "no-such"], &["--since no-such", "no such commit"]);
    fails(dir, &["check", "m", "--since=--output=x"], &["--output=x", "no such commit"]);
    assert!(!dir.join("x").exists());
    let elsewhere = with(&[("1.sql", "SELECT 1;")]);
    let outside = ["check", "1.sql", "--since", "main"];
    fails(elsewhere.path(), &outside, &["--since main", "in no repository"]);
    let other = elsewhere.path().join("1.sql").display().to_string();
    fails(
        dir,
        &["check", "m/1.sql", &other, "--since", "main"],
        &[&other, "not in the repository"],
    );
    let output = Command::new(env!("CARGO_BIN_EXE_pgward"))
        .current_dir(dir)
        .args(["check", "m", "--since", "main"])
        .env("PATH", "/no/such")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("git cannot be started"), "{error}");
}

#[test]
fn an_old_migration_is_not_edited_and_a_new_one_comes_last() {
    let up = |table: &str| format!("-- +goose Up\nCREATE TABLE {table} (a int);\n");
    let dir =
        with(&[("m/1_a.sql", &up("a")), ("m/3_c.sql", &up("c")), ("m/seed.sql", "SELECT 1;")]);
    let dir = dir.path();
    git(dir, &["init", "-q", "-b", "main"]);
    git(dir, &["add", "."]);
    git(dir, &["commit", "-q", "-m", "first"]);
    std::fs::write(dir.join("m/4_d.sql"), up("d")).unwrap();
    let check = ["check", "m", "--since", "main", "--format", "json"];
    let fine = json(dir, &check, 0);
    assert!(lints(&fine).iter().all(|(lint, _)| !lint.starts_with("migration_")));
    std::fs::write(dir.join("m/2_b.sql"), up("b")).unwrap();
    std::fs::write(dir.join("m/1_a.sql"), up("other")).unwrap();
    std::fs::write(dir.join("m/seed.sql"), "SELECT 2;").unwrap();
    let mut told = lints(&json(dir, &check, 1));
    told.retain(|(lint, _)| lint.starts_with("migration_"));
    let expected = [("migration_edited", "m/1_a.sql"), ("migration_out_of_order", "m/2_b.sql")];
    assert_eq!(told, expected.map(|(lint, file)| (lint.to_owned(), file.to_owned())));
}

#[test]
fn every_file_of_sql_below_a_folder_is_read() {
    let drop = |table: &str| format!("DROP TABLE {table};\n");
    let shared = with(&[("5.sql", &drop("e")), ("more/6.sql", &drop("f"))]);
    let dir = with(&[("m/1.SQL", &drop("a")), ("m/2.psql", &drop("b")), ("m/3.pgsql", &drop("c"))]);
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
    };
    link(&shared.path().join("5.sql"), "m/5.sql");
    link(&shared.path().join("more"), "m/more");
    // Each of these leads nowhere, or where we have been.
    link(dir.path(), "m/above");
    link(&dir.path().join("m"), "m/same");
    link(Path::new("/no/such/place"), "m/gone");
    let report = json(dir.path(), &["check", "m", "--format", "json"], 1);
    let mut dropped: Vec<String> = lints(&report)
        .into_iter()
        .filter(|(lint, _)| lint == "drop_table")
        .map(|(_, file)| file)
        .collect();
    dropped.sort();
    assert_eq!(dropped, ["m/1.SQL", "m/2.psql", "m/3.pgsql", "m/5.sql", "m/more/6.sql"]);
    link(Path::new("/no/such/place"), "m/7.sql");
    fails(dir.path(), &["check", "m"], &["m/7.sql"]);
}

#[test]
fn what_the_migration_tool_would_refuse_is_told() {
    let dir = with(&[
        ("m/1_a.sql", "-- +goose Up\nCREATE TABLE a (b int);\n"),
        ("m/2_b.sql", "CREATE TABLE c (d int);\n"),
    ]);
    let report = json(dir.path(), &["check", "m", "--format", "json"], 1);
    assert!(has(&report, "framework_refuses", "m/2_b.sql"), "{:#?}", lints(&report));
    assert!(!has(&report, "framework_refuses", "m/1_a.sql"), "{:#?}", lints(&report));
    let shown = told(dir.path(), &["check", "m"], 1);
    assert!(shown.contains("refused by goose"), "{shown}");
}

#[test]
fn what_a_team_asks_of_its_schema_is_told_where_it_is_written_down() {
    let dir = with(&[("1.sql", "CREATE TABLE orders (id bigint PRIMARY KEY, paid money);\n")]);
    let policies = |code: i32| {
        let mut told = lints(&json(dir.path(), &["check", "1.sql", "--format", "json"], code));
        told.retain(|(lint, _)| lint.starts_with("policy_"));
        told.into_iter().map(|(lint, _)| lint).collect::<Vec<_>>()
    };
    assert!(policies(0).is_empty());
    let policy = "[policy]\nrequire_schema = true\nforbid_types = [\"money\"]\n\
                  names = { table = \"^[A-Z]\" }\n\
                  [check]\nseverity = { policy_type = \"error\" }\n";
    std::fs::write(dir.path().join("pgward.toml"), policy).unwrap();
    assert_eq!(policies(1), ["policy_type", "policy_name", "policy_schema"]);
    std::fs::write(dir.path().join("pgward.toml"), "[policy]\nforbid_type = []\n").unwrap();
    fails(dir.path(), &["check", "1.sql"], &["pgward.toml:2:1", "did you mean `forbid_types`?"]);
}

#[test]
fn apply_judges_by_the_same_configuration() {
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    let session = Session::connect(&server.target(), Purpose::Private).unwrap();
    let setup = "CREATE ROLE deploy LOGIN PASSWORD 'deploy';
                 GRANT CREATE ON SCHEMA public TO deploy;";
    session.simple(setup).unwrap();
    let url = format!("postgres://deploy:deploy@127.0.0.1:{}/postgres", server.port());
    let dir = with(&[("1.sql", "CREATE TABLE :prefix (a bigint PRIMARY KEY);\n")]);
    let apply = ["apply", "1.sql", "--database", &url, "--dry-run", "--without", "rehearsal"];
    assert!(told(dir.path(), &apply, 1).contains("unset_variable"));
    let config = "[check]\nvars = { prefix = \"orders\" }\n";
    std::fs::write(dir.path().join("pgward.toml"), config).unwrap();
    told(dir.path(), &apply, 0);
    std::fs::write(dir.path().join("other.toml"), "[check]\nvras = {}\n").unwrap();
    let other = [&apply[..], &["--config", "other.toml"]].concat();
    fails(dir.path(), &other, &["other.toml:2:1", "did you mean `vars`?"]);
    server.stop();
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_action_checks_what_it_is_given() {
    let dir = with(&[("a b/1.sql", "DROP TABLE orders;\n"), ("2.sql", "SELECT 1;\n")]);
    let dir = dir.path();
    let act = |inputs: &[(&str, &str)]| {
        let mut command = Command::new(root().join(".ci/action"));
        command.current_dir(dir).env("PGWARD_PROGRAM", env!("CARGO_BIN_EXE_pgward"));
        command.env_remove("DATABASE_URL").envs(inputs.iter().copied()).output().unwrap()
    };
    let found = act(&[("PGWARD_FILES", "a b/1.sql\n\n2.sql\n")]);
    assert_eq!(found.status.code(), Some(1));
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(text.starts_with("::error file=a b/1.sql,"), "{text}");
    let to_file = [("PGWARD_FORMAT", "sarif"), ("PGWARD_OUTPUT", "out.sarif")];
    let quiet = act(&[&to_file[..], &[("PGWARD_FILES", "2.sql")]].concat());
    assert_eq!((quiet.status.code(), quiet.stdout.len()), (Some(0), 0));
    let written = std::fs::read_to_string(dir.join("out.sarif")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok());
    for (name, value) in [
        ("PGWARD_SINCE", "no-such"),
        ("PGWARD_CATALOG", "no-such"),
        ("PGWARD_CONFIG", "no-such"),
        ("PGWARD_FORMAT", "no-such"),
    ] {
        let refused = act(&[("PGWARD_FILES", "2.sql"), (name, value)]);
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && error.contains("no-such"), "{name}: {error}");
    }
    assert_eq!(act(&[("PGWARD_FILES", "--help")]).status.code(), Some(2));
}

#[test]
fn the_action_hands_over_every_input() {
    let action = std::fs::read_to_string(root().join("action.yml")).unwrap();
    let script = std::fs::read_to_string(root().join(".ci/action")).unwrap();
    let (inputs, steps) = action.split_once("\nruns:\n").unwrap();
    let declared: Vec<&str> = inputs
        .lines()
        .filter_map(|l| l.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| !name.starts_with(' '))
        .collect();
    assert!(declared.len() >= 7, "{declared:?}");
    for name in declared {
        let value = format!("${{{{ inputs.{name} }}}}");
        let line = steps.lines().find(|l| l.contains(&value)).unwrap_or_else(|| panic!("{name}"));
        let variable = line.trim().split(':').next().unwrap();
        assert!(script.contains(&format!("${{{variable}:")), "{variable}");
    }
}

#[test]
fn the_hook_runs_on_the_files_it_is_given() {
    let hooks = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
    let entry = hooks.lines().find_map(|l| l.trim().strip_prefix("entry: ")).unwrap();
    let mut words = entry.split(' ');
    assert_eq!(words.next(), Some("pgward"));
    let dir = with(&[("1.sql", "DROP TABLE orders;\n"), ("2.sql", "SELECT 1;\n")]);
    let arguments: Vec<&str> = words.chain(["1.sql", "2.sql"]).collect();
    assert!(told(dir.path(), &arguments, 1).contains("drop_table"));
}
