#!/usr/bin/env python3
"""Reads what `pgward drill --format json` prints and prints a table of it, line by line.

Usage: ... | benches/outages.py, called by benches/outages.sh
"""
import json
import sys


def seconds(value):
    return "-" if value is None else f"{value:.1f}"


def main():
    print(f"{'':67} {'seconds until':^20} {'bad':>4} {'rows':>6}")
    print(
        f"{'outage':28} {'road':9} {'cause first':22} {'right':>5} {'seen':>6} {'named':>6} "
        f"{'back':>6} {'acts':>4} {'lost':>6} {'score':>5}"
    )
    n = right = excluded = 0
    for line in sys.stdin:
        run = json.loads(line)
        if run.get("failed"):
            print(f"{run['scenario']:28} could not be run")
            continue
        if run["road"] == "bypassed":
            n += 1
            right += run["cause_right"]
            excluded += bool(run["wrong_exclusions"])
        print(
            f"{run['scenario']:28} {run['road']:9} {run['cause'] or '-':22} "
            f"{'yes' if run['cause_right'] else 'no':>5} {seconds(run['detect_s']):>6} "
            f"{seconds(run['diagnose_s']):>6} {seconds(run['recover_s']):>6} "
            f"{len(run['wrong_actions']):>4} {run['rows_lost']:>6} {run['score']:>5.0f}",
            flush=True,
        )
    print(f"{n} outages: {right} named in full, the true cause ruled out in {excluded}")


main()
