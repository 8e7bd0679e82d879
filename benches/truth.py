#!/usr/bin/env python3
"""Compares what `pgward check` says with what PostgreSQL does, file by file.

Usage: benches/truth.py PGWARD DIR [DIR...]

Each DIR is a folder of migrations. `pgward trace` is the account of the server, `pgward check`
the prediction. Statements that the server refused are left out. A file counts once a category:
rewrite, blocking index build, scan under a strong lock, strong lock on a table that existed
before the file. Prints precision, recall and the files that differ.
"""

import collections
import json
import subprocess
import sys

ORDER = ["access_share", "row_share", "row_exclusive", "share_update_exclusive", "share",
         "share_row_exclusive", "exclusive", "access_exclusive"]


def run(pgward, command, path):
    out = subprocess.run([pgward, command, path, "--format", "json"], capture_output=True, text=True)
    if out.returncode > 1:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def categories(effects):
    for e in effects:
        if not e["existed_before"]:
            continue
        name = e["relation"]["name"]
        strong = ORDER.index(e["lock"]) >= ORDER.index("share")
        if e["rewrites"]:
            yield "rewrite", name
        if e["builds_index"] and strong:
            yield "blocking build", name
        if e["scans"] and strong:
            yield "scan", name
        if strong:
            yield "strong lock", name


def main():
    pgward, paths = sys.argv[1], sys.argv[2:]
    hits = collections.defaultdict(collections.Counter)
    verbose = []
    for path in paths:
        truth, said = collections.defaultdict(set), collections.defaultdict(set)
        traced = run(pgward, "trace", path)["statements"]
        failed = {(s["file"], s["line"], s["column"]) for s in traced if s.get("error")}
        tables = {e["relation"]["name"] for s in traced for e in s["effects"]}
        for s in traced:
            truth[s["file"]].update(categories(s["effects"]))
        for s in run(pgward, "check", path)["statements"]:
            if (s["file"], s["line"], s["column"]) not in failed:
                said[s["file"]].update(c for c in categories(s["effects"]) if c[1] in tables or "…" in c[1])
        for file in truth.keys() | said.keys():
            for what in ("rewrite", "blocking build", "scan", "strong lock"):
                t = {n for c, n in truth[file] if c == what}
                p = {n for c, n in said[file] if c == what}
                kind = "tp" if t and p else "fn" if t else "fp" if p else "tn"
                hits[what][kind] += 1
                if kind in ("fn", "fp"):
                    verbose.append(f"{kind} {what}: {file} {sorted(t or p)}")
    print("\n".join(sorted(verbose)))
    print(f"{'category':16} {'files':>6} {'precision':>10} {'recall':>8}")
    for what, h in hits.items():
        precision = h["tp"] / max(1, h["tp"] + h["fp"])
        recall = h["tp"] / max(1, h["tp"] + h["fn"])
        print(f"{what:16} {h['tp'] + h['fn']:6} {precision:10.3f} {recall:8.3f}")


if __name__ == "__main__":
    main()
