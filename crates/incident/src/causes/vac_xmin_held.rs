//! An old snapshot keeps vacuum from removing dead rows, and statements wade through them.

use super::{Cause, plan_missing_index};
use crate::facts::{complete, cut, regressions, sampled};
use crate::forecast::newest;
use crate::horizon::{
    Dead, HELD_S, Held, held, held_catalogs, most_dead, most_grown, most_grown_catalog,
};
use crate::reach::Reach;
use crate::retained::is_polled;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "vac_xmin_held",
    name: "Vacuum horizon held back",
    necessary: "one snapshot, slot or prepared transaction has stood still, and dead rows are more \
                than autovacuum tolerates or ids run out",
    explains: &["statement_slow", "throughput_drop", "xmin_held", "ids_run_out", "sessions_hang"],
    actions: &["end_xmin_holder", "drop_slot", "roll_back_prepared"],
    prevention: &[
        "Set idle_in_transaction_session_timeout for people and reports; transaction_timeout from 17 on",
        "Alarm on the age of the oldest snapshot, of slots and of prepared transactions, not on dead rows",
        "Send long reports to a standby without hot_standby_feedback, or to a copy",
    ],
    judge,
};

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
    let oldest = held(&case.window);
    if let Some(likely) = keeps_catalogs(case) {
        return Verdict::Likely(likely);
    }
    let age = oldest.as_ref().map_or(0.0, |h| h.seconds);
    let evidence = Evidence::measured(
        "age of the oldest snapshot that keeps dead rows",
        age,
        "s",
        sampled("horizon: pg_stat_activity.backend_xmin, pg_replication_slots, pg_prepared_xacts"),
    )
    .against(usual_age(case))
    .at(case.window.now());
    match oldest.filter(|h| h.seconds >= HELD_S) {
        None => Verdict::ruled_out(evidence),
        Some(held) => match keeps_ids(case, &held.holder) {
            Some(likely) => Verdict::Likely(likely.and(evidence)),
            None => keeps_rows(case, held, evidence),
        },
    }
}

/// Dead rows of a table have grown since, and what reads them is slow.
fn keeps_rows(case: &Case, held: Held, evidence: Evidence) -> Verdict {
    let Held { holder, seconds: held_s, all_along } = held;
    let tables = [most_grown(&case.window), most_dead(&case.window)];
    let mut tables = tables.into_iter().flatten().peekable();
    let Some(most) = tables.peek().cloned() else {
        return Verdict::unknown("no table was counted since the onset");
    };
    let felt = |id: &str| case.symptoms.iter().any(|s| s.detector == id);
    // What lay there before its snapshot is kept by another.
    let Some(dead) = tables.find(|d| d.has_grown() || (all_along && d.over() >= 1.0)) else {
        // Its age alone was noticed: that is true, whatever it has led to.
        if felt("xmin_held") {
            let says = format!(
                "{} has held its snapshot for {}, and no table has many dead rows yet",
                name(&holder),
                human_duration(held_s)
            );
            return Verdict::Likely(Likely::new(NOTICED, says, evidence));
        }
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{} is old, yet {} has only {} dead rows ({} before)",
                name(&holder),
                most.table.relation,
                human(most.table.n_dead as f64),
                human(most.before as f64)
            ),
            ..evidence
        });
    };
    if !CAUSE.explains.iter().any(|id| felt(id)) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!("{} is old, yet nothing has become slower", name(&holder)),
            ..evidence
        });
    }
    if let Some(index) = lost_index(case, &dead) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{} keeps dead rows, yet what is slow lost an index: {index}",
                name(&holder)
            ),
            ..evidence
        });
    }
    let slower = slower(case, &dead);
    Verdict::Likely(likely(case, &holder, held_s, &dead, slower).and(evidence))
}

/// The index whose drop explains what is slow on the table of the dead rows.
fn lost_index(case: &Case, dead: &Dead) -> Option<String> {
    let pairs = regressions(&case.window);
    let (now, _) = plan_missing_index::spoiled(&pairs)
        .filter(|(now, _)| Reach::of(case, &now.text).touches(&dead.table.relation))?;
    let dropped = plan_missing_index::blame(case, &now.text).into_iter().find(|d| d.dropped)?;
    Some(plan_missing_index::describe(&dropped))
}

