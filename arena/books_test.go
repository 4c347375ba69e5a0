package arena

import (
	"errors"
	"fmt"
	"math"
	"reflect"
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

// checkWatches compares the open watches that every estimator counts, by cell and by bin, with
// those that the states of its world hold.
func (a *Arena) checkWatches() error {
	var f faults
	for _, p := range []*plane{a.live, a.shadow} {
		if p == nil {
			continue
		}
		for _, w := range p.worlds {
			want := map[string]open{}
			if w.guide == w {
				want = w.openByStates()
			}
			got := openByEstimator(w.estimator)
			for k, n := range want {
				f.want(got[k] == n, "world %d: %s: the estimator has %v open, the states %v", w.number, k, got[k], n)
			}
			for k, n := range got {
				f.want(want[k] == n, "world %d: %s: the estimator has %v open, the states %v", w.number, k, n, want[k])
			}
		}
	}
	return errors.Join(f...)
}

// open is a number of open watches and the sum of their starts.
type open struct{ watches, starts float64 }

func (w *world) openByStates() map[string]open {
	all := map[string]open{}
	for slot := range w.plane.units {
		s := w.state(Slot(slot))
		for _, o := range [...]strategy.Statement{s.stay, s.fill} {
			if o == strategy.NoStatement {
				continue
			}
			for _, k := range []string{fmt.Sprint("cell ", o&(1<<14-1)), fmt.Sprint("bin ", o>>14&31)} {
				n := all[k]
				all[k] = open{n.watches + 1, n.starts + float64(s.at)}
			}
		}
	}
	return all
}

// openByEstimator reads the estimator's own counts, which only its package can name.
func openByEstimator(e *strategy.Estimator) map[string]open {
	all := map[string]open{}
	v := reflect.ValueOf(e).Elem()
	field := func(name string) int {
		f, _ := v.FieldByName("bins").Type().Elem().FieldByName(name)
		return f.Index[0]
	}
	watches, starts := field("watches"), field("openStarts")
	book := func(kind string, i int, cell reflect.Value) {
		if n := (open{number(cell.Field(watches)), number(cell.Field(starts))}); n != (open{}) {
			all[fmt.Sprint(kind, i)] = n
		}
	}
	classes, bins := v.FieldByName("cells"), v.FieldByName("bins")
	for c := range classes.Len() {
		if classes.Index(c).IsNil() {
			continue
		}
		cells := classes.Index(c).Elem()
		for i := range cells.Len() {
			book("cell ", c*cells.Len()+i, cells.Index(i))
		}
	}
	for i := range bins.Len() {
		book("bin ", i, bins.Index(i))
	}
	return all
}

// number reads a count, whatever its type.
func number(v reflect.Value) float64 {
	switch {
	case v.CanFloat():
		return v.Float()
	case v.CanUint():
		return float64(v.Uint())
	}
	return float64(v.Int())
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
	r.Stale = loaded && v != c.version[r.Key]
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
