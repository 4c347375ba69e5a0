package arena

import "github.com/foliocache/folio/strategy"

// state is what one world knows of one unit: 20 bytes.
type state struct {
	index uint32 // running index of its entry in its bucket, or in the ghost queue
	at    uint16 // main's clock, in ticks, when it took its place; wraps after 16 laps
	stay  watch  // the statement that put it where it is
	fill  watch  // the statement of its fill, while that has no outcome
	place place
	hits  uint8 // 0..15, in this stay or lap; in a ghost: in the last one
	hitAt uint8 // its ring's hand at the last hit, in 1/64 laps; wraps
	flags uint8
}

// watch is a strategy.Watch packed; it starts at the state's at.
type watch struct {
	cell   strategy.Cell
	stated uint16
}

// The flags: two bits of credit, see strategy.Candidate, and two facts.
const (
	creditMask = 3
	hitEarlier = 4 // hit in the stay or lap before this one
	fromMain   = 8 // in a ghost: it was main that dropped it
)

func (s *state) credit() uint8 { return s.flags & creditMask }

func (s *state) earn() {
	if s.credit() < 3 {
		s.flags++
	}
}

func (s *state) spend() {
	if s.credit() > 0 {
		s.flags--
	}
}

func (s *state) has(flag uint8) bool { return s.flags&flag != 0 }

func (s *state) set(flag uint8, on bool) {
	s.flags &^= flag
	if on {
		s.flags |= flag
	}
}

func (s *state) resident() bool { return s.place == inProbation || s.place == inMain }

// noState is the state of a unit that its world does not know.
var noState = state{stay: watch{cell: strategy.NoCell}, fill: watch{cell: strategy.NoCell}}

// since returns the ticks of main's clock since the state took its place.
func (w *world) since(s *state) uint16 { return uint16(w.clock) - s.at }

// evidence gathers what is known of a unit at a moment.
func (w *world) evidence(slot Slot, s *state, m strategy.Moment) strategy.Evidence {
	u := &w.plane.units[slot]
	e := strategy.Evidence{Moment: m, Depth: u.depth, Hazard: u.hazard, Freq: w.plane.sketch.count(u.key), Hits: s.hits}
	switch m {
	case strategy.Fill:
		e.Age = uint8(min(3, w.since(s)/(strategy.TicksPerLap/4)))
		e.Earlier = s.has(fromMain)
		if e.Freq > 0 {
			e.Freq-- // the request that caused this fill is counted already
		}
	default:
		e.Earlier = s.has(hitEarlier)
		e.Age = 4
		if s.hits > 0 {
			e.Age = min(3, (w.hand(s.place)-s.hitAt)/16)
		}
	}
	return e
}

// ask states a confidence, lets the rule decide on it and opens a watch on the statement.
func (w *world) ask(slot Slot, s *state, m strategy.Moment) (ok bool, p float64) {
	e := w.evidence(slot, s, m)
	p, t := w.guide.estimator.Confidence(e, w.guide.clock)
	v := w.rule.Decide(strategy.Candidate{Moment: m, Confidence: p, Price: w.guide.price.K(), Hits: s.hits, Credit: s.credit()})
	o := &s.stay
	if m == strategy.Fill {
		o = &s.fill
	}
	w.abandon(s, o)
	*o = watch{t.Cell, t.Stated}
	w.open(s, *o)
	return v == strategy.Admit, p
}

// start returns the tick at which the state took its place, on the clock that does not wrap.
func (w *world) start(s *state) uint32 { return w.clock - uint32(w.since(s)) }

func (w *world) full(s *state, o watch) strategy.Watch {
	return strategy.Watch{Cell: o.cell, Stated: o.stated, Start: w.start(s)}
}

// open, settle, abandon and restart keep the world's estimator informed of its statements. A
// guided world has nothing to learn: it only checks how its statements came true.

func (w *world) open(s *state, o watch) {
	if w.guide == w {
		w.estimator.Watch(w.full(s, o))
	}
}

// settle closes the unit's open watches with their outcome.
func (w *world) settle(s *state, asked bool) {
	for _, o := range [...]*watch{&s.stay, &s.fill} {
		if o.cell == strategy.NoCell {
			continue
		}
		t := w.full(s, *o)
		if w.guide == w {
			w.estimator.Settle(t, asked)
		}
		w.calibration.Add(t, asked)
		o.cell = strategy.NoCell
	}
}

// abandon closes a watch without an outcome.
func (w *world) abandon(s *state, o *watch) {
	if o.cell == strategy.NoCell {
		return
	}
	if w.guide == w {
		w.estimator.Drop(w.full(s, *o))
	}
	o.cell = strategy.NoCell
}

// restart moves the state's clock, and its open watches with it, to now.
func (w *world) restart(s *state) {
	if w.guide == w {
		for _, o := range [...]watch{s.stay, s.fill} {
			if o.cell != strategy.NoCell {
				t := w.full(s, o)
				w.estimator.Drop(t)
				t.Start = w.clock
				w.estimator.Watch(t)
			}
		}
	}
	s.at = uint16(w.clock)
}
