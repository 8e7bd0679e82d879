//! Looks back: judges a moment by the history that was kept.

use anyhow::{bail, ensure};
use jiff::{SignedDuration, Timestamp};
use pgward_incident::replay::{self, Replayed};
use pgward_model::near;
use pgward_model::prelude::*;
use pgward_store::Vault;
use pgward_store::history::History;
use pgward_watch::SAMPLERS;

/// What is read before the moment: a baseline, and the trouble since.
const BEFORE: SignedDuration = SignedDuration::from_mins(20);
/// Changes before it that may be to blame.
const CHANGES_BEFORE: SignedDuration = SignedDuration::from_hours(6);
/// One look is followed by the next within a second and is on disk within ten.
const NEXT_S: f64 = 10.0;
/// What the history does not keep; what needs it is unknown.
const NOT_KEPT: [&str; 2] = [
    "catalog: definitions of tables and indexes are not kept in the history",
    "known_changes: files of migrations are not read in a look back",
];

/// What was wrong with a server at a moment, and what a look back cannot know.
pub struct Seen {
    pub server: String,
    pub replayed: Replayed,
    pub missing: Vec<String>,
}

/// Judges `server` as it was at `at`; without a name, the only server of the history.
///
/// # Errors
/// No such server, nobody looked at that moment, a file that does not read.
pub fn look(vault: &Vault, server: Option<&str>, at: Timestamp) -> anyhow::Result<Seen> {
    let history = history(vault)?;
    let server = named(&history.servers()?, server)?;
    let from = at.checked_sub(BEFORE)?;
    let samplers: Vec<&str> = SAMPLERS.iter().map(|s| s.id).collect();
    let looked = history.look(&server, from, at, &samplers)?;
    let last = looked.samples.last();
    if last.is_none_or(|look| !covers(look, at)) {
        let before = last.map(|look| format!(" (the last time before was at {})", look.at));
        let kept = history
            .kept(&server)?
            .map(|(first, last)| format!("; what was seen is kept from {first} to {last}"));
        let (before, kept) = (before.unwrap_or_default(), kept.unwrap_or_default());
        bail!("{server}: nothing is known of {at}, since nobody looked then{before}{kept}");
    }
    let case = Case {
        ddl: looked.ddl,
        events: vault.events(&server, at.checked_sub(CHANGES_BEFORE)?, at).map(changes)?,
        checksums: checksums(&looked.samples),
        ..Case::new(Window::default(), at, &server)
    };
    let replayed = replay::replay(looked.samples, case);
    let mut missing: Vec<String> = NOT_KEPT.iter().map(|what| (*what).to_owned()).collect();
    let gaps = replayed.case.window.samples.iter().flat_map(|s| &s.gaps);
    let mut gaps: Vec<String> = gaps.map(|g| format!("{}: {}", g.sampler, g.why)).collect();
    gaps.sort();
    gaps.dedup();
    missing.extend(gaps);
    Ok(Seen { server, replayed, missing })
}

/// The history of a vault; one without a server is none. Reading makes no folder.
///
/// # Errors
/// Nothing was kept, or it does not read.
pub fn history(vault: &Vault) -> anyhow::Result<History> {
    let place = vault.root().join("history");
    let none = || format!("{}: no history; `pgward watch` writes it", place.display());
    ensure!(place.is_dir(), none());
    let history = vault.history()?;
    ensure!(!history.servers()?.is_empty(), none());
    Ok(history)
}

/// Did the look take until that moment, or end so shortly before that the next may be under way?
fn covers(look: &Sample, at: Timestamp) -> bool {
    seconds_between(look.at, at) <= look.own_ms / 1000.0 + NEXT_S
}

/// What changed beside the schema, and was told at the time; DDL stands in the history itself.
fn changes(mut events: Vec<Event>) -> Vec<Event> {
    events.retain(|e| e.kind == EventKind::Change && e.source.kind != SourceKind::Ddl);
    events
}

