#!/usr/bin/env python3
"""Measures `pgward logs` on labelled logs: the class of each line of evidence, and the root cause
of each window of trouble.

Usage: benches/logs_labelled.py DIR [PGWARD]

DIR holds labelled_lines.jsonl (one message an object, with its fields, node, scenario, signal)
and scenarios.jsonl (scenario, root_cause, start, end). What pgward should answer for a root cause
stands in ACCEPTED below, by words of the root cause; a root cause that is not there is told and
counted as wrong, so that nothing is right by omission.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

# Words of a root cause, and the classes or causes that name it. The first that matches counts.
ACCEPTED = [
    (r"^none", {"-"}),
    (r"pile-up behind DDL|lock queue", {"lock_ddl_queue"}),
    (r"lock_timeout", {"lock_timeout"}),
    (r"hot-row", {"lock_hot_row"}),
    (r"NOWAIT", {"lock_nowait"}),
    (r"^deadlock", {"lock_deadlock"}),
    (r"serialization", {"serialization_failure"}),
    (r"idle.in.transaction killed|idle in transaction", {"idle_in_transaction_timeout", "lock_idle_tx"}),
    (r"idle session", {"idle_session_timeout"}),
    (r"transaction_timeout", {"transaction_timeout"}),
    (r"statement_timeout", {"statement_timeout", "cfg_timeout"}),
    (r"canceled by user", {"user_cancel"}),
    (r"terminated by administrator", {"session_terminated"}),
    (r"missing (table|column|function)", {"schema_missing_object"}),
    (r"after error in a transaction", {"transaction_aborted"}),
    (r"grant missing|privilege|permission", {"auth_privilege"}),
    (r"constraint violations", {"unique_violated", "foreign_key_violated", "not_null_violated", "check_violated"}),
    (r"int4 overflow|sequence exhausted", {"seq_overflow"}),
    (r"cached plan|prepared statement lost", {"conn_prepared_pooling"}),
    (r"extension", {"ext_mismatch"}),
    (r"trigger recursion", {"fn_trigger_loop"}),
    (r"too many locks", {"mem_lock_table"}),
    (r"bulk update", {"batch_bulk"}),
    (r"temp.file|temp_file_limit", {"mem_temp_spill"}),
    (r"missing index|sequential scan", {"plan_missing_index"}),
    (r"checkpoints too frequent", {"io_checkpoint"}),
    (r"too many clients|connection limit", {"conn_exhausted"}),
    (r"wrong password", {"auth_credentials", "auth_brute_force"}),
    (r"unknown role", {"role_unknown", "login_role_missing", "hba_no_entry"}),
    (r"database does not exist", {"database_missing"}),
    (r"pg_hba", {"auth_hba_tls"}),
    (r"TLS", {"auth_hba_tls"}),
    (r"client disappears", {"client_gone_in_transaction"}),
    (r"garbage on the port", {"startup_packet_garbage"}),
    (r"bad configuration", {"cfg_change"}),
    (r"orphaned prepared", {"lock_prepared_xact"}),
    (r"autovacuum cancel", {"autovacuum_cancelled"}),
    (r"holds xmin", {"vac_xmin_held"}),
    (r"collation", {"int_collation"}),
    (r"archiv", {"wal_retention"}),
    (r"replica start", {"-"}),
    (r"recovery conflict|AccessExclusiveLock replay", {"repl_conflict"}),
    (r"write sent to replica", {"ha_wrong_role"}),
    (r"slot retains", {"wal_retention"}),
    (r"page corruption|checksum", {"int_corruption"}),
    (r"index corruption", {"int_index_corruption"}),
    (r"disk full", {"disk_data_full", "disk_wal_full"}),
    (r"OOM", {"mem_oom_kill"}),
    (r"starting up", {"srv_starting"}),
    (r"wraparound", {"vac_wraparound"}),
]

# What a line of evidence is, by its SQLSTATE, where the code says enough.
STATES = {
    "40P01": {"deadlock"}, "25P03": {"idle_in_transaction_timeout"}, "57P05": {"idle_session_timeout"},
    "42P01": {"missing_relation"}, "42703": {"missing_column"}, "42883": {"missing_function"},
    "25P02": {"transaction_aborted"}, "42501": {"permission_denied"}, "23505": {"unique_violated"},
    "23503": {"foreign_key_violated"}, "23502": {"not_null_violated"}, "23514": {"check_violated"},
    "2200H": {"sequence_exhausted"}, "22003": {"integer_overflow"}, "26000": {"prepared_missing"},
    "42P05": {"prepared_twice"}, "54001": {"stack_depth"}, "53200": {"lock_table_full", "out_of_memory"},
    "53400": {"temp_file_limit"}, "28P01": {"login_wrong_password", "login_role_missing"},
    "3D000": {"database_missing"}, "42704": {"setting_unknown"}, "F0000": {"config_file_refused"},
    "25006": {"read_only"}, "XX002": {"index_corrupted"}, "53100": {"disk_full", "disk_full_wal"},
    "57P01": {"session_terminated"}, "57P03": {"not_accepting"},
    "22023": {"extension_no_update_path", "setting_wrong"}, "57P02": {"session_lost_to_crash"},
}
# Else by the server's words, which PostgreSQL's source fixes.
WORDS = [
    (r"^process \d+ still waiting for \S+ on (tuple|transaction).*", {"lock_wait_row", "lock_wait_prepared"}),
    (r"^process \d+ still waiting for (AccessExclusive|Share|Exclusive|ShareRowExclusive)Lock on relation", {"lock_wait_ddl"}),
    (r"^process \d+ still waiting", {"lock_wait_relation"}),
    (r"^process \d+ acquired", {"lock_acquired"}),
    (r"^process \d+ detected deadlock", {"deadlock_found"}),
    (r"due to lock timeout", {"lock_timeout"}),
    (r"^could not obtain lock", {"lock_nowait"}),
    (r"temp_file_limit", {"temp_file_limit"}),
    (r"^bypassing", {"wraparound_failsafe"}),
    (r"^connection authorized", {"connection_authorized"}),
    (r"requested WAL segment", {"wal_segment_removed"}),
    (r"^skipping vacuum", {"vacuum_skipped_locked"}),
    (r"conflict with recovery", {"recovery_conflict"}),
    (r"could not serialize", {"serialization_failure"}),
    (r"statement timeout", {"statement_timeout"}),
    (r"user request", {"user_cancel"}),
    (r"autovacuum task", {"autovacuum_cancelled"}),
    (r"cached plan", {"cached_plan_changed"}),
    (r"^extension .* is not available", {"extension_not_available"}),
    (r"^could not access file|^could not load library", {"library_missing"}),
    (r"^checkpoint complete", {"checkpoint_done"}),
    (r"^checkpoint starting", {"checkpoint_begun"}),
    (r"^checkpoints are occurring", {"checkpoints_frequent"}),
    (r"^automatic (aggressive )?vacuum to prevent wraparound", {"vacuum_wraparound"}),
    (r"^automatic (aggressive )?vacuum", {"vacuum_done", "vacuum_rows_kept"}),
    (r"^automatic analyze", {"analyze_done"}),
    (r"^temporary file", {"temp_file", "temp_file_of_backup"}),
    (r"^duration: .*plan:(?s:.*)Seq Scan(?s:.*)Filter", {"slow_plan_scans"}),
    (r"^duration: .*plan:", {"slow_plan"}),
    (r"^duration", {"statement_finished"}),
    (r"^statement: ", {"statement_logged"}),
    (r"too many connections for", {"connection_limit_of_role"}),
    (r"remaining connection slots|too many clients", {"connection_slots_full"}),
    (r"pg_hba.conf rejects", {"hba_rejects"}),
    (r"no pg_hba.conf entry", {"hba_no_entry"}),
    (r"^unexpected EOF on client connection with", {"client_gone_in_transaction"}),
    (r"^unexpected EOF on standby|^could not receive data from WAL stream: (?!.*removed)", {"standby_lost"}),
    (r"^could not (send|receive) data|^connection to client lost", {"client_reset"}),
    (r"startup packet", {"startup_packet_garbage"}),
    (r"collation", {"collation_changed"}),
    (r"^parameter .* changed", {"setting_changed"}),
    (r"^invalidating", {"slot_invalidated"}),
    (r"^page verification", {"page_checksum"}),
    (r"^invalid page", {"page_invalid"}),
    (r"^archive command", {"archive_failed"}),
    (r"^archiving write-ahead", {"archive_given_up"}),
    (r"terminated by signal 9", {"process_killed"}),
    (r"terminated by signal", {"process_crashed"}),
    (r"terminating any other|^all server processes", {"all_sessions_ended"}),
    (r"not properly shut down", {"unclean_start"}),
    (r"^shutting down", {"shutdown"}),
    (r"^recovery (still|finished) waiting", {"recovery_waits"}),
    (r"must be vacuumed", {"wraparound_near"}),
    (r"not accepting commands", {"wraparound_stop"}),
    (r"^connection received", {"connection_received"}),
    (r"^disconnection", {"disconnection"}),
]


def expected_class(line):
    first = line["message"]
    for pattern, classes in WORDS:
        if re.search(pattern, first):
            return classes
    return STATES.get(line["sqlstate"], {"?"})


def jsonlog(line):
    keys = {"ts": "timestamp", "pid": "pid", "user": "user", "db": "dbname", "severity": "error_severity",
            "sqlstate": "state_code", "message": "message", "detail": "detail", "hint": "hint",
            "context": "context", "statement": "statement", "backend_type": "backend_type"}
    found = {name: line.get(key) for key, name in keys.items() if line.get(key) not in (None, "")}
    if found.get("state_code") == "00000":
        del found["state_code"]
    return json.dumps(found)


def run(pgward, *args):
    return subprocess.run([pgward, "logs", *args], check=True, capture_output=True, text=True).stdout


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    directory = sys.argv[1]
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    pgward = sys.argv[2] if len(sys.argv) > 2 else f"{target}/release/pgward"
    lines = [json.loads(l) for l in open(f"{directory}/labelled_lines.jsonl")]
    windows = [json.loads(l) for l in open(f"{directory}/scenarios.jsonl")]
    with tempfile.TemporaryDirectory() as tmp:
        log = f"{tmp}/all.json"
        with open(log, "w") as out:
            out.write("\n".join(map(jsonlog, lines)) + "\n")
        classed = [json.loads(l) for l in run(pgward, log, "--format", "records").splitlines()]
        assert len(classed) == len(lines), "each line is one record"
        judge_lines(lines, classed)
        judge_windows(pgward, log, windows)


def judge_lines(lines, classed):
    n = n_right = 0
    for line, record in zip(lines, classed):
        if not line["signal"]:
            continue
        n += 1
        expected = expected_class(line)
        if record["class"] in expected:
            n_right += 1
        else:
            print(f"class {record['class']}, not {'/'.join(sorted(expected))}: {line['sqlstate']} {line['message'][:90]!r}")
    other = sum(r["class"].startswith("other_") for r in classed)
    print(f"lines of evidence in the right class: {n_right} of {n} ({100 * n_right / max(n, 1):.1f}%); "
          f"of all {len(classed)} lines {other} have no class of their own")


def judge_windows(pgward, log, windows):
    n_right = 0
    for window in windows:
        report = json.loads(run(pgward, log, "--format", "json", "--since", window["start"], "--until", window["end"]))
        first = (report["troubles"] or [{"class": "-", "cause": "-", "says": ""}])[0]
        named = {first["class"], first["cause"]}
        accepted = next((a for words, a in ACCEPTED if re.search(words, window["root_cause"])), set())
        right = bool(named & accepted)
        n_right += right
        print(f"{'right' if right else 'WRONG'}  {window['scenario']:24} {first['class']:28} {first['cause'] or '-':22} ({window['root_cause']})")
    print(f"windows with the right root cause: {n_right} of {len(windows)}")


main()
