package baseline_test

import (
	"slices"

	"github.com/foliocache/folio/sim/baseline"
)

type wtinylfuRules struct {
	plain
	r                            *reference
	sketch                       *baseline.Sketch
	entries                      int64 // capacity in entries while all sizes are 1
	sized                        bool
	window, probation, protected line
	windowMax, protectedMax      int64

	adaptive       bool
	requests, hits int64
	lastRatio      float64
	step           float64
}

func referWTinyLFU(cfg baseline.Config) *reference {
	r := newReference(cfg)
	p := &wtinylfuRules{r: r, entries: min(cfg.Capacity, int64(cfg.IDs))}
	p.sketch = baseline.NewSketch(p.entries)
	p.windowMax = max(1, percent(cfg.Capacity, 1))
	p.protectedMax = percent(cfg.Capacity-p.windowMax, 80)
	p.adaptive = cfg.Params["window"] == "adaptive"
	p.step = -.0625 * float64(cfg.Capacity)
	r.rules = p
	return r
}

func (p *wtinylfuRules) sample() int64 {
	if p.sized {
		return max(10*int64(len(p.r.resident)), int64(p.sketch.Words()/16))
	}
	return 10 * p.entries
}

func (p *wtinylfuRules) request(id uint32, hit bool) {
	p.sketch.Add(id)
	if p.sketch.Counted() >= p.sample() {
		p.sketch.Halve()
	}
	switch {
	case p.window.renew(id), p.protected.renew(id):
	case p.probation.has(id) && p.r.size[id] > p.protectedMax:
		p.probation.renew(id)
	case p.probation.remove(id):
		p.protected.push(id)
	}
	p.demote()
	if p.adaptive {
		p.climb(hit)
	}
}

func (p *wtinylfuRules) demote() {
	for p.r.weight(p.protected) > p.protectedMax {
		p.probation.push(p.protected.pop())
	}
}

func (p *wtinylfuRules) store(id uint32, size int64) {
	p.sized = p.sized || size != 1
	p.r.enter(id, size)
	if size > p.windowMax {
		p.window = slices.Insert(p.window, 0, id)
	} else {
		p.window.push(id)
	}
	p.settle(id)
}

func (p *wtinylfuRules) resized(id uint32) {
	p.sized = true
	p.settle(baseline.NoNext)
}

// settle empties the window into main; a unit refused on arrival counts as never admitted.
func (p *wtinylfuRules) settle(fresh uint32) {
	p.demote()
	for p.r.weight(p.window) > p.windowMax {
		candidate := p.window.pop()
		for p.r.used() > p.r.capacity && p.beats(candidate) {
			p.evictMain()
		}
		if p.r.used() <= p.r.capacity {
			p.probation.push(candidate)
			continue
		}
		p.r.leave(candidate)
		if candidate == fresh {
			p.r.evicted--
			p.r.admitted--
		}
	}
	for p.r.used() > p.r.capacity {
		p.evict()
	}
}

func (p *wtinylfuRules) beats(candidate uint32) bool {
	main := slices.Concat(p.probation, p.protected)
	return len(main) > 0 && p.sketch.Estimate(candidate) > p.sketch.Estimate(main[0])
}

func (p *wtinylfuRules) evictMain() {
	if len(p.probation) > 0 {
		p.r.leave(p.probation.pop())
	} else {
		p.r.leave(p.protected.pop())
	}
}

func (p *wtinylfuRules) evict() {
	if len(p.probation)+len(p.protected) > 0 {
		p.evictMain()
	} else {
		p.r.leave(p.window.pop())
	}
}

func (p *wtinylfuRules) insert(uint32) { panic("reference: not used") }

func (p *wtinylfuRules) remove(id uint32) {
	p.window.remove(id)
	p.probation.remove(id)
	p.protected.remove(id)
}

func (p *wtinylfuRules) climb(hit bool) {
	p.requests++
	if hit {
		p.hits++
	}
	if p.requests < p.sample() {
		return
	}
	ratio := float64(p.hits) / float64(p.requests)
	amount := p.step
	if ratio < p.lastRatio {
		amount = -p.step
	}
	p.step = .98 * amount
	if ratio-p.lastRatio >= .05 || p.lastRatio-ratio >= .05 {
		p.step = .0625 * float64(p.r.capacity)
		if amount < 0 {
			p.step = -p.step
		}
	}
	p.lastRatio, p.requests, p.hits = ratio, 0, 0
	p.move(int64(amount))
}

// move shifts the border: what main loses goes to the window's new end, and the reverse.
func (p *wtinylfuRules) move(amount int64) {
	amount = max(min(amount, p.protectedMax), 1-p.windowMax)
	p.windowMax += amount
	p.protectedMax -= amount
	p.demote()
	for amount > 0 && len(p.probation)+len(p.protected) > 0 {
		from := &p.probation
		if len(p.probation) == 0 {
			from = &p.protected
		}
		if p.r.weight(p.window)+p.r.size[(*from)[0]] > p.windowMax {
			return
		}
		p.window.push(from.pop())
	}
	for p.r.weight(p.window) > p.windowMax {
		p.probation.push(p.window.pop())
	}
}
