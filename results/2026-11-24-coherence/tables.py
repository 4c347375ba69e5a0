"""Sums redis.txt, memcached.txt and memory.txt beside it."""
import re
for file in "redis", "memcached":
    name, rows = None, []
    for line in open(file + ".txt"):
        if m := re.match(r"=== RUN .*/(.*)_(\S+)$", line.strip()):
            name = (m[1].replace("_", " "), m[2])
        if m := re.search(r"(\d+) reads, ([\d.]+) % hits, (\d+) from the tier, (\d+) loads, (\d+) invalidations and (\d+) pending, slowest read (\S+), worst staleness (\S+), (\d+) not", line):
            rows.append((name, m.groups()))
    print(f"\n## {file.capitalize()}\n\n| fault | lease | reads | hits, % | from the tier | loads | invalidations | pending | slowest read | worst staleness | a writer's own reads too old |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for (fault, lease), g in rows:
        print(f"| {fault} | {lease} | {int(g[0]):,} | {g[1]} | {g[2]} | {g[3]} | {g[4]} | {g[5]} | {g[6]} | {g[7]} | {g[8]} |")
worst = [float(m[1]) * (1 if m[2] == "ms" else 1000) for m in re.finditer(r"worst staleness ([\d.]+)(ms|s),", open("memory.txt").read())]
reads = sum(int(m[1]) for m in re.finditer(r"(\d+) reads,", open("memory.txt").read()))
print(f"\nIn process, simulated time: {len(worst):,} histories of 20 s, {reads:,} reads, worst staleness {max(worst):.0f} ms of a lease of 500 ms.")
