//! What a database holds: relations with their sizes, indexes, constraints and traffic.

use crate::conditions::Conditions;
use crate::name::Relation;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The catalog of one database at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    pub taken_at: Timestamp,
    /// `server_version_num`, e.g. 150018.
    pub server_version: u32,
    pub database: String,
    pub relations: Vec<RelationInfo>,
    /// Functions, views' and sequences' definitions and everything else that has a text.
    pub objects: Vec<ObjectInfo>,
    /// Statements that ran lately, most total time first.
    pub statements: Vec<StatementTraffic>,
    /// Schemas in which a name without one is looked for, first to last; empty: not known, then
    /// `public` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search_path: Vec<String>,
    /// What migration tools say they have carried out; `None`: not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histories: Option<Vec<MigrationHistory>>,
    /// What surrounds a change; `None`: not looked at, or in a file of an older program.
    #[serde(default)]
    pub conditions: Option<Conditions>,
    /// What the role that read it may do; `None`: not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<ReadingRole>,
}

/// What a role may do, whatever it owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingRole {
    pub name: String,
    pub superuser: bool,
    /// Roles whose rights it has, itself included.
    pub acts_as: Vec<String>,
    /// Schemas in which it may make tables.
    pub creates_in: Vec<String>,
}

/// What one migration tool keeps of its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationHistory {
    /// `golang_migrate`, `flyway`, `sqlx`, ...
    pub tool: String,
    pub table: Relation,
    /// golang-migrate keeps only the last one.
    pub migrations: Vec<AppliedMigration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    /// As the tool writes it.
    pub version: String,
    /// Of the file as it was, where the tool keeps one.
    pub checksum: Option<String>,
    /// It was begun and not ended.
    pub failed: bool,
}

/// A table, partitioned table, materialized view or foreign table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelationInfo {
    pub oid: u32,
    pub relation: Relation,
    /// `pg_class.relkind`: r, p, m, f.
    pub kind: char,
    pub owner: String,
    /// `pg_class.relfilenode`; 0 for partitioned tables.
    pub relfilenode: u32,
    /// Live rows by the statistics; `None` where never counted.
    pub n_rows: Option<f64>,
    /// Main fork by `relpages`: never a size function, which would wait behind DDL.
    pub table_bytes: f64,
    /// Counters as read.
    pub seq_scans: i64,
    pub idx_scans: i64,
    pub rows_inserted: i64,
    pub rows_updated: i64,
    pub rows_deleted: i64,
    pub columns: Vec<ColumnInfo>,
    pub indexes: Vec<IndexInfo>,
    pub constraints: Vec<ConstraintInfo>,
    /// Of which table it is a partition.
    #[serde(default)]
    pub partition: Option<PartitionInfo>,
    /// Tables whose columns it has by INHERITS: what is done to them is done to it.
    #[serde(default)]
    pub inherits: Vec<Relation>,
    /// `pg_stats.null_frac` by column, from 0 to 1, of columns where ANALYZE has met a NULL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub null_shares: BTreeMap<String, f64>,
    /// UNLOGGED: its rows are in no WAL and in no backup.
    #[serde(default)]
    pub unlogged: bool,
}

impl RelationInfo {
    /// A relation of which nothing is known yet, without columns and never counted.
    pub fn new(oid: u32, relation: Relation, kind: char) -> Self {
        Self {
            oid,
            relation,
            kind,
            owner: String::new(),
            relfilenode: 0,
            n_rows: None,
            table_bytes: 0.0,
            seq_scans: 0,
            idx_scans: 0,
            rows_inserted: 0,
            rows_updated: 0,
            rows_deleted: 0,
            columns: Vec::new(),
            indexes: Vec::new(),
            constraints: Vec::new(),
            partition: None,
            inherits: Vec::new(),
            null_shares: BTreeMap::new(),
            unlogged: false,
        }
    }

    /// Its index of that name.
    pub fn index(&self, name: &str) -> Option<&IndexInfo> {
        self.indexes.iter().find(|i| i.name == name)
    }

    /// Is it a partition of that table, or does it inherit from it?
    pub fn is_part_of(&self, parent: &Relation) -> bool {
        self.partition.as_ref().is_some_and(|p| p.parent.same_as(parent)) || self.is_heir_of(parent)
    }

    /// Has it columns of that table by INHERITS?
    pub fn is_heir_of(&self, parent: &Relation) -> bool {
        self.inherits.iter().any(|p| p.same_as(parent))
    }
}

/// A partition's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionInfo {
    pub parent: Relation,
    /// Takes what fits no other one: `pg_partitioned_table.partdefid`.
    pub is_default: bool,
    /// DETACH CONCURRENTLY was begun and not ended: `pg_inherits.inhdetachpending`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detach_pending: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnInfo {
    pub name: String,
    /// `format_type`.
    pub data_type: String,
    pub not_null: bool,
    /// The default, or the expression of a generated column.
    pub default: Option<String>,
    /// `pg_attribute.attgenerated`: s (stored), v (virtual, since 18); `None` for a plain column.
    #[serde(default)]
    pub generated: Option<char>,
}

