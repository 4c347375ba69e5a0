package baseline

import (
	"math"
	"math/rand/v2"
)

func init() {
	Register(Info{
		Name: "lecar",
		Doc:  "LeCaR: LRU or LFU by learned weights (HotStorage 2018)",
		Kind: "random",
		New:  newLeCaR,
	})
}

// lecar is Vietri et al., "Driving Cache Replacement with ML-based LeCaR" (HotStorage 2018):
// each eviction asks LRU or LFU, drawn by weight, and a miss on what one of them
// evicted lately takes weight from it.
//
// Differs from the paper, as the authors' code does (sylab/cacheus, lecar.py): a history is
// half the capacity; a victim both agree on enters neither; weights stay within .01 and .99;
// a unit found in a history comes back with its frequency. Of equal frequencies the one
// asked for longest ago goes first. Time is counted in requests.
type lecar struct {
	queues             // resident: recency; and the two histories
	frequencies        // of residents
	past        []past // by node, of units in a history
	draw        *rand.Rand
	weight      float64 // of LRU; LFU has the rest
	discount    float64 // logarithm of what a request takes off the penalty
	history     int64
	now         uint32
}

// past is what a history remembers of a unit.
type past struct {
	hits uint32
	when uint32 // of the eviction
}

const (
	recency segment = iota + 1
	lruHistory
	lfuHistory
)

const (
	lecarRate      = 0.45
	lecarDiscount  = 0.005 // what is left of a penalty after as many requests as entries
	lecarMaxWeight = 0.99
)

func newLeCaR(cfg Config) (Policy, error) {
	q, err := newQueues(cfg, 3, cfg.Capacity)
	if err != nil {
		return nil, err
	}
	return &lecar{
		queues:      q,
		frequencies: newFrequencies(q.keys),
		past:        make([]past, q.keys),
		draw:        rand.New(rand.NewPCG(cfg.Seed, 0)),
		weight:      0.5,
		discount:    math.Log(lecarDiscount) / float64(max(1, q.mostEntries())),
		history:     cfg.Capacity / 2,
	}, nil
}

func (p *lecar) Get(id uint32) bool {
	p.now++
	n := p.at[id]
	if p.in[n] != recency {
		return false
	}
	p.renew(n)
	p.touch(n)
	return true
}

func (p *lecar) Put(id uint32, size int64) {
	n := p.at[id]
	resident := p.in[n] == recency
	if resident && p.tooLarge(size) {
		p.drop(n)
	}
	need := p.offer(id, size, resident)
	hits := uint64(1)
	if need > 0 {
		hits += p.recall(n)
	}
	for !p.fits(need) {
		p.evictOne()
	}
	if need > 0 {
		p.add(p.store(recency, id, size), hits)
	}
}

// recall learns from a unit's place in a history and returns the frequency it had.
func (p *lecar) recall(n uint32) uint64 {
	if n == 0 {
		return 0
	}
	age := p.now - p.past[n].when
	penalty := math.Exp(-lecarRate * math.Exp(p.discount*float64(age)))
	lru, lfu := p.weight, 1-p.weight
	if p.in[n] == lruHistory {
		lru *= penalty
	} else {
		lfu *= penalty
	}
	p.weight = min(max(lru/(lru+lfu), 1-lecarMaxWeight), lecarMaxWeight)
	p.lose(n)
	return uint64(p.past[n].hits)
}

// evictOne evicts what the expert drawn by weight would.
func (p *lecar) evictOne() {
	lru, lfu := p.oldest(recency), p.least()
	n, history := lru, lruHistory
	if p.draw.Float64() >= p.weight {
		n, history = lfu, lfuHistory
	}
	p.past[n] = past{uint32(min(p.count(n), math.MaxUint32)), p.now}
	p.drop(n)
	if lru == lfu {
		p.evict(n)
		return
	}
	p.demote(n, history, p.history)
}
