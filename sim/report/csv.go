package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/foliocache/folio/sim"
)

func writeCSV(w io.Writer, r *sim.Result) error {
	c := csv.NewWriter(w)
	lines := [][]string{{"trace", "policy", "size", "size_unit", "seed", "class", "requests", "hits", "misses", "hit_ratio",
		"byte_hit_ratio", "origin_queries", "origin_ms", "admitted", "evicted", "invalidated", "stale_served", "bytes_written", "complete"}}
	complete := strconv.FormatBool(r.Complete)
	for _, row := range r.Rows {
		counted := func(v int64) string {
			if row.Curve {
				return ""
			}
			return n(v)
		}
		head := []string{row.Trace, row.Name(), n(row.Size), row.SizeUnit, strconv.FormatUint(row.Seed, 10)}
		lines = append(lines, append(head[:5:5], "", n(row.Requests), n(row.Hits), n(row.Misses), f(row.HitRatio), f(row.ByteHitRatio),
			n(row.OriginQueries), f(row.OriginMS), counted(row.Admitted), counted(row.Evicted), counted(row.Invalidated), n(row.StaleServed), counted(row.BytesWritten), complete))
		for _, d := range sim.Depths {
			if k, ok := row.Classes[d]; ok {
				lines = append(lines, append(head[:5:5], d, n(k.Requests), n(k.Hits), n(k.Requests-k.Hits),
					f(float64(k.Hits)/float64(k.Requests)), "", "", "", "", "", "", "", "", complete))
			}
		}
	}
	if len(r.Rows) == 0 && !r.Complete { // nobody else says so
		lines = append(lines, append(make([]string, len(lines[0])-1), complete))
	}
	return c.WriteAll(lines)
}

func n(v int64) string   { return strconv.FormatInt(v, 10) }
func f(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
