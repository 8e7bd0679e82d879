#!/usr/bin/env python3
"""Repeats a stderr log until it has so many megabytes; the times go on, constants change.

Usage: benches/logs_repeat.py LOG MEGABYTES > BIG
"""
import datetime
import re
import sys

CONSTANT = re.compile(r"(= |VALUES \()(\d+)\b")
TIME = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?")


def parsed(text):
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


def main():
    lines = open(sys.argv[1], errors="replace").read().splitlines()
    wanted = int(sys.argv[2]) * 1_000_000
    times = [parsed(m.group(1)) for m in map(TIME.match, lines) if m]
    span = times[-1] - times[0] + datetime.timedelta(seconds=1)
    written = n = 0
    while written < wanted:
        out = []
        for line in lines:
            found = TIME.match(line)
            if found:
                at = parsed(found.group(1)) + n * span
                line = at.strftime("%Y-%m-%d %H:%M:%S") + line[len(found.group(1)):]
                # Other constants, as in real life: every statement is its own text.
                head, mark, text = line.partition(":  ")
                line = head + mark + CONSTANT.sub(lambda m: f"{m.group(1)}{int(m.group(2)) + n}", text)
            out.append(line)
        text = "\n".join(out) + "\n"
        sys.stdout.write(text)
        written += len(text)
        n += 1


main()
