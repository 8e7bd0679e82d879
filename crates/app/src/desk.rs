//! The alert desk: decides who is told what and when. No storms: many alerts at once are one
//! message, and a route hears only so much a minute. No clock: the time is handed in.

use crate::alert::Route;
use pgward_model::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Messages a minute to one route; what comes beyond is told together in the next.
const BURST: usize = 3; // an incident, its cause and its end; more at once is a storm
/// The same for a receiver that gathers by itself.
const BURST_GATHERED: usize = 60;
const MINUTE_S: f64 = 60.0;
/// An alert waits this long for a cause, so that the first message names it.
const CAUSE_WITHIN_S: f64 = 5.0; // causes are judged each second; most speak within three
/// Times that a route is told of another cause of one incident.
const UPDATES_MAX: u32 = 3;
/// Incidents kept; beyond, the oldest closed or told ones go.
const INCIDENTS_MAX: usize = 10_000;

/// Who has been told what.
pub struct Desk {
    routes: Vec<Route>,
    incidents: BTreeMap<String, Kept>,
    /// When each route was last told something.
    sent: BTreeMap<String, VecDeque<Timestamp>>,
    n_deliveries: u64,
}

struct Kept {
    alert: Alert,
    opened: Timestamp,
    is_acknowledged: bool,
    is_closed: bool,
    /// By route.
    told: BTreeMap<String, Told>,
    /// Routes that would have been told, had they not heard so much already: they hear of it
    /// later, also when it is closed by then.
    missed: BTreeSet<String>,
}

struct Told {
    at: Timestamp,
    cause: Option<String>,
    n_updates: u32,
    of_end: bool,
}

impl Desk {
    pub fn new(routes: Vec<Route>) -> Desk {
        Desk { routes, incidents: BTreeMap::new(), sent: BTreeMap::new(), n_deliveries: 0 }
    }

    /// An incident as it stands; what is new about it is found out here.
    pub fn hear(&mut self, alert: Alert) {
        if self.routes.is_empty() {
            return;
        }
        let is_closed = alert.news == AlertNews::Closed;
        match self.incidents.get_mut(&alert.incident) {
            Some(kept) => {
                kept.is_closed |= is_closed;
                kept.alert = alert;
            }
            None if is_closed => {}
            None => {
                while self.incidents.len() >= INCIDENTS_MAX {
                    self.incidents.pop_first();
                }
                let kept = Kept {
                    opened: alert.at,
                    alert,
                    is_acknowledged: false,
                    is_closed,
                    told: BTreeMap::new(),
                    missed: BTreeSet::new(),
                };
                self.incidents.insert(kept.alert.incident.clone(), kept);
            }
        }
    }

    /// Incidents about which somebody could still say that they look after them.
    pub fn unacknowledged(&self) -> Vec<String> {
        let open = self.incidents.iter().filter(|(_, k)| !k.is_acknowledged && !k.is_closed);
        open.map(|(id, _)| id.clone()).collect()
    }

    /// Somebody looks after it: it is neither repeated nor escalated any more.
    pub fn acknowledge(&mut self, incident: &str) {
        if let Some(kept) = self.incidents.get_mut(incident) {
            kept.is_acknowledged = true;
        }
    }

    /// What is to be sent now.
    pub fn due(&mut self, now: Timestamp) -> Vec<Delivery> {
        let mut due = Vec::new();
        for route in &self.routes {
            let wanted: Vec<(String, AlertNews)> = self
                .incidents
                .iter()
                .filter_map(|(id, kept)| Some((id.clone(), kept.news_for(route, now)?)))
                .collect();
            let sent = self.sent.entry(route.name.clone()).or_default();
            while sent.front().is_some_and(|at| seconds_between(*at, now) >= MINUTE_S) {
                sent.pop_front();
            }
            let burst = if route.sink.gathers { BURST_GATHERED } else { BURST };
            let free = burst.saturating_sub(sent.len());
            let messages: Vec<&[(String, AlertNews)]> = match wanted.len() {
                0 => Vec::new(),
                n if n <= free || route.sink.gathers => wanted.chunks(1).take(free).collect(),
                _ => wanted.chunks(wanted.len()).take(free.min(1)).collect(),
            };
            let n_told: usize = messages.iter().map(|m| m.len()).sum();
            for (id, _) in wanted.iter().skip(n_told) {
                if let Some(kept) = self.incidents.get_mut(id) {
                    kept.missed.insert(route.name.clone());
                }
            }
            for message in messages {
                sent.push_back(now);
                self.n_deliveries += 1;
                let mut alerts = message.iter().filter_map(|(id, news)| {
                    Some(self.incidents.get_mut(id)?.tell(route, *news, now))
                });
                let Some(alert) = alerts.next() else { continue };
                let with: Vec<Alert> = alerts.collect();
                due.push(Delivery {
                    id: format!("{}-{}", now.strftime("%Y%m%dT%H%M%S%3fZ"), self.n_deliveries),
                    route: route.name.clone(),
                    alert,
                    with,
                    created: now,
                    n_tries: 0,
                    next_try: now,
                });
            }
        }
        let done = |kept: &Kept| {
            kept.is_closed && kept.missed.is_empty() && kept.told.values().all(|t| t.of_end)
        };
        self.incidents.retain(|_, kept| !done(kept));
        due
    }
}

