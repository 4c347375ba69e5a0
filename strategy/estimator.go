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
	Credit  uint8 // 0..3 at the tails: hits not yet spent, see [Candidate]
	Earlier bool  // at MainTail: hit in the stay or lap before as well; at Fill: it was main that dropped it
	Age     uint8 // quarters of a lap, 0..3, since the last hit (tails) or since it was dropped (Fill); 4 = not hit
}

// Depths is the number of depth buckets, see [Evidence].
const Depths = 6

// Cell names the row of an [Estimator] that some evidence falls into: 0..Cells-1.
type Cell uint16

// NoCell is the cell of no evidence.
const NoCell = ^Cell(0)

// Unestimated stands for the cell of what was stated without an estimate.
const Unestimated = NoCell - 1

// Cells is the number of cells.
const Cells = features * classes

const (
	features = 512 // cells of one class: moment, frequency, hits or credit, age, hit earlier
	classes  = Depths * hazards
	hazards  = 3
)

// Cell returns the evidence's cell; Unestimated of a fresh fill.
func (e Evidence) Cell() Cell {
	class := int(e.Depth)*hazards + int(e.Hazard)
	f := int(e.freqLevel())
	row := 0
	switch e.Moment {
	case Fresh:
		return Unestimated
	case Fill:
		row = (f*4+int(min(e.Age, 3)))*8 + int(min(e.Hits, 3))*2 + flag(e.Earlier) // 0..127
	case LeaveProbation:
		row = 128 + (f*8+int(min(e.Hits, 7)))*4 + int(min(e.Age, 3)) // 128..255
	case MainTail:
		row = 256 + (f*5+int(min(e.Age, 4)))*8 + int(min(e.Credit, 3))*2 + flag(e.Earlier) // 256..415
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
var depthPrior = [Depths]float64{.50, .95, .85, .70, .50, .30}

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

// TicksPerLap is the resolution of main's clock: the clock advances by so many ticks while
// main's capacity in bytes is written.
const TicksPerLap = 4096

// Estimator learns P(the same version is asked for again within one lap of main) from the
// outcomes of its own estimates, for admitted and rejected units alike. A watch on an estimate
// is settled with yes by the next request and with no by a lap without one or by a write.
//
// The zero value is ready. Not for concurrent use. One class of cells takes 16 KiB and is
// allocated when the class first shows up.
type Estimator struct {
	cells [classes]*[features]cell
}

const (
	priorWeight = 4     // observations that a cell's prior is worth
	decay       = .9995 // an outcome's weight after one more (the design had .999)
)

// Estimate says how likely the evidence is followed by another request, at clock now in ticks.
// hope is the same without exposure, which errs on the bright side while little is known.
// Watch the cell to learn the outcome.
func (e *Estimator) Estimate(ev Evidence, now uint32) (p, hope float64, id Cell) {
	id = ev.Cell()
	c, prior := e.cell(id), ev.prior()
	exposure := c.exposure(now)
	p = (c.estimate(prior, exposure) + c.always(prior, priorWeight, exposure)) / 2
	return p, c.estimate(prior, 0), id
}

// Watch opens a watch on an estimate of a cell at a tick.
func (e *Estimator) Watch(id Cell, start uint32) { e.cell(id).open(start) }

// Settle closes a watch with its outcome.
func (e *Estimator) Settle(id Cell, start uint32, asked bool) {
	c := e.cell(id)
	c.drop(start)
	c.settle(asked)
}

// Drop closes a watch whose outcome will never be known.
func (e *Estimator) Drop(id Cell, start uint32) { e.cell(id).drop(start) }

// Adopt takes over all outcomes that another estimator knows, and forgets its own. Watches stay
// where they are.
func (e *Estimator) Adopt(other *Estimator) {
	for class, cells := range other.cells {
		if cells == nil {
			if e.cells[class] == nil {
				continue
			}
			cells = new([features]cell)
		}
		for i, c := range cells {
			mine := e.cell(Cell(class*features + i))
			c.watches, c.openStarts = mine.watches, mine.openStarts
			*mine = c
		}
	}
}

// Open returns how many watches on a cell are open and the sum of their starts.
func (e *Estimator) Open(id Cell) (watches int, starts float64) {
	c := e.cells[id/features]
	if c == nil {
		return 0, 0
	}
	return int(c[id%features].watches), c[id%features].openStarts
}

func (e *Estimator) cell(id Cell) *cell {
	class := &e.cells[id/features]
	if *class == nil {
		*class = new([features]cell)
	}
	return &(*class)[id%features]
}

// tally estimates one probability from outcomes that come late.
//
// Yes comes sooner than no, so at first the settled outcomes alone are far too rosy. Open
// watches therefore count as the part of a no that they have already survived (exposure, as
// in the actuarial estimate of life tables: Kaplan & Meier 1958, section 3).
type tally struct {
	allYes     uint32
	all        uint32  // outcomes ever; halved with allYes at mostOutcomes
	watches    int32   // open ones
	openStarts float64 // the sum of their start ticks
}

const mostOutcomes = 1 << 24

// exposure returns how much of a no the open watches have survived; none for the lap in which the
// clock has wrapped and they have not.
func (t *tally) exposure(now uint32) float64 {
	return max(0, (float64(t.watches)*float64(now)-t.openStarts)/TicksPerLap)
}

// always estimates from all outcomes ever.
func (t *tally) always(prior, weight, exposure float64) float64 {
	return min(1, (float64(t.allYes)+weight*prior)/(float64(t.all)+exposure+weight))
}

// at estimates from all outcomes ever and what is open at a clock.
func (t *tally) at(now uint32, prior, weight float64) float64 {
	return t.always(prior, weight, t.exposure(now))
}

func (t *tally) settle(asked bool) {
	if t.all == mostOutcomes {
		t.all, t.allYes = t.all/2, t.allYes/2
	}
	t.all++
	t.allYes += uint32(flag(asked))
}

func (t *tally) open(start uint32) {
	t.watches++
	t.openStarts += float64(start)
}

func (t *tally) drop(start uint32) {
	t.watches--
	t.openStarts -= float64(start)
}

// cell is a tally that also follows the workload: of yes and n, old outcomes weigh less.
type cell struct {
	tally
	yes, n float32
}

// estimate estimates from the latest outcomes.
func (c *cell) estimate(prior, exposure float64) float64 {
	n := float64(c.n)
	if exposure != 0 && c.all > 0 {
		exposure *= n / float64(c.all)
	}
	return min(1, (float64(c.yes)+priorWeight*prior)/(n+exposure+priorWeight))
}

func (c *cell) settle(asked bool) {
	c.tally.settle(asked)
	c.yes = c.yes*decay + float32(flag(asked))
	c.n = c.n*decay + 1
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
