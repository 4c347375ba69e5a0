#!/usr/bin/env python3
"""Prints how far samples are off: errors.py FILE.json ..."""
import json
import pathlib
import sys

print("| trace | sample | policy | whole trace, hit % at 1, 2, 5, 20 % | sample less whole, points | mean size |\n|---|---|---|---|---|---:|")
for path in sys.argv[1:]:
    rows = json.loads(pathlib.Path(path).read_text())["rows"]
    errors = {}
    for r in rows:
        if "sample_error" in r:
            errors.setdefault(r["policy"], []).append((r["size"], r["hit_ratio"], 100 * r["sample_error"], r["trace"], r["sample"]))
    for policy, all in errors.items():
        all.sort()
        whole = ", ".join(f"{100 * h - e:.1f}" for _, h, e, _, _ in all)
        off = ", ".join(f"{e:+.2f}" for _, _, e, _, _ in all)
        print(f"| `{all[0][3]}` | {all[0][4]} | {policy.replace('lru:widen=0', 'lru')} | {whole} | {off} | {sum(abs(e) for _, _, e, _, _ in all) / len(all):.2f} |")
    every = [abs(e) for all in errors.values() for _, _, e, _, _ in all]
    print(f"| | | all | | | **{sum(every) / len(every):.2f}** |")
