//! Faults that SQL alone cannot stage: one file each, and only ever in a sandbox.

mod archive_blocked;
mod decoy_backups;
mod failed_logins;
mod more_clients;
mod net_drop;
mod page_damage;
mod restart;
mod slow_network;
mod stopped_process;

use crate::backup::Vault;
use crate::error::Error;
use crate::load::Load;
use crate::marker::{self, Marker};
use crate::proxy::Proxy;
use pgward_model::name::Relation;
use pgward_pg::prelude::*;
use pgward_pg::server::PrivateServer;
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A kind of fault, as a scenario names it.
pub struct Fault {
    /// File name and name of the block in a scenario.
    pub id: &'static str,
    /// One line for people.
    pub title: &'static str,
    pub params: &'static [Param],
    pub start: Start,
}

/// Begins a fault; it proves the sandbox marker before it touches anything.
pub type Start = fn(&FaultCx<'_>, &Params) -> Result<Box<dyn Running>, Error>;

/// A parameter of a fault.
pub struct Param {
    pub name: &'static str,
    /// `None`: must be given.
    pub default: Option<&'static str>,
    pub kind: Kind,
    pub doc: &'static str,
}

/// What the value of a parameter must be.
pub enum Kind {
    /// A name, or several.
    Text,
    OneOf(&'static [&'static str]),
    /// A whole number, from and to.
    Whole(u32, u32),
    /// A number, from and to.
    Number(f64, f64),
    /// Such as `20s`, and at most that.
    Duration(Duration),
}

/// No fault lasts longer than anybody watches a drill.
const LASTS_MAX: Duration = Duration::from_secs(86_400);

/// Parameters of one fault, defaults filled in.
pub type Params = BTreeMap<String, String>;

/// What faults act on.
pub struct FaultCx<'a> {
    /// Superuser, in the database that was marked.
    pub server: &'a Target,
    pub marker: &'a Marker,
    pub data_dir: &'a Path,
    /// TCP port of the server on 127.0.0.1.
    pub port: u16,
    pub load: Option<&'a Load>,
    pub proxy: Option<&'a Proxy>,
    /// Where its WAL is archived and its backups are.
    pub vault: Option<&'a Vault>,
    /// The server itself, to stop and start it.
    pub private: Option<&'a Arc<PrivateServer>>,
    /// The same seed damages the same.
    pub seed: u64,
}

/// A fault at work. What it has broken stays broken; what it keeps doing ends with it.
pub trait Running: Send {
    /// What it did: sealed until the answer is in.
    fn truth(&self) -> Truth;
    fn stop(&mut self);
}

/// The truth about a fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Truth {
    /// One sentence with its numbers.
    pub says: String,
    /// Connections dropped, logins tried, clients added, blocks damaged.
    pub n_done: u64,
    pub blocks: Vec<BlockTruth>,
}

/// A damaged block and what stood in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockTruth {
    pub relation: Relation,
    pub block: u32,
    /// Values of the key column of all rows that were in it, or their ctid.
    pub keys: Vec<String>,
}

/// All faults.
pub static FAULTS: &[&Fault] = &[
    &archive_blocked::FAULT,
    &decoy_backups::FAULT,
    &failed_logins::FAULT,
    &more_clients::FAULT,
    &net_drop::FAULT,
    &page_damage::FAULT,
    &restart::FAULT,
    &slow_network::FAULT,
    &stopped_process::FAULT,
];

/// Starts a fault by its id, after a look at its parameters and at the sandbox marker.
///
/// # Errors
/// [`Error::UnknownFault`], [`Error::NotSandbox`], [`Error::Fault`], [`Error::FaultFile`].
pub fn start(id: &str, cx: &FaultCx<'_>, given: &Params) -> Result<Box<dyn Running>, Error> {
    let fault = find(id)?;
    let params = complete(fault, given)?;
    (fault.start)(cx, &params)
}

/// The fault of that id.
///
/// # Errors
/// [`Error::UnknownFault`].
pub fn find(id: &str) -> Result<&'static Fault, Error> {
    FAULTS.iter().copied().find(|f| f.id == id).ok_or_else(|| Error::UnknownFault {
        fault: id.to_owned(),
        known: FAULTS.iter().map(|f| f.id).collect::<Vec<_>>().join(", "),
    })
}

