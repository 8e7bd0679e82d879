#!/usr/bin/env python3
"""Pairs pgbench with and without each watcher, on the server that PGHOST and PGPORT name.

Usage: benches/overhead.py PGWARD ROUNDS SECONDS, called by benches/overhead.sh
"""
import fcntl
import os
import pty
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
SETTLE_S = 3
URL = "postgresql://{PGUSER}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)


class Watcher:
    """A program that watches, begun and ended by `with`.

    Afterwards `cpu` is its share of one core once it has settled, `mb` the most that was resident.
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
        if self.scrape:
            threading.Thread(target=self.scrape_on, daemon=True).start()
        time.sleep(SETTLE_S)
        if self.child.poll() is not None:
            self.says.seek(0)
            sys.exit(f"{self.args[0]} ended at once:\n{self.says.read()}")
        self.began, self.cpu_s = time.monotonic(), self.used()
        return self

    def used(self):
        """Seconds of CPU so far."""
        with open(f"/proc/{self.child.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def scrape_on(self):
        """As Prometheus would, once a second."""
        while not self.over.wait(1.0):
            try:
                urllib.request.urlopen(self.scrape, timeout=5).read()
            except OSError:
                pass  # it has not begun to listen, or ends

    def __exit__(self, *_):
        self.over.set()
        self.cpu = (self.used() - self.cpu_s) / (time.monotonic() - self.began)
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


def transactions_per_s(seconds):
    args = ["pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds)]
    said = subprocess.run(args, capture_output=True, text=True, check=True).stdout
    return float(re.search(r"tps = ([\d.]+)", said).group(1))


def main():
    pgward, rounds, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)  # the vault belongs to the user that pgward drops to
        everybody = watchers(os.path.abspath(pgward), f"{scratch}/vault")
        turns = [None, *everybody]
        ratios = {name: [] for name in everybody}
        cpu, bare = {name: [] for name in everybody}, []
        transactions_per_s(seconds)  # caches fill
        for i in range(rounds):
            per_s = {}
            # Each comes first and last as often as the others: a drift is nobody's fault.
            for name in turns[i % len(turns) :] + turns[: i % len(turns)]:
                if name is None:
                    time.sleep(SETTLE_S)
                    per_s[name] = transactions_per_s(seconds)
                    continue
                with everybody[name] as watcher:
                    per_s[name] = transactions_per_s(seconds)
                cpu[name].append(watcher.cpu)
            bare.append(per_s[None])
            for name in everybody:
                ratios[name].append(per_s[name] / per_s[None])
        print(
            f"{rounds} rounds of {seconds} s, {CLIENTS} clients, {os.cpu_count()} CPUs, "
            f"load {os.getloadavg()[0]:.1f}; unwatched {min(bare):.0f} / "
            f"{statistics.median(bare):.0f} / {max(bare):.0f} transactions/s"
        )
        print(f"{'ratio with / without':28} {'min':>7} {'median':>7} {'max':>7} {'core':>7}")
        for name, all in ratios.items():
            middle = statistics.median(all)
            core = statistics.median(cpu[name])
            print(f"{name:28} {min(all):7.3f} {middle:7.3f} {max(all):7.3f} {core:7.1%}")
        crowded(everybody, seconds)


def crowded(everybody, seconds):
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
                    time.sleep(2 * seconds)
                print(f"{name:28} {watcher.cpu:7.1%} {watcher.mb:7.0f} MB")
        finally:
            crowd.terminate()
            crowd.wait()


main()
