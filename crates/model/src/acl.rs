//! Rights on one object, as the server writes them, and what a role is.

use std::collections::{BTreeMap, BTreeSet};

/// Owner and grants of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    pub owner: String,
    /// By grantee; the empty name is PUBLIC.
    pub grants: BTreeMap<String, BTreeSet<Privilege>>,
}

/// One privilege of one grantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Privilege {
    /// As `aclitem` abbreviates it: `r`, `a`, `w`, ...
    pub letter: char,
    /// WITH GRANT OPTION.
    pub grantable: bool,
}

impl Rights {
    /// Reads `owner {grantee=letters/grantor,…}`.
    ///
    /// Source: the type `aclitem` (PostgreSQL manual, 5.8 Privileges).
    pub fn read(text: &str) -> Rights {
        let (owner, list) = text.split_once(" {").unwrap_or((text, ""));
        let mut grants: BTreeMap<String, BTreeSet<Privilege>> = BTreeMap::new();
        for item in items(list.strip_suffix('}').unwrap_or(list)) {
            let Some((grantee, rest)) = item.rsplit_once('=') else { continue };
            let letters = rest.split('/').next().unwrap_or("");
            let held = grants.entry(unquoted(grantee)).or_default();
            let mut chars = letters.chars().peekable();
            while let Some(letter) = chars.next() {
                let grantable = chars.next_if_eq(&'*').is_some();
                held.insert(Privilege { letter, grantable });
            }
        }
        Rights { owner: owner.to_owned(), grants }
    }

    /// What ALTER … OWNER TO leaves: what the old owner held, the new one holds.
    pub fn owned_by(mut self, owner: &str) -> Rights {
        let held = self.grants.remove(&self.owner).unwrap_or_default();
        self.grants.entry(owner.to_owned()).or_default().extend(held);
        self.owner = owner.to_owned();
        self
    }

    /// What a grantee holds here and not in `other`; a grant option alone is one more privilege.
    pub fn beyond(&self, other: &Rights) -> Vec<(String, Privilege)> {
        let held = |grantee: &str, p: &Privilege| {
            other.grants.get(grantee).is_some_and(|set| {
                set.iter().any(|o| o.letter == p.letter && (o.grantable || !p.grantable))
            })
        };
        self.grants
            .iter()
            .flat_map(|(grantee, set)| set.iter().map(move |p| (grantee, p)))
            .filter(|(grantee, p)| !held(grantee, p))
            .map(|(grantee, p)| (grantee.clone(), *p))
            .collect()
    }
}

/// What a role may do, and through whom: `superuser login member of a,b`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleRights {
    /// `superuser`, `login`, ...
    pub attributes: BTreeSet<String>,
    /// Roles it is a member of.
    pub groups: BTreeSet<String>,
}

impl RoleRights {
    /// Reads what a change of a role says of it before or after; `absent`: there is none.
    pub fn read(text: &str) -> RoleRights {
        let (attributes, groups) = match text.split_once("member of ") {
            Some((attributes, groups)) => (attributes, groups),
            None => (text, ""),
        };
        let attributes = attributes.split_whitespace().filter(|word| *word != "absent");
        let groups = groups.split(',').map(str::trim).filter(|g| !g.is_empty());
        RoleRights {
            attributes: attributes.map(str::to_owned).collect(),
            groups: groups.map(str::to_owned).collect(),
        }
    }

    /// Does it have something that `other` has not?
    pub fn is_beyond(&self, other: &RoleRights) -> bool {
        !self.attributes.is_subset(&other.attributes) || !self.groups.is_subset(&other.groups)
    }
}

impl Privilege {
    /// The word of GRANT; `None` for a letter of a later version.
    pub fn word(self) -> Option<&'static str> {
        Some(match self.letter {
            'r' => "SELECT",
            'a' => "INSERT",
            'w' => "UPDATE",
            'd' => "DELETE",
            'D' => "TRUNCATE",
            'x' => "REFERENCES",
            't' => "TRIGGER",
            'm' => "MAINTAIN",
            'X' => "EXECUTE",
            'U' => "USAGE",
            'C' => "CREATE",
            _ => return None,
        })
    }
}

/// The elements of a printed array; commas inside of quotes divide nothing.
fn items(list: &str) -> Vec<String> {
    let (mut items, mut item) = (Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, list.chars());
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('\\', true) => item.extend(chars.next()),
            ('"', _) => quoted = !quoted,
            (',', false) => items.push(std::mem::take(&mut item)),
            (c, _) => item.push(c),
        }
    }
    if !item.is_empty() {
        items.push(item);
    }
    items
}

/// A role's name as `aclitem` quotes it.
fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_attributes_and_groups() {
        let role = RoleRights::read("createdb login member of app_read,app_write");
        assert_eq!(role.attributes.iter().collect::<Vec<_>>(), ["createdb", "login"]);
        assert_eq!(role.groups.iter().collect::<Vec<_>>(), ["app_read", "app_write"]);
        let less = RoleRights::read("createdb login");
        assert!(role.is_beyond(&less) && !less.is_beyond(&role));
        assert_eq!(RoleRights::read("absent"), RoleRights::default());
    }

    #[test]
    fn lists_are_read_as_postgresql_writes_them() {
        let text =
            r#"deploy {deploy=arwdDxt/deploy,site=ar*/deploy,=r/deploy,"\"a, b\"=w/deploy"}"#;
        let rights = Rights::read(text);
        assert_eq!(rights.owner, "deploy");
        let grantees: Vec<&str> = rights.grants.keys().map(String::as_str).collect();
        assert_eq!(grantees, ["", "a, b", "deploy", "site"]);
        let site = rights.grants.get("site").unwrap();
        let letters: Vec<(char, bool)> = site.iter().map(|p| (p.letter, p.grantable)).collect();
        assert_eq!(letters, [('a', false), ('r', true)]);
    }

    #[test]
    fn what_was_lost_and_what_was_gained_are_two_things() {
        let before = Rights::read("o {o=arw/o,site=arw/o}");
        let after = Rights::read("o {o=arw/o,site=rd/o}");
        let letters = |all: Vec<(String, Privilege)>| -> String {
            all.iter().map(|(_, p)| p.letter).collect()
        };
        assert_eq!(letters(before.beyond(&after)), "aw");
        assert_eq!(letters(after.beyond(&before)), "d");
    }
}
