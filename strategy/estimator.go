package strategy

import "unsafe"

// Evidence is what is known of a unit at a moment of decision. All fields are small levels;
// two units with equal evidence share a cell and therefore a confidence.
type Evidence struct {
	Moment Moment
	Depth  uint8 // depth bucket: 0 no page (key traces), 1 page 1, 2 page 2, 3 pages 3–5, 4 pages 6–10, 5 deeper
	Hazard uint8 // write hazard of the feed: 0 never written, 1 rarely, 2 often

	Freq    uint8 // 0..15, from the frequency sketch
	Hits    uint8 // in this stay; at Fill: in the stay before
	Earlier bool  // at MainTail: hit in the stay or lap before as well; at Fill: it was main that dropped it
	Age     uint8 // quarters of a lap, 0..3, since the last hit (tails) or since it was dropped (Fill); 4 = not hit
}

// Cell names the row of an [Estimator] that some evidence falls into.
type Cell uint16

const (
	features = 512 // cells of one class: moment, frequency, hits, age
	classes  = depths * hazards
	depths   = 6
	hazards  = 3
	freqs    = 4
)

// Cell returns the evidence's cell.
func (e Evidence) Cell() Cell {
	class := int(e.Depth)*hazards + int(e.Hazard)
	f := int(e.freqLevel())
	row := 0
	switch e.Moment {
	case Fill:
		row = (f*4+int(min(e.Age, 3)))*8 + int(min(e.Hits, 3))*2 + flag(e.Earlier) // 0..127
	case LeaveProbation:
		row = 128 + (f*8+int(min(e.Hits, 7)))*4 + int(min(e.Age, 3)) // 128..255
	case MainTail:
		row = 256 + (f*5+int(min(e.Age, 4)))*8 + hitLevel(e.Hits)*2 + flag(e.Earlier) // 256..415
	}
	return Cell(class*features + row)
}

// freqLevel cuts the sketch's count where it tells most: fills and probation see mostly rare
// units, main's tail mostly frequent ones.
func (e Evidence) freqLevel() uint8 {
	if e.Moment == MainTail {
		return level(e.Freq, 4, 6, 10)
	}
	return level(e.Freq, 2, 3, 5)
}

func hitLevel(hits uint8) int { return int(level(hits, 1, 2, 4)) }

