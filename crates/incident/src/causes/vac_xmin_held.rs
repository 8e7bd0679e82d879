//! An old snapshot keeps vacuum from removing dead rows, and statements wade through them.

use super::Cause;
use crate::facts::{complete, cut, mentions, regressions, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "vac_xmin_held",
    name: "Vacuum horizon held back",
    necessary: "one snapshot, slot or prepared transaction has stood still while dead rows grew",
    explains: &["statement_slow", "throughput_drop", "xmin_held", "ids_run_out"],
    actions: &["end_xmin_holder"],
    prevention: &[
        "Set idle_in_transaction_session_timeout for people and reports; transaction_timeout from 17 on",
        "Alarm on the age of the oldest snapshot and of slots, not on dead rows",
        "Send long reports to a standby without hot_standby_feedback, or to a copy",
    ],
    judge,
};

/// Horizons of a busy server move within seconds; one that stands for longer than detectors
/// need to speak is held.
const HELD_S: f64 = 10.0;
/// A table whose dead rows have grown threefold, and beyond the least that autovacuum looks at.
const DEAD_TIMES: f64 = 3.0;
const DEAD_MIN: i64 = 1_000;

/// The holder that has been seen for longest since the onset, also one that is gone by now, and
/// for how many seconds.
pub(super) fn held(case: &Case) -> Option<(XminHolder, f64)> {
    let seen = case.window.recent().iter().filter_map(|s| Some((s.at, s.horizon.as_ref()?)));
    let oldest = seen.filter_map(|(at, h)| {
        let holder = h.holders.iter().max_by_key(|h| h.age_xids)?;
        Some((holder, held_s(case, holder, at)))
    });
    oldest.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(holder, s)| (holder.clone(), s))
}

/// By its own account, or by ours where it has none.
fn held_s(case: &Case, holder: &XminHolder, at: Timestamp) -> f64 {
    if let Some(since) = holder.since {
        return seconds_between(since, at);
    }
    let same = |s: &&Sample| {
        let of = s.horizon.as_ref().map(|h| &h.holders);
        of.is_some_and(|all| all.iter().any(|h| (h.kind, &h.name) == (holder.kind, &holder.name)))
    };
    case.window.samples.iter().find(same).map_or(0.0, |first| seconds_between(first.at, at))
}

/// The table whose dead rows have grown most: when they were most, how many there were at first,
/// and how many vacuums had come to an end since the onset.
pub(super) fn most_dead(case: &Case) -> Option<(TableCounters, i64, i64)> {
    let then = case.window.samples.iter().find_map(|s| s.tables.as_ref())?;
    let old = |t: &TableCounters| then.iter().find(|o| o.oid == t.oid);
    let grown = |t: &TableCounters| t.n_dead - old(t).map_or(0, |o| o.n_dead);
    let seen = case.window.recent().iter().filter_map(|s| s.tables.as_ref()).flatten();
    let most = seen.max_by_key(|t| grown(t))?;
    let before = old(most).map_or(0, |o| o.n_dead);
    let onset = newest(case.window.baseline(), |s| s.tables.clone()).unwrap_or_default();
    let at_onset = onset.iter().find(|o| o.oid == most.oid).map_or(0, |o| o.vacuums);
    Some((most.clone(), before, most.vacuums - at_onset))
}

fn judge(case: &Case) -> Verdict {
    for (sampler, words) in [
        ("horizon", "holders of snapshots were not seen"),
        ("tables", "dead rows were not counted"),
    ] {
        if let Some(unknown) = complete(case, sampler, words) {
            return unknown;
        }
    }
    if newest(case.window.recent(), |s| s.horizon.clone()).is_none() {
        return Verdict::unknown("no sample of who holds snapshots since the onset");
    }
    let oldest = held(case);
    let age = oldest.as_ref().map_or(0.0, |(_, s)| *s);
    let evidence = Evidence::measured(
        "age of the oldest snapshot that keeps dead rows",
        age,
        "s",
        sampled("horizon: pg_stat_activity.backend_xmin, pg_replication_slots, pg_prepared_xacts"),
    )
    .against(usual_age(case))
    .at(case.window.now());
    let Some((holder, held_s)) = oldest.filter(|(_, s)| *s >= HELD_S) else {
        return Verdict::ruled_out(evidence);
    };
    let Some((table, before, n_vacuums)) = most_dead(case) else {
        return Verdict::unknown("no table was counted since the onset");
    };
    if table.n_dead < DEAD_MIN || (table.n_dead as f64) < DEAD_TIMES * before as f64 {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{} is old, yet {} has only {} dead rows ({} before)",
                name(&holder),
                table.relation,
                human(table.n_dead as f64),
                human(before as f64)
            ),
            ..evidence
        });
    }
    let explains = |s: &Symptom| CAUSE.explains.contains(&s.detector.as_str());
    if !case.symptoms.iter().any(explains) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!("{} is old, yet nothing has become slower", name(&holder)),
            ..evidence
        });
    }
    Verdict::Likely(likely(case, &holder, held_s, &table, before, n_vacuums).and(evidence))
}

/// The oldest age among holders of the baseline, in seconds, of those that are there no more.
fn usual_age(case: &Case) -> f64 {
    let ages = case.window.baseline().iter().filter_map(|s| Some((s.at, s.horizon.as_ref()?)));
    let oldest = ages.flat_map(|(at, h)| {
        h.holders.iter().filter_map(move |x| Some(seconds_between(x.since?, at)))
    });
    oldest.fold(0.0, f64::max)
}

