package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/sim/baseline"
)

// freshParams are folio's parameters that say what it may serve, and load, beside what readers wait for.
var freshParams = []baseline.Param{
	{Name: "swr", Default: "0s", Doc: "how long after its time to live a copy is served while a new one is loaded"},
	{Name: "swr_writes", Default: "0s", Doc: "how long after a write, if there was no other since, as well"},
	{Name: "early", Default: "1", Doc: "how many load times before its end a copy is loaded anew, roughly (XFetch)"},
	{Name: "maxstale", Default: "0", Doc: "part of the reads, 0..1, that may be stale by writes that nobody is told of"},
	{Name: "prewarm", Default: "true", Doc: "whether the next page is loaded before anybody asks for it, where readers are likely to go on"},
	{Name: "rewarm", Default: "true", Doc: "whether what is read most is loaded again after a write"},
	{Name: "budget", Default: "0.1", Doc: "loads for prewarm and rewarm, 0..1 for each that somebody waits for"},
}

// rules reads freshParams.
func (p *Policy) rules(j Job) (r core.Rules, budget float64, err error) {
	fault := func(name, want string) {
		if err == nil {
			err = fmt.Errorf("%w: policy %q: %s: want %s", ErrConfig, p.Text, name, want)
		}
	}
	duration := func(name string) int64 {
		d, err := time.ParseDuration(p.Params[name])
		if err != nil || d < 0 || d > 0 && j.Trace.times == nil {
			fault(name, "a time (30s), on a trace with a clock")
		}
		return d.Microseconds()
	}
	number := func(name string, most float64) float64 {
		x, err := strconv.ParseFloat(p.Params[name], 64)
		if err != nil || !(x >= 0 && x <= most) {
			fault(name, fmt.Sprintf("0 to %g", most))
		}
		return x
	}
	r = core.Rules{Late: duration("swr"), Written: duration("swr_writes"), Early: number("early", 100), MaxStale: number("maxstale", 1)}
	for name, on := range map[string]*bool{"prewarm": &r.Ahead, "rewarm": &r.Again} {
		var wrong error
		if *on, wrong = strconv.ParseBool(p.Params[name]); wrong != nil {
			fault(name, "true or false")
		}
	}
	if r.MaxStale > 0 && j.Trace.times == nil {
		fault("maxstale", "a trace with a clock")
	}
	if j.Trace.places == nil { // keys have no next page, and are not loaded again
		r.Ahead, r.Again = false, false
	}
	if j.TTL == 0 {
		r.Early = 0
	}
	return r, number("budget", 1), err
}

// fresh is what the simulator knows beside the core where more is served, or loaded, than is valid or asked for.
type fresh struct {
	random *rand.Rand
	was    []loadedAs // by unit
	costs  []uint32   // what the last load of each unit took, or would have, in µs
	units  map[uint64]uint32
	feeds  func(unit uint32) uint32
	asks   bool
}

// loadedAs says as what a unit was loaded last.
type loadedAs struct {
	version, truth uint32
	ever           bool
}

func newFresh(j Job, o *ours) *fresh {
	f := &fresh{random: rand.New(rand.NewPCG(j.Seed, 3)), units: map[uint64]uint32{}, feeds: j.Trace.feed}
	n := j.Trace.stored(o.wide)
	f.was, f.costs = make([]loadedAs, n), make([]uint32, n)
	for u := range uint32(j.Trace.units) {
		f.units[o.key(u)] = u
	}
	if !o.objects {
		o.sizes = j.Trace.largest()
	}
	return f
}

// ask has a query say what its copy is good for.
func (f *fresh) ask(c *core.Core, q *core.Query) { q.Want = c.Ask(q, f.random.Float64()) }

// loaded notes what a load took.
func (f *fresh) loaded(r *read) { f.costs[r.unit] = r.load }

// fate says what became of a unit's copy, now that it was loaded again, and notes as what.
func (f *fresh) fate(r *read) core.Fate {
	was := f.was[r.unit]
	f.was[r.unit] = loadedAs{r.version, r.truth, true}
	switch {
	case !was.ever || was.version != r.version:
		return core.Unknown
	case was.truth != r.truth:
		return core.Changed
	}
	return core.Same
}

// next begins a load of pages behind one that was just served.
func (o *ours) next(r *read) {
	if len(r.ahead) == 0 {
		return
	}
	reader, first := *o.query(r), o.behind(r, r.ahead[0])
	q := *o.query(&first)
	if o.core.Held(&q) {
		return
	}
	f, ahead := o.core.Warm(&q, &reader)
	first.branches, first.ahead, first.aside = nil, o.wide.behind(first.unit), true
	o.widen(&first, &core.Answer{Flight: f, Ahead: ahead})
	o.due = append(o.due, landing{read: first, flight: f})
}

// again begins a load of what a write has outdated.
func (o *ours) again(d core.Due, now int64) {
	unit := o.fresh.units[d.Key]
	r := read{unit: unit, feed: o.fresh.feeds(unit), depth: o.depths(unit), size: 1, load: o.fresh.costs[unit], now: now, aside: true}
	if !o.objects {
		r.size = max(1, o.sizes[unit])
	}
	f, ahead := o.core.Again(d, o.query(&r))
	if o.wide != nil {
		r.ahead = o.wide.behind(unit)
		o.widen(&r, &core.Answer{Flight: f, Ahead: ahead})
	}
	o.due = append(o.due, landing{read: r, flight: f})
}

func (o *ours) warmed() []landing {
	due := o.due
	o.due = o.due[:0]
	return due
}