/// The server that is meant: by its name, or the nearest one in the message.
fn named(known: &[String], wanted: Option<&str>) -> anyhow::Result<String> {
    match (wanted, known) {
        (None, [only]) => Ok(only.clone()),
        (None, all) => {
            bail!("the history is of several servers; name one with --server: {}", all.join(", "))
        }
        (Some(name), all) if all.iter().any(|s| s == name) => Ok(name.to_owned()),
        (Some(name), all) => {
            let known = || all.iter().map(String::as_str);
            let meant = near::meant(name, known());
            let all = known().collect::<Vec<_>>().join(", ");
            bail!("no history of {name}{meant}; there is one of {all}")
        }
    }
}

/// Checksums count failures, or there are none to count.
fn checksums(samples: &[Sample]) -> Option<bool> {
    let database = samples.iter().rev().find_map(|s| s.database)?;
    Some(database.checksum_failures.is_some())
}

/// A moment: `2026-11-21T05:00:00Z`, `2026-11-21 05:00` (UTC), or `20m` ago.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "`{text}` is no moment such as 2026-11-21T05:00:00Z, \"2026-11-21 05:00\" (UTC), \
             or 20m for twenty minutes ago"
        )
    };
    let at = if let Ok(at) = text.parse::<Timestamp>() {
        at
    } else if let Ok(civil) = text.parse::<jiff::civil::DateTime>() {
        civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?.timestamp()
    } else {
        let ago: SignedDuration = text.parse().map_err(|_| wrong())?;
        now.checked_sub(ago.abs()).map_err(|_| wrong())?
    };
    if at > now { Err(format!("{at} is still to come")) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_the_future_is_refused() {
        let now: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        let five: Timestamp = "2026-11-21T05:00:00Z".parse().unwrap();
        for text in ["2026-11-21T05:00:00Z", "2026-11-21 05:00", "2026-11-21T07:00+02:00", "1h"] {
            assert_eq!(moment(text, now), Ok(five), "{text}");
        }
        assert!(moment("tomorrow", now).unwrap_err().contains("20m"));
        assert!(moment("2026-11-22", now).unwrap_err().contains("still to come"));
    }

    #[test]
    fn a_vault_in_which_nothing_was_kept_has_no_history_and_gets_no_folder() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        let told = || history(&vault).unwrap_err().to_string();
        assert!(told().contains("no history; `pgward watch`"), "{}", told());
        assert!(!dir.path().join("history").exists());
        std::fs::create_dir(dir.path().join("history")).unwrap();
        assert!(told().contains("no history; `pgward watch`"), "{}", told());
    }

    #[test]
    fn nothing_is_known_of_a_moment_at_which_nobody_looked() {
        use pgward_store::history::{Collector, Keep, Writer};
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        let at = |s: i64| Timestamp::from_second(1_795_219_200 + s).unwrap();
        let mut writer = Writer::new(vault.history().unwrap(), "shop", Keep::default());
        let mut collector = Collector::default();
        let mut note = |s: i64, own_ms: f64| {
            let batch = collector.note(&Sample { at: at(s), own_ms, ..Sample::default() });
            batch.iter().for_each(|b| writer.write(b, b.at).unwrap());
        };
        (0..30).for_each(|s| note(s, 20.0));
        note(30, 25_000.0);
        note(600, 20.0);
        for s in [20, 50] {
            assert!(look(&vault, None, at(s)).is_ok(), "{s}");
        }
        for s in [-60, 90, 7200] {
            let told = look(&vault, None, at(s)).err().unwrap().to_string();
            assert!(told.contains(&format!("nothing is known of {}", at(s))), "{told}");
            assert!(told.contains(&format!("from {} to ", at(0))), "{told}");
            assert_eq!(told.contains(&format!("before was at {}", at(30))), s == 90, "{told}");
        }
    }

    #[test]
    fn a_server_is_named_or_the_nearest_is_told() {
        let known = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let told = |k: &[&str], w| named(&known(k), w).map_err(|e| e.to_string());
        assert_eq!(told(&["shop"], None), Ok("shop".to_owned()));
        assert!(told(&["shop", "bank"], None).unwrap_err().contains("--server"));
        assert!(told(&["shop", "bank"], Some("shp")).unwrap_err().contains("mean shop?"));
    }
}
