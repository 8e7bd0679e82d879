//! Takes secrets out of what is kept: passwords in statements and connection strings, keys.

use regex::Regex;
use std::borrow::Cow;
use std::sync::OnceLock;

/// Words without which no pattern can match; a text with none of them is as it is.
const WORDS: [&str; 8] = ["password", "passwd", "pwd", "secret", "://", "token", "crypt", "akia"];

/// The text with `…` in place of every secret.
///
/// What follows PASSWORD, also when the text was cut before its closing quote; passwords and
/// tokens in connection strings and URLs; keys given to pgcrypto; access keys.
pub fn redact(text: &str) -> Cow<'_, str> {
    if !WORDS.iter().any(|word| holds(text, word)) {
        return Cow::Borrowed(text);
    }
    let mut redacted = Cow::Borrowed(text);
    for (pattern, with) in patterns() {
        if let Cow::Owned(changed) = pattern.replace_all(&redacted, *with) {
            redacted = Cow::Owned(changed);
        }
    }
    redacted
}

/// Is `word`, in lower case, in the text, in whatever case?
fn holds(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let first = word.first().copied().unwrap_or(0);
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), text).any(|at| {
        text.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
    })
}

fn patterns() -> &'static [(Regex, &'static str)] {
    static PATTERNS: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let quoted = r"(?:[EeNn]?'(?:[^'\\]|''|\\.)*(?:'|$)|\$\w*\$(?s:.*?)(?:\$\w*\$|$))";
        let all = [
            // CREATE ROLE … PASSWORD '…', also in a function's text where quotes are doubled.
            (format!(r"(?i)\b(password\s+)(?:''[^']*''|{quoted})"), "${1}'…'"),
            (
                r#"(?i)\b((?:[a-z0-9_]*password|passwd|pwd|passfile|[a-z_]*secret[a-z_]*|[a-z_]*token)["']?\s*(?:=>|:=|=|:)\s*)(''[^']*''|'(?:[^'\\]|\\.)*(?:'|$)|"(?:[^"\\]|\\.)*(?:"|$)|[^\s'",;&)]+)"#
                    .to_owned(),
                "${1}…",
            ),
            (r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@']*:)[^\s@/']+@".to_owned(), "${1}…@"),
            (
                format!(r"(?i)\b((?:pgp_sym_|pgp_pub_)?(?:en|de)crypt(?:_iv)?\w*\s*\([^']*(?:{quoted}\s*,\s*)?){quoted}"),
                "${1}'…'",
            ),
            (r"(?i)\b(AKIA)[0-9A-Z]{16}\b".to_owned(), "${1}…"),
        ];
        all.into_iter()
            .map(|(pattern, with)| {
                (Regex::new(&pattern).expect("the patterns are constants"), with)
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_nothing_else() {
        for (text, clean) in [
            (
                "CREATE ROLE a LOGIN PASSWORD 'se''cret' SUPERUSER",
                "CREATE ROLE a LOGIN PASSWORD '…' SUPERUSER",
            ),
            ("alter user a password E'se\\'cret'", "alter user a password '…'"),
            (
                "ALTER ROLE a PASSWORD $x$secret$x$ VALID UNTIL 'infinity'",
                "ALTER ROLE a PASSWORD '…' VALID UNTIL 'infinity'",
            ),
            ("ALTER ROLE a PASSWORD 'cut off sec", "ALTER ROLE a PASSWORD '…'"),
            ("dblink('host=a password=secret dbname=b')", "dblink('host=a password=… dbname=b')"),
            ("OPTIONS (user 'a', password 'secret')", "OPTIONS (user 'a', password '…')"),
            (
                "CONNECTION 'host=h user=u password=''secret'''",
                "CONNECTION 'host=h user=u password=…'",
            ),
            (
                "connect to postgres://u:secret@h:5432/d now",
                "connect to postgres://u:…@h:5432/d now",
            ),
            ("set app.api_token = 'secret'", "set app.api_token = …"),
            ("EXECUTE 'ALTER ROLE a PASSWORD ''secret'''", "EXECUTE 'ALTER ROLE a PASSWORD '…''"),
            ("select pgp_sym_encrypt('text', 'secret')", "select pgp_sym_encrypt('text', '…')"),
            ("restore s3 AKIAIOSFODNN7EXAMPLE", "restore s3 AKIA…"),
            ("select 1", "select 1"),
        ] {
            assert_eq!(redact(text), clean);
        }
        for fine in [
            "password authentication failed for user \"a\"",
            "SELECT password FROM users WHERE id = 7",
            "https://example.org/a:b",
        ] {
            assert_eq!(redact(fine), fine);
        }
    }
}
