// Package tune searches settings of folio's cache for a trace: cheaply on samples first, what is left on the whole of it.
//
// Settings are tried one by one on the smallest sample. The better part of them, and the best of each knob together, goes on
// to the next one (successive halving: Jamieson and Talwalkar, AISTATS 2016), the best few to the whole trace. They are chosen
// by their hits on the first part of the trace; whether the gain holds is judged on the rest. What they cost the origin, and how many
// reads are stale, is of the whole trace.
package tune

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/compare"
	"github.com/foliocache/folio/strategy"
)

// HeldOut is the share of the trace's parts, at its end, that settings are not chosen by.
const HeldOut = .3

// keep is the part of the candidates that goes on to the next level, and last how many reach the whole trace.
const (
	keep = 3
	last = 4
)

// Knob is something that can be set, and to what it may be worth to set it. Values are parameters of folio's policy, as
// strategy=balanced; ttl=30s is the job's.
type Knob struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Candidate is a value for some knobs; the others are at their default.
type Candidate []Set

// Set is a knob at a value.
type Set struct {
	Knob  string `json:"knob"`
	Value string `json:"value"`
}

const ttl = "ttl="

// Knobs returns what may be worth setting on a trace: of all, or those that are named. promised is the share of the reads
// that may be stale by writes that nobody is told of, of which there are such a share.
//
// What decides where all bytes are written, the rings' split, is not among them: see docs/decisions/0015-tune.md.
func Knobs(t *sim.Trace, only []string, untold, promised float64) ([]Knob, error) {
	var rule []string
	for _, name := range strategy.Names() {
		rule = append(rule, "strategy="+name)
		for _, threshold := range thresholds[name] {
			rule = append(rule, fmt.Sprintf("strategy=%s@%g", name, threshold))
		}
	}
	for _, name := range arena.Arbiters() {
		if name != "hedge" && name != "fixed" { // the default, and a strategy alone
			rule = append(rule, "arbiter="+name)
		}
	}
	all := []Knob{{"rule", rule}}
	if t.Paged() {
		all = append(all, Knob{"widening", []string{"widen=0"}}, Knob{"ahead", []string{"prewarm=false,rewarm=false", "budget=0.03", "budget=0.3"}})
	}
	if t.Timed() && untold > 0 {
		all = append(all, Knob{"ttl", []string{"ttl=10s", "ttl=30s", "ttl=100s", "ttl=300s", "ttl=1000s"}}, Knob{"promise", []string{fmt.Sprintf("maxstale=%g", promised), fmt.Sprintf("maxstale=%g", .8*promised)}})
	}
	for _, name := range only {
		if !slices.ContainsFunc(all, func(k Knob) bool { return k.Name == name }) {
			return nil, fmt.Errorf("%w: --only %s: there is no such knob for %s", sim.ErrConfig, name, t.Name)
		}
	}
	if len(only) > 0 {
		all = slices.DeleteFunc(all, func(k Knob) bool { return !slices.Contains(only, k.Name) })
	}
	return all, nil
}

// thresholds are those tried beside a strategy's own.
var thresholds = map[string][]float64{"aggressive": {.03, .15}, "balanced": {.2, .3, .55}, "conservative": {.5, .85}, "exploratory": {.2, .6}}

// Policy returns the policy to replay.
func (c Candidate) Policy() string {
	var all []string
	for _, s := range c {
		if !strings.HasPrefix(s.Value, ttl) {
			all = append(all, s.Value)
		}
	}
	if len(all) == 0 {
		return "folio"
	}
	return "folio:" + strings.Join(all, ",")
}

// TTL returns the time to live, as text; empty: that of the command.
func (c Candidate) TTL() string {
	for _, s := range c {
		if text, ok := strings.CutPrefix(s.Value, ttl); ok {
			return text
		}
	}
	return ""
}

// String names it for people.
func (c Candidate) String() string {
	if len(c) == 0 {
		return "defaults"
	}
	var all []string
	for _, s := range c {
		all = append(all, s.Value)
	}
	return strings.Join(all, " ")
}

func (c Candidate) equal(o Candidate) bool { return slices.Equal(c, o) }

// with returns it with another knob set, in the order of the knobs.
func (c Candidate) with(s Set, knobs []Knob) Candidate {
	all := append(slices.Clone(c), s)
	at := func(s Set) int { return slices.IndexFunc(knobs, func(k Knob) bool { return k.Name == s.Knob }) }
	slices.SortStableFunc(all, func(a, b Set) int { return cmp.Compare(at(a), at(b)) })
	return all
}

