package arena

import "github.com/foliocache/folio/strategy"

// place says where a world keeps a unit.
type place uint8

const (
	nowhere     place = iota // not known to this world
	inProbation              // in the small ring that every fresh fill goes through
	inMain                   // in the large ring
	inGhost                  // bytes gone, key remembered for a lap of main
)

// world is one cache as metadata: what a strategy would keep if it ruled alone, or what the
// composite really keeps. Rings and ghost are its own, and a shadow's mind is, so that it is
// the very run that its strategy would make alone.
type world struct {
	plane     *plane
	number    uint32 // in the plane
	rule      strategy.Strategy
	probation ring
	main      ring
	ghosts    ghosts
	*mind
	learns     bool                 // it does; else the mind is another world's
	calibrator *strategy.Calibrator // of the world whose confidences are told, else nil
	clock      uint32               // main's clock: TicksPerLap ticks for every main's capacity written to it
	hands      [2]uint8
	moving     []view // units on their way into main during one fill
	steps      []Step // of the last fill; none unless listened
	listened   bool
	sink       uint8
	Counters
}

// mind is what a world has learned, and decides by.
type mind struct {
	estimator strategy.Estimator
	price     strategy.Price
}

// Counters say what one world has done and holds. Sizes are in the arena's unit of size.
type Counters struct {
	Requests, Hits int64
	Admitted       int64 // fills stored in a ring
	Refused        int64 // fills stored nowhere: too large, or hopeless
	Evicted        int64 // live units whose bytes were overwritten for good
	Invalidated    int64 // copies found outdated
	Moved          int64 // writes of units already held: promotions and further laps
	Entries, Bytes int64 // live units now, and their bytes

	ClassHits  [strategy.Depths]int64 // hits by depth bucket
	Decisions  int64                  // of the rule
	Confidence float64                // sum of the estimates that they were made on, each 0..1
}

// preview reads the states of the units next in a queue, some at a time: so their cache lines
// come together instead of one by one, each as it is needed.
func (w *world) preview(b *bucket) {
	if b.head%previewed != 0 || w.plane.records.len < manyRecords {
		return
	}
	w.lookAhead(b)
}

// lookAhead is apart so that preview is inlined.
func (w *world) lookAhead(b *bucket) {
	sum := uint8(0)
	for i := range min(previewed, b.tail-b.head) {
		v := w.view(b.at(b.head + i).slot)
		sum += uint8(v.class) + v.flags
	}
	w.sink = sum
}

const (
	previewed   = 8
	manyRecords = 1 << 14 // less are at hand anyway
)

// maxMoves bounds the units that one fill may write again: each is a copy of bytes in the
// store. Measured: 2 costs 1.5 % more misses, 8 costs 0.3 %, beyond 20 nothing changes.
const maxMoves = 20

func (w *world) view(slot Slot) view { return w.plane.records.view(slot, w.number) }

// hand returns the hand of a place's ring in 1/64 laps; it wraps.
func (w *world) hand(p place) uint8 { return w.hands[p-inProbation] }

// touch books a request for a unit that its plane knows and reports whether it is resident.
func (w *world) touch(v view, cost float64) bool {
	if v.place == nowhere {
		return false
	}
	w.settle(v, true)
	if v.place == inGhost {
		return false
	}
	if v.place == inMain && v.hits == 0 {
		w.price.Hit(float64(w.since(v.state))/strategy.TicksPerLap, cost/float64(v.size))
	}
	w.countHits(v.class.Depth(), 1)
	w.hit(v, 1, w.hand(v.place))
	return true
}

func (w *world) countHits(depth uint8, n int64) {
	w.Hits += n
	w.ClassHits[depth] += n
}

// hit books some hits, up to 15, of a resident unit, and where its ring's hand was at the last one.
func (w *world) hit(v view, n, hand uint8) {
	v.hits = min(v.hits+n, 15)
	v.earn(n)
	v.hitAt = hand
}

// outdate turns a resident copy of an older version into a ghost: its bytes are dead, its
// history is not.
func (w *world) outdate(slot Slot) {
	if v := w.view(slot); v.resident() {
		w.Invalidated++
		w.settle(v, false)
		w.toGhost(v)
	}
}

// fill stores a unit that is not resident, or declines; in main, if it was there before.
func (w *world) fill(slot Slot, main bool) {
	v := w.view(slot)
	if v.resident() {
		return
	}
	if !w.fits(v.size) {
		w.Refused++
		return
	}
	if v.place == nowhere {
		v.at = w.clock
	}
	to := inProbation
	switch {
	case main:
		to = inMain
	case v.place == inGhost || v.class.Hazard() > 0:
		to = w.destination(v)
	case w.calibrator != nil:
		w.await(v, strategy.Unestimated, strategy.Fresh, w.before(v))
	}
	switch size := uint64(v.size); {
	case to == nowhere:
		w.Refused++
		w.toGhost(v)
		return
	case !w.probation.fits(size):
		to = inMain
	case !w.main.fits(size):
		to = inProbation
	}
	w.Admitted++
	w.leaveGhost(v)
	v.hits = 0
	v.flags &= unwatched << fill
	if to == inMain {
		w.toMain(v, ToMain)
	} else {
		w.toProbation(v)
	}
}

