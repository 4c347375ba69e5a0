package core

import (
	"math"
	"testing"

	"github.com/foliocache/folio/arena"
)

// TestAFurtherPageIsDearWhereRoomIsShort: readers go on half of the time, and a further page takes three quarters of a
// load. Where pages leave because they are outdated it is brought along; where they leave for want of room it is not.
func TestAFurtherPageIsDearWhereRoomIsShort(t *testing.T) {
	for _, test := range []struct {
		units     int64
		evicted   float64
		brought   float64
		outdating bool
	}{{1 << 20, 0, 1, true}, {200, 1, 0, false}} {
		c := newCore(t, arena.Config{Geometry: arena.Plain(test.units)})
		brought := 0
		for scope := 1; scope <= 40_000; scope++ {
			first, second := pageOf(scope, 1), pageOf(scope, 2)
			c.Took(1, 1, 1, 4, Alone)
			c.Took(1, 1, 2, 7, Alone)
			if _, n := visit(t, c, first, 10); scope > 30_000 {
				brought += n
			}
			if scope%2 == 0 {
				visit(t, c, second, 10)
			}
			if test.outdating {
				invalidate(t, c, first.Feed)
				c.Fail(want(t, c, first, Load).Flight)
			}
		}
		if e := c.room.evicted; math.Abs(e-test.evicted) > .05 {
			t.Errorf("%d units: %.3f of what left was evicted, want %g", test.units, e, test.evicted)
		}
		if share := float64(brought) / 10_000; math.Abs(share-test.brought) > .1 {
			t.Errorf("%d units: %.2f further pages a load, want %g", test.units, share, test.brought)
		}
	}
}
