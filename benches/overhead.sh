#!/usr/bin/env bash
# What watching costs a database: pgbench with pgward watch, with others that watch, and with
# nobody, in turns in the same run; prints a table.
#
# Usage: benches/overhead.sh [ROUNDS] [SECONDS]
#
# A round (10 of them) is one turn of SECONDS (10) for each; a ratio is a turn's transactions a
# second over those of the round's turn that nobody watched. Then each watches 500 sessions and
# 1,000 statements for two such turns. Needs one PostgreSQL installation with contrib (PG_BIN, by
# default the newest in /usr/lib/postgresql); as root, the server runs as the user postgres.
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

python3 "$here/benches/overhead.py" "$pgward" "${1:-10}" "${2:-10}"
