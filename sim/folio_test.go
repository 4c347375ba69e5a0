package sim

import (
	"testing"

	"github.com/foliocache/folio/internal/seed"
)

// TestDeletingTheKeysOneKnowsLeavesTheRest: a write outdates all pages of its feed, or, as code does that deletes the first
// page of each query, that one: the next page is served as it was, and the checker sees it.
func TestDeletingTheKeysOneKnowsLeavesTheRest(t *testing.T) {
	trace := decoded(pageRead(0, 1, 10), pageRead(100, 2, 10), write(200), pageRead(300, 1, 10), pageRead(400, 2, 10))
	for how, want := range map[string][2]int64{"group": {0, 0}, "first": {1, 1}} {
		row := runOne(t, trace, "folio:prewarm=false,rewarm=false,widen=0,invalidate="+how, "100")
		if got := [2]int64{row.Hits, row.StaleServed}; got != want {
			t.Errorf("%s: %d hits and stale ones, want %d", how, got, want)
		}
	}
}

// TestWhoRuledIsKnownOfEachPart: all reads of a part are somebody's, and a strategy alone rules all of them.
func TestWhoRuledIsKnownOfEachPart(t *testing.T) {
	trace := randomTrace(seed.Random(t), 20_000, true)
	for _, p := range []string{"folio", "folio:strategy=balanced"} {
		row := runOne(t, trace, p, "200")
		for part, reads := range row.Parts.Requests {
			ruled := int64(0)
			for _, parts := range row.Folio.RuledParts {
				ruled += parts[part]
			}
			if ruled != reads {
				t.Fatalf("%s: of the %d reads of part %d %d are ruled", p, reads, part, ruled)
			}
		}
		for name, s := range row.Folio.Strategies {
			sum := int64(0)
			for _, n := range row.Folio.RuledParts[name] {
				sum += n
			}
			if sum != s.Ruled {
				t.Errorf("%s: %s ruled %d reads, %d by parts", p, name, s.Ruled, sum)
			}
		}
	}
}
