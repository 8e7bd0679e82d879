//! Reads the catalog of a database into words.

use crate::clock;
use crate::conditions;
use crate::error::Error;
use crate::session::{Session, get};
use pgward_model::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// The whole catalog with the traffic of statements, where `pg_stat_statements` is there, and the
/// conditions around it. Some ten milliseconds per thousand relations; not for a one-second timer.
///
/// # Errors
/// [`Error::Query`]; [`Error::CatalogLocked`] while DDL waits or runs on a table with an index or a
/// view, and names who holds it.
pub fn read(session: &Session) -> Result<Catalog, Error> {
    let conditions = conditions::read(session)?;
    let mut catalog = schema(session).map_err(|error| locked(error, &conditions))?;
    catalog.statements = statements(session)?;
    catalog.histories = Some(crate::applied::read(session)?);
    catalog.conditions = Some(conditions);
    catalog.role = role(session)?;
    Ok(catalog)
}

/// The catalog without the traffic of statements and without conditions.
///
/// # Errors
/// [`Error::Query`], among others 55P03 while DDL waits or runs on a table with an index or a view.
pub fn schema(session: &Session) -> Result<Catalog, Error> {
    let mut relations = relations(session)?;
    let position: HashMap<u32, usize> =
        relations.iter().enumerate().map(|(i, r)| (r.oid, i)).collect();
    let mut with = |oid: u32, f: &mut dyn FnMut(&mut RelationInfo)| {
        if let Some(relation) = position.get(&oid).and_then(|i| relations.get_mut(*i)) {
            f(relation);
        }
    };
    for row in session.query(include_str!("../queries/columns.sql"), &[])? {
        let column = ColumnInfo {
            name: get(&row, 1)?,
            data_type: get(&row, 2)?,
            not_null: get(&row, 3)?,
            default: get(&row, 4)?,
            generated: get::<String>(&row, 5)?.chars().next(),
        };
        let nulls: Option<f64> = get(&row, 6)?;
        with(get(&row, 0)?, &mut |r| {
            r.null_shares.extend(nulls.map(|share| (column.name.clone(), share)));
            r.columns.push(column.clone());
        });
    }
    for row in session.query(include_str!("../queries/indexes.sql"), &[])? {
        let index = IndexInfo {
            name: get(&row, 1)?,
            definition: get(&row, 2)?,
            columns: get(&row, 3)?,
            unique: get(&row, 4)?,
            primary: get(&row, 5)?,
            valid: get(&row, 6)?,
            constraint: get(&row, 7)?,
            scans: get(&row, 8)?,
            bytes: get(&row, 9)?,
        };
        with(get(&row, 0)?, &mut |r| r.indexes.push(index.clone()));
    }
    for row in session.query(include_str!("../queries/constraints.sql"), &[])? {
        let schema: Option<String> = get(&row, 5)?;
        let name: Option<String> = get(&row, 6)?;
        let constraint = ConstraintInfo {
            name: get(&row, 1)?,
            kind: letter(&get::<String>(&row, 2)?),
            definition: get(&row, 3)?,
            validated: get(&row, 4)?,
            references: schema.zip(name).map(|(s, n)| Relation::new(s, n)),
        };
        with(get(&row, 0)?, &mut |r| r.constraints.push(constraint.clone()));
    }
    Ok(Catalog {
        relations,
        objects: objects(session)?,
        search_path: search_path(session)?,
        ..Catalog::new(clock::now(), session.version(), session.target().database())
    })
}

