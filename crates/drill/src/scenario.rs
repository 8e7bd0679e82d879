//! A scenario file: Markdown whose fenced blocks say how the stage is set, what happens on
//! it, and what is expected.

use crate::error::Error;
use crate::stage::ROLES;
use pgward_incident::{causes::CAUSES, detectors::DETECTORS};
use pgward_model::near::nearest;
use pgward_model::prelude::*;
use pgward_recover::actions::ACTIONS;
use pgward_sandbox::faults;
use pgward_sandbox::ledger::LedgerSpec;
use pgward_sandbox::load::{self, SessionSpec};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::collections::BTreeMap;
use std::time::Duration;
use toml::Spanned;

/// A scenario, read and checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The heading.
    pub id: String,
    /// The first paragraph.
    pub about: String,
    pub header: Header,
    pub setup: String,
    /// The live load.
    pub load: Vec<SessionSpec>,
    /// What happens, in order of `after`.
    pub acts: Vec<Act>,
    /// The change that pgward is given on the guarded road.
    pub change: Option<ScenarioFile>,
    /// What is applied through pgward after the recovery.
    pub corrected: Option<ScenarioFile>,
    pub expect: Expect,
}

/// The `toml` block.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Header {
    /// Majors it runs on: `14..`, `16..17`, `15`.
    #[serde(deserialize_with = "range_of_majors")]
    pub postgres: Option<String>,
    pub budget: Budget,
    /// Minutes the outage took that it is taken from.
    pub real_outage_min: Option<f64>,
    /// Layers that do not work on the bypassed road.
    #[serde(deserialize_with = "layers")]
    pub bypass_without: Vec<String>,
    /// MB of a disk of its own for the server's data directory; needs root.
    pub disk_mb: Option<u64>,
    /// Server settings.
    pub settings: BTreeMap<String, String>,
    /// Role that the load uses.
    pub load_role: Option<Spanned<String>>,
}

/// Seconds allowed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    #[serde(deserialize_with = "seconds")]
    pub detect_s: f64,
    #[serde(deserialize_with = "seconds")]
    pub diagnose_s: f64,
    #[serde(deserialize_with = "seconds")]
    pub recover_s: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { detect_s: 10.0, diagnose_s: 15.0, recover_s: 60.0 }
    }
}

#[derive(Debug, Clone)]
pub struct ScenarioFile {
    pub path: String,
    pub text: String,
    pub role: String,
    /// Values that the deploy gives to its variables.
    pub vars: BTreeMap<String, String>,
    pub after: Duration,
    /// How long its session stays open after its last statement.
    pub hold: Duration,
    pub application: String,
}

/// Something that happens on the stage.
#[derive(Debug, Clone)]
pub enum Act {
    /// A session of its own that runs statements once and stays open.
    Session {
        name: String,
        role: String,
        sql: String,
        after: Duration,
        /// How many such sessions.
        clients: u32,
        /// Did it do harm, so that ending it is right?
        guilty: bool,
    },
    Fault {
        id: String,
        params: BTreeMap<String, String>,
        after: Duration,
    },
}

/// The `expect` block: the sealed truth.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    pub symptom: Option<String>,
    pub cause: String,
    /// Causes that are true as well: what the cause brings about, or what it needed.
    pub also: Vec<String>,
    pub ruled_out: Vec<String>,
    /// Decoys: to be ruled out as present and not sufficient.
    pub present: Vec<String>,
    pub action: Vec<String>,
    pub rows_lost: u64,
    /// Words that the sentence of the cause must contain.
    pub names: Vec<String>,
    /// Boolean queries that must be true at the end.
    pub holds: Vec<String>,
}

