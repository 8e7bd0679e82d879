//! The catalog as the statements read so far leave it, and the effects of the next one on it.
//!
//! Migrations build on each other: a table made by an earlier file is in use, one made by the
//! same file is not; what a type was, which columns are NOT NULL, which keys point where is known
//! from the statements before, or from a live catalog that the chain begins with.

mod learn;
mod parts;
mod refuse;
mod resolve;

use crate::action::{Action, Alter, CreateTable, Drop, NewDefault};
use crate::effects::{self, Created};
use crate::understand::{COMPUTED, body};
use pgward_model::prelude::*;
pub use refuse::Refusal;
use std::collections::{BTreeMap, BTreeSet};

/// A catalog that statements change.
#[derive(Debug, Clone)]
pub struct Chain {
    catalog: Catalog,
    /// Made by the file that is being read: nobody else uses it yet.
    made: BTreeSet<Relation>,
    /// It began with a live catalog, or the files before made all they name: what is not known
    /// does not exist.
    whole: bool,
    /// Something was named that nothing before has made.
    missed: bool,
    /// `search_path` as a file finds it.
    given_path: Vec<String>,
    /// What SET LOCAL has put aside until the transaction ends.
    outer_path: Option<Vec<String>>,
    newest_oid: u32,
    /// Functions and procedures that were made on the way.
    functions: BTreeMap<Relation, Function>,
    /// Domains with a rule that were made on the way.
    domains: BTreeSet<Relation>,
    /// The session's TimeZone is UTC.
    utc: bool,
    /// CHECKs added to tables of which nothing else is known, while they hold.
    checks: Vec<Check>,
    /// Made or changed where the text does not say for certain how: nothing is held against
    /// what comes later.
    doubtful: BTreeSet<String>,
}

/// What is known of a function.
#[derive(Debug, Clone)]
struct Function {
    volatile: bool,
    /// The whole CREATE FUNCTION.
    text: String,
}

/// A CHECK of a table that is not in the catalog.
#[derive(Debug, Clone)]
struct Check {
    table: Relation,
    name: String,
    condition: String,
    validated: bool,
}

/// Functions that call functions, so deep and no deeper.
const CALLS_MAX: usize = 8;

