//! References that no foreign key declares: columns narrower than the keys that statements hold them
//! against, and those that a failing statement fills.

use crate::facts::{mentions, words};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

/// Texts that are looked through: statements, views, functions.
const TEXTS_MAX: usize = 2_000;
/// What an integer holds.
const INTEGER_MAX: i64 = i32::MAX as i64;

/// The columns too narrow for a bigint that a failing statement can have filled with a number out of
/// range, as references: the one that some statement holds against the key of another table; else
/// the only one that it fills. Empty where more than one may be it.
pub fn filled_by(case: &Case, line: &LogEntry) -> Vec<KeyLimit> {
    let Some(catalog) = catalog(case) else { return Vec::new() };
    // The name of the type is the same in every language.
    if !["integer", "smallint"].iter().any(|of| line.message.contains(of)) {
        return Vec::new();
    }
    // A trigger's or a function's own statement stands in the context.
    let text = if line.context.is_empty() { &line.statement } else { &line.context };
    let filled: Vec<(&RelationInfo, &ColumnInfo)> = targets(catalog, text)
        .into_iter()
        .flat_map(|(table, listed)| {
            let narrow = table.columns.iter().filter(|c| is_narrow(c));
            let is_filled = move |c: &&ColumnInfo| listed.is_empty() || listed.contains(&c.name);
            narrow.filter(is_filled).map(move |c| (table, c))
        })
        .collect();
    let texts = texts(case);
    let held: Vec<KeyLimit> = filled
        .iter()
        .filter_map(|(table, column)| {
            let key = key_of(catalog, &texts, &table.relation, &column.name)?;
            Some(reference(case, table, column, Some(key)))
        })
        .filter(|held| held.last_value >= held.limit)
        .collect();
    match (held.len(), filled.as_slice()) {
        (1, _) => held,
        (0, [(table, column)]) => {
            vec![reference(case, table, column, key_in_row(catalog, text))]
        }
        _ => Vec::new(),
    }
}

/// The bigint key that a trigger takes from its row: `NEW.dive_no`, where one table alone has a key
/// of that name.
fn key_in_row(catalog: &Catalog, text: &str) -> Option<(Relation, String)> {
    let lower = text.to_lowercase();
    let taken: BTreeSet<String> = lower
        .match_indices("new.")
        .filter_map(|(at, _)| words(lower.get(at + 4..)?).next().map(str::to_owned))
        .collect();
    let keys = catalog.relations.iter().filter_map(|r| Some((&r.relation, own_key(r)?)));
    let mut named = keys.filter(|(_, key)| taken.contains(*key));
    let (relation, key) = named.next()?;
    named.next().is_none().then(|| (relation.clone(), key.to_owned()))
}

/// Columns of other tables that statements hold against this key, too narrow for a bigint, and that
/// are not among the `known` references.
pub fn of_key(case: &Case, key: &KeyLimit, known: &[KeyLimit]) -> Vec<KeyLimit> {
    let Some(catalog) = catalog(case) else { return Vec::new() };
    let texts = texts(case);
    let is_known = |r: &Relation, column: &str| {
        known.iter().any(|k| k.relation.same_as(r) && k.column == column)
    };
    let holds = |table: &RelationInfo, column: &ColumnInfo| {
        let found = key_of(catalog, &texts, &table.relation, &column.name);
        found.is_some_and(|(relation, name)| relation.same_as(&key.relation) && name == key.column)
    };
    let others = catalog.relations.iter().filter(|t| !t.relation.same_as(&key.relation));
    others
        .filter(|t| t.partition.is_none())
        .flat_map(|t| t.columns.iter().filter(|c| is_narrow(c)).map(move |c| (t, c)))
        .filter(|(t, c)| !is_known(&t.relation, &c.name) && holds(t, c))
        .map(|(t, c)| reference(case, t, c, Some((key.relation.clone(), key.column.clone()))))
        .collect()
}

fn catalog(case: &Case) -> Option<&Catalog> {
    case.window.catalog.as_ref().or(case.catalog.as_ref())
}

fn is_narrow(column: &ColumnInfo) -> bool {
    matches!(column.data_type.as_str(), "integer" | "smallint")
}

