//! The courier: carries alerts to their sinks, one thread a route, so that a slow receiver keeps
//! no other waiting. What is not delivered is kept in the vault and tried again.

use crate::alert::{Failure, Route};
use pgward_model::prelude::*;
use pgward_pg::clock;
use pgward_store::Vault;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Deliveries of one route that wait; beyond, the newest are only in the vault.
const WAITING_MAX: usize = 1_000;
/// The pause doubles from one second to this.
const PAUSE_S_MAX: f64 = 300.0;
/// After this nobody wants it any more.
const GIVEN_UP_AFTER_S: f64 = 86_400.0;

/// Told of what could not be delivered, in a sentence.
pub type Complain = Arc<dyn Fn(&str) + Send + Sync>;

/// Messages of one route, since the start.
#[derive(Debug, Default)]
pub struct Counts {
    pub delivered: AtomicU64,
    pub failed_tries: AtomicU64,
    pub given_up: AtomicU64,
}

pub struct Courier {
    vault: Option<Arc<Vault>>,
    complain: Complain,
    routes: BTreeMap<String, SyncSender<Delivery>>,
    pub counts: BTreeMap<String, Arc<Counts>>,
    /// The vault could not be written; said once until it can.
    is_full: Mutex<bool>,
}

impl Courier {
    /// Starts a thread a route, and goes on with what an earlier process has left in the vault.
    pub fn start(routes: &[Route], vault: Option<Arc<Vault>>, complain: Complain) -> Courier {
        let mut courier = Courier {
            vault,
            complain,
            routes: BTreeMap::new(),
            counts: BTreeMap::new(),
            is_full: Mutex::new(false),
        };
        for route in routes {
            let (send, receive) = sync_channel(WAITING_MAX);
            let counts = Arc::new(Counts::default());
            let round = Round {
                route: route.clone(),
                vault: courier.vault.clone(),
                complain: Arc::clone(&courier.complain),
                counts: Arc::clone(&counts),
            };
            std::thread::spawn(move || round.run(&receive));
            courier.routes.insert(route.name.clone(), send);
            courier.counts.insert(route.name.clone(), counts);
        }
        courier.resume();
        courier
    }

    fn resume(&self) {
        let Some(vault) = &self.vault else { return };
        for left in vault.deliveries().unwrap_or_default() {
            match self.routes.get(&left.route) {
                Some(route) => {
                    let _ = route.try_send(left);
                }
                None => {
                    (self.complain)(&format!(
                        "an alert for route {} is dropped: there is no such route any more",
                        left.route
                    ));
                    let _ = vault.remove_delivery(&left.id);
                }
            }
        }
    }

    /// Takes a delivery on. With a full vault it is carried all the same, only not kept.
    pub fn carry(&self, delivery: Delivery) {
        if let Some(vault) = &self.vault {
            let saved = vault.save_delivery(&delivery);
            let mut is_full = self.is_full.lock().unwrap_or_else(|e| e.into_inner());
            if let (Err(error), false) = (&saved, *is_full) {
                (self.complain)(&format!("alerts are not kept: {error}"));
            }
            *is_full = saved.is_err();
        }
        if let Some(route) = self.routes.get(&delivery.route)
            && route.try_send(delivery).is_err()
        {
            (self.complain)("more than 1,000 alerts wait: the newest go out after a restart");
        }
    }
}

/// What one route's thread works with.
struct Round {
    route: Route,
    vault: Option<Arc<Vault>>,
    complain: Complain,
    counts: Arc<Counts>,
}

impl Round {
    fn run(self, receive: &Receiver<Delivery>) {
        let mut waiting: Vec<Delivery> = Vec::new();
        loop {
            let next = waiting.iter().map(|d| d.next_try).min();
            let rest = next.map_or(f64::INFINITY, |at| seconds_between(clock::now(), at));
            let rest = Duration::from_secs_f64(rest.clamp(0.0, 3600.0));
            match receive.recv_timeout(rest) {
                Ok(delivery) => waiting.push(delivery),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = clock::now();
            let (due, later): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|d| d.next_try <= now);
            waiting = later;
            waiting.extend(due.into_iter().filter_map(|delivery| self.attempt(delivery)));
            waiting.truncate(WAITING_MAX);
        }
    }

