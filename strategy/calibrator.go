package strategy

import (
	"math"
	"unsafe"
)

// Statement is a confidence as it was stated, and whence: its bin (5 bits), the probability
// stated in 1/127 (7), in 1/31 the base rate that it must beat (5), its group (5), its stay (7),
// and whether it counts in the score (1).
type Statement uint32

func pack(bin, group, stay int) Statement {
	return Statement(bin) | Statement(group)<<17 | Statement(stay)<<22
}

func (s Statement) with(p, base float64, scored bool) Statement {
	return s | Statement(p*127+.5)<<5 | Statement(base*31+.5)<<12 | Statement(flag(scored))<<31
}

// P returns the probability stated.
func (s Statement) P() float64 { return float64(s>>5&127) / 127 }

// Base returns the base rate of the depth and frequency, as far as it was known then.
func (s Statement) Base() float64 { return float64(s>>12&31) / 31 }

// Scored reports whether it counts in the score.
func (s Statement) Scored() bool { return s>>31 == 1 }

func (s Statement) bin() int    { return int(s & 31) }
func (s Statement) group() int  { return int(s >> 17 & 31) }
func (s Statement) stay() int   { return int(s >> 22 & 127) }
func (s Statement) depth() int  { return s.group() / 4 }
func (s Statement) moment() int { return s.stay() / 4 % int(moments+1) }

// Calibrator turns estimates into statements that can be relied on, and keeps the score. Two
// opinions are mixed: what estimates of that size turned out to be worth, learned slowly in bins
// (calibeating: Foster & Hart 2023; online: Gupta & Ramdas, ICML'23), and what units turned out to
// be worth whose stays earned as much. Whose errors were smaller at that moment counts for more
// (exponential weights: Cesa-Bianchi & Lugosi 2006, section 2.2). The zero value is ready. Not for
// concurrent use.
type Calibrator struct {
	Calibration
	bins   [bins]tally                       // by estimate
	stays  [Depths * (moments + 1) * 4]tally // by depth, moment and credit
	errors [moments + 1]float64              // squared ones of bins at a moment, less those of stays
	groups [Depths * 4]tally                 // by depth and frequency 0, 1, 2, 3 and more: what a confidence must beat
}

const (
	bins         = 32
	binWeight    = 3000  // observations that an estimate is worth to its bin
	learningRate = .01   // of the mix; outcomes come a lap late and in herds, so it is slow
	forget       = .9999 // an error's weight after one more
)

// State calibrates an estimate p made on some evidence at clock now in ticks. What comes of it is
// learned from in any case, but counts in the score only if it is to be scored: while a cache has
// room for all, nothing hangs on a confidence.
func (c *Calibrator) State(ev Evidence, p float64, now uint32, scored bool) Statement {
	s := pack(min(bins-1, int(p*bins)), int(ev.Depth)*4+int(min(ev.Freq, 3)), (int(ev.Depth)*int(moments+1)+int(ev.Moment))*4+int(min(ev.Credit, 3)))
	ofBin, ofStay := c.opinions(s, now)
	share := 1 / (1 + math.Exp(learningRate*c.errors[s.moment()]))
	_, _, group := c.learners(s)
	return s.with(share*ofBin+(1-share)*ofStay, group.at(now, depthPrior[ev.Depth], priorWeight), scored)
}

// opinions returns what the bin and the stay of a statement are worth by now.
func (c *Calibrator) opinions(s Statement, now uint32) (ofBin, ofStay float64) {
	bin, stay, _ := c.learners(s)
	return bin.at(now, (float64(s.bin())+.5)/bins, binWeight), stay.at(now, depthPrior[s.depth()], priorWeight)
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
	e := &c.errors[s.moment()]
	*e = *e*forget + (ofBin-ofStay)*(ofBin+ofStay-2*float64(flag(asked)))
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
