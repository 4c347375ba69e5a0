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
	own     sync.Pool // of stripes: a processor keeps to its own
	spare   *reads    // guarded by who drains
	lost    atomic.Int64
	full    chan struct{} // wakes who tells the core
	strict  bool          // every read is told before the next: tests compare with the simulator
}

// stripe is one buffer, and the hits counted in it.
type stripe struct {
	mu    sync.Mutex
	hits  int64
	n     int
	reads *reads
	_     [128 - 32]byte // two cache lines of its own: they are fetched in pairs
}

const stripeReads = 512

type reads [stripeReads]read

// read is what the core needs to know of one.
type read struct {
	unit  uint64
	feed  core.Tag
	now   int64
	depth uint8
}

func newJournal(stripes int) *journal {
	j := &journal{stripes: make([]stripe, stripes), spare: new(reads), full: make(chan struct{}, 1)}
	for i := range j.stripes {
		j.stripes[i].reads = new(reads)
	}
	var next atomic.Uint32
	j.own.New = func() any { return &j.stripes[int(next.Add(1))%stripes] }
	return j
}

// add notes a read, and some hits, and reports whether there was room for the read.
func (j *journal) add(r read, hits int64) bool {
	s := &j.stripes[0]
	if !j.strict {
		s = j.own.Get().(*stripe)
		defer j.own.Put(s)
	}
	s.mu.Lock()
	n := s.n
	s.hits += hits
	if n < stripeReads {
		s.reads[n] = r
		s.n++
	}
	s.mu.Unlock()
	if n == stripeReads-1 {
		j.wake()
	}
	return n < stripeReads
}

func (j *journal) wake() {
	select {
	case j.full <- struct{}{}:
	default:
	}
}

// drain hands all reads over, in the order of each stripe. Not concurrently with itself.
func (j *journal) drain(tell func(*core.Query) bool) {
	var q core.Query
	for i := range j.stripes {
		s := &j.stripes[i]
		s.mu.Lock()
		all, n := s.reads, s.n
		s.reads, s.n = j.spare, 0
		s.mu.Unlock()
		j.spare = all
		for _, r := range all[:n] {
			q.Key, q.Feed, q.Depth, q.Now = r.unit, r.feed, r.depth, r.now
			tell(&q)
		}
	}
}

// hits returns all hits noted so far.
func (j *journal) hits() (sum int64) {
	for i := range j.stripes {
		s := &j.stripes[i]
		s.mu.Lock()
		sum += s.hits
		s.mu.Unlock()
	}
	return sum
}
