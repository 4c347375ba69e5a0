package strategy

import (
	"math"
	"unsafe"
)

// Statement is a confidence as it was stated, and whence: its bin (6 bits), the probability stated
// and the base rate that it must beat, in 1/127 (7 each), frequency (2), depth, moment and credit in
// one (7), and whether it counts in the score (1).
type Statement uint32

func pack(bin int, depth, freq, credit uint8, m Moment) Statement {
	earned := (int(depth)*int(moments+1)+int(m))*4 + int(credit)
	return Statement(bin) | Statement(freq)<<20 | Statement(earned)<<22
}

func (s Statement) with(p, base float64, scored bool) Statement {
	return s | Statement(p*127+.5)<<6 | Statement(base*127+.5)<<13 | Statement(flag(scored))<<29
}

// P returns the probability stated.
func (s Statement) P() float64 { return float64(s>>6&127) / 127 }

// Base returns the base rate of the depth and frequency, as far as it was known then.
func (s Statement) Base() float64 { return float64(s>>13&127) / 127 }

// Scored reports whether it counts in the score.
func (s Statement) Scored() bool { return s>>29 == 1 }

func (s Statement) bin() int       { return int(s & 63) }
func (s Statement) earned() int    { return int(s >> 22 & 127) } // index of depth, moment and credit
func (s Statement) depth() int     { return s.earned() / 4 / int(moments+1) }
func (s Statement) moment() Moment { return Moment(s.earned() / 4 % int(moments+1)) }
func (s Statement) group() int     { return s.depth()*4 + int(s>>20&3) } // index of depth and frequency

// Calibrator turns estimates into statements that can be relied on, and keeps the score. Two
// opinions are mixed: what estimates of that size turned out to be worth, learned slowly in bins
// (calibeating: Foster & Hart 2023; online: Gupta & Ramdas, ICML'23), and what units of that depth
// turned out to be worth at that moment, at the tails those that had earned as much credit. Fresh
// fills, which nobody estimates, have bins by depth and frequency. The zero value is ready. Not for
// concurrent use.
type Calibrator struct {
	Calibration
	bins   [bins + groups]tally              // by estimate; of fresh fills, by group
	earned [Depths * (moments + 1) * 4]tally // by depth, moment and credit
	groups [groups]tally                     // what a confidence must beat
	mixes  [moments + 1]mix
}

const (
	bins      = 32
	groups    = Depths * 4 // by depth and frequency 0, 1, 2, 3 and more
	binWeight = 3000       // observations that an estimate is worth to its bin
)

// State calibrates an estimate p, 0..1, made at a moment of a unit of some class, frequency (0..15) and
// credit (0..3; 0 but at the tails), at clock now in ticks; of a fresh fill, p is of no account. What
// comes of it is learned from in any case, but counts in the score only if it is to be scored: while a
// cache has room for all, nothing hangs on a confidence.
func (c *Calibrator) State(m Moment, class Class, freq, credit uint8, p float64, now uint32, scored bool) Statement {
	bin := min(bins-1, int(p*bins))
	if m == Fresh {
		bin = freshBin(class, freq)
	}
	s := pack(bin, class.Depth(), min(freq, 3), min(credit, 3), m)
	base := c.learners(s).group.at(now, depthPrior[class.Depth()], priorWeight)
	return s.with(c.calibrated(s, now), base, scored)
}

// Expect returns what would be stated of a fresh fill, 0..1, and states nothing.
func (c *Calibrator) Expect(class Class, freq uint8, now uint32) float64 {
	return c.calibrated(pack(freshBin(class, freq), class.Depth(), min(freq, 3), 0, Fresh), now)
}

func freshBin(class Class, freq uint8) int { return bins + int(class.Depth())*4 + int(min(freq, 3)) }

// calibrated mixes the opinions on a statement.
func (c *Calibrator) calibrated(s Statement, now uint32) float64 {
	ofBin, ofEarned := c.learners(s).opinions(s, now)
	share := .5 + c.mixes[s.moment()].tilt
	return share*ofBin + (1-share)*ofEarned
}

// learners are the tallies that a statement's outcome counts in.
type learners struct{ bin, earned, group *tally }

func (c *Calibrator) learners(s Statement) learners {
	return learners{&c.bins[s.bin()], &c.earned[s.earned()], &c.groups[s.group()]}
}

// opinions returns what bin and credit of a statement are worth by now.
func (l learners) opinions(s Statement, now uint32) (ofBin, ofEarned float64) {
	prior := depthPrior[s.depth()]
	ofEarned = l.earned.at(now, prior, priorWeight)
	if s.bin() < bins {
		return l.bin.at(now, (float64(s.bin())+.5)/bins, binWeight), ofEarned
	}
	return l.bin.at(now, prior, priorWeight), ofEarned
}

func (l learners) open(start uint32) {
	l.bin.open(start)
	l.earned.open(start)
	l.group.open(start)
}

func (l learners) drop(start uint32) {
	l.bin.drop(start)
	l.earned.drop(start)
	l.group.drop(start)
}

func (l learners) settle(asked bool) {
	l.bin.settle(asked)
	l.earned.settle(asked)
	l.group.settle(asked)
}

// mix weighs the two opinions at a moment: whose errors were smaller counts for more (exponential
// weights: Cesa-Bianchi & Lugosi 2006, section 2.2). Differs from the book: an error is that of what
// the opinion says when the outcome comes; what it said a lap ago is not kept.
type mix struct {
	errors float64 // squared ones of bins, less those of what was earned
	n      uint32
	tilt   float64 // of the bins' share, from one half
}

const (
	learningRate = .01   // outcomes come a lap late and in herds, so it is slow
	forget       = .9999 // an error's weight after one more
	mixEvery     = 64    // errors pass between two looks at them
)

func (m *mix) learn(ofBin, ofEarned, outcome float64) {
	m.errors = m.errors*forget + (ofBin-ofEarned)*(ofBin+ofEarned-2*outcome)
	if m.n++; m.n%mixEvery == 0 {
		m.tilt = 1/(1+math.Exp(learningRate*m.errors)) - .5
	}
}

// Watch opens a watch on a statement at a tick.
func (c *Calibrator) Watch(s Statement, start uint32) {
	c.learners(s).open(start)
}

// Settle closes a watch with its outcome at clock now and books it.
func (c *Calibrator) Settle(s Statement, start, now uint32, asked bool) {
	l := c.learners(s)
	l.drop(start)
	ofBin, ofEarned := l.opinions(s, now)
	c.mixes[s.moment()].learn(ofBin, ofEarned, float64(flag(asked)))
	l.settle(asked)
	if s.Scored() {
		c.Add(s, asked)
	}
}

// Drop closes a watch whose outcome will never be known.
func (c *Calibrator) Drop(s Statement, start uint32) {
	c.learners(s).drop(start)
}

// Open returns how many watches are open in all, and the sum of their starts.
func (c *Calibrator) Open() (watches int, starts float64) {
	for i := range c.bins {
		watches += int(c.bins[i].watches)
		starts += c.bins[i].openStarts
	}
	return watches, starts
}

// Metadata returns the bytes that it takes.
func (c *Calibrator) Metadata() int64 { return int64(unsafe.Sizeof(*c)) }
