//! Carries out one step of a runbook: SQL and signals through the guarded door, restores
//! through a server on the side.

use crate::error::Error;
use crate::restore;
use pgward_model::prelude::*;
use pgward_pg::guarded::{self, Context};
use pgward_pg::prelude::*;
use pgward_sandbox::backup::{self, Vault, Wanted};
use pgward_sandbox::side::{self, Point, SideOptions, SideServer};
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

/// What a response may use on one server.
pub struct Hands {
    /// The role that acts.
    pub target: Target,
    pub vault: Option<Vault>,
    /// PostgreSQL's programs on this machine.
    pub installation: Option<Installation>,
    /// Where damaged pages are kept before they are repaired.
    pub evidence_dir: PathBuf,
    /// Opened before the trouble: when it is there, a new connection may not be had.
    ready: Mutex<Option<Acting>>,
}

/// The two sessions of a response.
pub struct Acting {
    pub session: Session,
    /// Looks on while the other works; none where nothing is carried out.
    control: Option<Session>,
}

impl Acting {
    /// The session that looks on.
    pub fn control(&self) -> &Session {
        self.control.as_ref().unwrap_or(&self.session)
    }

    fn is_lost(&self) -> bool {
        self.session.is_closed() || self.control().is_closed()
    }
}

/// What a step did, in words for the timeline.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Done {
    pub seconds: f64,
    pub details: Vec<String>,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ": done in {} s", human(self.seconds))?;
        self.details.iter().try_for_each(|d| write!(f, ", {d}"))
    }
}

impl Hands {
    /// Opens the sessions that a response will use.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn open(
        target: Target,
        vault: Option<Vault>,
        installation: Option<Installation>,
        evidence_dir: PathBuf,
    ) -> Result<Hands, Error> {
        let ready = Some(connect(&target)?);
        Ok(Hands { target, vault, installation, evidence_dir, ready: Mutex::new(ready) })
    }

    /// Opens the one session that planning takes: for one who only proposes, and must not hold
    /// sessions that others could use.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn planning(
        target: Target,
        vault: Option<Vault>,
        installation: Option<Installation>,
        evidence_dir: PathBuf,
    ) -> Result<Hands, Error> {
        let session = Session::connect(&target, Purpose::Act)?;
        let ready = Mutex::new(Some(Acting { session, control: None }));
        Ok(Hands { target, vault, installation, evidence_dir, ready })
    }

    /// The sessions opened before, or new ones.
    ///
    /// # Errors
    /// When those are lost and the server does not answer.
    pub fn acting(&self) -> Result<Acting, Error> {
        let ready = self.ready.lock().unwrap_or_else(|e| e.into_inner()).take();
        match ready.filter(|a| !a.is_lost()) {
            Some(acting) => Ok(acting),
            None => connect(&self.target),
        }
    }

    /// Gives the sessions back for the next response.
    pub fn give_back(&self, acting: Acting) {
        *self.ready.lock().unwrap_or_else(|e| e.into_inner()) = Some(acting);
    }

    /// The server's data directory, when it is on this machine.
    pub fn data_dir(&self, session: &Session) -> Option<PathBuf> {
        let dir: String =
            session.query_one("SELECT pg_catalog.current_setting('data_directory')", &[]).ok()?;
        let dir = PathBuf::from(dir);
        dir.join("PG_VERSION").exists().then_some(dir)
    }
}

fn connect(target: &Target) -> Result<Acting, Error> {
    Ok(Acting {
        session: Session::connect(target, Purpose::Act)?,
        control: Some(Session::connect(target, Purpose::Act)?),
    })
}

