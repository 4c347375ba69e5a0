// Package seed gives tests random numbers that can be had again: the seed is logged, and
// SEED=n in the environment repeats a run.
package seed

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Random returns other random numbers in every run.
func Random(t testing.TB) *rand.Rand {
	t.Helper()
	return From(t, rand.Uint64())
}

// From returns the random numbers of a seed, unless the environment names another: for tests
// that judge by a margin.
func From(t testing.TB, seed uint64) *rand.Rand {
	t.Helper()
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
