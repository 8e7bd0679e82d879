#!/usr/bin/env bash
# Is pgward quiet on a healthy database? A private server with mixed load that rises and falls as
# over a day, while vacuum, checkpoints, a batch job, reports, a dump and harmless deploys go on;
# prints what happened and every incident that `pgward watch` opened, which should be none.
#
# Usage: benches/healthy.sh [MINUTES]
#
# The day is squeezed into MINUTES (60). Needs one PostgreSQL installation with contrib (PG_BIN, by
# default the newest in /usr/lib/postgresql); as root, the server runs as the user postgres.
# Exits 1 when there were incidents.
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
max_connections = 60
shared_buffers = '256MB'
max_wal_size = '256MB'
checkpoint_timeout = '2min'
autovacuum_naptime = '15s'
logging_collector = on
log_line_prefix = '%m [%p] %q%u@%d '
CONF
export PGHOST=127.0.0.1 PGPORT=$port PGUSER=postgres PGDATABASE=postgres PATH="$bin:$PATH"

python3 "$here/benches/healthy.py" "$pgward" "${1:-60}"
