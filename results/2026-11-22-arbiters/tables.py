#!/usr/bin/env python3
"""Prints the tables of README.md from rows.json beside it."""
import json
import pathlib

RECORDED = ["OLTP.lis", "P3.lis", "web07.trace", "web12.trace", "orm-busy.trace"]
STRATEGIES = ["folio:strategy=" + s for s in ["conservative", "balanced", "aggressive", "exploratory"]]
ARBITERS = {"hedge": "folio", "thompson": "folio:arbiter=thompson", "exp3": "folio:arbiter=exp3", "fixed": "folio:arbiter=fixed"}


def short(trace):
    return f"splice of {trace.count('&')}" if trace.startswith("gen:splice") else trace


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


cells = {}
for r in json.loads((pathlib.Path(__file__).parent / "rows.json").read_text())["rows"]:
    cells.setdefault((short(r["trace"]), r["size"]), {})[r["policy"]] = r
hits = {cell: {p: 100 * r["hit_ratio"] for p, r in c.items()} for cell, c in cells.items()}
best = {cell: max(STRATEGIES, key=h.get) for cell, h in hits.items()}
regret = {a: {cell: h[best[cell]] - h[p] for cell, h in hits.items()} for a, p in ARBITERS.items()}

print(f"| trace | size | best single | hit % | {' | '.join(ARBITERS)} | s3fifo hit % |\n|---|---:|---|---:|---:|---:|---:|---:|---:|")
for (trace, size), h in hits.items():
    cell = trace, size
    tried = " | ".join(f"{regret[a][cell]:.2f} ({cells[cell][p]['folio']['switches']})" for a, p in ARBITERS.items())
    print(f"| {trace} | {size} | {best[cell].split('=')[1]} | {h[best[cell]]:.2f} | {tried} | {h['s3fifo']:.2f} |")
recorded = [cell for cell in hits if cell[0] in RECORDED]
fixed = {s: mean(h[s] for h in hits.values()) for s in STRATEGIES}
ruler = max(fixed, key=fixed.get)
print("| mean regret | | | | " + " | ".join(f"{mean(r.values()):.2f}" for r in regret.values()) + " | |")
print("| worst regret | | | | " + " | ".join(f"{max(r.values()):.2f}" for r in regret.values()) + " | |")
print("| mean over the recorded traces | | | | " + " | ".join(f"{mean(r[c] for c in recorded):.2f}" for r in regret.values()) + " | |")
print(f"| mean gain over `{ruler.split('=')[1]}` fixed everywhere | | | | " + " | ".join(f"{mean(h[p] for h in hits.values()) - fixed[ruler]:+.2f}" for p in ARBITERS.values()) + " | |")
print(f"\nThe best strategy of each cell would be {mean(h[best[c]] for c, h in hits.items()) - fixed[ruler]:+.2f} ahead of it; over the recorded traces hedge is "
      f"{mean(hits[c]['folio'] for c in recorded) - max(mean(hits[c][s] for c in recorded) for s in STRATEGIES):+.2f} ahead of every one fixed there.")

print("\n| trace | size | phases in order |\n|---|---:|---|")
losses = []
for cell, c in cells.items():
    phases = int(cell[0].split()[-1]) if cell[0].startswith("splice") else 4 if "phases" in cell[0] else 0
    if not phases:
        continue

    def share(policy, phase):
        parts = c[policy]["parts"]
        mine = [i for i in range(len(parts["hits"])) if (2 * i + 1) * phases // (2 * len(parts["hits"])) == phase]
        return 100 * sum(parts["hits"][i] for i in mine) / sum(parts["requests"][i] for i in mine)

    ahead = [share("folio", k) - max(share(s, k) for s in STRATEGIES) for k in range(phases)]
    losses += ahead
    print(f"| {cell[0]} | {cell[1]} | {' '.join(f'{x:+.2f}' for x in ahead)} |")
print(f"\nWorse by more than .75 points: {sum(x < -.75 for x in losses)} of {len(losses)} phases.")
