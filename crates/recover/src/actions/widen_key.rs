//! Widens a key that is at its end, and the columns that refer to it, to bigint.

use super::{Action, Cx, bounded_count, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_incident::unsaid;
use pgward_model::prelude::*;
use pgward_pg::session::{Row, get};

pub(super) static ACTION: Action = Action {
    id: "widen_key",
    title: "Widen the key and its references to bigint",
    price: "each table is written anew under ACCESS EXCLUSIVE; by itself only where that takes no \
            longer than clients bear, else with approval",
    plan,
};

/// What clients bear to wait for; the guard cancels a step behind which they wait longer.
const BEARABLE_S: f64 = 2.0;
/// Rows of narrow tables written anew in a second, indexes and foreign key included: 140,000 to
/// 280,000 were measured under load on two busy cores, the least rounded down counts.
const ROWS_PER_S: f64 = 100_000.0;

/// Several tables are locked one after the other, in an order that clients may reverse: we give
/// up before `deadlock_timeout` (1 s) makes the server choose one of us, and try again.
const LIMITS: Limits = Limits { lock_timeout_ms: 800, ..Limits::SHORT };

/// The tables that hold the rows of one: itself, its partitions, its heirs.
fn holders(case: &Case, relation: &Relation) -> Vec<Relation> {
    let tables = case.catalog.as_ref().map_or(&[][..], |c| c.relations.as_slice());
    let (mut all, mut open) = (vec![relation.clone()], vec![relation.clone()]);
    while let Some(above) = open.pop() {
        let below = tables.iter().filter(|t| t.is_part_of(&above)).map(|t| t.relation.clone());
        let new: Vec<Relation> = below.filter(|r| !all.contains(r)).collect();
        all.extend(new.iter().cloned());
        open.extend(new);
    }
    let is_bare = |r: &Relation| tables.iter().any(|t| t.kind == 'p' && t.relation.same_as(r));
    all.retain(|r| !is_bare(r));
    all
}

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let keys = case.window.samples.iter().rev().find_map(|s| s.keys.as_ref());
    let mut keys = keys.ok_or_else(|| refuse(&ACTION, "keys were not seen"))?.clone();
    let relation = likely.relations.first().ok_or_else(|| refuse(&ACTION, "no key is named"))?;
    keys.extend(undeclared(case, relation, &keys));
    let at_end = keys.iter().filter(|k| k.relation.same_as(relation));
    let at_end = at_end.max_by(|a, b| a.used().total_cmp(&b.used()));
    let at_end = at_end.ok_or_else(|| refuse(&ACTION, "the key is not known"))?;
    let root = at_end.key();
    let narrow = |k: &&KeyLimit| k.key().same_as(root) && k.type_limit < i64::MAX;
    let mut columns: Vec<&KeyLimit> = keys.iter().filter(narrow).collect();
    columns.sort_by_key(|k| (k.refers_to.is_some(), k.relation.clone())); // the key comes first
    let own = keys.iter().find(|k| k.refers_to.is_none() && k.relation.same_as(root));
    let room = columns.iter().map(|k| k.type_limit).min().unwrap_or(i64::MAX);
    if let Some(own) = own.filter(|k| k.limit < room) {
        return Ok(raise(own, room));
    }
    let views = views(cx, &columns)?;
    let to = |k: &KeyLimit, data_type: &str| {
        let (table, column) = (k.relation.quoted(), quote_ident(&k.column));
        format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {data_type}")
    };
    let mut statements: Vec<String> = columns.iter().map(|k| to(k, "bigint")).collect();
    if let Some(own) = own.filter(|k| k.limit < i64::MAX) {
        statements.push(format!("ALTER SEQUENCE {} AS bigint NO MAXVALUE", own.sequence.quoted()));
    }
    if statements.is_empty() {
        return Err(refuse(&ACTION, format!("{} and its references are bigint", at_end.column)));
    }
    let names: Vec<String> =
        columns.iter().map(|k| format!("{}.{}", k.relation, k.column)).collect();
    let holders = columns.iter().flat_map(|k| holders(case, &k.relation));
    let rows = holders.map(|r| n_rows(cx, case, &r)).sum::<Option<f64>>();
    let title = match views.len() {
        0 => format!("widen {} to bigint", names.join(", ")),
        n => format!("widen {} to bigint, with {n} views made again as they are", names.join(", ")),
    };
    let act = Act::Sql { statements: without(&views, statements), transaction: true };
    let mut widen = step(title.clone(), act, LIMITS);
    let narrow = columns.iter().map(|k| to(k, &k.data_type)).collect();
    widen.undo = Undo::Lossy {
        statements: without(&views, narrow),
        loses: "numbers above the old limit: with such rows the statement refuses".to_owned(),
    };
    Ok(runbook(
        &ACTION,
        title,
        "inserts fail until the key holds more; negative numbers would depend on the application",
        loss(rows),
        vec![widen],
    ))
}