/// Carries out one step and proves its expectations.
///
/// # Errors
/// What the step fails with; its expectations that do not hold.
pub fn step(hands: &Hands, acting: &Acting, name: &str, step: &Step) -> Result<Done, Error> {
    let start = clock::instant();
    let details = match &step.act {
        Act::Sql { .. } | Act::Signal { .. } | Act::Verify => {
            let mut context = Context::new(name);
            guarded::run(&acting.session, acting.control(), step, &mut context)?;
            context.notes
        }
        Act::RestoreObjects { relations, target_lsn } => {
            let side = side_server(hands, acting, Point::BeforeLsn(target_lsn.clone()))?;
            let report = restore::objects(&hands.target, &side, relations, &step.limits)?;
            guarded::verify(acting.control(), &step.expectations)?;
            let n_objects = report.objects.len();
            let mut said = words(&report, "rows");
            said.insert(1, format!("{n_objects} catalog entries made again"));
            said
        }
        Act::RefillTables { relations, target_lsn } => {
            let side = side_server(hands, acting, Point::BeforeLsn(target_lsn.clone()))?;
            let report = restore::refill(&hands.target, &side, relations, &step.limits)?;
            // Rows that came since prove nothing of those that were there before.
            let is_asked = |r: &&Relation| {
                let named = format!(" {})", r.quoted());
                step.expectations.iter().any(|e| e.sql.ends_with(&named))
            };
            if let Some(relation) = report.empty.iter().find(is_asked) {
                return Err(Error::EmptyOnSide { relation: relation.clone() });
            }
            guarded::verify(acting.control(), &step.expectations)?;
            words(&report, "rows")
        }
        Act::RestoreBlock { relation, block } => {
            let data_dir = hands.data_dir(&acting.session).ok_or_else(|| Error::NotLocal {
                target: hands.target.to_string(),
                why: "its data directory is not on this machine".into(),
            })?;
            let side = side_server(hands, acting, Point::Latest)?;
            let report = restore::block(
                &hands.target,
                &data_dir,
                &side,
                relation,
                *block,
                &hands.evidence_dir,
                &step.limits,
            )?;
            guarded::verify(acting.control(), &step.expectations)?;
            words(&report, "rows of the block")
        }
        Act::RestoreRows { relation, xid, target_lsn } => {
            let side = side_server(hands, acting, Point::BeforeLsn(target_lsn.clone()))?;
            let report = restore::rows(&hands.target, &side, relation, *xid, &step.limits)?;
            guarded::verify(acting.control(), &step.expectations)?;
            words(&report, "rows")
        }
    };
    Ok(Done { seconds: start.elapsed().as_secs_f64(), details })
}

/// Has the WAL of now archived where planning needs it and cannot read the server's `pg_wal`.
/// Where that fails, planning says what is missing.
pub(crate) fn archive_wal(hands: &Hands, acting: &Acting, action: &str) {
    if let (Some(vault), "restore_table" | "refill_table" | "undo_rows") = (&hands.vault, action) {
        let flushed = backup::flush_wal(acting.control(), vault);
        if let Err(error) = flushed {
            tracing::warn!(%error, "The newest WAL is not archived.");
        }
    }
}

/// A copy of the right backup, recovered to the point, private and read-only.
fn side_server(hands: &Hands, acting: &Acting, point: Point) -> Result<SideServer, Error> {
    let (Some(vault), Some(installation)) = (&hands.vault, &hands.installation) else {
        return Err(Error::Plan {
            action: "restore",
            why: "no vault with a backup, or no PostgreSQL programs on this machine".into(),
        });
    };
    backup::flush_wal(acting.control(), vault)?;
    let identity = backup::identity(acting.control())?;
    let before = match &point {
        Point::BeforeLsn(lsn) => Some(lsn.parse()?),
        Point::Consistent | Point::Latest => None,
    };
    let wanted = Wanted {
        system_identifier: identity.system_identifier,
        timeline: Some(identity.timeline),
        before,
    };
    let backup = backup::choose(vault, &wanted)?;
    let mut options = SideOptions::new(installation.clone());
    options.pg_wal_dir = hands.data_dir(acting.control()).map(|d| d.join("pg_wal"));
    Ok(side::start(vault, &backup, &point, &options)?)
}

fn words(report: &restore::Report, what: &str) -> Vec<String> {
    let mut words = vec![format!("{} {what} restored", human(report.rows_restored as f64))];
    if report.rows_kept_newer > 0 {
        words.push(format!(
            "{} changed since keep their newer value",
            human(report.rows_kept_newer as f64)
        ));
    }
    words.extend(report.notes.iter().cloned());
    words
}
