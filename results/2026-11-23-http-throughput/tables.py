"""Sums the runs beside it: medians, and of the ratios to the bare handler of the same round the geometric mean and its standard error."""
import csv, math, statistics as st
for name in ("32", "500", "9800", "rate"):
    rows = list(csv.DictReader(open(name + ".csv")))
    bare = {r["round"]: r for r in rows if r["server"] == "bare"}
    title = "4,000 requests a second on 64 connections" if name == "rate" else f"{int(name):,} connections"
    print(f"\n{title}\n\n| server | requests per s | per CPU second | of the bare handler | p50, ms | p99, ms | p99 above the bare handler's, ms | errors |\n|---|---:|---:|---:|---:|---:|---:|---:|")
    for server in dict.fromkeys(r["server"] for r in rows):
        own = [r for r in rows if r["server"] == server]
        col = lambda c: [float(r[c]) for r in own]
        logs = [math.log(float(r["requests_per_cpu_s"]) / float(bare[r["round"]]["requests_per_cpu_s"])) for r in own]
        mean = math.exp(st.mean(logs))
        above = st.median(float(r["p99_us"]) - float(bare[r["round"]]["p99_us"]) for r in own) / 1e3
        print(f"| {server} | {st.median(col('requests_per_s')):,.0f} | {st.median(col('requests_per_cpu_s')):,.0f} | {mean:.3f} ± {mean * st.stdev(logs) / math.sqrt(len(logs)):.3f} | {st.median(col('p50_us')) / 1e3:.2f} | {st.median(col('p99_us')) / 1e3:.2f} | {above:.2f} | {sum(bool(r['errors']) for r in own)} |")
