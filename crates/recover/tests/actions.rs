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
    Case::new(Window { samples, ..Window::default() }, clock::now(), "test")
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

fn of(pid: i32, stage: &Stage) -> SessionSample {
    let row = stage
        .session
        .query(
            "SELECT backend_start, xact_start, query_start, state_change, state, query \
             FROM pg_stat_activity WHERE pid = $1",
            &[&pid],
        )
        .unwrap();
    let row = row.first().unwrap();
    SessionSample {
        pid,
        role: "postgres".into(),
        application: "mailer".into(),
        client: String::new(),
        database: "postgres".into(),
        backend_start: row.get(0),
        xact_start: row.get(1),
        query_start: row.get(2),
        state_change: row.get(3),
        state: row.get(4),
        wait_type: String::new(),
        wait_event: String::new(),
        xid: None,
        query: row.get(5),
        query_id: 0,
        blocked_by: Vec::new(),
        waits_for: None,
        holds: Vec::new(),
    }
}

fn with_sessions(sessions: Vec<SessionSample>) -> Case {
    let database = Some(DatabaseCounters {
        xact_commit: 0,
        xact_rollback: 0,
        blks_read: 0,
        blks_hit: 0,
        tup_returned: 0,
        tup_updated: 0,
        tup_deleted: 0,
        temp_bytes: 0,
        deadlocks: 0,
        checksum_failures: None,
        n_backends: 99,
        max_connections: 100,
        open_connections: Some(97),
        blk_read_ms: None,
    });
    case(vec![Sample { at: clock::now(), sessions, database, ..Sample::default() }])
}

#[test]
fn idle_sessions_are_ended_and_one_that_has_begun_to_work_is_not() {
    let stage = stage("");
    let (idle, works) = (stage.user(), stage.user());
    let pids = [idle.pid(), works.pid()];
    let case = with_sessions(pids.map(|pid| of(pid, &stage)).to_vec());
    let likely = Likely::new(0.9, "a leak", fact()).by(pids);
    let runbook = stage.plan("end_idle_sessions", &likely, &case).unwrap();
    works.simple("BEGIN").unwrap();
    stage.carry_out(&runbook).unwrap();
    works.simple("COMMIT").unwrap();
    assert!(idle.simple("SELECT 1").is_err());
}

#[test]
fn half_of_what_a_role_may_have_is_free_again_while_the_server_has_room() {
    let stage = stage("CREATE ROLE printer LOGIN CONNECTION LIMIT 4");
    let printer = stage.server.target().with_role("printer");
    let idle: Vec<Session> =
        (0..4).map(|_| Session::connect(&printer, Purpose::Private).unwrap()).collect();
    assert!(Session::connect(&printer, Purpose::Private).is_err());
    let pids: Vec<i32> = idle.iter().map(Session::pid).collect();
    let sampled = |pid: &i32| SessionSample { role: "printer".to_owned(), ..of(*pid, &stage) };
    let mut case = with_sessions(pids.iter().map(sampled).collect());
    case.window.samples[0].database.as_mut().unwrap().n_backends = 9;
    let likely = Likely::new(0.9, "a leak", fact()).by(pids);
    let runbook = stage.plan("end_idle_sessions", &likely, &case).unwrap();
    stage.carry_out(&runbook).unwrap();
    assert_eq!(idle.iter().filter(|s| s.simple("SELECT 1").is_ok()).count(), 2);
}

#[test]
fn the_holder_of_an_old_snapshot_is_ended_and_its_dead_rows_go() {
    let stage = stage("CREATE TABLE jobs AS SELECT g AS id FROM generate_series(1, 2000) g");
    let holder = stage.user();
    holder.simple("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM jobs").unwrap();
    stage.user().simple("DELETE FROM jobs WHERE id > 10").unwrap();
    let case = with_sessions(vec![of(holder.pid(), &stage)]);
    let likely = Likely::new(0.9, "a snapshot", fact())
        .by([holder.pid()])
        .on([Relation::new("public", "jobs")]);
    let runbook = stage.plan("end_xmin_holder", &likely, &case).unwrap();
    stage.carry_out(&runbook).unwrap();
    assert!(holder.simple("COMMIT").is_err());
    let bare = "SELECT count(*) = 10 FROM jobs";
    assert!(stage.session.query_one::<bool>(bare, &[]).unwrap());
}

