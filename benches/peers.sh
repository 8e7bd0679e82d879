#!/usr/bin/env bash
# Runs pgward and the linters of others on the same files, in the same run, and prints a table.
#
# Usage: benches/peers.sh DIR
#
# A peer is taken from the PATH, or installed below ${XDG_CACHE_HOME:-~/.cache}/pgward/peers with
# pip and npm; one that cannot be had is told. Seconds are the median of five runs after one.
set -euo pipefail

[ $# -eq 1 ] && [ -d "$1" ] || { echo "usage: benches/peers.sh DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pgward/peers
target=${CARGO_TARGET_DIR:-$here/target}
pgward=${PGWARD:-$target/release/pgward}
[ -x "$pgward" ] || { echo "no $pgward: cargo build --release first" >&2; exit 2; }

mkdir -p "$cache"
if [ ! -e "$cache/asked" ]; then
    python3 -m venv "$cache/pip" && "$cache/pip/bin/pip" install -q squawk-cli safemigrate-lint || true
    npm install -s --prefix "$cache" @flvmnt/pgfence || true
    touch "$cache/asked"
fi
export PATH="$PATH:$cache/pip/bin:$cache/node_modules/.bin"

python3 "$here/benches/peers.py" "$pgward" "$1"
