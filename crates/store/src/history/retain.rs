//! What is too old or too much goes.

use super::{History, names};
use crate::error::Error;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use object_store::path::Path;
use std::collections::BTreeMap;

/// How much history of a server is kept; whichever bound is met first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub days: u32,
    pub bytes: u64,
}

/// A month, which takes less than a gigabyte for a server of 500 statements; the other bound
/// is for servers that are not like that.
impl Default for Keep {
    fn default() -> Keep {
        Keep { days: 30, bytes: 4 << 30 }
    }
}

impl History {
    /// Drops days of `server` that are older than `keep` says, then the oldest files until the
    /// rest is within its bytes: whole days, oldest first, and of the newest day its files.
    pub(super) fn drop_old(&self, server: &str, keep: Keep, now: Timestamp) -> Result<(), Error> {
        let mut files: BTreeMap<(String, String), Vec<(Path, u64)>> = BTreeMap::new();
        let mut total = 0;
        let newest = names::day(now).0;
        for series in self.folders()? {
            let folder = Path::from_iter([series.as_str(), server]);
            for (object, bytes) in self.objects.all(&folder)? {
                let mut parts = object.parts().skip(folder.parts().count());
                let (Some(day), Some(name)) = (parts.next(), parts.next()) else { continue };
                total += bytes;
                let day = day.as_ref().to_owned();
                let name = if day < newest { String::new() } else { name.as_ref().to_owned() };
                files.entry((day, name)).or_default().push((object, bytes));
            }
        }
        let age = jiff::Span::new().days(i64::from(keep.days));
        let oldest = now.to_zoned(TimeZone::UTC).date().saturating_sub(age).to_string();
        for ((day, _), objects) in &files {
            if *day >= oldest && total <= keep.bytes {
                break;
            }
            for (object, bytes) in objects {
                self.objects.delete(object)?;
                total -= bytes;
            }
        }
        Ok(())
    }

    /// Folders of series, and of batches.
    pub(super) fn folders(&self) -> Result<Vec<String>, Error> {
        Ok(self.objects.names(&Path::default())?.0)
    }
}
