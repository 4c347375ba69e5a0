package strategy

import (
	"math"
	"unsafe"
)

// Statement is a confidence as it was stated, and whence: its bin (6 bits), the probability
// stated in 1/127 (7), in 1/31 the base rate that it must beat (5), its group (5), its stay (7),
// and whether it counts in the score (1).
type Statement uint32

func pack(bin, group, stay int) Statement {
	return Statement(bin) | Statement(group)<<18 | Statement(stay)<<23
}

func (s Statement) with(p, base float64, scored bool) Statement {
	return s | Statement(p*127+.5)<<6 | Statement(base*31+.5)<<13 | Statement(flag(scored))<<30
}

// P returns the probability stated.
func (s Statement) P() float64 { return float64(s>>6&127) / 127 }

// Base returns the base rate of the depth and frequency, as far as it was known then.
func (s Statement) Base() float64 { return float64(s>>13&31) / 31 }

// Scored reports whether it counts in the score.
func (s Statement) Scored() bool { return s>>30 == 1 }

func (s Statement) bin() int    { return int(s & 63) }
func (s Statement) group() int  { return int(s >> 18 & 31) }
func (s Statement) stay() int   { return int(s >> 23 & 127) }
func (s Statement) depth() int  { return s.group() / 4 }
func (s Statement) moment() int { return s.stay() / 4 % int(moments+1) }

// Calibrator turns estimates into statements that can be relied on, and keeps the score. Two
// opinions are mixed: what estimates of that size turned out to be worth, learned slowly in bins
// (calibeating: Foster & Hart 2023; online: Gupta & Ramdas, ICML'23), and what units turned out to
// be worth whose stays earned as much. Fresh fills, which nobody estimates, have bins by depth and
// frequency. The zero value is ready. Not for concurrent use.
type Calibrator struct {
	Calibration
	bins   [bins + groups]tally              // by estimate; of fresh fills, by group
	stays  [Depths * (moments + 1) * 4]tally // by depth, moment and credit
	groups [groups]tally                     // what a confidence must beat
	mixes  [moments + 1]mix
}

const (
	bins      = 32
	groups    = Depths * 4 // by depth and frequency 0, 1, 2, 3 and more
	binWeight = 3000       // observations that an estimate is worth to its bin
)

// State calibrates an estimate p made on some evidence at clock now in ticks; of a fresh fill, p is
// of no account. What comes of it is learned from in any case, but counts in the score only if it is
// to be scored: while a cache has room for all, nothing hangs on a confidence.
func (c *Calibrator) State(ev Evidence, p float64, now uint32, scored bool) Statement {
	bin, group := min(bins-1, int(p*bins)), int(ev.Depth)*4+int(min(ev.Freq, 3))
	if ev.Moment == Fresh {
		bin = bins + group
	}
	s := pack(bin, group, (int(ev.Depth)*int(moments+1)+int(ev.Moment))*4+int(min(ev.Credit, 3)))
	ofBin, ofStay := c.opinions(s, now)
	share := .5 + c.mixes[ev.Moment].tilt
	base := c.groups[group].at(now, depthPrior[ev.Depth], priorWeight)
	return s.with(share*ofBin+(1-share)*ofStay, base, scored)
}

// opinions returns what the bin and the stay of a statement are worth by now.
func (c *Calibrator) opinions(s Statement, now uint32) (ofBin, ofStay float64) {
	bin, stay, _ := c.learners(s)
	prior := depthPrior[s.depth()]
	if s.bin() < bins {
		ofBin = bin.at(now, (float64(s.bin())+.5)/bins, binWeight)
	} else {
		ofBin = bin.at(now, prior, priorWeight)
	}
	return ofBin, stay.at(now, prior, priorWeight)
}

// mix weighs the two opinions at a moment: whose errors were smaller counts for more (exponential
// weights: Cesa-Bianchi & Lugosi 2006, section 2.2).
type mix struct {
	errors float64 // squared ones of bins, less those of stays
	n      uint32
	tilt   float64 // of the bins' share, from one half
}

const (
	learningRate = .01   // outcomes come a lap late and in herds, so it is slow
	forget       = .9999 // an error's weight after one more
	mixEvery     = 64    // errors pass between two looks at them
)

func (m *mix) learn(ofBin, ofStay, outcome float64) {
	m.errors = m.errors*forget + (ofBin-ofStay)*(ofBin+ofStay-2*outcome)
	if m.n++; m.n%mixEvery == 0 {
		m.tilt = 1/(1+math.Exp(learningRate*m.errors)) - .5
	}
}

// Watch opens a watch on a statement at a tick.
func (c *Calibrator) Watch(s Statement, start uint32) {
	bin, stay, group := c.learners(s)
	bin.open(start)
	stay.open(start)
	group.open(start)
}

// Settle closes a watch with its outcome at clock now and books it.
func (c *Calibrator) Settle(s Statement, start, now uint32, asked bool) {
	c.Drop(s, start)
	ofBin, ofStay := c.opinions(s, now)
	c.mixes[s.moment()].learn(ofBin, ofStay, float64(flag(asked)))
	bin, stay, group := c.learners(s)
	bin.settle(asked)
	stay.settle(asked)
	group.settle(asked)
	if s.Scored() {
		c.Add(s, asked)
	}
}

// Drop closes a watch whose outcome will never be known.
func (c *Calibrator) Drop(s Statement, start uint32) {
	bin, stay, group := c.learners(s)
	bin.drop(start)
	stay.drop(start)
	group.drop(start)
}

// learners returns the tallies that a statement's outcome counts in.
func (c *Calibrator) learners(s Statement) (bin, stay, group *tally) {
	return &c.bins[s.bin()], &c.stays[s.stay()], &c.groups[s.group()]
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