/// What the role of this session may do; `None` where it has been dropped meanwhile.
fn role(session: &Session) -> Result<Option<ReadingRole>, Error> {
    let sql = "SELECT r.rolname::text, r.rolsuper,
            ARRAY(SELECT g.rolname::text FROM pg_catalog.pg_roles g
                WHERE pg_catalog.pg_has_role(r.oid, g.oid, 'USAGE') ORDER BY 1 LIMIT 10000),
            ARRAY(SELECT n.nspname::text FROM pg_catalog.pg_namespace n
                WHERE pg_catalog.has_schema_privilege(r.oid, n.oid, 'CREATE')
                    AND n.nspname !~ '^pg_(toast|temp)' ORDER BY 1 LIMIT 10000)
        FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";
    let rows = session.query(sql, &[])?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(ReadingRole {
        name: get(row, 0)?,
        superuser: get(row, 1)?,
        acts_as: get(row, 2)?,
        creates_in: get(row, 3)?,
    }))
}

/// As this session finds names: `"$user"` resolved, schemas that are not there left out. Empty
/// where it looks into the system's alone, as a watching session does.
fn search_path(session: &Session) -> Result<Vec<String>, Error> {
    session.query_one(
        "SELECT coalesce(pg_catalog.array_agg(s ORDER BY n), '{}')::text[]
         FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS p (s, n)
         WHERE s <> 'pg_catalog'",
        &[],
    )
}

/// Who keeps us from the catalog, where that is why it could not be read.
fn locked(error: Error, conditions: &Conditions) -> Error {
    if error.sqlstate() != Some("55P03") {
        return error;
    }
    let exclusive = |locks: &[TableLock]| {
        let mut locks = locks.iter().filter(|l| l.mode == LockMode::AccessExclusive);
        locks.next().map(|l| l.relation.to_string())
    };
    let prepared = conditions.prepared.iter().flatten().filter_map(|t| {
        let table = exclusive(&t.locks)?;
        let age = human_duration(t.age_s);
        Some(format!("{table} is locked by transaction {}, prepared {age} ago", t.gid))
    });
    let open = conditions.transactions.iter().flatten().filter_map(|t| {
        let (table, age) = (exclusive(&t.locks)?, human_duration(t.age_s));
        let OpenTransaction { pid, role, application, state, .. } = t;
        let who = format!("pid {pid} ({role}, {application}, {state})");
        Some(format!("{table} is locked by {who} for {age}"))
    });
    let by = prepared.chain(open).next();
    let by = by.unwrap_or_else(|| "DDL runs on a table, or waits for one".to_owned());
    Error::CatalogLocked { by, source: Box::new(error) }
}

/// A number that changes whenever a user's relation, column, index or function does;
/// cheap enough for every few seconds.
///
/// # Errors
/// [`Error::Query`].
pub fn fingerprint(session: &Session) -> Result<i64, Error> {
    session.query_one(
        "SELECT coalesce(sum(h), 0)::bigint FROM (
             SELECT pg_catalog.hashtext(c.oid || ' ' || c.relname || ' ' || c.relnamespace
                 || ' ' || c.relowner || ' ' || c.relnatts || coalesce(i.indisvalid::text, ''))::bigint AS h
             FROM pg_catalog.pg_class c
             LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
             WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind <> 't'
             UNION ALL
             SELECT pg_catalog.hashtext(a.attrelid || ' ' || a.attnum || ' ' || a.attname
                 || ' ' || a.atttypid || ' ' || a.attnotnull)::bigint
             FROM pg_catalog.pg_attribute a WHERE a.attrelid >= 16384 AND a.attnum > 0
             UNION ALL
             SELECT pg_catalog.hashtext(p.oid || ' ' || p.proname || p.prosrc)::bigint
             FROM pg_catalog.pg_proc p WHERE p.oid >= 16384
             UNION ALL
             SELECT pg_catalog.hashtext(k.oid || ' ' || k.conname || k.convalidated)::bigint
             FROM pg_catalog.pg_constraint k WHERE k.oid >= 16384
         ) AS parts",
        &[],
    )
}