/// Parameters with their defaults; a scenario can be checked with it before anything starts.
///
/// # Errors
/// [`Error::Fault`] naming a parameter that is not known, not given or not what it must be.
pub fn complete(fault: &Fault, given: &Params) -> Result<Params, Error> {
    let refused = |why: String| Error::Fault { fault: fault.id, why };
    let names = || fault.params.iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
    if let Some(name) = given.keys().find(|n| fault.params.iter().all(|p| p.name != *n)) {
        return Err(refused(format!("no parameter {name}; it has {}", names())));
    }
    let mut params = Params::new();
    for param in fault.params {
        let value = given.get(param.name).map(String::as_str).or(param.default);
        let value =
            value.ok_or_else(|| refused(format!("needs {}=…: {}", param.name, param.doc)))?;
        if let Some(meant) = misfit(&param.kind, value) {
            return Err(refused(format!("{}={value} is not {meant}", param.name)));
        }
        params.insert(param.name.to_owned(), value.to_owned());
    }
    Ok(params)
}

/// What a value should have been; `None` where it is.
fn misfit(kind: &Kind, value: &str) -> Option<String> {
    let (fits, meant) = match kind {
        Kind::Text => return None,
        Kind::OneOf(words) => (words.contains(&value), words.join(" or ")),
        Kind::Whole(from, to) => (
            value.parse::<u32>().is_ok_and(|n| (*from..=*to).contains(&n)),
            format!("a whole number from {from} to {to}"),
        ),
        Kind::Number(from, to) => (
            value.parse::<f64>().is_ok_and(|n| (*from..=*to).contains(&n)),
            format!("a number from {from} to {to}"),
        ),
        Kind::Duration(most) => (
            time(value).is_some_and(|t| t <= *most),
            format!("a duration such as 20s, at most {most:?}"),
        ),
    };
    (!fits).then_some(meant)
}

fn time(value: &str) -> Option<Duration> {
    let parsed: Option<jiff::SignedDuration> = value.parse().ok();
    parsed.and_then(|d| Duration::try_from(d).ok())
}

/// A session with the server, once it has proved to be the sandbox.
fn open(cx: &FaultCx<'_>) -> Result<Session, Error> {
    let session = Session::connect(cx.server, Purpose::Private)?;
    marker::prove(&session, cx.marker)?;
    Ok(session)
}

fn text<'a>(params: &'a Params, name: &str) -> &'a str {
    params.get(name).map_or("", String::as_str)
}

fn number<T: FromStr>(fault: &'static str, params: &Params, name: &str) -> Result<T, Error> {
    let value = text(params, name);
    value.parse().map_err(|_| Error::Fault {
        fault,
        why: format!("{name}={value} is not a number it can take"),
    })
}

/// A duration such as `20s`.
fn duration(fault: &'static str, params: &Params, name: &str) -> Result<Duration, Error> {
    let value = text(params, name);
    time(value).ok_or_else(|| Error::Fault {
        fault,
        why: format!("{name}={value} is not a duration such as 20s"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_a_fault_and_every_fault_a_file() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/faults");
        let files: BTreeSet<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let ids: BTreeSet<String> = FAULTS.iter().map(|f| f.id.to_owned()).collect();
        assert_eq!(files, ids);
        assert!(FAULTS.is_sorted_by_key(|f| f.id));
    }

    #[test]
    fn parameters_are_checked_before_anything_starts() {
        let given = |name: &str, value: &str| Params::from([(name.to_owned(), value.to_owned())]);
        let damage = find("page_damage").unwrap();
        let error = complete(damage, &given("relaton", "a")).unwrap_err().to_string();
        assert!(error.contains("no parameter relaton; it has relation"), "{error}");
        let error = complete(damage, &Params::new()).unwrap_err().to_string();
        assert!(error.contains("needs relation="), "{error}");
        assert_eq!(complete(damage, &given("relation", "a")).unwrap()["n_blocks"], "1");
        for (fault, name, value, says) in [
            ("failed_logins", "per_s", "lots", "per_s=lots is not a number from 0.01 to 200"),
            ("failed_logins", "per_s", "0", "a number from"),
            ("net_drop", "percent", "NaN", "from 0 to 100"),
            ("slow_network", "delay", "fast", "a duration such as 20s, at most 60s"),
            ("slow_network", "delay", "2h", "at most 60s"),
            ("restart", "mended_after", "-3s", "a duration"),
            ("decoy_backups", "kind", "early", "kind=early is not late or other or gap"),
        ] {
            let error = complete(find(fault).unwrap(), &given(name, value)).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        for fault in FAULTS {
            for param in fault.params {
                let misfit = param.default.and_then(|value| misfit(&param.kind, value));
                assert_eq!(misfit, None, "{}: {}", fault.id, param.name);
            }
        }
        let error = find("page_damaged").err().unwrap();
        assert!(error.to_string().contains("page_damage"), "{error}");
    }
}
