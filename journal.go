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
	noted [len(depthNames)]int64 // hits noted on the board that the core does not know of yet, by depth
	n     int
	reads *reads
	_     [128 - 80]byte // two cache lines of its own: they are fetched in pairs
}

const stripeReads = 512

type reads [stripeReads]read

// read is what the core needs to know of one.
type read struct {
	unit  uint64
	feed  core.Tag
	now   int64
	list  uint32
	depth uint8
	noted bool // on the board: a hit
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

// add counts some hits, and notes a read that is to be told. It reports whether there was room for it.
func (j *journal) add(r read, hits int64, told bool) bool {
	s := &j.stripes[0]
	if !j.strict {
		s = j.own.Get().(*stripe)
		defer j.own.Put(s)
	}
	s.mu.Lock()
	n := s.n
	s.hits += hits
	if r.noted {
		s.noted[r.depth]++
	}
	if told && n < stripeReads {
		s.reads[n] = r
		s.n++
	}
	s.mu.Unlock()
	if told && n == stripeReads-1 {
		j.wake()
	}
	return !told || n < stripeReads
}

func (j *journal) wake() {
	select {
	case j.full <- struct{}{}:
	default:
	}
}

// drain tells a core of all hits and reads, in the order of each stripe. Not concurrently with itself.
func (j *journal) drain(c *core.Core) {
	var q core.Query
	for i := range j.stripes {
		s := &j.stripes[i]
		s.mu.Lock()
		all, n := s.reads, s.n
		s.reads, s.n = j.spare, 0
		noted := s.noted
		clear(s.noted[:])
		s.mu.Unlock()
		j.spare = all
		for depth, hits := range noted {
			c.Arena().Noted(uint8(depth), hits)
		}
		for _, r := range all[:n] {
			q.Key, q.Feed, q.Depth, q.Now, q.List = r.unit, r.feed, r.depth, r.now, r.list
			if r.noted {
				c.Overhear(&q)
			} else {
				c.Read(&q)
			}
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
