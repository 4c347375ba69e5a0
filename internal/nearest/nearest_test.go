package nearest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDistanceCountsInsertionsDeletionsSubstitutions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"lru", "lru", 0}, {"lrru", "lru", 1}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Distance(c.b, c.a); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestHintOffersTheNearestOrAll(t *testing.T) {
	known := []string{"fifo", "lfu", "lru", "s3fifo"}
	for given, want := range map[string]string{
		"lrru":  `; did you mean "lru"?`,
		"LRU":   `; did you mean "lru"?`,
		"lu":    `; did you mean "lfu" or "lru"?`,
		"s3fif": `; did you mean "s3fifo"?`,
		"zzzz":  " (there are: fifo lfu lru s3fifo)",
	} {
		if diff := cmp.Diff(want, Hint(given, known)); diff != "" {
			t.Errorf("Hint(%q): %s", given, diff)
		}
	}
}
