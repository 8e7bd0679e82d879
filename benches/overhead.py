#!/usr/bin/env python3
"""Pairs pgbench with and without each watcher, on the server that PGHOST and PGPORT name.

Usage: benches/overhead.py PGWARD ROUNDS SECONDS [alone], called by benches/overhead.sh
"""
import fcntl
import os
import pty
import random
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.request

CLIENTS = 4
SESSIONS = 500
STATEMENTS = 1_000
SETTLE_S = 5
CROWD_S = 20
DRAWS = 4_000
URL = "postgresql://{PGUSER}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)


class Watcher:
    """A program that watches, begun and ended by `with`; in between it may rest.

    Afterwards `cpu` is its share of one core while it was at work, once it had settled, `mb` the
    most that was resident.
    """

    def __init__(self, args, env=None, terminal=False, scrape=None):
        self.args, self.env, self.terminal, self.scrape = args, env or {}, terminal, scrape

    def __enter__(self):
        self.over = threading.Event()
        env = {**os.environ, **self.env}
        self.says = tempfile.TemporaryFile("w+")
        if self.terminal:
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
            self.child = subprocess.Popen(
                self.args, stdin=slave, stdout=slave, stderr=slave, env={**env, "TERM": "xterm"}
            )
            os.close(slave)
            threading.Thread(target=drain, args=(master,), daemon=True).start()
        else:
            self.child = subprocess.Popen(self.args, stdout=self.says, stderr=self.says, env=env)
        self.rested_s, self.resting = 0.0, None
        if self.scrape:
            threading.Thread(target=self.scrape_on, daemon=True).start()
        time.sleep(SETTLE_S)
        if self.child.poll() is not None:
            self.says.seek(0)
            sys.exit(f"{self.args[0]} ended at once:\n{self.says.read()}")
        self.began, self.cpu_s = time.monotonic(), self.used()
        return self

    def rest(self):
        """Stops it where it is: its sessions are idle, and it asks nothing."""
        self.child.send_signal(signal.SIGSTOP)
        self.resting = time.monotonic()

    def go_on(self):
        self.rested_s += time.monotonic() - self.resting
        self.resting = None
        self.child.send_signal(signal.SIGCONT)

    def used(self):
        """Seconds of CPU so far."""
        with open(f"/proc/{self.child.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def scrape_on(self):
        """As Prometheus would, once a second."""
        while not self.over.wait(1.0):
            if self.resting:
                continue
            try:
                urllib.request.urlopen(self.scrape, timeout=5).read()
            except OSError:
                pass  # it has not begun to listen, or ends

    def __exit__(self, *_):
        self.over.set()
        self.cpu = (self.used() - self.cpu_s) / (time.monotonic() - self.began - self.rested_s)
        self.child.send_signal(signal.SIGINT)
        if not waits(self.child.pid, 10):
            self.child.kill()
        _, _, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = 0
        self.mb = usage.ru_maxrss / 1024


def waits(pid, seconds):
    """Does the process end by itself in time?"""
    for _ in range(seconds * 10):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(0.1)
    return False


def drain(fd):
    try:
        while os.read(fd, 65_536):
            pass
    except OSError:
        pass  # the other end is closed


def watchers(pgward, scratch):
    found = {
        "pgward watch (1 s)": Watcher([pgward, "watch", "--database", URL, "--vault", scratch]),
    }
    if shutil.which("prometheus-postgres-exporter"):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{s.getsockname()[1]}"
        found["postgres_exporter (1 s)"] = Watcher(
            ["prometheus-postgres-exporter", f"--web.listen-address={listen}"],
            env={"DATA_SOURCE_NAME": f"{URL}?sslmode=disable"},
            scrape=f"http://{listen}/metrics",
        )
    else:
        print("no prometheus-postgres-exporter on the PATH")
    if shutil.which("pg_activity"):
        found["pg_activity (2 s)"] = Watcher(["pg_activity"], terminal=True)
    else:
        print("no pg_activity on the PATH")
    return found


class Load:
    """One pgbench all the time: each turn of it takes up where the last one ended.

    `per_s` is the transactions/s of each second so far.
    """

    def __enter__(self):
        args = ["pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2"]
        self.child = subprocess.Popen(
            [*args, "-T", "100000", "-P", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.per_s, self.ended, self.told = [], "", threading.Semaphore(0)
        threading.Thread(target=self.read, daemon=True).start()
        return self

    def read(self):
        for line in self.child.stderr:
            if found := re.match(r"progress: .* s, ([\d.]+) tps", line):
                self.per_s.append(float(found.group(1)))
                self.told.release()
            else:
                self.ended = line

    def turn(self, seconds):
        """Mean transactions/s of the seconds that come: it ends with the last of them, so that the
        next turn begins with the next."""
        first = len(self.per_s)
        while len(self.per_s) < first + seconds:
            if not self.told.acquire(timeout=10):
                sys.exit(f"pgbench has stopped: {self.ended}")
        return statistics.mean(self.per_s[first : first + seconds])

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()


def ratio(pairs):
    """Transactions with over those without, and between which it lies in 95 of 100 such runs, by
    drawing as many pairs from the pairs again and again."""
    of = lambda some: sum(on for on, _ in some) / sum(off for _, off in some)
    draw = random.Random(1)
    again = sorted(of(draw.choices(pairs, k=len(pairs))) for _ in range(DRAWS))
    return of(pairs), again[DRAWS // 40], again[-DRAWS // 40]


def main():
    pgward, rounds, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    alone = sys.argv[4:] == ["alone"]
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)  # the vault belongs to the user that pgward drops to
        everybody = watchers(os.path.abspath(pgward), f"{scratch}/vault")
        if alone:
            everybody = dict(list(everybody.items())[:1])
        pairs, bare = {name: [] for name in everybody}, []
        with Load() as load:
            load.turn(10)  # caches fill
            for name, watcher in everybody.items():
                with watcher:
                    load.turn(seconds)
                    for _ in range(rounds):
                        watcher.rest()
                        off = load.turn(seconds)
                        watcher.go_on()
                        on = load.turn(seconds)
                        bare.append(off)
                        pairs[name].append((on, off))
        print(
            f"{rounds} pairs of {seconds} s each, {CLIENTS} clients, {os.cpu_count()} CPUs; "
            f"unwatched {min(bare):.0f} / {statistics.median(bare):.0f} / {max(bare):.0f} "
            "transactions/s"
        )
        print(f"{'':28} {'with / without':>14} {'95 of 100 within':>18} {'core':>7}")
        for name, of_name in pairs.items():
            value, low, high = ratio(of_name)
            core = everybody[name].cpu
            print(f"{name:28} {value:14.3f} {f'{low:.3f} to {high:.3f}':>18} {core:7.1%}")
        crowded(everybody)


def crowded(everybody):
    """Many sessions that are mostly idle, and many statements."""
    each = (f"CREATE TABLE t{i} (n int); SELECT n FROM t{i};" for i in range(STATEMENTS))
    texts = "\n".join(each)
    subprocess.run(["psql", "-q"], input=texts, text=True, stdout=subprocess.DEVNULL, check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("\\sleep 5 s\nSELECT 1;\n")
        script.flush()
        os.chmod(script.name, 0o644)
        args = ["pgbench", "-n", "-c", str(SESSIONS), "-j", "2", "-T", "100000", "-f", script.name]
        crowd = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(10)
            if crowd.poll() is not None:
                sys.exit(f"pgbench could not open {SESSIONS} sessions")
            print(f"\n{f'{SESSIONS} sessions, {STATEMENTS} statements':28} {'core':>7} {'memory':>10}")
            for name, watcher in everybody.items():
                with watcher:
                    time.sleep(CROWD_S)
                print(f"{name:28} {watcher.cpu:7.1%} {watcher.mb:7.0f} MB")
        finally:
            crowd.terminate()
            crowd.wait()


main()
