//! Reads rows of a heap page from the bytes on disk, past the server and its buffers.
//!
//! A query that read them would bring the page into memory, where damage on disk does no harm.
//! Layout: PostgreSQL manual, Database Page Layout; the same in 14 to 18.

/// A column as far as one must know it to find the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `pg_attribute.attlen`; -1: variable.
    pub len: i16,
    /// Bytes to align to: 1, 2, 4, 8.
    pub align: usize,
    /// `pg_type.typname`.
    pub type_name: String,
}

/// One row version of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowVersion {
    /// Line pointer, from 1: the second part of `ctid`.
    pub offset: u16,
    pub xmin: u32,
    pub xmax: u32,
    pub born: Fact,
    pub died: Fact,
    /// Text of the last column asked for; `None`: null, or of a type that is not read here.
    pub key: Option<String>,
}

/// What a row version says about one of its transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    Yes,
    No,
    /// Not noted yet: `pg_xact_status` knows.
    Ask,
}

// Bits of t_infomask (src/include/access/htup_details.h).
const HAS_NULL: u16 = 0x0001;
const XMAX_LOCK_ONLY: u16 = 0x0080;
const XMIN_COMMITTED: u16 = 0x0100;
const XMIN_INVALID: u16 = 0x0200;
const XMAX_COMMITTED: u16 = 0x0400;
const XMAX_INVALID: u16 = 0x0800;
const XMAX_IS_MULTI: u16 = 0x1000;
const LP_NORMAL: u32 = 1;
const PAGE_HEADER: usize = 24;

/// All row versions of a page that are in use; the key is the last of `columns`, which are
/// the table's from the first on, dropped ones too. Bytes that make no sense end the list.
pub fn row_versions(page: &[u8], columns: &[Column]) -> Vec<RowVersion> {
    let Some(lower) = u16_at(page, 12) else { return Vec::new() };
    let n_pointers = usize::from(lower).saturating_sub(PAGE_HEADER) / 4;
    let mut rows = Vec::new();
    for i in 0..n_pointers {
        let Some(pointer) = u32_at(page, PAGE_HEADER + 4 * i) else { break };
        let (start, flags, len) = (pointer & 0x7fff, (pointer >> 15) & 3, pointer >> 17);
        let (start, len) = (start as usize, len as usize);
        if flags != LP_NORMAL {
            continue;
        }
        if let Some(tuple) = page.get(start..start + len)
            && let Some(row) = row_version(tuple, columns, i + 1)
        {
            rows.push(row);
        }
    }
    rows
}

fn row_version(tuple: &[u8], columns: &[Column], offset: usize) -> Option<RowVersion> {
    let infomask = u16_at(tuple, 20)?;
    let has = |bits: u16| infomask & bits == bits;
    // Both xmin bits: frozen, which is committed.
    let born = match (has(XMIN_COMMITTED), has(XMIN_INVALID)) {
        (true, _) => Fact::Yes,
        (false, true) => Fact::No,
        (false, false) => Fact::Ask,
    };
    let xmax = u32_at(tuple, 4)?;
    let died = if xmax == 0 || has(XMAX_INVALID) || has(XMAX_LOCK_ONLY) {
        Fact::No
    } else if has(XMAX_COMMITTED) || has(XMAX_IS_MULTI) {
        Fact::Yes // a multi that is more than locks holds an update
    } else {
        Fact::Ask
    };
    let key = key_of(tuple, columns, infomask);
    Some(RowVersion {
        offset: u16::try_from(offset).ok()?,
        xmin: u32_at(tuple, 0)?,
        xmax,
        born,
        died,
        key,
    })
}

fn key_of(tuple: &[u8], columns: &[Column], infomask: u16) -> Option<String> {
    let n_stored = usize::from(u16_at(tuple, 18)? & 0x07ff);
    let mut at = usize::from(*tuple.get(22)?);
    for (i, column) in columns.iter().enumerate() {
        let is_key = i + 1 == columns.len();
        if i >= n_stored {
            return None; // Added later with a default that the row does not hold.
        }
        let present = infomask & HAS_NULL == 0 || tuple.get(23 + i / 8)? & (1 << (i % 8)) != 0;
        if !present {
            if is_key {
                return None;
            }
            continue;
        }
        let variable = column.len < 0;
        // A variable value with a short header is not aligned; padding is zero bytes.
        if !variable || *tuple.get(at)? == 0 {
            at = at.next_multiple_of(column.align);
        }
        let (header, len) = if variable {
            variable_len(tuple, at)?
        } else {
            (0, usize::try_from(column.len).ok()?)
        };
        if is_key {
            return text_of(tuple.get(at + header..at + len)?, &column.type_name);
        }
        at += len;
    }
    None
}

/// Bytes of the header, and in all, of a variable value (src/include/varatt.h).
fn variable_len(tuple: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = *tuple.get(at)?;
    Some(match first {
        0x01 => (2, 18), // a pointer into the TOAST table
        b if b & 1 == 1 => (1, usize::from(b >> 1)),
        _ => (4, (u32_at(tuple, at)? >> 2) as usize),
    })
}

fn text_of(bytes: &[u8], type_name: &str) -> Option<String> {
    match type_name {
        "int2" => Some(i16::from_le_bytes(bytes.try_into().ok()?).to_string()),
        "int4" => Some(i32::from_le_bytes(bytes.try_into().ok()?).to_string()),
        "int8" => Some(i64::from_le_bytes(bytes.try_into().ok()?).to_string()),
        "text" | "varchar" => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    }
}

// Pages are in the byte order of their server; all machines of today's distributions that
// pgward runs on are little-endian.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_no_row() {
        assert!(row_versions(&[], &[]).is_empty());
        assert!(row_versions(&[0xff; 8192], &[]).is_empty());
        assert!(row_versions(&[0; 8192], &[]).is_empty());
    }
}
