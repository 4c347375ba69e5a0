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

// NoCell is the cell of nothing.
const NoCell = ^Cell(0)

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
	Cell   Cell
	Stated uint16 // what was stated, packed: see pack
	Start  uint32 // main's clock then, in ticks
}

// pack keeps the probability stated, in 1/2047, and the bin that it came from.
func pack(p float64, bin int) uint16 { return uint16(bin)<<11 | uint16(p*2047+.5) }

// P returns the probability stated.
func (w Watch) P() float64 { return float64(w.Stated&2047) / 2047 }

func (w Watch) bin() int { return int(w.Stated >> 11) }

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
// The zero value is ready. Not for concurrent use. One class of cells takes 12 KiB and is
// allocated when the class first shows up.
type Estimator struct {
	cells [classes]*[features]cell
	bins  [bins]cell
}

const (
	bins        = 32
	priorWeight = 4     // observations that a cell's prior is worth
	binWeight   = 200   // observations that a cell's own estimate is worth to its bin
	cellDecay   = .9995 // an outcome's weight after one more in its cell; the design had .999
	binDecay    = 1     // bins never forget
)

// Confidence returns the calibrated probability, 0..1, for the evidence at clock now (ticks),
// and the watch to open on it.
func (e *Estimator) Confidence(ev Evidence, now uint32) (p float64, w Watch) {
	id := ev.Cell()
	raw := e.cell(id).estimate(ev.prior(), priorWeight, now)
	bin := min(bins-1, int(raw*bins))
	p = e.bins[bin].estimate(raw, binWeight, now)
	return p, Watch{Cell: id, Stated: pack(p, bin), Start: now}
}

// Watch opens a watch.
func (e *Estimator) Watch(w Watch) {
	e.cell(w.Cell).open(w.Start)
	e.bins[w.bin()].open(w.Start)
}

// Settle closes a watch with its outcome.
func (e *Estimator) Settle(w Watch, asked bool) {
	e.Drop(w)
	e.cell(w.Cell).settle(asked, cellDecay)
	e.bins[w.bin()].settle(asked, binDecay)
}

// Drop closes a watch whose outcome will never be known.
func (e *Estimator) Drop(w Watch) {
	e.cell(w.Cell).drop(w.Start)
	e.bins[w.bin()].drop(w.Start)
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
	all        float32 // outcomes ever
	watches    float32 // open ones
	openStarts float64 // the sum of their start ticks
}

func (c *cell) estimate(prior, weight float64, now uint32) float64 {
	n := float64(c.n)
	if c.watches > 0 {
		exposure := (float64(c.watches)*float64(now) - c.openStarts) / TicksPerLap
		if c.all > 0 {
			exposure *= float64(c.n / c.all)
		}
		n += exposure
	}
	return min(1, (float64(c.yes)+weight*prior)/(n+weight))
}

func (c *cell) settle(asked bool, decay float32) {
	c.yes *= decay
	c.n = c.n*decay + 1
	c.all++
	if asked {
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