func level(x, a, b, c uint8) uint8 {
	switch {
	case x < a:
		return 0
	case x < b:
		return 1
	case x < c:
		return 2
	}
	return 3
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// depthPrior is the confidence before anything is learned, by depth bucket: the feature rows'
// starting values for pages, one half for what is not a page.
var depthPrior = [depths]float64{.50, .95, .85, .70, .50, .30}

// prior refines the depth's starting value by the hits of this stay: a unit hit twice in
// probation is a keeper, and one that nobody asked for in its stay probably is none.
func (e Evidence) prior() float64 {
	p := depthPrior[e.Depth]
	switch {
	case e.Moment == Fill:
		return p
	case e.Moment == MainTail && e.Age >= 4, e.Moment == LeaveProbation && e.Hits == 0:
		return p * .4
	case e.Moment == LeaveProbation && e.Hits >= 2:
		return max(p, .75)
	}
	return p
}

// Watch is a stated confidence whose outcome is not known yet.
type Watch struct {
	Statement
	Start uint32 // main's clock then, in ticks
}

// Statement is what was stated and whence: the cell (14 bits), its bin (5), the probability
// stated in 1/255 (8), and in 1/31 the base rate that it must beat (5).
type Statement uint32

// NoStatement is the absence of one.
const NoStatement = ^Statement(0)

func pack(id Cell, bin int, p, base float64) Statement {
	return Statement(id) | Statement(bin)<<14 | Statement(p*255+.5)<<19 | Statement(base*31+.5)<<27
}

// P returns the probability stated.
func (s Statement) P() float64 { return float64(s>>19&255) / 255 }

// Base returns the base rate of the depth and frequency, as far as it was known then.
func (s Statement) Base() float64 { return float64(s>>27) / 31 }

func (s Statement) cell() Cell { return Cell(s & (1<<14 - 1)) }
func (s Statement) bin() int   { return int(s >> 14 & 31) }

// TicksPerLap is the resolution of main's clock: the clock advances by so many ticks while
// main's capacity in bytes is written.
const TicksPerLap = 4096

// Estimator learns P(the same version is asked for again within one lap of main) from the
// outcomes of its own statements, admitted and rejected units alike. A statement is settled
// with yes by the next request and with no by a lap without one or by a write.
//
// It has two levels. The cells follow the workload quickly; the bins behind them learn slowly
// what the cells' estimates turn out to be worth, and that is stated (calibeating: Foster &
// Hart 2023; online: Gupta & Ramdas, ICML'23).
//
// The zero value is ready. Not for concurrent use. One class of cells takes 16 KiB and is
// allocated when the class first shows up.
type Estimator struct {
	cells  [classes]*[features]cell
	bins   [bins]cell
	groups [depths][freqs]cell // by depth and frequency alone: what a confidence must beat
}

const (
	bins        = 32
	priorWeight = 4    // observations that a cell's prior is worth
	binWeight   = 3000 // observations that a cell's own estimate is worth to its bin
)

// Confidence states how likely the evidence is followed by another request, at clock now in
// ticks. p is calibrated; hope is the cell's own estimate without exposure, which errs on the
// bright side while little is known; s is the statement to watch.
func (e *Estimator) Confidence(ev Evidence, now uint32) (p, hope float64, s Statement) {
	id := ev.Cell()
	c, prior := e.cell(id), ev.prior()
	raw := (c.estimate(prior, priorWeight, now) + c.always(prior, priorWeight, now)) / 2
	bin := min(bins-1, int(raw*bins))
	p = e.bins[bin].estimate(raw, binWeight, now)
	base := e.group(id).estimate(depthPrior[ev.Depth], priorWeight, now)
	return p, c.settled(prior, priorWeight), pack(id, bin, p, base)
}

// Watch opens a watch.
func (e *Estimator) Watch(w Watch) {
	for _, c := range e.learners(w.Statement) {
		c.open(w.Start)
	}
}

// Settle closes a watch with its outcome.
func (e *Estimator) Settle(w Watch, asked bool) {
	e.Drop(w)
	for i, c := range e.learners(w.Statement) {
		c.settle(asked, decays[i])
	}
}

// Drop closes a watch whose outcome will never be known.
func (e *Estimator) Drop(w Watch) {
	for _, c := range e.learners(w.Statement) {
		c.drop(w.Start)
	}
}

// learners returns what learns from a statement: its cell, its bin, its group.
func (e *Estimator) learners(s Statement) [3]*cell {
	return [3]*cell{e.cell(s.cell()), &e.bins[s.bin()], e.group(s.cell())}
}

// decays holds an outcome's weight after one more: in its cell (the design had .999), its bin
// and its group, which never forget.
var decays = [3]float32{.9995, 1, 1}

// group returns the base rate of a cell's depth and frequency.
func (e *Estimator) group(id Cell) *cell {
	row, f := int(id%features), 0
	if row < 256 {
		f = row % 128 / 32
	} else {
		f = (row - 256) / 40
	}
	return &e.groups[int(id)/features/hazards][f]
}

func (e *Estimator) cell(id Cell) *cell {
	class := &e.cells[id/features]
	if *class == nil {
		*class = new([features]cell)
	}
	return &(*class)[id%features]
}

// cell estimates one probability from outcomes that come late.
//
// Yes comes sooner than no, so at first the settled outcomes alone are far too rosy. Open
// watches therefore count as the part of a no that they have already survived (exposure, as
// in the actuarial estimate of life tables: Kaplan & Meier 1958, section 3).
type cell struct {
	yes, n     float32 // outcomes, the older the lighter
	allYes     uint32
	all        uint32  // outcomes ever
	watches    int32   // open ones
	openStarts float64 // the sum of their start ticks
}

// exposure returns how much of a no the open watches have survived.
func (c *cell) exposure(now uint32) float64 {
	return (float64(c.watches)*float64(now) - c.openStarts) / TicksPerLap
}

// estimate follows the workload: it forgets old outcomes.
func (c *cell) estimate(prior, weight float64, now uint32) float64 {
	n, exposure := float64(c.n), c.exposure(now)
	if c.all > 0 {
		exposure *= float64(c.n) / float64(c.all)
	}
	return min(1, (float64(c.yes)+weight*prior)/(n+exposure+weight))
}

// always estimates from all outcomes ever.
func (c *cell) always(prior, weight float64, now uint32) float64 {
	return min(1, (float64(c.allYes)+weight*prior)/(float64(c.all)+c.exposure(now)+weight))
}

// settled estimates from the outcomes known, as if no watch were open.
func (c *cell) settled(prior, weight float64) float64 {
	return min(1, (float64(c.yes)+weight*prior)/(float64(c.n)+weight))
}

func (c *cell) settle(asked bool, decay float32) {
	c.yes *= decay
	c.n = c.n*decay + 1
	c.all++
	if asked {
		c.allYes++
		c.yes++
	}
}

func (c *cell) open(start uint32) {
	c.watches++
	c.openStarts += float64(start)
}

func (c *cell) drop(start uint32) {
	c.watches--
	c.openStarts -= float64(start)
}

// Metadata returns the bytes of heap that the cells take.
func (e *Estimator) Metadata() int64 {
	n := int64(unsafe.Sizeof(*e))
	for _, c := range e.cells {
		if c != nil {
			n += int64(unsafe.Sizeof(*c))
		}
	}
	return n
}
