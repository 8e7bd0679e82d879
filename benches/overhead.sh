#!/usr/bin/env bash
# What watching costs a database: pgbench with pgward watch, with others that watch, and with
# nobody, in turns in the same run; prints a table.
#
# Machines are shared, and their speed changes by the second: short turns in great number tell
# what long ones cannot. So each watcher is begun once, and stopped (SIGSTOP) for every other turn.
# What it missed meanwhile it does at once when it goes on, so that it is measured as a little
# dearer than it is.
#
# Usage: benches/overhead.sh [ROUNDS] [SECONDS] [alone]
#
# A round (200 of them) is one turn of SECONDS (2) without and one with, for each watcher. Then each
# watches 500 sessions and 1,000 statements for 20 s. `alone` leaves out the others. Needs one
# PostgreSQL installation with contrib (PG_BIN, by default the newest in /usr/lib/postgresql); as
# root, the server runs as the user postgres.
# Peers are taken from the PATH (apt-get install prometheus-postgres-exporter pg-activity); one
# that is not there is told.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/benches/private.sh"

find_pgward
port=$(free_port)
start_server <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
shared_preload_libraries = 'pg_stat_statements'
fsync = off
max_connections = 600
shared_buffers = '512MB'
max_wal_size = '4GB'
CONF
export PGHOST=127.0.0.1 PGPORT=$port PGUSER=postgres PGDATABASE=postgres PATH="$bin:$PATH"
psql -qc 'CREATE EXTENSION pg_stat_statements'
pgbench -i -s 20 -q >/dev/null 2>&1

python3 "$here/benches/overhead.py" "$pgward" "${1:-200}" "${2:-2}" "${@:3}"
