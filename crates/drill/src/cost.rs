//! What watching costs: the same load with and without the guard, in turns.

use crate::error::Error;
use crate::run::{Options, start_guard};
use crate::scenario::Scenario;
use crate::stage::Stage;
use std::time::Duration;

/// Requests per second in one pair of turns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub without_per_s: f64,
    pub with_per_s: f64,
}

/// Runs the scenario's load for `turn` without and with the guard, `pairs` times, the order
/// changing from pair to pair.
///
/// # Errors
/// When the stage cannot be set.
pub fn watching(
    scenario: &Scenario,
    options: &Options,
    pairs: u32,
    turn: Duration,
) -> Result<Vec<Pair>, Error> {
    let scenario = &scenario.scaled(options.scale);
    let stage = Stage::set(scenario, &options.installation, options.seed)?;
    let rest = Duration::from_secs(2); // connections come and go in the first second of a turn
    std::thread::sleep(rest);
    let mut measured = Vec::new();
    for pair in 0..pairs {
        let mut without = None;
        let mut with = None;
        for with_guard in [pair % 2 == 0, pair % 2 == 1] {
            let guard = with_guard.then(|| start_guard(&stage, scenario, options)).transpose()?;
            std::thread::sleep(rest + turn);
            let per_s = stage.load.report(turn).per_s;
            *(if with_guard { &mut with } else { &mut without }) = Some(per_s);
            drop(guard);
        }
        if let (Some(without_per_s), Some(with_per_s)) = (without, with) {
            measured.push(Pair { without_per_s, with_per_s });
        }
    }
    Ok(measured)
}