const BUILT_IN: &[(&str, &str)] = &[
    ("rogue_update_script", include_str!("../scenarios/rogue_update_script.md")),
    ("half_applied_migration", include_str!("../scenarios/half_applied_migration.md")),
    ("damaged_page", include_str!("../scenarios/damaged_page.md")),
    ("index_replaced_by_worse", include_str!("../scenarios/index_replaced_by_worse.md")),
    ("dropped_table", include_str!("../scenarios/dropped_table.md")),
    ("connections_exhausted", include_str!("../scenarios/connections_exhausted.md")),
    ("orphan_slot", include_str!("../scenarios/orphan_slot.md")),
    ("archive_blocked", include_str!("../scenarios/archive_blocked.md")),
    ("key_runs_out", include_str!("../scenarios/key_runs_out.md")),
    ("reference_not_widened", include_str!("../scenarios/reference_not_widened.md")),
    ("forgotten_snapshot", include_str!("../scenarios/forgotten_snapshot.md")),
    ("rewrite_fills_disk", include_str!("../scenarios/rewrite_fills_disk.md")),
    ("untried_setting", include_str!("../scenarios/untried_setting.md")),
    ("autovacuum_truncates", include_str!("../scenarios/autovacuum_truncates.md")),
    ("report_without_limits", include_str!("../scenarios/report_without_limits.md")),
    ("cache_stampede", include_str!("../scenarios/cache_stampede.md")),
    ("savepoint_per_row", include_str!("../scenarios/savepoint_per_row.md")),
    ("wrong_backup", include_str!("../scenarios/wrong_backup.md")),
    ("alter_behind_long_reader", include_str!("../scenarios/alter_behind_long_reader.md")),
    ("index_build_blocks_writes", include_str!("../scenarios/index_build_blocks_writes.md")),
    ("truncate_cascade", include_str!("../scenarios/truncate_cascade.md")),
    ("data_fix_wrong_predicate", include_str!("../scenarios/data_fix_wrong_predicate.md")),
    ("test_cleaner_on_production", include_str!("../scenarios/test_cleaner_on_production.md")),
    ("plan_flip_by_statistics", include_str!("../scenarios/plan_flip_by_statistics.md")),
    ("no_statistics_after_upgrade", include_str!("../scenarios/no_statistics_after_upgrade.md")),
    (
        "retention_delete_without_index",
        include_str!("../scenarios/retention_delete_without_index.md"),
    ),
    ("revoke_too_broad", include_str!("../scenarios/revoke_too_broad.md")),
    ("failed_concurrent_unique", include_str!("../scenarios/failed_concurrent_unique.md")),
];

/// Ids of the built-in scenarios, in the order of the outages they are taken from.
pub fn ids() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(id, _)| *id).collect()
}

/// The built-in scenario of that id.
///
/// # Errors
/// [`Error::NoScenario`].
pub fn built_in(id: &str) -> Result<Scenario, Error> {
    let known = || ids().join(", ");
    let (id, text) = BUILT_IN
        .iter()
        .find(|(name, _)| *name == id)
        .ok_or_else(|| Error::NoScenario { id: id.to_owned(), known: known() })?;
    read(&format!("{id}.md"), text)
}

/// Reads a scenario file.
///
/// # Errors
/// [`Error::Scenario`] with file and line for everything that is not understood: a drill
/// with a typing mistake must not start.
pub fn read(file: &str, text: &str) -> Result<Scenario, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        file,
        scenario: empty(),
        line: 1,
        has_expect: false,
        roles: Vec::new(),
        joined: Vec::new(),
    };
    let mut heading = false;
    let mut block: Option<(String, usize, String)> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        let line = 1 + text.get(..range.start).unwrap_or("").matches('\n').count();
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) => heading = true,
            Event::End(TagEnd::Heading(_)) => heading = false,
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                block = Some((info.to_string(), line, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((info, line, body)) = block.take() {
                    reader.line = line;
                    reader.block(&info, &body)?;
                }
            }
            Event::Text(words) => match &mut block {
                Some((_, _, body)) => body.push_str(&words),
                None if heading => reader.scenario.id.push_str(&words),
                None if reader.scenario.setup.is_empty() => {
                    reader.scenario.about.push_str(&words);
                    reader.scenario.about.push(' ');
                }
                None => {}
            },
            _ => {}
        }
    }
    reader.finish()
}

fn empty() -> Scenario {
    Scenario {
        id: String::new(),
        about: String::new(),
        header: Header::default(),
        setup: String::new(),
        load: Vec::new(),
        acts: Vec::new(),
        change: None,
        corrected: None,
        expect: Expect::default(),
    }
}

/// Each session of an act is a thread.
const SESSIONS_MAX: u32 = 500;

/// Nobody watches a drill for longer than a day.
const BUDGET_S_MAX: f64 = 86_400.0;

/// A word of a session block that stands alone.
const GUILTY: &str = "guilty";