/// References of the key that no foreign key declares, and the column of the table that the failing
/// statements fill.
fn undeclared(case: &Case, relation: &Relation, keys: &[KeyLimit]) -> Vec<KeyLimit> {
    let is_key = |k: &&KeyLimit| k.refers_to.is_none() && k.relation.same_as(relation);
    let mut found: Vec<KeyLimit> = match keys.iter().find(is_key) {
        Some(key) => unsaid::of_key(case, key, keys),
        None => Vec::new(),
    };
    let fails = |e: &&LogEntry| e.severity == "ERROR" && e.sqlstate == "22003";
    let line = case.window.recent().iter().flat_map(|s| &s.log).find(fails);
    let filled = line.map(|line| unsaid::filled_by(case, line)).unwrap_or_default();
    let is_new =
        |k: &KeyLimit| !keys.iter().any(|o| (&o.relation, &o.column) == (&k.relation, &k.column));
    let declared = |k: &KeyLimit| k.refers_to.is_some() && k.relation.same_as(relation);
    found.extend(filled.into_iter().filter(|k| declared(k) && is_new(k)));
    found
}

/// The columns have room, the sequence's own MAXVALUE has not: no row is written.
fn raise(own: &KeyLimit, room: i64) -> Runbook {
    let sequence = own.sequence.quoted();
    let to = |most: i64| format!("ALTER SEQUENCE {sequence} AS bigint MAXVALUE {most}");
    let title = format!("let sequence {} give numbers up to {room}", own.sequence);
    let act = Act::Sql { statements: vec![to(room)], transaction: true };
    let mut raise = step(title.clone(), act, LIMITS);
    raise.expectations = vec![Expectation {
        claim: format!("sequence {} has numbers left", own.sequence),
        sql: format!(
            "SELECT s.seqmax = {room} FROM pg_catalog.pg_sequence s \
             WHERE s.seqrelid = {}::pg_catalog.regclass",
            quote_literal(&sequence)
        ),
        within_ms: 5_000,
    }];
    raise.undo = Undo::Lossy {
        statements: vec![to(own.limit)],
        loses: "numbers above the old limit: once one was given the statement refuses".to_owned(),
    };
    runbook(
        &ACTION,
        title,
        "the sequence is narrower than every column that holds its numbers",
        lossless("no row is written"),
        vec![raise],
    )
}

fn loss(rows: Option<f64>) -> Loss {
    match rows.map(|n| n / ROWS_PER_S) {
        Some(s) if s <= BEARABLE_S => Loss {
            n_rows: Some(0),
            explain: format!("the rows are written anew in about {}", human_duration(s)),
        },
        Some(s) => Loss {
            n_rows: None,
            explain: format!("nobody can use the tables for about {}", human_duration(s)),
        },
        None => Loss { n_rows: None, explain: "how long the tables are locked".to_owned() },
    }
}

/// By the statistics, and counted where those have none.
fn n_rows(cx: &Cx<'_>, case: &Case, relation: &Relation) -> Option<f64> {
    let known = case.catalog.as_ref().and_then(|c| c.relation(relation)?.n_rows);
    let count = || {
        let sql = format!("SELECT count(*) FROM {}", relation.quoted());
        bounded_count(cx.session, &sql).map(|n| n as f64)
    };
    known.filter(|n| *n >= 0.0).or_else(count)
}

/// A view that shows the column, or another such view: it goes before the change and comes again
/// after it, since it keeps the type of its columns.
struct View {
    name: String,
    /// Definition, owner, comment and rights.
    makes: Vec<String>,
}

/// The statements with the views out of the way.
fn without(views: &[View], statements: Vec<String>) -> Vec<String> {
    let drop = views.iter().map(|v| format!("DROP VIEW {}", v.name));
    let make = views.iter().rev().flat_map(|v| v.makes.iter().cloned());
    drop.chain(statements).chain(make).collect()
}

