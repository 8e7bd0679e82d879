//! A key, or a column that refers to it, has come to the end of its type.

use super::Cause;
use crate::detectors::key_overflow::USED;
use crate::facts::{complete, count_log, cut, logged, mentions, risen, sampled};
use crate::forecast::newest;
use crate::unsaid;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "seq_overflow",
    name: "Sequence or integer key at its end",
    necessary: "statements fail with 2200H or 22003, and a key or a reference to it, declared or not, \
                is at its limit, or will be within the hour; or with 23505, and its sequence has \
                begun anew at its end (CYCLE)",
    explains: &["error_burst", "key_overflow", "throughput_drop"],
    actions: &["widen_key"],
    prevention: &[
        "Make keys bigint from the beginning, and the columns that refer to them with them",
        "Look at the keys' time to overflow each week; `pgward watch` notices from 80% on",
    ],
    judge,
};

/// 2200H: a sequence at its maximum; 22003: a number that its column cannot hold.
fn is_overflow(e: &LogEntry) -> bool {
    e.severity == "ERROR" && matches!(e.sqlstate.as_str(), "2200H" | "22003")
}

fn judge(case: &Case) -> Verdict {
    let recent = case.window.recent();
    let (n, per_s) = count_log(recent, is_overflow);
    let (_, before) = count_log(case.window.baseline(), is_overflow);
    let first = recent.iter().flat_map(|s| &s.log).find(|e| is_overflow(e));
    if let Some(line) = first.filter(|_| n >= 3 && per_s > 3.0 * before) {
        let fails = Evidence::measured(
            format!("statements that fail with {}", line.sqlstate),
            per_s,
            "errors/s",
            logged(line),
        );
        let fails = fails.against(before).at(case.window.now());
        return at_end(case, line, fails);
    }
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    if let Some(likely) = cycled(case) {
        return Verdict::Likely(likely);
    }
    let Some(look) = case.window.samples.iter().rev().find(|s| s.keys.is_some()) else {
        return Verdict::unknown("how far sequences have come was not seen");
    };
    if let Some(gap) = look.gaps.iter().find(|g| g.sampler == "keys") {
        return Verdict::unknown(format!("how far sequences have come: {}", gap.why));
    }
    let keys = look.keys.as_deref().unwrap_or_default();
    let has_end = |k: &&KeyLimit| !k.begins_anew;
    let of_keys = |e: &LogEntry| {
        keys.iter().filter(has_end).any(|k| mentions(&e.statement, &k.relation.name))
    };
    let is_refused = |e: &LogEntry| e.sqlstate == "23505" && !of_keys(e);
    if let Some((line, ..)) = risen(&case.window, REFUSED_S, REFUSED_MIN, is_refused) {
        return Verdict::unknown(format!(
            "whether a sequence has begun anew at its end (CYCLE), or one that is not seen: {}",
            cut(&line.message, 100)
        ));
    }
    let stands = |s: &&Symptom| s.is_foreseen() && s.is_present(case.window.now());
    if let Some(soon) = case.symptoms.iter().find(stands) {
        return Verdict::Likely(at_end_soon(case, soon));
    }
    let Some(worst) = keys.iter().max_by(|a, b| a.used().total_cmp(&b.used())) else {
        return Verdict::ruled_out(used(case, 0.0, "no key takes its values from a sequence"));
    };
    let claim = format!("used of {}.{}, the key nearest to its end", worst.relation, worst.column);
    if worst.used() < 1.0 {
        return Verdict::ruled_out(used(case, 100.0 * worst.used(), &claim));
    }
    let claim = format!("{claim}, yet no statement fails for it");
    Verdict::present_not_sufficient(used(case, 100.0 * worst.used(), &claim))
}

/// Told, and not acted on: while nothing fails, when to write a table anew is for a person to say.
fn at_end_soon(case: &Case, soon: &Symptom) -> Likely {
    let says = format!("no statement fails yet, and the numbers of a key go: {}", soon.title);
    let share = soon.evidence().first().cloned();
    let evidence = share.unwrap_or_else(|| used(case, 100.0, "used of its numbers"));
    Likely::new(0.8, says, evidence).on(soon.relations.iter().cloned())
}