struct Reader<'a> {
    file: &'a str,
    scenario: Scenario,
    line: usize,
    has_expect: bool,
    /// Roles that somebody takes, with their lines: which there are stands in the whole setup.
    roles: Vec<(usize, String)>,
    /// Sessions of the load that a fault names, with their lines.
    joined: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn wrong(&self, why: impl Into<String>) -> Error {
        self.wrong_at(self.line, why)
    }

    fn wrong_at(&self, line: usize, why: impl Into<String>) -> Error {
        Error::Scenario { file: self.file.to_owned(), line, why: why.into() }
    }

    fn block(&mut self, info: &str, body: &str) -> Result<(), Error> {
        let mut words = info.split_whitespace();
        match (words.next().unwrap_or(""), words.next()) {
            ("toml", None) => self.header(body)?,
            ("sql", Some("setup")) => {
                self.parses(self.line, &with_scale(body, 1))?;
                self.scenario.setup.push_str(body);
            }
            ("sql", Some("change")) => {
                let params = self.params(words)?;
                self.scenario.change = Some(self.change_file(params, body)?);
            }
            ("sql", Some("corrected")) => {
                let params = self.params(words)?;
                self.scenario.corrected = Some(self.change_file(params, body)?);
            }
            ("sql", Some(first)) if first.starts_with("session=") => {
                let params = self.params(std::iter::once(first).chain(words))?;
                self.session(params, body)?;
            }
            ("fault", Some(id)) => {
                let params = self.params(words)?;
                self.fault(id, params)?;
            }
            ("expect", None) => self.expect(body)?,
            ("text" | "console" | "", _) => {}
            (other, _) => {
                return Err(self.wrong(format!(
                    "block `{other}` is not known; there are: toml, sql setup, sql session=NAME, \
                     sql change, sql corrected, fault ID, expect"
                )));
            }
        }
        Ok(())
    }

    fn params<'w>(
        &self,
        words: impl Iterator<Item = &'w str>,
    ) -> Result<BTreeMap<String, String>, Error> {
        words
            .map(|word| {
                if word == GUILTY {
                    return Ok((GUILTY.to_owned(), String::new()));
                }
                word.split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .ok_or_else(|| self.wrong(format!("`{word}` is not of the form name=value")))
            })
            .collect()
    }

    fn duration(&self, text: &str) -> Result<Duration, Error> {
        let parsed: Result<jiff::SignedDuration, _> = text.parse();
        parsed
            .ok()
            .and_then(|d| Duration::try_from(d).ok())
            .ok_or_else(|| self.wrong(format!("`{text}` is not a duration such as 20ms or 3s")))
    }

    fn take_duration(
        &self,
        params: &mut BTreeMap<String, String>,
        name: &str,
    ) -> Result<Duration, Error> {
        params.remove(name).map_or(Ok(Duration::ZERO), |text| self.duration(&text))
    }

    fn leftovers(&self, params: &BTreeMap<String, String>) -> Result<(), Error> {
        match params.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.wrong(format!("`{name}=` is not known in this block"))),
        }
    }

    fn header(&mut self, body: &str) -> Result<(), Error> {
        let fence = self.line;
        let line_of =
            |at: usize| fence + 1 + body.get(..at).unwrap_or_default().matches('\n').count();
        let header: Header = toml::from_str(body).map_err(|e| {
            let line = e.span().map_or(fence, |s| line_of(s.start));
            self.wrong_at(line, e.message())
        })?;
        if let Some(role) = &header.load_role {
            self.roles.push((line_of(role.span().start), role.get_ref().clone()));
        }
        self.scenario.header = header;
        Ok(())
    }

    /// SQL that is sent as it stands must parse; it begins below line `above`.
    fn parses(&self, above: usize, sql: &str) -> Result<(), Error> {
        match pgward_sql::unparsed(sql) {
            None => Ok(()),
            Some((span, why)) => Err(self.unparsed_at(above + span.line as usize, &why)),
        }
    }

    fn unparsed_at(&self, line: usize, why: &str) -> Error {
        self.wrong_at(line, format!("this SQL does not parse: {why}"))
    }

    fn change_file(
        &mut self,
        mut params: BTreeMap<String, String>,
        body: &str,
    ) -> Result<ScenarioFile, Error> {
        let file = ScenarioFile {
            path: params.remove("file").unwrap_or_else(|| "change.sql".to_owned()),
            text: body.to_owned(),
            role: params.remove("role").unwrap_or_else(|| "deploy".to_owned()),
            after: self.take_duration(&mut params, "after")?,
            hold: self.take_duration(&mut params, "hold")?,
            application: params.remove("application").unwrap_or_else(|| "psql".to_owned()),
            vars: params
                .iter()
                .filter_map(|(name, value)| {
                    Some((name.strip_prefix("var.")?.to_owned(), value.clone()))
                })
                .collect(),
        };
        params.retain(|name, _| !name.starts_with("var."));
        self.leftovers(&params)?;
        self.roles.push((self.line, file.role.clone()));
        Ok(file)
    }

    fn session(&mut self, mut params: BTreeMap<String, String>, body: &str) -> Result<(), Error> {
        let name = params.remove("session").unwrap_or_default();
        let role = params.remove("role").unwrap_or_else(|| "site".to_owned());
        self.roles.push((self.line, role.clone()));
        let number = |text: Option<String>, default: u32| -> Result<u32, Error> {
            text.map_or(Ok(default), |t| {
                t.parse().map_err(|_| self.wrong(format!("`{t}` is not a number")))
            })
        };
        let Some(every) = params.remove("every") else {
            let after = self.take_duration(&mut params, "after")?;
            let guilty = params.remove(GUILTY).is_some();
            let clients = number(params.remove("clients"), 1)?;
            if clients > SESSIONS_MAX {
                return Err(self.wrong(format!("at most {SESSIONS_MAX} sessions of one name")));
            }
            self.leftovers(&params)?;
            let sql = body.to_owned();
            self.scenario.acts.push(Act::Session { name, role, sql, after, clients, guilty });
            return Ok(());
        };
        let ledger = params
            .remove("ledger")
            .map(|t| t.parse::<LedgerSpec>().map_err(|e| self.wrong(e.to_string())))
            .transpose()?;
        let reconnect = params.remove("reconnect_every");
        let spec = SessionSpec {
            application: params.remove("application").unwrap_or_else(|| name.clone()),
            name,
            clients: number(params.remove("clients"), 1)?,
            every: self.duration(&every)?,
            sql: body.trim().trim_end_matches(';').to_owned(),
            ledger,
            reconnect_every: match reconnect {
                Some(text) => Some(number(Some(text), 1)?),
                None => None,
            },
            statement_timeout: match params.remove("statement_timeout") {
                Some(text) => Some(self.duration(&text)?),
                None => None,
            },
        };
        self.leftovers(&params)?;
        let request = load::read(&spec).map_err(|e| self.wrong(e.to_string()))?;
        for statement in &request.statements {
            if let Some((_, why)) = pgward_sql::unparsed(&statement.sql) {
                return Err(self.unparsed_at(self.line, &why));
            }
        }
        self.scenario.load.push(spec);
        Ok(())
    }

    fn fault(&mut self, id: &str, mut params: BTreeMap<String, String>) -> Result<(), Error> {
        let after = self.take_duration(&mut params, "after")?;
        let fault = faults::find(id).map_err(|e| self.wrong(e.to_string()))?;
        let full = faults::complete(fault, &params).map_err(|e| self.wrong(e.to_string()))?;
        if let Some(session) = full.get("session") {
            self.joined.push((self.line, session.clone()));
        }
        self.scenario.acts.push(Act::Fault { id: id.to_owned(), params, after });
        Ok(())
    }

    fn expect(&mut self, body: &str) -> Result<(), Error> {
        self.has_expect = true;
        let fence = self.line;
        for (n, line) in body.lines().map(str::trim).enumerate().filter(|(_, l)| !l.is_empty()) {
            self.line = fence + 1 + n;
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            self.expectation(word, rest.trim())?;
        }
        Ok(())
    }

    fn expectation(&mut self, word: &str, rest: &str) -> Result<(), Error> {
        let causes: Vec<&str> = CAUSES.iter().map(|c| c.id).collect();
        match word {
            "symptom" => {
                let detectors: Vec<&str> = DETECTORS.iter().map(|d| d.id).collect();
                self.scenario.expect.symptom = Some(self.known("symptom", rest, &detectors)?);
            }
            "cause" => self.scenario.expect.cause = self.known("cause", rest, &causes)?,
            "also" => {
                let ids = self.all_known("cause", rest, &causes)?;
                self.scenario.expect.also.extend(ids);
            }
            "present" => {
                let ids = self.all_known("cause", rest, &causes)?;
                self.scenario.expect.present.extend(ids);
            }
            "ruled_out" => {
                let ids = self.all_known("cause", rest, &causes)?;
                self.scenario.expect.ruled_out.extend(ids);
            }
            "action" => {
                let actions: Vec<&str> = ACTIONS.iter().map(|a| a.id).collect();
                let ids = self.all_known("action", rest, &actions)?;
                self.scenario.expect.action.extend(ids);
            }
            "names" => self.scenario.expect.names.push(rest.to_owned()),
            "holds" => {
                self.parses(self.line - 1, &with_scale(rest, 1))?;
                self.scenario.expect.holds.push(rest.to_owned());
            }
            "rows_lost" => {
                let n = rest.parse();
                self.scenario.expect.rows_lost =
                    n.map_err(|_| self.wrong(format!("rows_lost {rest}: not a number")))?;
            }
            other => {
                return Err(self.wrong(format!(
                    "expect `{other}` is not known; there are: symptom, cause, also, \
                     ruled_out, present, action, names, holds, rows_lost"
                )));
            }
        }
        Ok(())
    }

    fn all_known(&self, kind: &str, ids: &str, known: &[&str]) -> Result<Vec<String>, Error> {
        let ids = ids.split([',', ' ']).filter(|s| !s.is_empty());
        ids.map(|id| self.known(kind, id, known)).collect()
    }

    fn known(&self, kind: &str, id: &str, known: &[&str]) -> Result<String, Error> {
        if known.contains(&id) {
            return Ok(id.to_owned());
        }
        let out = match nearest(id, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "`pgward explain` lists all".to_owned(),
        };
        Err(self.wrong(format!("{kind} `{id}` is not known; {out}")))
    }

    fn finish(mut self) -> Result<Scenario, Error> {
        self.scenario.id = self.scenario.id.trim().to_owned();
        self.scenario.about = self.scenario.about.trim().to_owned();
        let s = &self.scenario;
        let plain = !s.id.is_empty()
            && s.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        self.line = 1;
        if !plain {
            return Err(self.wrong("the heading must be the scenario's id, in snake_case"));
        }
        if s.load.is_empty() {
            return Err(self.wrong("no live load: a block `sql session=NAME every=20ms` is needed"));
        }
        if s.acts.is_empty() && s.change.is_none() {
            return Err(self.wrong("nothing happens: a change, a session or a fault is needed"));
        }
        if !self.has_expect || s.expect.cause.is_empty() {
            return Err(
                self.wrong("no expected cause: a block `expect` with a line `cause ID` is needed")
            );
        }
        for (line, role) in &self.roles {
            // A scenario may make roles of its own in its setup.
            let made = pgward_sql::words(&s.setup).iter().any(|word| word == role);
            if !ROLES.contains(&role.as_str()) && !made {
                return Err(self.not_among(*line, "role", role, &ROLES));
            }
        }
        let sessions: Vec<&str> = s.load.iter().map(|l| l.name.as_str()).collect();
        for (line, session) in &self.joined {
            if !sessions.contains(&session.as_str()) {
                return Err(self.not_among(*line, "session", session, &sessions));
            }
        }
        Ok(self.scenario)
    }

    fn not_among(&self, line: usize, kind: &str, word: &str, known: &[&str]) -> Error {
        let meant = nearest(word, known.iter().copied());
        let meant = meant.map_or(String::new(), |near| format!("; did you mean {near}?"));
        let known = known.join(", ");
        self.wrong_at(line, format!("{kind} `{word}` is not known; there are {known}{meant}"))
    }
}

