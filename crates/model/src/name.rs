//! Names of things in a database, and how they are quoted.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A process id of a server backend.
pub type Pid = i32;

/// A relation by name. An empty schema means "as the search path finds it".
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct Relation {
    pub schema: String,
    pub name: String,
}

impl Relation {
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// `schema.name`, each part quoted where PostgreSQL needs it: safe to put into SQL.
    pub fn quoted(&self) -> String {
        if self.schema.is_empty() {
            quote_ident(&self.name)
        } else {
            format!("{}.{}", quote_ident(&self.schema), quote_ident(&self.name))
        }
    }

    /// Is this what [`Relation::quoted`] gives? Of many, most are told apart by their last letter.
    pub fn is_written(&self, quoted: &str) -> bool {
        let last = |text: &str| text.bytes().rev().find(|b| *b != b'"');
        last(&self.name) == last(quoted) && self.quoted() == quoted
    }

    /// The same relation, where an empty schema on either side matches any schema.
    pub fn same_as(&self, other: &Relation) -> bool {
        self.name == other.name
            && (self.schema == other.schema || self.schema.is_empty() || other.schema.is_empty())
    }
}

/// For people: `public.` is left out.
impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.schema.as_str() {
            "" | "public" => write!(f, "{}", self.name),
            schema => write!(f, "{schema}.{}", self.name),
        }
    }
}

/// Quotes an identifier the way `quote_ident` of PostgreSQL does, on the safe side:
/// whatever is not plainly a lower-case word is put in double quotes.
pub fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && RESERVED.binary_search(&name).is_err();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Quotes a text as an SQL literal; backslashes are safe under standard_conforming_strings
/// and under its opposite, since the `E` form is used where there is one.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Reserved words of PostgreSQL's grammar (`pg_get_keywords`, category R or T), in order.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_needs_it() {
        assert_eq!(Relation::new("public", "order").quoted(), "public.\"order\"");
        assert_eq!(quote_ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_literal("it's \\"), "E'it''s \\\\'");
        assert!(RESERVED.is_sorted(), "they are searched by halves");
    }
}
