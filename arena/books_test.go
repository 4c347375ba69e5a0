package arena

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/foliocache/folio/internal/seed"
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

// checkWatches compares the open watches that the estimator and the calibrator of a world that is
// told count with those that its states hold. The other worlds watch nothing.
func (a *Arena) checkWatches() error {
	var f faults
	for _, p := range []*plane{a.live, a.shadow} {
		if p == nil {
			continue
		}
		for _, w := range p.worlds {
			if !w.learns {
				continue
			}
			var cells map[strategy.Cell]open
			var all open
			if w.calibrator != nil {
				cells, all = w.openByStates()
			}
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
	for slot := range w.plane.records.len {
		s := w.view(slot)
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
	if c.arena.Request(slot, &r) {
		c.hits++
		return true
	}
	slot, _ = c.arena.Find(r.Key)
	c.filled[r.Key] = c.version[r.Key]
	c.arena.Fill(slot, &r, size)
	return false
}

// key hashes a number.
func key(n int) uint64 { return spread(uint64(n) + math.MaxUint32) }

// TestCheckSeesABrokenChainOfFreeSlots: one that runs in a circle, and one that leads nowhere.
func TestCheckSeesABrokenChainOfFreeSlots(t *testing.T) {
	c := newClient(t, Config{Geometry: Plain(10)})
	for i := range 1000 {
		c.read(Request{Key: key(i), Feed: key(i)}, 1)
	}
	p := c.arena.live
	if err := c.arena.Check(); err != nil || p.free == NoSlot {
		t.Fatalf("no free slots, or %v", err)
	}
	first, next := p.unit(p.free), p.unit(p.free).next()
	for _, wrong := range []Slot{p.free, p.records.len} {
		first.chain(wrong)
		if c.arena.Check() == nil {
			t.Errorf("a chain that leads to %d passes", wrong)
		}
	}
	first.chain(next)
	if err := c.arena.Check(); err != nil {
		t.Error(err)
	}
}

// TestBooksTakeAHundredBytesAnID: five worlds, a fifth of the ids fit, and at first each is new,
// which takes more than recorded traces do.
func TestBooksTakeAHundredBytesAnID(t *testing.T) {
	const ids = 100_000
	z := rand.NewZipf(seed.Random(t), 1.1, 100, ids-1)
	c := newClient(t, Config{Geometry: Plain(ids / 5)})
	for i := range 4 * ids {
		k := key(i)
		if i >= ids { // each id once, then as they please
			k = key(int(z.Uint64()))
		}
		c.read(Request{Key: k, Feed: k}, 1)
	}
	if got := float64(c.arena.Memory().Metadata) / ids; got > 102 {
		t.Errorf("%.1f bytes an id", got)
	}
}
