//! Samplers: what a tick reads. One file each; the file's name is the id that a [`Gap`] bears.

use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;

mod clock;
mod config;
mod database;
mod ddl;
mod horizon;
mod host;
mod integrity;
mod jobs;
mod keys;
pub(crate) mod log;
pub(crate) mod planner;
mod privileges;
mod probe;
mod replication;
pub(crate) mod sessions;
mod slru;
mod statements;
mod status;
pub(crate) mod tables;
mod temp_files;
mod wal;
mod writes;

/// One sampler.
pub struct Sampler {
    /// File name.
    pub id: &'static str,
    /// Least seconds between two runs; more where it is dear, see `pace`.
    pub period_s: f64,
    /// What the role needs for it.
    pub rights: &'static str,
    /// Fills its part of the sample. An error becomes a [`Gap`].
    pub take: fn(&mut Eyes, &mut Sample) -> Result<(), Error>,
}

/// All samplers, the most urgent first.
pub static SAMPLERS: &[&Sampler] = &[
    &sessions::SAMPLER,
    &database::SAMPLER,
    &log::SAMPLER,
    &ddl::SAMPLER,
    &statements::SAMPLER,
    &tables::SAMPLER,
    &temp_files::SAMPLER,
    &wal::SAMPLER,
    &horizon::SAMPLER,
    &slru::SAMPLER,
    &replication::SAMPLER,
    &keys::SAMPLER,
    &config::SAMPLER,
    &privileges::SAMPLER,
    &planner::SAMPLER,
    &integrity::SAMPLER,
    &host::SAMPLER,
    &writes::SAMPLER,
    &clock::SAMPLER,
    &probe::SAMPLER,
    &status::SAMPLER,
    &jobs::SAMPLER,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_registered_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/samplers");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut ids: Vec<&str> = SAMPLERS.iter().map(|s| s.id).collect();
        ids.sort_unstable();
        assert_eq!(files, ids);
    }
}