impl Scenario {
    /// The scenario with `:scale` in its setup and in its truths replaced.
    pub fn scaled(&self, scale: u32) -> Scenario {
        let mut scaled = self.clone();
        scaled.setup = with_scale(&self.setup, scale);
        scaled.expect.holds = self.expect.holds.iter().map(|sql| with_scale(sql, scale)).collect();
        scaled
    }

    /// Is there something that pgward can stop before it does harm: a change, or damage that
    /// the integrity scan finds first?
    pub fn can_be_guarded(&self) -> bool {
        let damages = |a: &Act| matches!(a, Act::Fault { id, .. } if id == "page_damage");
        self.change.is_some() || self.acts.iter().any(damages)
    }

    /// Is that session to blame? One that is marked is; where none is, one that the expected
    /// sentence names.
    pub(crate) fn blames(&self, session: &str) -> bool {
        let marked = |a: &Act| matches!(a, Act::Session { guilty: true, .. });
        if self.acts.iter().any(marked) {
            let this = |a: &Act| matches!(a, Act::Session { name, .. } if name == session);
            return self.acts.iter().any(|a| marked(a) && this(a));
        }
        self.expect.names.iter().any(|n| n == session)
    }
}

/// `:scale` as a whole word, replaced by the number.
fn with_scale(sql: &str, scale: u32) -> String {
    let mut parts = sql.split(":scale");
    let mut scaled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let goes_on = part.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if goes_on || scaled.ends_with(':') {
            scaled.push_str(":scale");
        } else {
            scaled.push_str(&scale.to_string());
        }
        scaled.push_str(part);
    }
    scaled
}

