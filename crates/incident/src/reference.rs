//! A change of keys that reads all of a table, since the foreign key that points back has no
//! index.

use crate::facts::{cut, verb, who};
use crate::forest;
use crate::reach::Reach;
use crate::roots::{behind, worst_root};
use pgward_model::prelude::*;

/// A foreign key whose columns begin no usable index of its table.
#[derive(Debug)]
struct Bare<'a> {
    child: &'a RelationInfo,
    key: &'a ConstraintInfo,
    columns: Vec<String>,
}

/// Rows from which reading all of them takes ten times as long as the deletion of a row itself:
/// 0.04 ms for a thousand of them here, and a few hundredths of a millisecond for the row.
const N_ROWS_MIN: f64 = 10_000.0;

/// `Likely` when the root of the lock queue deletes rows, or changes keys, of a table that a
/// large one refers to without an index; `None` when it does not.
pub(crate) fn judge(case: &Case) -> Option<Verdict> {
    let works = |root: &forest::Root<'_>, s: &SessionSample| {
        let changes = matches!(verb(&s.query).as_str(), "DELETE" | "UPDATE" | "MERGE" | "WITH");
        // TRUNCATE asks no foreign key about its rows.
        let changes = changes || (s.xid.is_some() && verb(&s.query) != "TRUNCATE");
        s.state == "active" && changes && s.runs_s(root.at) >= forest::QUEUE_S
    };
    let (root, session) = worst_root(case, works)?;
    let catalog = case.catalog.as_ref().or(case.window.catalog.as_ref())?;
    let changed = changed_tables(catalog, &session.query).collect();
    let deletes = verb(&session.query) != "UPDATE";
    let changed = if deletes { and_cascades(catalog, changed) } else { changed };
    let bare = changed
        .into_iter()
        .flat_map(|table| bare(catalog, table))
        .max_by(|a, b| rows(case, a.child).total_cmp(&rows(case, b.child)))?;
    let n_rows = rows(case, bare.child);
    if n_rows < N_ROWS_MIN {
        return None;
    }
    let child = &bare.child.relation;
    let columns = bare.columns.join(", ");
    let parent = bare.key.references.clone().unwrap_or_default();
    let says = format!(
        "{} changes rows of {parent} since {} s, and reads all of {child} for each, since no index of all its rows \
         begins with {columns}, which refers to it ({}); {} sessions wait behind it. It runs: {}",
        who(session),
        human(session.runs_s(root.at)),
        bare.key.name,
        root.waiters.len(),
        cut(&session.query, 200),
    );
    let read = Evidence::measured(
        format!(
            "rows of {child} read for each row that is deleted: no index of all its rows begins with {columns}"
        ),
        n_rows,
        "rows",
        Source::new(SourceKind::Catalog, "pg_constraint, pg_index, pg_class.reltuples"),
    )
    .against(1.0)
    .at(catalog.taken_at);
    Some(Verdict::Likely(
        Likely::new(0.9, says, behind(case, &root, "changes rows"))
            .and(read)
            .by([root.pid])
            .on([child.clone(), parent])
            .act(&["cancel_blocker"]),
    ))
}

/// Tables of the catalog that the statement reaches; what it only reads is asked about for nothing.
fn changed_tables<'a>(
    catalog: &'a Catalog,
    query: &'a str,
) -> impl Iterator<Item = &'a RelationInfo> {
    let reach = Reach::within(catalog, query);
    catalog.relations.iter().filter(move |r| reach.touches(&r.relation))
}

/// Rows that go with theirs (ON DELETE CASCADE) are looked for in turn, so many tables deep.
const DEPTH: usize = 4;

fn and_cascades<'a>(
    catalog: &'a Catalog,
    mut tables: Vec<&'a RelationInfo>,
) -> Vec<&'a RelationInfo> {
    for _ in 0..DEPTH {
        let n = tables.len();
        let behind: Vec<&RelationInfo> = tables
            .iter()
            .flat_map(|t| catalog.referencing(&t.relation))
            .filter(|(_, key)| key.kind == 'f' && key.definition.contains("ON DELETE CASCADE"))
            .map(|(child, _)| child)
            .collect();
        for child in behind {
            if !tables.iter().any(|t| t.relation.same_as(&child.relation)) {
                tables.push(child);
            }
        }
        if tables.len() == n {
            break;
        }
    }
    tables
}

fn bare<'a>(catalog: &'a Catalog, parent: &RelationInfo) -> Vec<Bare<'a>> {
    let all = catalog.referencing(&parent.relation).into_iter().filter(|(_, c)| c.kind == 'f');
    all.filter_map(|(child, key)| {
        let columns = columns(&key.definition)?;
        let serves = |i: &&IndexInfo| i.valid && answers(i, &columns);
        let served = child.indexes.iter().filter(serves).any(|i| {
            let first: Vec<&String> = i.columns.iter().take(columns.len()).collect();
            first.len() == columns.len() && columns.iter().all(|c| first.contains(&c))
        });
        (!served).then_some(Bare { child, key, columns })
    })
    .collect()
}

