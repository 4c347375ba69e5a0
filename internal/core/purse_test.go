package core

import "testing"

// TestWhatLoadsAheadCostIsLearnedFromWhatIsKnown: each costs 1.8 loads here, so that one that is wanted surely is worth it.
func TestWhatLoadsAheadCostIsLearnedFromWhatIsKnown(t *testing.T) {
	of := func(value float64) mean { return mean{n: 100, sum: 100 * value, squares: 100 * value * value} }
	for _, test := range []struct {
		name       string
		vain       int
		probes     float64
		wanted     float64
		known      bool
		beside     float64 // what loads take beside one
		begun      bool
		vainBehind int
	}{
		{"surely wanted", 3, 0, 1, true, 1.4, true, 0},
		{"perhaps wanted", 3, 0, 1, false, 1.4, false, 3},
		{"perhaps wanted, for a probe", 3, 1, 1, false, 1.4, true, 4},
		{"perhaps wanted, and no harm is known of", 0, 0, 1, false, 1.4, true, 0},
		{"hardly wanted", 3, 0, .6, true, 1.4, false, 3},
		{"hardly wanted, for a probe", 3, 1, .6, true, 1.4, true, 4},
		{"hardly wanted where it does no harm", 3, 1, .4, true, 1, true, 3},
	} {
		p := purse{loads: 5, probes: test.probes, vain: test.vain, worst: 2, near: 1, expected: of(1)}
		p.took = [...]mean{Behind: of(1), Alone: of(1), Beside: of(test.beside), Unasked: of(1)}
		if begun := p.spend(test.wanted, test.known, 1); begun != test.begun || p.vain != test.vainBehind {
			t.Errorf("%s: begun %v, %d in vain", test.name, begun, p.vain)
		}
	}
}