impl Kept {
    /// What this route has yet to hear of it, if anything.
    fn news_for(&self, route: &Route, now: Timestamp) -> Option<AlertNews> {
        if !route.is_for(&self.alert.server) {
            return None;
        }
        let Some(told) = self.told.get(&route.name) else {
            let open_s = seconds_between(self.opened, now);
            let ripe = self.alert.cause.is_some() || open_s >= CAUSE_WITHIN_S;
            if self.is_closed && self.missed.contains(&route.name) {
                return Some(AlertNews::Closed);
            }
            let wanted = !self.is_closed && !self.is_acknowledged && open_s >= route.after_s;
            return (wanted && ripe).then_some(AlertNews::Opened);
        };
        if self.is_closed {
            return (!told.of_end).then_some(AlertNews::Closed);
        }
        if self.alert.cause.is_some()
            && self.alert.cause != told.cause
            && told.n_updates < UPDATES_MAX
        {
            return Some(AlertNews::Cause);
        }
        let again = seconds_between(told.at, now) >= route.repeat_s;
        (again && !self.is_acknowledged).then_some(AlertNews::Open)
    }

    fn tell(&mut self, route: &Route, news: AlertNews, now: Timestamp) -> Alert {
        let n_updates = self.told.get(&route.name).map_or(0, |t| t.n_updates);
        let told = Told {
            at: now,
            cause: self.alert.cause.clone(),
            n_updates: n_updates + u32::from(news == AlertNews::Cause),
            of_end: news == AlertNews::Closed,
        };
        self.missed.remove(&route.name);
        self.told.insert(route.name.clone(), told);
        Alert { news, ..self.alert.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{SINKS, Sink};

    fn sink(id: &str) -> &'static Sink {
        SINKS.iter().find(|s| s.id == id).unwrap()
    }

    fn route(name: &str, id: &str, after_s: f64, repeat_s: f64) -> Route {
        Route {
            name: name.to_owned(),
            sink: sink(id),
            url: String::new(),
            key: String::new(),
            from: String::new(),
            to: Vec::new(),
            command: Vec::new(),
            after_s,
            repeat_s,
            servers: Vec::new(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + seconds).unwrap()
    }

    fn alert(incident: &str, seconds: i64, cause: Option<&str>) -> Alert {
        Alert {
            incident: incident.to_owned(),
            server: "shop".to_owned(),
            news: AlertNews::Opened,
            at: at(seconds),
            since: at(seconds),
            title: "queue on orders".to_owned(),
            objects: Vec::new(),
            cause: cause.map(str::to_owned),
            says: String::new(),
            blocker: None,
            change: None,
            impact: String::new(),
            next: String::new(),
        }
    }

    fn closed(incident: &str, seconds: i64) -> Alert {
        Alert { news: AlertNews::Closed, ..alert(incident, seconds, Some("c")) }
    }

    /// `route news incident+others` of what is due.
    fn told(desk: &mut Desk, seconds: i64) -> Vec<String> {
        let due = desk.due(at(seconds));
        due.iter()
            .map(|d| {
                let (news, incident) = (d.alert.news, &d.alert.incident);
                format!("{} {news:?} {incident}+{}", d.route, d.with.len())
            })
            .collect()
    }

    #[test]
    fn an_incident_is_told_once_with_its_cause_and_its_end() {
        let mut desk = Desk::new(vec![route("chat", "slack", 0.0, f64::INFINITY)]);
        desk.hear(alert("i", 0, None));
        assert!(told(&mut desk, 1).is_empty());
        desk.hear(alert("i", 2, Some("lock_ddl_queue")));
        assert_eq!(told(&mut desk, 2), ["chat Opened i+0"]);
        assert!(told(&mut desk, 3).is_empty());
        desk.hear(alert("i", 4, Some("lock_hot_row")));
        assert_eq!(told(&mut desk, 4), ["chat Cause i+0"]);
        desk.hear(closed("i", 5));
        assert_eq!(told(&mut desk, 5), ["chat Closed i+0"]);
        assert!(told(&mut desk, 600).is_empty());
        assert!(desk.incidents.is_empty());
    }

    #[test]
    fn without_a_cause_it_is_told_all_the_same() {
        let mut desk = Desk::new(vec![route("chat", "slack", 0.0, f64::INFINITY)]);
        desk.hear(alert("i", 0, None));
        assert!(told(&mut desk, 4).is_empty());
        assert_eq!(told(&mut desk, 5), ["chat Opened i+0"]);
    }

    #[test]
    fn what_nobody_acknowledges_is_repeated_and_escalates() {
        let routes =
            || vec![route("chat", "slack", 0.0, 120.0), route("boss", "email", 300.0, 1e9)];
        let mut desk = Desk::new(routes());
        desk.hear(alert("i", 0, Some("c")));
        assert_eq!(told(&mut desk, 0), ["chat Opened i+0"]);
        assert_eq!(told(&mut desk, 120), ["chat Open i+0"]);
        assert_eq!(told(&mut desk, 240), ["chat Open i+0"]);
        assert_eq!(told(&mut desk, 300), ["boss Opened i+0"]);
        desk.acknowledge("i");
        assert!(told(&mut desk, 500).is_empty());
        desk.hear(closed("i", 501));
        assert_eq!(told(&mut desk, 501), ["chat Closed i+0", "boss Closed i+0"]);

        let mut early = Desk::new(routes());
        early.hear(alert("i", 0, Some("c")));
        assert_eq!(told(&mut early, 0), ["chat Opened i+0"]);
        early.acknowledge("i");
        assert!(early.unacknowledged().is_empty());
        assert!(told(&mut early, 1000).is_empty());
        early.hear(closed("i", 1001));
        assert_eq!(told(&mut early, 1001), ["chat Closed i+0"]);
    }

    #[test]
    fn a_hundred_incidents_at_once_are_one_message() {
        let mut desk = Desk::new(vec![
            route("chat", "slack", 0.0, f64::INFINITY),
            route("duty", "pagerduty", 0.0, f64::INFINITY),
        ]);
        for i in 0..100 {
            desk.hear(alert(&format!("i{i:02}"), 0, Some("c")));
        }
        let first = told(&mut desk, 0);
        assert_eq!(first.iter().filter(|t| t.starts_with("chat")).count(), 1, "{first:?}");
        assert!(first.contains(&"chat Opened i00+99".to_owned()), "{first:?}");
        assert_eq!(first.iter().filter(|t| t.starts_with("duty")).count(), BURST_GATHERED);
        let second = told(&mut desk, 60);
        assert_eq!(second.len(), 100 - BURST_GATHERED, "{second:?}");
    }

    #[test]
    fn a_flapping_server_fills_no_channel_and_nothing_is_lost() {
        let mut desk = Desk::new(vec![route("chat", "slack", 0.0, f64::INFINITY)]);
        let mut all: Vec<String> = Vec::new();
        let mut n_messages = 0;
        for second in 0..600 {
            let id = format!("i{:03}", second / 10);
            match second % 10 {
                0 => desk.hear(alert(&id, second, Some("c"))),
                9 => desk.hear(closed(&id, second)),
                _ => {}
            }
            for delivery in desk.due(at(second)) {
                n_messages += 1;
                all.push(delivery.alert.incident);
                all.extend(delivery.with.into_iter().map(|a| a.incident));
            }
        }
        assert!(n_messages <= 10 * BURST, "{n_messages}");
        for delivery in desk.due(at(660)) {
            all.push(delivery.alert.incident);
            all.extend(delivery.with.into_iter().map(|a| a.incident));
        }
        for i in 0..60 {
            assert!(all.contains(&format!("i{i:03}")), "{i}");
        }
    }
}
