//! The board: what every guarded server last said, for those who ask over HTTP.

use crate::courier::Counts;
use crate::metrics::Metrics;
use pgward_model::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};

/// A server whose last tick is older is not watched any more.
const FRESH_S: f64 = 15.0; // ten ticks, and what a server that does not answer takes

/// One server's card.
#[derive(Debug, Clone)]
pub struct Card {
    pub status: ServerStatus,
    /// When it was written, by our clock; `status.at` is the server's.
    pub written: Timestamp,
    /// What the last tick cost us, in milliseconds.
    pub own_ms: f64,
    pub n_ticks: u64,
    pub n_incidents: u64,
}

/// Cards by server, written each tick and read by whoever asks.
#[derive(Default)]
pub struct Board {
    cards: Mutex<BTreeMap<String, Card>>,
    routes: BTreeMap<String, Arc<Counts>>,
}

impl Board {
    pub fn new(routes: BTreeMap<String, Arc<Counts>>) -> Board {
        Board { routes, ..Board::default() }
    }

    /// A tick, with what it saw.
    pub fn write(&self, status: ServerStatus, own_ms: f64, opened: bool, now: Timestamp) {
        let mut cards = self.lock();
        let (n_ticks, n_incidents) =
            cards.get(&status.server).map_or((0, 0), |c| (c.n_ticks, c.n_incidents));
        let card = Card {
            written: now,
            own_ms,
            n_ticks: n_ticks + 1,
            n_incidents: n_incidents + u64::from(opened),
            status,
        };
        cards.insert(card.status.server.clone(), card);
    }

    /// The servers as they were last seen.
    pub fn statuses(&self) -> Vec<ServerStatus> {
        self.lock().values().map(|c| c.status.clone()).collect()
    }

    /// Servers that nobody has looked at for too long; empty: all is well with us.
    pub fn stale(&self, now: Timestamp) -> Vec<String> {
        let cards = self.lock();
        let old = |c: &&Card| seconds_between(c.written, now) > FRESH_S;
        cards.values().filter(old).map(|c| c.status.server.clone()).collect()
    }

    /// What can be counted and measured of all servers, and of ourselves.
    pub fn metrics(&self, now: Timestamp) -> Metrics {
        let cards = self.lock();
        let mut page = Metrics::default();
        for card in cards.values() {
            card.metrics(&mut page, now);
        }
        for (route, counts) in &self.routes {
            let of = [("route", route.as_str())];
            let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed) as f64;
            page.counter(
                "alerts_delivered_total",
                "Alerts delivered",
                &of,
                count(&counts.delivered),
            );
            page.counter(
                "alert_tries_failed_total",
                "Attempts to deliver an alert that failed",
                &of,
                count(&counts.failed_tries),
            );
            page.counter("alerts_given_up_total", "Alerts given up", &of, count(&counts.given_up));
        }
        page
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Card>> {
        self.cards.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Card {
    fn metrics(&self, page: &mut Metrics, now: Timestamp) {
        let status = &self.status;
        let server = ("server", status.server.as_str());
        let of = [server];
        let open = status.incidents.iter().filter(|i| i.closed.is_none()).count();
        let seen = f64::from(u8::from(status.activity.is_some()));
        page.gauge("server_seen", "1 while the server's sessions are seen", &of, seen);
        page.gauge("incidents_open", "Open incidents", &of, open as f64);
        page.counter("incidents_total", "Incidents opened", &of, self.n_incidents as f64);
        page.counter("ticks_total", "Samples taken", &of, self.n_ticks as f64);
        page.gauge("tick_seconds", "What the last sample cost us", &of, self.own_ms / 1000.0);
        let age = seconds_between(self.written, now).max(0.0);
        page.gauge("tick_age_seconds", "Age of the last sample", &of, age);
        page.gauge("gaps", "Parts of the last sample not seen", &of, status.missing.len() as f64);
        if let Some(activity) = &status.activity {
            for (state, n) in [
                ("active", activity.n_active),
                ("waiting", activity.n_waiting),
                ("idle_in_transaction", activity.n_idle_in_transaction),
                ("all", activity.n_sessions),
            ] {
                let of = [server, ("state", state)];
                page.gauge("sessions", "Client sessions by what they do", &of, n as f64);
            }
        }
        if let Some(worst) = status.blockers.first() {
            let n = worst.n_waiters as f64;
            page.gauge("blocker_waiters", "Sessions behind the worst blocker", &of, n);
        }
        for limit in &status.limits {
            let of = [server, ("limit", limit.name.as_str()), ("of", limit.of.as_str())];
            page.gauge("limit_used", "What is used of a limit", &of, limit.used);
            if let Some(most) = limit.most {
                page.gauge("limit_most", "The limit", &of, most);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + seconds).unwrap()
    }

    fn status(server: &str) -> ServerStatus {
        ServerStatus {
            server: server.to_owned(),
            at: at(0),
            identity: None,
            activity: Some(Activity { n_sessions: 5, n_waiting: 2, ..Activity::default() }),
            blockers: Vec::new(),
            limits: vec![Limit {
                name: "connections".to_owned(),
                used: 97.0,
                most: Some(97.0),
                unit: "sessions".to_owned(),
                of: "all \"roles\"".to_owned(),
            }],
            changes: Vec::new(),
            incidents: Vec::new(),
            missing: Vec::new(),
        }
    }

    #[test]
    fn every_server_counts_its_own_ticks_and_incidents() {
        let board = Board::default();
        board.write(status("a"), 3.0, true, at(0));
        board.write(status("b"), 4.0, false, at(0));
        board.write(status("b"), 4.0, true, at(1));
        let page = board.metrics(at(2)).prometheus();
        assert!(page.contains("pgward_ticks_total{server=\"a\"} 1\n"), "{page}");
        assert!(page.contains("pgward_ticks_total{server=\"b\"} 2\n"), "{page}");
        assert!(page.contains("pgward_incidents_total{server=\"b\"} 1\n"));
        assert!(page.contains("pgward_tick_seconds{server=\"a\"} 0.003\n"));
        assert!(page.contains("limit=\"connections\",of=\"all \\\"roles\\\"\"} 97\n"), "{page}");
    }

    #[test]
    fn a_server_that_nobody_looks_at_makes_us_unhealthy() {
        let board = Board::default();
        board.write(status("a"), 3.0, false, at(0));
        assert!(board.stale(at(10)).is_empty());
        assert_eq!(board.stale(at(16)), ["a"]);
    }
}
