package sim

import "testing"

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
