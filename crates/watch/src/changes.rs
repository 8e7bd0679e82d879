//! What changed beside the schema: settings, roles, statistics, the server itself, and what
//! others told; and whether another pgward watches too.

use pgward_model::prelude::*;
use pgward_pg::prelude::Purpose;
use std::collections::{BTreeSet, HashMap};

/// Changes told on the screen: those of the last hour, and how many.
const TOLD_S: f64 = 3600.0;
const TOLD_MAX: usize = 20;
/// Another watcher is told of once it has stood this long: `pgward diagnose` looks for ten.
const OTHER_STANDS_S: f64 = 30.0;
/// Events remembered; a statistics run over many tables makes thousands.
const EVENTS_MAX: usize = 5_000;

/// What a sampler found to have changed.
pub(crate) struct News {
    pub(crate) at: Timestamp,
    /// What it touches, as the ledger reads it: `server`, `job`.
    pub(crate) subject: &'static str,
    pub(crate) actor: String,
    pub(crate) what: String,
    /// View or table.
    pub(crate) source: &'static str,
}

/// The part of the change ledger that is no DDL.
pub(crate) struct Changes {
    server: String,
    /// Oldest first.
    pub(crate) events: Vec<Event>,
    /// When each table was last analyzed, as far as known.
    analyzed: HashMap<Relation, Timestamp>,
    /// Pids of other watchers that have been told of.
    others: BTreeSet<Pid>,
}

impl Changes {
    pub(crate) fn new(server: String) -> Changes {
        Changes { server, events: Vec::new(), analyzed: HashMap::new(), others: BTreeSet::new() }
    }

