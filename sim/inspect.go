package sim

import (
	"fmt"
	"time"
)

// Inspection says what is in a trace.
type Inspection struct {
	TraceInfo
	Format       string           `json:"format"`
	Span         time.Duration    `json:"span_ns"`
	OneHit       int              `json:"one_hit"` // units asked for once
	Feeds        int              `json:"feeds"`
	Depths       map[string]int64 `json:"depths,omitempty"` // reads by depth bucket
	Warnings     []string         `json:"warnings,omitempty"`
	CompulsoryHR float64          `json:"unbounded_hit_ratio"` // what a cache without bound would hit, writes aside
}

// Inspect describes a decoded trace.
func Inspect(t *Trace, format string) Inspection {
	in := Inspection{TraceInfo: t.Info(), Format: format, Feeds: t.feedCount}
	counts := make([]uint32, t.units)
	for i, id := range t.ids {
		if t.read(i) {
			counts[id]++
		}
	}
	for _, c := range counts {
		if c == 1 {
			in.OneHit++
		}
	}
	if t.times != nil {
		in.Span = time.Duration(t.times[len(t.times)-1]) * time.Millisecond
	}
	if t.depths != nil {
		in.Depths = map[string]int64{}
		for id, c := range counts {
			in.Depths[Depths[t.depths[id]]] += int64(c)
		}
	}
	in.CompulsoryHR = 1 - ratio(int64(t.units), int64(t.reads))
	in.warn(t)
	return in
}

func (in *Inspection) warn(t *Trace) {
	add := func(format string, args ...any) { in.Warnings = append(in.Warnings, fmt.Sprintf(format, args...)) }
	if in.Requests < 10_000 {
		add("only %d reads: differences between policies will be noise", in.Requests)
	}
	if in.CompulsoryHR < .01 {
		add("almost no unit is asked for twice: is %s the right format?", in.Format)
	}
	if t.depths != nil && t.sizes == nil {
		add("pages have no sizes: cache sizes in bytes cannot be used")
	}
	if t.depths != nil && in.Writes == 0 {
		add("no writes: nothing here shows invalidation")
	}
}