/// The views behind the columns, outermost first.
///
/// # Errors
/// When one cannot be made again letter by letter, or the catalog cannot be read.
fn views(cx: &Cx<'_>, columns: &[&KeyLimit]) -> Result<Vec<View>, Error> {
    let tables: Vec<String> = columns.iter().map(|k| k.relation.quoted()).collect();
    let names: Vec<&str> = columns.iter().map(|k| k.column.as_str()).collect();
    // Names in a definition are written out as far as the path does not reach them.
    cx.session.simple("BEGIN READ ONLY; SET LOCAL search_path = pg_catalog")?;
    let rows = cx.session.query(VIEWS, &[&tables, &names]);
    cx.session.simple("COMMIT")?;
    let view = |row: &Row| -> Result<View, Error> {
        let (name, keeps): (String, Option<String>) = (get(row, 0)?, get(row, 1)?);
        match keeps {
            None => Ok(View { name, makes: get(row, 2)? }),
            Some(what) => Err(refuse(
                &ACTION,
                format!(
                    "{name} shows {} and has {what}: drop it, widen, and make it again",
                    names.join(", ")
                ),
            )),
        }
    };
    rows?.iter().map(view).collect()
}

const VIEWS: &str = "
WITH RECURSIVE tables AS (
    SELECT to_regclass(k.relation)::oid AS oid, k.name
    FROM unnest($1::text[], $2::text[]) AS k (relation, name)
    UNION
    SELECT i.inhrelid, t.name FROM tables t JOIN pg_inherits i ON i.inhparent = t.oid
),
columns AS (
    SELECT a.attrelid, a.attnum
    FROM tables t
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = t.name
),
behind AS (
    SELECT r.ev_class AS oid, 1 AS depth
    FROM columns c
    JOIN pg_depend d
      ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.attrelid AND d.refobjsubid = c.attnum
    JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    WHERE r.ev_class <> c.attrelid
    UNION
    SELECT r.ev_class, b.depth + 1
    FROM behind b
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.oid
    JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    WHERE r.ev_class <> b.oid AND b.depth < 32
),
views AS (
    SELECT
        c.*,
        max(b.depth) OVER (PARTITION BY c.oid) AS depth,
        row_number() OVER (PARTITION BY c.oid) AS nth,
        quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM behind b
    JOIN pg_class c ON c.oid = b.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
)
SELECT
    v.name,
    CASE
        WHEN v.relkind <> 'v' THEN 'rows of its own'
        WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = v.oid) THEN 'triggers'
        WHEN EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = v.oid AND r.rulename <> '_RETURN')
            THEN 'rules'
        WHEN EXISTS (
            SELECT FROM pg_attribute a
            LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
            WHERE a.attrelid = v.oid
              AND (a.attacl IS NOT NULL OR f.oid IS NOT NULL
                   OR col_description(v.oid, a.attnum) IS NOT NULL)
        ) THEN 'rights, defaults or comments of its columns'
    END,
    array_remove(
        ARRAY[
            'CREATE VIEW ' || v.name
                || coalesce(' WITH (' || array_to_string(v.reloptions, ', ') || ')', '')
                || ' AS ' || rtrim(pg_get_viewdef(v.oid), '; '),
            'ALTER VIEW ' || v.name || ' OWNER TO ' || quote_ident(pg_get_userbyid(v.relowner)),
            'COMMENT ON VIEW ' || v.name || ' IS ' || quote_literal(obj_description(v.oid, 'pg_class'))
        ] || ARRAY(
            -- What the default rights of its maker give with every CREATE.
            SELECT DISTINCT
                'REVOKE ALL ON ' || v.name || ' FROM '
                || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
            FROM pg_default_acl d, aclexplode(d.defaclacl) x
            WHERE pg_get_userbyid(d.defaclrole) = current_user
              AND d.defaclobjtype = 'r'
              AND d.defaclnamespace IN (0, v.relnamespace)
              AND x.grantee <> v.relowner
        ) || ARRAY(
            SELECT
                'GRANT ' || string_agg(x.privilege_type, ', ') || ' ON ' || v.name || ' TO '
                || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
                || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
            FROM aclexplode(v.relacl) x
            WHERE x.grantee <> v.relowner
            GROUP BY x.grantee, x.is_grantable
        ),
        NULL
    )
FROM views v
WHERE v.nth = 1
ORDER BY v.depth DESC, v.name";
