//! The kernel kills a backend for want of memory, and the server restarts all of them.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::{cut, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "mem_oom_kill",
    name: "Backend killed for want of memory",
    necessary: "a server process was terminated by signal 9",
    explains: &["server_unreachable", "error_burst", "throughput_drop", "connection_resets"],
    actions: &[],
    prevention: &[
        "Set vm.overcommit_memory = 2, and bound work_mem by connections and parallel workers",
        "Give the postmaster a low oom_score_adj, so that the kernel takes a backend first",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let killed = |e: &LogEntry| e.message.contains("was terminated by signal 9");
    let verdict = log_lines(case, "server processes killed by signal 9", killed, 0.9, 1, |e, _| {
        let was =
            if e.detail.is_empty() { String::new() } else { format!(": {}", cut(&e.detail, 160)) };
        format!("{}{was}", e.message)
    });
    let Verdict::Likely(likely) = verdict else { return verdict };
    let kills = |s: &Sample| s.host?.oom_kills;
    let before = newest(case.window.baseline(), kills);
    let now = newest(case.window.recent(), kills);
    let (Some(before), Some(now)) = (before, now) else {
        let says = format!("{}; whether the kernel did it is not seen from here", likely.says);
        let (mut unproven, score) = (likely, 0.75);
        (unproven.says, unproven.score) = (says, score);
        return Verdict::Likely(unproven);
    };
    if now == before {
        return Verdict::unknown(format!(
            "who sent it: {}, and the kernel has counted no kill; a memory daemon or a person did",
            likely.says
        ));
    }
    let evidence = Evidence::measured(
        "processes that the kernel has killed for want of memory",
        now as f64,
        "kills",
        sampled("host: /proc/vmstat oom_kill"),
    );
    Verdict::Likely(likely.and(evidence.against(before as f64).at(case.window.now())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    const KILLED: &str = "server process (PID 7) was terminated by signal 9: Killed";

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_log(judge, "LOG", "00000", KILLED, 1);
    }

    #[test]
    fn a_kill_that_the_kernel_does_not_know_is_somebodys() {
        for (kills, likely) in [(1, true), (0, false)] {
            let mut samples = healthy(35);
            for (i, s) in (0..).zip(&mut samples) {
                let oom_kills = Some(if i > 32 { kills } else { 0 });
                s.host = Some(HostSample { oom_kills, ..HostSample::default() });
            }
            samples.last_mut().unwrap().log = vec![log(34, "LOG", "00000", KILLED)];
            assert_eq!(judge(&case(samples, 30)).likely().is_some(), likely);
        }
    }
}
