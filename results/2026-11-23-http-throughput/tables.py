"""Sums the runs beside it: medians, and of each round the ratio to the bare handler of the same round."""
import csv, statistics as st
for name in ("32", "500", "9800"):
    rows = list(csv.DictReader(open(name + ".csv")))
    bare = {r["round"]: float(r["requests_per_cpu_s"]) for r in rows if r["server"] == "bare"}
    print(f"\n{name} connections\n\n| server | requests per s | per CPU second (least to most) | of the bare handler | p50, ms | p99, ms | errors |\n|---|---:|---:|---:|---:|---:|---:|")
    for server in dict.fromkeys(r["server"] for r in rows):
        own = [r for r in rows if r["server"] == server]
        col = lambda c: [float(r[c]) for r in own]
        per = col("requests_per_cpu_s")
        ratio = st.median(float(r["requests_per_cpu_s"]) / bare[r["round"]] for r in own)
        print(f"| {server} | {st.median(col('requests_per_s')):,.0f} | {st.median(per):,.0f} ({min(per):,.0f} to {max(per):,.0f}) | {ratio:.2f} | {st.median(col('p50_us')) / 1e3:.2f} | {st.median(col('p99_us')) / 1e3:.2f} | {sum(bool(r['errors']) for r in own)} |")
