//! Rails with `structure.sql`: the whole schema as pg_dump wrote it, not a change.

use super::{Example, Framework, Migration, Role, Script, name, sql_files};

/// Rails strips the comments at the head of the dump, so it is known by its name and by the rows
/// of `schema_migrations` at its end.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "rails_structure",
    title: "Rails, structure.sql",
    source: "Rails Guides, Active Record Migrations, Types of Schema Dumps",
    no_transaction: "put it into a migration class of its own with `disable_ddl_transaction!`",
    placeholders: &[],
    recognises: |scripts| sql_files(scripts).any(is_structure),
    chain: |scripts| {
        let mut files: Vec<&Script> = sql_files(scripts).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.into_iter().map(|s| Migration::outside(s, role(s))).collect()
    },
    examples: &[Example {
        files: &[(
            "db/structure.sql",
            "SET statement_timeout = 0;\nCREATE TABLE public.t (a bigint);\n\
             SET search_path TO \"$user\", public;\n\
             INSERT INTO \"schema_migrations\" (version) VALUES\n('20240101000000');\n",
        )],
        chain: &[],
    }],
};

fn is_structure(script: &Script) -> bool {
    name(&script.path).ends_with("structure.sql")
        && script.text.contains("INSERT INTO \"schema_migrations\" (version) VALUES")
}

fn role(script: &Script) -> Role {
    if is_structure(script) {
        Role::Outside("the whole schema, not a change: Rails' changes are Ruby")
    } else {
        Role::Stray("not a file of Rails")
    }
}
