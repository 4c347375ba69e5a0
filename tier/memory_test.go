package tier_test

import (
	"testing"

	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/tiertest"
)

func TestMemoryIsATier(t *testing.T) {
	for _, shards := range []int{1, 5} {
		m := tier.NewMemory(shards)
		tiertest.Run(t, func(*testing.T) tier.Tier { return m })
	}
}

func BenchmarkMemory(b *testing.B) { tiertest.Bench(b, tier.NewMemory(1)) }
