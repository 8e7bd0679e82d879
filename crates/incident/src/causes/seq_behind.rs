//! A sequence gives numbers that its column already has: it was set back, or rows came in past it.

use super::{Cause, seq_overflow};
use crate::counted::{Fresh, fresh, role_and_message};
use crate::facts::{complete, cut, ddl_source, logged, mentions, no_baseline, sampled, words};
use crate::written::first_run;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static CAUSE: Cause = Cause {
    id: "seq_behind",
    name: "Sequence behind its keys",
    necessary: "inserts that leave the number to a sequence fail with 23505 for that number",
    explains: &["error_burst"],
    actions: &["advance_sequence"],
    prevention: &[
        "After rows came in with their numbers (COPY, a restore, a merge) set each sequence to the \
         highest of them, in the same script",
        "Make keys GENERATED ALWAYS AS IDENTITY: rows with numbers of their own are refused then",
    ],
    judge,
};

/// One stray line is no cause.
const N_MIN: usize = 3;
/// Lines of one message that are looked through; the rest differ in their constants.
const LINES_MAX: usize = 10;
/// A sequence that was set back meets the first row that is there soon.
const SOON_S: f64 = 300.0;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let is_refused = |e: &LogEntry| e.severity == "ERROR" && e.sqlstate == "23505";
    let Fresh { lines, all, .. } = fresh(&case.window, is_refused, role_and_message);
    let refused = |claim: String, source| {
        let errors = Evidence::measured(claim, all.0, "errors/s", source);
        errors.against(all.1).at(case.window.now())
    };
    let Some(taken) = most_taken(case, &lines).filter(|t| t.lines.len() >= N_MIN) else {
        // Without DETAIL nobody knows the key; an application may call the sequence itself.
        let may_be = |e: &&&LogEntry| e.detail.is_empty() || !numbers(e).is_empty();
        let n_may_be = lines.iter().filter(may_be).count();
        if n_may_be >= N_MIN {
            return Verdict::unknown("whether a sequence gave the refused numbers");
        }
        let claim = format!(
            "rows refused for a key that is there (23505), {n_may_be} of them perhaps for a number"
        );
        let source = Source::new(SourceKind::Log, "SQLSTATE 23505");
        return Verdict::ruled_out(refused(claim, source));
    };
    let Some(first) = taken.lines.first() else { return Verdict::unknown("no row was refused") };
    let n = lines.iter().filter(|e| e.message == first.message).count();
    let claim = format!("{n} rows refused: {}", cut(&first.message, 100));
    likely(case, &taken, first, refused(claim, logged(first)))
}

fn likely(case: &Case, taken: &Taken<'_>, first: &LogEntry, refused: Evidence) -> Verdict {
    let KeyLimit { relation, column, sequence, .. } = taken.key;
    let sights = sights(case, taken.key);
    let back = sights.windows(2).rev().find_map(|pair| match pair {
        [then, now] if now.1 < then.1 => Some((*then, *now))
            .filter(|_| then.0 <= first.at && seconds_between(now.0, first.at) <= SOON_S),
        _ => None,
    });
    let at = |at: Timestamp| at.strftime("%H:%M:%S UTC").to_string();
    // That it came to its end first is told with it, and is the cause of both.
    let anew = seq_overflow::begun_anew(&case.window)
        .is_some_and(|(_, key, _)| key.sequence == taken.key.sequence);
    let mut told = match anew {
        true => format!(": it began anew at {} (CYCLE)", human(taken.key.limit as f64)),
        false => String::new(),
    };
    if let Some(((then, high), (now, low))) = back {
        let (high, low) = (human(high as f64), human(low as f64));
        let sign = if anew { ", and" } else { ":" };
        told += &format!("{sign} it stood at {high} at {} and at {low} at {}", at(then), at(now));
    }
    let says = format!(
        "sequence {sequence} gives numbers that {relation}.{column} already has{told}; role {} \
         cannot run {}",
        first.role,
        cut(&first.statement, 120)
    );
    let mut likely = Likely::new(if anew { 0.6 } else { 0.95 }, says, refused);
    if let (Some((_, before)), Some((seen, last))) = (sights.first(), sights.last()) {
        let before = back.map_or(*before, |((_, high), _)| high);
        let claim = format!("last number that {sequence} has given");
        let source = sampled("keys: pg_sequences");
        let position = Evidence::measured(claim, *last as f64, "numbers", source);
        likely = likely.and(position.against(before as f64).at(*seen));
    }
    if let Some(((from, _), (to, _))) = back.filter(|_| !anew) {
        likely = by_whom(case, taken.key, (from, to), likely);
    }
    if taken.is_only {
        // One that begins anew would do so again soon, from wherever it is set to.
        let actions = if anew { &[] } else { CAUSE.actions };
        likely = likely.on([relation.clone(), sequence.clone()]).act(actions);
    }
    Verdict::Likely(likely)
}

