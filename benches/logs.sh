#!/usr/bin/env bash
# Reads the same server log with pgward and with pgBadger, in the same run, and prints a table.
#
# Usage: benches/logs.sh LOG [MEGABYTES]
#
# LOG is a stderr log with log_line_prefix '%m [%p] %q[user=%u,db=%d,app=%a,client=%h…] ' or
# '%m [%p] '; it is repeated with times that go on until MEGABYTES (150) are reached. Without a
# log at hand, benches/logs_make.sh makes one from a private server. pgBadger is taken from the
# PATH (apt-get install pgbadger). Seconds are wall time, the best of three runs of pgward and one
# of pgBadger; memory is the most that was resident.
set -euo pipefail

[ $# -ge 1 ] && [ -f "$1" ] || { echo "usage: benches/logs.sh LOG [MEGABYTES]" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$here/target}
pgward=${PGWARD:-$target/release/pgward}
[ -x "$pgward" ] || { echo "no $pgward: cargo build --release first" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

python3 "$here/benches/logs_repeat.py" "$1" "${2:-150}" > "$tmp/big.log"
python3 "$here/benches/logs_time.py" "$pgward" "$tmp/big.log"
