package baseline_test

import "github.com/foliocache/folio/sim/baseline"

// optRules looks up the next request of each resident in the trace.
type optRules struct {
	plain
	r      *reference
	next   []uint32
	bypass bool
	now    int
	due    map[uint32]uint32 // the next request of every unit asked for so far
	idle   line              // residents without a known next request
}

func referOpt(cfg baseline.Config) *reference {
	r := newReference(cfg)
	r.rules = &optRules{r: r, next: cfg.Next, bypass: cfg.Params["bypass"] == "on", due: map[uint32]uint32{}}
	return r
}

func (p *optRules) request(id uint32, hit bool) {
	p.due[id] = p.next[p.now]
	p.now++
	if hit {
		p.insert(id)
	}
}

func (p *optRules) known(id uint32) bool {
	due, ok := p.due[id]
	return ok && due != baseline.NoNext
}

func (p *optRules) insert(id uint32) {
	p.idle.remove(id)
	if !p.known(id) {
		p.idle.push(id)
	}
}

func (p *optRules) farthest() uint32 {
	if n := len(p.idle); n > 0 {
		return p.idle[n-1]
	}
	var best uint32
	farthest := int64(-1)
	for id := range p.r.resident {
		if d := int64(p.due[id]); d > farthest {
			best, farthest = id, d
		}
	}
	return best
}

func (p *optRules) evict() {
	id := p.farthest()
	p.idle.remove(id)
	p.r.leave(id)
}

func (p *optRules) remove(id uint32) { p.idle.remove(id) }

func (p *optRules) store(id uint32, size int64) {
	for !p.bypass && p.r.used()+size > p.r.capacity {
		p.evict()
	}
	p.r.enter(id, size)
	p.insert(id)
	for p.r.used() > p.r.capacity {
		victim := p.farthest()
		p.evict()
		if victim == id {
			p.r.evicted--
			p.r.admitted--
			return
		}
	}
}