// without returns it with one knob at its default.
func (c Candidate) without(knob string) Candidate {
	return slices.DeleteFunc(slices.Clone(c), func(s Set) bool { return s.Knob == knob })
}

// Limits are what settings may cost beside what the defaults do.
type Limits struct {
	Origin float64 // of the origin's time, as a part more: .02
	Stale  float64 // of the reads, 0..1, in all
}

// Options say how to search.
type Options struct {
	Knobs  []Knob
	Levels int // how many sizes of samples there are, the whole trace included: 1..3
	Seeds  int // that the gain is judged by
	Alpha  float64
	Limits

	// Replay returns the row of each candidate at a level, 0 the smallest sample, Levels-1 the whole trace, with one seed of
	// 0..Seeds-1. Where time is short it returns fewer, and no error.
	Replay func(ctx context.Context, level, seed int, all []Candidate) ([]sim.Row, error)
}

// Found is what a search found; its JSON form is the tool's contract.
type Found struct {
	Schema   string        `json:"schema"`
	Tool     sim.Tool      `json:"tool"`
	Complete bool          `json:"complete"` // false: there was no time to judge
	Trace    sim.TraceInfo `json:"trace"`
	Size     string        `json:"size"`
	Tried    int           `json:"tried"` // candidates
	Best     Candidate     `json:"best"`  // empty: the defaults
	Policy   string        `json:"policy"`
	TTL      string        `json:"ttl,omitempty"`
	Config   any           `json:"config"` // for folio.New
	List     any           `json:"list"`   // for folio.NewList
	Whole    *compare.Row  `json:"whole,omitempty"`
	HeldOut  *compare.Row  `json:"held_out,omitempty"`
	Why      string        `json:"why"`  // that it is the best
	Sets     []Worth       `json:"sets"` // what each of its settings is worth
	Others   []Worth       `json:"others"`
}

// Schema names the form of a [Found] in JSON.
const Schema = "simulate-tune/v1"

// Worth is what a setting gains: by itself, or, of the best's, if the others are set.
type Worth struct {
	Set
	Points float64 `json:"points"`           // of the hit ratio, hundredths
	Share  float64 `json:"share"`            // of the trace that it was measured on, 0..1: 1/16, 1
	Costly bool    `json:"costly,omitempty"` // it costs the origin more than it may, or is too stale
}

// trial is a candidate that was replayed.
type trial struct {
	Candidate
	row    sim.Row
	points float64 // hit ratio on the first part of the trace, less that of the defaults
	fits   bool    // within the limits
	level  int
}

// search is a search under way.
type search struct {
	Options
	tried    []Candidate
	single   []trial // the last trial of each candidate of one setting
	tooStale bool    // the defaults are
}

// Search returns the best settings that it finds. Errors: those of Replay.
func Search(ctx context.Context, o Options) (*Found, error) {
	s := &search{Options: o}
	candidates := []Candidate{nil}
	for _, k := range o.Knobs {
		for _, v := range k.Values {
			candidates = append(candidates, Candidate{{k.Name, v}})
		}
	}
	best := trial{}
	for level := range o.Levels {
		all, err := s.run(ctx, level, 0, candidates)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			break // there was no time
		}
		s.note(all)
		if best = all[0]; level < o.Levels-1 {
			candidates = s.next(all, level)
		}
		if level == 0 && o.Levels == 1 { // what is best together is not known yet
			if all, err = s.run(ctx, level, 0, s.next(all, level)); err != nil {
				return nil, err
			}
			if len(all) > 0 {
				best = all[0]
			}
		}
	}
	return s.judge(ctx, best)
}

// run replays candidates, the defaults first, and returns what fits of them, the best first.
func (s *search) run(ctx context.Context, level, seed int, all []Candidate) ([]trial, error) {
	rows, err := s.Replay(ctx, level, seed, all)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	from, to := learned(&rows[0])
	base := ratio(&rows[0], from, to)
	s.tooStale = s.stale(&rows[0])
	var trials []trial
	for i := range rows {
		if !slices.ContainsFunc(s.tried, all[i].equal) {
			s.tried = append(s.tried, all[i])
		}
		trials = append(trials, trial{all[i], rows[i], 100 * (ratio(&rows[i], from, to) - base), s.fits(&rows[i], &rows[0]), level})
	}
	slices.SortStableFunc(trials, func(a, b trial) int {
		if a.fits != b.fits {
			return map[bool]int{true: -1, false: 1}[a.fits]
		}
		return cmp.Compare(b.points, a.points)
	})
	return trials, nil
}

