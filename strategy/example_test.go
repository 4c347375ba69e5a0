package strategy_test

import (
	"fmt"
	"slices"

	"github.com/foliocache/folio/strategy"
)

// frontPage trusts what is hit early in its stay, whatever the price: a strategy is one type
// and one call.
type frontPage struct{}

func (frontPage) Decide(c strategy.Candidate) strategy.Verdict {
	if c.Moment != strategy.Fill && c.Hits > 0 || c.Confidence > .9 {
		return strategy.Admit
	}
	return strategy.Reject
}

func ExampleRegister() {
	strategy.Register("example-front-page", "admits what was hit, or surely will be", frontPage{})

	s, err := strategy.New("example-front-page")
	fmt.Println(err, slices.Contains(strategy.Names(), "example-front-page"))
	fmt.Println(s.Decide(strategy.Candidate{Moment: strategy.LeaveProbation, Confidence: .2, Hits: 1}) == strategy.Admit)
	fmt.Println(s.Decide(strategy.Candidate{Moment: strategy.LeaveProbation, Confidence: .2}) == strategy.Admit)
	// Output:
	// <nil> true
	// true
	// false
}