impl Chain {
    /// Begins with a live catalog, or with an empty database.
    pub fn new(live: Option<&Catalog>) -> Chain {
        let empty = || Catalog::new(Timestamp::UNIX_EPOCH, 0, "");
        let catalog = live.cloned().unwrap_or_else(empty);
        Chain {
            given_path: catalog.search_path.clone(),
            outer_path: None,
            catalog,
            made: BTreeSet::new(),
            whole: live.is_some(),
            missed: false,
            newest_oid: u32::MAX / 2,
            functions: BTreeMap::new(),
            domains: BTreeSet::new(),
            utc: false,
            checks: Vec::new(),
            doubtful: BTreeSet::new(),
        }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The files are some of many: what they do not make may exist all the same.
    pub fn of_some_files(mut self) -> Chain {
        self.missed = true;
        self.whole = false;
        self
    }

    /// The next file begins: what the last one made is in use now.
    pub fn begin_file(&mut self) {
        self.whole |= !self.made.is_empty() && !self.missed;
        self.made.clear();
        self.utc = false;
        self.forget_session();
    }

    /// What was done since `before` is taken back, as by ROLLBACK; what was learnt of how much
    /// is not known stays.
    pub fn take_back(&mut self, before: Chain) {
        let missed = self.missed;
        *self = before;
        self.missed |= missed;
        self.whole &= !missed;
    }

    /// Is all there that there is? Else what is not known may exist all the same.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// What a statement does as things stand, and takes note of what it leaves.
    ///
    /// `actions` hold those of the functions it calls, see [`Chain::expanded`].
    pub fn run(&mut self, actions: &[Action]) -> Vec<Effect> {
        let mut found = Vec::new();
        let passes = in_passes(actions);
        for action in passes.as_deref().unwrap_or(actions) {
            if !self.does_nothing(action) {
                let mut here = self.effects_of(action);
                self.soften(action, &mut here);
                for effect in &mut here {
                    let new = makes(action, &effect.relation) && !self.knows(&effect.relation);
                    effect.existed_before = !new && !self.is_made(&effect.relation);
                }
                found.extend(here);
            }
            self.note(action);
        }
        if passes.is_some() {
            checked_while_rewritten(actions, &mut found);
        }
        effects::merge(found)
    }

    /// As [`Chain::run`], without asking what the statement does.
    pub fn learn_all(&mut self, actions: &[Action]) {
        let passes = in_passes(actions);
        passes.as_deref().unwrap_or(actions).iter().for_each(|action| self.note(action));
    }

    fn note(&mut self, action: &Action) {
        self.mistrust(action);
        self.learn(action);
        if let Action::Alter { relation, command, .. } = action
            && self.catalog.relation(relation).is_none()
        {
            self.learn_check(relation, command);
        }
    }

    /// Has the function been made on the way?
    pub fn knows_function(&self, name: &Relation) -> bool {
        self.function(name).is_some()
    }

    /// What is not understood may have made anything.
    fn mistrust(&mut self, action: &Action) {
        let unclear = match action {
            Action::Unknown { .. } => true,
            Action::Call { function, procedure: true } => self.function(function).is_none(),
            _ => false,
        };
        if unclear {
            self.missed = true;
            self.whole = false;
        }
    }

    /// Actions with those of each called function behind its first call, as deep as they go:
    /// what it does again takes no other lock.
    pub fn expanded(&self, actions: Vec<Action>) -> Vec<Action> {
        if !actions.iter().any(|a| matches!(a, Action::Call { .. })) {
            return actions;
        }
        let mut found = Vec::new();
        self.expand(actions, &mut found, 0, &mut BTreeSet::new());
        found
    }

    fn expand<'a>(
        &'a self,
        actions: Vec<Action>,
        found: &mut Vec<Action>,
        depth: usize,
        seen: &mut BTreeSet<&'a str>,
    ) {
        for action in actions {
            let mut does = Vec::new();
            if let Action::Call { function, .. } = &action
                && let Some(known) = self.function(function)
                && seen.insert(&known.text)
            {
                does = match depth < CALLS_MAX {
                    true => body(&known.text),
                    false => vec![Action::Unknown {
                        why: format!("{} calls too deep to follow", function.quoted()),
                    }],
                };
            }
            found.push(action);
            self.expand(does, found, depth + 1, seen);
        }
    }

    fn function(&self, name: &Relation) -> Option<&Function> {
        self.functions.iter().find(|(known, _)| known.same_as(name)).map(|(_, f)| f)
    }

    /// A statement that is not understood may have made or changed anything; the table that it
    /// begins to make is this file's.
    pub fn run_unread(&mut self, text: &str) {
        self.missed = true;
        self.whole = false;
        let mut words =
            text.split(|c: char| c.is_whitespace() || c == '(').filter(|w| !w.is_empty());
        let begins = words.next().is_some_and(|w| w.eq_ignore_ascii_case("create"))
            && words.next().is_some_and(|w| w.eq_ignore_ascii_case("table"));
        let skipped = |w: &&str| ["if", "not", "exists"].iter().any(|k| w.eq_ignore_ascii_case(k));
        if let (true, Some(name)) = (begins, words.find(|w| !skipped(w))) {
            let parts: Vec<&str> = name.split('.').map(|p| p.trim_matches('"')).collect();
            let (schema, name) = match parts.as_slice() {
                [schema, name] => (*schema, *name),
                _ => ("", name.trim_matches('"')),
            };
            self.made.insert(Relation::new(schema, name));
        }
    }

    fn effects_of(&mut self, action: &Action) -> Vec<Effect> {
        let actions = std::slice::from_ref(action);
        let mut found = effects::effects(actions, &Created::default());
        effects::sharpen(actions, &self.catalog, &mut found);
        found.extend(self.parts_too(action, &found));
        self.sharpen(action, &mut found);
        let mut named = found.iter().filter(|e| !makes(action, &e.relation));
        let unknown = named.any(|e| !self.knows(&e.relation) && !is_computed(&e.relation));
        if unknown && !may_miss(action) {
            self.missed = true;
            self.whole = false;
        }
        found
    }