/// The sequence of a key has come to its end and begun anew (CYCLE): it was seen high, then low.
pub(super) fn begun_anew(window: &Window) -> Option<(&KeyLimit, &KeyLimit, Timestamp)> {
    let looks: Vec<(Timestamp, &[KeyLimit])> =
        window.samples.iter().filter_map(|s| Some((s.at, s.keys.as_deref()?))).collect();
    looks.windows(2).rev().find_map(|pair| {
        let [(_, before), (at, after)] = pair else { return None };
        let of_same = |k: &KeyLimit| {
            let same = |x: &&KeyLimit| (&x.sequence, &x.relation) == (&k.sequence, &k.relation);
            // One that was set back was not near its end when it was last seen.
            let at_end = |old: &&KeyLimit| old.last_value as f64 >= USED * old.limit as f64;
            before.iter().find(same).filter(|old| old.last_value > k.last_value).filter(at_end)
        };
        let anew = after.iter().filter(|k| k.begins_anew);
        anew.filter_map(|k| Some((of_same(k)?, k, *at))).next()
    })
}

/// Numbers that it gives since then are taken.
fn cycled(case: &Case) -> Option<Likely> {
    let (old, key, at) = begun_anew(&case.window)?;
    let of_key = |e: &LogEntry| e.sqlstate == "23505" && mentions(&e.statement, &key.relation.name);
    // Also when it is mended by now.
    let (n, per_s) = count_log(case.window.recent(), of_key);
    let (_, before) = count_log(case.window.baseline(), of_key);
    let line = case.window.recent().iter().flat_map(|s| &s.log).find(|e| of_key(e))?;
    if n < REFUSED_MIN || per_s <= 3.0 * before {
        return None;
    }
    let says = format!(
        "the sequence {} of {}.{} has come to its end, {}, and begun anew (CYCLE): it stood at {}, \
         and at {} at {}; the rows of those numbers are still there, and role {} cannot run {}",
        key.sequence,
        key.relation,
        key.column,
        human(key.limit as f64),
        human(old.last_value as f64),
        human(key.last_value as f64),
        at.strftime("%H:%M:%S UTC"),
        line.role,
        cut(&line.statement, 120)
    );
    let refused = Evidence::measured(
        format!("rows refused for a number that is there: {}", cut(&line.message, 100)),
        per_s,
        "errors/s",
        logged(line),
    );
    let refused = refused.against(before).at(case.window.now());
    Some(Likely::new(0.96, says, refused).on([key.relation.clone()]))
}

/// A sequence that begins anew gives numbers that are taken: each insert fails.
const REFUSED_S: f64 = 10.0;
const REFUSED_MIN: usize = 3;

fn used(case: &Case, percent: f64, claim: &str) -> Evidence {
    let before = newest(case.window.baseline(), |s| {
        s.keys.as_ref()?.iter().map(KeyLimit::used).reduce(f64::max)
    });
    let source = sampled("keys: pg_sequences");
    Evidence::measured(claim, percent, "%", source)
        .against(before.map_or(percent, |share| 100.0 * share))
        .at(case.window.now())
}

/// The key that the failing statement names, or that its message does.
fn at_end(case: &Case, line: &LogEntry, fails: Evidence) -> Verdict {
    let named = |k: &&KeyLimit| {
        line.message.contains(&format!("\"{}\"", k.sequence.name))
            || mentions(&line.statement, &k.relation.name)
    };
    // The sequence may have given one number less than the key holds: what is left is none.
    let ended = |k: &&KeyLimit| k.used() >= 0.999_999;
    // Also one that has been widened since.
    let seen = case.window.recent().iter().rev().filter_map(|s| s.keys.as_ref()).flatten();
    let last = newest(case.window.baseline(), |s| s.keys.clone()).unwrap_or_default();
    let key = seen.chain(&last).filter(ended).find(named);
    if key.is_none()
        && line.sqlstate == "22003"
        && let [column] = unsaid::filled_by(case, line).as_slice()
    {
        return Verdict::Likely(too_narrow(line, column, fails));
    }
    let Some(key) = key else {
        // 22003 comes from arithmetic too; 2200H from nothing but a sequence.
        let score = if line.sqlstate == "2200H" { 0.8 } else { 0.3 };
        let says = format!(
            "statements fail at the end of a type: {}: role {} cannot run {}{}",
            cut(&line.message, 120),
            line.role,
            cut(&line.statement, 160),
            if line.context.is_empty() {
                String::new()
            } else {
                format!("; {}", cut(&line.context, 160))
            },
        );
        return Verdict::Likely(Likely::new(score, says, fails));
    };
    let says = match &key.refers_to {
        None => format!(
            "the key {}.{} ({}) is at its end: sequence {} has given {} of {}",
            key.relation,
            key.column,
            key.data_type,
            key.sequence.name,
            human(key.last_value as f64),
            human(key.limit as f64)
        ),
        Some(parent) => format!(
            "{}.{} ({}, at most {}) refers to {parent}, whose key is at {}: it was not widened \
             with it",
            key.relation,
            key.column,
            key.data_type,
            human(key.limit as f64),
            human(key.last_value as f64)
        ),
    };
    let claim = format!("used of what {}.{} can hold", key.relation, key.column);
    Verdict::Likely(
        Likely::new(0.95, says, fails)
            .and(used(case, 100.0 * key.used(), &claim))
            .on([key.relation.clone()])
            .act(CAUSE.actions),
    )
}

