//! What a statement asks for, in few words: from these follow its effects and its way back.

use pgward_model::prelude::*;

/// One thing a statement does. A `DO` block and a `CREATE SCHEMA` may do several.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    CreateTable(CreateTable),
    /// `CREATE TABLE AS`, `SELECT INTO`, `CREATE MATERIALIZED VIEW`.
    CreateTableAs {
        relation: Relation,
        materialized: bool,
        if_not_exists: bool,
        reads: Vec<Relation>,
    },
    CreateView {
        relation: Relation,
        replace: bool,
        reads: Vec<Relation>,
    },
    CreateIndex(CreateIndex),
    /// Anything else that is created; `tables` where it belongs to some (trigger, policy,
    /// rule, statistics, publication).
    Create {
        kind: String,
        /// As SQL writes it, signature of functions included.
        name: String,
        tables: Vec<Relation>,
        replace: bool,
        if_not_exists: bool,
    },
    Alter {
        relation: Relation,
        kind: String,
        if_exists: bool,
        /// ONLY: without its partitions and heirs.
        only: bool,
        command: Alter,
    },
    RenameColumn {
        relation: Relation,
        kind: String,
        from: String,
        to: String,
    },
    RenameRelation {
        relation: Relation,
        kind: String,
        to: String,
    },
    RenameConstraint {
        relation: Relation,
        from: String,
        to: String,
    },
    /// Schema, type, function, trigger, policy, ...
    RenameOther {
        kind: String,
        name: String,
        table: Option<Relation>,
        to: String,
    },
    /// ALTER TYPE … ADD VALUE, or RENAME VALUE where there is an old one.
    AlterEnum {
        name: Relation,
        value: String,
        renamed: Option<String>,
        /// BEFORE or AFTER another one.
        placed: bool,
    },
    SetSchema {
        kind: String,
        relation: Relation,
        schema: String,
    },
    Drop(Drop),
    DropOwned {
        roles: Vec<String>,
    },
    DropDatabase {
        name: String,
    },
    Truncate {
        relations: Vec<Relation>,
        cascade: bool,
    },
    Refresh {
        relation: Relation,
        concurrently: bool,
    },
    Rows(Rows),
    Read {
        reads: Vec<Relation>,
        /// Those of them whose rows FOR UPDATE or FOR SHARE locks.
        locked: Vec<Relation>,
    },
    Copy {
        relation: Relation,
        writes: bool,
    },
    Lock {
        relations: Vec<Relation>,
        mode: LockMode,
        nowait: bool,
    },
    Vacuum {
        relations: Vec<Relation>,
        full: bool,
    },
    Analyze {
        relations: Vec<Relation>,
    },
    /// What a function does when it is called; nothing happens when it is made.
    Define {
        function: Relation,
        /// CREATE FUNCTION takes it for volatile when nothing is said.
        volatile: bool,
        /// The whole CREATE FUNCTION: most are never called by a script, and not looked into.
        text: String,
        /// SECURITY DEFINER: it runs with the rights of its owner.
        definer: bool,
        /// Settings it brings with it: `search_path`.
        sets: Vec<String>,
    },
    /// SELECT or CALL of a function or procedure; those of the server do nothing to relations.
    Call {
        function: Relation,
        /// By CALL: one of a user, never of the server.
        procedure: bool,
    },
    /// Every column of this domain is read to prove what is new of it.
    CheckDomain {
        domain: Relation,
    },
    /// A block puts the text together when it runs; its actions are told beside it, with
    /// `…` for what is not known before.
    Computed {
        text: String,
    },
    /// `None`: every table clustered before.
    Cluster {
        relation: Option<Relation>,
    },
    Reindex {
        kind: ReindexKind,
        name: Relation,
        concurrently: bool,
    },
    Grant(Grant),
    AlterSystem {
        name: String,
    },
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    /// `setval` of a constant: the number that the sequence gives next.
    SetSequence {
        sequence: SequenceName,
        next: i64,
    },
    Transaction(Transaction),
    Comment {
        kind: String,
        relation: Option<Relation>,
    },
    /// `EXECUTE` of a computed text, or a procedure: what it does is not in the text.
    Unknown {
        why: String,
    },
    /// Understood, and without effect on a relation that others use.
    Other {
        what: String,
        in_transaction: bool,
    },
}