    /// What the chain knows better than the text and one catalog.
    fn sharpen(&self, action: &Action, found: &mut [Effect]) {
        for effect in found.iter_mut() {
            let Some(info) = self.catalog.relation(&effect.relation) else {
                effect.scans &= !self.is_proven(action);
                continue;
            };
            if let Action::Alter { command: Alter::AddColumn { column, .. }, .. } = action
                && let NewDefault::Volatile { function, .. } = &column.default
                && self.function(&crate::understand::called(function)).is_some_and(|f| !f.volatile)
            {
                effect.rewrites = false;
                effect.builds_index = column.constraints.iter().any(|c| "pux".contains(c.kind));
            }
            if let Action::Alter { command: Alter::AddColumn { column, .. }, .. } = action
                && self.has_rule(&column.data_type)
            {
                // Each row is proven, whatever the default (up to 18).
                effect.rewrites = true;
                effect.builds_index = true;
            }
            if let Action::Alter { command, .. } = action
                && self.utc
                && swaps_time_type(info, command)
            {
                // Source: TimestampTimestampTzRequiresRewrite, since 12.
                effect.rewrites = false;
            }
            let adds_index = matches!(action, Action::CreateIndex(_) | Action::Reindex { .. })
                || matches!(action, Action::Alter { command: Alter::AddConstraint(_), .. })
                || matches!(action, Action::Alter { command: Alter::AttachPartition { .. }, .. })
                || matches!(action, Action::Alter { command: Alter::AddColumn { column, .. }, .. }
                    if column.constraints.iter().any(|c| "pux".contains(c.kind)));
            effect.builds_index &= adds_index || !info.indexes.is_empty();
            let parts = |r: &RelationInfo| {
                r.partition.as_ref().is_some_and(|p| p.parent.same_as(&info.relation))
            };
            let known_parts =
                self.catalog.server_version > 0 || self.catalog.relations.iter().any(parts);
            let only = matches!(action, Action::Alter { only: true, .. });
            if info.kind == 'p' && (known_parts || only) {
                // Rows and their indexes are in the partitions.
                effect.rewrites = false;
                effect.scans = false;
                effect.builds_index = false;
            }
        }
    }

    /// Is the type a domain with a rule?
    fn has_rule(&self, data_type: &str) -> bool {
        let named = crate::understand::called(data_type);
        self.domains.iter().any(|d| d.same_as(&named))
    }

    /// `IF EXISTS` and `IF NOT EXISTS` that find nothing to do.
    fn does_nothing(&self, action: &Action) -> bool {
        let missing = |r: &Relation| self.whole && !self.knows(r);
        match action {
            Action::CreateTable(CreateTable { relation, if_not_exists: true, .. })
            | Action::CreateTableAs { relation, if_not_exists: true, .. } => self.knows(relation),
            Action::Drop(d) if d.if_exists => match &d.table {
                Some(table) => missing(table) || self.lacks_parts(d, table),
                None if is_lockable(&d.kind) => d.names.iter().all(missing),
                None => false,
            },
            Action::Alter { relation, if_exists: true, .. } => missing(relation),
            _ => false,
        }
    }

    /// Takes back what a clause that finds nothing to do would have done.
    fn soften(&self, action: &Action, found: &mut [Effect]) {
        let idle = match action {
            Action::CreateIndex(i) if i.if_not_exists && !i.name.is_empty() => {
                self.catalog.index(&Relation::new(i.table.schema.clone(), i.name.clone())).is_some()
            }
            Action::Alter { relation, command, .. } => {
                let Some(info) = self.catalog.relation(relation) else { return };
                let has_column = |name: &str| info.columns.iter().any(|c| c.name == name);
                let has_constraint = |name: &str| info.constraints.iter().any(|c| c.name == name);
                match command {
                    Alter::AddColumn { column, if_not_exists: true } => has_column(&column.name),
                    Alter::DropColumn { name, if_exists: true, .. } => {
                        self.whole && !has_column(name)
                    }
                    Alter::DropConstraint { name, if_exists: true, .. } => {
                        self.whole && !has_constraint(name)
                    }
                    _ => false,
                }
            }
            _ => false,
        };
        if idle {
            for effect in found {
                effect.rewrites = false;
                effect.scans = false;
                effect.builds_index = false;
                effect.destroys = Destroys::Nothing;
            }
        }
    }