#[test]
fn the_oldest_writer_is_ended_and_what_it_wrote_is_undone() {
    let stage =
        stage("CREATE TABLE prices AS SELECT g AS id, 1 AS cents FROM generate_series(1, 9) g");
    let (writer, other) = (stage.user(), stage.user());
    writer.simple("BEGIN; SAVEPOINT a; UPDATE prices SET cents = 2; RELEASE a").unwrap();
    other.simple("BEGIN; SELECT count(*) FROM prices").unwrap();
    let mut session = of(writer.pid(), &stage);
    let likely = Likely::new(0.8, "savepoints", fact()).by([writer.pid()]);
    let plan = |session: &SessionSample| {
        stage.plan("end_oldest_writer", &likely, &with_sessions(vec![session.clone()]))
    };
    assert!(plan(&session).is_err(), "it has written nothing");
    session.xid = Some(7);
    let runbook = plan(&session).unwrap();
    assert_eq!(runbook.loss.n_rows, Some(0));
    stage.carry_out(&runbook).unwrap();
    assert!(writer.simple("COMMIT").is_err());
    other.simple("COMMIT").unwrap();
    assert!(stage.is("sum(cents) = 9 FROM prices"));
}

#[test]
fn vacuum_keeps_empty_pages_from_now_on_and_as_before_once_undone() {
    let options = "coalesce(reloptions::text, '') FROM pg_class WHERE relname = 'Odd outbox'";
    for before in ["", "{vacuum_truncate=true}"] {
        let stage = stage(
            "CREATE TABLE \"Odd outbox\" (id int, payload text); \
             INSERT INTO \"Odd outbox\" SELECT g, repeat('x', 2000) FROM generate_series(1, 9000) g",
        );
        let table = "ALTER TABLE \"Odd outbox\" SET (vacuum_truncate = true)";
        if !before.is_empty() {
            stage.user().simple(table).unwrap();
        }
        let likely = Likely::new(0.9, "cuts", fact()).on([Relation::new("public", "Odd outbox")]);
        let plan = || stage.plan("keep_empty_pages", &likely, &case(Vec::new()));
        let runbook = plan().unwrap();
        let reader = stage.user();
        reader.simple("BEGIN; SELECT count(*) FROM \"Odd outbox\"").unwrap();
        stage.carry_out(&runbook).unwrap();
        reader.simple("COMMIT").unwrap();
        assert!(stage.is(&format!("'{{vacuum_truncate=off}}' = {options}")));
        assert!(plan().is_err(), "there is nothing more to do");
        stage.user().simple("DELETE FROM \"Odd outbox\"").unwrap();
        stage.user().simple("VACUUM \"Odd outbox\"").unwrap();
        assert!(stage.is("pg_relation_size('\"Odd outbox\"') > 8192 * 1000"));
        let Some(Undo::Exact { statements }) = runbook.steps.first().map(|s| s.undo.clone()) else {
            panic!("{runbook:?}");
        };
        statements.iter().for_each(|sql| stage.user().simple(sql).map(|_| ()).unwrap());
        assert!(stage.is(&format!("'{before}' = {options}")));
    }
}

#[test]
fn the_slot_that_is_named_is_dropped_and_never_one_in_doubt_by_itself() {
    let stage = stage(
        "SELECT pg_create_physical_replication_slot('orphan', true); \
         SELECT pg_create_physical_replication_slot('other', true); \
         SELECT pg_logical_emit_message(false, '', repeat('x', 1000000)); \
         SELECT pg_switch_wal(); SELECT pg_logical_emit_message(false, '', 'x')",
    );
    let likely = Likely::new(0.9, "replication slot orphan (physical) is inactive", fact());
    let runbook = stage.plan("drop_slot", &likely, &case(Vec::new())).unwrap();
    assert_eq!(runbook.loss.n_rows, None); // how soon the volume is full is not known here
    let step = runbook.steps.first().unwrap();
    let mut context = Context::new("test");
    guarded::run(&stage.session, &stage.control, step, &mut context).unwrap();
    assert!(stage.is("array_agg(slot_name::text) = '{other}' FROM pg_replication_slots"));
}

