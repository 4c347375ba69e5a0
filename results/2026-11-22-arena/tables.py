#!/usr/bin/env python3
"""Prints the tables of README.md from rows.json beside it."""
import json
import math
import pathlib

RECORDED = ["OLTP.lis", "P3.lis", "web07.trace", "web12.trace", "orm-busy.trace"]
STRATEGIES = ["conservative", "balanced", "aggressive", "exploratory"]

result = json.loads((pathlib.Path(__file__).parent / "rows.json").read_text())
ids = {t["name"]: t["ids"] for t in result["traces"]}
cells = {}
for r in result["rows"]:
    cells.setdefault((r["trace"], r["size"]), {})[r["policy"]] = r
recorded = [c for (trace, _), c in cells.items() if trace in RECORDED]

print("| baseline | misses of `folio`, of its |\n|---|---:|")
for policy in "fifo lru clock sieve lfu 2q s3fifo arc wtinylfu wtinylfu:window=adaptive lecar gdsf".split():
    print(f"| `{policy}` | {math.exp(sum(math.log(c['folio']['misses'] / c[policy]['misses']) for c in recorded) / len(recorded)):.4f} |")
print(f"\nFewer misses than `s3fifo` in {sum(c['folio']['misses'] < c['s3fifo']['misses'] for c in recorded)} of {len(recorded)} cells.\n")

print("| trace | size | folio hit % | s3fifo | best of fifo, lru, s3fifo: margin | best single strategy | regret, points | switches | calibration error | Brier skill | bookkeeping, B/id |")
print("|---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|")
regrets = []
for (trace, size), c in cells.items():
    ours, hits = c["folio"], {p: 100 * r["hit_ratio"] for p, r in c.items()}
    best = max(STRATEGIES, key=lambda s: hits["folio:strategy=" + s])
    regret = hits["folio:strategy=" + best] - hits["folio"]
    if trace in RECORDED:
        regrets.append(regret)
    margin = hits["folio"] - max(hits[p] for p in ["fifo", "lru", "s3fifo"])
    print(f"| {trace} | {size} | {hits['folio']:.2f} | {hits['s3fifo']:.2f} | {margin:+.2f} | {best} | {regret:.2f} | {ours['folio']['switches']} "
          f"| {ours['folio']['ece']:.3f} | {ours['folio']['brier_skill']:.3f} | {ours['bytes_metadata'] / ids[trace]:.0f} |")
print(f"\nRegret over the {len(regrets)} cells of the recorded traces: mean {sum(regrets) / len(regrets):.2f}, worst {max(regrets):.2f} points. Stale reads: {sum(r['stale_served'] for r in result['rows'])}.")
