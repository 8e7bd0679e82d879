//! What it is, in one sentence.

use super::Cause;
use crate::facts::complete;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "{{id}}",
    name: "What it is, for people",
    necessary: "the fact that must hold for it; its opposite rules it out",
    explains: &["lock_queue"],
    actions: &[],
    prevention: &["What keeps it from coming back, in the imperative"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Err(unknown) = complete(case, "sessions", "no sessions were sampled") {
        return unknown;
    }
    let n_waiting = case.window.recent().iter().flat_map(|s| &s.sessions).count();
    let source = Source::new(SourceKind::Sample, "pg_stat_activity");
    let measured = Evidence::measured("sessions that wait", n_waiting as f64, "sessions", source);
    if n_waiting == 0 {
        return Verdict::ruled_out(measured);
    }
    Verdict::Likely(Likely::new(0.5, "object, actor and change in one sentence", measured))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let healthy_case = case(healthy(40), 30);
        assert!(matches!(judge(&healthy_case), Verdict::RuledOut { .. }));
        // Now a case in which it is the cause, and one that lacks what it needs to know:
        let guilty = healthy_case.clone();
        assert!(judge(&guilty).likely().is_some());
        let blind = Case { window: Window::default(), ..healthy_case };
        assert!(matches!(judge(&blind), Verdict::Unknown { .. }));
    }
}
