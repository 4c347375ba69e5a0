package strategy

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seeded returns random numbers whose seed is logged; SEED=n in the environment repeats a run.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
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
