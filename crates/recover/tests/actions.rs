//! Runbooks planned and carried out on a real server while the world goes on around them.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_model::prelude::*;
use pgward_pg::guarded::{self, Context};
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_recover::actions::{self, Cx};
use pgward_recover::error::Error;

struct Stage {
    server: PrivateServer,
    session: Session,
    control: Session,
}

fn stage(schema: &str) -> Stage {
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    let connect = || Session::connect(&server.target(), Purpose::Act).unwrap();
    let (session, control) = (connect(), connect());
    session.simple(schema).unwrap();
    Stage { session, control, server }
}

impl Stage {
    fn user(&self) -> Session {
        Session::connect(&self.server.target(), Purpose::Private).unwrap()
    }

    fn plan(&self, id: &str, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
        let cx = Cx { session: &self.session, vault: None, installation: None, data_dir: None };
        (actions::action(id).unwrap().plan)(&cx, likely, case)
    }

    fn carry_out(&self, runbook: &Runbook) -> Result<(), pgward_pg::error::Error> {
        let mut context = Context::new("test");
        runbook.steps.iter().try_for_each(|step| {
            guarded::run(&self.session, &self.control, step, &mut context).map(|_| ())
        })
    }

    fn is(&self, sql: &str) -> bool {
        self.session.query_one(&format!("SELECT {sql}"), &[]).unwrap()
    }
}

fn fact() -> Evidence {
    Evidence::stated("as the test says", Source::new(SourceKind::Sample, ""))
}

fn case(samples: Vec<Sample>) -> Case {
    Case {
        symptoms: Vec::new(),
        onset: clock::now(),
        window: Window { samples, ..Window::default() },
        catalog: None,
        ddl: Vec::new(),
        events: Vec::new(),
        known_changes: Vec::new(),
        checksums: None,
        server: "test".into(),
    }
}

fn ddl(kind: &str, identity: &str, table: &str, statement: &str) -> DdlEvent {
    DdlEvent {
        at: clock::now(),
        pid: 4711,
        role: "deploy".into(),
        application: String::new(),
        client: String::new(),
        command: String::new(),
        object_kind: kind.into(),
        identity: identity.into(),
        relation: Some(Relation::new("public", table)),
        dropped: false,
        old_definition: None,
        xid: None,
        lsn: None,
        statement: statement.into(),
        seen_by: DdlWitness::EventTrigger,
    }
}

#[test]
fn a_migration_that_has_been_written_into_is_not_taken_back_as_if_it_lost_nothing() {
    let steps = ["ALTER TABLE a ADD COLUMN note text", "CREATE TABLE b (id int)"];
    let stage = stage(&format!(
        "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (2), (3); {}",
        steps.join(";")
    ));
    let likely = |text: &str| {
        Likely::new(0.9, "half a migration", fact()).blaming([ddl("table", "public.a", "a", text)])
    };
    let plan = |text: &str| stage.plan("undo_migration", &likely(text), &case(Vec::new())).unwrap();
    for text in steps {
        assert_eq!(plan(text).loss.n_rows, Some(0), "{text}");
    }
    let planned: Vec<Runbook> = steps.iter().map(|text| plan(text)).collect();
    stage.user().simple("UPDATE a SET note = 'x' WHERE id < 3; INSERT INTO b VALUES (7)").unwrap();
    for runbook in &planned {
        let error = stage.carry_out(runbook).unwrap_err();
        assert!(error.message().contains("written to since"), "{error}");
    }
    assert_eq!(steps.map(|text| plan(text).loss.n_rows), [Some(2), Some(1)]);
    assert!(stage.is("(SELECT count(note) = 2 FROM a) AND (SELECT count(*) = 1 FROM b)"));
    stage.user().simple("UPDATE a SET note = NULL; DELETE FROM b").unwrap();
    for runbook in &planned {
        stage.carry_out(runbook).unwrap();
    }
    assert!(stage.is("to_regclass('b') IS NULL"));
}