// fits reports whether a row costs no more than it may, beside that of the defaults: of the origin's time, or of its queries
// where nobody knows what they take. Defaults that are too stale are no measure of that.
func (s *search) fits(row, base *sim.Row) bool {
	cost, most := row.OriginMS, base.OriginMS
	if most == 0 {
		cost, most = float64(row.OriginQueries), float64(base.OriginQueries)
	}
	return (cost <= most*(1+s.Origin) || s.stale(base)) && !s.stale(row)
}

// stale reports whether more reads are than may be.
func (s *search) stale(row *sim.Row) bool {
	return float64(row.StaleServed) > s.Stale*float64(row.Requests)
}

// note keeps what is known of single settings.
func (s *search) note(all []trial) {
	for _, t := range all {
		if len(t.Candidate) != 1 {
			continue
		}
		s.single = slices.DeleteFunc(s.single, func(o trial) bool { return o.equal(t.Candidate) })
		s.single = append(s.single, t)
	}
}

// next returns the candidates of the next level: the better ones, and the best of each knob together, the more the
// further it gets.
func (s *search) next(all []trial, level int) []Candidate {
	most := max(last, len(all)/keep)
	if level == s.Levels-2 {
		most = last
	}
	all = slices.DeleteFunc(slices.Clone(all), func(t trial) bool { return len(t.Candidate) == 0 || !s.promising(&t) })
	next := []Candidate{nil}
	add := func(c Candidate) {
		if !slices.ContainsFunc(next, c.equal) {
			next = append(next, c)
		}
	}
	var together Candidate
	for _, t := range all {
		if len(t.Candidate) == 1 && !slices.ContainsFunc(together, func(o Set) bool { return o.Knob == t.Candidate[0].Knob }) {
			if together = together.with(t.Candidate[0], s.Knobs); len(together) > 1 {
				add(together)
			}
		}
	}
	for _, t := range all {
		if len(next) <= most {
			add(t.Candidate)
		}
	}
	return next
}

// promising reports whether a candidate may be better than the defaults, which are none where they are too stale.
func (s *search) promising(t *trial) bool { return t.fits && (t.points > 0 || s.tooStale) }

// judge compares what seems best with the defaults, with several seeds.
func (s *search) judge(ctx context.Context, top trial) (*Found, error) {
	best := top.Candidate
	f := &Found{Schema: Schema, Tried: len(s.tried), Best: Candidate{}, Sets: []Worth{}, Others: s.others(best)}
	defer func() { f.Policy, f.TTL = f.Best.Policy(), f.Best.TTL() }()
	switch {
	case len(s.tried) == 0:
		f.Why = "there was no time to try anything: the defaults"
		return f, nil
	case !top.fits:
		f.Complete, f.Why = true, "all that was tried, and the defaults, are stale for more of the reads than they may be"
		return f, nil
	case len(best) == 0:
		f.Complete, f.Why = true, "nothing that was tried is better than the defaults"
		return f, nil
	}
	var base, head []sim.Row
	for seed := range s.Seeds {
		rows, err := s.Replay(ctx, s.Levels-1, seed, []Candidate{nil, best})
		if err != nil {
			return nil, err
		}
		if len(rows) == 2 {
			base, head = append(base, rows[0]), append(head, rows[1])
			top.fits = top.fits && s.fits(&rows[1], &rows[0])
		}
	}
	if len(base) == 0 {
		f.Why = fmt.Sprintf("there was no time to judge %s: the defaults", best)
		return f, nil
	}
	_, held := learned(&base[0])
	f.Whole = between(base, head, 0, s.Alpha)
	f.HeldOut = between(base, head, held, s.Alpha)
	f.Complete = true
	switch {
	case !top.fits:
		f.Why = fmt.Sprintf("%s asks more of the origin than it may, or is too stale, with another seed: the defaults", best)
		return f, nil
	case s.tooStale:
		f.Best, f.Why = best, fmt.Sprintf("the defaults are stale for more of the reads than they may be; %+.2f points on the held-out end of the trace is what it takes", f.HeldOut.Points)
		return f, s.worths(ctx, f)
	case f.HeldOut.Points <= 0:
		f.Why = fmt.Sprintf("%s is better where it was chosen, but not on the held-out end of the trace (%+.2f points): the defaults", best, f.HeldOut.Points)
		return f, nil
	}
	f.Best = best
	f.Why = fmt.Sprintf("%+.2f points on the held-out end of the trace, %s", f.HeldOut.Points, f.HeldOut.Verdict)
	return f, s.worths(ctx, f)
}

