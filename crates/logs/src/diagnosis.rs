//! What went wrong, told from a log alone: its classes in order of how directly they name it.
//!
//! Of all that goes wrong at once, most follows from one thing: sessions are refused while the
//! server recovers, and it recovers since a process was killed. The rank of a class says how
//! near it stands to the beginning.

use crate::classes::{Class, Weight};
use crate::tally::{ClassTally, Tally};
use pgward_model::prelude::{LogTrouble, human};

/// Different roles that fail to log in, from which on nobody believes in one wrong secret.
const ROLES_GUESSED: usize = 5;
/// Troubles that are told.
const TROUBLES_MAX: usize = 12;

/// What the counted classes speak for, the most telling first.
pub(crate) fn troubles(tally: &Tally) -> Vec<LogTrouble> {
    let classes = crate::classes();
    let mut told: Vec<(u8, LogTrouble)> = tally
        .classes
        .iter()
        .filter_map(|(i, counted)| Some((*classes.get(*i)?, counted)))
        .filter(|(class, counted)| {
            class.weight > Weight::Routine && class.rank > 0 && counted.n > 0
        })
        .filter(|(class, counted)| counted.n >= class.n_min)
        .map(|(class, counted)| (class.rank, trouble(class, counted)))
        .collect();
    told.sort_by(|(a, x), (b, y)| b.cmp(a).then(y.n.cmp(&x.n)).then(x.class.cmp(&y.class)));
    told.truncate(TROUBLES_MAX);
    told.into_iter().map(|(_, trouble)| trouble).collect()
}

fn trouble(class: &'static Class, counted: &ClassTally) -> LogTrouble {
    let mut causes: Vec<String> = class.causes.iter().map(|c| (*c).to_owned()).collect();
    if many_roles_from_few(class, counted) {
        causes.rotate_left(1);
    }
    let mut causes = causes.into_iter();
    LogTrouble {
        class: class.id.to_owned(),
        cause: causes.next(),
        also: causes.collect(),
        says: says(class, counted),
        score: f64::from(class.rank) / 100.0,
        n: counted.n,
        first: at(counted.first_ms),
        last: at(counted.last_ms),
        example: counted.example.clone(),
    }
}

/// Somebody guesses: few addresses, many names. The second cause of such a class is that.
fn many_roles_from_few(class: &Class, counted: &ClassTally) -> bool {
    class.causes.get(1) == Some(&"auth_brute_force")
        && counted.roles.len() >= ROLES_GUESSED
        && counted.clients.len() * 3 <= counted.roles.len()
}

fn says(class: &Class, counted: &ClassTally) -> String {
    let times = match counted.n {
        1 => "once".to_owned(),
        n => format!("{} times", human(n as f64)),
    };
    let of = match counted.roles.as_slice() {
        [] => String::new(),
        [role] => format!(", of role {role}"),
        roles => format!(", of {} roles", roles.len()),
    };
    format!("{} ({times}{of})", class.means)
}

pub(crate) fn at(ms: Option<i64>) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(ms?).ok()
}