/// How a sequence is named.
#[derive(Debug, Clone, PartialEq)]
pub enum SequenceName {
    Own(Relation),
    /// The one that feeds the column.
    Feeds {
        table: Relation,
        column: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub relation: Relation,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub columns: Vec<NewColumn>,
    /// Those of the table; a column keeps its own.
    pub constraints: Vec<NewConstraint>,
    /// PARTITION BY: it holds partitions and no rows.
    pub partitioned: bool,
    /// Tables its foreign keys point to.
    pub references: Vec<Relation>,
    pub partition_of: Option<Relation>,
    /// PARTITION OF … DEFAULT.
    pub is_default: bool,
    pub inherits: Vec<Relation>,
    pub like: Vec<Relation>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateIndex {
    pub table: Relation,
    /// Empty where PostgreSQL chooses it.
    pub name: String,
    /// Key columns in order; an expression in its own words, in parentheses.
    pub columns: Vec<String>,
    /// A key has an operator class, a collation or an order of its own.
    pub special_keys: bool,
    /// INCLUDE: carried along, not looked up.
    pub included: Vec<String>,
    /// `btree` where nothing is said.
    pub method: String,
    /// Rows it holds, where it does not hold all.
    pub predicate: Option<String>,
    pub unique: bool,
    pub concurrently: bool,
    pub if_not_exists: bool,
    /// ON ONLY: without the partitions.
    pub only: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// `table`, `view`, `materialized view`, `index`, `schema`, `function`, `trigger`, ...
    pub kind: String,
    pub names: Vec<Relation>,
    /// As SQL writes each name, signature included.
    pub written: Vec<String>,
    /// The table of a trigger, policy or rule.
    pub table: Option<Relation>,
    pub cascade: bool,
    pub concurrently: bool,
    pub if_exists: bool,
}

/// INSERT, UPDATE, DELETE, MERGE.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    pub verb: StatementKind,
    pub relation: Relation,
    /// Which rows; [`Predicate::Selects`] with an empty text for INSERT.
    pub predicate: Predicate,
    /// Columns that are assigned.
    pub columns: Vec<String>,
    pub reads: Vec<Relation>,
    /// FROM or USING without a condition that joins it.
    pub unjoined: Option<Unjoined>,
    /// What an UPDATE of all rows sets each of its columns to, where that is constants, one at
    /// least, and else what the clock says, which is empty here.
    pub constants: Option<Vec<String>>,
}

/// Tables beside the changed one that the WHERE does not tie to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjoined {
    pub others: Vec<Relation>,
    /// Does the WHERE choose among the rows of the changed table?
    pub chooses: bool,
}