// worths tells what each setting of the best one adds to the others.
func (s *search) worths(ctx context.Context, f *Found) error {
	all := []Candidate{f.Best}
	for _, set := range f.Best {
		all = append(all, f.Best.without(set.Knob))
	}
	rows, err := s.Replay(ctx, s.Levels-1, 0, all)
	if err != nil {
		return err
	}
	for i := 1; i < len(rows); i++ {
		from, _ := learned(&rows[0])
		f.Sets = append(f.Sets, Worth{f.Best[i-1], 100 * (ratio(&rows[0], from, sim.PartCount) - ratio(&rows[i], from, sim.PartCount)), 1, false})
	}
	return nil
}

// others returns the best value of each knob that is left alone, as far as it was measured.
func (s *search) others(best Candidate) []Worth {
	worths := []Worth{}
	for _, k := range s.Knobs {
		if slices.ContainsFunc(best, func(set Set) bool { return set.Knob == k.Name }) {
			continue
		}
		var top *trial
		for i := range s.single {
			t := &s.single[i]
			if t.Candidate[0].Knob == k.Name && (top == nil || cmp.Or(cmp.Compare(level(t), level(top)), cmp.Compare(t.points, top.points)) > 0) {
				top = t
			}
		}
		if top != nil {
			worths = append(worths, Worth{top.Candidate[0], top.points, Share(top.level, s.Levels), !top.fits})
		}
	}
	return worths
}

// level ranks what was measured on more of the trace first, and what fits.
func level(t *trial) int {
	if !t.fits {
		return -1
	}
	return t.level
}

// Share returns how much of the trace a level replays, 0..1.
func Share(level, levels int) float64 {
	share := 1.
	for ; level < levels-1; level++ {
		share /= 4
	}
	return share
}

// learned returns the parts of a row that settings are chosen by: those behind the warm-up and before the held-out ones.
func learned(row *sim.Row) (from, to int) {
	for from < len(row.Parts.Requests) && row.Parts.Requests[from] == 0 {
		from++
	}
	return from, from + int((1-HeldOut)*float64(len(row.Parts.Requests)-from))
}

// ratio is the hit ratio of some parts.
func ratio(row *sim.Row, from, to int) float64 {
	hits, requests := sum(row.Parts.Hits[from:to]), sum(row.Parts.Requests[from:to])
	return float64(hits) / float64(max(1, requests))
}

func sum(all []int64) (n int64) {
	for _, v := range all {
		n += v
	}
	return n
}

// between compares the parts from one on of rows of all seeds.
func between(base, head []sim.Row, from int, alpha float64) *compare.Row {
	cut := func(rows []sim.Row) *sim.Result {
		r := &sim.Result{Traces: []sim.TraceInfo{{Name: rows[0].Trace}}}
		for _, row := range rows {
			row.Policy, row.TTLSeconds, row.Classes = "folio", 0, nil // of one name they are compared with each other
			row.Parts = sim.Parts{Requests: row.Parts.Requests[from:], Hits: row.Parts.Hits[from:]}
			row.Requests, row.Hits = sum(row.Parts.Requests), sum(row.Parts.Hits)
			if row.Misses = row.Requests - row.Hits; from > 0 && sum(rows[0].Parts.Requests[:from]) > 0 { // what else is counted is of all parts
				row.OriginQueries, row.OriginMS, row.StaleServed = 0, 0, 0
			}
			r.Rows = append(r.Rows, row)
		}
		return r
	}
	c, err := compare.Compare(cut(base), cut(head), compare.Options{Alpha: alpha})
	if err != nil {
		panic(err) // rows of one trace and name have everything that it asks for
	}
	row := c.Rows[0]
	row.Policy, row.Head = base[0].Policy, head[0].Policy
	return &row
}
