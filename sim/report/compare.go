package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/compare"
)

// both names the policies of a row.
func both(r *compare.Row) string {
	name := r.Policy
	if r.Head != r.Policy {
		name += " > " + r.Head
	}
	return (&sim.Row{Policy: name, Sample: r.Sample}).Name()
}

func sizeOf(r *compare.Row) string { return sizeText(sim.Row{Size: r.Size, SizeUnit: r.SizeUnit}) }

func interval(r *compare.Row) string {
	return fmt.Sprintf("%+.2f to %+.2f", r.Between[0], r.Between[1])
}

// figures are a row's cells: hit ratios of both sides, points, interval, misses and origin queries.
func figures(r *compare.Row) []string {
	return []string{fmt.Sprintf("%.2f", 100*r.From.HitRatio), fmt.Sprintf("%.2f", 100*r.To.HitRatio), fmt.Sprintf("%+.2f", r.Points), interval(r),
		change(r.From.Misses, r.To.Misses), change(r.From.OriginQueries, r.To.OriginQueries)}
}

// change is what was counted after what was, as a part of it.
func change(from, to int64) string {
	switch {
	case from == to:
		return "0"
	case from == 0:
		return fmt.Sprintf("+%d", to)
	}
	return fmt.Sprintf("%+.2f %%", 100*float64(to-from)/float64(from))
}

// summary says what the rows come to.
func summary(r *compare.Result) string {
	var parts []string
	for _, v := range []compare.Verdict{compare.Worse, compare.Undecided, compare.Better, compare.Same} {
		n := 0
		for i := range r.Rows {
			if r.Rows[i].Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if n := len(r.Missing); n > 0 {
		parts = append(parts, fmt.Sprintf("%d missing", n))
	}
	return strings.Join(parts, ", ")
}

// alone says which rows one side only has, a line each, as many as a comment takes.
func alone(r *compare.Result) (lines []string) {
	for _, side := range []struct {
		name string
		rows []string
	}{{"base", r.Missing}, {"head", r.New}} {
		for i, row := range side.rows {
			if i == listed {
				lines = append(lines, fmt.Sprintf("and %d more only in the %s", len(side.rows)-i, side.name))
				break
			}
			lines = append(lines, fmt.Sprintf("only in the %s: %s", side.name, row))
		}
	}
	return lines
}

// advice says how to learn more than the verdicts tell; empty: no way is known, or none is needed.
func advice(r *compare.Result) string {
	undecided, told, seeds := 0, 0, 0
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Seeds < 2 && row.Verdict != compare.Same {
			return "One seed a row: what differs from seed to seed by chance is not known. Replay with --seeds 5."
		}
		if row.Verdict == compare.Undecided {
			undecided++
		}
		if row.SeedsWanted > 0 {
			told++
			seeds = max(seeds, row.SeedsWanted)
		}
	}
	switch {
	case told > 0:
		return fmt.Sprintf("Replayed with --seeds %d, %d of %d undecided rows would most likely be told apart.", seeds, told, undecided)
	case undecided > 0:
		return "More seeds would not tell what is undecided: differences are too small, or vary too much from part to part of the trace. A longer trace may."
	}
	return ""
}

// confidence names the intervals.
func confidence(r *compare.Result) string {
	return strconv.FormatFloat(100*(1-r.Alpha), 'g', -1, 64) + " %"
}

func compareTable(w io.Writer, r *compare.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	var names []string
	for i := range r.Rows {
		names = append(names, both(&r.Rows[i]))
	}
	for _, trace := range r.Traces {
		fmt.Fprintf(t, "%s: %d requests\n", trace.Name, trace.Requests)
		fmt.Fprintf(t, "%s\tsize\tbase %%\thead %%\tpoints\t%s between\tmisses\tqueries\tstale\t\n", pad("policy", names), confidence(r))
		for i := range r.Rows {
			row := &r.Rows[i]
			if row.Trace != trace.Name {
				continue
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t %s\n", pad(names[i], names), sizeOf(row), strings.Join(figures(row), "\t"), row.To.StaleServed, row.Verdict)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for _, line := range alone(r) {
		fmt.Fprintln(w, line)
	}
	if text := advice(r); text != "" {
		fmt.Fprintln(w, text)
	}
	_, err := fmt.Fprintf(w, "verdict: %s (%s)\n", r.Verdict, summary(r))
	return err
}

func compareCSV(w io.Writer, r *compare.Result) error {
	lines := [][]string{{"trace", "policy", "head_policy", "size", "size_unit", "seeds", "class", "base_requests", "head_requests", "base_hits", "head_hits", "delta_points",
		"low_points", "high_points", "p", "verdict", "base_origin_queries", "head_origin_queries", "base_origin_ms", "head_origin_ms", "base_stale", "head_stale"}}
	for i := range r.Rows {
		row := &r.Rows[i]
		head := []string{row.Trace, row.Policy, row.Head, n(row.Size), row.SizeUnit, strconv.Itoa(row.Seeds)}
		lines = append(lines, append(head[:6:6], "", n(row.From.Requests), n(row.To.Requests), n(row.From.Hits), n(row.To.Hits), f(row.Points),
			f(row.Between[0]), f(row.Between[1]), f(row.P), string(row.Verdict), n(row.From.OriginQueries), n(row.To.OriginQueries),
			f(row.From.OriginMS), f(row.To.OriginMS), n(row.From.StaleServed), n(row.To.StaleServed)))
		for _, d := range sim.Depths {
			if c, ok := row.Classes[d]; ok {
				lines = append(lines, append(head[:6:6], d, n(c.Requests), n(c.HeadRequests), n(c.From), n(c.To), f(c.Points), "", "", "", "", "", "", "", "", "", ""))
			}
		}
	}
	return csv.NewWriter(w).WriteAll(lines)
}

func compareGobench(w io.Writer, r *compare.Result) error {
	var b strings.Builder
	b.WriteString(gobenchUnits)
	for i := range r.Rows {
		row := &r.Rows[i]
		for _, side := range []struct {
			name string
			compare.Side
		}{{"base", row.From}, {"head", row.To}} {
			gobenchLine(&b, row.Trace, both(row), row.Size, row.SizeUnit, "side="+side.name, side.HitRatio, side.Misses, side.OriginQueries)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