/// May the lookup of a key use it, whatever its first columns? Not one of part of the rows, unless
/// those are the rows that refer at all, and not one that holds ranges of pages or words.
fn answers(index: &IndexInfo, columns: &[String]) -> bool {
    let (rest, partial) = match index.definition.split_once(" WHERE ") {
        Some((rest, predicate)) => (rest, Some(predicate)),
        None => (index.definition.as_str(), None),
    };
    let refers = |predicate: &str| {
        columns.iter().any(|c| {
            let not_null = |name: &str| format!("({name} IS NOT NULL)");
            predicate == not_null(c) || predicate == not_null(&quote_ident(c))
        })
    };
    let equal = rest.contains(" USING btree ") || rest.contains(" USING hash ");
    (equal || !rest.contains(" USING ")) && partial.is_none_or(refers)
}

/// The columns of `FOREIGN KEY (a, b) REFERENCES …`.
fn columns(definition: &str) -> Option<Vec<String>> {
    let inside = definition.strip_prefix("FOREIGN KEY (")?.split_once(')')?.0;
    let plain = |c: &str| c.trim().trim_matches('"').replace("\"\"", "\"");
    Some(inside.split(',').map(plain).collect())
}

/// Rows as the planner counts them, or as they were counted since.
fn rows(case: &Case, table: &RelationInfo) -> f64 {
    let counted = case.window.table(&table.relation).map(|t| t.n_live as f64);
    counted.or(table.n_rows).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, sample, session};

    fn relation(name: &str, n_rows: f64) -> RelationInfo {
        let table = RelationInfo::new(1, Relation::new("public", name), 'r');
        RelationInfo { n_rows: Some(n_rows), ..table }
    }

    fn index(columns: &[&str]) -> IndexInfo {
        IndexInfo {
            name: "i".into(),
            definition: String::new(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            unique: false,
            primary: false,
            valid: true,
            constraint: false,
            scans: 0,
            bytes: 0.0,
        }
    }

    /// What is said of a DELETE of accounts that others wait for, with events that refer to them.
    fn verdict(n_rows: f64, indexed: &[&str], query: &str) -> Option<Verdict> {
        let mut events = relation("events", n_rows);
        events.constraints.push(ConstraintInfo {
            name: "events_account_id_fkey".into(),
            kind: 'f',
            definition: "FOREIGN KEY (account_id) REFERENCES accounts(id)".into(),
            validated: true,
            references: Some(Relation::new("public", "accounts")),
        });
        events.indexes.push(index(indexed));
        let mut samples = healthy(30);
        let mut last = sample(33, 2900);
        let mut root = session(1, "active", &[]);
        root.query = query.into();
        root.xid = query.contains("purge").then_some(7);
        last.sessions = vec![root, session(2, "active", &[1])];
        samples.push(last);
        let mut case = case(samples, 30);
        case.catalog = Some(Catalog {
            relations: vec![relation("accounts", 9.0), events],
            objects: vec![ObjectInfo {
                kind: "function".into(),
                identity: "public.purge()".into(),
                definition: "DELETE FROM accounts".into(),
                uses: Vec::new(),
            }],
            ..Catalog::new(at(0), 150_018, "shop")
        });
        judge(&case)
    }

    #[test]
    fn rows_that_go_in_cascade_are_looked_for_in_turn() {
        let key = |of: &str, definition: &str| ConstraintInfo {
            name: "fkey".into(),
            kind: 'f',
            definition: definition.to_owned(),
            validated: true,
            references: Some(Relation::new("public", of)),
        };
        let mut pets = relation("pets", 9.0);
        let mut images = relation("images", 9.0);
        for (action, n) in [(" ON DELETE CASCADE", 3), ("", 1)] {
            let owner = format!("FOREIGN KEY (owner) REFERENCES owners(id){action}");
            pets.constraints = vec![key("owners", &owner)];
            let pet = "FOREIGN KEY (pet) REFERENCES pets(id) ON DELETE CASCADE";
            images.constraints = vec![key("pets", pet)];
            let mut catalog = Catalog::new(at(0), 150_018, "shop");
            catalog.relations = vec![relation("owners", 9.0), pets.clone(), images.clone()];
            let owners = catalog.relations.first().unwrap();
            assert_eq!(and_cascades(&catalog, vec![owners]).len(), n, "{action}");
        }
    }

    #[test]
    fn an_index_of_some_rows_or_of_ranges_serves_no_lookup_of_a_key() {
        for (listed, serves) in [
            ("USING btree (account_id)", true),
            ("USING btree (account_id) WHERE (account_id IS NOT NULL)", true),
            ("USING btree (account_id) WHERE (NOT done)", false),
            ("USING brin (account_id)", false),
        ] {
            let definition = format!("CREATE INDEX i ON public.events {listed}");
            let index = IndexInfo { definition, ..index(&["account_id"]) };
            assert_eq!(answers(&index, &["account_id".to_owned()]), serves, "{listed}");
        }
    }

    #[test]
    fn a_large_table_without_an_index_on_its_key_is_named() {
        let delete = "DELETE FROM accounts WHERE created < '2020-01-01'";
        let found = verdict(300_000.0, &["kind", "account_id"], delete).unwrap();
        let says = &found.likely().unwrap().says;
        assert!(says.contains("account_id") && says.contains("events"), "{says}");
        assert!(verdict(300_000.0, &["account_id", "kind"], delete).is_none());
        assert!(verdict(300.0, &["kind"], delete).is_none());
        assert!(verdict(300_000.0, &["kind"], "SELECT 1 FROM accounts").is_none());
        assert!(verdict(300_000.0, &["kind"], "SELECT purge()").is_some());
    }
}
