# Sourced: a private server in a directory of its own, gone when the script ends. As root it runs
# as the user postgres. PG_BIN names the programs, by default the newest in /usr/lib/postgresql.

bin=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)}
dir=$(mktemp -d)
as=()
if [ "$(id -u)" -eq 0 ]; then
    chown postgres "$dir"
    as=(runuser -u postgres --)
fi
stop_server() {
    "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap stop_server EXIT
cd "$dir"

# Starts it with the settings on standard input; its log is $dir/server.log.
start_server() {
    "${as[@]}" "$bin/initdb" -D "$dir/data" -A trust >/dev/null
    cat >>"$dir/data/postgresql.conf"
    "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/server.log" start >/dev/null
}

# Sets pgward to the program that is measured: PGWARD, else the release build of this checkout.
find_pgward() {
    pgward=${PGWARD:-${CARGO_TARGET_DIR:-$here/target}/release/pgward}
    [ -x "$pgward" ] || { echo "no $pgward: cargo build --release first" >&2; exit 2; }
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