#[test]
fn a_key_at_its_end_is_widened_with_its_references() {
    let stage = stage(
        "CREATE TABLE a (id serial PRIMARY KEY); INSERT INTO a DEFAULT VALUES; \
         CREATE TABLE b (a_id int REFERENCES a); INSERT INTO b VALUES (1); \
         CREATE ROLE reader; CREATE ROLE stranger; CREATE SCHEMA \"Shop\"; \
         CREATE VIEW \"Shop\".both AS SELECT a.id, b.a_id FROM a JOIN b ON b.a_id = a.id; \
         CREATE VIEW newest WITH (security_barrier = true) AS SELECT max(id) AS id FROM \"Shop\".both; \
         ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO stranger; \
         COMMENT ON VIEW newest IS 'what''s new'; GRANT SELECT ON newest TO reader; \
         SELECT setval('a_id_seq', 2147483647)",
    );
    let key = |table: &str, column: &str, refers_to| KeyLimit {
        relation: Relation::new("public", table),
        column: column.into(),
        data_type: "integer".into(),
        sequence: Relation::new("public", "a_id_seq"),
        last_value: i64::from(i32::MAX),
        limit: i64::from(i32::MAX),
        type_limit: i64::from(i32::MAX),
        refers_to,
        begins_anew: false,
    };
    let a = Relation::new("public", "a");
    let keys = vec![key("b", "a_id", Some(a.clone())), key("a", "id", None)];
    let case = case(vec![Sample { keys: Some(keys), ..Sample::default() }]);
    let likely = Likely::new(0.9, "a key", fact()).on([a]);
    let runbook = stage.plan("widen_key", &likely, &case).unwrap();
    assert_eq!(runbook.loss.n_rows, Some(0));
    stage.carry_out(&runbook).unwrap();
    stage
        .user()
        .simple("INSERT INTO a DEFAULT VALUES; INSERT INTO b SELECT max(id) FROM a")
        .unwrap();
    assert!(stage.is("max(a_id) = 2147483648 FROM b"));
    assert!(stage.is("id = 2147483648 FROM newest"));
    assert!(stage.is("has_table_privilege('reader', 'newest', 'SELECT')"));
    assert!(stage.is("NOT has_table_privilege('stranger', 'newest', 'SELECT')"));
    assert!(stage.is(
        "obj_description(oid) = 'what''s new' AND reloptions = ARRAY['security_barrier=true'] \
         FROM pg_class WHERE relname = 'newest'"
    ));
}

#[test]
fn a_sequence_that_is_narrower_than_its_columns_is_raised_and_no_row_is_written() {
    for (column, last, next) in [("bigint", 5_000, i64::MAX), ("int", 4_999, i64::from(i32::MAX))] {
        let stage = stage(&format!(
            "CREATE SEQUENCE numbers MAXVALUE {last}; \
             CREATE TABLE pass (no {column} PRIMARY KEY DEFAULT nextval('numbers')); \
             SELECT setval('numbers', {last}); CREATE TABLE file AS SELECT pg_relation_filenode('pass') AS n"
        ));
        let keys = pgward_pg::conditions::keys(&stage.session, 50).unwrap();
        let case = case(vec![Sample { keys: Some(keys), ..Sample::default() }]);
        let likely = Likely::new(0.9, "a key", fact()).on([Relation::new("public", "pass")]);
        assert!(stage.user().simple("INSERT INTO pass DEFAULT VALUES").is_err());
        stage.carry_out(&stage.plan("widen_key", &likely, &case).unwrap()).unwrap();
        stage.user().simple("INSERT INTO pass DEFAULT VALUES").unwrap();
        assert!(stage.is(&format!("max_value = {next} FROM pg_sequences")));
        assert!(stage.is("n = pg_relation_filenode('pass') FROM file"));
    }
}

