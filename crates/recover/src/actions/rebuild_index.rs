//! Builds a dropped index again, proves that it serves, then drops the one that came instead.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "rebuild_index",
    title: "Build the old index again without blocking writes",
    price: "time and disk for one index; the new index is dropped only after the old one serves",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let dropped = likely
        .ddl
        .iter()
        .rev()
        .find(|d| d.dropped && d.object_kind == "index" && d.old_definition.is_some())
        .ok_or_else(|| refuse(&ACTION, "no dropped index with a known definition is to blame"))?;
    let definition = dropped.old_definition.clone().unwrap_or_default();
    let relation = dropped.relation.clone().unwrap_or_default();
    let old = index_name(dropped);
    let name = free_name(cx, &old)?;
    let mut build = step(
        format!("build {} on {relation} CONCURRENTLY", name.name),
        Act::Sql { statements: vec![concurrently(&definition, &old, &name)?], transaction: false },
        Limits::PATIENT,
    );
    build.undo =
        Undo::Exact { statements: vec![format!("DROP INDEX CONCURRENTLY {}", name.quoted())] };
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
            sql: format!(
                "SELECT coalesce((SELECT s.idx_scan > 0 FROM pg_catalog.pg_stat_user_indexes s \
                 WHERE s.indexrelid = pg_catalog.to_regclass({})), false)",
                quote_literal(&name.quoted())
            ),
            within_ms: 30_000, // statistics reach the view a second after a statement ends
        },
    ];
    let mut steps = vec![build, prove];
    steps.extend(newcomers(likely, case, dropped).iter().map(drop_step));
    Ok(runbook(
        &ACTION,
        format!("Build index {} on {relation} again", name.name),
        "CONCURRENTLY blocks no write, and nothing is dropped before the plan is proven",
        lossless("an index holds no data of its own"),
        steps,
    ))
}

fn index_name(event: &DdlEvent) -> Relation {
    let schema = event.relation.as_ref().map_or(String::new(), |r| r.schema.clone());
    let name = event.identity.rsplit('.').next().unwrap_or("").trim_matches('"').to_owned();
    Relation::new(schema, name)
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
fn concurrently(definition: &str, old: &Relation, name: &Relation) -> Result<String, Error> {
    let (head, rest) = definition
        .split_once(" INDEX ")
        .ok_or_else(|| refuse(&ACTION, format!("not an index definition: {definition}")))?;
    let rest = rest
        .strip_prefix(&quote_ident(&old.name))
        .or_else(|| rest.strip_prefix(&old.name))
        .ok_or_else(|| {
            refuse(&ACTION, format!("not a definition of {}: {definition}", old.name))
        })?;
    Ok(format!("{head} INDEX CONCURRENTLY {}{rest}", quote_ident(&name.name)))
}

/// Indexes created on the same table since shortly before the old one went, that still exist.
fn newcomers(likely: &Likely, case: &Case, dropped: &DdlEvent) -> Vec<(Relation, Option<String>)> {
    let catalog = case.catalog.as_ref();
    likely
        .ddl
        .iter()
        .filter(|d| !d.dropped && d.object_kind == "index" && d.pid == dropped.pid)
        .map(index_name)
        .filter_map(|name| match catalog {
            None => Some((name, None)),
            Some(catalog) => catalog
                .index(&name)
                .map(|(_, index)| (name.clone(), Some(index.definition.clone()))),
        })
        .collect()
}

fn drop_step((name, definition): &(Relation, Option<String>)) -> Step {
    let mut drop = step(
        format!("drop {}, which came in its place", name.name),
        Act::Sql {
            statements: vec![format!("DROP INDEX CONCURRENTLY {}", name.quoted())],
            transaction: false,
        },
        Limits::PATIENT,
    );
    drop.undo = match definition {
        Some(definition) => Undo::Exact {
            statements: vec![definition.replacen(" INDEX ", " INDEX CONCURRENTLY ", 1)],
        },
        None => Undo::Impossible { why: "its definition is not known".into() },
    };
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
            concurrently(definition, &old, &name).unwrap(),
            "CREATE UNIQUE INDEX CONCURRENTLY orders_restored ON public.orders USING btree (a)"
        );
    }
}