impl Header {
    /// May it run on a server of that major?
    pub fn allows(&self, major: u32) -> bool {
        let Some(range) = &self.postgres else { return true };
        bounds(range).is_some_and(|(from, to)| (from..=to).contains(&major))
    }
}

/// The first and the last major of a range.
fn bounds(range: &str) -> Option<(u32, u32)> {
    let number = |text: &str, open: u32| match text.trim() {
        "" => Some(open),
        text => text.parse().ok(),
    };
    let (from, to) = range.split_once("..").unwrap_or((range, range));
    let (from, to) = (number(from, 0)?, number(to, u32::MAX)?);
    (from <= to && (from, to) != (0, u32::MAX)).then_some((from, to))
}

fn range_of_majors<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    let range = String::deserialize(value)?;
    match bounds(&range) {
        Some(_) => Ok(Some(range)),
        None => {
            let why = format!("`{range}` is no range of majors such as 14.., 14..17 or 16");
            Err(D::Error::custom(why))
        }
    }
}

fn seconds<'de, D: Deserializer<'de>>(value: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(value)?;
    if seconds > 0.0 && seconds <= BUDGET_S_MAX {
        return Ok(seconds);
    }
    let why = format!("a budget of {seconds} s: it is more than 0 and at most {BUDGET_S_MAX}");
    Err(D::Error::custom(why))
}

