//! Is the data whole? A scan that reads every page in small portions, and checks of catalogs.

pub mod checks;
pub mod error;
pub mod page_scan;