// fits reports whether either ring can hold a unit of this size.
func (w *world) fits(size uint32) bool {
	return w.main.fits(uint64(size)) || w.probation.fits(uint64(size))
}

// destination asks the rule about a fill that has a history or is threatened by writes.
func (w *world) destination(v view) place {
	freq := w.before(v)
	age := uint8(min(3, w.since(v.state)/(strategy.TicksPerLap/4)))
	cell := v.class.Fill(freq, v.hits, age, v.has(fromMain))
	ok := w.ask(v, cell, strategy.Fill, freq)
	switch {
	case ok:
		return inMain
	case v.class.Hazard() > 0 && w.estimator.Confidence(cell) < strategy.Hopeless:
		return nowhere
	}
	return inProbation
}

// toProbation writes a unit to the small ring; what it overwrites goes on to main or ghost.
func (w *world) toProbation(v view) {
	b := w.probation.bucket(v.key)
	for need := w.probation.need(b, uint64(v.size)); w.probation.full(b, need); {
		old, index := b.pop()
		w.preview(b)
		w.leaveProbation(w.view(old), index)
	}
	w.moved(v)
	v.place = inProbation
	v.index = w.probation.write(b, v.slot, uint64(v.size))
	w.turn(v, uint8(w.probation.laps(64)))
	w.hold(v.size, 1)
	w.step(v.slot, ToProbation)
}

// leaveProbation decides on the unit whose bytes in probation are about to go.
func (w *world) leaveProbation(v view, index uint32) {
	if v.place != inProbation || v.index != index {
		return // a dead copy
	}
	w.plane.catchUp(v.slot)
	freq := w.plane.freq(v.unit)
	ok := w.ask(v, v.class.LeaveProbation(freq, v.hits, w.age(v)), strategy.LeaveProbation, freq)
	ok = ok || !w.main.wrapped() // an empty place costs nobody his
	if !ok || !w.main.fits(uint64(v.size)) {
		w.Evicted++
		w.step(v.slot, Drop)
		w.toGhost(v)
		return
	}
	w.Moved++
	w.hold(v.size, -1)
	v.set(hitEarlier, v.hits > 0)
	w.toMain(v, Promote)
}

// toMain writes a unit to the large ring, and after it whatever main's tail gives another lap. do is
// what that means for the unit's bytes.
func (w *world) toMain(v view, do Do) {
	moving := w.moving[:0]
	for i := 0; ; i++ {
		b := w.main.bucket(v.key)
		for need := w.main.need(b, uint64(v.size)); w.main.full(b, need); {
			old, index := b.pop()
			w.preview(b)
			if v := w.view(old); w.leaveMain(v, index, len(moving) < maxMoves) {
				moving = append(moving, v)
			}
		}
		w.writeMain(v, b)
		w.step(v.slot, do)
		if i == len(moving) {
			break
		}
		v, do = moving[i], Again
	}
	w.moving = moving
}

// leaveMain decides on the unit at main's tail and reports whether it gets another lap.
func (w *world) leaveMain(v view, index uint32, may bool) bool {
	if v.place != inMain || v.index != index {
		return false
	}
	w.plane.catchUp(v.slot)
	if v.hits == 0 {
		w.settle(v, false)
	}
	freq := w.plane.freq(v.unit)
	ok := w.ask(v, v.class.MainTail(freq, v.credit(), w.age(v), v.has(hitEarlier)), strategy.MainTail, freq)
	if !ok || !may {
		w.Evicted++
		w.step(v.slot, Drop)
		w.toGhost(v)
		return false
	}
	w.Moved++
	w.hold(v.size, -1)
	v.set(hitEarlier, v.hits > 0)
	v.spend()
	v.place = nowhere // until it is written again
	return true
}

func (w *world) writeMain(v view, b *bucket) {
	before := w.clock
	w.moved(v)
	v.place, v.hits = inMain, 0
	v.index = w.main.write(b, v.slot, uint64(v.size))
	w.clock = uint32(w.main.laps(strategy.TicksPerLap))
	w.turn(v, uint8(w.clock/(strategy.TicksPerLap/64)))
	const sixteenth = strategy.TicksPerLap / 16
	for range (before%sixteenth + (w.clock - before)) / sixteenth { // the clock wraps
		if w.learns {
			w.price.Decay()
		}
	}
	w.hold(v.size, 1)
}

// turn sets the hand of the ring that a unit was just written to.
func (w *world) turn(v view, hand uint8) {
	w.hands[v.place-inProbation] = hand
	v.hitAt = hand
	if b := w.plane.board; b != nil {
		b.Turn(v.ring(), hand)
	}
}

// hold books a live unit of some size, sign +1, or its leaving, sign -1.
func (w *world) hold(size uint32, sign int64) {
	w.Entries += sign
	w.Bytes += sign * int64(size)
}