/// Rows refused for a number that their INSERT left to a sequence.
struct Taken<'a> {
    key: &'a KeyLimit,
    /// The only key that can be meant: no table of that name in another schema, no second sequence.
    is_only: bool,
    lines: Vec<&'a LogEntry>,
}

/// The key of which most rows were refused.
fn most_taken<'a>(case: &'a Case, lines: &[&'a LogEntry]) -> Option<Taken<'a>> {
    if lines.len() < N_MIN {
        return None;
    }
    let keys = keys(case);
    let mut n_looked: BTreeMap<&str, usize> = BTreeMap::new();
    let mut taken: Vec<Taken<'a>> = Vec::new();
    for line in lines {
        let n = n_looked.entry(&line.message).or_default();
        *n += 1;
        if *n > LINES_MAX {
            continue;
        }
        let columns = numbers(line);
        let into = [&line.statement, &line.context].into_iter().find_map(|text| insert(text));
        let Some(Insert { relation, columns: Some(given) }) = into else { continue };
        // The sequence gave the number: the INSERT left it out.
        let mut meant = keys.iter().filter(|k| {
            columns.contains(&k.column.as_str())
                && !given.contains(&k.column)
                && is_of(case, &relation, &k.relation)
        });
        let Some(key) = meant.next() else { continue };
        match taken.iter_mut().find(|t| is_same(t.key, key)) {
            Some(known) => known.lines.push(line),
            None => {
                taken.push(Taken { key, is_only: meant.next().is_none(), lines: vec![line] });
            }
        }
    }
    taken.into_iter().max_by_key(|t| t.lines.len())
}

/// Every key that was seen, as it was seen last.
fn keys(case: &Case) -> Vec<&KeyLimit> {
    let seen = case.window.samples.iter().rev().filter_map(|s| s.keys.as_deref());
    let mut keys: Vec<&KeyLimit> = Vec::new();
    for key in seen.flatten().filter(|k| k.refers_to.is_none()) {
        if !keys.iter().any(|k| is_same(k, key)) {
            keys.push(key);
        }
    }
    keys
}

fn is_same(a: &KeyLimit, b: &KeyLimit) -> bool {
    (&a.relation, &a.column, &a.sequence) == (&b.relation, &b.column, &b.sequence)
}

/// The table, or a partition of it.
fn is_of(case: &Case, named: &Relation, table: &Relation) -> bool {
    let catalog = case.catalog.as_ref();
    named.same_as(table)
        || catalog.and_then(|c| c.relation(named)).is_some_and(|r| r.is_part_of(table))
}

/// Columns of the key that is there already whose value is a number: `(a, b)=(x, 2)`, which the
/// server writes in every language.
fn numbers(e: &LogEntry) -> Vec<&str> {
    let parts = || {
        let (columns, values) = e.detail.split_once(")=(")?;
        let (_, columns) = columns.split_once('(')?;
        let (values, _) = values.rsplit_once(')')?;
        Some((columns.split(", "), values.split(", ")))
    };
    let Some((columns, values)) = parts() else { return Vec::new() };
    if columns.clone().count() != values.clone().count() {
        return Vec::new(); // a value with a comma in it
    }
    let numbers = columns.zip(values).filter(|(_, value)| value.parse::<i64>().is_ok());
    numbers.map(|(column, _)| column.trim_matches('"')).collect()
}

/// An INSERT, as far as its text tells.
#[derive(Debug, PartialEq)]
struct Insert {
    relation: Relation,
    /// Columns that it gives values for; `None` where it lists none and gives some.
    columns: Option<Vec<String>>,
}

/// The first INSERT of a statement, or of the one that a function ran.
fn insert(text: &str) -> Option<Insert> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let upper = text.to_ascii_uppercase();
    let from = upper.find("INSERT INTO ")? + "INSERT INTO ".len();
    let (parts, rest) = dotted(text.get(from..)?)?;
    let relation = match parts.as_slice() {
        [name] => Relation::new("", name.clone()),
        [.., schema, name] => Relation::new(schema.clone(), name.clone()),
        [] => return None,
    };
    let rest = rest.trim_start();
    let rest = match rest.get(..3).filter(|word| word.eq_ignore_ascii_case("as ")) {
        Some(_) => dotted(rest.get(3..)?.trim_start())?.1.trim_start(),
        None => rest,
    };
    if rest.get(..14).is_some_and(|words| words.eq_ignore_ascii_case("DEFAULT VALUES")) {
        return Some(Insert { relation, columns: Some(Vec::new()) });
    }
    let listed = rest.strip_prefix('(').and_then(|list| list.split_once(')'));
    Some(Insert { relation, columns: listed.and_then(|(list, rest)| given(list, rest)) })
}