fn likely(
    case: &Case,
    holder: &XminHolder,
    held_s: f64,
    table: &TableCounters,
    before: i64,
    n_vacuums: i64,
) -> Likely {
    let slower = regressions(&case.window).into_iter().find(|(now, old)| {
        mentions(&now.text, &table.relation.name)
            && now.blks_per_call > 1.5 * old.blks_per_call.max(1.0)
    });
    let vacuumed = match n_vacuums {
        n if n > 0 => format!("though vacuum ended {n} times"),
        _ => "and vacuum has not come through".to_owned(),
    };
    let slow = slower.as_ref().map(|(now, old)| {
        format!(
            "; {} reads {} blocks per call, {} before",
            cut(&now.text, 100),
            human(now.blks_per_call),
            human(old.blks_per_call)
        )
    });
    let says = format!(
        "{} has held its snapshot for {}: {} of {} dead rows stay in {}, {vacuumed}{}",
        name(holder),
        human_duration(held_s),
        human((table.n_dead - before) as f64),
        human(table.n_dead as f64),
        table.relation,
        slow.clone().unwrap_or_default(),
    );
    // Vacuum that ends and removes nothing is the proof; else dead rows may just be young.
    let score = match (n_vacuums > 0, slower.is_some()) {
        (true, true) => 0.93,
        (true, false) | (false, true) => 0.7,
        (false, false) => 0.45,
    };
    // Who waits for a lock is slow for that, whatever dead rows lie about.
    let queue = case.symptoms.iter().any(|s| s.detector == "lock_queue");
    let score = if queue { f64::min(score, 0.6) } else { score };
    let dead = Evidence::measured(
        format!("dead rows in {}", table.relation),
        table.n_dead as f64,
        "rows",
        sampled("tables: pg_stat_user_tables.n_dead_tup"),
    );
    let actions = if holder.kind == HolderKind::Session { CAUSE.actions } else { &[] };
    let mut likely = Likely::new(score, says, dead.against(before as f64).at(case.window.now()));
    if let Some((now, old)) = slower {
        let blocks = Evidence::measured(
            format!("blocks per call: {}", cut(&now.text, 60)),
            now.blks_per_call,
            "blocks/call",
            sampled("statements: pg_stat_statements"),
        );
        likely = likely.and(blocks.against(old.blks_per_call).at(case.window.now()));
    }
    likely.on([table.relation.clone()]).by((holder.pid != 0).then_some(holder.pid)).act(actions)
}

/// Do rows that may not be removed explain that a statement reads more blocks? The dead rows of
/// the table it names.
pub(super) fn explains_blocks(case: &Case, statement: &str) -> Option<Evidence> {
    let (holder, _) = held(case).filter(|(_, s)| *s >= HELD_S)?;
    let (table, before, _) = most_dead(case)?;
    let grown = table.n_dead >= DEAD_MIN && table.n_dead as f64 >= DEAD_TIMES * before as f64;
    (grown && mentions(statement, &table.relation.name)).then(|| {
        Evidence::measured(
            format!(
                "dead rows in {} that {} keeps, and no index changed",
                table.relation, holder.name
            ),
            table.n_dead as f64,
            "rows",
            sampled("tables: pg_stat_user_tables.n_dead_tup"),
        )
        .against(before as f64)
        .at(case.window.now())
    })
}

/// What it is and whose.
fn name(holder: &XminHolder) -> String {
    match holder.kind {
        HolderKind::Session => {
            format!(
                "pid {} of role {} ({}, {})",
                holder.pid, holder.role, holder.name, holder.state
            )
        }
        HolderKind::Slot => format!("replication slot {} ({})", holder.name, holder.state),
        HolderKind::Prepared => format!("prepared transaction {} of {}", holder.name, holder.role),
        HolderKind::Standby => format!("standby {} (hot_standby_feedback)", holder.name),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, table};

    /// A queue whose dead rows grow from second 20 on under a snapshot of that time.
    pub(crate) fn pinned(with_holder: bool, vacuums: i64) -> Case {
        let mut samples = healthy(60);
        for (s, sample) in (0..).zip(&mut samples) {
            let holder = XminHolder {
                kind: HolderKind::Session,
                name: "report".to_owned(),
                pid: 4711,
                role: "bi".to_owned(),
                age_xids: (s - 20) * 100,
                since: Some(at(20)),
                state: "idle in transaction".to_owned(),
            };
            let holders = if with_holder && s >= 20 { vec![holder] } else { Vec::new() };
            sample.horizon = Some(Horizon { holders, ..Horizon::default() });
            let mut queue = table("jobs", 500);
            queue.n_dead = 50 + (s - 20).max(0) * 300;
            queue.vacuums = if s > 40 { vacuums } else { 0 };
            sample.tables = Some(vec![queue]);
        }
        let mut case = case(samples, 30);
        let evidence = Evidence::measured("x", 1.0, "ms", sampled("statements"));
        let symptom = Symptom::new("statement_slow", at(31), at(59), Weight::Harm, "x", evidence);
        case.symptoms = vec![symptom];
        case
    }

    #[test]
    fn the_one_holder_is_named_and_vacuum_in_vain_is_the_proof() {
        let verdict = judge(&pinned(true, 3));
        let likely = verdict.likely().unwrap();
        assert!(likely.says.starts_with("pid 4711 of role bi"), "{}", likely.says);
        assert!(likely.score > judge(&pinned(true, 0)).likely().unwrap().score);
        assert_eq!(likely.pids, [4711]);
    }

    #[test]
    fn without_an_old_snapshot_it_is_ruled_out_and_unseen_it_is_unknown() {
        assert!(matches!(judge(&pinned(false, 3)), Verdict::RuledOut { present: false, .. }));
        let mut clean = pinned(true, 3);
        clean.window.samples.iter_mut().for_each(|s| s.tables = Some(vec![table("jobs", 500)]));
        assert!(matches!(judge(&clean), Verdict::RuledOut { present: true, .. }));
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
    }
}