    pub(crate) fn hear(&mut self, events: Vec<Event>) {
        self.events.extend(events);
        self.events.sort_by_key(|e| e.at);
        let extra = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..extra);
    }

    pub(crate) fn forget(&mut self, now: Timestamp, kept_s: f64) {
        self.events.retain(|e| seconds_between(e.at, now) <= kept_s);
    }

    /// What a sample shows to have changed; returned and remembered.
    pub(crate) fn see(&mut self, sample: &Sample, news: Vec<News>) -> Vec<Event> {
        let mut events = self.of_config(sample);
        events.extend(self.of_statistics(sample));
        for event in &mut events {
            "unknown role".clone_into(&mut event.actor);
        }
        events.extend(news.into_iter().map(|n| {
            let source = Source::new(SourceKind::Catalog, n.source);
            let event = self.event(n.at, EventKind::Change, n.subject, n.what, source);
            Event { actor: n.actor, ..event }
        }));
        self.hear(events.clone());
        events.extend(self.other_watchers(sample));
        events
    }

    /// What an event touches stands at the head of its subject, where the ledger reads it.
    fn of_config(&self, sample: &Sample) -> Vec<Event> {
        let told = |c: &ConfigChange| {
            let what = format!("{} {}: {} → {}", c.kind, c.name, c.before, c.after);
            let source = Source::new(SourceKind::Catalog, format!("{}s", c.kind));
            self.event(c.at, EventKind::Change, &format!("{} {}", c.kind, c.name), what, source)
        };
        sample.changes.iter().map(told).collect()
    }

    fn of_statistics(&mut self, sample: &Sample) -> Vec<Event> {
        let mut events = Vec::new();
        for table in sample.tables.iter().flatten() {
            let Some(at) = table.last_analyze else { continue };
            let known = self.analyzed.insert(table.relation.clone(), at);
            if known.is_some_and(|known| known < at) {
                let source = Source::new(SourceKind::Catalog, "pg_stat_user_tables");
                let name = &table.relation;
                let (subject, what) = (format!("relation {name}"), format!("ANALYZE {name}"));
                events.push(self.event(at, EventKind::Change, &subject, what, source));
            }
        }
        events
    }

    /// Two that watch, and perhaps respond, must know of each other. A name is anyone's choice,
    /// so nothing but this note comes of it.
    fn other_watchers(&mut self, sample: &Sample) -> Vec<Event> {
        let application = Purpose::Watch.application();
        let stands = |s: &&SessionSample| {
            s.application == application
                && seconds_between(s.backend_start, sample.at) > OTHER_STANDS_S
        };
        let found: Vec<&SessionSample> = sample.sessions.iter().filter(stands).collect();
        self.others.retain(|pid| found.iter().any(|s| s.pid == *pid));
        let new: Vec<_> = found.into_iter().filter(|s| self.others.insert(s.pid)).collect();
        new.iter()
            .map(|s| {
                let from = if s.client.is_empty() { "this machine" } else { s.client.as_str() };
                let what = format!(
                    "another pgward watches this server: pid {} of role {} from {from}; let one \
                     of them only propose",
                    s.pid, s.role
                );
                let source = Source::new(SourceKind::Sample, "sessions");
                self.event(sample.at, EventKind::Note, "watcher", what, source)
            })
            .collect()
    }

    /// Changes of the last hour with those of `ddl`, the newest last.
    pub(crate) fn recent(&self, ddl: Vec<Event>, now: Timestamp) -> Vec<Event> {
        let mut all = ddl;
        all.extend(self.events.iter().cloned());
        all.retain(|e| seconds_between(e.at, now) <= TOLD_S);
        all.sort_by_key(|e| e.at);
        let extra = all.len().saturating_sub(TOLD_MAX);
        all.drain(..extra);
        all
    }

    pub(crate) fn event(
        &self,
        at: Timestamp,
        kind: EventKind,
        subject: &str,
        what: String,
        source: Source,
    ) -> Event {
        Event {
            at,
            server: self.server.clone(),
            kind,
            subject: subject.to_owned(),
            actor: "pgward".to_owned(),
            what,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + seconds).unwrap()
    }

    fn analyzed(seconds: i64) -> Sample {
        let table = TableCounters {
            last_analyze: Some(at(seconds)),
            ..TableCounters::new(1, Relation::new("public", "orders"))
        };
        Sample { at: at(100), tables: Some(vec![table]), ..Sample::default() }
    }

    #[test]
    fn statistics_taken_anew_are_a_change_of_their_table_at_their_time() {
        let mut changes = Changes::new("shop".to_owned());
        assert!(changes.see(&analyzed(5), Vec::new()).is_empty());
        assert!(changes.see(&analyzed(5), Vec::new()).is_empty());
        let told = changes.see(&analyzed(50), Vec::new());
        let [event] = told.as_slice() else { panic!("{told:?}") };
        let said = (event.at, event.subject.as_str(), event.what.as_str());
        assert_eq!(said, (at(50), "relation orders", "ANALYZE orders"));
        assert_eq!(changes.events.len(), 1);
        changes.forget(at(4000), 3600.0);
        assert!(changes.events.is_empty());
    }

    #[test]
    fn a_setting_and_the_server_are_changes_with_their_subject() {
        let mut changes = Changes::new("shop".to_owned());
        let change = ConfigChange {
            at: at(1),
            kind: "setting".to_owned(),
            name: "work_mem".to_owned(),
            before: "4096".to_owned(),
            after: "64".to_owned(),
        };
        let sample = Sample { at: at(2), changes: vec![change], ..Sample::default() };
        let news = News {
            at: at(2),
            subject: "server",
            actor: "unknown role".to_owned(),
            what: "server is a standby now".to_owned(),
            source: "pg_postmaster_start_time",
        };
        let told = changes.see(&sample, vec![news]);
        let subjects: Vec<&str> = told.iter().map(|e| e.subject.as_str()).collect();
        assert_eq!(subjects, ["setting work_mem", "server"]);
        assert_eq!(changes.recent(Vec::new(), at(3)).len(), 2);
        assert!(changes.recent(Vec::new(), at(9000)).is_empty());
    }

    #[test]
    fn another_watcher_is_told_of_once_while_it_stands() {
        let mut changes = Changes::new("shop".to_owned());
        let other = SessionSample {
            pid: 7,
            role: "pgward".to_owned(),
            application: "pgward watch".to_owned(),
            client: "10.0.0.2".to_owned(),
            database: "shop".to_owned(),
            backend_start: at(0),
            xact_start: None,
            query_start: None,
            state_change: None,
            state: "idle".to_owned(),
            wait_type: "Client".to_owned(),
            wait_event: "ClientRead".to_owned(),
            xid: None,
            query: String::new(),
            query_id: 0,
            blocked_by: Vec::new(),
            waits_for: None,
            holds: Vec::new(),
        };
        let seen = |seconds| Sample {
            at: at(seconds),
            sessions: vec![other.clone()],
            ..Sample::default()
        };
        assert!(changes.see(&seen(10), Vec::new()).is_empty());
        let told = changes.see(&seen(40), Vec::new());
        assert!(told.first().unwrap().what.contains("pid 7 of role pgward from 10.0.0.2"));
        assert!(changes.see(&seen(41), Vec::new()).is_empty());
        changes.see(&Sample { at: at(42), ..Sample::default() }, Vec::new());
        assert_eq!(changes.see(&seen(43), Vec::new()).len(), 1);
    }
}