    /// Sends once; what is to be tried again comes back.
    fn attempt(&self, delivery: Delivery) -> Option<Delivery> {
        let failure = (self.route.sink.send)(&self.route, &delivery);
        let now = clock::now();
        let (why, again) = match failure {
            Ok(()) => {
                self.counts.delivered.fetch_add(1, Ordering::Relaxed);
                self.forget(&delivery);
                return None;
            }
            Err(Failure::Later(why)) => {
                let is_old = seconds_between(delivery.created, now) > GIVEN_UP_AFTER_S;
                (why, !is_old)
            }
            Err(Failure::Never(why)) => (why, false),
        };
        self.counts.failed_tries.fetch_add(1, Ordering::Relaxed);
        let name = &self.route.name;
        if !again {
            self.counts.given_up.fetch_add(1, Ordering::Relaxed);
            (self.complain)(&format!("an alert to {name} is given up: {why}"));
            self.forget(&delivery);
            return None;
        }
        if delivery.n_tries == 0 {
            (self.complain)(&format!("an alert to {name} has to wait: {why}"));
        }
        let pause = 2f64.powi(delivery.n_tries.min(16) as i32).min(PAUSE_S_MAX);
        let next_try = now.checked_add(jiff::SignedDuration::from_secs_f64(pause)).unwrap_or(now);
        let delivery = Delivery { n_tries: delivery.n_tries + 1, next_try, ..delivery };
        if let Some(vault) = &self.vault {
            // Known to be kept from before; only the number of tries would be lost.
            let _ = vault.save_delivery(&delivery);
        }
        Some(delivery)
    }

