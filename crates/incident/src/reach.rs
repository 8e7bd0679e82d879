//! What a statement reaches: the tables it names, and those behind the views, functions and
//! partitions it names.

use crate::facts;
use pgward_model::prelude::*;
use std::collections::{BTreeSet, HashSet};

/// Views on views and functions that call functions are followed this far.
const DEPTH: usize = 4;

/// A statement and what lies behind it.
pub struct Reach {
    words: HashSet<String>,
    behind: BTreeSet<Relation>,
    /// Functions it calls, itself or by another one, whose text writes rows.
    pub writers: Vec<String>,
    /// It, or a function it calls, makes or drops tables: each is rows of the system catalogs.
    makes_tables: bool,
}

impl Reach {
    /// By the catalog from before the trouble, else by the present one; without either, the
    /// statement's own words.
    pub fn of(case: &Case, statement: &str) -> Reach {
        match case.window.catalog.as_ref().or(case.catalog.as_ref()) {
            Some(catalog) => Reach::within(catalog, statement),
            None => Reach::bare(statement),
        }
    }

    /// By the catalog from before the trouble; without it, the statement's own words.
    pub(crate) fn before(window: &Window, statement: &str) -> Reach {
        match &window.catalog {
            Some(catalog) => Reach::within(catalog, statement),
            None => Reach::bare(statement),
        }
    }

    fn bare(statement: &str) -> Reach {
        let words = words(statement);
        let makes_tables = makes_tables(&words);
        Reach { words, behind: BTreeSet::new(), writers: Vec::new(), makes_tables }
    }

    pub(crate) fn within(catalog: &Catalog, statement: &str) -> Reach {
        let mut reach = Reach::bare(statement);
        let mut seen: HashSet<&str> = HashSet::new();
        let mut texts = vec![reach.words.clone()];
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for words in &texts {
                let named = |r: &&RelationInfo| has(words, &r.relation.name);
                reach
                    .behind
                    .extend(catalog.relations.iter().filter(named).map(|r| r.relation.clone()));
                for object in catalog.objects.iter().filter(|o| has(words, bare_name(&o.identity)))
                {
                    let is_function = object.kind == "function";
                    if (is_function || object.kind.ends_with("view"))
                        && seen.insert(&object.identity)
                    {
                        let behind = self::words(&object.definition);
                        if is_function && writes(&behind) {
                            reach.writers.push(object.identity.clone());
                        }
                        reach.makes_tables |= is_function && makes_tables(&behind);
                        next.push(behind);
                    }
                }
            }
            texts = next;
        }
        reach.and_partitions(catalog);
        reach
    }

    /// A partitioned table is read in its partitions, and a partition as a part of it.
    fn and_partitions(&mut self, catalog: &Catalog) {
        let of = |r: &'_ RelationInfo| r.partition.as_ref().map(|p| p.parent.clone());
        for _ in 0..DEPTH {
            let n = self.behind.len();
            for table in &catalog.relations {
                let Some(parent) = of(table) else { continue };
                if self.behind.contains(&parent) {
                    self.behind.insert(table.relation.clone());
                } else if self.behind.contains(&table.relation) {
                    self.behind.insert(parent);
                }
            }
            if self.behind.len() == n {
                return;
            }
        }
    }

    /// Is it a word of the statement itself?
    pub(crate) fn names(&self, word: &str) -> bool {
        has(&self.words, word)
    }

    /// Does it name the relation, or something that reads or writes it? Whoever makes tables
    /// reads and writes the system catalogs.
    pub fn touches(&self, relation: &Relation) -> bool {
        if self.makes_tables && relation.schema == "pg_catalog" {
            return true;
        }
        has(&self.words, &relation.name) || self.behind.iter().any(|r| r.same_as(relation))
    }
}

/// The words of a text in small letters.
fn words(text: &str) -> HashSet<String> {
    facts::words(text).map(str::to_lowercase).collect()
}

fn has(words: &HashSet<String>, name: &str) -> bool {
    if name.chars().any(char::is_uppercase) {
        return words.contains(&name.to_lowercase());
    }
    words.contains(name)
}

/// `lib.mark_overdue(integer)` without schema and arguments.
fn bare_name(identity: &str) -> &str {
    let name = identity.split('(').next().unwrap_or(identity);
    name.rsplit('.').next().unwrap_or(name).trim_matches('"')
}

fn writes(words: &HashSet<String>) -> bool {
    ["insert", "update", "delete", "merge", "truncate", "copy"].iter().any(|w| words.contains(*w))
}

fn makes_tables(words: &HashSet<String>) -> bool {
    words.contains("table") && ["create", "drop"].iter().any(|w| words.contains(*w))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(name: &str, parent: Option<&str>) -> RelationInfo {
        let parent = parent.map(|p| PartitionInfo {
            parent: Relation::new("lib", p),
            is_default: false,
            detach_pending: false,
        });
        let bare = RelationInfo::new(1, Relation::new("lib", name), 'r');
        RelationInfo { partition: parent, ..bare }
    }

    fn object(kind: &str, identity: &str, definition: &str) -> ObjectInfo {
        ObjectInfo {
            kind: kind.to_owned(),
            identity: identity.to_owned(),
            definition: definition.to_owned(),
            uses: Vec::new(),
        }
    }

    fn catalog() -> Catalog {
        Catalog {
            relations: vec![
                relation("Loan", None),
                relation("reading", None),
                relation("reading_2026", Some("reading")),
                relation("reader", None),
            ],
            objects: vec![
                object("view", "lib.overdue", "SELECT * FROM lib.\"Loan\" WHERE due < now()"),
                object("view", "lib.worst", "SELECT * FROM lib.overdue ORDER BY due"),
                object(
                    "function",
                    "lib.mark(integer)",
                    "BEGIN UPDATE lib.\"Loan\" SET late = true; END",
                ),
                object("function", "lib.night()", "SELECT lib.mark(1)"),
            ],
            ..Catalog::new(Timestamp::UNIX_EPOCH, 150_018, "lib")
        }
    }

    #[track_caller]
    fn check(statement: &str, reaches: &[&str], writers: &[&str]) {
        let reach = Reach::within(&catalog(), statement);
        let all = ["Loan", "reading", "reading_2026", "reader"];
        let touched: Vec<&str> =
            all.into_iter().filter(|t| reach.touches(&Relation::new("lib", *t))).collect();
        assert_eq!(
            (touched.as_slice(), reach.writers.as_slice()),
            (reaches, &*writers.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()),
            "{statement}"
        );
    }

    #[test]
    fn views_functions_and_partitions_are_looked_through() {
        check("SELECT copy FROM lib.worst WHERE reader_id = $1", &["Loan"], &[]);
        check("SELECT lib.night()", &["Loan"], &["lib.mark(integer)"]);
        check("SELECT max(v) FROM reading", &["reading", "reading_2026"], &[]);
        check("SELECT max(v) FROM lib.reading_2026", &["reading", "reading_2026"], &[]);
        check("SELECT name FROM reader", &["reader"], &[]);
        check("SELECT 1", &[], &[]);
    }

    #[test]
    fn without_a_catalog_the_words_of_the_statement_count() {
        let reach = Reach::bare("update orders o set x = 1");
        assert!(reach.touches(&Relation::new("shop", "orders")));
        assert!(!reach.touches(&Relation::new("shop", "old_orders")));
    }
}
