package arena

import (
	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/strategy"
)

// state is what one world knows of one unit: 16 bytes, as many as a unit has, see records.
type state struct {
	index uint32           // running index of its entry in its bucket, or in the ghost queue
	at    uint32           // main's clock, in ticks, when it took its place
	cells [2]strategy.Cell // of the estimates whose outcome is awaited: stay, fill; a fresh fill's is Unestimated
	place place
	hits  uint8 // 0..15, in this stay or lap; in a ghost: in the last one
	hitAt uint8 // its ring's hand at the last hit, in 1/64 laps; wraps
	flags uint8
}

// The estimates of a unit whose outcome may be awaited at a time.
const (
	stay = iota // the one that put it where it is
	fill        // that of its fill
)

// kindOf returns which of them a moment's is.
func kindOf(m strategy.Moment) int {
	if m == strategy.Fill || m == strategy.Fresh {
		return fill
	}
	return stay
}

// The flags: two bits of credit, see strategy.Candidate, and two facts.
const (
	creditMask = 3
	hitEarlier = 4 // hit in the stay or lap before this one
	fromMain   = 8 // in a ghost: it was main that dropped it

	unwatched = 16 // unwatched<<stay, unwatched<<fill: that estimate was just made, its watch opens with the coming move
)

func (s *state) credit() uint8 { return s.flags & creditMask }

func (s *state) earn(n uint8) { s.flags += min(n, 3-s.credit()) }

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

// ring returns where a resident unit's bytes are.
func (s *state) ring() board.Ring { return board.Ring(inMain - s.place) }

// noState is the state of a unit that its world does not know.
var noState = state{cells: [2]strategy.Cell{strategy.NoCell, strategy.NoCell}}

// since returns the ticks of main's clock since the state took its place.
func (w *world) since(s *state) uint32 { return w.clock - s.at }

// before returns a unit's frequency without the request that caused the fill under way.
func (w *world) before(v view) uint8 {
	freq := w.plane.freq(v.unit)
	if freq > 0 {
		freq--
	}
	return freq
}

// age returns the quarters of a lap since a resident unit's last hit, 4 without one.
func (w *world) age(v view) uint8 {
	if v.hits == 0 {
		return 4
	}
	return min(3, (w.hand(v.place)-v.hitAt)/16)
}

// ask estimates how likely a unit comes back and lets the rule decide on it.
func (w *world) ask(v view, cell strategy.Cell, m strategy.Moment, freq uint8) bool {
	w.await(v, cell, m, freq)
	p := w.estimator.Confidence(cell)
	w.Decisions++
	w.Confidence += p
	return w.rule.Decide(strategy.Candidate{Moment: m, Confidence: p, Price: w.price.K(), Size: w.relative(v.size), Hits: v.hits, Credit: v.credit()}) == strategy.Admit
}

// relative returns a size as a part of what the world's units take on average.
func (w *world) relative(size uint32) float64 {
	if w.Bytes == 0 {
		return 1
	}
	return float64(size) * float64(w.Entries) / float64(w.Bytes)
}

// await has the outcome of an estimate awaited. The watch opens with the move that follows.
func (w *world) await(v view, cell strategy.Cell, m strategy.Moment, freq uint8) {
	if !w.learns {
		return
	}
	kind := kindOf(m)
	if w.calibrator != nil {
		if v.cells[kind] != strategy.NoCell {
			w.drop(v, kind) // another replaces it: a neighbour's load brought the unit back without a request
		}
		v.flags |= unwatched << kind
		w.tell(v, cell, m, freq)
	}
	v.cells[kind] = cell
}

// tell states the confidence of an estimate.
func (w *world) tell(v view, cell strategy.Cell, m strategy.Moment, freq uint8) {
	kind, p, credit := kindOf(m), 0.0, uint8(0)
	if cell != strategy.Unestimated {
		p = w.estimator.Sober(cell, w.clock)
	}
	if kind == stay {
		credit = v.credit()
	}
	w.told(v)[kind] = w.calibrator.State(m, v.class, freq, credit, p, w.clock, w.main.wrapped())
}

// told returns what was stated of a unit.
func (w *world) told(v view) *[2]strategy.Statement { return w.plane.told.At(v.slot) }

// settle closes the unit's open watches with their outcome.
func (w *world) settle(v view, asked bool) {
	if v.cells[stay] != strategy.NoCell {
		w.close(v, stay, asked)
	}
	if v.cells[fill] != strategy.NoCell {
		w.close(v, fill, asked)
	}
}

// close ends the wait for one estimate's outcome.
func (w *world) close(v view, kind int, asked bool) {
	if cell := v.cells[kind]; cell != strategy.Unestimated {
		w.estimator.Learn(cell, asked)
	}
	if w.calibrator != nil {
		w.unwatch(v, kind)
		w.calibrator.Settle(w.told(v)[kind], v.at, w.clock, asked)
	}
	v.cells[kind] = strategy.NoCell
}

// drop gives up the watch on one estimate that was told.
func (w *world) drop(v view, kind int) {
	w.unwatch(v, kind)
	w.calibrator.Drop(w.told(v)[kind], v.at)
}

// watch opens a watch, or opens it anew.
func (w *world) watch(v view, kind int) {
	if !v.has(unwatched << kind) {
		w.drop(v, kind)
	}
	if cell := v.cells[kind]; cell != strategy.Unestimated {
		w.estimator.Watch(cell, w.clock)
	}
	w.calibrator.Watch(w.told(v)[kind], w.clock)
}

func (w *world) unwatch(v view, kind int) {
	if cell := v.cells[kind]; cell != strategy.Unestimated {
		w.estimator.Drop(cell, v.at)
	}
}

// moved starts the state's clock anew: new estimates are watched from here on, and that of
// an earlier fill goes on from here. Only who states confidences needs to know what is still open.
func (w *world) moved(v view) {
	if w.calibrator != nil {
		if v.cells[stay] != strategy.NoCell {
			w.watch(v, stay)
		}
		if v.cells[fill] != strategy.NoCell {
			w.watch(v, fill)
		}
		v.flags &^= unwatched<<stay | unwatched<<fill
	}
	v.at = w.clock
}