    fn knows(&self, relation: &Relation) -> bool {
        self.catalog.relation(relation).is_some()
            || self.catalog.index(relation).is_some()
            || self.view(relation).is_some()
            || self.is_made(relation)
    }

    /// Triggers, policies and rules of a table that is known, none of which is.
    fn lacks_parts(&self, d: &Drop, table: &Relation) -> bool {
        let has = |written: &String| {
            let of_table = format!("{written} on ");
            let bare = of_table.replace('"', "");
            self.catalog.objects.iter().any(|o| {
                o.kind == d.kind
                    && (o.identity.starts_with(&of_table) || o.identity.starts_with(&bare))
                    && o.uses.iter().any(|u| u.same_as(table))
            })
        };
        // Of a live catalog only the triggers are read.
        let read = d.kind == "trigger" || self.catalog.server_version == 0;
        self.whole && read && !d.written.iter().any(has)
    }

    fn is_made(&self, relation: &Relation) -> bool {
        self.made.iter().any(|m| m.same_as(relation))
    }

    fn view(&self, relation: &Relation) -> Option<&ObjectInfo> {
        let spelled = relation.quoted();
        let of_any = |o: &&ObjectInfo| match o.identity.strip_suffix(&spelled) {
            Some("") => true,
            Some(schema) => relation.schema.is_empty() && self.finds(schema),
            None => false,
        };
        self.catalog.objects.iter().find(of_any)
    }
}

/// Does the command make a timestamp a timestamptz, or the other way, and nothing else?
fn swaps_time_type(info: &RelationInfo, command: &Alter) -> bool {
    let Alter::SetType { column, data_type, using } = command else { return false };
    let Some(old) = info.columns.iter().find(|c| c.name == *column) else { return false };
    let pair = (effects::base_type(&old.data_type), effects::base_type(data_type));
    matches!(
        (pair.0.as_str(), pair.1.as_str()),
        ("timestamp", "timestamptz") | ("timestamptz", "timestamp")
    ) && !data_type.contains('(')
        && effects::is_itself(using.as_deref(), column, data_type)
}

/// The commands of one ALTER TABLE in the order in which PostgreSQL carries them out, whatever
/// order they are written in; `None` for any other statement.
/// Source: `AlterTablePass` in the server's source.
fn in_passes(actions: &[Action]) -> Option<Vec<Action>> {
    let pass = |action: &Action| match action {
        Action::Alter { command, .. } => Some(match command {
            Alter::DropColumn { .. } | Alter::DropConstraint { .. } => 0,
            Alter::SetType { .. } => 1,
            Alter::SetExpression { .. } => 2,
            Alter::AddColumn { .. } => 3,
            Alter::SetDefault { .. } | Alter::SetNotNull { .. } | Alter::DropNotNull { .. } => 4,
            Alter::AddConstraint(c) if c.kind != 'f' => 5,
            Alter::AddConstraint(_) => 6,
            _ => 7,
        }),
        _ => None,
    };
    if actions.len() < 2 || actions.iter().any(|a| pass(a).is_none()) {
        return None;
    }
    let mut sorted = actions.to_vec();
    sorted.sort_by_key(pass);
    Some(sorted)
}

/// Rows that are written anew are checked on the way; only foreign keys are checked afterwards.
fn checked_while_rewritten(actions: &[Action], found: &mut [Effect]) {
    let by_key = actions.iter().any(|a| match a {
        Action::Alter { command: Alter::AddConstraint(c), .. } => c.kind == 'f' && !c.not_valid,
        Action::Alter { command: Alter::SetType { .. }, .. } => {
            found.iter().any(|e| e.rewrites && e.scans)
        }
        _ => false,
    });
    let rewritten: Vec<Relation> =
        found.iter().filter(|e| e.rewrites).map(|e| e.relation.clone()).collect();
    for effect in found.iter_mut().filter(|e| !by_key && rewritten.contains(&e.relation)) {
        effect.scans = false;
    }
}

