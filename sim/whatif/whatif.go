// Package whatif says which questions people ask of a trace before they change production, and what replaying them answers.
package whatif

import "github.com/foliocache/folio/sim"

// Schema names the form of a [Report] in JSON.
const Schema = "simulate-whatif/v1"

// Scenario is a change of how things are.
type Scenario struct {
	Name   string  `json:"name"`
	Policy string  `json:"policy"`
	Size   float64 `json:"size"` // times the size asked for
}

// Scenarios returns those that a trace has a use for, the first as things are. onHeap: half of the memory is less than
// fastcache needs, and all are cut without its steps.
func Scenarios(t *sim.Trace, onHeap bool) []Scenario {
	folio := "folio:geometry=auto"
	if onHeap {
		folio = "folio:geometry=plain"
	}
	all := []Scenario{{"as it is", folio, 1}, {"uncached", "none", 1}, {"half the memory", folio, .5}, {"twice the memory", folio, 2}, {"LRU", "lru", 1}}
	if !t.Paged() {
		return all
	}
	return append(all, Scenario{"no loads ahead", folio + ",prewarm=false,rewarm=false", 1}, Scenario{"one page a load", folio + ",prewarm=false,rewarm=false,widen=0", 1},
		Scenario{"writes delete first pages alone", folio + ",invalidate=first", 1})
}

// Report is the answers; its JSON form is the tool's contract.
type Report struct {
	Schema   string        `json:"schema"`
	Tool     sim.Tool      `json:"tool"`
	Complete bool          `json:"complete"` // true: answers are all there or none
	Trace    sim.TraceInfo `json:"trace"`
	Size     string        `json:"size"`
	Answers  []Answer      `json:"answers"`
}

// Answer is what came of a scenario: means over the seeds.
type Answer struct {
	Scenario
	HitRatio      float64 `json:"hit_ratio"`
	OriginQueries float64 `json:"origin_queries"`
	OriginSeconds float64 `json:"origin_s"`
	Stale         float64 `json:"stale_served"`
	Memory        int64   `json:"bytes_peak"` // of values and books, or objects; the most of any seed
	Unit          string  `json:"size_unit"`
	Seeds         int     `json:"seeds"`
}

// AnswerOf sums up the rows of a scenario, one of each seed.
func AnswerOf(s Scenario, rows []sim.Row) Answer {
	a := Answer{Scenario: s, Unit: rows[0].SizeUnit, Seeds: len(rows)}
	for i := range rows {
		r, n := &rows[i], float64(len(rows))
		a.HitRatio += r.HitRatio / n
		a.OriginQueries += float64(r.OriginQueries) / n
		a.OriginSeconds += r.OriginMS / 1000 / n
		a.Stale += float64(r.StaleServed) / n
		a.Memory = max(a.Memory, r.BytesPeak)
	}
	return a
}
