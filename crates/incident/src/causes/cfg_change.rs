//! A setting changed, or was written down for the next restart.

use super::{Cause, plan_missing_index};
use crate::counted::{Fresh, fresh, role_and_message};
use crate::facts::{
    changes_near, complete, cut, is_statement_error, logged, no_baseline, not_read_yet,
    regressions, sampled,
};
use crate::forecast::newest;
use pgward_model::prelude::*;
use pgward_model::setting;

pub(super) static CAUSE: Cause = Cause {
    id: "cfg_change",
    name: "Configuration change",
    necessary: "a setting differs from its value before the onset, or waits for a restart that came",
    explains: &[
        "statement_slow",
        "throughput_drop",
        "error_burst",
        "server_unreachable",
        "setting_pending",
        "sessions_hang",
    ],
    actions: &[],
    prevention: &[
        "Keep settings under change control, and roll them out to one server first",
        "Restart a copy with the new settings before the server: a value that cannot start waits for the next restart",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(likely) = untried(case) {
        return Verdict::Likely(likely);
    }
    if let Some(unknown) = complete(case, "config", "settings were not read") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let changes: Vec<&ConfigChange> = changes_near(case, "setting").collect();
    let evidence = Evidence::measured(
        "settings that changed since shortly before the onset",
        changes.len() as f64,
        "settings",
        sampled("config: pg_settings"),
    )
    .against(0.0)
    .at(case.window.now());
    if let Some(likely) = spoils_plans(case, &changes, &evidence) {
        return Verdict::Likely(likely);
    }
    if let Some(likely) = makes_fail(case, &changes, &evidence) {
        return Verdict::Likely(likely);
    }
    let harms = |c: &&&ConfigChange| !is_of_log(c) && is_for_harmed(case, c);
    match changes.iter().find(harms) {
        None if changes.is_empty() => not_read_yet(case).unwrap_or(Verdict::ruled_out(evidence)),
        None => Verdict::present_not_sufficient(Evidence {
            claim: "settings that changed, yet only of what the log holds, or of roles that are \
                    not harmed"
                .to_owned(),
            ..evidence
        }),
        Some(c) => Verdict::Likely(Likely::new(
            0.4,
            format!("{} changed from {} to {}", c.name, c.before, c.after),
            evidence,
        )),
    }
}

/// Does it say only what is written to the log, and how? Not what has each statement written there.
fn is_of_log(change: &ConfigChange) -> bool {
    let setting = change.name.rsplit(' ').next().unwrap_or(&change.name);
    let each = match setting {
        "log_statement" | "log_duration" | "log_min_duration_sample" => true,
        "log_min_duration_statement" => change.after == "0",
        _ => setting.ends_with("_stats"),
    };
    setting.starts_with("log_") && !each
}

/// Is it set for all roles, or for one whose statements fail, hang or take longer?
fn is_for_harmed(case: &Case, change: &ConfigChange) -> bool {
    let recent = case.window.recent();
    let pairs = regressions(&case.window);
    let slower = pairs.iter().filter(|(now, old)| now.ms_per_call >= SLOWER * old.ms_per_call);
    let failed = recent.iter().flat_map(|s| &s.log).filter(|e| e.severity != "LOG");
    let hangs = |sample: &&Sample, s: &&SessionSample| {
        s.state == "active" && s.runs_s(sample.at) >= HANGS_S
    };
    let hung = recent.iter().flat_map(|x| x.sessions.iter().filter(move |s| hangs(&x, s)));
    let mut harmed = slower
        .map(|(now, _)| now.role.as_str())
        .chain(failed.map(|e| e.role.as_str()))
        .chain(hung.map(|s| s.role.as_str()));
    is_for(change, "") || harmed.any(|role| is_for(change, role))
}

/// Is it set for that role, or for all? `role site database shop: work_mem` is for one.
fn is_for(change: &ConfigChange, role: &str) -> bool {
    let (whose, _) = change.name.rsplit_once(": ").unwrap_or(("", &change.name));
    whose.strip_prefix("role ").is_none_or(|of| {
        let rest = of.strip_prefix(role);
        !role.is_empty() && rest.is_some_and(|r| r.is_empty() || r.starts_with(" database "))
    })
}

/// Who is harmed by a setting takes so many times as long,
const SLOWER: f64 = 2.0;
/// or longer than users are patient.
const HANGS_S: f64 = 2.0;

/// What the planner goes by.
///
/// Source: manual, 20.7 Query Planning, and `work_mem`.
const PLANNER: [&str; 12] = [
    "enable_",
    "seq_page_cost",
    "random_page_cost",
    "cpu_",
    "parallel_",
    "effective_cache_size",
    "work_mem",
    "jit",
    "plan_cache_mode",
    "from_collapse_limit",
    "join_collapse_limit",
    "geqo",
];

/// A setting of the planner that changed, and a statement whose plan reads many times the blocks
/// since.
fn spoils_plans(case: &Case, changes: &[&ConfigChange], evidence: &Evidence) -> Option<Likely> {
    let of_planner = |c: &&&ConfigChange| {
        let name = c.name.rsplit(' ').next().unwrap_or(&c.name);
        PLANNER.iter().any(|setting| name.starts_with(setting))
    };
    let pairs = regressions(&case.window);
    let (now, old) = plan_missing_index::spoiled(&pairs)?;
    let change = changes.iter().filter(of_planner).find(|c| is_for(c, &now.role))?;
    let says = format!(
        "{} changed from {} to {} at {}. Since then the plan is another one of: {}",
        change.name,
        change.before,
        change.after,
        change.at.strftime("%H:%M:%S UTC"),
        plan_missing_index::costs(now, old)
    );
    let slower = plan_missing_index::time_per_call(case, now, old);
    Some(Likely::new(0.85, says, evidence.clone()).and(slower))
}

/// Settings that make statements fail with an error of theirs; timeouts are `cfg_timeout`'s.
///
/// Source: manual, 20 Server Configuration, and Appendix A, Error Codes.
const FAILS: [(&str, &[&str]); 9] = [
    ("40001", &["default_transaction_isolation"]),
    ("25006", &["default_transaction_read_only"]),
    ("3F000", &["search_path"]),
    ("42P01", &["search_path"]),
    ("42883", &["search_path"]),
    ("53200", &["max_locks_per_transaction", "work_mem"]),
    ("53400", &["temp_file_limit"]),
    ("54001", &["max_stack_depth"]),
    ("42501", &["row_security", "role"]),
];

/// How late a change may be seen: settings are read every five seconds.
const SEEN_LATE_S: f64 = 6.0;
/// One stray line is no cause.
const FAILS_MIN: usize = 3;

/// A setting that changed, and statements that fail since with the error that it brings, of the role
/// that it is set for, where it is set for one.
fn makes_fail(case: &Case, changes: &[&ConfigChange], evidence: &Evidence) -> Option<Likely> {
    let Fresh { lines, .. } = fresh(&case.window, is_statement_error, role_and_message);
    let fails = |change: &ConfigChange, e: &LogEntry| {
        let setting = change.name.rsplit(' ').next().unwrap_or(&change.name);
        let brings = |(state, settings): &(&str, &[&str])| {
            e.sqlstate == *state && settings.contains(&setting)
        };
        is_for(change, &e.role) && FAILS.iter().any(brings)
    };
    // Changes are seen some seconds late; what failed before one was not brought by it.
    let brought = changes.iter().find_map(|change| {
        let failed: Vec<&&LogEntry> = lines.iter().filter(|e| fails(change, e)).collect();
        let since = failed.iter().all(|e| seconds_between(change.at, e.at) > -SEEN_LATE_S);
        (since && failed.len() >= FAILS_MIN).then_some((change, failed))
    });
    let (change, failed) = brought?;
    let (n, first) = (failed.len(), failed.first()?);
    let says = format!(
        "{} changed from {} to {}, seen at {}. Since then {n} statements of role {} failed: {} ({})",
        change.name,
        change.before,
        change.after,
        change.at.strftime("%H:%M:%S UTC"),
        first.role,
        first.message,
        first.sqlstate
    );
    let failed = Evidence::measured("statements failed so", n as f64, "errors", logged(first));
    let failed = failed.against(0.0).at(case.window.now());
    Some(Likely::new(0.85, says, evidence.clone()).and(failed))
}

/// Settings that are named.
const TRIED_MAX: usize = 5;
/// In the names of settings by which the server asks for memory when it starts.
const OF_MEMORY: [&str; 5] = ["buffers", "memory", "huge_pages", "max_connections", "max_locks"];

/// A server that does not come back, with a setting that the restart was the first to try.
fn untried(case: &Case) -> Option<Likely> {
    case.symptoms.iter().find(|s| s.detector == "server_unreachable")?;
    // Nobody listens: the server is down. Else it is busy, cut off or turning clients away.
    let down = case.window.recent().iter().find(|s| s.probe.is_some_and(|p| p.closed))?;
    // Before it came back: by then somebody has taken the setting back.
    let before = case.window.samples.iter().filter(|s| s.at <= down.at);
    let pending = before.rev().find_map(|s| s.pending.as_ref().filter(|all| !all.is_empty()))?;
    // With what the server has come back since cannot have kept it from that.
    let since = case.window.samples.iter().filter(|s| s.at > down.at).flat_map(|s| &s.changes);
    let works = |c: &&&ConfigChange| {
        since.clone().any(|now| now.name == c.name && setting::is_same(&c.after, &now.after, None))
    };
    let (working, mut tried): (Vec<&ConfigChange>, Vec<&ConfigChange>) =
        pending.iter().partition(|c| works(&c));
    let all_work = tried.is_empty();
    if all_work {
        tried = working;
    }
    tried.sort_by_key(|c| std::cmp::Reverse(c.at));
    let setting = *tried.first()?;
    let each = |c: &&ConfigChange| format!("{} = {} (before: {})", c.name, c.after, c.before);
    let all = tried.iter().take(TRIED_MAX).map(each).collect::<Vec<_>>().join(", ");
    let memory = newest(&case.window.samples, |s| s.host?.memory_total_bytes);
    let of_memory = |c: &ConfigChange| OF_MEMORY.iter().any(|word| c.name.contains(word));
    let memory = memory.filter(|_| tried.iter().any(|c| of_memory(c)));
    let room = memory.map(|bytes| format!("; the host has {} of memory", human_bytes(bytes)));
    let last = if tried.len() == 1 { "" } else { "the last of them " };
    let said = refusal(case).map(|e| format!("; it said: {}", cut(&e.message, 160)));
    let says = format!(
        "the server does not come back after a restart that was the first to try {all}, {last}\
         written down {} before the trouble{}{}{}",
        human_duration(seconds_between(setting.at, down.at).max(0.0)),
        room.unwrap_or_default(),
        said.unwrap_or_default(),
        if all_work { "; yet it has come back since with just that" } else { "" }
    );
    let evidence = Evidence::measured(
        "settings that waited for this restart",
        pending.len() as f64,
        "settings",
        sampled("config: pg_settings.pending_restart, postgresql.auto.conf"),
    );
    // What it could not bear then it bears now: memory that others held, or another setting that
    // nobody saw written down.
    let score = if all_work { 0.4 } else { 0.85 };
    Some(Likely::new(score, says, evidence.against(0.0).at(setting.at)))
}

/// What a server that did not start wrote to its log, which can be read once it has come back.
fn refusal(case: &Case) -> Option<&LogEntry> {
    let of_nobody = |e: &&LogEntry| e.role.is_empty() && e.database.is_empty();
    let mut log = case.window.recent().iter().flat_map(|s| &s.log).filter(of_nobody);
    log.rfind(|e| e.severity == "FATAL" && e.sqlstate != "57P03")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log};

    fn change(kind: &str, name: &str, before: &str, after: &str) -> ConfigChange {
        ConfigChange {
            at: at(12),
            kind: kind.into(),
            name: name.into(),
            before: before.into(),
            after: after.into(),
        }
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
        let mut samples = healthy(35);
        samples.last_mut().unwrap().pending = Some(Vec::new());
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let logs = change("setting", "log_min_duration_statement", "-1", "5000");
        samples.last_mut().unwrap().changes = vec![logs];
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().changes = vec![change("setting", "work_mem", "4MB", "64kB")];
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn what_changed_seconds_before_the_onset_lies_in_the_baseline_and_counts() {
        let mut samples = healthy(35);
        let changed = change("setting", "work_mem", "4MB", "64kB");
        samples.get_mut(12).unwrap().changes = vec![changed];
        assert!(judge(&case(samples, 30)).likely().unwrap().says.contains("work_mem"));
    }

    #[test]
    fn all_that_a_restart_tried_is_told_but_what_the_server_came_back_with() {
        let mut samples = healthy(40);
        let pages = ConfigChange { at: at(14), ..change("setting", "huge_pages", "try", "on") };
        let more = change("setting", "max_connections", "100", "140");
        samples.get_mut(20).unwrap().pending = Some(vec![more.clone(), pages]);
        samples.get_mut(31).unwrap().probe.as_mut().unwrap().closed = true;
        let told = |samples: Vec<Sample>| {
            let mut case = case(samples, 30);
            let source = Source::new(SourceKind::Sample, "");
            let evidence = Evidence::measured("x", 1.0, "probes", source);
            let (at, weight) = (at(31), Weight::Harm);
            case.symptoms = vec![Symptom::new("server_unreachable", at, at, weight, "x", evidence)];
            judge(&case).likely().unwrap().says.clone()
        };
        let says = told(samples.clone());
        let both = "huge_pages = on (before: try), max_connections = 140 (before: 100)";
        assert!(says.contains(both), "{says}");
        samples.last_mut().unwrap().changes = vec![more.clone()];
        let says = told(samples.clone());
        assert!(says.contains("huge_pages") && !says.contains("max_connections"), "{says}");
        samples.get_mut(20).unwrap().pending = Some(vec![more]);
        let says = told(samples);
        assert!(says.ends_with("it has come back since with just that"), "{says}");
    }

    #[test]
    fn the_setting_that_brings_the_error_is_told_not_the_one_beside_it() {
        let mut samples = healthy(35);
        let last = samples.last_mut().unwrap();
        let message = "could not serialize access due to concurrent update";
        last.log = vec![log(34, "ERROR", "40001", message); 3];
        let isolation = |role: &str| {
            let name = format!("role {role} database shop: default_transaction_isolation");
            change("setting", &name, "absent", "repeatable read")
        };
        last.changes = vec![isolation("bi")];
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let mut late = isolation("site");
        late.at = at(60);
        samples.last_mut().unwrap().changes = vec![late];
        let verdict = judge(&case(samples.clone(), 30));
        assert!(verdict.likely().is_none_or(|l| l.score < 0.5), "it came after the errors");
        for (role, told) in [("site", "role site database shop: "), ("bi", "work_mem changed")] {
            let last = samples.last_mut().unwrap();
            last.changes = vec![change("setting", "work_mem", "4MB", "6MB"), isolation(role)];
            let verdict = judge(&case(samples.clone(), 30));
            let likely = verdict.likely().unwrap();
            assert!(likely.says.starts_with(told), "{}", likely.says);
        }
    }

    #[test]
    fn a_server_that_does_not_come_back_tried_what_was_written_down() {
        let mut samples = healthy(40);
        let pending = change("pending", "shared_buffers", "64MB", "64GB");
        samples.get_mut(20).unwrap().pending = Some(vec![pending]);
        for s in samples.iter_mut().skip(32) {
            let probe = s.probe.as_mut().unwrap();
            (probe.failed, probe.closed) = (1, true);
            s.gaps.push(Gap { sampler: "config".into(), why: "not connected".into() });
        }
        let mut case = case(samples, 30);
        assert!(judge(&case).likely().is_none());
        let evidence = Evidence::measured("x", 3.0, "samples", sampled("sessions"));
        let symptom =
            Symptom::new("server_unreachable", at(32), at(39), Weight::Harm, "x", evidence);
        case.symptoms = vec![symptom];
        let verdict = judge(&case);
        let likely = verdict.likely().unwrap();
        assert!(likely.says.contains("shared_buffers = 64GB (before: 64MB)"), "{}", likely.says);
        assert!(likely.says.contains("20 s before the trouble"), "{}", likely.says);
    }
}
