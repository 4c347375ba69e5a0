package baseline_test

import (
	"cmp"
	"slices"

	"github.com/foliocache/folio/sim/baseline"
)

// fifoRules evicts the first of a line.
type fifoRules struct {
	plain
	r *reference
	q line
}

func referFIFO(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &fifoRules{r: r}
	return r
}

func (p *fifoRules) evict()           { p.r.leave(p.q.pop()) }
func (p *fifoRules) insert(id uint32) { p.q.push(id) }
func (p *fifoRules) remove(id uint32) { p.q.remove(id) }

// lruRules moves what is hit to the end of the line.
type lruRules struct{ fifoRules }

func referLRU(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &lruRules{fifoRules{r: r}}
	return r
}

func (p *lruRules) request(id uint32, hit bool) { p.q.renew(id) }

// clockRules is a circular buffer in which the hand clears bits until it finds none.
type clockRules struct {
	plain
	r    *reference
	ring line // in the order of arrival from the hand on
	bit  map[uint32]bool
}

func referClock(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &clockRules{r: r, bit: map[uint32]bool{}}
	return r
}

func (p *clockRules) request(id uint32, hit bool) {
	if hit {
		p.bit[id] = true
	}
}

func (p *clockRules) evict() {
	for p.bit[p.ring[0]] {
		p.bit[p.ring[0]] = false
		p.ring.push(p.ring.pop())
	}
	p.r.leave(p.ring.pop())
}

func (p *clockRules) insert(id uint32) {
	p.bit[id] = false
	p.ring.push(id)
}

func (p *clockRules) remove(id uint32) { p.ring.remove(id) }

// sieveRules has the hand as a position in the line from old to new.
type sieveRules struct {
	plain
	r       *reference
	q       line
	visited map[uint32]bool
	hand    int
}

func referSieve(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &sieveRules{r: r, visited: map[uint32]bool{}}
	return r
}

func (p *sieveRules) request(id uint32, hit bool) {
	if hit {
		p.visited[id] = true
	}
}

func (p *sieveRules) evict() {
	for {
		if p.hand == len(p.q) {
			p.hand = 0
		}
		id := p.q[p.hand]
		if !p.visited[id] {
			p.q.remove(id) // the hand is at the next one now
			p.r.leave(id)
			// Past the newest the hand starts over, even if another unit comes before it moves.
			p.wrap()
			return
		}
		p.visited[id] = false
		p.hand++
	}
}

func (p *sieveRules) wrap() {
	if p.hand >= len(p.q) {
		p.hand = 0
	}
}

func (p *sieveRules) insert(id uint32) {
	p.visited[id] = false
	p.q.push(id)
}

func (p *sieveRules) remove(id uint32) {
	if slices.Index(p.q, id) < p.hand {
		p.hand--
	}
	p.q.remove(id)
	p.wrap()
}

// rankRules evicts the unit with the lowest value, and of those the one that got it first.
type rankRules struct {
	plain
	r     *reference
	hits  map[uint32]int
	value map[uint32]float64
	since map[uint32]int
	now   int
	age   float64
	rank  func(p *rankRules, id uint32) float64
	aging bool
}

func newRankRules(cfg baseline.Config, rank func(*rankRules, uint32) float64, aging bool) *reference {
	r := newReference(cfg)
	r.rules = &rankRules{
		r: r, hits: map[uint32]int{}, value: map[uint32]float64{}, since: map[uint32]int{},
		rank: rank, aging: aging,
	}
	return r
}

func referLFU(cfg baseline.Config) *reference {
	return newRankRules(cfg, func(p *rankRules, id uint32) float64 { return float64(p.hits[id]) }, false)
}

func referGDSF(cfg baseline.Config) *reference {
	return newRankRules(cfg, func(p *rankRules, id uint32) float64 {
		return p.age + float64(p.hits[id])/float64(p.r.size[id])
	}, true)
}

func (p *rankRules) evaluate(id uint32) {
	p.now++
	p.since[id] = p.now
	p.value[id] = p.rank(p, id)
}

func (p *rankRules) request(id uint32, hit bool) {
	if hit {
		p.hits[id]++
		p.evaluate(id)
	}
}

func (p *rankRules) insert(id uint32) {
	p.hits[id] = 1
	p.evaluate(id)
}

func (p *rankRules) resized(id uint32) {
	if p.aging {
		p.evaluate(id)
	}
}

func (p *rankRules) remove(uint32) {}

func (p *rankRules) evict() {
	var all []uint32
	for id := range p.r.resident {
		all = append(all, id)
	}
	victim := slices.MinFunc(all, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(p.value[a], p.value[b]), cmp.Compare(p.since[a], p.since[b]))
	})
	if p.aging {
		p.age = p.value[victim]
	}
	p.r.leave(victim)
}
