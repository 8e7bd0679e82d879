//! The rows that a scan of pages asks for, in binary: text the server would have to read.

use bytes::BytesMut;
use std::error::Error;
use std::ops::Range;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// The row of one number on each of some blocks: a `tid[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tids {
    pub blocks: Range<u32>,
    /// From 1, as in `ctid`.
    pub row: u16,
}

impl ToSql for Tids {
    /// One dimension from 1, no nulls; each element with its length (`array_recv` and `tidrecv` of
    /// the server's source).
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let n = i32::try_from(self.blocks.len())?;
        for header in [1, 0, i32::try_from(Type::TID.oid())?, n, 1] {
            out.extend_from_slice(&header.to_be_bytes());
        }
        for block in self.blocks.clone() {
            out.extend_from_slice(&6_i32.to_be_bytes());
            out.extend_from_slice(&block.to_be_bytes());
            out.extend_from_slice(&self.row.to_be_bytes());
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TID_ARRAY
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_before_its_row() {
        let mut out = BytesMut::new();
        let tids = Tids { blocks: 65_535..65_537, row: 9 };
        tids.to_sql(&Type::TID_ARRAY, &mut out).unwrap();
        let header = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 27, 0, 0, 0, 2, 0, 0, 0, 1];
        assert_eq!(out[..20], header);
        assert_eq!(out[20..30], [0, 0, 0, 6, 0, 0, 0xff, 0xff, 0, 9]);
        assert_eq!(out[30..], [0, 0, 0, 6, 0, 1, 0, 0, 0, 9]);
    }
}
