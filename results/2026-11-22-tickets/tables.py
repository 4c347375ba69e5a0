#!/usr/bin/env python3
"""Prints the tables of README.md from the CSV files beside it: tables.py targets | FILE.csv ..."""
import csv
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
COLUMNS = ["hits", "page1", "pages2-3", "pages4-10", "queries", "rows", "db_us", "stale", "p50_us", "p95_us", "p99_us", "resident_MiB", "warmed", "set_MiB"]


def read(name):
    """Returns {(database, MiB): {cache: means of its runs}}, in the order of the file."""
    runs = {}
    for row in csv.DictReader((HERE / name).open()):
        runs.setdefault((row["db"], int(row["MiB"])), {}).setdefault(row["cache"], []).append(row)
    return {cell: {cache: mean(rows) for cache, rows in caches.items()} for cell, caches in runs.items()}


def mean(rows):
    m = {c: sum(float(r[c]) for r in rows) / len(rows) for c in COLUMNS}
    return m | {"runs": len(rows), "split": rows[0]["split"]}


def short(x):
    return f"{x:.3f}".lstrip("0")


def widened(caches):
    """Returns the least database time of the widened rivals of a run."""
    return min(m["db_us"] for c, m in caches.items() if c.endswith("+widen"))


def targets():
    print("| | queries, of the best rival's as shipped (.7 wanted) | database time, of the best widened rival's (.95 wanted) | the same without loads ahead | loads ahead "
          "| hits that `folio-observe` foretells, of those without loads ahead |\n|---|---:|---:|---:|---:|---:|")
    rest = read("rest.csv")
    for name in ["sqlite.csv", "postgres.csv", "shop.csv"]:
        for (db, size), caches in read(name).items():
            others = {} if name == "shop.csv" else rest.get((db, size), {})
            queries = min(m["queries"] for c, m in (caches | others).items() if not c.startswith("folio") and not c.endswith("+widen"))
            folio, alone, observe, time = caches["folio"], caches["folio-no-prewarm"], caches.get("folio-observe"), widened(caches)
            label = f"{'shop, ' if name == 'shop.csv' else ''}{DATABASES[db]} {size} MiB"
            marks = [(folio["queries"] / queries, .7), (folio["db_us"] / time, .95), (alone["db_us"] / time, .95)]
            cells = [f"**{short(x)}**" if x <= goal else short(x) for x, goal in marks]
            if others:
                cells[1] += f" (otter's run: {short(others['folio']['db_us'] / widened(others))})"
            foretold = f"{observe['hits'] / alone['hits']:.3f}" if observe else ""
            print(f"| {label} | {' | '.join(cells)} | {folio['warmed']:.0f} | {foretold} |")


def tables(name):
    for (db, size), caches in read(name).items():
        print(f"\n**{DATABASES[db]}, {size} MiB** (folio's rings: {caches['folio']['split']} MiB)\n")
        print("| cache | set to | resident, MiB | hits | page 1 | 2-3 | 4-10 | queries | rows | database, µs | stale | p50 | p95 | p99, µs |\n" + "|---" + "|---:" * 13 + "|")
        for cache, m in caches.items():
            title = f"**`{cache}`**" if cache == "folio" else f"`{cache}`"
            if m["runs"] > 1:
                title += f" ({m['runs']} runs)"
            shares = " | ".join(f"{100 * m[c]:.1f} %" for c in COLUMNS[:4])
            print(f"| {title} | {m['set_MiB']:.0f} | {m['resident_MiB']:.0f} | {shares} | {m['queries']:.3f} | {m['rows']:.1f} | {m['db_us']:.0f} | {m['stale']:.0f} "
                  f"| {m['p50_us']:.0f} | {m['p95_us']:.0f} | {m['p99_us']:.0f} |")


for argument in sys.argv[1:]:
    targets() if argument == "targets" else tables(argument)
