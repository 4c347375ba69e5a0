#!/usr/bin/env python3
"""How often compare is wrong: verdicts.py SIMULATE OLTP.lis.zst web12.trace.xz

Of each cell, 25 comparisons of the same with the same and 25 with a planted loss, each of so many seeds with as many
others, none of which is used twice on one side. Prints tables in Markdown."""
import json
import pathlib
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

PAIRS = 25
simulate, oltp, web12 = sys.argv[1:]
SHORT, LONG = "gen:tickets?n=200000&seed=9&cursors=0", "gen:tickets?n=500000&seed=9&cursors=0"
CELLS = [  # trace, size, what is run, what is run with a loss planted, seeds
    (f"arc:{oltp}", "2%", "folio:strategy=balanced", "folio:strategy=balanced@0.15", 5),
    (f"cache2k:{web12}", "5%", "folio:strategy=aggressive", "folio:strategy=aggressive@0.12", 5),
    (LONG, "128MiB", "folio:strategy=aggressive", "folio:strategy=aggressive@0.058", 10),
    (LONG, "5%", "folio:strategy=balanced", "folio:strategy=balanced@0.46", 10),
]
FEWER = [  # requests or seeds than it takes
    (LONG, "128MiB", "folio:strategy=aggressive", "folio:strategy=aggressive@0.058", 5),
    (LONG, "5%", "folio:strategy=balanced", "folio:strategy=balanced@0.46", 5),
    (SHORT, "128MiB", "folio:strategy=aggressive", "folio:strategy=aggressive@0.045", 5),
    (SHORT, "5%", "folio:strategy=balanced", "folio:strategy=balanced@0.5", 5),
    (SHORT, "5%", "folio:strategy=balanced", "folio:strategy=balanced@0.5", 20),
]


def replay(job):
    path, trace, size, policy, seed, seeds = job
    subprocess.run([simulate, "run", "-q", "-j", "1", "--no-timing", "-s", size, "-p", policy, "--seed", str(seed), "--seeds", str(seeds), "-o", f"json:{path}", trace], check=True)
    return path


def judge(base, head, *more):
    out = subprocess.run([simulate, "compare", base, head, "--fail-on", "never", "-o", "json", *more], check=True, capture_output=True).stdout
    row = json.loads(out)["rows"][0]
    return row["verdict"], row["delta_points"]


def cells(every):
    print("\n| trace, size | seeds a side | | planted | found worse | same with same | called better or worse | points between those |\n|---|---:|---|---:|---:|---:|---:|---:|")
    totals = [0, 0, 0, 0]
    for trace, size, policy, worse, seeds in every:
        folder = pathlib.Path(tempfile.mkdtemp())
        with ThreadPoolExecutor(2) as pool:
            bases = list(pool.map(replay, [(folder / f"base-{k}.json", trace, size, policy, 1 + seeds * k, seeds) for k in range(2 * PAIRS)]))
            heads = list(pool.map(replay, [(folder / f"head-{k}.json", trace, size, worse, 10001 + seeds * k, seeds) for k in range(PAIRS)]))
            same = list(pool.map(judge, bases[::2], bases[1::2]))
            lost = list(pool.map(lambda b, h: judge(b, h, "--match", f"{policy}={worse}"), bases[:PAIRS], heads))
        alarms, found = sum(v in ("better", "worse") for v, _ in same), sum(v == "worse" for v, _ in lost)
        name = pathlib.Path(trace.split(":", 1)[1]).name if ":/" in trace or ".." in trace else trace
        print(f"| `{name}`, {size} | {seeds} | `{worse}` for `{policy}` | {sum(p for _, p in lost) / len(lost):+.2f} | {found} of {PAIRS} | {PAIRS} | {alarms} | ±{max(abs(p) for _, p in same):.2f} |", flush=True)
        totals = [a + b for a, b in zip(totals, [PAIRS, found, PAIRS, alarms])]
    print(f"| all | | | | **{totals[1]} of {totals[0]}** | {totals[2]} | **{totals[3]}** | |", flush=True)


cells(CELLS)
cells(FEWER)
