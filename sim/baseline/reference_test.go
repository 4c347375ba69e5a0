package baseline_test

import (
	"slices"

	"github.com/foliocache/folio/sim/baseline"
)

// reference is a cache written for being obviously right, slowly. The rules of a policy say
// what to evict; the rest is the contract of baseline.Policy.
type reference struct {
	rules
	capacity int64
	resident map[uint32]bool
	size     map[uint32]int64 // of residents and ghosts
	evicted  int64
	admitted int64
}

// rules is a policy from its definition.
type rules interface {
	// request sees every Get.
	request(id uint32, hit bool)
	// prepare sees a unit that is going to be stored, before room is made for it.
	prepare(id uint32, size int64)
	// evict makes room by one step; it calls leave for what it evicts.
	evict()
	// insert stores a unit for which there is room.
	insert(id uint32)
	// resized sees a resident that has a new size.
	resized(id uint32)
	// remove takes out a resident that is evicted for its own size.
	remove(id uint32)
}

// storer is implemented by rules that store before they evict.
type storer interface {
	store(id uint32, size int64)
}

// plain has the methods of rules that most policies do without.
type plain struct{}

func (plain) request(uint32, bool)  {}
func (plain) prepare(uint32, int64) {}
func (plain) resized(uint32)        {}

func newReference(cfg baseline.Config) *reference {
	return &reference{capacity: cfg.Capacity, resident: map[uint32]bool{}, size: map[uint32]int64{}}
}

func (r *reference) Get(id uint32) bool {
	hit := r.resident[id]
	r.request(id, hit)
	return hit
}

func (r *reference) Put(id uint32, size int64) {
	if size > r.capacity {
		if r.resident[id] {
			r.remove(id)
			r.leave(id)
		}
		return
	}
	if r.resident[id] {
		if r.size[id] != size {
			r.size[id] = size
			r.resized(id)
		}
		for r.used() > r.capacity {
			r.evict()
		}
		return
	}
	if s, ok := r.rules.(storer); ok {
		s.store(id, size)
		return
	}
	r.prepare(id, size)
	for r.used()+size > r.capacity {
		r.evict()
	}
	r.enter(id, size)
	r.insert(id)
}

func (r *reference) enter(id uint32, size int64) {
	r.resident[id] = true
	r.size[id] = size
	r.admitted++
}

func (r *reference) leave(id uint32) {
	if !r.resident[id] {
		panic("reference: evicted what is not resident")
	}
	delete(r.resident, id)
	r.evicted++
}

func (r *reference) used() int64 {
	var sum int64
	for id := range r.resident {
		sum += r.size[id]
	}
	return sum
}

func (r *reference) Usage() baseline.Usage {
	return baseline.Usage{
		Entries: int64(len(r.resident)), Used: r.used(), Evicted: r.evicted, Admitted: r.admitted,
	}
}

// weight is the sum of the sizes of a line.
func (r *reference) weight(l line) int64 {
	var sum int64
	for _, id := range l {
		sum += r.size[id]
	}
	return sum
}

// line is a queue of units, oldest first.
type line []uint32

func (l line) has(id uint32) bool { return slices.Contains(l, id) }

func (l *line) push(id uint32) { *l = append(*l, id) }

func (l *line) pop() uint32 {
	id := (*l)[0]
	*l = (*l)[1:]
	return id
}

// remove reports whether it was there.
func (l *line) remove(id uint32) bool {
	i := slices.Index(*l, id)
	if i >= 0 {
		*l = slices.Delete(slices.Clone(*l), i, i+1)
	}
	return i >= 0
}

// renew moves a unit to the end if it is there, and reports whether.
func (l *line) renew(id uint32) bool {
	ok := l.remove(id)
	if ok {
		l.push(id)
	}
	return ok
}

// references builds the reference of each policy that has one.
var references = map[string]func(baseline.Config) *reference{
	"fifo":     referFIFO,
	"lru":      referLRU,
	"clock":    referClock,
	"sieve":    referSieve,
	"lfu":      referLFU,
	"gdsf":     referGDSF,
	"2q":       referTwoQ,
	"s3fifo":   referS3FIFO,
	"arc":      referARC,
	"lecar":    referLeCaR,
	"wtinylfu": referWTinyLFU,
	"opt":      referOpt,
}
