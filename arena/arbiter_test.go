package arena

import "testing"

// TestWhoRulesFirst: aggressive in a cache of pages, conservative in one of single keys, whatever comes first; that is no
// change of rulers.
func TestWhoRulesFirst(t *testing.T) {
	for want, depths := range map[string][]uint8{"aggressive": {0, 1, 2}, "conservative": {1, 0, 0}} {
		for _, exact := range []int{0, 50} { // shadows see all, or a sample
			a, err := New(Config{Geometry: Plain(1000), Exact: exact})
			if err != nil {
				t.Fatal(err)
			}
			for i := range uint64(20_000) {
				r := Request{Key: i, Feed: i, Depth: depths[i%3]}
				a.Request(NoSlot, &r)
				if got := a.Ruling(); i == 0 && got != "conservative" {
					t.Fatalf("%s rules what is not known yet", got)
				}
			}
			if got := a.Ruling(); got != want || a.Switches != 0 {
				t.Errorf("depths %v, exact %d: %s rules after %d changes, want %s after none", depths, exact, got, a.Switches, want)
			}
		}
	}
}
