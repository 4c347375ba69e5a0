package folioprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foliocache/folio"
)

// metrics lists all that is read from a cache's stats.
func metrics(desc func(name, help string, labels ...string) *prometheus.Desc) []metric {
	counter := func(name, help string, value func(*folio.Stats) int64) metric {
		return metric{desc(name, help), prometheus.CounterValue, func(s *folio.Stats, send func(float64, ...string)) { send(float64(value(s))) }}
	}
	gauge := func(name, help string, value func(*folio.Stats) float64) metric {
		return metric{desc(name, help), prometheus.GaugeValue, func(s *folio.Stats, send func(float64, ...string)) { send(value(s)) }}
	}
	return append([]metric{
		counter("hits_total", "Reads answered from the store.", func(s *folio.Stats) int64 { return s.Hits }),
		counter("misses_total", "Reads that began a load, or found nothing and did not want to.", func(s *folio.Stats) int64 { return s.Misses }),
		counter("joined_total", "Reads that waited for a load under way.", func(s *folio.Stats) int64 { return s.Joined }),
		counter("stale_total", "Reads answered with what was too old, because the load failed.", func(s *folio.Stats) int64 { return s.Stale }),
		counter("loads_total", "Calls of loaders: origin queries.", func(s *folio.Stats) int64 { return s.Loads }),
		counter("load_errors_total", "Loads that failed.", func(s *folio.Stats) int64 { return s.LoadErrors }),
		counter("load_rows_total", "Rows that loads brought for lists.", func(s *folio.Stats) int64 { return s.Rows }),
		counter("loads_around_total", "Calls of loaders as if there were no cache: it observes, is off, or verifies.", func(s *folio.Stats) int64 { return s.Around }),
		counter("verified_total", "Answers from the store, given or not, that were compared with the origin's.", func(s *folio.Stats) int64 { return s.Verified }),
		counter("differed_total", "Answers from the store that were not the origin's.", func(s *folio.Stats) int64 { return s.Differed }),
		counter("pages_brought_total", "Pages that loads brought along, of scopes that are learned from.", func(s *folio.Stats) int64 { return s.Brought }),
		counter("pages_brought_used_total", "Of those, pages asked for before they were gone.", func(s *folio.Stats) int64 { return s.Used }),
		counter("refreshed_total", "Hits whose value was to be loaded anew behind.", func(s *folio.Stats) int64 { return s.Refreshed }),
		counter("warm_rows_total", "Rows brought by loads that nobody waited for.", func(s *folio.Stats) int64 { return s.WarmRows }),
		{desc("warm_seconds_total", "Time in loads that nobody waited for."), prometheus.CounterValue, func(s *folio.Stats, send func(float64, ...string)) { send(s.WarmTime.Seconds()) }},
		counter("stored_total", "Values written to the store.", func(s *folio.Stats) int64 { return s.Stored }),
		counter("moved_total", "Values written again to keep them.", func(s *folio.Stats) int64 { return s.Moved }),
		counter("evicted_total", "Values overwritten by others.", func(s *folio.Stats) int64 { return s.Evicted }),
		counter("revoked_total", "Loads whose value was not stored because a write overtook it.", func(s *folio.Stats) int64 { return s.Revoked }),
		counter("refused_total", "Values stored nowhere: hopeless, or too large for a ring.", func(s *folio.Stats) int64 { return s.Refused }),
		counter("too_large_total", "Values refused as too large.", func(s *folio.Stats) int64 { return s.TooLarge }),
		counter("capped_total", "Values not stored because their scope has its share.", func(s *folio.Stats) int64 { return s.Capped }),
		counter("invalidations_total", "Invalidations of tags, reached ones included.", func(s *folio.Stats) int64 { return s.Invalidations }),
		counter("unlearned_total", "Reads that nobody learned from.", func(s *folio.Stats) int64 { return s.Unlearned }),
		counter("lost_total", "Values that the books had and the store had not.", func(s *folio.Stats) int64 { return s.Lost }),
		counter("unchanged_total", "Values set that were there already.", func(s *folio.Stats) int64 { return s.Unchanged }),
		counter("load_panics_total", "Panics of loaders.", func(s *folio.Stats) int64 { return s.Panics }),
		counter("switches_total", "Changes of the ruling strategy.", func(s *folio.Stats) int64 { return s.Switches }),
		counter("tier_errors_total", "Reads and writes of the tier that failed or took too long.", func(s *folio.Stats) int64 { return s.Tier.Errors }),
		counter("tier_writes_total", "Values that the tier was given.", func(s *folio.Stats) int64 { return s.Tier.Writes }),
		counter("tier_unwritten_total", "Values that it was not given: they came too fast, or are too large.", func(s *folio.Stats) int64 { return s.Tier.Unwritten }),
		counter("tier_heard_total", "Invalidations of other instances.", func(s *folio.Stats) int64 { return s.Tier.Heard }),
		counter("tier_lost_total", "Times that nobody could tell what others had invalidated.", func(s *folio.Stats) int64 { return s.Tier.Lost }),
		gauge("tier_used_bytes", "What the tier takes, of all who use it.", func(s *folio.Stats) float64 { return float64(s.Tier.Used) }),
		gauge("tier_max_bytes", "What the tier may take; 0: nobody knows.", func(s *folio.Stats) float64 { return float64(s.Tier.Most) }),
		gauge("tier_owed_tags", "Tags invalidated here that other instances do not know of yet.", func(s *folio.Stats) float64 { return float64(s.Tier.Owed) }),
		gauge("tier_lease_seconds", "For how long what is in memory may be trusted; 0: it may not, or there is no tier.", func(s *folio.Stats) float64 { return s.Tier.Lease.Seconds() }),
		gauge("entries", "Values held.", func(s *folio.Stats) float64 { return float64(s.Entries) }),
		gauge("regret_ratio", "Hit ratio that the best strategy would have had more, over all reads.", func(s *folio.Stats) float64 { return s.Regret }),
		gauge("calibration_error_ratio", "Mean error of the confidences stated.", func(s *folio.Stats) float64 { return s.Calibration }),
	}, labelled(desc)...)
}

