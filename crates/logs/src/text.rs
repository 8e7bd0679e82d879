//! Small readers of text: beginnings, numbers, pieces between marks.

/// The first `most` bytes at most, cut where a character ends.
pub(crate) fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// What stands between the first `open` and the next `close` after it.
pub(crate) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inside, _)| inside)
}

/// The number that begins right after `mark`: `after("sync=0.5 s", "sync=")` is 0.5.
pub(crate) fn after(text: &str, mark: &str) -> Option<f64> {
    let (_, rest) = text.split_once(mark)?;
    number(rest)
}

/// The number a text begins with.
pub(crate) fn number(text: &str) -> Option<f64> {
    let end = text.bytes().position(|b| !b.is_ascii_digit() && b != b'.' && b != b'-');
    text.get(..end.unwrap_or(text.len()))?.trim_end_matches('.').parse().ok()
}

/// The number that ends right before `mark`: `before("5 removed, 7 remain", " remain")` is 7.
pub(crate) fn before(text: &str, mark: &str) -> Option<f64> {
    let (front, _) = text.split_once(mark)?;
    let begin = front.bytes().rposition(|b| !b.is_ascii_digit() && b != b'.');
    front.get(begin.map_or(0, |i| i + 1)..)?.parse().ok()
}

/// Milliseconds of `123.456`, digits and one point only: quicker than a general parser.
pub(crate) fn millis(text: &str) -> Option<(f64, usize)> {
    let bytes = text.as_bytes();
    let mut whole: u64 = 0;
    let mut scale: u64 = 0;
    let mut n = 0;
    for byte in bytes {
        match byte {
            b'0'..=b'9' => {
                whole = whole.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
                scale *= 10;
            }
            b'.' if scale == 0 => scale = 1,
            _ => break,
        }
        n += 1;
    }
    (n > 0).then(|| (whole as f64 / scale.max(1) as f64, n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_beside_their_marks() {
        assert_eq!(after("write=0.694 s, sync=0.001 s", "sync="), Some(0.001));
        assert_eq!(before("tuples: 12 removed, 627 remain", " remain"), Some(627.0));
        assert_eq!(millis("1202.175 ms"), Some((1202.175, 8)));
        assert_eq!(millis("7 ms"), Some((7.0, 1)));
        assert_eq!(millis("ms"), None);
        assert_eq!(between("on tuple (0,1) of", "(", ")"), Some("0,1"));
        assert_eq!(head("aü", 2), "a");
    }
}