/// As a reference that has come to its end.
fn reference(
    case: &Case,
    table: &RelationInfo,
    column: &ColumnInfo,
    key: Option<(Relation, String)>,
) -> KeyLimit {
    let limit = if column.data_type == "smallint" { i64::from(i16::MAX) } else { INTEGER_MAX };
    let keys = case.window.samples.iter().rev().find_map(|s| s.keys.as_ref());
    let of_key = |k: &&KeyLimit| {
        key.as_ref().is_some_and(|(r, name)| k.relation.same_as(r) && k.column == *name)
    };
    let known = keys.into_iter().flatten().find(of_key);
    KeyLimit {
        relation: table.relation.clone(),
        column: column.name.clone(),
        data_type: column.data_type.clone(),
        sequence: known.map(|k| k.sequence.clone()).unwrap_or_default(),
        last_value: known.map_or(limit, |k| k.last_value),
        limit,
        type_limit: limit,
        refers_to: key.map(|(relation, _)| relation),
        begins_anew: false,
    }
}

/// The tables that a text inserts into or updates, each with the columns that it lists.
fn targets<'a>(catalog: &'a Catalog, text: &str) -> Vec<(&'a RelationInfo, BTreeSet<String>)> {
    let lower = text.to_lowercase();
    let mut found = Vec::new();
    for (start, verb) in ["insert into ", "update "].iter().flat_map(|v| {
        lower.match_indices(v).map(|(at, verb)| (at + verb.len(), *v)).collect::<Vec<_>>()
    }) {
        let Some(rest) = lower.get(start..) else { continue };
        let name: String =
            rest.chars().take_while(|c| !c.is_whitespace() && !"(;\"'".contains(*c)).collect();
        let (schema, last) = name.rsplit_once('.').unwrap_or(("", &name));
        let named = Relation::new(schema, last);
        let mut tables = catalog.relations.iter().filter(|r| r.relation.same_as(&named));
        // One that is quoted, or that several schemas have, may be it as well.
        let (Some(table), None) = (tables.next(), tables.next()) else { return Vec::new() };
        let behind = rest.get(name.len()..).unwrap_or("").trim_start();
        let listed = match verb {
            "update " => behind.split(" where ").next().unwrap_or(""),
            _ => behind.strip_prefix('(').and_then(|l| l.split(')').next()).unwrap_or(""),
        };
        found.push((table, words(listed).map(str::to_owned).collect()));
    }
    found
}

/// Texts of statements that were counted, views and functions.
fn texts(case: &Case) -> Vec<&str> {
    let counted = case.window.samples.iter().rev().filter_map(|s| s.statements.as_ref()).take(2);
    let objects = catalog(case).into_iter().flat_map(|c| &c.objects);
    let objects = objects.filter(|o| o.kind.contains("view") || o.kind == "function");
    counted
        .flatten()
        .map(|s| &*s.text)
        .chain(objects.map(|o| o.definition.as_str()))
        .take(TEXTS_MAX)
        .collect()
}

/// The table and column, a bigint that is a key by itself, that some text holds the column against:
/// `a.x = b.y`, or `USING (x)`.
fn key_of(
    catalog: &Catalog,
    texts: &[&str],
    table: &Relation,
    column: &str,
) -> Option<(Relation, String)> {
    let about = texts.iter().filter(|t| mentions(t, &table.name) && mentions(t, column));
    about.into_iter().find_map(|text| {
        let others = held_against(text, column);
        let keys = catalog.relations.iter().filter(|r| !r.relation.same_as(table));
        keys.filter(|r| mentions(text, &r.relation.name)).find_map(|r| {
            let name = own_key(r)?;
            others.iter().any(|other| other == name).then(|| (r.relation.clone(), name.to_owned()))
        })
    })
}

/// The bigint that is a table's primary key by itself.
fn own_key(table: &RelationInfo) -> Option<&str> {
    let key = table.constraints.iter().find(|c| c.kind == 'p')?;
    let listed = key.definition.split_once('(')?.1.split(')').next()?;
    let column = table.columns.iter().find(|c| c.name == listed.trim().trim_matches('"'))?;
    (column.data_type == "bigint").then_some(&column.name)
}

