#!/usr/bin/env python3
"""Times pgward and pgBadger on one log: a table of seconds, megabytes a second and memory.

Usage: benches/logs_time.py PGWARD LOG
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

PREFIX = "%m [%p] %q[user=%u,db=%d,app=%a,client=%h,sqlstate=%e,qid=%Q] "


def timed(args):
    """Seconds of wall time, of CPU, and the most resident megabytes."""
    before = time.monotonic()
    child = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{args[0]} failed with {child.returncode}")
    return time.monotonic() - before, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def row(name, size, seconds, cpu, memory, base):
    rate = size / 1e6 / seconds
    ratio = "" if base is None else f"{rate / base:6.1f}x"
    print(f"{name:28} {seconds:8.2f} s {cpu:8.2f} s {rate:8.1f} MB/s {memory:7.0f} MB {ratio}")
    return rate


def main():
    pgward, log = sys.argv[1:]
    size = os.path.getsize(log)
    print(f"{size / 1e6:.0f} MB of stderr log, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"{'':28} {'wall':>10} {'CPU':>10} {'':>13} {'memory':>10}")
    base = None
    if shutil.which("pgbadger"):
        with tempfile.TemporaryDirectory() as tmp:
            out = f"{tmp}/out.json"
            args = ["pgbadger", "-q", "-f", "stderr", "-p", PREFIX, "-o", out, log]
            base = row("pgbadger", size, *timed(args), None)
            base = row(f"pgbadger -j {os.cpu_count()}", size, *timed([*args[:1], "-j", str(os.cpu_count()), *args[1:]]), base) and base
    else:
        print("no pgbadger on the PATH: apt-get install pgbadger")
    open(log, "rb").read()  # both find it in memory
    runs = [timed([pgward, "logs", log, "--format", "json"]) for _ in range(3)]
    row("pgward logs", size, *min(runs), base)


main()
