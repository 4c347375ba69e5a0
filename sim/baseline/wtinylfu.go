package baseline

import "errors"

func init() {
	Register(Info{
		Name: "wtinylfu",
		Doc:  "W-TinyLFU: an LRU window before an SLRU that admits by frequency (ToS 2017)",
		Kind: "exact",
		Params: []Param{
			{Name: "window", Default: startWindow, Doc: "share of the capacity for the window, or adaptive"},
		},
		New: newWTinyLFU,
	})
}

// wtinylfu is Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache Admission
// Policy" (ToS 2017), section 4: what falls out of the window is compared with the main
// area's victim, and the one asked for more often stays. Main is a segmented LRU, 80 % of
// it protected.
//
// Differs from the paper: the sketch (see there) ages at ten times the capacity in entries;
// a unit larger than the window contends at once, and with each victim it needs in turn.
type wtinylfu struct {
	queues
	sketch       sketch
	windowMax    int64
	protectedMax int64
	climber      *climber // nil with a fixed window
}

const (
	window segment = iota + 1
	probation
	protected
)

const (
	startWindow    = "0.01"
	protectedShare = 0.8 // of main
	sampleEntries  = 10  // requests per entry between two halvings
)

func newWTinyLFU(cfg Config) (Policy, error) {
	adaptive := cfg.Params["window"] == "adaptive"
	if adaptive {
		cfg.Params = Params{"window": startWindow}
	}
	windowMax, windowErr := cfg.share("window")
	q, err := newQueues(cfg, 3, 0)
	if err := errors.Join(err, windowErr); err != nil {
		return nil, err
	}
	p := &wtinylfu{queues: q, sketch: newSketch(q.mostEntries())}
	p.windowMax = max(1, windowMax)
	p.protectedMax = int64(protectedShare * float64(cfg.Capacity-p.windowMax))
	if adaptive {
		p.climber = newClimber(cfg.Capacity)
	}
	return p, nil
}

func (p *wtinylfu) Get(id uint32) bool {
	n := p.at[id]
	hit := n != 0
	p.sketch.add(id)
	if p.sketch.counted >= p.sample() {
		p.sketch.halve()
	}
	if hit {
		p.promote(n)
	}
	if p.climber != nil {
		p.climb(hit)
	}
	return hit
}

// sample is how many requests the sketch counts before it ages. With sizes the capacity in
// entries is what is held now, but halving must not come to cost more than counting.
func (p *wtinylfu) sample() int64 {
	if p.extra == nil {
		return sampleEntries * p.mostEntries()
	}
	return max(sampleEntries*p.usage.Entries, int64(len(p.sketch.words)/16))
}

// promote records a hit.
func (p *wtinylfu) promote(n uint32) {
	if p.in[n] != probation || p.size(n) > p.protectedMax {
		p.renew(n)
		return
	}
	p.move(protected, n)
	p.demoteProtected()
}

// demoteProtected moves what is too much in the protected segment to probation.
func (p *wtinylfu) demoteProtected() {
	for p.used[protected] > p.protectedMax {
		p.move(probation, p.oldest(protected))
	}
}

func (p *wtinylfu) Put(id uint32, size int64) {
	need := p.offer(id, size, p.at[id] != 0)
	if need > 0 {
		n := p.store(window, id, size)
		if size > p.windowMax { // goes through the window in no time
			p.unlink(n)
			p.pushFront(uint32(window), n)
		}
	}
	p.demoteProtected()
	for p.used[window] > p.windowMax {
		candidate := p.oldest(window)
		switch {
		case p.wins(candidate):
			p.move(probation, candidate)
		case p.id[candidate] == id && need > 0:
			p.retract(candidate)
			p.lose(candidate)
		default:
			p.evict(candidate)
		}
	}
	for p.usage.Used > p.capacity {
		p.evict(p.victim())
	}
}

// wins evicts from main what must go for a candidate from the window, as long as it is asked
// for more often than each victim, and reports whether there is room for it then.
func (p *wtinylfu) wins(candidate uint32) bool {
	for p.usage.Used > p.capacity {
		if p.noneInMain() || p.asked(candidate) <= p.asked(p.victim()) {
			return false
		}
		p.evict(p.victim())
	}
	return true
}

// asked returns about how often a node's unit was asked for lately.
func (p *wtinylfu) asked(n uint32) uint64 { return p.sketch.estimate(p.id[n]) }

func (p *wtinylfu) noneInMain() bool { return p.none(probation) && p.none(protected) }

// victim returns the unit to evict next.
func (p *wtinylfu) victim() uint32 {
	for _, s := range [...]segment{probation, protected} {
		if !p.none(s) {
			return p.oldest(s)
		}
	}
	return p.oldest(window)
}

// climb moves the border between window and protected at the end of each sample.
func (p *wtinylfu) climb(hit bool) {
	p.climber.count(hit)
	if p.climber.requests < p.sample() {
		return
	}
	if grow := p.climber.next(); grow > 0 {
		p.growWindow(grow)
	} else {
		p.shrinkWindow(-grow)
	}
}

// growWindow takes from the protected area; what had room there now has it in the window.
func (p *wtinylfu) growWindow(by int64) {
	by = min(by, p.protectedMax)
	p.protectedMax -= by
	p.windowMax += by
	p.demoteProtected()
	for !p.noneInMain() {
		n := p.victim()
		if p.used[window]+p.size(n) > p.windowMax {
			return
		}
		p.move(window, n)
	}
}

// shrinkWindow gives to the protected area.
func (p *wtinylfu) shrinkWindow(by int64) {
	by = min(by, p.windowMax-1)
	p.windowMax -= by
	p.protectedMax += by
	for p.used[window] > p.windowMax {
		p.move(probation, p.oldest(window))
	}
}
