//! What went with a dropped table: everything that depended on it, by the side server's catalog,
//! and the entries of a `pg_dump` archive that make it again.

use crate::error::Error;
use pgward_model::name::{Relation, quote_ident};
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use pgward_pg::tools::{self, RunAs};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

/// The dropped relations and all that depended on them.
pub(super) struct Closure {
    objects: HashSet<(u32, u32)>,
    /// Tables, views, sequences, indexes among them.
    pub(super) relations: Vec<Member>,
    /// Beginnings of the archive's names of comments, rights and attachments, which carry no
    /// object identifier.
    names: Vec<String>,
}

pub(super) struct Member {
    pub(super) oid: u32,
    pub(super) relation: Relation,
    /// `pg_class.relkind`.
    pub(super) kind: char,
    /// `pg_class.relpersistence`.
    pub(super) persistence: char,
}

/// One line of `pg_restore -l`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// As `pg_restore -L` takes it.
    pub(super) line: String,
    class: u32,
    pub(super) oid: u32,
    /// `TABLE public orders postgres`: kind, schema, name, owner.
    pub(super) name: String,
}

/// `pg_class`, whose OID is fixed.
const PG_CLASS: u32 = 1259;

// A view hangs on its rule, which depends on the table; a column of another table (its type,
// its default) is no object by itself.
const CLOSURE: &str = "
WITH RECURSIVE closure(classid, objid) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid,
           pg_catalog.to_regclass(wanted.name)::oid
    FROM pg_catalog.unnest($1::text[]) AS wanted(name)
  UNION
    SELECT found.classid,
           found.objid
    FROM closure c
    CROSS JOIN LATERAL (
        SELECT d.classid,
               d.objid
        FROM pg_catalog.pg_depend d
        WHERE d.refclassid = c.classid
          AND d.refobjid = c.objid
          AND d.deptype IN ('n', 'a', 'i', 'P', 'S')
          AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid > 0)
      UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid,
               r.ev_class
        FROM pg_catalog.pg_rewrite r
        JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
        WHERE c.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
          AND r.oid = c.objid
    ) AS found
)
SELECT c.classid,
       c.objid,
       i.type,
       coalesce(i.schema, ''),
       coalesce(i.name, ''),
       i.identity,
       coalesce(r.relname::text, ''),
       coalesce(n.nspname::text, ''),
       coalesce(r.relkind::text, ''),
       coalesce(r.relpersistence::text, '')
FROM closure c
LEFT JOIN pg_catalog.pg_class r
       ON c.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND r.oid = c.objid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
CROSS JOIN LATERAL pg_catalog.pg_identify_object(c.classid, c.objid, 0) i
WHERE c.objid IS NOT NULL
  AND i.type IS NOT NULL";

/// Reads from the side server what depended on `relations`.
pub(super) fn read(side: &Session, relations: &[Relation]) -> Result<Closure, Error> {
    let names: Vec<String> = relations.iter().map(Relation::quoted).collect();
    let mut closure = Closure { objects: HashSet::new(), relations: Vec::new(), names: Vec::new() };
    for row in side.query(CLOSURE, &[&names])? {
        let text = |i: usize| get::<String>(&row, i);
        let (class, oid) = (get(&row, 0)?, get(&row, 1)?);
        closure.objects.insert((class, oid));
        let relation = Relation::new(text(7)?, text(6)?);
        if relation.name.is_empty() {
            closure.add_names(&text(2)?, &text(3)?, &text(4)?, &text(5)?);
            continue;
        }
        closure.add_relation_names(&relation);
        let letter = |i: usize| Ok::<_, Error>(text(i)?.chars().next().unwrap_or(' '));
        closure.relations.push(Member { oid, relation, kind: letter(8)?, persistence: letter(9)? });
    }
    closure.relations.sort_by_key(|m| m.oid);
    Ok(closure)
}

