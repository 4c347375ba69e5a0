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
// composite really keeps. Rings, ghost, estimator and price are its own, so that a shadow is
// the very run that its strategy would make alone.
type world struct {
	plane      *plane
	number     int
	rule       strategy.Strategy
	probation  ring
	main       ring
	ghosts     ghosts
	estimator  strategy.Estimator
	calibrator *strategy.Calibrator // of the world whose confidences are told, else nil
	price      strategy.Price
	clock      uint32 // main's clock: TicksPerLap ticks for every main's capacity written to it
	hands      [2]uint8
	todo       []Slot // units on their way into main during one fill
	sink       uint8
	Counters
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
	if b.head%previewed != 0 {
		return
	}
	sum := uint8(0)
	for i := range min(previewed, b.tail-b.head) {
		s := b.at(b.head + i).slot
		sum += w.plane.unit(s).class + w.state(s).flags
	}
	w.sink = sum
}

const previewed = 8

// maxMoves bounds the units that one fill may write again: each is a copy of bytes in the
// store. Measured: 2 costs 1.5 % more misses, 8 costs 0.3 %, beyond 20 nothing changes.
const maxMoves = 20

func (w *world) state(s Slot) *state {
	if w.number == 0 {
		return &w.plane.unit(s).first
	}
	return w.plane.others.At(int(s)*(len(w.plane.worlds)-1) + w.number - 1)
}

// hand returns the hand of a place's ring in 1/64 laps; it wraps.
func (w *world) hand(p place) uint8 { return w.hands[p-inProbation] }

// touch books a request and reports whether the unit is resident.
func (w *world) touch(slot Slot, cost float64) bool {
	w.Requests++
	if slot == NoSlot {
		return false
	}
	s := w.state(slot)
	if s.place == nowhere {
		return false
	}
	w.settle(slot, s, true)
	if s.place == inGhost {
		return false
	}
	if s.place == inMain && s.hits == 0 {
		w.price.Hit(float64(w.since(s))/strategy.TicksPerLap, cost/float64(w.plane.unit(slot).size))
	}
	w.Hits++
	w.ClassHits[w.plane.unit(slot).depth()]++
	s.hits = min(s.hits+1, 15)
	s.earn()
	s.hitAt = w.hand(s.place)
	return true
}

// outdate turns a resident copy of an older version into a ghost: its bytes are dead, its
// history is not.
func (w *world) outdate(slot Slot) {
	if s := w.state(slot); s.resident() {
		w.Invalidated++
		w.settle(slot, s, false)
		w.toGhost(slot, s)
	}
}

// fill stores a unit that is not resident, or declines.
func (w *world) fill(slot Slot) {
	s, u := w.state(slot), w.plane.unit(slot)
	if s.resident() {
		return
	}
	if !w.fits(u.size) {
		w.Refused++
		return
	}
	if s.place == nowhere {
		s.at = w.clock
	}
	to := inProbation
	if s.place == inGhost || u.hazard() > 0 {
		to = w.destination(slot, s)
	}
	switch size := uint64(u.size); {
	case to == nowhere:
		w.Refused++
		w.toGhost(slot, s)
		return
	case !w.probation.fits(size):
		to = inMain
	case !w.main.fits(size):
		to = inProbation
	}
	w.Admitted++
	w.leaveGhost(slot, s)
	s.hits = 0
	s.flags &= fresh << fill
	if to == inMain {
		w.toMain(slot)
	} else {
		w.toProbation(slot, s)
	}
}

// fits reports whether either ring can hold a unit of this size.
func (w *world) fits(size uint32) bool {
	return w.main.fits(uint64(size)) || w.probation.fits(uint64(size))
}

// destination asks the rule about a fill that has a history or is threatened by writes.
func (w *world) destination(slot Slot, s *state) place {
	ok, p := w.ask(slot, s, strategy.Fill)
	switch {
	case ok:
		return inMain
	case w.plane.unit(slot).hazard() > 0 && p < strategy.Hopeless:
		return nowhere
	}
	return inProbation
}

// toProbation writes a unit to the small ring; what it overwrites goes on to main or ghost.
func (w *world) toProbation(slot Slot, s *state) {
	u := w.plane.unit(slot)
	b := w.probation.bucket(u.key)
	for {
		old, index, ok := w.probation.overwritten(b, uint64(u.size))
		if !ok {
			break
		}
		w.preview(b)
		w.leaveProbation(old, index)
	}
	w.moved(slot, s)
	s.place = inProbation
	s.index = w.probation.write(b, slot, uint64(u.size))
	w.hands[0] = uint8(w.probation.laps(64))
	s.hitAt = w.hands[0]
	w.hold(u.size, 1)
}

// leaveProbation decides on the unit whose bytes in probation are about to go.
func (w *world) leaveProbation(slot Slot, index uint32) {
	s := w.state(slot)
	if s.place != inProbation || s.index != index {
		return // a dead copy
	}
	ok, _ := w.ask(slot, s, strategy.LeaveProbation)
	ok = ok || !w.main.wrapped() // an empty place costs nobody his
	if !ok || !w.main.fits(uint64(w.plane.unit(slot).size)) {
		w.Evicted++
		w.toGhost(slot, s)
		return
	}
	w.Moved++
	w.hold(w.plane.unit(slot).size, -1)
	s.set(hitEarlier, s.hits > 0)
	w.toMain(slot)
}

// toMain writes a unit to the large ring, and after it whatever main's tail gives another lap.
func (w *world) toMain(slot Slot) {
	todo := append(w.todo[:0], slot)
	for i := 0; i < len(todo); i++ {
		u := w.plane.unit(todo[i])
		b := w.main.bucket(u.key)
		for {
			old, index, ok := w.main.overwritten(b, uint64(u.size))
			if !ok {
				break
			}
			w.preview(b)
			if w.leaveMain(old, index, len(todo) <= maxMoves) {
				todo = append(todo, old)
			}
		}
		w.writeMain(todo[i], b, u.size)
	}
	w.todo = todo
}

// leaveMain decides on the unit at main's tail and reports whether it gets another lap.
func (w *world) leaveMain(slot Slot, index uint32, may bool) bool {
	s := w.state(slot)
	if s.place != inMain || s.index != index {
		return false
	}
	if s.hits == 0 {
		w.settle(slot, s, false)
	}
	ok, _ := w.ask(slot, s, strategy.MainTail)
	if !ok || !may {
		w.Evicted++
		w.toGhost(slot, s)
		return false
	}
	w.Moved++
	w.hold(w.plane.unit(slot).size, -1)
	s.set(hitEarlier, s.hits > 0)
	s.spend()
	s.place = nowhere // until it is written again
	return true
}

func (w *world) writeMain(slot Slot, b *bucket, size uint32) {
	s := w.state(slot)
	before := w.clock
	w.moved(slot, s)
	s.place, s.hits = inMain, 0
	s.index = w.main.write(b, slot, uint64(size))
	w.clock = uint32(w.main.laps(strategy.TicksPerLap))
	w.hands[1] = uint8(w.clock / (strategy.TicksPerLap / 64))
	s.hitAt = w.hands[1]
	const sixteenth = strategy.TicksPerLap / 16
	for range (before%sixteenth + (w.clock - before)) / sixteenth { // the clock wraps
		w.price.Decay()
	}
	w.hold(size, 1)
}

// hold books a live unit of some size, sign +1, or its leaving, sign -1.
func (w *world) hold(size uint32, sign int64) {
	w.Entries += sign
	w.Bytes += sign * int64(size)
}