/// A snapshot that does no harm yet is told and not acted on.
const NOTICED: f64 = 0.3;

/// Ids run out while rows older than its snapshot may not be frozen: dead rows are no part of it.
fn keeps_ids(case: &Case, holder: &XminHolder) -> Option<Likely> {
    case.symptoms.iter().find(|s| s.detector == "ids_run_out")?;
    let horizon = newest(case.window.recent(), |s| s.horizon.clone())?;
    // Younger than what autovacuum bears, it is in the way of no forced vacuum.
    if horizon.freeze_max_age <= 0 || holder.age_xids <= horizon.freeze_max_age {
        return None;
    }
    let says = format!(
        "{} keeps rows of {} transaction ids ago from being frozen; the oldest that is not is {} \
         old",
        name(holder),
        human(holder.age_xids as f64),
        human(horizon.xid_age as f64)
    );
    let ids = Evidence::measured(
        "transaction ids since the snapshot that is held; autovacuum_freeze_max_age as before",
        holder.age_xids as f64,
        "transaction ids",
        sampled("horizon: pg_stat_activity.backend_xmin, pg_replication_slots, pg_prepared_xacts"),
    );
    let ids = ids.against(horizon.freeze_max_age as f64).at(case.window.now());
    let pid = (holder.pid != 0).then_some(holder.pid);
    Some(Likely::new(0.8, says, ids).by(pid).act(actions(case, holder)))
}

/// Each table that is made and dropped leaves dead rows in the system catalogs, and those a
/// logical slot keeps too, which keeps no row of a user's table.
fn keeps_catalogs(case: &Case) -> Option<Likely> {
    let Held { holder, seconds, .. } =
        held_catalogs(&case.window).filter(|h| h.seconds >= HELD_S)?;
    if let Some(likely) = keeps_ids(case, &holder) {
        return Some(likely);
    }
    let dead = most_grown_catalog(&case.window).filter(|d| d.has_grown() && d.over() >= 1.0)?;
    let slower = slower(case, &dead)?;
    Some(likely(case, &holder, seconds, &dead, Some(slower)))
}

/// A session can be ended, a slot that nobody reads dropped, and a prepared transaction rolled back,
/// if its manager does not mean to commit it.
fn actions(case: &Case, holder: &XminHolder) -> &'static [&'static str] {
    match holder.kind {
        HolderKind::Session => &["end_xmin_holder"],
        HolderKind::Prepared => &["roll_back_prepared"],
        HolderKind::Slot | HolderKind::CatalogSlot
            if holder.pid == 0 && !is_polled(case, &holder.name) =>
        {
            &["drop_slot"]
        }
        _ => &[],
    }
}

/// A statement that reads the table of the dead rows, and more blocks a call than before.
fn slower(case: &Case, dead: &Dead) -> Option<(StatementDelta, StatementDelta)> {
    regressions(&case.window).into_iter().find(|(now, old)| {
        now.blks_per_call > 1.5 * old.blks_per_call.max(1.0)
            && Reach::of(case, &now.text).touches(&dead.table.relation)
    })
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
    dead: &Dead,
    slower: Option<(StatementDelta, StatementDelta)>,
) -> Likely {
    let Dead { table, before, n_vacuums } = dead;
    let (before, n_vacuums) = (*before, *n_vacuums);
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
    likely
        .on([table.relation.clone()])
        .by((holder.pid != 0).then_some(holder.pid))
        .act(if is_stuck(case, holder) { &[] } else { actions(case, holder) })
}

/// A session that waits for another's lock holds its snapshot for as long as that one likes.
fn is_stuck(case: &Case, holder: &XminHolder) -> bool {
    let last = case.window.last();
    last.is_some_and(|s| s.sessions.iter().any(|x| x.pid == holder.pid && !x.blocked_by.is_empty()))
}