// labelled lists the metrics that have a value for each of something.
func labelled(desc func(name, help string, labels ...string) *prometheus.Desc) []metric {
	return []metric{
		{desc("tier_reads_total", "Questions to the tier that instances share, by what came of them.", "outcome"), prometheus.CounterValue,
			func(s *folio.Stats, send func(float64, ...string)) {
				for outcome, n := range map[string]int64{"hit": s.Tier.Hits, "miss": s.Tier.Misses, "skipped": s.Tier.Skipped, "refused": s.Tier.Refused} {
					send(float64(n), outcome)
				}
			}},
		{desc("memory_bytes", "Memory taken: live and dead bytes of the rings, and the books on the Go heap.", "kind"), prometheus.GaugeValue,
			func(s *folio.Stats, send func(float64, ...string)) {
				send(float64(s.Memory.Live), "live")
				send(float64(s.Memory.Dead), "dead")
				send(float64(s.Memory.Books), "books")
			}},
		{desc("warm_loads_total", "Loads that nobody waited for, of next pages and of what a write had outdated.", "kind"), prometheus.CounterValue,
			func(s *folio.Stats, send func(float64, ...string)) {
				send(float64(s.Warmed.Loads), "next")
				send(float64(s.Rewarmed.Loads), "written")
			}},
		{desc("warm_loads_used_total", "Of those, loads whose page was asked for before it was gone.", "kind"), prometheus.CounterValue,
			func(s *folio.Stats, send func(float64, ...string)) {
				send(float64(s.Warmed.Used), "next")
				send(float64(s.Rewarmed.Used), "written")
			}},
		{desc("capacity_bytes", "Capacity of the rings."), prometheus.GaugeValue,
			func(s *folio.Stats, send func(float64, ...string)) { send(float64(s.Memory.Capacity)) }},
		{desc("reads_by_depth_total", "Reads learned from, by how deep their page is.", "depth", "outcome"), prometheus.CounterValue,
			func(s *folio.Stats, send func(float64, ...string)) {
				for _, d := range s.Depths {
					send(float64(d.Hits), d.Depth, "hit")
					send(float64(d.Misses), d.Depth, "miss")
				}
			}},
		{desc("strategy_reads_total", "Reads that a strategy's shadow saw.", "strategy", "outcome"), prometheus.CounterValue,
			func(s *folio.Stats, send func(float64, ...string)) {
				for _, t := range s.Strategies {
					send(float64(t.Hits), t.Name, "hit")
					send(float64(t.Misses), t.Name, "miss")
				}
			}},
		{desc("strategy_ruled_total", "Reads that a strategy ruled.", "strategy"), prometheus.CounterValue,
			func(s *folio.Stats, send func(float64, ...string)) {
				for _, t := range s.Strategies {
					send(float64(t.Ruled), t.Name)
				}
			}},
		{desc("strategy_ruling", "1 for the strategy that rules now, else 0.", "strategy"), prometheus.GaugeValue,
			func(s *folio.Stats, send func(float64, ...string)) {
				for _, t := range s.Strategies {
					rules := 0.0
					if t.Name == s.Ruling {
						rules = 1
					}
					send(rules, t.Name)
				}
			}},
	}
}
