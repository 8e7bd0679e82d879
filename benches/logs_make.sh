#!/usr/bin/env bash
# Makes a real server log: a private server under pgbench with errors, lock waits, deadlocks,
# temporary files, checkpoints and autovacuum. Prints it to standard output.
#
# Usage: benches/logs_make.sh [SECONDS] > some.log
#
# Needs initdb, pg_ctl, pgbench and psql of one PostgreSQL installation (PG_BIN, by default the
# newest in /usr/lib/postgresql). As root, it works as the user postgres.
set -euo pipefail

seconds=${1:-20}
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/benches/private.sh"

start_server <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
fsync = off
log_line_prefix = '%m [%p] %q[user=%u,db=%d,app=%a,client=%h,sqlstate=%e,qid=%Q] '
log_min_duration_statement = 0
log_connections = on
log_disconnections = on
log_lock_waits = on
deadlock_timeout = '50ms'
log_temp_files = 0
log_checkpoints = on
log_autovacuum_min_duration = 0
autovacuum_naptime = '1s'
max_wal_size = '32MB'
work_mem = '64kB'
max_connections = 30
CONF
export PGHOST=$dir PGUSER=postgres PGDATABASE=postgres
"$bin/pgbench" -i -s 5 -q >/dev/null 2>&1

cat >"$dir/mixed.sql" <<'SQL'
\set a random(1, 20)
\set b random(1, 20)
BEGIN;
UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1 + :a % 5;
UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1 + :b % 5;
END;
SELECT * FROM pgbench_accounts WHERE filler LIKE '%x' || :a ORDER BY abalance LIMIT 3;
SQL
"$bin/pgbench" -n -c 4 -T "$seconds" >/dev/null 2>&1 &
"$bin/pgbench" -n -c 4 -T "$seconds" -f "$dir/mixed.sql" >/dev/null 2>&1 &
for ((end = SECONDS + seconds; SECONDS < end; )); do
    "$bin/psql" -qc "INSERT INTO pgbench_branches (bid) VALUES (1)" >/dev/null 2>&1 || true
    "$bin/psql" -qc "SELECT nothing FROM pgbench_tellers" >/dev/null 2>&1 || true
    "$bin/psql" -qc "SELECT * FROM a_table_that_was_dropped" >/dev/null 2>&1 || true
    "$bin/psql" -qc "SELECT aid FROM pgbench_accounts WHERE aid < 20000 ORDER BY filler, aid DESC LIMIT 1 OFFSET 9000" >/dev/null 2>&1 || true
done
wait
cat "$dir/server.log"
