package board

import (
	"math"
	"sync/atomic"
)

// Promise is where readers of a list that promises a share of stale reads note what they were served, and
// learn what may be. Safe for concurrent use.
type Promise struct {
	allowance atomic.Uint64 // a float64
	reads     atomic.Int64
	stale     atomic.Int64 // in parts of a read
	ratios    [promiseBins]atomic.Uint64
}

// promiseBins tell probabilities apart by powers of two.
const promiseBins = 16

// PromiseBin returns the bin of a probability, 0..15.
func PromiseBin(p float64) int {
	if p <= 0 {
		return promiseBins - 1
	}
	_, exponent := math.Frexp(p)
	return min(promiseBins-1, max(0, -exponent))
}

// Allowance returns how many reads of a copy may be stale, together.
func (p *Promise) Allowance() float64 { return math.Float64frombits(p.allowance.Load()) }

// Allow sets that.
func (p *Promise) Allow(n float64) { p.allowance.Store(math.Float64bits(n)) }

// Calibrated returns what a probability has turned out to be, 0..1.
func (p *Promise) Calibrated(stated float64) float64 {
	return min(1, stated*math.Float64frombits(p.ratios[PromiseBin(stated)].Load()))
}

// Calibrate sets by what factor the probabilities of a bin were wrong.
func (p *Promise) Calibrate(bin int, ratio float64) { p.ratios[bin].Store(math.Float64bits(ratio)) }

// Serve notes a read that is stale with some probability, 0..1.
func (p *Promise) Serve(probability float64) {
	p.reads.Add(1)
	p.stale.Add(int64(probability * perRead))
}

// Take returns how many reads were noted and how many of them were stale by expectation, and wipes them out.
func (p *Promise) Take() (reads, stale float64) {
	return float64(p.reads.Swap(0)), float64(p.stale.Swap(0)) / perRead
}
