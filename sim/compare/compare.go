// Package compare tells what differs between two results of the simulator, and whether it would on other traffic
// like this.
//
// On one trace and seed every count is exact: a difference is a fact. Whether it holds elsewhere is another question. It is
// answered by resampling blocks of time, the same ones of both sides (paired block bootstrap: Künsch, Annals of Statistics
// 1989), and by how much the sides differ from seed to seed.
package compare

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/foliocache/folio/sim"
)

// Schema names the form of a [Result] in JSON.
const Schema = "simulate-compare/v1"

// ErrTraces is wrapped by the error of results on different traces.
var ErrTraces = errors.New("different traces")

// Verdict is what may be said of a difference.
type Verdict string

// The verdicts, from the worst on.
const (
	Worse     Verdict = "worse"
	Undecided Verdict = "undecided" // it may be chance
	Better    Verdict = "better"
	Same      Verdict = "same" // all counts are
)

// Options say how to compare.
type Options struct {
	Match []string // BASE=HEAD: a policy of the base, and that of the head to compare it with; others are with their namesakes
	Alpha float64  // probability, 0..1, that any row is said to be better or worse by chance alone
	FailOn
}

// FailOn says which rows fail a comparison.
type FailOn string

// What fails: rows that are worse, rows of which any count differs, or none.
const (
	Regress FailOn = "regress"
	Change  FailOn = "change"
	Never   FailOn = "never"
)

// Fails reports whether a row fails the comparison.
func (r *Result) Fails(row *Row) bool {
	return r.FailOn == Regress && row.Verdict == Worse || r.FailOn == Change && row.Verdict != Same
}

// Lacking names rows that the head has not, as many as a line takes.
func (r *Result) Lacking() string {
	const most = 5
	if n := len(r.Missing); n > most {
		return fmt.Sprintf("%s; and %d more", strings.Join(r.Missing[:most], "; "), n-most)
	}
	return strings.Join(r.Missing, "; ")
}

// Lacks reports whether the comparison fails for rows that the head has not: nobody knows whether they are worse.
func (r *Result) Lacks() bool { return len(r.Missing) > 0 && r.FailOn != Never }

// Result is what a comparison found; its JSON form is the tool's contract.
type Result struct {
	Schema   string          `json:"schema"`
	Tool     sim.Tool        `json:"tool"`
	Complete bool            `json:"complete"` // true: two whole results are compared, or none
	Alpha    float64         `json:"alpha"`
	FailOn   FailOn          `json:"fail_on"`
	Verdict  Verdict         `json:"verdict"` // the worst of the rows; better or same only if none is undecided or missing
	Traces   []sim.TraceInfo `json:"traces"`
	Rows     []Row           `json:"rows"`
	Missing  []string        `json:"missing,omitempty"` // rows of the base that the head has not
	New      []string        `json:"new,omitempty"`     // rows of the head that the base has not
	Claims   []sim.Outcome   `json:"claims,omitempty"`

	Pairs []sim.Pair `json:"-"` // what claims are judged on: the rows of each seed
}

// Row is one policy at one size on one trace: sums over the seeds.
type Row struct {
	Trace    string  `json:"trace"`
	Policy   string  `json:"policy"`      // of the base
	Head     string  `json:"head_policy"` // compared with it
	Size     int64   `json:"size"`
	SizeUnit string  `json:"size_unit"` // objects or bytes
	Sample   string  `json:"sample,omitempty"`
	TTL      float64 `json:"ttl_s,omitempty"`
	Seeds    int     `json:"seeds"` // of each side

	From    Side       `json:"base"`
	To      Side       `json:"head"`
	Points  float64    `json:"delta_points"`    // hit ratio, head less base, in hundredths
	Between [2]float64 `json:"interval_points"` // where it would be on other traffic like this, 1-alpha of the time
	P       float64    `json:"p"`               // of a difference as large, were there none; for all rows together (Holm)
	Verdict Verdict    `json:"verdict"`         // on the hit ratio; worse in any case if the head alone serves stale reads

	// SeedsWanted is with how many of a side an undecided row would be told, three times in four: 0 where it was replayed with
	// one, or where a hundred would not do, since blocks differ.
	SeedsWanted int `json:"seeds_wanted,omitempty"`

	Classes map[string]Class `json:"classes,omitempty"` // by page depth
}

// Side is one side of a row.
type Side struct {
	Requests      int64   `json:"requests"`
	Hits          int64   `json:"hits"`
	Misses        int64   `json:"misses"`
	HitRatio      float64 `json:"hit_ratio"`
	OriginQueries int64   `json:"origin_queries"`
	OriginMS      float64 `json:"origin_ms"`
	StaleServed   int64   `json:"stale_served"`
	BytesPeak     int64   `json:"bytes_peak"` // of the seed with most
}

