package baseline_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/foliocache/folio/sim/baseline"
)

// percent returns a share of a capacity in whole numbers.
func percent(capacity, share int64) int64 { return capacity * share / 100 }

// trim forgets the oldest units of a line of ghosts.
func (r *reference) trim(l *line, room int64) {
	for r.weight(*l) > room {
		l.pop()
	}
}

type twoQRules struct {
	plain
	r             *reference
	a1in, am, out line
	toMain        bool
}

func referTwoQ(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &twoQRules{r: r}
	return r
}

func (p *twoQRules) request(id uint32, hit bool)   { p.am.renew(id) }
func (p *twoQRules) prepare(id uint32, size int64) { p.toMain = p.out.remove(id) }

func (p *twoQRules) evict() {
	if len(p.am) > 0 && p.r.weight(p.a1in) <= percent(p.r.capacity, 25) {
		p.r.leave(p.am.pop())
		return
	}
	id := p.a1in.pop()
	p.r.leave(id)
	p.out.push(id)
	p.r.trim(&p.out, percent(p.r.capacity, 50))
}

func (p *twoQRules) insert(id uint32) {
	if p.toMain {
		p.am.push(id)
	} else {
		p.a1in.push(id)
	}
}

func (p *twoQRules) remove(id uint32) {
	p.a1in.remove(id)
	p.am.remove(id)
}

type s3fifoRules struct {
	plain
	r                  *reference
	small, main, ghost line
	hits               map[uint32]int
	smallSize          int64
	toMain             bool
}

func referS3FIFO(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &s3fifoRules{r: r, hits: map[uint32]int{}, smallSize: max(1, percent(cfg.Capacity, 10))}
	return r
}

func (p *s3fifoRules) request(id uint32, hit bool) {
	if hit {
		p.hits[id] = min(3, p.hits[id]+1)
	}
}

func (p *s3fifoRules) prepare(id uint32, size int64) { p.toMain = p.ghost.remove(id) }

func (p *s3fifoRules) evict() {
	if len(p.main) == 0 || p.r.weight(p.small) >= p.smallSize {
		p.evictSmall()
	} else {
		p.evictMain()
	}
}

func (p *s3fifoRules) evictSmall() {
	for len(p.small) > 0 {
		id := p.small[0]
		if p.hits[id] < 2 {
			p.small.pop()
			p.r.leave(id)
			p.ghost.push(id)
			p.r.trim(&p.ghost, percent(p.r.capacity, 90))
			return
		}
		for len(p.main) > 0 && p.r.weight(p.main)+p.r.size[id] > p.r.capacity-p.smallSize {
			p.evictMain()
		}
		p.hits[id] = 0
		p.main.push(p.small.pop())
	}
}

func (p *s3fifoRules) evictMain() {
	for p.hits[p.main[0]] > 0 {
		p.hits[p.main[0]]--
		p.main.push(p.main.pop())
	}
	p.r.leave(p.main.pop())
}

func (p *s3fifoRules) insert(id uint32) {
	p.hits[id] = 0
	if p.toMain {
		p.main.push(id)
	} else {
		p.small.push(id)
	}
}

func (p *s3fifoRules) remove(id uint32) {
	p.small.remove(id)
	p.main.remove(id)
}

type arcRules struct {
	plain
	r              *reference
	t1, t2, b1, b2 line
	p              float64
	inB1, inB2     bool
}

func referARC(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &arcRules{r: r}
	return r
}

func (p *arcRules) request(id uint32, hit bool) {
	if p.t1.remove(id) || p.t2.remove(id) {
		p.t2.push(id)
	}
}

func (p *arcRules) prepare(id uint32, size int64) {
	c := p.r.capacity
	w1, w2 := float64(p.r.weight(p.b1)), float64(p.r.weight(p.b2))
	p.inB1, p.inB2 = p.b1.remove(id), p.b2.remove(id)
	switch {
	case p.inB1:
		p.p = min(p.p+float64(size)*max(1, w2/w1), float64(c))
	case p.inB2:
		p.p = max(p.p-float64(size)*max(1, w1/w2), 0)
	default:
		for len(p.b1) > 0 && p.r.weight(p.t1)+p.r.weight(p.b1)+size > c {
			p.b1.pop()
		}
		for len(p.t1) > 0 && p.r.weight(p.t1)+size > c {
			p.r.leave(p.t1.pop())
		}
		for len(p.b2) > 0 && p.all()+size > 2*c {
			p.b2.pop()
		}
	}
}