/// Has an index of that definition keys that are no plain columns? `pg_get_indexdef` writes each of
/// them in parentheses of its own.
pub fn has_expressions(definition: &str) -> bool {
    let Some((_, listed)) = definition.split_once(" USING ") else { return false };
    let mut depth = 0_usize;
    for c in listed.chars() {
        match c {
            '(' if depth > 0 => return true,
            '(' => depth += 1,
            ')' => return false,
            _ => {}
        }
    }
    false
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexInfo {
    pub name: String,
    /// `pg_get_indexdef`: creates the index again, exactly.
    pub definition: String,
    pub columns: Vec<String>,
    pub unique: bool,
    pub primary: bool,
    pub valid: bool,
    /// Backs a constraint, so it goes with it and not alone.
    pub constraint: bool,
    /// `pg_stat_user_indexes.idx_scan`, a counter.
    pub scans: i64,
    pub bytes: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstraintInfo {
    pub name: String,
    /// `pg_constraint.contype`.
    pub kind: char,
    /// `pg_get_constraintdef`.
    pub definition: String,
    pub validated: bool,
    /// For a foreign key, the table it points to.
    pub references: Option<Relation>,
}

/// Any other object, and the text of a materialized view: view, function, sequence, trigger, type, policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// `pg_identify_object` type: `view`, `materialized view`, `function`, `sequence`, `trigger`, ...
    pub kind: String,
    pub identity: String,
    /// Its text, where PostgreSQL can print one; empty otherwise.
    pub definition: String,
    /// Relations it depends on.
    pub uses: Vec<Relation>,
}

/// How often a statement ran, from `pg_stat_statements`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementTraffic {
    pub query_id: i64,
    pub text: String,
    pub role: String,
    pub calls: i64,
    pub total_ms: f64,
    /// Since when `calls` are counted; `None`: unknown.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

impl Catalog {
    /// One that holds nothing yet.
    pub fn new(taken_at: Timestamp, server_version: u32, database: impl Into<String>) -> Self {
        Self {
            taken_at,
            server_version,
            database: database.into(),
            relations: Vec::new(),
            objects: Vec::new(),
            statements: Vec::new(),
            search_path: Vec::new(),
            histories: None,
            conditions: None,
            role: None,
        }
    }

    /// Where the search path has this schema, from 0; `None`: nowhere. Temporary tables go first.
    pub fn place(&self, schema: &str) -> Option<usize> {
        match self.search_path.as_slice() {
            _ if schema == "pg_temp" => Some(0),
            [] => (schema == "public").then_some(1),
            path => path.iter().position(|s| s == schema).map(|at| at + 1),
        }
    }

    /// The relation of that name. One without a schema is the first that the search path finds,
    /// or else any of that name: another role may have another path.
    pub fn relation(&self, name: &Relation) -> Option<&RelationInfo> {
        let same = self.relations.iter().filter(|r| r.relation.same_as(name));
        same.min_by_key(|r| self.place(&r.relation.schema).unwrap_or(usize::MAX))
    }

    /// The index of that name and the table it belongs to; found as [`Catalog::relation`] is.
    pub fn index(&self, name: &Relation) -> Option<(&RelationInfo, &IndexInfo)> {
        let of_schema =
            |r: &&RelationInfo| name.schema.is_empty() || r.relation.schema == name.schema;
        let own = |r| RelationInfo::index(r, &name.name).map(|i| (r, i));
        let same = self.relations.iter().filter(of_schema).filter_map(own);
        same.min_by_key(|(r, _)| self.place(&r.relation.schema).unwrap_or(usize::MAX))
    }

    /// Tables with a foreign key that points to `name`.
    pub fn referencing(&self, name: &Relation) -> Vec<(&RelationInfo, &ConstraintInfo)> {
        self.relations
            .iter()
            .flat_map(|r| r.constraints.iter().map(move |c| (r, c)))
            .filter(|(_, c)| c.references.as_ref().is_some_and(|to| to.same_as(name)))
            .collect()
    }

    /// Ordered lines, free of oids, counters and sizes: two catalogs with equal lines
    /// have the same schema.
    pub fn schema_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for r in &self.relations {
            let name = r.relation.quoted();
            lines.push(format!("{} {name} owner {}", r.kind, r.owner));
            for c in &r.columns {
                lines.push(format!(
                    "{name} column {} {}{}{}",
                    c.name,
                    c.data_type,
                    if c.not_null { " not null" } else { "" },
                    c.default.as_ref().map(|d| format!(" default {d}")).unwrap_or_default()
                ));
            }
            for i in &r.indexes {
                let state = if i.valid { "" } else { " INVALID" };
                lines.push(format!("{name} index {}{state}", i.definition));
            }
            for c in &r.constraints {
                let state = if c.validated { "" } else { " NOT VALIDATED" };
                lines.push(format!("{name} constraint {} {}{state}", c.name, c.definition));
            }
        }
        for o in &self.objects {
            lines.push(format!("{} {} {}", o.kind, o.identity, o.definition));
        }
        lines.sort();
        lines
    }
}