/// The columns of a list, less those for which the first row of VALUES says DEFAULT: some mappers
/// list every column.
fn given(list: &str, rest: &str) -> Option<Vec<String>> {
    let column = |c: &str| match dotted(c.trim())? {
        (mut parts, "") => parts.pop(),
        _ => None, // a query, or a part of a column
    };
    let mut columns: Vec<String> = list.split(',').map(column).collect::<Option<_>>()?;
    let rest = rest.trim_start();
    let values = rest.get(..6).filter(|word| word.eq_ignore_ascii_case("VALUES"));
    let row = values.and_then(|_| rest.get(6..)?.trim_start().strip_prefix('('));
    let mut row = row.unwrap_or("").split([',', ')']).map(str::trim);
    columns.retain(|_| !row.next().is_some_and(|v| v.eq_ignore_ascii_case("DEFAULT")));
    Some(columns)
}

/// A name with its parts, folded as the server does, and what follows it.
fn dotted(text: &str) -> Option<(Vec<String>, &str)> {
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (name, after) = quoted.split_once('"')?;
                (name.to_owned(), after)
            }
            None => {
                let is_end = |c: char| !(c.is_alphanumeric() || c == '_' || c == '$');
                let (name, after) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
                (name.to_lowercase(), after)
            }
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None => return (!parts.iter().any(String::is_empty)).then_some((parts, after)),
        }
    }
}

/// What the sequence had given, oldest sight first.
fn sights(case: &Case, key: &KeyLimit) -> Vec<(Timestamp, i64)> {
    let of = |s: &Sample| {
        let one = s.keys.as_ref()?.iter().find(|k| k.refers_to.is_none() && is_same(k, key))?;
        Some((s.at, one.last_value))
    };
    case.window.samples.iter().filter_map(of).collect()
}