#[test]
fn a_reference_in_a_partitioned_table_is_widened_as_a_whole() {
    let stage = stage(
        "CREATE SEQUENCE trips; \
         CREATE TABLE trip (no int PRIMARY KEY DEFAULT nextval('trips')); \
         CREATE TABLE point (trip_no int REFERENCES trip, day date) PARTITION BY RANGE (day); \
         CREATE TABLE point_25 PARTITION OF point FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); \
         SELECT setval('trips', 2147483647)",
    );
    let keys = pgward_pg::conditions::keys(&stage.session, 50).unwrap();
    let names: Vec<&str> = keys.iter().map(|k| k.relation.name.as_str()).collect();
    assert_eq!(names, ["trip", "point"]);
    let mut case = case(vec![Sample { keys: Some(keys), ..Sample::default() }]);
    case.catalog = Some(pgward_pg::catalog::schema(&stage.session).unwrap());
    let likely = Likely::new(0.9, "a key", fact()).on([Relation::new("public", "trip")]);
    let runbook = stage.plan("widen_key", &likely, &case).unwrap();
    stage.carry_out(&runbook).unwrap();
    stage.user().simple("INSERT INTO trip DEFAULT VALUES").unwrap();
    stage.user().simple("INSERT INTO point SELECT max(no), '2025-05-05' FROM trip").unwrap();
    assert!(stage.is("max(trip_no) = 2147483648 FROM point_25"));
}

#[test]
fn a_sequence_goes_to_the_highest_number_and_asks_where_rows_do_not_lead_there() {
    let stage = stage(
        "CREATE TABLE item (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, a text); \
         INSERT INTO item (a) SELECT 'x' FROM generate_series(1, 20); \
         INSERT INTO item SELECT g, 'y' FROM generate_series(30, 400) g; \
         CREATE TABLE dish (no serial, day date, UNIQUE (no, day)) PARTITION BY RANGE (day); \
         CREATE TABLE dish_26 PARTITION OF dish FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); \
         INSERT INTO dish (day) VALUES ('2026-01-01'); \
         INSERT INTO dish SELECT g, '2026-01-01' FROM generate_series(2, 90) g; \
         CREATE TABLE ticket (no serial, day date, UNIQUE (no, day)); \
         INSERT INTO ticket (day) VALUES ('2026-01-01'); \
         INSERT INTO ticket SELECT g, '2026-01-01' FROM generate_series(2, 90) g; \
         ANALYZE",
    );
    let plan = |table: &str, sequence: &str| {
        let named = |name: &str| Relation::new("public", name);
        let keys = pgward_pg::conditions::keys(&stage.session, 50).unwrap();
        let mut case = case(vec![Sample { keys: Some(keys), ..Sample::default() }]);
        case.catalog = Some(pgward_pg::catalog::schema(&stage.session).unwrap());
        let likely = Likely::new(0.9, "behind", fact()).on([named(table), named(sequence)]);
        stage.plan("advance_sequence", &likely, &case)
    };
    let item = || plan("item", "item_id_seq");
    let runbook = item().unwrap();
    assert_eq!(runbook.loss.n_rows, Some(0));
    assert!(runbook.title.contains("from 20 to 400"), "{}", runbook.title);
    stage.carry_out(&runbook).unwrap();
    stage.user().simple("INSERT INTO item (a) VALUES ('z')").unwrap();
    assert!(stage.is("id = 401 FROM item WHERE a = 'z'"));
    stage.user().simple("INSERT INTO item VALUES (2000000000, 'far')").unwrap();
    assert_eq!(item().unwrap().loss.n_rows, None);
    stage.user().simple("SELECT setval('item_id_seq', 2000000001)").unwrap();
    assert!(item().unwrap_err().to_string().contains("not behind"));
    assert_eq!(plan("dish", "dish_no_seq").unwrap().loss.n_rows, Some(0));
    assert_eq!(plan("ticket", "ticket_no_seq").unwrap().loss.n_rows, None);
}

#[test]
fn what_fills_the_volume_is_cancelled_while_it_runs_and_only_then() {
    let stage = stage("");
    let copies = stage.user();
    let pid = copies.pid();
    let running = std::thread::spawn(move || copies.simple("SELECT pg_sleep(60)"));
    let active = "SELECT state = 'active' AND query LIKE '%pg_sleep%' FROM pg_stat_activity \
                  WHERE pid = $1";
    let every = std::time::Duration::from_millis(20);
    clock::poll(std::time::Duration::from_secs(10), every, || {
        let is = stage.session.query_one::<bool>(active, &[&pid]);
        is.map(|is| is.then_some(()))
    })
    .unwrap()
    .unwrap();
    let case = with_sessions(vec![of(pid, &stage)]);
    let likely = Likely::new(0.9, "a copy", fact()).by([pid]);
    let mut guess = likely.clone();
    guess.is_unproven = true;
    assert_eq!(stage.plan("cancel_filler", &guess, &case).unwrap().loss.n_rows, None);
    let runbook = stage.plan("cancel_filler", &likely, &case).unwrap();
    assert_eq!(runbook.loss.n_rows, Some(0));
    stage.carry_out(&runbook).unwrap();
    assert_eq!(running.join().unwrap().unwrap_err().sqlstate(), Some("57014"));
    assert!(stage.carry_out(&runbook).is_err());
}

