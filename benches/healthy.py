#!/usr/bin/env python3
"""Runs a healthy day against the server that PGHOST and PGPORT name, watched by pgward.

Usage: benches/healthy.py PGWARD MINUTES, called by benches/healthy.sh
"""
import collections
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time

URL = "postgresql://{PGUSER}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
SCALE = 20
# Milliseconds that a client thinks between two requests, at the busiest hour.
THINKS_MS = 8
# The quietest hour has so much of the traffic of the busiest.
NIGHT = 0.15
# Seconds between two of each, and what they are.
CHORES = {
    "checkpoint": (170, "CHECKPOINT"),
    "vacuum": (230, "VACUUM (ANALYZE) pgbench_accounts"),
    "report": (130, "SELECT bid, count(*), sum(abalance) FROM pgbench_accounts GROUP BY bid ORDER BY 3"),
    "long report": (600, "SELECT count(*) FROM pgbench_history h, generate_series(1, 200) g"),
    "batch job": (200, None),
    "deploy": (300, None),
    "dump": (900, None),
}

READER = f"""
\\set aid random(1, {SCALE} * 100000)
SELECT pace FROM pace \\gset
\\set ms random(1, 2 * :pace)
\\sleep :ms ms
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
"""
WRITER = f"""
\\set aid random(1, {SCALE} * 100000)
\\set bid random(1, {SCALE})
\\set delta random(-5000, 5000)
SELECT pace FROM pace \\gset
\\set ms random(1, 4 * :pace)
\\sleep :ms ms
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, :bid, :aid, :delta, now());
COMMIT;
"""
# What every application does now and then: an insert that is there already.
CLUMSY = """
\\set ms random(2000, 20000)
\\sleep :ms ms
INSERT INTO seen VALUES (1);
"""


def sql(text, role="postgres", application="chores"):
    env = {**os.environ, "PGUSER": role, "PGAPPNAME": application}
    done = subprocess.run(
        ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", text], env=env, capture_output=True, text=True
    )
    if done.returncode:
        print(f"  {application}: {done.stderr.strip()}", flush=True)


def batch_job(n):
    """Interest for a tenth of the accounts, in batches with a commit each."""
    step = SCALE * 100_000 // 400
    for i in range(40):
        first = ((n * 40 + i) % 400) * step
        where = f"aid BETWEEN {first + 1} AND {first + step}"
        sql(f"UPDATE pgbench_accounts SET filler = 'interest {n}' WHERE {where}", "batch", "interest")


def deploy(n):
    sql(f"CREATE TABLE feature_{n} (id bigint PRIMARY KEY, account int NOT NULL, note text)", "deploy", "deploy")
    sql(f"SET lock_timeout = '1s'; ALTER TABLE pgbench_tellers ADD COLUMN feature_{n} int DEFAULT 0", "deploy", "deploy")
    sql(f"CREATE INDEX CONCURRENTLY history_{n} ON pgbench_history (aid, mtime)", "deploy", "deploy")
    sql(f"SET lock_timeout = '1s'; GRANT SELECT ON feature_{n} TO app", "deploy", "deploy")
    if n:
        sql(f"DROP INDEX CONCURRENTLY history_{n - 1}", "deploy", "deploy")


def dump(_):
    subprocess.run(["pg_dump", "-Fc"], stdout=subprocess.DEVNULL, check=True)


def chore(name, over, count):
    every, text = CHORES[name]
    does = {"batch job": batch_job, "deploy": deploy, "dump": dump}.get(name)
    time.sleep(random.uniform(30, 30 + every / 2))
    while not over.is_set():
        does(count[name]) if does else sql(text, application=name)
        count[name] += 1
        over.wait(random.uniform(0.7 * every, 1.3 * every))


def prepare():
    subprocess.run(["pgbench", "-i", "-q", "-s", str(SCALE)], check=True, capture_output=True)
    for statement in [
        "CREATE EXTENSION pg_stat_statements",
        "CREATE ROLE app LOGIN IN ROLE pg_read_all_data, pg_write_all_data",
        "CREATE ROLE batch LOGIN IN ROLE pg_read_all_data, pg_write_all_data",
        "CREATE ROLE deploy LOGIN SUPERUSER",
        "CREATE TABLE seen (n int PRIMARY KEY); INSERT INTO seen VALUES (1)",
        f"CREATE TABLE pace AS SELECT {THINKS_MS}::int AS pace",
        "ANALYZE",
    ]:
        sql(statement)


def load(folder, name, script, clients):
    path = f"{folder}/{name}.sql"
    with open(path, "w") as out:
        out.write(script)
    env = {**os.environ, "PGUSER": "app", "PGAPPNAME": name}
    args = ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", "1000000", "-f", path]
    if name == "clumsy":  # an error ends a client of pgbench: a new one takes its place
        args = ["bash", "-c", f"while sleep 1; do {' '.join(args)}; done"]
    return subprocess.Popen(
        args, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def a_day(minutes):
    """Sets the pace again and again: night, morning, noon, a busy hour, evening."""
    began = time.monotonic()
    while (passed := (time.monotonic() - began) / (60 * minutes)) < 1:
        wave = 0.5 - 0.5 * math.cos(2 * math.pi * passed)
        busy = 0.25 if 0.6 < passed < 0.64 else 0.0
        share = NIGHT + (1 - NIGHT) * min(1.0, wave + busy)
        sql(f"UPDATE pace SET pace = {round(THINKS_MS / share)}", application="pace")
        time.sleep(5)


def main():
    pgward, minutes = os.path.abspath(sys.argv[1]), float(sys.argv[2])
    prepare()
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o777)  # the vault belongs to the user that pgward drops to
        vault = f"{scratch}/vault"
        clients = [load(scratch, *l) for l in [("shop", READER, 10), ("till", WRITER, 5), ("clumsy", CLUMSY, 1)]]
        with open(f"{scratch}/said", "w+") as said:
            watch = [pgward, "watch", "--database", URL, "--vault", vault, "--listen", "none"]
            watcher = subprocess.Popen(watch, stdout=said, stderr=said)
            over, count = threading.Event(), collections.Counter()
            chores = [threading.Thread(target=chore, args=(c, over, count), daemon=True) for c in CHORES]
            [c.start() for c in chores]
            try:
                a_day(minutes)
            finally:
                over.set()
                watcher.terminate()
                watcher.wait()
                for client in clients:
                    os.killpg(client.pid, 15)
            said.seek(0)
            lines = said.read()
        listed = subprocess.run(
            [pgward, "incidents", "--json", "--vault", vault], capture_output=True, text=True
        ).stdout
        found = json.loads(listed or "[]")
    print(f"{minutes:g} minutes of a healthy day, load {os.getloadavg()[0]:.1f}")
    print(", ".join(f"{n} x {name}" for name, n in sorted(count.items())))
    for incident in found:
        causes = [v["cause"] for v in incident["verdicts"] if "likely" in v["verdict"]]
        symptoms = [s["detector"] for s in incident["symptoms"]]
        print(f"  {incident['opened']} {', '.join(symptoms)}: {', '.join(causes[:3])}")
    print(f"incidents: {len(found)}")
    if found:
        print("".join(l for l in lines.splitlines(True) if " opened " in l or " likely " in l))
    sys.exit(1 if found else 0)


main()