/// The command that set it back between the two sights, or the only new call of `setval`.
fn by_whom(
    case: &Case,
    key: &KeyLimit,
    (from, to): (Timestamp, Timestamp),
    likely: Likely,
) -> Likely {
    let names = |d: &&DdlEvent| {
        mentions(&d.statement, &key.sequence.name) || mentions(&d.statement, &key.relation.name)
    };
    let sets = |d: &&DdlEvent| words(&d.statement).any(|w| w.eq_ignore_ascii_case("restart"));
    let within = |d: &&DdlEvent| (from..=to).contains(&d.at);
    let ran = |mut likely: Likely, role: &str, statement: &str| {
        likely.says.push_str(&format!("; role {role} ran {}", cut(statement, 120)));
        likely
    };
    if let Some(event) = case.ddl.iter().filter(within).filter(names).rfind(sets) {
        let evidence = Evidence::stated(cut(&event.statement, 160), ddl_source(event)).at(event.at);
        return ran(likely, &event.role, &event.statement).and(evidence).blaming([event.clone()]);
    }
    let new = first_run(&case.window, from, to);
    let sets = |s: &&&StatementCounters| words(&s.text).any(|w| w.eq_ignore_ascii_case("setval"));
    let mut calls = new.iter().filter(sets);
    match (calls.next(), calls.next()) {
        (Some(call), None) => ran(likely, &call.role, &call.text),
        _ => likely,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, ddl, healthy, key, log};

    fn refused(second: i64, statement: &str) -> LogEntry {
        let message = "duplicate key value violates unique constraint \"orders_pkey\"";
        LogEntry {
            detail: format!("Key (id)=({second}) already exists."),
            statement: statement.to_owned(),
            ..log(second, "ERROR", "23505", message)
        }
    }

    /// Positions of the sequence by second, and three rows refused from second 33 on.
    fn seen(positions: &[(usize, i64)], statement: &str) -> Case {
        let mut samples = healthy(40);
        for (second, last) in positions {
            samples.get_mut(*second).unwrap().keys = Some(vec![key("orders", *last)]);
        }
        samples.last_mut().unwrap().log = (33..36).map(|s| refused(s, statement)).collect();
        case(samples, 30)
    }

    const LEFT_OUT: &str = "INSERT INTO orders (note) VALUES ($1)";

    #[test]
    fn a_sequence_that_was_set_back_is_named_with_who_did_it() {
        let mut case = seen(&[(20, 5000), (35, 3)], LEFT_OUT);
        let likely = judge(&case).likely().cloned().unwrap();
        assert!(likely.says.contains("it stood at 5,000"), "{}", likely.says);
        let restart = |second, statement: &str| {
            let mut event = ddl(second, "ALTER SEQUENCE", "sequence", "orders_id_seq");
            event.statement = statement.to_owned();
            event
        };
        let alter = "ALTER SEQUENCE orders_id_seq RESTART";
        case.ddl = vec![restart(32, alter), restart(34, "ALTER SEQUENCE items_id_seq RESTART")];
        let likely = judge(&case).likely().cloned().unwrap();
        assert!(likely.says.ends_with(alter), "{}", likely.says);
        assert_eq!(likely.relations.len(), 2);
        // Before it was seen high, or after it was seen back.
        case.ddl = vec![restart(10, alter), restart(38, alter)];
        assert!(!judge(&case).likely().unwrap().says.contains("RESTART"));
    }

    #[test]
    fn one_that_begins_anew_is_told_and_not_set_to_where_it_would_do_so_again() {
        let mut case = seen(&[(20, 99_990), (35, 3)], LEFT_OUT);
        for key in case.window.samples.iter_mut().flat_map(|s| s.keys.iter_mut().flatten()) {
            (key.begins_anew, key.limit) = (true, 99_999);
        }
        let likely = judge(&case).likely().cloned().unwrap();
        assert!(
            likely.says.contains("began anew at 99,999 (CYCLE), and it stood"),
            "{}",
            likely.says
        );
        assert!(likely.actions.is_empty());
    }

    #[test]
    fn rows_that_came_in_past_it_leave_it_where_it_was() {
        let case = seen(&[(20, 30), (35, 36)], LEFT_OUT);
        let likely = judge(&case).likely().cloned().unwrap();
        assert!(!likely.says.contains("it stood"), "{}", likely.says);
        assert_eq!(likely.actions, ["advance_sequence"]);
    }

    #[test]
    fn which_of_two_tables_or_sequences_is_meant_is_for_a_person_to_say() {
        let mut case = seen(&[(20, 5000)], LEFT_OUT);
        let mut other = key("orders", 7);
        other.relation.schema = "tenant".to_owned();
        case.window.samples.get_mut(20).unwrap().keys.as_mut().unwrap().push(other);
        assert!(judge(&case).likely().unwrap().actions.is_empty());
    }

    #[test]
    fn who_gives_the_number_himself_or_says_no_key_leaves_it_unknown() {
        let unknown = |case: &Case| matches!(judge(case), Verdict::Unknown { .. });
        let keys = [(20, 5000), (35, 5010)];
        assert!(unknown(&seen(&keys, "INSERT INTO orders (id, note) VALUES ($1, $2)")));
        assert!(unknown(&seen(&keys, "INSERT INTO orders VALUES ($1, $2)")));
        assert!(unknown(&seen(&keys, "INSERT INTO items (note) VALUES ($1)")));
        assert!(unknown(&seen(&[], LEFT_OUT)));
        let mut terse = seen(&keys, LEFT_OUT);
        terse.window.samples.iter_mut().flat_map(|s| &mut s.log).for_each(|e| e.detail.clear());
        assert!(unknown(&terse));
    }

    #[test]
    fn without_refused_numbers_it_is_ruled_out_and_unknown_without_the_log() {
        let mut names = seen(&[(20, 10)], LEFT_OUT);
        for e in names.window.samples.iter_mut().flat_map(|s| &mut s.log) {
            e.detail = "Key (lower(email))=(a@b.c) already exists.".to_owned();
        }
        assert!(matches!(judge(&names), Verdict::RuledOut { .. }));
        names.window.samples.iter_mut().for_each(|s| s.log.clear());
        assert!(matches!(judge(&names), Verdict::RuledOut { .. }));
        let gap = Gap { sampler: "log".into(), why: "x".into() };
        names.window.samples.last_mut().unwrap().gaps.push(gap);
        assert!(matches!(judge(&names), Verdict::Unknown { .. }));
    }

    #[test]
    fn numbers_are_read_from_keys_of_several_columns_and_other_languages() {
        let line = |detail: &str| LogEntry { detail: detail.to_owned(), ..refused(1, "") };
        let two = line("Schlüssel »(tenant, \"Id\")=(a, 17)« existiert bereits.");
        assert_eq!(numbers(&two), ["Id"]);
        assert!(numbers(&line("Key (name, id)=(Foo, Inc, 17) already exists.")).is_empty());
        assert!(numbers(&line("")).is_empty());
    }

    #[test]
    fn an_insert_is_read_as_far_as_its_text_tells() {
        let of = |text: &str| insert(text).map(|i| (i.relation.quoted(), i.columns));
        let columns = |names: &[&str]| Some(names.iter().map(|n| (*n).to_owned()).collect());
        assert_eq!(
            of("/* x */ insert\n into Shop.\"Order\" AS o (a, \"B\") SELECT 1, 2"),
            Some(("shop.\"Order\"".to_owned(), columns(&["a", "B"])))
        );
        let context = "SQL statement \"INSERT INTO t (a) VALUES (1)\"\nPL/pgSQL function f()";
        assert_eq!(of(context), Some(("t".to_owned(), columns(&["a"]))));
        assert_eq!(of("INSERT INTO t DEFAULT VALUES"), Some(("t".to_owned(), columns(&[]))));
        let default = "INSERT INTO \"t\"(\"id\",\"a\") VALUES (DEFAULT, $1), (DEFAULT, $2)";
        assert_eq!(of(default), Some(("t".to_owned(), columns(&["a"]))));
        for text in ["INSERT INTO t VALUES (1)", "INSERT INTO t (SELECT a FROM b)"] {
            assert_eq!(of(text), Some(("t".to_owned(), None)), "{text}");
        }
        assert_eq!(of("SELECT receive(1)"), None);
    }
}
