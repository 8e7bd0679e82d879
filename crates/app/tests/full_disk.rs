//! A drill whose disk fills while it runs: it ends, says which and the way out, leaves nothing.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use std::process::Command;

/// What a drill runs before its load.
const PROGRAMS: &[&str] = &["pg_basebackup", "pg_verifybackup"];

/// `$1` directory, the rest pgward's command line. The mount ends with this namespace. The
/// drill has written to its ledger: its load runs, and the disk is filled.
const SCRIPT: &str = r#"
dir=$1
shift
mount -t tmpfs -o size=700m,mode=1777 tmpfs "$dir" || exit 77
(
    n=0
    until [ -s "$(echo "$dir"/pgward-*/acknowledged.tsv)" ] || [ $n -ge 600 ]; do
        n=$((n + 1))
        sleep 0.1
    done
    dd if=/dev/zero of="$dir/filled" bs=1M 2>/dev/null
) &
TMPDIR="$dir" "$@"
code=$?
wait
echo "left: $(echo $(ls "$dir"))"
echo "open: $(ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -c "$dir")"
exit $code
"#;

#[test]
fn a_drill_ends_when_its_disk_is_full() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let path = dir.path().display().to_string();
    let vault = tempfile::tempdir().expect("one more");
    let postgres = installation::installation().bin_dir.display().to_string();
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT, "sh", &path, env!("CARGO_BIN_EXE_pgward")])
        .args(["drill", "dropped_table", "--road", "bypassed", "--postgres", &postgres, "--vault"])
        .arg(vault.path())
        .output();
    let Ok(output) = output else { return eprintln!("skipped: there is no unshare here") };
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    if output.status.code() == Some(77) || err.starts_with("unshare: ") {
        return eprintln!("skipped: only root may mount a small disk: {err}");
    }
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    let told = err.split("pgward failed: ").nth(1).unwrap_or_default();
    assert!(told.starts_with(&format!("dropped_table: the disk of {path} is full")), "{err}");
    assert!(told.contains("way out: free some space there, or set TMPDIR"), "{err}");
    assert!(told.lines().count() <= 4, "one paragraph: {told}");
    assert!(out.contains("left: filled\n") && out.contains("open: 0\n"), "{out}{err}");
}
