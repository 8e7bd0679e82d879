//! A scenario file: Markdown whose fenced blocks say how the stage is set, what happens on
//! it, and what is expected.

use crate::error::Error;
use crate::stage::ROLES;
use pgward_model::prelude::*;
use pgward_sandbox::faults;
use pgward_sandbox::ledger::LedgerSpec;
use pgward_sandbox::load::SessionSpec;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

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
    pub postgres: Option<String>,
    pub budget: Budget,
    /// Minutes the outage took that it is taken from.
    pub real_outage_min: Option<f64>,
    /// Layers that do not work on the bypassed road.
    pub bypass_without: Vec<String>,
    /// MB of a disk of its own for the server's data directory; needs root.
    pub disk_mb: Option<u64>,
    /// Server settings.
    pub settings: BTreeMap<String, String>,
    /// Role that the load uses.
    pub load_role: Option<String>,
}

/// Seconds allowed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    pub detect_s: f64,
    pub diagnose_s: f64,
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
    let mut reader = Reader { file, scenario: empty(), line: 1, has_expect: false };
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

/// A word of a session block that stands alone.
const GUILTY: &str = "guilty";

struct Reader<'a> {
    file: &'a str,
    scenario: Scenario,
    line: usize,
    has_expect: bool,
}

impl Reader<'_> {
    fn wrong(&self, why: impl Into<String>) -> Error {
        Error::Scenario { file: self.file.to_owned(), line: self.line, why: why.into() }
    }

    fn block(&mut self, info: &str, body: &str) -> Result<(), Error> {
        let mut words = info.split_whitespace();
        match (words.next().unwrap_or(""), words.next()) {
            ("toml", None) => {
                self.scenario.header =
                    toml::from_str(body).map_err(|e| self.wrong(e.message().to_owned()))?;
            }
            ("sql", Some("setup")) => self.scenario.setup.push_str(body),
            ("sql", Some("change")) => {
                let file = self.change_file(self.params(words)?, body)?;
                self.scenario.change = Some(file);
            }
            ("sql", Some("corrected")) => {
                let file = self.change_file(self.params(words)?, body)?;
                self.scenario.corrected = Some(file);
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

    fn change_file(
        &self,
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
        Ok(file)
    }

    fn session(&mut self, mut params: BTreeMap<String, String>, body: &str) -> Result<(), Error> {
        let name = params.remove("session").unwrap_or_default();
        let role = params.remove("role").unwrap_or_else(|| "site".to_owned());
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
        self.scenario.load.push(spec);
        Ok(())
    }

    fn fault(&mut self, id: &str, mut params: BTreeMap<String, String>) -> Result<(), Error> {
        let after = self.take_duration(&mut params, "after")?;
        let fault = faults::find(id).map_err(|e| self.wrong(e.to_string()))?;
        faults::complete(fault, &params).map_err(|e| self.wrong(e.to_string()))?;
        self.scenario.acts.push(Act::Fault { id: id.to_owned(), params, after });
        Ok(())
    }

    fn expect(&mut self, body: &str) -> Result<(), Error> {
        self.has_expect = true;
        for line in body.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let rest = rest.trim();
            let list = || rest.split([',', ' ']).filter(|s| !s.is_empty()).map(str::to_owned);
            let expect = &mut self.scenario.expect;
            match word {
                "symptom" => expect.symptom = Some(rest.to_owned()),
                "cause" => expect.cause = rest.to_owned(),
                "also" => expect.also.extend(list()),
                "present" => expect.present.extend(list()),
                "ruled_out" => expect.ruled_out.extend(list()),
                "action" => expect.action.extend(list()),
                "names" => expect.names.push(rest.to_owned()),
                "holds" => expect.holds.push(rest.to_owned()),
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
        }
        Ok(())
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
        let acting = s.acts.iter().filter_map(|act| match act {
            Act::Session { role, .. } => Some(role),
            Act::Fault { .. } => None,
        });
        let files = s.change.iter().chain(&s.corrected).map(|file| &file.role);
        for role in acting.chain(files).chain(&s.header.load_role) {
            // A scenario may make roles of its own in its setup.
            let made = pgward_sql::words(&s.setup).iter().any(|word| word == role);
            if !ROLES.contains(&role.as_str()) && !made {
                let known = ROLES.join(", ");
                return Err(self.wrong(format!("role `{role}` is not known; there are {known}")));
            }
        }
        let causes = std::iter::once(&s.expect.cause)
            .chain(&s.expect.also)
            .chain(&s.expect.ruled_out)
            .chain(&s.expect.present);
        for id in causes {
            if pgward_incident::causes::cause(id).is_none() {
                return Err(self.wrong(format!("cause `{id}` is not known")));
            }
        }
        for id in &s.expect.action {
            if pgward_recover::actions::action(id).is_none() {
                return Err(self.wrong(format!("action `{id}` is not known")));
            }
        }
        for id in &s.header.bypass_without {
            if Layer::from_id(id).is_none() {
                return Err(self.wrong(format!("layer `{id}` is not known")));
            }
        }
        Ok(self.scenario)
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
        let bound = |text: &str| text.trim().parse::<u32>().ok();
        match range.split_once("..") {
            Some((from, to)) => {
                bound(from).is_none_or(|f| major >= f) && bound(to).is_none_or(|t| major <= t)
            }
            None => bound(range) == Some(major),
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
            ("cause lock_idle_tx", "cause lock_idel_tx", 1, "lock_idel_tx"),
            ("every=20ms", "every=20apples", 10, "20apples"),
            ("```sql session=forgotten after=1s", "```slq session=forgotten after=1s", 13, "slq"),
            ("clients=2", "client=2", 10, "client="),
            ("postgres =", "postgers =", 4, "postgers"),
            ("forgotten after", "forgotten role=batch after", 1, "there are deploy, site, bi"),
        ] {
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
