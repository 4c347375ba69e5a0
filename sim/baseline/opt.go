package baseline

import (
	"errors"
	"fmt"
)

func init() {
	Register(Info{
		Name: "opt",
		Doc:  "MIN: evicts what is needed last; no policy misses less (Belady 1966)",
		Kind: "future",
		Params: []Param{
			{Name: "bypass", Default: "off", Doc: "on: a unit needed later than all residents is not stored"},
		},
		New: newOpt,
	})
}

// opt is Belady, "A Study of Replacement Algorithms for a Virtual-Storage Computer" (IBM
// Systems Journal 1966), MIN. With bypass it is the bound for policies that may refuse.
//
// Differs from the paper: nothing with equal sizes. With sizes it is a heuristic, as the
// optimum is NP-hard, and not a bound.
type opt struct {
	ledger
	schedule
	in     []uint8 // where a unit is
	idle   []uint32
	future []uint32
	now    int // the next request
	bypass bool
}

const (
	absent    = iota
	scheduled // resident with a next request
	never     // resident without; in idle
)

func newOpt(cfg Config) (Policy, error) {
	l, err := newLedger(cfg)
	bypass := cfg.Params["bypass"]
	if bypass != "on" && bypass != "off" {
		err = errors.Join(err, fmt.Errorf("baseline: bypass=%q, want on or off", bypass))
	}
	if cfg.Next == nil {
		err = errors.Join(err, errors.New("baseline: opt needs Config.Next"))
	}
	if err != nil {
		return nil, err
	}
	s := newSchedule(len(cfg.Next), cfg.IDs)
	for id := range s.due {
		s.due[id] = NoNext
	}
	copy(s.due, cfg.First)
	return &opt{
		ledger:   l,
		schedule: s,
		in:       make([]uint8, cfg.IDs),
		future:   cfg.Next,
		bypass:   bypass == "on",
	}, nil
}

func (p *opt) Get(id uint32) bool {
	hit := p.in[id] != absent
	if p.in[id] == scheduled {
		p.leave(id)
	}
	p.due[id] = p.future[p.now]
	p.now++
	if hit {
		p.keep(id)
	}
	return hit
}

// keep makes a unit a resident, or moves it to where its next request belongs.
func (p *opt) keep(id uint32) {
	if p.due[id] == NoNext {
		p.in[id] = never
		p.idle = append(p.idle, id)
		return
	}
	p.in[id] = scheduled
	p.enter(id)
}

func (p *opt) Put(id uint32, size int64) {
	resident := p.in[id] != absent
	switch {
	case p.tooLarge(size):
		if resident {
			p.evict(id)
		}
	case resident:
		p.resize(id, size)
		p.makeRoom(0)
	case p.bypass:
		p.contend(id, size)
	default:
		p.makeRoom(size)
		p.admit(id, size)
		p.keep(id)
	}
}

// contend stores a unit and evicts what is needed last, which may be the unit itself.
func (p *opt) contend(id uint32, size int64) {
	p.admit(id, size)
	p.keep(id)
	for p.usage.Used > p.capacity {
		victim := p.victim()
		if victim == id {
			p.remove(id)
			p.retract(id)
			return
		}
		p.evict(victim)
	}
}

func (p *opt) makeRoom(size int64) {
	for !p.fits(size) {
		p.evict(p.victim())
	}
}

// victim returns the resident needed last. Idle may list units that have left since or are
// needed again; they are dropped on the way.
func (p *opt) victim() uint32 {
	for len(p.idle) > 0 {
		id := p.idle[len(p.idle)-1]
		if p.in[id] == never {
			return id
		}
		p.idle = p.idle[:len(p.idle)-1]
	}
	return p.farthest()
}

func (p *opt) evict(id uint32) {
	p.release(id)
	p.remove(id)
}

// remove takes a resident out of the order of eviction.
func (p *opt) remove(id uint32) {
	if p.in[id] == scheduled {
		p.leave(id)
	}
	p.in[id] = absent
}
