#!/usr/bin/env bash
# Outages written by people who did not know the rules that decide: does pgward see them, name the
# right cause first, blame nobody else, and mend what can be mended? Runs each scenario file once,
# one after the other, and prints a table.
#
# Usage: benches/outages.sh [FILE.md...]
#
# Without files, all of benches/outages: about 2 minutes each, so run it on a quiet machine with
# 10 GB of free disk (a drill watches its volume like any other). What a file expects is in its
# `expect` block; some name more than pgward can do today.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$here/target}
pgward=${PGWARD:-$target/release/pgward}
[ -x "$pgward" ] || { echo "no $pgward: cargo build --release first" >&2; exit 2; }
[ $# -gt 0 ] || set -- "$here"/benches/outages/*.md

for file in "$@"; do
    "$pgward" drill "$file" --format json 2>/dev/null ||
        [ $? -eq 1 ] || echo "{\"scenario\": \"$(basename "$file" .md)\", \"failed\": true}"
done | python3 "$here/benches/outages.py"