/// Is its name put together when the block runs? Then it is some relation that exists.
fn is_computed(relation: &Relation) -> bool {
    relation.name.contains(COMPUTED) || relation.schema.contains(COMPUTED)
}

fn is_lockable(kind: &str) -> bool {
    matches!(kind, "table" | "index" | "view" | "materialized view" | "foreign table")
}

fn makes(action: &Action, relation: &Relation) -> bool {
    match action {
        Action::CreateTable(CreateTable { relation: made, .. })
        | Action::CreateTableAs { relation: made, .. }
        | Action::CreateView { relation: made, .. } => made == relation,
        _ => false,
    }
}

/// May it name what does not exist?
fn may_miss(action: &Action) -> bool {
    match action {
        Action::Drop(d) => d.if_exists,
        Action::Alter { if_exists, kind, .. } => *if_exists || kind == "sequence",
        // Names in queries may be those of functions, CTEs or tables of the system.
        Action::Read { .. } | Action::Rows(_) | Action::CreateView { .. } => true,
        Action::CreateTableAs { .. } | Action::Comment { .. } | Action::SetSchema { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The effects of the last statement of the last file, one line each.
    fn last(files: &[&str]) -> Vec<String> {
        let mut chain = Chain::new(None);
        let mut effects = Vec::new();
        for text in files {
            chain.begin_file();
            for statement in &crate::read("f.sql", text).statements {
                effects = chain.run(&chain.expanded(crate::actions(statement)));
            }
        }
        effects
            .iter()
            .map(|e| {
                let does = [
                    (e.rewrites, " rewrites"),
                    (e.scans, " scans"),
                    (e.builds_index, " builds"),
                    (!e.existed_before, " new"),
                ];
                let does: String = does.iter().filter(|d| d.0).map(|d| d.1).collect();
                format!("{} {}{does}", e.relation, e.lock)
            })
            .collect()
    }

    const USERS: &str = "CREATE TABLE users (id serial PRIMARY KEY, name varchar(20), age int)";

    #[test]
    fn what_an_earlier_file_made_is_in_use() {
        let index = "CREATE INDEX i ON users (name)";
        assert_eq!(last(&[USERS, index]), ["users SHARE builds"]);
        assert_eq!(last(&[&format!("{USERS}; {index}")]), ["users SHARE builds new"]);
    }

    #[test]
    fn types_are_those_of_the_statements_before() {
        let wider = "ALTER TABLE users ALTER name TYPE varchar(40)";
        assert_eq!(last(&[USERS, wider]), ["users ACCESS EXCLUSIVE"]);
        let other = "ALTER TABLE users ALTER age TYPE bigint";
        assert_eq!(last(&[USERS, other]), ["users ACCESS EXCLUSIVE rewrites builds"]);
        let to_bigint = format!("{other}; ALTER TABLE users ALTER age TYPE int8");
        assert_eq!(last(&[USERS, &to_bigint]), ["users ACCESS EXCLUSIVE"]);
    }

    #[test]
    fn clauses_that_find_nothing_to_do_do_nothing() {
        assert!(last(&[USERS, "CREATE TABLE IF NOT EXISTS users (id int)"]).is_empty());
        assert!(last(&[USERS, "DROP TABLE IF EXISTS people"]).is_empty());
        assert_eq!(
            last(&[USERS, "ALTER TABLE users ADD COLUMN IF NOT EXISTS age bigserial"]),
            ["users ACCESS EXCLUSIVE"]
        );
    }

    #[test]
    fn a_chain_that_began_before_its_first_file_knows_less() {
        let alter = "ALTER TABLE orders ADD COLUMN x int";
        let drop = "DROP TABLE IF EXISTS people";
        assert_eq!(last(&[alter, drop]), ["people ACCESS EXCLUSIVE"]);
    }

    #[test]
    fn what_takes_the_whole_database_takes_each_table() {
        let more = "CREATE TABLE logs (line text); CREATE MATERIALIZED VIEW m AS TABLE logs;
            CREATE SCHEMA old; CREATE TABLE old.kept (id int PRIMARY KEY)";
        let mut found = last(&[USERS, more, "VACUUM FULL"]);
        found.sort();
        let exclusive = |what: &str| format!("{what} ACCESS EXCLUSIVE rewrites");
        let built = |what: &str| exclusive(what) + " builds";
        assert_eq!(found, [exclusive("logs"), exclusive("m"), built("old.kept"), built("users")]);
        assert_eq!(last(&[USERS, more, "REINDEX SCHEMA old"]), ["old.kept SHARE builds"]);
        assert_eq!(last(&[USERS, more, "REINDEX DATABASE"]).len(), 4);
        assert!(last(&[USERS, more, "REINDEX SYSTEM"]).is_empty());
        assert!(last(&[USERS, more, "VACUUM"]).is_empty());
    }

    #[test]
    fn views_go_with_the_view_they_read() {
        let views = "CREATE VIEW v AS SELECT name FROM users;
            CREATE MATERIALIZED VIEW m AS SELECT name FROM v;";
        let again = format!("DROP VIEW v CASCADE; {views} CREATE INDEX i ON m (name)");
        assert_eq!(last(&[USERS, views, &again]), ["m SHARE builds new"]);
        let kept = "CREATE INDEX i ON m (name)";
        assert_eq!(last(&[USERS, views, kept]), ["m SHARE builds"]);
    }

    #[test]
    fn bodies_in_sql_are_followed() {
        let make = "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC
                DELETE FROM users WHERE id = 1; SELECT count(*) FROM orders; END;
            CREATE FUNCTION g() RETURNS int LANGUAGE sql RETURN (SELECT max(id) FROM users) + f();";
        assert_eq!(
            last(&[USERS, "CREATE TABLE orders (id int)", make, "SELECT g()"]),
            ["users ROW EXCLUSIVE", "orders ACCESS SHARE"]
        );
    }

    #[test]
    fn functions_that_call_each_other_over_and_over_are_followed_once() {
        let calls = "PERFORM f(); PERFORM f(); PERFORM g(); ".repeat(9);
        let make = |name: &str, does: &str| {
            format!(
                "CREATE FUNCTION {name}() RETURNS void LANGUAGE plpgsql \
                 AS $$ BEGIN {does} {calls} END $$;"
            )
        };
        let both = make("f", "TRUNCATE users;") + &make("g", "");
        assert_eq!(last(&[USERS, &both, "SELECT g()"]), ["users ACCESS EXCLUSIVE builds"]);
    }

    #[test]
    fn partitions_are_locked_with_their_parent() {
        let parts = "CREATE TABLE events (id int, day date) PARTITION BY RANGE (day);
            CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')";
        assert_eq!(
            last(&[parts, "ALTER TABLE events ADD COLUMN note text"]),
            ["events ACCESS EXCLUSIVE", "events_1 ACCESS EXCLUSIVE"]
        );
    }

    #[test]
    fn a_partition_is_locked_with_all_below_it() {
        let parts = "CREATE TABLE kinds (id int PRIMARY KEY);
            CREATE TABLE events (id int, kind int REFERENCES kinds) PARTITION BY LIST (id);
            CREATE TABLE rest PARTITION OF events DEFAULT PARTITION BY LIST (id);
            CREATE TABLE rest_1 PARTITION OF rest FOR VALUES IN (1);
            CREATE TABLE two (id int, kind int) PARTITION BY LIST (id);
            CREATE TABLE two_1 PARTITION OF two FOR VALUES IN (2)";
        let mut found = last(&[parts, "ALTER TABLE events ATTACH PARTITION two FOR VALUES IN (2)"]);
        found.sort();
        assert_eq!(
            found,
            [
                "events SHARE UPDATE EXCLUSIVE",
                "kinds SHARE ROW EXCLUSIVE",
                "rest ACCESS EXCLUSIVE",
                "rest_1 ACCESS EXCLUSIVE scans",
                "two ACCESS EXCLUSIVE",
                "two_1 ACCESS EXCLUSIVE scans",
            ]
        );
        assert_eq!(
            last(&[parts, "CREATE INDEX e ON events (id)", "DROP INDEX e"]),
            [
                "e ACCESS EXCLUSIVE",
                "events ACCESS EXCLUSIVE",
                "rest ACCESS EXCLUSIVE",
                "rest_1 ACCESS EXCLUSIVE",
            ]
        );
        let own = "CREATE INDEX one ON rest_1 (id)";
        assert_eq!(
            last(&[parts, own, "CREATE INDEX e ON events (id)"]),
            ["events SHARE", "rest SHARE", "rest_1 SHARE"]
        );
    }

    #[test]
    fn a_check_of_the_bounds_proves_them() {
        let parts = "CREATE TABLE events (day date NOT NULL) PARTITION BY RANGE (day);
            CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
            CREATE TABLE new (day date NOT NULL)";
        let attach = "ALTER TABLE events ATTACH PARTITION new
            FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')";
        let check = "ALTER TABLE new ADD CHECK (day >= '2026-01-01' AND day < '2027-01-01')";
        let other = "ALTER TABLE new ADD CHECK (day >= '2026-01-01')";
        let scans = |check: &str| {
            last(&[parts, check, attach]).contains(&"new ACCESS EXCLUSIVE scans".to_owned())
        };
        assert!(!scans(check));
        assert!(scans(other) && scans(&format!("{check} NOT VALID")));
    }

    #[test]
    fn what_is_done_to_a_table_is_done_to_its_heirs() {
        let heirs = "CREATE TABLE base (id int, note text);
            CREATE TABLE heir (more int) INHERITS (base);
            CREATE TABLE late (id int, note text);
            ALTER TABLE late INHERIT heir";
        let all =
            |does: &str| ["base", "heir", "late"].map(|t| format!("{t} ACCESS EXCLUSIVE{does}"));
        let did = |sql: &str| {
            let mut found = last(&[heirs, sql]);
            found.sort();
            found
        };
        assert_eq!(did("ALTER TABLE base ALTER note TYPE varchar(9)"), all(" rewrites"));
        assert_eq!(did("ALTER TABLE base ADD CHECK (id > 0)"), all(" scans"));
        assert_eq!(did("LOCK TABLE base"), all(""));
        assert_eq!(did("DROP TABLE base CASCADE"), all(""));
        let base = |does: &str| [format!("base ACCESS EXCLUSIVE{does}")];
        assert_eq!(did("ALTER TABLE ONLY base ADD CHECK (id > 0) NO INHERIT"), base(" scans"));
        assert_eq!(did("ALTER TABLE base ENABLE ROW LEVEL SECURITY"), base(""));
        assert_eq!(did("ALTER TABLE base ADD UNIQUE (id)"), base(" builds"));
        assert_eq!(did("CREATE INDEX ON base (id)"), ["base SHARE builds"]);
    }

    #[test]
    fn a_key_without_columns_points_to_the_primary_key() {
        let orders = "CREATE TABLE orders (user_id int REFERENCES users)";
        let mut found = last(&[USERS, orders, "ALTER TABLE users ALTER id TYPE bigint"]);
        found.sort();
        assert_eq!(
            found,
            ["orders ACCESS EXCLUSIVE scans", "users ACCESS EXCLUSIVE rewrites builds"]
        );
    }

    #[test]
    fn keys_lock_both_ends() {
        let orders = "CREATE TABLE orders (id int, user_id int REFERENCES users)";
        assert_eq!(
            last(&[USERS, orders, "DROP TABLE orders"]),
            ["orders ACCESS EXCLUSIVE", "users ACCESS EXCLUSIVE"]
        );
        assert_eq!(
            last(&[USERS, orders, "ALTER TABLE orders RENAME TO bills", "DROP TABLE bills"]),
            ["bills ACCESS EXCLUSIVE", "users ACCESS EXCLUSIVE"]
        );
    }
}