impl Closure {
    /// Does this entry of an archive belong to what was lost?
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        if entry.class != 0 {
            return self.objects.contains(&(entry.class, entry.oid));
        }
        if entry.oid != 0 {
            return self.objects.contains(&(PG_CLASS, entry.oid)); // ROW SECURITY
        }
        self.names.iter().any(|name| entry.name.starts_with(name))
    }

    fn add_relation_names(&mut self, relation: &Relation) {
        let Relation { schema, name } = relation;
        for name in spellings(name) {
            for prefix in ["ACL", "COMMENT", "SECURITY LABEL"] {
                for kind in KINDS {
                    self.names.push(format!("{prefix} {schema} {kind} {name} "));
                }
                self.names.push(format!("{prefix} {schema} COLUMN {name}."));
            }
            for prefix in ["SEQUENCE OWNED BY", "TABLE ATTACH", "INDEX ATTACH"] {
                self.names.push(format!("{prefix} {schema} {name} "));
            }
        }
    }

    /// Constraints, triggers, rules, policies are named `x ON schema.table`; functions, types
    /// and statistics have names of their own.
    fn add_names(&mut self, kind: &str, schema: &str, name: &str, identity: &str) {
        let kind = match kind {
            "table constraint" | "domain constraint" => "CONSTRAINT".to_owned(),
            "statistics object" => "STATISTICS".to_owned(),
            other => other.to_uppercase(),
        };
        for prefix in ["ACL", "COMMENT", "SECURITY LABEL"] {
            if let Some((name, table)) = identity.rsplit_once(" on ") {
                let (schema, table) = table.split_once('.').unwrap_or(("", table));
                let schema = schema.trim_matches('"');
                self.names.push(format!("{prefix} {schema} {kind} {name} ON {table} "));
            } else if !name.is_empty() {
                let schema = schema.trim_matches('"');
                self.names.push(format!("{prefix} {schema} {kind} {name} "));
                self.names.push(format!("{prefix} {schema} {kind} {name}("));
            }
        }
    }
}

const KINDS: &[&str] =
    &["TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "INDEX", "FOREIGN TABLE", "TYPE"];

/// A name as the archive may spell it.
fn spellings(name: &str) -> Vec<String> {
    let quoted = quote_ident(name);
    if quoted == name { vec![quoted] } else { vec![name.to_owned(), quoted] }
}

impl Entry {
    /// The kind, e.g. `FK CONSTRAINT`.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.name.strip_prefix(kind).is_some_and(|rest| rest.starts_with(' '))
    }
}

/// Dumps the definitions of a database and lists them.
pub(super) fn dump(
    target: &Target,
    installation: &Installation,
    file: &Path,
    within: Duration,
) -> Result<Vec<Entry>, Error> {
    let path = file.display().to_string();
    let conninfo = tools::conninfo(target);
    // 5 s: behind us in the queue only those wait who want ACCESS EXCLUSIVE themselves
    let args = ["-Fc", "-s", "-w", "--lock-wait-timeout=5s", "-d", &conninfo, "-f", &path];
    let env = tools::password_env(target, Purpose::Recover);
    tools::run(&installation.require("pg_dump")?, &args, &env, within, RunAs::Us)?;
    let list =
        tools::run(&installation.require("pg_restore")?, &["-l", &path], &[], within, RunAs::Us)?;
    Ok(list.lines().filter_map(entry).collect())
}

/// `3395; 0 0 COMMENT public CONSTRAINT b_pkey ON b postgres`
fn entry(line: &str) -> Option<Entry> {
    let (number, rest) = line.split_once("; ")?;
    number.parse::<u32>().ok()?;
    let mut words = rest.splitn(3, ' ');
    let class = words.next()?.parse().ok()?;
    let oid = words.next()?.parse().ok()?;
    Some(Entry { line: line.to_owned(), class, oid, name: words.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_found_by_number_or_name() {
        let mut closure = Closure {
            objects: HashSet::from([(1259, 7), (2606, 9)]),
            relations: Vec::new(),
            names: Vec::new(),
        };
        closure.add_relation_names(&Relation::new("public", "Odd Name"));
        closure.add_names("table constraint", "public", "", "k on public.\"Odd Name\"");
        for (line, held) in [
            ("1; 1259 7 TABLE public Odd Name postgres", true),
            ("1; 1259 8 TABLE public other postgres", false),
            ("3; 2606 9 FK CONSTRAINT public child child_fk postgres", true),
            ("4; 0 0 ACL public COLUMN \"Odd Name\".x postgres", true),
            ("4; 0 0 ACL public TABLE \"Odd Names\" postgres", false),
            ("5; 0 0 COMMENT public CONSTRAINT k ON \"Odd Name\" postgres", true),
            ("6; 0 0 SEQUENCE OWNED BY public Odd Name postgres", true),
            ("7; 0 7 ROW SECURITY public Odd Name postgres", true),
        ] {
            assert_eq!(closure.holds(&entry(line).unwrap()), held, "{line}");
        }
        assert_eq!(entry(";     TOC Entries: 7"), None);
    }
}