// Class is a depth class of both sides.
type Class struct {
	Requests     int64   `json:"base_requests"`
	HeadRequests int64   `json:"head_requests"`
	From         int64   `json:"base_hits"`
	To           int64   `json:"head_hits"`
	Points       float64 `json:"delta_points"`
}

// Compare compares head with base. It wraps [ErrTraces] where they are not of the same traces, and [sim.ErrConfig] where no
// row of the one has its like in the other.
func Compare(base, head *sim.Result, o Options) (*Result, error) {
	names, err := sameTraces(base, head)
	if err != nil {
		return nil, err
	}
	r := &Result{Schema: Schema, Tool: head.Tool, Complete: true, Alpha: o.Alpha, FailOn: o.FailOn, Traces: base.Traces}
	from, order := grouped(base.Rows, func(row *sim.Row) key { return keyOf(row, row.Trace) })
	to, others := grouped(head.Rows, func(row *sim.Row) key { return keyOf(row, names[row.Trace]) })
	compared := map[key]bool{} // of the head
	var deltas []delta         // of the rows
	match, err := o.matched(base, head)
	if err != nil {
		return nil, err
	}
	related(match, policies(base), policies(head))
	for _, k := range order {
		like := k
		like.policy = cmp.Or(match[k.policy], k.policy)
		if len(to[like]) == 0 {
			r.Missing = append(r.Missing, k.String())
			continue
		}
		compared[like] = true
		d, err := r.add(k, from[k], to[like])
		if err != nil {
			return nil, err
		}
		deltas = append(deltas, d)
	}
	for _, k := range others {
		if !compared[k] {
			r.New = append(r.New, k.String())
		}
	}
	if len(r.Rows) == 0 {
		return nil, fmt.Errorf("%w: base and head share no policy at one size, --ttl, --untold and --sample; pair policies of other names by --match BASE=HEAD", sim.ErrConfig)
	}
	r.judge()
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Verdict == Undecided {
			row.SeedsWanted = deltas[i].wanted(row.Seeds, r.Alpha/float64(len(order)))
		}
	}
	return r, nil
}

// matched returns the policies of o.Match. What they are split at is the first = that leaves a policy of each side:
// policies are named with = as well.
func (o Options) matched(base, head *sim.Result) (map[string]string, error) {
	bases, heads, match := policies(base), policies(head), map[string]string{}
	for _, text := range o.Match {
		from, to := "", ""
		for i := range text {
			if text[i] == '=' && slices.Contains(bases, text[:i]) && slices.Contains(heads, text[i+1:]) {
				from, to = text[:i], text[i+1:]
				break
			}
		}
		if from == "" || match[from] != "" {
			return nil, fmt.Errorf("%w: --match %q: want BASE=HEAD, a policy of each side, those of the base once; the base has %s, the head %s", sim.ErrConfig, text,
				strings.Join(bases, " "), strings.Join(heads, " "))
		}
		match[from] = to
	}
	return match, nil
}

// related matches what is left over of a kind, folio:widen=0 with folio:widen=2, where each side has one such policy: a
// setting was changed.
func related(match map[string]string, bases, heads []string) {
	kind := func(policy string) string { name, _, _ := strings.Cut(policy, ":"); return name }
	matched := slices.Collect(maps.Values(match))
	left := func(all, others []string, taken func(string) bool) map[string][]string {
		kinds := map[string][]string{}
		for _, p := range all {
			if !slices.Contains(others, p) && !taken(p) {
				kinds[kind(p)] = append(kinds[kind(p)], p)
			}
		}
		return kinds
	}
	of := left(heads, bases, func(p string) bool { return slices.Contains(matched, p) })
	for name, from := range left(bases, heads, func(p string) bool { return match[p] != "" }) {
		if to := of[name]; len(from) == 1 && len(to) == 1 {
			match[from[0]] = to[0]
		}
	}
}

