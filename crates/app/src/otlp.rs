//! Sends the metrics to a collector by OTLP/HTTP, again and again. What a collector misses while it
//! does not answer is gone: it gets the counters as they stand the next time.

use crate::alert::{Failure, post};
use crate::board::Board;
use crate::courier::Complain;
use pgward_model::prelude::*;
use pgward_pg::clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A collector, and how often it is told.
#[derive(Clone)]
pub struct Collector {
    /// Where metrics are posted, with its path.
    pub url: String,
    /// Names and values, such as a key.
    pub headers: Vec<(String, String)>,
    pub every_s: f64,
}

/// Keys, and addresses that hold keys, are not shown.
impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collector(every {} s)", self.every_s)
    }
}

/// What it is called that metrics go to, below the address of a collector.
const PATH: &str = "/v1/metrics";

impl Collector {
    /// `url` with the path that OTLP gives metrics, where it has none.
    pub fn new(url: &str, headers: Vec<(String, String)>, every_s: f64) -> Collector {
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
        let url = match authority.contains('/') {
            true => url.to_owned(),
            false => format!("{}{PATH}", url.trim_end_matches('/')),
        };
        Collector { url, headers, every_s }
    }

    /// Sends until `stop`. A collector that does not take them is complained of once, until it
    /// takes them again.
    pub fn tell(&self, board: &Board, complain: &Complain, stop: &AtomicBool) {
        let start = clock::now();
        let mut failing = false;
        let mut next = clock::Deadline::after(Duration::ZERO);
        while !stop.load(Ordering::Relaxed) {
            if next.passed() {
                next = clock::Deadline::after(Duration::from_secs_f64(self.every_s));
                let failed = self.send(board, start, clock::now()).err();
                if let (Some(why), false) = (&failed, failing) {
                    complain(&format!("metrics are not sent: {why}"));
                }
                failing = failed.is_some();
            }
            std::thread::sleep(next.left().min(Duration::from_millis(200)));
        }
    }

    fn send(&self, board: &Board, start: Timestamp, now: Timestamp) -> Result<(), String> {
        let sent = post(&self.url, &self.headers, &board.metrics(now).otlp(start, now));
        sent.map_err(|failure| match failure {
            Failure::Later(why) | Failure::Never(why) => why,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn an_address_without_a_path_gets_the_one_of_otlp() {
        let url = |url: &str| Collector::new(url, Vec::new(), 10.0).url;
        assert_eq!(url("http://collector:4318"), "http://collector:4318/v1/metrics");
        assert_eq!(url("http://collector:4318/"), "http://collector:4318/v1/metrics");
        assert_eq!(url("https://collector/otlp/v1/metrics"), "https://collector/otlp/v1/metrics");
    }

    #[test]
    fn a_collector_is_told_again_and_complained_of_once() {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.server_addr().to_ip().unwrap());
        let headers = vec![("x-key".to_owned(), "k".to_owned())];
        let collector = Collector::new(&url, headers, 0.05);
        let stop = Arc::new(AtomicBool::new(false));
        let complaints = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = Arc::clone(&complaints);
        let complain: Complain =
            Arc::new(move |text: &str| heard.lock().unwrap().push(text.to_owned()));
        let over = Arc::clone(&stop);
        let teller =
            std::thread::spawn(move || collector.tell(&Board::default(), &complain, &over));
        for status in [503, 503, 200] {
            let mut request = server.recv().unwrap();
            assert_eq!((request.method(), request.url()), (&tiny_http::Method::Post, PATH));
            let key = request.headers().iter().find(|h| h.field.equiv("x-key")).unwrap();
            assert_eq!(key.value.as_str(), "k");
            let sent: serde_json::Value = serde_json::from_reader(request.as_reader()).unwrap();
            assert!(sent["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].is_array());
            request.respond(tiny_http::Response::empty(status)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        drop(server);
        teller.join().unwrap();
        assert!(complaints.lock().unwrap().first().unwrap().ends_with("answered 503"));
        assert!(complaints.lock().unwrap().len() <= 2); // a second one when the server has gone
    }
}
