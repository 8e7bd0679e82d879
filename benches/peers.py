"""One line for each linter: seconds, findings, files flagged at warning or above, and, against
the account of a real server (`pgward trace`), files flagged that hold no heavy hazard and files
with one that pass in silence. A heavy hazard rewrites, blocks while it builds an index, or scans
under a strong lock a table that existed before the file. Called by peers.sh."""

import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
import truth

RUNS = 5


def timed(command):
    seconds = []
    for run in range(RUNS + 1):
        began = time.monotonic()
        subprocess.run(command, capture_output=True, text=True)
        if run:
            seconds.append(time.monotonic() - began)
    return statistics.median(seconds)


def findings(command, read, files):
    """What it finds in the files, (file, at warning or above) each; None where it gives up."""
    out = subprocess.run([*command, *files], capture_output=True, text=True)
    try:
        if not out.stdout.strip():
            return None
        return [(os.path.normpath(f), strong) for f, strong in read(out.stdout)]
    except (ValueError, KeyError, TypeError):
        return None


def json_of(text):
    start = min((i for i in (text.find("["), text.find("{")) if i >= 0), default=0)
    return json.loads(text[start:])


def of_pgward(text):
    found = json_of(text)["findings"]
    return [(f["file"], f["severity"] in ("warning", "error")) for f in found]


def of_squawk(text):
    return [(f["file"], True) for f in json_of(text)]


def of_safemigrate(text):
    return [(f.get("file") or f.get("file_path"), True) for f in json_of(text)]


def of_pgfence(text):
    found = []
    for result in json_of(text)["results"]:
        for check in result["checks"] + result.get("policyViolations", []):
            strong = check.get("risk", check.get("severity", "")).upper() not in ("SAFE", "LOW", "INFO")
            found.append((result["filePath"], strong))
    return found


def of_eugene(text):
    found, decoder, at = [], json.JSONDecoder(), text.find("{")
    while at >= 0:
        script, end = decoder.raw_decode(text, at)
        for statement in script["statements"]:
            found += [(script["name"], True)] * len(statement["triggered_rules"])
        at = text.find("{", end)
    return found


def why_absent(name):
    """What an installer said last, if it was asked."""
    try:
        with open(os.path.join(os.environ["PEERS_CACHE"], name + ".log")) as log:
            lines = [line.strip() for line in log if line.strip()]
    except (KeyError, OSError):
        return "not here"
    told = [line for line in lines if line.lower().startswith(("error", "npm err"))] or lines[-1:]
    return "not installable: " + (told[0] if told else "its installer says nothing")[:80]


def main():
    pgward, folder = sys.argv[1], sys.argv[2]
    statements = truth.run(pgward, "trace", folder)["statements"]
    heavy = collections.defaultdict(bool)
    for s in statements:
        heavy[s["file"]] |= any(c != "strong lock" for c, _ in truth.categories(s["effects"]))
    files = sorted(heavy)
    peers = [
        ("pgward", [pgward, "check", "--format", "json"], of_pgward),
        ("squawk", ["squawk", "--reporter", "json"], of_squawk),
        ("safemigrate-lint", ["safemigrate-lint"], of_safemigrate),
        ("pgfence", ["pgfence", "analyze", "--format", "sql", "--output", "json"], of_pgfence),
        ("eugene", ["eugene", "lint", "-a", "--sort-mode", "none", "-f", "json"], of_eugene),
    ]
    n_heavy = sum(heavy.values())
    print(f"{len(files)} files, {n_heavy} with a heavy hazard")
    head = ("tool", "seconds", "findings", "flagged", "flagged without hazard", "silent on hazard")
    row = "{:18} {:>8} {:>9} {:>8} {:>23} {:>17}"
    print(row.format(*head))
    for name, command, read in peers:
        if shutil.which(command[0]) is None:
            print(f"{name:18} {'–':>8}  {why_absent(name)}")
            continue
        given = [folder] if name == "pgward" else files
        if findings(command, read, given) is None:
            given = [f for f in files if findings(command, read, [f]) is not None]
        seconds = timed([*command, *given])
        found = findings(command, read, given)
        if found is None:
            print(f"{name:18} {seconds:8.2f}  gives up")
            continue
        flagged = {f for f, strong in found if strong}
        light = [f for f in files if not heavy[f]]
        wrongly = sum(os.path.normpath(f) in flagged for f in light)
        silent = sum(os.path.normpath(f) not in flagged for f in files if heavy[f])
        share = f"{wrongly} of {len(light)} ({100 * wrongly / max(1, len(light)):.0f}%)"
        n_flagged = len(flagged & {os.path.normpath(f) for f in files})
        line = row.format(name, f"{seconds:.2f}", len(found), n_flagged, share, f"{silent} of {n_heavy}")
        unread = 0 if name == "pgward" else len(files) - len(given)
        print(line + (f"  without {unread} files at which it gives up" if unread else ""))


if __name__ == "__main__":
    main()
