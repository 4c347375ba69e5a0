package strategy

import "unsafe"

// Class is what is known of a unit at every moment: its depth and its feed's write hazard.
type Class uint8

// ClassOf returns the class of a depth bucket (0 no page (key traces), 1 page 1, 2 page 2, 3 pages
// 3–5, 4 pages 6–10, 5 deeper) and a write hazard (0 never written, 1 rarely, 2 often); other values
// name another class or none.
func ClassOf(depth, hazard uint8) Class { return Class(depth*hazards + hazard) }

// Depth returns the depth bucket.
func (c Class) Depth() uint8 { return uint8(c) / hazards }

// Hazard returns the write hazard.
func (c Class) Hazard() uint8 { return uint8(c) % hazards }

// Depths is the number of depth buckets, see [ClassOf].
const Depths = 6

// Cell names the row of an [Estimator] that some evidence falls into: 0..Cells-1. Two units whose
// evidence is the same share a cell and therefore a confidence.
type Cell uint16

// NoCell is the cell of no evidence.
const NoCell = ^Cell(0)

// Unestimated stands for the cell of what was stated without an estimate.
const Unestimated = NoCell - 1

// Cells is the number of cells.
const Cells = features * classes

const (
	features = 512 // cells of one class: moment, frequency, hits or credit, age, hit earlier
	leaving  = 128 // the first cell of LeaveProbation
	tail     = 256 // the first cell of MainTail
	classes  = Depths * hazards
	hazards  = 3
)

// Fill returns the cell of a fill: frequency 0..15 from the sketch, hits in the stay before, age in
// quarters of a lap, 0..3, since the unit was dropped, and whether it was main that dropped it.
func (c Class) Fill(freq, hits, age uint8, fromMain bool) Cell {
	f := int(freqLevels[Fill][freq&15])
	return c.cell((f*4+int(min(age, 3)))*8 + int(min(hits, 3))*2 + flag(fromMain)) // 0..127
}

// LeaveProbation returns the cell of a unit on its way out of probation: frequency, hits in this
// stay, and age in quarters of a lap of probation since the last one.
func (c Class) LeaveProbation(freq, hits, age uint8) Cell {
	f := int(freqLevels[LeaveProbation][freq&15])
	return c.cell(leaving + (f*8+int(min(hits, 7)))*4 + int(min(age, 3))) // 128..255
}

// MainTail returns the cell of a unit at main's tail: frequency, credit (0..3, see [Candidate]),
// age in quarters of a lap since the last hit, 4 = none in this lap, and whether it was hit in
// the stay or lap before as well.
func (c Class) MainTail(freq, credit, age uint8, earlier bool) Cell {
	f := int(freqLevels[MainTail][freq&15])
	return c.cell(tail + (f*5+int(min(age, 4)))*8 + int(min(credit, 3))*2 + flag(earlier)) // 256..415
}

func (c Class) cell(row int) Cell { return Cell(int(c)*features + row) }

// freqLevels cut the sketch's count where it tells most: fills and probation see mostly rare
// units, main's tail mostly frequent ones.
var freqLevels = [moments][16]uint8{
	Fill:           {0, 0, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
	LeaveProbation: {0, 0, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
	MainTail:       {0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3},
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

// prior returns a cell's starting value: the depth's, refined by the hits of this stay. A unit hit
// twice in probation is a keeper, and one that nobody asked for in its stay probably is none.
func (id Cell) prior() float64 {
	p := depthPrior[id/(features*hazards)]
	switch row := id % features; {
	case row < leaving:
		return p
	case row < tail && (row-leaving)/4%8 == 0, row >= tail && (row-tail)/8%5 == 4:
		return p * .4
	case row < tail && (row-leaving)/4%8 >= 2:
		return max(p, .75)
	}
	return p
}

// priors are those of all cells.
var priors = func() (all [Cells]float64) {
	for id := range all {
		all[id] = Cell(id).prior()
	}
	return all
}()

// TicksPerLap is the resolution of main's clock: the clock advances by so many ticks while
// main's capacity in bytes is written.
const TicksPerLap = 4096

// Estimator learns P(the same version is asked for again within one lap of main) from the
// outcomes of its own estimates, for admitted and rejected units alike: yes is the next request,
// no a lap without one or a write. Until then an estimate may be watched; only [Estimator.Sober] takes
// account of watches.
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

// Confidence says how likely, 0..1, the evidence of a cell (less than Cells, or it panics) is followed
// by another request, as far as outcomes are known: it errs on the bright side while little is known,
// as yes comes sooner than no.
func (e *Estimator) Confidence(id Cell) float64 { return e.cell(id).estimate(priors[id], 0) }

// Sober says the same, 0..1, at clock now in ticks, with what is still open taken into account.
func (e *Estimator) Sober(id Cell, now uint32) float64 {
	c, prior := e.cell(id), priors[id]
	exposure := c.exposure(now)
	return (c.estimate(prior, exposure) + c.always(prior, priorWeight, exposure)) / 2
}

// Watch opens a watch on an estimate of a cell at a tick.
func (e *Estimator) Watch(id Cell, start uint32) { e.cell(id).open(start) }

// Learn books the outcome of an estimate. It leaves its watch, if there is one, to Drop.
func (e *Estimator) Learn(id Cell, asked bool) { e.cell(id).settle(asked) }

// Drop closes a watch.
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
	if ticks := float64(t.watches)*float64(now) - t.openStarts; ticks > 0 {
		return ticks / TicksPerLap
	}
	return 0
}

// atMost1 is min(1, p) for a p that is a number.
func atMost1(p float64) float64 {
	if p > 1 {
		return 1
	}
	return p
}

// always estimates from all outcomes ever.
func (t *tally) always(prior, weight, exposure float64) float64 {
	return atMost1((float64(t.allYes) + weight*prior) / (float64(t.all) + exposure + weight))
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
	return atMost1((float64(c.yes) + priorWeight*prior) / (n + exposure + priorWeight))
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
