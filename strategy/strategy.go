// Package strategy decides what deserves space in a list cache: the confidence that a page
// will be asked for again, and the admission strategies that turn it into a verdict.
//
// Everything here is a deterministic state machine: no clock, no lock, no goroutine, no I/O.
// A strategy is one file that registers itself; the arena, the simulator, the reports and
// the contract tests iterate over [Names].
package strategy

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// Moment is the point in a unit's life at which a strategy is asked.
type Moment uint8

// The moments at which strategies are asked.
const (
	Fill           Moment = iota // the load's answer is about to be stored, and a ghost remembers it or writes threaten it
	LeaveProbation               // the probation ring is about to overwrite it
	MainTail                     // the main ring is about to overwrite it
	moments
)

// Fresh is the fill of what no ghost remembers and no write threatens: it goes to probation
// without a question, but like every entry it has a confidence.
const Fresh = moments

// Verdict is what a strategy says about a candidate.
type Verdict uint8

// The verdicts. At Fill, Reject means probation: only [Hopeless] candidates go nowhere.
// At the two tails, Reject means the ghost, which remembers the key and drops the bytes.
const (
	Reject Verdict = iota
	Admit          // into main, or once more round main
)

// Candidate is what a strategy may know of a unit (a page, or whatever is cached as one).
type Candidate struct {
	Moment     Moment
	Confidence float64 // estimated probability, 0..1, of being asked for again within a lap of main and before a write, see [Estimator.Confidence]
	Price      float64 // k: how dear main's bytes are now, see [Price]; scales thresholds
	Size       float64 // what it takes, as a part of what a unit takes on average: more than 0
	Hits       uint8   // in this stay: since the fill, or since the last time round main
	Credit     uint8   // 0..3: hits since the fill not yet spent, one is spent each time round main
}

// above reports whether a chance, 0..1, is above a threshold, which is one for a unit of the usual size: a smaller one
// is worth its place at less, a larger one at more, so that a byte brings as many requests. A chance p of being asked
// for stands for -ln(1-p) requests, as if they came by chance (Poisson): however large it is, what is asked for all the
// time is worth its place.
func (c *Candidate) above(chance, threshold float64) bool {
	if c.Size == 1 {
		return chance > threshold
	}
	return 1-chance < math.Pow(1-threshold, c.Size)
}

// Strategy turns candidates into verdicts. Implementations keep no state that Decide changes:
// the arena asks them in any order, for the live cache and for shadows alike.
type Strategy interface {
	Decide(Candidate) Verdict
}

// Answerer is a strategy that has its own way to answer reads of what is stored. Others answer as balanced
// does.
type Answerer interface {
	// Ahead reports whether a page is to be loaded before anybody asks for it, that is asked for with
	// some probability, 0..1.
	Ahead(p float64) bool
	// Patience is how many stale reads a copy may give beside those of others: more than 0; balanced's
	// is 1.
	Patience() float64
}

// AnswererOf returns how a strategy answers.
func AnswererOf(s Strategy) Answerer {
	if a, ok := s.(Answerer); ok {
		return a
	}
	return usual
}

// Hopeless is the confidence below which a threatened page is stored nowhere at all: writes
// come faster than its readers.
const Hopeless = 0.05

// Adjustable is a strategy whose threshold may be another one, 0..1.
type Adjustable interface {
	Strategy
	At(threshold float64) Strategy
}

// New builds a registered strategy, or, as NAME@0.3, an [Adjustable] one with that threshold. An unknown name is an error
// that lists the known ones.
func New(name string) (Strategy, error) {
	name, text, other := strings.Cut(name, "@")
	i, ok := registry[name]
	if !ok {
		return nil, fmt.Errorf("strategy: no strategy %q; there are %v", name, Names())
	}
	if !other {
		return i.strategy, nil
	}
	s, ok := i.strategy.(Adjustable)
	threshold, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil || !(threshold >= 0 && threshold <= 1) {
		return nil, fmt.Errorf("strategy: %s@%s: want a threshold from 0 to 1, of a strategy that has one", name, text)
	}
	return s.At(threshold), nil
}

// Doc returns the one line that describes a registered strategy.
func Doc(name string) string { return registry[name].doc }

// Names returns the registered strategies in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(registry))
	for n := range registry {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Register adds a strategy under a name with one line of documentation; it is called from
// init functions and panics on a name taken twice.
func Register(name, doc string, s Strategy) {
	if _, ok := registry[name]; ok {
		panic(fmt.Sprintf("strategy: %q registered twice", name))
	}
	registry[name] = entry{doc, s}
}

type entry struct {
	doc      string
	strategy Strategy
}

var registry = map[string]entry{}

func admitIf(ok bool) Verdict {
	if ok {
		return Admit
	}
	return Reject
}
