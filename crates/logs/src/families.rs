//! Families of classes: what a server says about one side of its life. One file each; the
//! file's name is the family's id.

use crate::classes::Class;

mod access;
mod archiving;
mod cancelling;
mod checkpoints;
mod configuration;
mod connections;
mod corruption;
mod crashes;
mod data;
mod extensions;
mod locks;
mod logical;
mod pooling;
mod replication;
mod resources;
mod schema;
mod startup;
mod statements;
mod transactions;
mod vacuum;

/// Classes that belong together.
#[derive(Debug)]
pub struct Family {
    /// File name.
    pub id: &'static str,
    /// What they have in common, for people.
    pub title: &'static str,
    pub classes: &'static [Class],
}

/// All families.
pub static FAMILIES: &[&Family] = &[
    &access::FAMILY,
    &archiving::FAMILY,
    &cancelling::FAMILY,
    &checkpoints::FAMILY,
    &configuration::FAMILY,
    &connections::FAMILY,
    &corruption::FAMILY,
    &crashes::FAMILY,
    &data::FAMILY,
    &extensions::FAMILY,
    &locks::FAMILY,
    &logical::FAMILY,
    &pooling::FAMILY,
    &replication::FAMILY,
    &resources::FAMILY,
    &schema::FAMILY,
    &startup::FAMILY,
    &statements::FAMILY,
    &transactions::FAMILY,
    &vacuum::FAMILY,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_registered_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/families");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, FAMILIES.iter().map(|x| x.id).collect::<Vec<_>>());
    }
}
