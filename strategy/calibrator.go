package strategy

import "unsafe"

// Statement is a confidence as it was stated, and whence: the cell (14 bits), its bin (5), the
// probability stated in 1/127 (7), in 1/31 the base rate that it must beat (5), and whether a
// decision hung on it (1).
type Statement uint32

func pack(id Cell, bin int, p, base float64, decisive bool) Statement {
	return Statement(id) | Statement(bin)<<14 | Statement(p*127+.5)<<19 | Statement(base*31+.5)<<26 | Statement(flag(decisive))<<31
}

// Cell returns where the estimate came from.
func (s Statement) Cell() Cell { return Cell(s & (1<<14 - 1)) }

// P returns the probability stated.
func (s Statement) P() float64 { return float64(s>>19&127) / 127 }

// Base returns the base rate of the depth and frequency, as far as it was known then.
func (s Statement) Base() float64 { return float64(s>>26&31) / 31 }

// Decisive reports whether a decision hung on it.
func (s Statement) Decisive() bool { return s>>31 == 1 }

func (s Statement) bin() int { return int(s >> 14 & 31) }

// Calibrator turns estimates into statements that can be relied on, and keeps the score: it
// learns slowly, in bins, what an estimator's figures turn out to be worth (calibeating:
// Foster & Hart 2023; online: Gupta & Ramdas, ICML'23). The zero value is ready. Not for
// concurrent use.
type Calibrator struct {
	Calibration
	bins   [bins]tally
	groups [Depths][freqs]tally // by depth and frequency alone: what a confidence must beat
}

const (
	bins      = 32
	binWeight = 3000 // observations that an estimate is worth to its bin
)

// State calibrates a cell's estimate p at clock now in ticks. What comes of it is learned from in
// any case, but only what is decisive counts in the score: while a cache has room for all, its
// statements move nothing.
func (c *Calibrator) State(id Cell, p float64, now uint32, decisive bool) Statement {
	bin := min(bins-1, int(p*bins))
	b, g := &c.bins[bin], c.group(id)
	stated := b.always(p, binWeight, b.exposure(now))
	base := g.always(depthPrior[int(id)/features/hazards], priorWeight, g.exposure(now))
	return pack(id, bin, stated, base, decisive)
}

// Watch opens a watch on a statement at a tick.
func (c *Calibrator) Watch(s Statement, start uint32) {
	for _, t := range c.learners(s) {
		t.open(start)
	}
}

// Settle closes a watch with its outcome and books it.
func (c *Calibrator) Settle(s Statement, start uint32, asked bool) {
	for _, t := range c.learners(s) {
		t.drop(start)
		t.settle(asked)
	}
	if s.Decisive() {
		c.Add(s, asked)
	}
}

// Drop closes a watch whose outcome will never be known.
func (c *Calibrator) Drop(s Statement, start uint32) {
	for _, t := range c.learners(s) {
		t.drop(start)
	}
}

func (c *Calibrator) learners(s Statement) [2]*tally {
	return [2]*tally{&c.bins[s.bin()], c.group(s.Cell())}
}

// Open returns how many watches are open in all, and the sum of their starts.
func (c *Calibrator) Open() (watches int, starts float64) {
	for i := range c.bins {
		watches += int(c.bins[i].watches)
		starts += c.bins[i].openStarts
	}
	return watches, starts
}

// group returns the base rate of a cell's depth and frequency.
func (c *Calibrator) group(id Cell) *tally {
	row, f := int(id%features), 0
	if row < 256 {
		f = row % 128 / 32
	} else {
		f = (row - 256) / 40
	}
	return &c.groups[int(id)/features/hazards][f]
}

// Metadata returns the bytes that it takes.
func (c *Calibrator) Metadata() int64 { return int64(unsafe.Sizeof(*c)) }
