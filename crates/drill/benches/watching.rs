//! What the watcher costs the load: paired turns, printed as ratios.
#![allow(clippy::print_stdout)] // a benchmark prints its table

use pgward_drill::cost::watching;
use pgward_drill::run::Options;
use pgward_drill::scenario;
use pgward_model::prelude::Road;
use pgward_recover::respond::Policy;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// As many clients as a small pool, without pauses: the server has no idle time to hide in.
const SATURATED: &str = "# saturated\nA pool at full speed.\n\n```sql setup\n\
CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0, pad text);\n\
INSERT INTO t SELECT g, 0, repeat('x', 200) FROM generate_series(1, 200000) g;\n```\n\
```sql session=readers every=0ms clients=3\nSELECT n FROM t WHERE id = :random(1, 200000)\n```\n\
```sql session=writers every=0ms clients=3\nUPDATE t SET n = n + 1 WHERE id = :mine(1, 200000)\n```\n\
```sql session=idle every=1s clients=1\nSELECT 1\n```\n\
```fault more_clients session=readers clients=1\n```\n```expect\ncause load_spike\n```\n";

fn main() {
    let turns: u32 = 12;
    let seconds = 10;
    let options = Options {
        installation: pgward_pg::tools::newest(&[]).expect("PostgreSQL is installed"),
        roads: vec![Road::Bypassed],
        without: Default::default(),
        policy: Policy::Propose,
        approve: Arc::new(|_| false),
        seed: 1,
        run: 1,
        scale: 1,
        interrupted: Arc::new(AtomicBool::new(false)),
    };
    for (name, paced) in [("saturated", false), ("paced", true)] {
        let text =
            if paced { SATURATED.replace("every=0ms", "every=20ms") } else { SATURATED.into() };
        let text = text.replace("# saturated", &format!("# {name}"));
        let scenario = scenario::read("bench.md", &text).expect("the scenario is a constant");
        let pairs = watching(&scenario, &options, turns, Duration::from_secs(seconds))
            .expect("the stage can be set");
        println!("{name}: requests/s without and with the watcher, {seconds} s each");
        let mut ratios: Vec<f64> = Vec::new();
        for pair in &pairs {
            let ratio = pair.with_per_s / pair.without_per_s;
            println!("  {:8.0}  {:8.0}  ratio {ratio:.3}", pair.without_per_s, pair.with_per_s);
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        println!("  median ratio {:.3}", ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN));
    }
}
