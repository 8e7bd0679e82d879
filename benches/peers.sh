#!/usr/bin/env bash
# Runs pgward and the linters of others on the same files, in the same run, and prints a table.
#
# Usage: benches/peers.sh DIR
#
# A peer is taken from the PATH, or installed below ${XDG_CACHE_HOME:-~/.cache}/pgward/peers with
# pip, npm and cargo; of one that cannot be had the table says why. Seconds are the median of
# five runs after one.
set -euo pipefail

[ $# -eq 1 ] && [ -d "$1" ] || { echo "usage: benches/peers.sh DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pgward/peers
target=${CARGO_TARGET_DIR:-$here/target}
pgward=${PGWARD:-$target/release/pgward}
[ -x "$pgward" ] || { echo "no $pgward: cargo build --release first" >&2; exit 2; }

# Installs a peer once; what its installer said stays in the cache. A file there that is removed
# asks again.
peer() {
    local name=$1
    shift
    [ ! -e "$cache/$name.log" ] || return 0
    "$@" >"$cache/$name.part" 2>&1 || true
    mv "$cache/$name.part" "$cache/$name.log"
}

mkdir -p "$cache"
peer venv python3 -m venv "$cache/pip"
peer squawk "$cache/pip/bin/pip" install squawk-cli
peer safemigrate-lint "$cache/pip/bin/pip" install safemigrate-lint
peer pgfence npm install --prefix "$cache" @flvmnt/pgfence
# Building it needs a C compiler and libclang, and takes minutes.
peer eugene env CARGO_TARGET_DIR="$cache/target" cargo install --root "$cache" eugene
rm -rf "$cache/target"
export PATH="$PATH:$cache/pip/bin:$cache/node_modules/.bin:$cache/bin" PEERS_CACHE="$cache"

python3 "$here/benches/peers.py" "$pgward" "$1"