func (p *arcRules) all() int64 {
	return p.r.weight(p.t1) + p.r.weight(p.t2) + p.r.weight(p.b1) + p.r.weight(p.b2)
}

func (p *arcRules) evict() {
	w := float64(p.r.weight(p.t1))
	fromT1 := len(p.t1) > 0 && (w > p.p || (p.inB2 && w == p.p))
	if fromT1 || len(p.t2) == 0 {
		p.r.leave(p.t1[0])
		p.b1.push(p.t1.pop())
	} else {
		p.r.leave(p.t2[0])
		p.b2.push(p.t2.pop())
	}
}

func (p *arcRules) insert(id uint32) {
	if p.inB1 || p.inB2 {
		p.t2.push(id)
	} else {
		p.t1.push(id)
	}
	p.inB1, p.inB2 = false, false
	p.bound()
}

func (p *arcRules) bound() {
	for len(p.b1) > 0 && p.r.weight(p.t1)+p.r.weight(p.b1) > p.r.capacity {
		p.b1.pop()
	}
	for len(p.b2) > 0 && p.all() > 2*p.r.capacity {
		p.b2.pop()
	}
}

func (p *arcRules) resized(uint32) {
	for p.r.used() > p.r.capacity {
		p.evict()
	}
	p.bound()
}

func (p *arcRules) remove(id uint32) {
	p.t1.remove(id)
	p.t2.remove(id)
}

type lecarRules struct {
	plain
	r              *reference
	recency        line
	hits           map[uint32]int
	used           map[uint32]int // time of the last use
	when           map[uint32]int // time of the eviction
	lruLog, lfuLog line
	draw           *rand.Rand
	wLRU, wLFU, d  float64
	now, clock     int
	restored       int
}

func referLeCaR(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &lecarRules{
		r: r, hits: map[uint32]int{}, used: map[uint32]int{}, when: map[uint32]int{},
		draw: rand.New(rand.NewPCG(cfg.Seed, 0)), wLRU: .5, wLFU: .5,
		d: math.Pow(.005, 1/float64(min(cfg.Capacity, int64(cfg.IDs)))),
	}
	return r
}

func (p *lecarRules) use(id uint32) {
	p.clock++
	p.used[id] = p.clock
}

func (p *lecarRules) request(id uint32, hit bool) {
	p.now++
	if hit {
		p.recency.renew(id)
		p.hits[id]++
		p.use(id)
	}
}

func (p *lecarRules) prepare(id uint32, size int64) {
	p.restored = 0
	penalty := math.Exp(-.45 * math.Pow(p.d, float64(p.now-p.when[id])))
	switch {
	case p.lruLog.remove(id):
		p.wLRU *= penalty
	case p.lfuLog.remove(id):
		p.wLFU *= penalty
	default:
		return
	}
	p.restored = p.hits[id]
	p.wLRU = min(max(p.wLRU/(p.wLRU+p.wLFU), .01), .99)
	p.wLFU = 1 - p.wLRU
}

func (p *lecarRules) insert(id uint32) {
	p.recency.push(id)
	p.hits[id] = p.restored + 1
	p.use(id)
}

func (p *lecarRules) evict() {
	lru := p.recency[0]
	lfu := slices.MinFunc(p.recency, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(p.hits[a], p.hits[b]), cmp.Compare(p.used[a], p.used[b]))
	})
	victim, log := lru, &p.lruLog
	if p.draw.Float64() >= p.wLRU {
		victim, log = lfu, &p.lfuLog
	}
	p.recency.remove(victim)
	p.r.leave(victim)
	if lru == lfu {
		return
	}
	p.when[victim] = p.now
	log.push(victim)
	p.r.trim(log, p.r.capacity/2)
}

func (p *lecarRules) remove(id uint32) { p.recency.remove(id) }