// policies names those of a result.
func policies(r *sim.Result) (names []string) {
	for i := range r.Rows {
		names = append(names, r.Rows[i].Policy)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// sameTraces returns the base's name of each trace of the head.
func sameTraces(base, head *sim.Result) (map[string]string, error) {
	names := map[string]string{}
	for _, t := range head.Traces {
		is := func(b sim.TraceInfo) bool { return b.SHA256 == t.SHA256 && b.Requests == t.Requests }
		i := slices.IndexFunc(base.Traces, func(b sim.TraceInfo) bool { return is(b) && b.Name == t.Name }) // the same one twice has two names
		if i < 0 {
			i = slices.IndexFunc(base.Traces, is)
		}
		if i < 0 {
			return nil, fmt.Errorf("%w: %s (sha256 %.12s…) is not in the base", ErrTraces, t.Name, t.SHA256)
		}
		names[t.Name] = base.Traces[i].Name
	}
	for _, b := range base.Traces {
		if !slices.ContainsFunc(head.Traces, func(t sim.TraceInfo) bool { return names[t.Name] == b.Name }) {
			return nil, fmt.Errorf("%w: %s (sha256 %.12s…) is not in the head", ErrTraces, b.Name, b.SHA256)
		}
	}
	return names, nil
}

// key is what rows of several seeds, and of both sides, have in common.
type key struct {
	trace, policy, unit, sample string // the trace by the base's name
	size                        int64
	ttl, untold                 float64
}

func keyOf(r *sim.Row, trace string) key {
	return key{trace, r.Policy, r.SizeUnit, r.Sample, r.Size, r.TTLSeconds, r.Untold}
}

// String names it for people.
func (k key) String() string { return fmt.Sprintf("%s %s at %d %s", k.trace, k.policy, k.size, k.unit) }

// grouped returns rows by their keys, by seed in each, and the keys in the order of the rows.
func grouped(rows []sim.Row, of func(*sim.Row) key) (map[key][]sim.Row, []key) {
	groups := map[key][]sim.Row{}
	var order []key
	for i := range rows {
		k := of(&rows[i])
		if len(groups[k]) == 0 {
			order = append(order, k)
		}
		groups[k] = append(groups[k], rows[i])
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b sim.Row) int { return cmp.Compare(a.Seed, b.Seed) })
	}
	return groups, order
}

// add compares the rows of one key.
func (r *Result) add(k key, from, to []sim.Row) (d delta, err error) {
	row := Row{Trace: k.trace, Policy: from[0].Policy, Head: to[0].Policy, Size: k.size, SizeUnit: k.unit, Sample: k.sample, TTL: k.ttl,
		Seeds: len(from), From: sideOf(from), To: sideOf(to)}
	if len(from) != len(to) {
		return d, fmt.Errorf("%w: %s: the base has %d seeds, the head %d: replay both with the same --seeds", sim.ErrConfig, k, len(from), len(to))
	}
	for _, side := range [][]sim.Row{from, to} {
		for i := range side {
			if !slices.Equal(side[i].Parts.Requests, from[0].Parts.Requests) {
				return d, fmt.Errorf("%w: %s: the sides counted other requests: was --warmup another?", sim.ErrConfig, k)
			}
		}
	}
	row.Points = 100 * (row.To.HitRatio - row.From.HitRatio)
	d = difference(from, to)
	row.Between, row.P = d.outlook(r.Alpha)
	if row.Verdict = Undecided; same(from, to) {
		row.Verdict = Same
	}
	row.Classes = classes(from, to)
	r.Rows = append(r.Rows, row)
	for i := range row.Seeds {
		to[i].Trace = k.trace
		r.Pairs = append(r.Pairs, sim.Pair{Base: from[i], Head: to[i]})
	}
	return d, nil
}

// sideOf sums up the rows of all seeds.
func sideOf(rows []sim.Row) (s Side) {
	for i := range rows {
		r := &rows[i]
		s.Requests += r.Requests
		s.Hits += r.Hits
		s.Misses += r.Misses
		s.OriginQueries += r.OriginQueries
		s.OriginMS += r.OriginMS
		s.StaleServed += r.StaleServed
		s.BytesPeak = max(s.BytesPeak, r.BytesPeak)
	}
	if s.Requests > 0 {
		s.HitRatio = float64(s.Hits) / float64(s.Requests)
	}
	return s
}

// same reports whether nothing that is counted differs.
func same(from, to []sim.Row) bool {
	for i := range from {
		a, b := &from[i], &to[i]
		if a.Hits != b.Hits || a.OriginQueries != b.OriginQueries || a.StaleServed != b.StaleServed || !slices.Equal(a.Parts.Hits, b.Parts.Hits) {
			return false
		}
	}
	return true
}

// classes compares by page depth.
func classes(from, to []sim.Row) map[string]Class {
	all, base, head := map[string]Class{}, classSums(from), classSums(to)
	for _, sums := range []map[string]sim.Class{base, head} {
		for name := range sums {
			b, h := base[name], head[name]
			all[name] = Class{b.Requests, h.Requests, b.Hits, h.Hits, 100 * (share(h) - share(b))}
		}
	}
	return all
}

// classSums sums up the depth classes of all seeds.
func classSums(rows []sim.Row) map[string]sim.Class {
	sums := map[string]sim.Class{}
	for i := range rows {
		for name, c := range rows[i].Classes {
			sum := sums[name]
			sums[name] = sim.Class{Requests: sum.Requests + c.Requests, Hits: sum.Hits + c.Hits}
		}
	}
	return sums
}

func share(c sim.Class) float64 { return float64(c.Hits) / float64(max(1, c.Requests)) }