/// Names of columns that a text says are equal to this one.
fn held_against(text: &str, column: &str) -> BTreeSet<String> {
    let apart = text.replace('=', " = ").replace(['(', ')', ',', ';'], " ");
    let tokens: Vec<&str> = apart.split_whitespace().collect();
    let last = |path: &str| path.rsplit('.').next().unwrap_or("").trim_matches('"').to_lowercase();
    let equal = tokens.windows(3).filter(|w| w.get(1) == Some(&"=")).filter_map(|w| {
        let (a, b) = (last(w.first()?), last(w.get(2)?));
        match (a == column, b == column) {
            (true, _) => Some(b),
            (_, true) => Some(a),
            _ => None,
        }
    });
    let using = tokens.windows(2).filter_map(|w| {
        let (word, name) = (w.first()?, last(w.get(1)?));
        (word.eq_ignore_ascii_case("using") && name == column).then_some(name)
    });
    equal.chain(using).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log};

    fn table(name: &str, columns: &[(&str, &str)], key: &str) -> RelationInfo {
        let mut table = RelationInfo::new(1, Relation::new("pottery", name), 'r');
        let column = |(name, data_type): &(&str, &str)| ColumnInfo {
            name: (*name).to_owned(),
            data_type: (*data_type).to_owned(),
            not_null: false,
            default: None,
            generated: None,
        };
        table.columns = columns.iter().map(column).collect();
        table.constraints = vec![ConstraintInfo {
            name: "k".to_owned(),
            kind: 'p',
            definition: format!("PRIMARY KEY ({key})"),
            validated: true,
            references: None,
        }];
        table
    }

    fn kiln(read: &str) -> Case {
        let mut samples = healthy(40);
        samples.last_mut().unwrap().statements = Some(vec![StatementCounters {
            query_id: 1,
            role: "site".to_owned(),
            text: read.into(),
            calls: 1,
            total_ms: 1.0,
            rows: 1,
            blks: 1,
            blks_read: 0,
            squares_ms2: 0.0,
        }]);
        let mut case = case(samples, 30);
        let mut catalog = Catalog::new(at(0), 150_000, "shop");
        catalog.relations = vec![
            table("firing", &[("firing_no", "bigint"), ("celsius", "integer")], "firing_no"),
            table(
                "piece",
                &[("id", "bigint"), ("glaze", "integer"), ("fired_in", "integer")],
                "id",
            ),
        ];
        case.catalog = Some(catalog);
        case
    }

    fn found(read: &str, fails: &str, context: &str) -> Vec<String> {
        let mut line = log(33, "ERROR", "22003", "integer out of range");
        (line.statement, line.context) = (fails.to_owned(), context.to_owned());
        let found = filled_by(&kiln(read), &line);
        found.iter().map(|k| format!("{}.{}", k.relation.name, k.column)).collect()
    }

    #[test]
    fn the_column_that_statements_hold_against_a_key_is_told() {
        let join =
            "SELECT 1 FROM pottery.piece p JOIN pottery.firing f ON f.firing_no = p.fired_in";
        let fails = "WITH f AS (INSERT INTO pottery.firing (celsius) VALUES ($1)) INSERT INTO \
                     pottery.piece (glaze, fired_in) SELECT $2, f.firing_no FROM f";
        assert_eq!(found(join, fails, ""), ["piece.fired_in"]);
        assert!(found("SELECT 1", fails, "").is_empty(), "one of three");
    }

    #[test]
    fn the_only_narrow_column_that_is_filled_is_told_by_the_context_of_a_trigger_too() {
        let context = "SQL statement \"INSERT INTO pottery.piece (id, glaze) VALUES (1, NEW.id)\"";
        assert_eq!(found("SELECT 1", "INSERT INTO piece VALUES (1)", context), ["piece.glaze"]);
        let of_trigger = context.replace("NEW.id", "NEW.firing_no");
        let mut line = log(33, "ERROR", "22003", "integer out of range");
        line.context = of_trigger;
        let found = filled_by(&kiln("SELECT 1"), &line);
        let key = found.first().and_then(|k| k.refers_to.clone());
        assert_eq!(key, Some(Relation::new("pottery", "firing")));
        line.message = "numeric field overflow".to_owned();
        assert!(filled_by(&kiln("SELECT 1"), &line).is_empty());
    }

    #[test]
    fn a_key_knows_what_is_held_against_it() {
        let case = kiln("SELECT * FROM pottery.firing JOIN pottery.piece ON fired_in=firing_no");
        let mut key = crate::testing::key("firing", 1);
        (key.relation, key.column) = (Relation::new("pottery", "firing"), "firing_no".to_owned());
        let found = of_key(&case, &key, &[]);
        assert_eq!(found.first().map(|k| k.column.as_str()), Some("fired_in"));
        assert!(of_key(&case, &key, &found).is_empty());
    }
}