#[test]
fn statistics_are_made_anew_while_others_write() {
    let stage = stage("CREATE TABLE jobs (id int, state text) WITH (autovacuum_enabled = off)");
    let other = stage.user();
    other.simple("INSERT INTO jobs SELECT g, 'new' FROM generate_series(1, 5000) g").unwrap();
    other.simple("BEGIN; UPDATE jobs SET state = 'done' WHERE id = 1").unwrap();
    let likely = Likely::new(0.9, "old", fact()).on([Relation::new("public", "jobs")]);
    let runbook = stage.plan("analyze_table", &likely, &case(Vec::new())).unwrap();
    stage.carry_out(&runbook).unwrap();
    assert!(stage.is("count(*) = 2 FROM pg_stats WHERE tablename = 'jobs'"));
    other.simple("COMMIT").unwrap();
    assert!(stage.is("count(*) = 1 FROM jobs WHERE state = 'done'"));
    let nothing = Likely::new(0.9, "old", fact());
    assert!(stage.plan("analyze_table", &nothing, &case(Vec::new())).is_err());
}

#[test]
fn dropped_statistics_of_several_columns_are_made_again_once() {
    let stage = stage(
        "CREATE TABLE jobs AS SELECT g % 5 AS state, g % 5 AS place FROM generate_series(1, 5000) g",
    );
    let mut event = ddl("statistics object", "public.pair", "jobs", "DROP STATISTICS pair");
    event.dropped = true;
    let likely = |event: &DdlEvent| Likely::new(0.9, "dropped", fact()).blaming([event.clone()]);
    let plan = |likely| stage.plan("restore_statistics", &likely, &case(Vec::new()));
    assert!(plan(likely(&event)).is_err(), "nobody knows what they were");
    let made = "CREATE STATISTICS public.pair (dependencies) ON state, place FROM jobs";
    event.old_definition = Some(made.to_owned());
    stage.carry_out(&plan(likely(&event)).unwrap()).unwrap();
    assert!(stage.is("count(*) = 1 FROM pg_stats_ext WHERE dependencies IS NOT NULL"));
    assert!(plan(likely(&event)).is_err(), "they are there");
}

/// An index of `users` that a build has left invalid.
fn half_built(stage: &Stage, unique: &str) {
    let other = stage.user();
    let build = format!("CREATE {unique} INDEX CONCURRENTLY users_email_key ON users (email)");
    other.simple("SET statement_timeout = '300ms'").unwrap();
    let holder = stage.user();
    holder.simple("BEGIN; INSERT INTO users VALUES (0, 'held')").unwrap();
    other.simple(&build).unwrap_err();
    other.simple("SELECT").unwrap(); // the error is told before the build is put away
    holder.simple("ROLLBACK").unwrap();
    assert!(stage.is("count(*) = 1 FROM pg_index WHERE NOT indisvalid"));
}

#[test]
fn an_invalid_index_is_built_again_or_goes_where_duplicates_forbid_it() {
    let valid = "count(*) = 1 FROM pg_index i WHERE indexrelid = to_regclass('users_email_key') \
                 AND indisvalid";
    let users = [Relation::new("public", "users")];
    for (unique, email, comes) in
        [("", "'same'", true), ("UNIQUE", "g", true), ("UNIQUE", "g % 9", false)]
    {
        let stage = stage(&format!(
            "CREATE TABLE users (id int, email text); \
             INSERT INTO users SELECT g, {email} FROM generate_series(1, 2000) g"
        ));
        half_built(&stage, unique);
        let likely = Likely::new(0.9, "left", fact()).on(users.clone());
        let plan = || stage.plan("replace_invalid_index", &likely, &case(Vec::new()));
        let runbook = plan().unwrap();
        assert_eq!(runbook.why.contains("9 keys"), !comes, "{}", runbook.why);
        stage.carry_out(&runbook).unwrap();
        assert_eq!(stage.is(valid), comes, "{unique} {email}");
        assert!(stage.is("count(*) = 0 FROM pg_index WHERE NOT indisvalid"));
        assert!(stage.is("count(*) = 2000 FROM users"));
        assert!(plan().is_err());
    }
}

