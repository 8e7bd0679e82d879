//! Gives back exactly the rights that a change took from roles whose statements are refused.

use super::{Action, Cx, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_incident::causes;
use pgward_incident::detectors::gives_a_name;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static ACTION: Action = Action {
    id: "restore_rights",
    title: "Give back the rights that a change took",
    price: "only what was held before, to whom it was held; a right that was taken on purpose comes back too",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    // Those that a refused role has lost, as the verdict says; what else was taken meanwhile, or
    // given, is nobody's trouble.
    let mut steps = Vec::new();
    let mut taken = causes::rights_taken(case);
    // A sequence that a table owns has its owner: the table comes first.
    taken.sort_by_key(|c| c.name.starts_with("sequence "));
    for change in taken {
        match change.kind.as_str() {
            "role" => steps.push(take_in(change)),
            _ => steps.extend(give_back(change)),
        }
    }
    if steps.is_empty() {
        return Err(refuse(&ACTION, "no right was taken, or its kind is not known"));
    }
    let went = went_with_its_table(likely, case);
    let loss = match known_change(likely, case) {
        Some(path) => Loss {
            n_rows: Some(0),
            explain: format!("{path} took them, a migration, and statements of before need them"),
        },
        None if went => Loss {
            n_rows: Some(0),
            explain: "nobody took them: the table was made anew, and they went with the old one"
                .into(),
        },
        None => Loss {
            n_rows: None,
            explain: "rights are also taken on purpose, from whom has come to harm: no known \
                      migration took these"
                .into(),
        },
    };
    Ok(runbook(
        &ACTION,
        match steps.as_slice() {
            [only] => title(&only.title),
            all => format!("Give back what was taken in {} places", all.len()),
        },
        "the rights of before, letter by letter: GRANT ALL would give more than was taken",
        loss,
        steps,
    ))
}

fn title(step: &str) -> String {
    let mut chars = step.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Makes a role a member again of the groups that it was taken out of.
fn take_in(change: &ConfigChange) -> Step {
    let groups = causes::groups_left(change);
    let quoted: Vec<String> = groups.iter().map(|g| quote_ident(g)).collect();
    let role = &change.name;
    let member: Vec<String> = groups
        .iter()
        .map(|group| {
            let (role, group) = (quote_literal(role), quote_literal(group));
            format!("pg_catalog.pg_has_role({role}, {group}, 'MEMBER')")
        })
        .collect();
    let (groups, list, to) = (groups.join(", "), quoted.join(", "), quote_ident(role));
    let expectation = Expectation {
        claim: format!("{role} is a member of {groups} again"),
        sql: format!("SELECT {}", member.join(" AND ")),
        within_ms: 1_000,
    };
    let act = Act::Sql { statements: vec![format!("GRANT {list} TO {to}")], transaction: true };
    let what = format!("make role {role} a member of {groups} again");
    let mut grant = step(what, act, Limits::SHORT);
    grant.undo = Undo::Exact { statements: vec![format!("REVOKE {list} FROM {to}")] };
    grant.expectations = vec![expectation];
    grant
}

/// One step for an object: its owner, and a GRANT for each grantee and grant option.
fn give_back(change: &ConfigChange) -> Option<Step> {
    let (kind, object) = change.name.split_once(' ').unwrap_or(("", ""));
    let (before, after) = (Rights::read(&change.before), Rights::read(&change.after));
    let kinds = ["table", "sequence", "schema", "function"];
    if !kinds.contains(&kind) {
        return None;
    }
    // Procedures are listed with functions.
    let word = if kind == "function" { "ROUTINE".to_owned() } else { kind.to_ascii_uppercase() };
    let (mut statements, mut undo) = (Vec::new(), Vec::new());
    let owners = (before.owner.clone(), after.owner.clone());
    let after = after.owned_by(&before.owner);
    if owners.0 != owners.1 {
        let to = |owner: &str| format!("ALTER {word} {object} OWNER TO {}", quote_ident(owner));
        statements.push(to(&owners.0));
        if kind != "sequence" {
            undo.push(to(&owners.1));
        }
    }
    let mut words: BTreeMap<(String, bool), Vec<&'static str>> = BTreeMap::new();
    for (grantee, privilege) in before.beyond(&after) {
        let Some(word) = privilege.word() else { continue };
        words.entry((grantee, privilege.grantable)).or_default().push(word);
    }
    if words.is_empty() && statements.is_empty() {
        return None;
    }
    let mut expectations = Vec::new();
    for ((grantee, grantable), words) in &words {
        let to = if grantee.is_empty() { "PUBLIC".to_owned() } else { quote_ident(grantee) };
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        let what = format!("{} ON {word} {object}", words.join(", "));
        statements.push(format!("GRANT {what} TO {to}{option}"));
        undo.push(format!("REVOKE {what} FROM {to}"));
        if ["table", "function"].contains(&kind) {
            // As the server names everybody.
            let role = if grantee.is_empty() { "public" } else { grantee };
            let all = words.iter().map(|w| {
                format!(
                    "pg_catalog.has_{kind}_privilege({}, {}, '{w}')",
                    quote_literal(role),
                    quote_literal(object)
                )
            });
            expectations.push(Expectation {
                claim: format!("{role} may {} {object} again", words.join(", ")),
                sql: format!("SELECT {}", all.collect::<Vec<_>>().join(" AND ")),
                within_ms: 1_000,
            });
        }
    }
    let act = Act::Sql { statements, transaction: true };
    let mut grant = step(format!("give back the rights on {object}"), act, Limits::SHORT);
    undo.reverse(); // the owner last: what is taken back before is not his
    grant.undo = Undo::Exact { statements: undo };
    grant.expectations = expectations;
    Some(grant)
}

/// Is all that is missed rights on tables whose name what is to blame gave to another table?
fn went_with_its_table(likely: &Likely, case: &Case) -> bool {
    let names = |r: &Relation, name: &str| r.to_string() == name || r.quoted() == name;
    let anew = |c: &&ConfigChange| {
        let Some(table) = c.name.strip_prefix("table ") else { return false };
        likely.ddl.iter().any(|d| {
            d.relation.as_ref().is_some_and(|r| names(r, table))
                && (gives_a_name(d) || d.command.starts_with("CREATE TABLE"))
        })
    };
    // Whoever took one by name may have meant it, whatever became of the table.
    let revoked = |c: &&ConfigChange| {
        case.ddl.iter().any(|d| {
            let name = c.name.rsplit('.').next().unwrap_or(&c.name).trim_matches('"');
            d.command == "REVOKE" && d.statement.contains(name)
        })
    };
    let taken = causes::rights_taken(case);
    !taken.is_empty() && taken.iter().all(anew) && !taken.iter().any(revoked)
}

/// The file that has the statement to blame, among those pgward knows.
fn known_change(likely: &Likely, case: &Case) -> Option<String> {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let ran: Vec<String> =
        likely.ddl.iter().map(|d| flat(d.statement.trim_end_matches(';'))).collect();
    let files = case.known_changes.iter().flat_map(|k| &k.change.files);
    let has = |f: &&ChangeFile| {
        let mut texts = f.statements.iter().map(|s| flat(s.text.trim_end_matches(';')));
        texts.any(|t| ran.contains(&t))
    };
    files.filter(has).map(|f| f.path.clone()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_comes_back_into_the_groups_it_left() {
        let change = ConfigChange {
            at: Timestamp::UNIX_EPOCH,
            kind: "role".into(),
            name: "site".into(),
            before: "login member of a,Shop RW".into(),
            after: "login member of a".into(),
        };
        let step = take_in(&change);
        let Act::Sql { statements, .. } = &step.act else { panic!() };
        assert_eq!(statements, &["GRANT \"Shop RW\" TO site"]);
        let proof = &step.expectations.first().unwrap().sql;
        assert_eq!(proof, "SELECT pg_catalog.pg_has_role('site', 'Shop RW', 'MEMBER')");
    }

    #[test]
    fn only_what_was_taken_is_given_back() {
        let change = ConfigChange {
            at: Timestamp::UNIX_EPOCH,
            kind: "privilege".into(),
            name: "table public.orders".into(),
            before: "o {o=arwd/o,site=ar*w/o,=r/o}".into(),
            after: "o {o=arwd/o,site=a/o}".into(),
        };
        let step = give_back(&change).unwrap();
        let Act::Sql { statements, .. } = step.act else { panic!() };
        assert_eq!(
            statements,
            [
                "GRANT SELECT ON TABLE public.orders TO PUBLIC",
                "GRANT UPDATE ON TABLE public.orders TO site",
                "GRANT SELECT ON TABLE public.orders TO site WITH GRANT OPTION",
            ]
        );
        let owner =
            ConfigChange { after: "bi {bi=arwd/bi,site=ar*w/bi,=r/bi}".into(), ..change.clone() };
        let Act::Sql { statements, .. } = give_back(&owner).unwrap().act else { panic!() };
        assert_eq!(statements, ["ALTER TABLE public.orders OWNER TO o"]);
        let nothing = ConfigChange { after: change.before.clone(), ..change };
        assert!(give_back(&nothing).is_none());
    }
}