/// Which rows an UPDATE or DELETE touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// No WHERE at all.
    Missing,
    /// A WHERE that lets every row pass (or every row with a value).
    Always {
        condition: String,
    },
    /// True for every row where these columns are NOT NULL by constraint.
    NotNull {
        condition: String,
        columns: Vec<String>,
    },
    Selects {
        condition: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub grants: bool,
    /// Empty: ALL.
    pub privileges: Vec<String>,
    pub kind: String,
    pub objects: Vec<String>,
    pub grantees: Vec<String>,
    pub to_public: bool,
    /// ON ALL … IN SCHEMA.
    pub whole_schema: bool,
    /// ALTER DEFAULT PRIVILEGES.
    pub defaults: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReindexKind {
    Index,
    Table,
    Schema,
    /// The catalogs of the server.
    System,
    Database,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    Begin,
    Commit,
    Rollback,
    /// SAVEPOINT, RELEASE, ROLLBACK TO: within a transaction.
    Savepoint,
    /// PREPARE TRANSACTION: the transaction stays open without a session.
    Prepare,
    /// COMMIT PREPARED, ROLLBACK PREPARED.
    Finish,
}

/// One command of ALTER TABLE, ALTER INDEX, ALTER VIEW, ...
#[derive(Debug, Clone, PartialEq)]
pub enum Alter {
    AddColumn {
        column: NewColumn,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    SetType {
        column: String,
        data_type: String,
        using: Option<String>,
    },
    SetDefault {
        column: String,
        default: Option<String>,
    },
    /// Of a generated column, since PostgreSQL 17.
    SetExpression {
        column: String,
    },
    SetNotNull {
        column: String,
    },
    DropNotNull {
        column: String,
    },
    AddConstraint(NewConstraint),
    ValidateConstraint {
        name: String,
    },
    DropConstraint {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    AlterConstraint {
        name: String,
    },
    /// `None`: all or all of the user.
    Trigger {
        name: Option<String>,
        enable: bool,
    },
    RowSecurity {
        what: String,
    },
    AttachPartition {
        partition: Relation,
        is_default: bool,
        /// The values that FOR VALUES names.
        bounds: Vec<String>,
    },
    DetachPartition {
        partition: Relation,
        concurrently: bool,
    },
    SetLogged {
        logged: bool,
    },
    SetAccessMethod {
        method: String,
    },
    SetTablespace {
        tablespace: String,
    },
    SetOptions {
        names: Vec<String>,
    },
    /// Statistics target, column options: SHARE UPDATE EXCLUSIVE.
    Tuning {
        what: String,
    },
    SetOwner {
        role: String,
    },
    Inherit {
        parent: Relation,
        adds: bool,
    },
    /// RESTART of the sequence, or of the one that feeds the column; `None`: from its start.
    Restart {
        column: Option<String>,
        next: Option<i64>,
    },
    /// Everything that takes ACCESS EXCLUSIVE for a moment and reads no row.
    Other {
        what: String,
    },
}

/// A column as CREATE TABLE or ADD COLUMN defines it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewColumn {
    pub name: String,
    pub data_type: String,
    pub not_null: bool,
    pub default: NewDefault,
    /// DEFAULT is written, be it NULL: keys of the column are then proven for every row.
    pub says_default: bool,
    /// The last part of its name, where one is written.
    pub collation: Option<String>,
    pub constraints: Vec<NewConstraint>,
}

/// Where the values of a new column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewDefault {
    None,
    /// The same for all rows: kept in the catalog, no rewrite.
    Constant(String),
    /// A function that is volatile or that we do not know: each row gets its own value.
    Volatile {
        expression: String,
        function: String,
    },
    /// serial, identity.
    Sequence,
    /// GENERATED … STORED.
    Stored,
    /// GENERATED … VIRTUAL.
    Virtual,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewConstraint {
    /// Empty where PostgreSQL chooses it.
    pub name: String,
    /// `pg_constraint.contype`: c, f, n, p, u, x.
    pub kind: char,
    pub columns: Vec<String>,
    pub not_valid: bool,
    pub references: Option<Relation>,
    /// Columns of that table; empty: its primary key.
    pub referenced: Vec<String>,
    /// ADD CONSTRAINT … USING INDEX.
    pub using_index: Option<String>,
    /// The condition of a CHECK.
    pub condition: String,
    /// `pg_constraint.confdeltype` of a foreign key: a, r, c, n, d.
    pub on_delete: char,
    pub deferrable: bool,
    /// NOT ENFORCED (since 18) is never proven.
    pub enforced: bool,
}

impl NewDefault {
    /// Must every row be written to add a column with this?
    pub fn rewrites(&self) -> bool {
        matches!(self, NewDefault::Volatile { .. } | NewDefault::Sequence | NewDefault::Stored)
    }
}

impl NewColumn {
    /// Values for the rows that exist.
    pub fn has_value(&self) -> bool {
        self.default != NewDefault::None
    }
}