fn layers<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    let ids = Vec::<String>::deserialize(value)?;
    match ids.iter().find(|id| Layer::from_id(id).is_none()) {
        None => Ok(ids),
        Some(id) => {
            let known = Layer::ALL.map(Layer::id).join(", ");
            Err(D::Error::custom(format!("layer `{id}` is not known; there are {known}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "# my_scenario\nWhat it is about.\n\n```toml\npostgres = \"14..\"\n```\n\
        ```sql setup\nCREATE TABLE t (id int);\n```\n\
        ```sql session=site every=20ms clients=2\nSELECT * FROM t WHERE id = :random(1, 9)\n```\n\
        ```sql session=forgotten after=1s\nBEGIN; LOCK t;\n```\n\
        ```expect\ncause lock_idle_tx\nruled_out net_latency, load_spike\n```\n";

    #[test]
    fn a_scenario_is_read() {
        let s = read("my.md", SMALL).unwrap();
        assert_eq!((s.id.as_str(), s.load.len(), s.acts.len()), ("my_scenario", 1, 1));
        assert_eq!(s.expect.ruled_out, ["net_latency", "load_spike"]);
        assert!(s.header.allows(15) && !s.header.allows(13));
        assert!(!s.can_be_guarded());
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (right, wrong, line, words) in [
            ("every=20ms", "every=20apples", 10, "20apples"),
            ("```sql session=forgotten after=1s", "```slq session=forgotten after=1s", 13, "slq"),
            ("clients=2", "client=2", 10, "client="),
            ("clients=2", "clients=0", 10, "1 to 500 clients"),
            ("```expect", "```fault failed_logins per_s=lots\n```\n```expect", 16, "per_s=lots"),
            (":random", ":rnadom", 10, ":random(a, b)"),
            // Ids, with the nearest there is.
            ("cause lock_idle_tx", "cause lock_idel_tx", 17, "did you mean lock_idle_tx?"),
            ("cause l", "symptom relation_vanish\ncause l", 17, "did you mean relation_vanished?"),
            ("ruled_out net_latency", "ruled_out net_latecy", 18, "did you mean net_latency?"),
            ("spike\n", "spike\n\naction cancel_waitr\n", 20, "did you mean cancel_waiter?"),
            ("spike\n", "spike\naction pray\n", 19, "`pgward explain` lists all"),
            ("forgotten after", "forgotten role=batch after", 13, "there are deploy, site, bi"),
            ("forgotten after", "forgotten role=deplyo after", 13, "did you mean deploy?"),
            ("every=20ms", "every=20ms role=stie", 10, "did you mean site?"),
            ("```expect", "```fault more_clients session=x\n```\n```expect", 16, "there are site"),
            // The header.
            ("postgres =", "postgers =", 5, "postgers"),
            ("14..", "fourteen", 5, "`fourteen` is no range of majors such as 14.."),
            ("14..", "17..14", 5, "no range"),
            ("..\"\n", "..\"\nbudget = { detect_s = -1 }\n", 6, "a budget of -1 s"),
            ("..\"\n", "..\"\n[budget]\nrecover_s = 0\n", 7, "a budget of 0 s"),
            ("..\"\n", "..\"\nload_role = \"websiet\"\n", 6, "role `websiet`"),
            ("..\"\n", "..\"\nbypass_without = [\"luck\"]\n", 6, "there are static"),
            // SQL.
            ("CREATE TABLE t", "SELECT 1;\nCREATE TABEL t", 9, "near \"TABEL\""),
            ("CREATE TABLE t", "SELECT :scael; CREATE TABLE t", 8, "does not parse"),
            ("SELECT *", "SELEC *", 10, "near \"SELEC\""),
            ("cause l", "holds SELEC 1\ncause l", 17, "near \"SELEC\""),
        ] {
            assert_eq!(SMALL.matches(right).count(), 1, "{right}");
            let text = SMALL.replace(right, wrong);
            match read("my.md", &text) {
                Err(Error::Scenario { line: l, why, .. }) => {
                    assert_eq!(l, line, "{why}");
                    assert!(why.contains(words), "{why}");
                }
                other => panic!("{wrong}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_can_be_meant_is_accepted() {
        for (right, meant) in [
            ("# my", "\u{feff}# my"),
            ("14..", "..17"),
            ("14..", "16"),
            ("(id int)", "(id int); SELECT ARRAY[1, :scale] -- :x"),
            ("LOCK t", "SELECT 'a :b', x::int, nowhere.no_such(1)"),
            ("= :random(1, 9)", "= ANY (ARRAY[:zipf(1, 9), :client]::int[])"),
            ("cause l", "holds SELECT count(*) > :scale FROM t\ncause l"),
            ("```expect", "```sql change\nDROP TABLE ${X}t; SELECT :id;\n```\n```expect"),
            // A deploy that stops at its second statement is an outage, not a mistake of the file.
            ("```expect", "```sql change\nTABLE :x;\nDROP TABEL t\n```\n```expect"),
            ("```expect", "```sql change var.X=COMMIT\nBEGIN; ${X};\n```\n```expect"),
        ] {
            assert_eq!(SMALL.matches(right).count(), 1, "{right}");
            let text = SMALL.replace(right, meant);
            assert!(read("my.md", &text).is_ok(), "{meant}: {:?}", read("my.md", &text));
        }
    }

    #[test]
    fn a_scenario_may_make_roles_of_its_own() {
        let with = SMALL.replace("forgotten after", "forgotten role=batch after");
        let made = with.replace("CREATE TABLE t", "CREATE ROLE batch LOGIN; CREATE TABLE t");
        assert!(read("my.md", &made).is_ok());
    }

    #[test]
    fn scale_is_replaced_where_it_is_a_word() {
        let sql = "SELECT 10 * :scale, :scaled, x::scale FROM generate_series(1, :scale)";
        let expected = "SELECT 10 * 40, :scaled, x::scale FROM generate_series(1, 40)";
        assert_eq!(with_scale(sql, 40), expected);
    }

    #[test]
    fn the_marked_session_is_to_blame_and_no_other() {
        assert!(!read("my.md", SMALL).unwrap().blames("forgotten"));
        let marked = read("my.md", &SMALL.replace("after=1s", "after=1s guilty")).unwrap();
        assert!(marked.blames("forgotten") && !marked.blames("site"));
        let named = read("my.md", &SMALL.replace("cause lock", "names forgotten\ncause lock"));
        assert!(named.unwrap().blames("forgotten"));
    }

    #[test]
    fn every_built_in_scenario_reads_under_its_name() {
        for id in ids() {
            assert_eq!(built_in(id).unwrap().id, id);
        }
        assert!(built_in("nothing").is_err());
    }
}
