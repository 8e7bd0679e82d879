//! What the server says of itself and what must not reach its limit, for those who look on; and
//! whether it is still the server it was.

use super::Sampler;
use crate::changes::News;
use crate::error::Error;
use crate::eyes::Eyes;
use crate::glance;
use pgward_model::prelude::*;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "status", period_s: 10.0, rights: "pg_monitor", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let identity = glance::identity(session)?;
    let limits = glance::limits(session)?;
    if let Some(known) = &eyes.identity {
        for what in became(known, &identity) {
            let source = "pg_postmaster_start_time";
            let actor = "unknown role".to_owned();
            eyes.news.push(News { at: sample.at, subject: "server", actor, what, source });
        }
    }
    eyes.identity = Some(identity);
    eyes.limits = limits;
    Ok(())
}

/// What is no longer as it was.
fn became(before: &ServerIdentity, now: &ServerIdentity) -> Vec<String> {
    let mut news = Vec::new();
    if before.version != now.version {
        news.push(format!("server version {} instead of {}", now.version, before.version));
    }
    match (before.is_standby, now.is_standby) {
        (false, true) => news.push("server is a standby now and was a primary".to_owned()),
        (true, false) => news.push("server is a primary now and was a standby".to_owned()),
        _ => {}
    }
    if before.system_identifier != now.system_identifier {
        news.push("another database cluster answers here than before".to_owned());
    } else if now.wal_bytes < before.wal_bytes && before.is_standby == now.is_standby {
        let lost = human_bytes(before.wal_bytes - now.wal_bytes);
        news.push(format!("server came back older: its WAL ends {lost} before where it stood"));
    }
    if before.started != now.started {
        news.push(format!("server started at {} UTC", now.started.strftime("%H:%M:%S")));
    } else if before.configured != now.configured {
        news.push("configuration read again".to_owned());
    }
    news
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ServerIdentity {
        ServerIdentity {
            version: "15.18".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            configured: Timestamp::UNIX_EPOCH,
            is_standby: false,
            system_identifier: 7,
            wal_bytes: 4096.0,
        }
    }

    #[track_caller]
    fn check(now: ServerIdentity, says: &[&str]) {
        let news = became(&server(), &now);
        assert_eq!(news.len(), says.len(), "{news:?}");
        for (what, says) in news.iter().zip(says) {
            assert!(what.contains(says), "`{says}` is not in: {what}");
        }
    }

    #[test]
    fn a_server_that_is_another_is_noticed() {
        let later = Timestamp::UNIX_EPOCH.checked_add(jiff::SignedDuration::from_secs(9)).unwrap();
        check(ServerIdentity { wal_bytes: 8192.0, ..server() }, &[]);
        check(ServerIdentity { configured: later, ..server() }, &["read again"]);
        let started = ServerIdentity { started: later, configured: later, ..server() };
        check(started.clone(), &["started at 00:00:09"]);
        let older = ServerIdentity { wal_bytes: 1024.0, ..started.clone() };
        check(older, &["came back older: its WAL ends 3 kB", "started"]);
        check(ServerIdentity { is_standby: true, ..server() }, &["standby now"]);
        check(ServerIdentity { system_identifier: 8, wal_bytes: 0.0, ..server() }, &["another"]);
        check(ServerIdentity { version: "17.2".to_owned(), ..server() }, &["17.2 instead of 15"]);
    }
}