/// Do rows that may not be removed explain that a statement reads more blocks? The dead rows of
/// the table it names.
pub(super) fn explains_blocks(case: &Case, statement: &str) -> Option<Evidence> {
    let Held { holder, .. } = held(&case.window).filter(|h| h.seconds >= HELD_S)?;
    let Dead { table, before, .. } = most_grown(&case.window)
        .filter(|d| d.has_grown() && d.over() >= 1.0)
        .filter(|d| Reach::of(case, statement).touches(&d.table.relation))?;
    Some(
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
        .at(case.window.now()),
    )
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
        HolderKind::CatalogSlot => format!("logical slot {} ({})", holder.name, holder.state),
        HolderKind::Prepared => format!("prepared transaction {} of {}", holder.name, holder.role),
        HolderKind::Standby => format!("standby {} (hot_standby_feedback)", holder.name),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, slot, table};

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

    #[test]
    fn a_snapshot_held_for_hours_counts_though_dead_rows_have_grown_little_since_we_look() {
        let mut long = pinned(true, 3);
        for (s, sample) in (0..).zip(&mut long.window.samples) {
            for holder in sample.horizon.iter_mut().flat_map(|h| &mut h.holders) {
                holder.since = Some(at(-7200));
            }
            let tables = sample.tables.iter_mut().flatten();
            tables.for_each(|t| t.n_dead = 500_000 + s * 150);
        }
        let verdict = judge(&long);
        assert!(verdict.likely().unwrap().says.contains("stay in jobs"), "{verdict:?}");
    }

    #[test]
    fn a_logical_slot_is_named_for_dead_rows_of_catalogs_only() {
        let statement = |calls: i64, blks: i64, text: &str| StatementCounters {
            query_id: 1,
            role: "site".to_owned(),
            text: text.into(),
            calls,
            total_ms: blks as f64,
            rows: calls,
            blks,
            blks_read: 0,
            squares_ms2: 0.0,
        };
        let pinned = |text: &str| {
            let mut case = pinned(false, 0);
            for (s, sample) in (0..).zip(&mut case.window.samples) {
                let slot = XminHolder { kind: HolderKind::CatalogSlot, ..slot(100 * (s - 20)) };
                let attributes = Relation::new("pg_catalog", "pg_attribute");
                let horizon = Horizon {
                    holders: if s >= 20 { vec![slot] } else { Vec::new() },
                    next_xid: 100 * s,
                    catalogs: vec![TableCounters {
                        n_live: 3_000,
                        n_dead: 100 + (s - 20).max(0) * 300,
                        vacuums: s / 10,
                        ..TableCounters::new(1249, attributes)
                    }],
                    ..Horizon::default()
                };
                sample.horizon = Some(horizon);
                sample.tables = Some(vec![table("jobs", 500)]);
                let blocks = if s < 30 { 10 * s } else { 300 + 200 * (s - 30) };
                sample.statements = Some(vec![statement(s, blocks, text)]);
            }
            judge(&case)
        };
        let verdict = pinned("CREATE TEMP TABLE line (id int)");
        let likely = verdict.likely().unwrap();
        assert!(likely.says.starts_with("logical slot copy (inactive)"), "{}", likely.says);
        assert_eq!(likely.actions, ["drop_slot"]);
        // A statement that makes no table reads no such row.
        let other = pinned("SELECT note FROM jobs WHERE id = $1");
        assert!(matches!(other, Verdict::RuledOut { .. }), "{other:?}");
    }

    #[test]
    fn ids_that_run_out_and_age_alone_need_no_dead_rows() {
        let with = |detector: &str, age_xids: i64| {
            let mut case = pinned(true, 3);
            for sample in &mut case.window.samples {
                sample.tables = Some(vec![table("jobs", 500)]);
                let horizon = sample.horizon.as_mut().unwrap();
                (horizon.freeze_max_age, horizon.xid_age) = (200_000_000, 900_000_000);
                horizon.holders.iter_mut().for_each(|h| h.age_xids = age_xids);
            }
            case.symptoms.iter_mut().for_each(|s| s.detector = detector.to_owned());
            judge(&case)
        };
        let ids = with("ids_run_out", 890_000_000);
        assert!(ids.likely().unwrap().says.contains("from being frozen"), "{ids:?}");
        let young = with("ids_run_out", 1_000);
        assert!(matches!(young, Verdict::RuledOut { present: true, .. }), "{young:?}");
        assert!(with("xmin_held", 1_000).likely().unwrap().actions.is_empty());
    }
}
