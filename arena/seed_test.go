package arena

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seeded returns random numbers whose seed is logged; SEED=n in the environment repeats a run.
func seeded(t testing.TB) *rand.Rand { return seededWith(t, rand.Uint64()) }

// judgedBy returns the same random numbers in every run, for tests that judge by a margin;
// SEED=n in the environment tries others.
func judgedBy(t testing.TB) *rand.Rand { return seededWith(t, 1) }

func seededWith(t testing.TB, seed uint64) *rand.Rand {
	if text := os.Getenv("SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SEED: %v", err)
		}
		seed = n
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
