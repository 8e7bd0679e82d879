//! Incidents as JSON, and beside each the case that its causes saw, so that it can be replayed.

use crate::error::Error;
use crate::vault::{Vault, checked};
use object_store::path::Path;
use pgward_model::incident::{Case, Incident};
use std::path::PathBuf;

const CASE: &str = ".case.json";

impl Vault {
    /// Writes `incidents/ID.json`, over an earlier state of the same incident.
    pub fn save_incident(&self, incident: &Incident) -> Result<PathBuf, Error> {
        let bytes = serde_json::to_vec_pretty(incident)
            .map_err(|source| Error::Json { what: "an incident", source })?;
        self.put(&object(&incident.id, ".json")?, bytes)
    }

    /// The incident of that id.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none.
    pub fn incident(&self, id: &str) -> Result<Incident, Error> {
        self.get_json(&object(id, ".json")?, "incident")
    }

    /// Ids of all incidents, oldest first: by number where they are numbers, else by text.
    pub fn incident_ids(&self) -> Result<Vec<String>, Error> {
        let (_, names) = self.names(&Path::from("incidents"))?;
        let mut ids: Vec<String> = names
            .iter()
            .filter(|name| !name.ends_with(CASE))
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect();
        ids.sort_by_key(|id| (id.parse::<u64>().unwrap_or(u64::MAX), id.clone()));
        Ok(ids)
    }

    /// Writes `incidents/ID.case.json`: what the causes of incident `id` saw.
    pub fn save_case(&self, id: &str, case: &Case) -> Result<PathBuf, Error> {
        let bytes =
            serde_json::to_vec(case).map_err(|source| Error::Json { what: "a case", source })?;
        self.put(&object(id, CASE)?, bytes)
    }

    /// What the causes of incident `id` saw.
    ///
    /// # Errors
    /// [`Error::Missing`] when it was not kept.
    pub fn case(&self, id: &str) -> Result<Case, Error> {
        self.get_json(&object(id, CASE)?, "case")
    }
}

fn object(id: &str, ending: &str) -> Result<Path, Error> {
    let name = format!("{}{ending}", checked(id, "an incident")?);
    Ok(Path::from_iter(["incidents", &name]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgward_model::prelude::*;

    fn incident(id: &str) -> Incident {
        let at: Timestamp = "2026-11-21T05:00:00Z".parse().unwrap();
        let source = Source::new(SourceKind::Sample, "sessions");
        let evidence =
            Evidence::measured("37 sessions wait", 37.0, "sessions", source).against(0.0);
        Incident {
            id: id.to_owned(),
            server: "prod".into(),
            opened: at,
            closed: None,
            symptoms: vec![Symptom::new(
                "lock_queue",
                at,
                at,
                Weight::Harm,
                "lock queue on orders",
                evidence.clone(),
            )],
            verdicts: vec![Judged {
                cause: "lock_ddl_queue".into(),
                verdict: Verdict::Likely(Likely::new(0.9, "pid 4802 waits", evidence)),
            }],
            hypotheses: Vec::new(),
            runbooks: Vec::new(),
            changes: Vec::new(),
        }
    }

    #[test]
    fn an_incident_and_its_case_come_back_as_they_went() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path().join("new/vault")).unwrap();
        for id in ["10", "9", "drill-a"] {
            vault.save_incident(&incident(id)).unwrap();
        }
        let mut later = incident("9");
        later.closed = Some(later.opened);
        let path = vault.save_incident(&later).unwrap();
        assert!(path.ends_with("incidents/9.json") && path.is_file());
        let case = Case {
            symptoms: later.symptoms.clone(),
            checksums: Some(true),
            ..Case::new(Window::default(), later.opened, "prod")
        };
        vault.save_case("9", &case).unwrap();
        assert_eq!(vault.incident("9").unwrap(), later);
        assert_eq!(vault.case("9").unwrap(), case);
        assert_eq!(vault.incident_ids().unwrap(), ["9", "10", "drill-a"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        assert!(vault.incident_ids().unwrap().is_empty());
        let error = vault.incident("12").unwrap_err();
        assert!(error.to_string().ends_with("incidents/12.json: there is no such incident"));
        assert!(vault.case("../12").unwrap_err().to_string().contains("not a name"));
    }
}
