#!/usr/bin/env python3
"""Prints the tables of README.md from tickets.json and weblogs.json beside it."""
import json
import pathlib
import statistics

T95 = 2.776  # Student's t, four degrees of freedom
HERE = pathlib.Path(__file__).parent


def cells(name, column):
    """Returns {policy: {column: [rows]}} and the columns."""
    table, columns = {}, []
    for r in json.loads((HERE / name).read_text())["rows"]:
        c = column(r)
        if c not in columns:
            columns.append(c)
        table.setdefault(r["policy"], {}).setdefault(c, []).append(r)
    return table, columns


def spread(numbers, form):
    return f"{format(statistics.mean(numbers), form)} ± {T95 * statistics.stdev(numbers) / len(numbers) ** .5:.2f}"


def hits(rows):
    return [100 * r["hit_ratio"] for r in rows]


tickets, sizes = cells("tickets.json", lambda r: r["size_text"])
rule = "|---" + "|---:" * len(sizes) + "|"
print(f"| policy | {' | '.join(sizes)} |\n{rule}")
for policy, row in tickets.items():
    print(f"| `{policy}` | {' | '.join(spread(hits(row[s]), '.2f') for s in sizes)} |")

single = [p for p in tickets if p.startswith("folio:strategy=")]
print(f"\n| `folio` less | {' | '.join(sizes)} |\n{rule}")
ours = {s: hits(tickets["folio"][s]) for s in sizes}
best = {s: [max(x) for x in zip(*(hits(tickets[p][s]) for p in single))] for s in sizes}
print(f"| best single strategy of that seed | {' | '.join(spread([a - b for a, b in zip(ours[s], best[s])], '+.2f') for s in sizes)} |")
for policy in ["lru:widen=1", "lru:widen=2", "s3fifo:widen=1", "s3fifo:widen=2", "wtinylfu:widen=1"]:
    print(f"| `{policy}` | {' | '.join(spread([a - b for a, b in zip(ours[s], hits(tickets[policy][s]))], '+.2f') for s in sizes)} |")
alone = "folio:widen=0,prewarm=false,rewarm=false"
print(f"\n| `{alone}` less | {' | '.join(sizes)} |\n{rule}")
for policy in ["fifo", "lru", "sieve", "s3fifo", "arc", "wtinylfu"]:
    print(f"| `{policy}` | {' | '.join(spread([a - b for a, b in zip(hits(tickets[alone][s]), hits(tickets[policy][s]))], '+.2f') for s in sizes)} |")

print("\n| policy | origin queries, of uncached | origin time, of uncached | pages brought along that were used |\n|---|---:|---:|---:|")
for policy in ["lru", "lru:widen=1", "lru:widen=2", "s3fifo", "s3fifo:widen=1", "s3fifo:widen=2", "wtinylfu", "wtinylfu:widen=1", alone, "folio"]:
    rows, bare = tickets[policy]["5%"], tickets["none"]["5%"]
    of = {k: sum(r[k] for r in rows) / sum(r[k] for r in bare) for k in ["origin_queries", "origin_ms"]}
    brought = sum(r["prefetched"] for r in rows)
    used = f"{100 * sum(r['prefetch_used'] for r in rows) / brought:.0f} %" if brought else "–"
    print(f"| `{policy}` | {100 * of['origin_queries']:.1f} % | {100 * of['origin_ms']:.1f} % | {used} |")

logs, columns = cells("weblogs.json", lambda r: f"{r['trace'].removesuffix('.csv').removeprefix('weblog_')}, {r['size']}")
print(f"\n| policy | {' | '.join(columns)} |\n|---" + "|---:" * len(columns) + "|")
for policy, row in logs.items():
    print(f"| `{policy}` | {' | '.join(f'{hits(row[c])[0]:.2f}' for c in columns)} |")
rows = [r for table in [tickets, logs] for row in table.values() for some in row.values() for r in some]
print(f"\nStale reads in {len(rows)} rows: {sum(r['stale_served'] for r in rows)}.")