#[test]
fn a_damaged_index_gets_another_file_and_what_is_no_index_is_refused() {
    let stage = stage("CREATE TABLE users (id int PRIMARY KEY)");
    let file = "SELECT pg_relation_filenode('users_pkey')::bigint";
    let old: i64 = stage.user().query_one(file, &[]).unwrap();
    let plan = |name: &str| {
        let likely = Likely::new(0.9, "damaged", fact()).on([Relation::new("public", name)]);
        stage.plan("reindex", &likely, &case(Vec::new()))
    };
    let error = plan("users").unwrap_err().to_string();
    assert!(error.contains("users is no index"), "{error}");
    stage.carry_out(&plan("users_pkey").unwrap()).unwrap();
    assert_ne!(stage.user().query_one::<i64>(file, &[]).unwrap(), old);
}

/// Role site is refused a table.
fn refusal() -> LogEntry {
    LogEntry {
        at: clock::now(),
        pid: 4712,
        role: "site".into(),
        database: "shop".into(),
        application: "shop".into(),
        client: "10.0.0.1:4000".into(),
        severity: "ERROR".into(),
        sqlstate: "42501".into(),
        class: String::new(),
        message: "permission denied for table Odd orders".into(),
        detail: String::new(),
        context: String::new(),
        statement: String::new(),
    }
}

#[test]
fn rights_come_back_as_they_were_and_no_more() {
    let stage = stage(
        "CREATE ROLE site; CREATE ROLE other; CREATE TABLE \"Odd orders\" (id int); \
         GRANT SELECT, INSERT, UPDATE ON \"Odd orders\" TO site; GRANT SELECT ON \"Odd orders\" TO other",
    );
    let acl = || -> String {
        let sql = "SELECT relowner::regrole || ' ' || relacl::text FROM pg_class \
                   WHERE relname = 'Odd orders'";
        stage.session.query_one(sql, &[]).unwrap()
    };
    let before = acl();
    let revoke = "REVOKE INSERT, UPDATE ON \"Odd orders\" FROM site";
    stage.user().simple(revoke).unwrap();
    let change = ConfigChange {
        at: clock::now(),
        kind: "privilege".into(),
        name: "table public.\"Odd orders\"".into(),
        before: before.clone(),
        after: acl(),
    };
    // Taken on purpose, from a role that nobody refuses anything.
    let other = ConfigChange {
        name: "table public.secrets".into(),
        before: "postgres {postgres=arwd/postgres,other=r/postgres}".into(),
        after: "postgres {postgres=arwd/postgres}".into(),
        ..change.clone()
    };
    let sample = Sample {
        at: clock::now(),
        changes: vec![other, change],
        log: vec![refusal(); 3],
        ..Sample::default()
    };
    let mut taken = case(vec![sample]);
    let likely =
        Likely::new(0.9, "taken", fact()).blaming([ddl("TABLE", "", "Odd orders", revoke)]);
    let runbook = stage.plan("restore_rights", &likely, &taken).unwrap();
    assert_eq!(runbook.loss.n_rows, None, "rights are also taken on purpose");
    assert_eq!(runbook.steps.len(), 1);
    let change = pgward_sql::change(vec![pgward_sql::read("7_rights.sql", revoke)]);
    taken.known_changes = vec![KnownChange { change, seen: ChangeSeen::InFolder }];
    let runbook = stage.plan("restore_rights", &likely, &taken).unwrap();
    assert_eq!(runbook.loss.n_rows, Some(0));
    stage.carry_out(&runbook).unwrap();
    let rights = |text: &str| Rights::read(text);
    assert_eq!(rights(&acl()), rights(&before));
}
