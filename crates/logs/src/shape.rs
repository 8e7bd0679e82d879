//! A statement without its constants, made in one pass: millions of them are grouped by it.
//!
//! Once for each shape, the whole tokens give the fingerprint in the end.

/// Bytes of a statement that its shape is made of: rows of an INSERT repeat themselves.
const TEXT_MAX: usize = 4 << 10;

/// Writes the shape of `text` into `out`: constants and parameters as `?`, lists of them as
/// one, white space as one blank, comments gone, words in lower case.
pub(crate) fn shape(text: &str, out: &mut Vec<u8>) {
    out.clear();
    let bytes = text.as_bytes();
    let bytes = bytes.get(..bytes.len().min(TEXT_MAX)).unwrap_or(bytes);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b' ' | b'\n' | b'\t' | b'\r' => blank(at, out),
            b'\'' => constant(quoted(bytes, at + 1, false), out),
            b'"' => {
                let end = identifier(bytes, at + 1);
                out.extend_from_slice(bytes.get(at..end).unwrap_or(&[]));
                end
            }
            b'$' => dollar(bytes, at, out),
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                let rest = bytes.get(at..).unwrap_or(&[]);
                blank(at + memchr::memchr(b'\n', rest).unwrap_or(rest.len()) - 1, out)
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let rest = bytes.get(at + 2..).unwrap_or(&[]);
                let n = memchr::memmem::find(rest, b"*/").map_or(rest.len(), |n| n + 2);
                blank(at + 1 + n, out)
            }
            b'0'..=b'9' if !after_word(out) => constant(digits(bytes, at), out),
            b'E' | b'e' | b'B' | b'b' | b'X' | b'x' | b'N' | b'n'
                if bytes.get(at + 1) == Some(&b'\'') && !after_word(out) =>
            {
                constant(quoted(bytes, at + 2, matches!(byte, b'E' | b'e')), out)
            }
            b';' => at + 1,
            _ => {
                out.push(byte.to_ascii_lowercase());
                at + 1
            }
        };
    }
    while out.last() == Some(&b' ') {
        out.pop();
    }
}

fn blank(at: usize, out: &mut Vec<u8>) -> usize {
    if out.last().is_some_and(|b| !matches!(b, b' ' | b'(')) {
        out.push(b' ');
    }
    at + 1
}

fn after_word(out: &[u8]) -> bool {
    out.last().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || *b >= 128)
}

/// One `?`; `?, ?` and `(?), (?)` become one, however long the list is.
fn constant(end: usize, out: &mut Vec<u8>) -> usize {
    out.push(b'?');
    for list in [&b"?, ?"[..], b"?,?", b"? , ?"] {
        if out.ends_with(list) {
            out.truncate(out.len() + 1 - list.len());
        }
    }
    for rows in [&b"(?), (?"[..], b"(?),(?"] {
        if out.ends_with(rows) {
            out.truncate(out.len() + 2 - rows.len());
        }
    }
    end
}

/// The end of a constant whose content begins at `from`.
fn quoted(bytes: &[u8], mut from: usize, escapes: bool) -> usize {
    loop {
        let rest = bytes.get(from..).unwrap_or(&[]);
        let found =
            if escapes { memchr::memchr2(b'\'', b'\\', rest) } else { memchr::memchr(b'\'', rest) };
        let Some(n) = found else { return bytes.len() };
        let at = from + n;
        if bytes.get(at) == Some(&b'\\') || bytes.get(at + 1) == Some(&b'\'') {
            from = at + 2;
        } else {
            return at + 1;
        }
    }
}

fn identifier(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    memchr::memchr(b'"', rest).map_or(bytes.len(), |n| from + n + 1)
}

fn digits(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    let of_number = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_');
    at + rest.iter().position(|b| !of_number(b)).unwrap_or(rest.len())
}

/// `$1` is a parameter, `$tag$ … $tag$` a constant.
fn dollar(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let rest = bytes.get(at + 1..).unwrap_or(&[]);
    let n = rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'_');
    let n = n.unwrap_or(rest.len());
    if n > 0 && rest.first().is_some_and(u8::is_ascii_digit) {
        return constant(at + 1 + n, out);
    }
    if rest.get(n) != Some(&b'$') {
        out.push(b'$');
        return at + 1;
    }
    let mark = bytes.get(at..at + n + 2).unwrap_or(&[]);
    let body = bytes.get(at + mark.len()..).unwrap_or(&[]);
    let end = memchr::memmem::find(body, mark).map_or(bytes.len(), |i| at + i + 2 * mark.len());
    constant(end, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut out = Vec::new();
        shape(text, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{text}");
    }

    #[test]
    fn constants_lists_comments_and_case_do_not_count() {
        check("SELECT *\n\tFROM a  WHERE b = 1;", "select * from a where b = ?");
        check("select 'it''s', E'a\\'b', $$x$$, $1", "select ?");
        check("SELECT a FROM b WHERE c IN (1, 2,3 , 4)", "select a from b where c in (?)");
        check("INSERT INTO a VALUES (1, 'x'), (2, 'y'),(3,'z')", "insert into a values (?)");
        check("select /* hi */ 1 -- there\n+ t1.x2", "select ? + t1.x2");
        check("select \"Mixed Case\" from a1", "select \"Mixed Case\" from a1");
        check("select 1.5e3, x'ff', 0x1f", "select ?");
        check("select a -- open", "select a");
        check("select 'cut off", "select ?");
        check("", "");
    }
}
