//! Builds a dropped index again, proves that it serves, then drops the one that came instead.

use super::{Action, Cx, droppable, index_of, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;
use pgward_sql::action::Action as Change;
use std::collections::BTreeSet;

pub(super) static ACTION: Action = Action {
    id: "rebuild_index",
    title: "Build the old index again without blocking writes",
    price: "time and disk for one index; the new index is dropped only after the old one serves",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let dropped = dropped(likely)?;
    let mut steps = build(cx, likely)?;
    steps.extend(newcomers(cx, case, dropped, likely)?.iter().map(drop_step));
    let relation = dropped.relation.clone().unwrap_or_default();
    Ok(runbook(
        &ACTION,
        format!(
            "Build index {} on {relation} again",
            index_of(dropped).map_or(String::new(), |i| i.name)
        ),
        "CONCURRENTLY blocks no write, and nothing is dropped before the plan is proven",
        lossless("an index holds no data of its own"),
        steps,
    ))
}

/// The index that was dropped and whose definition is known: that of the whole table, where it went
/// with those of its partitions, else the last one.
fn dropped(likely: &Likely) -> Result<&DdlEvent, Error> {
    let last = known(likely).next_back();
    known(likely)
        .find(|d| of_whole_table(d))
        .or(last)
        .ok_or_else(|| refuse(&ACTION, "no dropped index with a known definition is to blame"))
}

fn known(likely: &Likely) -> impl DoubleEndedIterator<Item = &DdlEvent> {
    likely
        .ddl
        .iter()
        .filter(|d| d.dropped && d.object_kind == "index" && d.old_definition.is_some())
}

/// `pg_get_indexdef` writes ONLY for the index of a partitioned table.
fn of_whole_table(event: &DdlEvent) -> bool {
    event.old_definition.as_ref().is_some_and(|d| d.contains(" ON ONLY "))
}

/// Partitions whose indexes are built one after the other.
const PARTITIONS_MAX: usize = 100;

/// The index of a partitioned table cannot be built CONCURRENTLY: those of its partitions are, and
/// then made one of the whole.
fn build_whole(cx: &Cx<'_>, likely: &Likely, whole: &DdlEvent) -> Result<Vec<Step>, Error> {
    let parts: Vec<&DdlEvent> = known(likely).filter(|d| !of_whole_table(d)).collect();
    if known(likely).filter(|d| of_whole_table(d)).count() > 1 {
        return Err(refuse(&ACTION, "partitions of partitions lost theirs too"));
    }
    if parts.len() > PARTITIONS_MAX {
        return Err(refuse(&ACTION, format!("{} partitions lost theirs too", parts.len())));
    }
    let (mut steps, mut statements) = (Vec::new(), Vec::new());
    let (old, relation, definition) = parts_of(whole)?;
    let name = free_name(cx, &old)?;
    statements.push(renamed(&definition, &old, &name, "")?);
    for part in parts {
        let (part_old, table, definition) = parts_of(part)?;
        let part_name = free_name(cx, &part_old)?;
        steps.push(build_step(&definition, &part_old, &part_name, &table)?);
        statements.push(format!(
            "ALTER INDEX {} ATTACH PARTITION {}",
            name.quoted(),
            part_name.quoted()
        ));
    }
    let act = Act::Sql { statements, transaction: true };
    let mut join = step(format!("make them {} of {relation}", name.name), act, Limits::SHORT);
    join.undo = Undo::Exact { statements: vec![format!("DROP INDEX {}", name.quoted())] };
    let used = format!(
        "SELECT coalesce((SELECT sum(s.idx_scan) > 0 FROM pg_catalog.pg_inherits h \
         JOIN pg_catalog.pg_stat_user_indexes s ON s.indexrelid = h.inhrelid \
         WHERE h.inhparent = pg_catalog.to_regclass({})), false)",
        quote_literal(&name.quoted())
    );
    steps.push(join);
    steps.push(prove(&name, used));
    Ok(steps)
}

/// Name, table and definition of a dropped index, which must be one of that table alone.
fn parts_of(event: &DdlEvent) -> Result<(Relation, Relation, String), Error> {
    let definition = event.old_definition.clone().unwrap_or_default();
    let relation = event.relation.clone().unwrap_or_default();
    let old =
        index_of(event).ok_or_else(|| refuse(&ACTION, format!("{} is no name", event.identity)))?;
    only_an_index(&definition, &relation)?;
    Ok((old, relation, definition))
}

/// Steps that build the dropped index again and prove that it serves.
pub(super) fn build(cx: &Cx<'_>, likely: &Likely) -> Result<Vec<Step>, Error> {
    let dropped = dropped(likely)?;
    if of_whole_table(dropped) {
        return build_whole(cx, likely, dropped);
    }
    let (old, relation, definition) = parts_of(dropped)?;
    let name = free_name(cx, &old)?;
    let used = format!(
        "SELECT coalesce((SELECT s.idx_scan > 0 FROM pg_catalog.pg_stat_user_indexes s \
         WHERE s.indexrelid = pg_catalog.to_regclass({})), false)",
        quote_literal(&name.quoted())
    );
    let build = build_step(&definition, &old, &name, &relation)?;
    if !has_expressions(&definition) {
        return Ok(vec![build, prove(&name, used)]);
    }
    // It served as well who never scanned it: by what the planner knows of its expressions.
    let known = format!(
        "{used} OR EXISTS (SELECT FROM pg_catalog.pg_stats s WHERE s.schemaname = {} AND \
         s.tablename = {})",
        quote_literal(&name.schema),
        quote_literal(&name.name)
    );
    let mut prove = prove(&name, known);
    if let Some(used) = prove.expectations.last_mut() {
        used.claim = format!("{}, or the planner knows its expressions", used.claim);
    }
    Ok(vec![build, analyze(&relation), prove])
}

/// A new index has no statistics of its expressions until its table is analyzed.
fn analyze(table: &Relation) -> Step {
    let act =
        Act::Sql { statements: vec![format!("ANALYZE {}", table.quoted())], transaction: false };
    let mut analyze = step(format!("analyze {table}, for its expressions"), act, Limits::PATIENT);
    analyze.undo = Undo::Nothing;
    analyze
}

fn build_step(
    definition: &str,
    old: &Relation,
    name: &Relation,
    table: &Relation,
) -> Result<Step, Error> {
    let statements = vec![renamed(definition, old, name, "CONCURRENTLY ")?];
    let mut build = step(
        format!("build {} on {table} CONCURRENTLY", name.name),
        Act::Sql { statements, transaction: false },
        Limits::PATIENT,
    );
    build.undo =
        Undo::Exact { statements: vec![format!("DROP INDEX CONCURRENTLY {}", name.quoted())] };
    Ok(build)
}

/// The index is valid, and by `used` statements use it.
fn prove(name: &Relation, used: String) -> Step {
    let mut prove =
        step(format!("prove that statements use {}", name.name), Act::Verify, Limits::PATIENT);
    prove.expectations = vec![
        Expectation {
            claim: format!("{} is valid", name.name),
            sql: format!(
                "SELECT coalesce((SELECT i.indisvalid FROM pg_catalog.pg_index i WHERE i.indexrelid = \
                 pg_catalog.to_regclass({})), false)",
                quote_literal(&name.quoted())
            ),
            within_ms: 5_000,
        },
        Expectation {
            claim: format!("statements use {}", name.name),
            sql: used,
            within_ms: 30_000, // statistics reach the view a second after a statement ends
        },
    ];
    prove
}

/// The definition comes from a table that others may write to: it must be one CREATE INDEX on
/// that table and nothing else.
fn only_an_index(definition: &str, table: &Relation) -> Result<(), Error> {
    let file = pgward_sql::read("-", definition);
    let actions: Vec<Change> = file.statements.iter().flat_map(pgward_sql::actions).collect();
    let is_one = file.statements.len() == 1
        && matches!(actions.as_slice(), [Change::CreateIndex(index)] if index.table.same_as(table));
    if is_one {
        return Ok(());
    }
    Err(refuse(&ACTION, format!("not one definition of an index of {table}: {definition}")))
}

/// The old name, or one beside it when something else has taken it.
fn free_name(cx: &Cx<'_>, old: &Relation) -> Result<Relation, Error> {
    for suffix in ["", "_restored", "_restored2"] {
        let name = Relation::new(old.schema.clone(), format!("{}{suffix}", old.name));
        let taken: bool = cx
            .session
            .query_one("SELECT pg_catalog.to_regclass($1) IS NOT NULL", &[&name.quoted()])?;
        if !taken {
            return Ok(name);
        }
    }
    Err(refuse(&ACTION, format!("the name {} and those beside it are taken", old.name)))
}

/// `pg_get_indexdef` always begins `CREATE [UNIQUE] INDEX name ON`.
fn renamed(definition: &str, old: &Relation, name: &Relation, how: &str) -> Result<String, Error> {
    let (head, rest) = definition
        .split_once(" INDEX ")
        .ok_or_else(|| refuse(&ACTION, format!("not an index definition: {definition}")))?;
    let rest = rest
        .strip_prefix(&quote_ident(&old.name))
        .or_else(|| rest.strip_prefix(&old.name))
        .ok_or_else(|| {
            refuse(&ACTION, format!("not a definition of {}: {definition}", old.name))
        })?;
    Ok(format!("{head} INDEX {how}{}{rest}", quote_ident(&name.name)))
}

/// Indexes of the table that came in the place of the dropped one: that bear its name, or that who
/// dropped it made with a column of its, and were not there before the trouble. What others built
/// beside it stays. The change may still be at work, so the present catalog is asked; dropping
/// CONCURRENTLY waits for a build to end.
fn newcomers(
    cx: &Cx<'_>,
    case: &Case,
    dropped: &DdlEvent,
    likely: &Likely,
) -> Result<Vec<(Relation, String)>, Error> {
    let (Some(before), Some(table)) = (&case.window.catalog, &dropped.relation) else {
        return Ok(Vec::new());
    };
    let now = pgward_pg::catalog::schema(cx.session)?;
    let old = |name: &str| before.relation(table).and_then(|r| r.index(name));
    let by_dropper = |name: &Relation| {
        let made = likely.ddl.iter().filter(|d| !d.dropped && d.role == dropped.role);
        made.into_iter().any(|d| index_of(d).is_some_and(|made| made.same_as(name)))
    };
    let replaces = |name: &Relation, definition: &str| {
        let has_its_name = index_of(dropped).is_some_and(|old| old.same_as(name));
        let old_definition = dropped.old_definition.as_deref().unwrap_or_default();
        has_its_name || (by_dropper(name) && share_a_column(definition, old_definition))
    };
    let indexes = now.relation(table).map(|r| r.indexes.as_slice()).unwrap_or_default();
    let found = indexes.iter().filter_map(|i| {
        let name = Relation::new(table.schema.clone(), i.name.clone());
        let is_new = old(&i.name).is_none_or(|old| old.definition != i.definition);
        let info = droppable(&now, &name, Some(table)).ok()?;
        (is_new && replaces(&name, &i.definition)).then_some((name, info.definition))
    });
    Ok(found.collect())
}

/// Do the keys of two indexes of one table have a column in common?
fn share_a_column(a: &str, b: &str) -> bool {
    let words = |definition: &str| -> BTreeSet<String> {
        let listed = definition.split_once('(').map_or("", |(_, columns)| columns);
        let key = [" WHERE ", " INCLUDE ", " WITH ", " TABLESPACE "]
            .iter()
            .fold(listed, |key, end| key.split(end).next().unwrap_or(key));
        let words = key.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.filter(|w| !w.is_empty() && !NO_COLUMNS.contains(w)).map(str::to_owned).collect()
    };
    !words(a).is_disjoint(&words(b))
}

/// Words of a key that are none of its columns.
const NO_COLUMNS: [&str; 8] = ["DESC", "ASC", "NULLS", "FIRST", "LAST", "lower", "upper", "text"];

fn drop_step((name, definition): &(Relation, String)) -> Step {
    let mut drop = step(
        format!("drop {}, which came in its place", name.name),
        Act::Sql {
            statements: vec![format!("DROP INDEX CONCURRENTLY {}", name.quoted())],
            transaction: false,
        },
        Limits::PATIENT,
    );
    drop.undo =
        Undo::Exact { statements: vec![definition.replacen(" INDEX ", " INDEX CONCURRENTLY ", 1)] };
    drop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_made_concurrent_under_a_free_name() {
        let old = Relation::new("public", "Orders by day");
        let name = Relation::new("public", "orders_restored");
        let definition = "CREATE UNIQUE INDEX \"Orders by day\" ON public.orders USING btree (a)";
        assert_eq!(
            renamed(definition, &old, &name, "CONCURRENTLY ").unwrap(),
            "CREATE UNIQUE INDEX CONCURRENTLY orders_restored ON public.orders USING btree (a)"
        );
    }

    #[test]
    fn an_index_of_expressions_is_known_by_its_definition() {
        for (listed, is_one) in [
            ("USING btree (court, (((meta ->> 'hours'::text))::integer)) WHERE (a > 1)", true),
            ("USING btree (lower(email))", true),
            ("USING btree (a, b DESC) INCLUDE (c) WHERE (lower(d) = 'x'::text)", false),
            ("USING gin (doc jsonb_path_ops)", false),
        ] {
            let definition = format!("CREATE INDEX i ON public.t {listed}");
            assert_eq!(has_expressions(&definition), is_one, "{listed}");
        }
    }

    #[test]
    fn only_one_index_on_the_table_it_had_is_built_again() {
        let orders = Relation::new("public", "orders");
        let good = "CREATE INDEX a ON public.orders USING btree (a)";
        assert!(only_an_index(good, &orders).is_ok());
        for bad in [
            "CREATE INDEX a ON public.users USING btree (a)",
            "CREATE INDEX a ON public.orders USING btree (a); DROP TABLE users",
            "DROP TABLE users",
            "CREATE INDEX",
            "",
        ] {
            assert!(only_an_index(bad, &orders).is_err(), "{bad}");
        }
    }
}
