//! Alerts on their way and who has acknowledged what: one small object each, so that neither a
//! crash nor a restart loses a message.

use crate::error::Error;
use crate::vault::{Vault, checked};
use object_store::path::Path;
use pgward_model::alert::{Acknowledgement, Delivery};

/// Deliveries read from a queue that was left; more are a storm that nobody should get.
const DELIVERIES_MAX: usize = 1_000;

impl Vault {
    /// Writes `alerts/ID.json`, over an earlier state of the same delivery.
    ///
    /// # Errors
    /// As [`Vault::append`].
    pub fn save_delivery(&self, delivery: &Delivery) -> Result<(), Error> {
        let bytes = serde_json::to_vec(delivery)
            .map_err(|source| Error::Json { what: "an alert", source })?;
        self.put(&object("alerts", &delivery.id)?, bytes)?;
        Ok(())
    }

    /// Takes a delivery out of the queue.
    ///
    /// # Errors
    /// As [`Vault::append`].
    pub fn remove_delivery(&self, id: &str) -> Result<(), Error> {
        self.remove(&object("alerts", id)?)
    }

    /// What is still to be delivered, oldest first, at most 1,000; what cannot be read is left
    /// out.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn deliveries(&self) -> Result<Vec<Delivery>, Error> {
        let (_, names) = self.names(&Path::from("alerts"))?;
        let mut all: Vec<Delivery> = names
            .iter()
            .filter(|name| name.ends_with(".json"))
            .take(DELIVERIES_MAX)
            .filter_map(|name| {
                self.get_json(&Path::from_iter(["alerts", name.as_str()]), "alert").ok()
            })
            .collect();
        all.sort_by_key(|d| d.created);
        Ok(all)
    }

    /// Writes `acknowledged/INCIDENT.json`.
    ///
    /// # Errors
    /// As [`Vault::append`]; a text that is no id.
    pub fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), Error> {
        let bytes = serde_json::to_vec(acknowledgement)
            .map_err(|source| Error::Json { what: "an acknowledgement", source })?;
        self.put(&object("acknowledged", &acknowledgement.incident)?, bytes)?;
        Ok(())
    }

    /// Who looks after an incident, if anybody does.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn acknowledgement(&self, incident: &str) -> Result<Option<Acknowledgement>, Error> {
        let object = object("acknowledged", incident)?;
        match self.get_json(&object, "acknowledgement") {
            Ok(found) => Ok(Some(found)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn object(folder: &'static str, id: &str) -> Result<Path, Error> {
    let name = format!("{}.json", checked(id, "an alert")?);
    Ok(Path::from_iter([folder, &name]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use pgward_model::alert::{Alert, AlertNews};

    fn delivery(id: &str, seconds: i64) -> Delivery {
        let at = Timestamp::from_second(1_795_219_200 + seconds).unwrap();
        let alert = Alert {
            incident: "20261121T050000Z-1".to_owned(),
            server: "shop".to_owned(),
            news: AlertNews::Opened,
            at,
            since: at,
            title: "queue on orders".to_owned(),
            objects: Vec::new(),
            cause: None,
            says: String::new(),
            blocker: None,
            change: None,
            impact: "3 sessions wait".to_owned(),
            next: "look".to_owned(),
        };
        Delivery {
            id: id.to_owned(),
            route: "webhook".to_owned(),
            alert,
            with: Vec::new(),
            created: at,
            n_tries: 0,
            next_try: at,
        }
    }

    #[test]
    fn the_queue_is_there_after_a_restart_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        vault.save_delivery(&delivery("b", 1)).unwrap();
        vault.save_delivery(&delivery("a", 2)).unwrap();
        vault.save_delivery(&Delivery { n_tries: 3, ..delivery("b", 1) }).unwrap();
        std::fs::write(dir.path().join("alerts/c.json"), "torn").unwrap();
        let left = Vault::open(dir.path()).unwrap().deliveries().unwrap();
        let told: Vec<_> = left.iter().map(|d| (d.id.as_str(), d.n_tries)).collect();
        assert_eq!(told, [("b", 3), ("a", 0)]);
        vault.remove_delivery("b").unwrap();
        vault.remove_delivery("b").unwrap();
        assert_eq!(vault.deliveries().unwrap().len(), 1);
        assert!(vault.save_delivery(&delivery("../x", 1)).is_err());
    }

    #[test]
    fn an_acknowledgement_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        assert_eq!(vault.acknowledgement("i-1").unwrap(), None);
        let ack = Acknowledgement {
            incident: "i-1".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            by: "on-call".to_owned(),
            note: "looking".to_owned(),
        };
        vault.acknowledge(&ack).unwrap();
        assert_eq!(vault.acknowledgement("i-1").unwrap(), Some(ack));
    }
}