/// A column that no foreign key says to take the numbers of a key.
fn too_narrow(line: &LogEntry, column: &KeyLimit, fails: Evidence) -> Likely {
    let KeyLimit { relation, column, data_type, limit, refers_to, .. } = column;
    let (takes, score) = match refers_to {
        Some(key) => {
            (format!("statements fill it from, or hold it against, the bigint key of {key}"), 0.9)
        }
        None => ("it is the only one that can be it of those that are filled".to_owned(), 0.5),
    };
    let says = format!(
        "{relation}.{column} ({data_type}, at most {}) is too narrow for the numbers that it is given: \
         {takes}, and no foreign key says so. Role {} cannot run {}: {}",
        human(*limit as f64),
        line.role,
        cut(&line.statement, 160),
        cut(&line.message, 80)
    );
    // A number that somebody sent may be wrong, and no column too narrow for it.
    let actions = if refers_to.is_some() { CAUSE.actions } else { &[] };
    Likely::new(score, says, fails).on([relation.clone()]).act(actions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, key, log};

    fn failing(state: &str, message: &str, statement: &str, keys: Option<Vec<KeyLimit>>) -> Case {
        let mut samples = healthy(40);
        samples.get_mut(20).unwrap().keys = keys;
        let line = LogEntry { statement: statement.to_owned(), ..log(39, "ERROR", state, message) };
        samples.last_mut().unwrap().log = vec![line; 12];
        case(samples, 30)
    }

    #[test]
    fn a_key_at_its_end_is_named() {
        let message = "nextval: reached maximum value of sequence \"orders_id_seq\" (2147483647)";
        let keys = vec![key("visits", 100), key("orders", i64::from(i32::MAX))];
        let insert = "INSERT INTO orders (note) VALUES ($1)";
        let verdict = judge(&failing("2200H", message, insert, Some(keys)));
        let likely = verdict.likely().unwrap();
        assert!(likely.says.contains("orders.id (integer) is at its end"), "{}", likely.says);
    }

    #[test]
    fn a_reference_that_was_not_widened_is_named() {
        let reference = KeyLimit {
            column: "order_id".to_owned(),
            refers_to: Some(Relation::new("public", "orders")),
            ..key("items", 2_147_483_650)
        };
        let statement = "INSERT INTO items (order_id) VALUES ($1)";
        let case = failing("22003", "integer out of range", statement, Some(vec![reference]));
        let verdict = judge(&case);
        let likely = verdict.likely().unwrap();
        assert!(likely.says.contains("refers to orders"), "{}", likely.says);
    }

    #[test]
    fn arithmetic_that_overflows_is_no_key() {
        let case = failing("22003", "integer out of range", "SELECT 1", Some(vec![key("a", 5)]));
        assert!(judge(&case).likely().unwrap().score < 0.5);
    }

    #[test]
    fn rows_refused_for_a_key_that_is_not_looked_at_leave_it_undecided() {
        for (table, is_unknown) in [("orders", false), ("items", true)] {
            let insert = format!("INSERT INTO {table} (note) VALUES ($1)");
            let message = "duplicate key value violates unique constraint \"pkey\"";
            let case = failing("23505", message, &insert, Some(vec![key("orders", 5)]));
            assert_eq!(matches!(judge(&case), Verdict::Unknown { .. }), is_unknown, "{table}");
        }
    }

    #[test]
    fn ruled_out_by_the_key_that_is_nearest_and_unknown_without_keys() {
        let mut samples = healthy(40);
        samples.get_mut(20).unwrap().keys = Some(vec![key("orders", 1000)]);
        assert!(matches!(
            judge(&case(samples.clone(), 30)),
            Verdict::RuledOut { present: false, .. }
        ));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
        for (second, sampler) in [(20, "keys"), (39, "log")] {
            let mut blind = samples.clone();
            let gap = Gap { sampler: sampler.into(), why: "x".into() };
            blind.get_mut(second).unwrap().gaps.push(gap);
            assert!(matches!(judge(&case(blind, 30)), Verdict::Unknown { .. }), "{sampler}");
        }
    }
}
