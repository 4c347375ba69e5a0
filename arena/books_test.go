package arena

import (
	"errors"
	"math"
	"testing"

	"github.com/foliocache/folio/strategy"
)

// checked fails the test if any of the arena's sums is not what a recount finds. The watches,
// which take longest, are recounted every so many steps.
func checked(t *testing.T, a *Arena, step int) {
	t.Helper()
	err := a.Check()
	if step%200 == 199 {
		err = errors.Join(err, a.checkWatches())
	}
	if err != nil {
		t.Fatalf("after step %d: %v", step, err)
	}
}

// checkWatches compares the open watches that every estimator and the calibrator count with
// those that the states of their world hold.
func (a *Arena) checkWatches() error {
	var f faults
	for _, p := range []*plane{a.live, a.shadow} {
		if p == nil {
			continue
		}
		for _, w := range p.worlds {
			cells, all := w.openByStates()
			for id := range strategy.Cell(strategy.Cells) {
				n, starts := w.estimator.Open(id)
				f.want(cells[id] == open{n, starts}, "world %d: cell %d: %d open from %v, the states say %v", w.number, id, n, starts, cells[id])
			}
			if w.calibrator != nil {
				n, starts := w.calibrator.Open()
				f.want(all == open{n, starts}, "world %d: calibrator: %d open from %v, the states say %v", w.number, n, starts, all)
			}
		}
	}
	return errors.Join(f...)
}

// open is a number of open watches and the sum of their starts.
type open struct {
	watches int
	starts  float64
}

func (w *world) openByStates() (cells map[strategy.Cell]open, all open) {
	cells = map[strategy.Cell]open{}
	for slot := range w.plane.units.Len() {
		s := w.view(Slot(slot))
		for _, c := range s.cells {
			if c == strategy.NoCell {
				continue
			}
			if c != strategy.Unestimated {
				n := cells[c]
				cells[c] = open{n.watches + 1, n.starts + float64(s.at)}
			}
			all = open{all.watches + 1, all.starts + float64(s.at)}
		}
	}
	return cells, all
}

// client drives an arena as a cache would: it keeps the version that every unit's copies are
// of, loads on a miss, and tells of reads that find an older one.
type client struct {
	arena   *Arena
	version map[uint64]int // of a key now
	filled  map[uint64]int // when it was last loaded
	hits    int
}

func newClient(t testing.TB, c Config) *client {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return &client{arena: a, version: map[uint64]int{}, filled: map[uint64]int{}}
}

func (c *client) write(key uint64) { c.version[key]++ }

// read requests a unit and loads it if need be; its size is a function of key and version.
func (c *client) read(r Request, size uint32) bool {
	slot, _ := c.arena.Find(r.Key)
	v, loaded := c.filled[r.Key]
	r.Stale, r.Version = loaded && v != c.version[r.Key], uint32(c.version[r.Key])
	if c.arena.Request(slot, r) {
		c.hits++
		return true
	}
	slot, _ = c.arena.Find(r.Key)
	c.filled[r.Key] = c.version[r.Key]
	c.arena.Fill(slot, r, size)
	return false
}

// key hashes a number.
func key(n int) uint64 { return spread(uint64(n) + math.MaxUint32) }