    fn forget(&self, delivery: &Delivery) {
        if let Some(vault) = &self.vault {
            // What cannot be removed is sent twice after a restart, which is better than never.
            let _ = vault.remove_delivery(&delivery.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{SINKS, WITHIN};
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::mpsc::{Sender, channel};

    /// Answers each request with the next status, and hands over path and body; the last
    /// status is repeated.
    fn receiver(statuses: Vec<u16>) -> (String, Receiver<(String, serde_json::Value)>) {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.server_addr().to_ip().unwrap());
        let (send, told) = channel();
        std::thread::spawn(move || {
            let mut statuses = statuses.into_iter();
            let mut status = 200;
            for mut request in server.incoming_requests() {
                status = statuses.next().unwrap_or(status);
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).unwrap();
                let path = request.url().to_owned();
                let body = serde_json::from_str(&body).unwrap_or_default();
                request.respond(tiny_http::Response::empty(status)).unwrap();
                if send.send((path, body)).is_err() {
                    return;
                }
            }
        });
        (url, told)
    }

    fn route(id: &str, url: &str) -> Route {
        Route {
            name: format!("my {id}"),
            sink: SINKS.iter().find(|s| s.id == id).unwrap(),
            url: url.to_owned(),
            key: "R0UT1NG".to_owned(),
            from: "pgward@example.org".to_owned(),
            to: vec!["Night <night@example.org>".to_owned()],
            command: Vec::new(),
            after_s: 0.0,
            repeat_s: f64::INFINITY,
            servers: Vec::new(),
        }
    }

    fn delivery(route: &Route, news: AlertNews) -> Delivery {
        let at = clock::now();
        let blocker = Blocker {
            pid: 4711,
            role: "report".to_owned(),
            application: "psql".to_owned(),
            client: "10.0.0.9".to_owned(),
            state: "idle in transaction".to_owned(),
            since: Some(at),
            statement: "UPDATE orders SET note = '<!channel>'".to_owned(),
            n_waiters: 37,
            longest_wait_s: 12.0,
            waits_for: vec!["ACCESS EXCLUSIVE on orders".to_owned()],
            queue_head: None,
        };
        Delivery {
            id: "d-1".to_owned(),
            route: route.name.clone(),
            alert: Alert {
                incident: "20261121T050000Z-1".to_owned(),
                server: "shop".to_owned(),
                news,
                at,
                since: at,
                title: "lock queue on orders".to_owned(),
                objects: vec!["orders".to_owned()],
                cause: Some("lock_idle_tx".to_owned()),
                says: "pid 4711 is idle in transaction".to_owned(),
                blocker: Some(blocker),
                change: Some("deploy 4711 by deploy: 2 s before".to_owned()),
                impact: "37 of 60 sessions (62%) wait for a lock".to_owned(),
                next: "end pid 4711".to_owned(),
            },
            with: Vec::new(),
            created: at,
            n_tries: 0,
            next_try: at,
        }
    }

    fn quiet() -> (Complain, Receiver<String>) {
        let (send, said): (Sender<String>, _) = channel();
        let send = Mutex::new(send);
        let complain: Complain = Arc::new(move |text: &str| {
            let _ = send.lock().unwrap().send(text.to_owned());
        });
        (complain, said)
    }

    fn send(route: &Route, news: AlertNews) {
        (route.sink.send)(route, &delivery(route, news)).unwrap();
    }

    /// Object, blocker, role, application, statement, change, impact and next safe action.
    fn tells_all(text: &str) {
        for word in [
            "orders",
            "4711",
            "report",
            "psql",
            "UPDATE orders",
            "deploy 4711",
            "37 of 60",
            "end pid",
        ] {
            assert!(text.contains(word), "`{word}` is not in: {text}");
        }
    }

    #[test]
    fn each_web_sink_says_all_in_its_receivers_words() {
        let (url, told) = receiver(vec![200]);
        let next = || told.recv_timeout(WITHIN).unwrap();

        send(&route("webhook", &format!("{url}/hook?x=1")), AlertNews::Opened);
        let (path, body) = next();
        assert_eq!(path, "/hook?x=1");
        tells_all(body["text"].as_str().unwrap());
        assert_eq!(body["alert"]["incident"], "20261121T050000Z-1");

        send(&route("slack", &url), AlertNews::Opened);
        let (_, body) = next();
        let text = body["blocks"][0]["text"]["text"].as_str().unwrap();
        tells_all(text);
        assert!(!text.contains("<!channel>"), "{text}");

        send(&route("pagerduty", &format!("{url}/v2/enqueue")), AlertNews::Opened);
        let (path, opened) = next();
        send(&route("pagerduty", &url), AlertNews::Closed);
        let (_, closed) = next();
        assert_eq!(path, "/v2/enqueue");
        assert_eq!(opened["routing_key"], "R0UT1NG");
        assert_eq!(
            (&opened["event_action"], &closed["event_action"]),
            (&"trigger".into(), &"resolve".into())
        );
        assert_eq!(opened["dedup_key"], closed["dedup_key"]);
        tells_all(&opened["payload"].to_string());

        send(&route("alertmanager", &format!("{url}/")), AlertNews::Opened);
        let (path, opened) = next();
        send(&route("alertmanager", &url), AlertNews::Closed);
        let (_, closed) = next();
        assert_eq!(path, "/api/v2/alerts");
        assert_eq!(opened[0]["labels"], closed[0]["labels"]);
        tells_all(opened[0]["annotations"]["description"].as_str().unwrap());
        let end = |alert: &serde_json::Value| alert[0]["endsAt"].as_str().unwrap().to_owned();
        assert!(end(&closed) < end(&opened));
    }

    #[test]
    fn a_command_reads_the_alert_from_its_standard_input() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("told");
        let script = format!("cat > {0}.new; mv {0}.new {0}; test -n \"$1\"", file.display());
        let command = ["sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
        let told = Route { command, ..route("command", "") };
        send(&told, AlertNews::Opened);
        tells_all(&std::fs::read_to_string(&file).unwrap());
        let fails = ["sh", "-c", "exit 3"].map(str::to_owned).to_vec();
        let fails = Route { command: fails, ..route("command", "") };
        let error = (fails.sink.send)(&fails, &delivery(&fails, AlertNews::Opened)).unwrap_err();
        assert!(matches!(error, Failure::Later(why) if why.contains('3')));
    }

    /// A mail server that knows just enough.
    #[test]
    fn a_mail_arrives_whole() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            use std::io::BufRead;
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
            let mut mail = String::new();
            stream.write_all(b"220 here\r\n").unwrap();
            while let Some(Ok(line)) = lines.next() {
                let answer = match line.get(..4).unwrap_or("") {
                    "DATA" => {
                        stream.write_all(b"354 go on\r\n").unwrap();
                        for line in lines.by_ref().map_while(Result::ok).take_while(|l| l != ".") {
                            mail.push_str(&line);
                            mail.push('\n');
                        }
                        "250 taken\r\n"
                    }
                    "QUIT" => "221 bye\r\n",
                    _ => "250 fine\r\n",
                };
                stream.write_all(answer.as_bytes()).unwrap();
                if line.starts_with("QUIT") || line == "DATA" {
                    break;
                }
            }
            mail
        });
        send(&route("email", &format!("smtp://127.0.0.1:{port}")).without_key(), AlertNews::Opened);
        let mail = server.join().unwrap();
        assert!(
            mail.contains("Subject: [shop] open: lock queue on orders (lock_idle_tx)"),
            "{mail}"
        );
        assert!(mail.contains("To: Night <night@example.org>"), "{mail}");
        tells_all(&mail);
    }

    impl Route {
        fn without_key(mut self) -> Route {
            self.key.clear();
            self
        }
    }

    #[test]
    fn what_a_receiver_does_not_take_is_kept_and_tried_again_by_the_next_process_too() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::open(dir.path()).unwrap());
        let (url, told) = receiver(vec![503]);
        let hook = route("webhook", &url);
        let (complain, said) = quiet();
        let courier =
            Courier::start(std::slice::from_ref(&hook), Some(Arc::clone(&vault)), complain);
        courier.carry(delivery(&hook, AlertNews::Opened));
        told.recv_timeout(WITHIN).unwrap();
        assert!(said.recv_timeout(WITHIN).unwrap().contains("503"));
        drop(courier);
        assert_eq!(vault.deliveries().unwrap().len(), 1);

        let (url, told) = receiver(vec![500, 200]);
        let (complain, _said) = quiet();
        let again = [Route { url, ..hook }];
        let courier = Courier::start(&again, Some(Arc::clone(&vault)), complain);
        let (first, second) =
            (told.recv_timeout(WITHIN).unwrap(), told.recv_timeout(WITHIN).unwrap());
        assert_eq!(first.1["id"], second.1["id"]);
        let gone = clock::poll(WITHIN, Duration::from_millis(20), || {
            Ok::<_, pgward_store::Error>(vault.deliveries()?.is_empty().then_some(()))
        });
        assert!(gone.unwrap().is_some());
        assert_eq!(courier.counts["my webhook"].delivered.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_refusal_is_not_repeated_and_a_full_vault_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::open(dir.path()).unwrap());
        // Nothing can be written where a file stands in place of the folder, not even by root.
        std::fs::write(dir.path().join("alerts"), "").unwrap();
        let (url, told) = receiver(vec![404]);
        let hook = route("webhook", &url);
        let (complain, said) = quiet();
        let courier = Courier::start(std::slice::from_ref(&hook), Some(vault), complain);
        courier.carry(delivery(&hook, AlertNews::Opened));
        told.recv_timeout(WITHIN).unwrap();
        let all = [said.recv_timeout(WITHIN).unwrap(), said.recv_timeout(WITHIN).unwrap()];
        assert!(all.iter().any(|s| s.contains("not kept")), "{all:?}");
        assert!(all.iter().any(|s| s.contains("given up") && s.contains("404")), "{all:?}");
        assert!(told.try_recv().is_err());
    }
}