/// The most expensive statements of applications; empty without `pg_stat_statements`.
///
/// # Errors
/// [`Error::Query`] for anything but its absence.
pub fn statements(session: &Session) -> Result<Vec<StatementTraffic>, Error> {
    let sql = include_str!("../queries/statement_traffic.sql");
    let Some(sql) = on_statements(session, sql)? else { return Ok(Vec::new()) };
    let since = conditions::statements_since(session)?;
    session
        .query(&sql, &[])?
        .iter()
        .map(|row| {
            Ok(StatementTraffic {
                query_id: get(row, 0)?,
                text: get(row, 1)?,
                role: get(row, 2)?,
                calls: get(row, 3)?,
                total_ms: get(row, 4)?,
                since,
            })
        })
        .collect()
}

/// A query on `pg_stat_statements`, which lives where its owner put it; `None` when the
/// extension is not there or not loaded.
///
/// The schema comes from the catalog, not from `search_path`: else whoever may create a function
/// of that name decides what the watcher reads.
///
/// # Errors
/// [`Error::Query`].
pub fn on_statements(session: &Session, sql: &str) -> Result<Option<String>, Error> {
    let rows = session.query(
        "SELECT pg_catalog.quote_ident(n.nspname)
         FROM pg_catalog.pg_extension e
         JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
         WHERE e.extname = 'pg_stat_statements'
            AND pg_catalog.current_setting('pg_stat_statements.max', true) IS NOT NULL",
        &[],
    )?;
    let Some(row) = rows.first() else { return Ok(None) };
    let schema: String = get(row, 0)?;
    let qualified = format!("FROM {schema}.pg_stat_statements");
    Ok(Some(sql.replace("FROM pg_stat_statements", &qualified)))
}

/// `system_identifier` of the cluster: who it is, whatever its host name.
///
/// # Errors
/// [`Error::Query`].
pub fn system_identifier(session: &Session) -> Result<String, Error> {
    session.query_one("SELECT system_identifier::text FROM pg_catalog.pg_control_system()", &[])
}

fn relations(session: &Session) -> Result<Vec<RelationInfo>, Error> {
    session
        .query(include_str!("../queries/relations.sql"), &[])?
        .iter()
        .map(|row| {
            let parent: Option<(String, String)> =
                get::<Option<String>>(row, 13)?.zip(get(row, 14)?);
            let (is_default, detach_pending) = (get(row, 15)?, get(row, 17)?);
            let inherits: Vec<String> = get(row, 16)?;
            Ok(RelationInfo {
                oid: get(row, 0)?,
                relation: Relation::new(get::<String>(row, 1)?, get::<String>(row, 2)?),
                kind: letter(&get::<String>(row, 3)?),
                owner: get(row, 4)?,
                relfilenode: get(row, 5)?,
                n_rows: get(row, 6)?,
                table_bytes: get(row, 7)?,
                seq_scans: get(row, 8)?,
                idx_scans: get(row, 9)?,
                rows_inserted: get(row, 10)?,
                rows_updated: get(row, 11)?,
                rows_deleted: get(row, 12)?,
                columns: Vec::new(),
                indexes: Vec::new(),
                constraints: Vec::new(),
                partition: parent.map(|(schema, name)| PartitionInfo {
                    parent: Relation::new(schema, name),
                    is_default,
                    detach_pending,
                }),
                inherits: named(&inherits),
                null_shares: BTreeMap::new(),
                unlogged: get(row, 18)?,
            })
        })
        .collect()
}

fn objects(session: &Session) -> Result<Vec<ObjectInfo>, Error> {
    session
        .query(include_str!("../queries/objects.sql"), &[])?
        .iter()
        .map(|row| {
            let uses: Vec<String> = get(row, 3)?;
            Ok(ObjectInfo {
                kind: get(row, 0)?,
                identity: get(row, 1)?,
                definition: get(row, 2)?,
                uses: named(&uses),
            })
        })
        .collect()
}

/// `schema.name` each.
fn named(list: &[String]) -> Vec<Relation> {
    let parts = list.iter().filter_map(|name| name.split_once('.'));
    parts.map(|(schema, name)| Relation::new(schema, name)).collect()
}

fn letter(text: &str) -> char {
    text.chars().next().unwrap_or('?')
}
