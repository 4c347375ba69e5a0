package folio

import (
	"sync"
	"sync/atomic"

	"github.com/foliocache/folio/internal/core"
)

// journal gathers what readers were served without the core's lock, until the core is told. It
// is lossy: when readers outrun the core, what does not fit is not learned from.
type journal struct {
	stripes []stripe
	lost    atomic.Int64
	full    chan struct{} // wakes who tells the core
}

// stripe is one buffer. One goroutine alone writes to the first only, in order.
type stripe struct {
	mu    sync.Mutex
	n     int
	reads [stripeReads]core.Query
	_     [64]byte
}

const stripeReads = 512

func newJournal(stripes int) *journal {
	return &journal{stripes: make([]stripe, stripes), full: make(chan struct{}, 1)}
}

// add notes a read and reports whether there was room.
func (j *journal) add(id *identity, now int64) bool {
	for i := range j.stripes {
		s := &j.stripes[i]
		if !s.mu.TryLock() {
			continue
		}
		n := s.n
		if n < stripeReads {
			q := &s.reads[n]
			q.Key, q.Feed, q.Depth, q.Now = id.unit, id.feed, id.depth, now
			s.n++
		}
		s.mu.Unlock()
		if n == stripeReads-1 {
			j.wake()
		}
		if n < stripeReads {
			return true
		}
	}
	return false
}

func (j *journal) wake() {
	select {
	case j.full <- struct{}{}:
	default:
	}
}

// drain hands all reads over, in the order of each stripe.
func (j *journal) drain(tell func(*core.Query) bool) {
	for i := range j.stripes {
		s := &j.stripes[i]
		s.mu.Lock()
		for n := range s.reads[:s.n] {
			tell(&s.reads[n])
		}
		s.n = 0
		s.mu.Unlock()
	}
}
