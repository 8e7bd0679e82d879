//! Cuts SQL text into tokens without ever failing: half-written text, psql commands and
//! the data of a COPY must not hide the statements around them.

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Word,
    /// `"…"`, quotes included.
    QuotedIdent,
    /// `'…'`, `E'…'`, `$$…$$`: a constant.
    Literal,
    Comment,
    Semicolon,
    Open,
    Close,
    /// A psql command: from the backslash to the end of its line.
    Meta,
    /// The lines after `COPY … FROM stdin;`, end marker included.
    CopyData,
    Other,
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The words of a statement in lower case: no quoted names, literals and comments.
pub fn words(text: &str) -> Vec<String> {
    let words = tokens(text).into_iter().filter(|t| t.kind == TokenKind::Word);
    words.filter_map(|t| text.get(t.start..t.end)).map(str::to_ascii_lowercase).collect()
}

/// The statement with `what` behind the first `word`; `None` where it has no such word.
pub fn insert_after(text: &str, word: &str, what: &str) -> Option<String> {
    let found = tokens(text).into_iter().find(|t| {
        t.kind == TokenKind::Word
            && text.get(t.start..t.end).is_some_and(|w| w.eq_ignore_ascii_case(word))
    })?;
    Some(format!("{} {what}{}", text.get(..found.end)?, text.get(found.end..)?))
}

/// Does `rest`, what stands behind a statement, begin with its semicolon? Comments may be between.
pub fn has_semicolon(rest: &str) -> bool {
    let mut at = 0;
    while let Some(c) = char_at(rest, at) {
        let (kind, end) = match c.is_whitespace() {
            true => (TokenKind::Comment, at + c.len_utf8()),
            false => token_at(rest, at, c),
        };
        if kind != TokenKind::Comment {
            return kind == TokenKind::Semicolon;
        }
        at = end;
    }
    false
}

/// Bytes of the usual token with the space behind it: a guess, the list grows where it is wrong.
const TOKEN_BYTES: usize = 6;
/// A large text may be one literal.
const TOKENS_AT_FIRST: usize = 10_000;

fn char_at(text: &str, at: usize) -> Option<char> {
    match text.as_bytes().get(at)? {
        byte if byte.is_ascii() => Some(char::from(*byte)),
        _ => text.get(at..)?.chars().next(),
    }
}

/// Every token of `text` but white space, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::with_capacity((text.len() / TOKEN_BYTES).min(TOKENS_AT_FIRST));
    let mut statement_from = 0;
    let mut data_may_end = true; // once there is no end mark, there is none further down
    let mut at = 0;
    while let Some(c) = char_at(text, at) {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, end) = token_at(text, at, c);
        found.push(Token { kind, start: at, end });
        at = end;
        let written = |t: &Token| text.get(t.start..t.end).unwrap_or("");
        let reads_data = match kind {
            TokenKind::Semicolon => {
                let statement = found.get(statement_from..).unwrap_or(&[]).iter();
                reads_copy_data(statement.filter(|t| t.kind == TokenKind::Word).map(written))
            }
            TokenKind::Meta => {
                let command = found.last().map_or("", written);
                reads_copy_data(command.trim_start_matches('\\').split_whitespace())
            }
            _ => continue,
        };
        if data_may_end && reads_data {
            if let Some((start, end)) = copy_data(text, at) {
                found.push(Token { kind: TokenKind::CopyData, start, end });
                at = end;
            } else {
                data_may_end = false;
            }
        }
        statement_from = found.len();
    }
    found
}

fn token_at(text: &str, at: usize, c: char) -> (TokenKind, usize) {
    let rest = text.get(at..).unwrap_or("");
    match c {
        '-' if rest.starts_with("--") => (TokenKind::Comment, line_end(text, at)),
        '/' if rest.starts_with("/*") => (TokenKind::Comment, block_comment_end(text, at)),
        '\'' => (TokenKind::Literal, quoted_end(text, at + 1, b'\'', Escapes::Doubled)),
        '"' => (TokenKind::QuotedIdent, quoted_end(text, at + 1, b'"', Escapes::Doubled)),
        'e' | 'E' if rest.get(1..2) == Some("'") => {
            (TokenKind::Literal, quoted_end(text, at + 2, b'\'', Escapes::Backslash))
        }
        'b' | 'B' | 'x' | 'X' | 'n' | 'N' if rest.get(1..2) == Some("'") => {
            (TokenKind::Literal, quoted_end(text, at + 2, b'\'', Escapes::Doubled))
        }
        '$' => match dollar_quote_end(text, at) {
            Some(end) => (TokenKind::Literal, end),
            None => (TokenKind::Other, at + 1),
        },
        ';' => (TokenKind::Semicolon, at + 1),
        '(' => (TokenKind::Open, at + 1),
        ')' => (TokenKind::Close, at + 1),
        '\\' if rest.starts_with("\\;") => (TokenKind::Semicolon, at + 2),
        '\\' => (TokenKind::Meta, line_end(text, at)),
        c if c.is_alphanumeric() || c == '_' => {
            let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let mut end = at;
            while let Some(c) = char_at(text, end).filter(|c| word(*c)) {
                end += c.len_utf8();
            }
            (TokenKind::Word, end)
        }
        other => (TokenKind::Other, at + other.len_utf8()),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Escapes {
    Doubled,
    Backslash,
}

/// The end of a quoted text whose content starts at `from`; the end of the text where the
/// quote is never closed.
fn quoted_end(text: &str, from: usize, quote: u8, escapes: Escapes) -> usize {
    let bytes = text.as_bytes();
    let is_quote = |at: usize| bytes.get(at) == Some(&quote);
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'\\' && escapes == Escapes::Backslash {
            at += 2;
        } else if !is_quote(at) {
            at += 1;
        } else if is_quote(at + 1) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    text.len()
}

/// `$tag$ … $tag$`; `None` where this dollar opens no such text.
fn dollar_quote_end(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    let close = rest.find('$')?;
    let tag = rest.get(..close)?;
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !tag.starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return None;
    }
    let mark = text.get(at..at + close + 2)?;
    let body = at + mark.len();
    Some(match text.get(body..)?.find(mark) {
        Some(offset) => body + offset + mark.len(),
        None => text.len(),
    })
}

/// Block comments nest in PostgreSQL.
fn block_comment_end(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut depth = 0_u32;
    let mut i = at;
    while i < bytes.len() {
        match (bytes.get(i), bytes.get(i + 1)) {
            (Some(b'/'), Some(b'*')) => {
                depth += 1;
                i += 2;
            }
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    text.len()
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |n| at + n)
}

/// `COPY … FROM STDIN`, by the words of a statement or of a psql command: what follows on the
/// next lines is data.
fn reads_copy_data<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    if !words.next().is_some_and(|w| w.eq_ignore_ascii_case("copy")) {
        return false;
    }
    let mut from = false;
    words.any(|word| {
        let was_from = std::mem::replace(&mut from, word.eq_ignore_ascii_case("from"));
        // The grammar takes one for the other.
        was_from && ["stdin", "stdout"].iter().any(|s| word.eq_ignore_ascii_case(s))
    })
}

/// From the line after `from` to the line `\.`, if there is one.
fn copy_data(text: &str, from: usize) -> Option<(usize, usize)> {
    let start = line_end(text, from) + 1;
    let mut at = start;
    while at < text.len() {
        let end = line_end(text, at);
        if text.get(at..end).is_some_and(|line| line.trim_end() == "\\.") {
            return Some((start, end));
        }
        at = end + 1;
    }
    None
}
