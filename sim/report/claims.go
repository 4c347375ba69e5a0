package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/foliocache/folio/sim"
)

// claimsHTMLText is the table of claims of both pages, and the line on top that says how many failed.
//
//go:embed claims.html
var claimsHTMLText string

var claimsFuncs = template.FuncMap{"failed": failed, "gravest": gravest, "outcome": outcome, "early": func() string { return early }}

// outcomes are what may become of a claim, the gravest first.
var outcomes = []string{"failed", "warning", "held"}

func outcome(c sim.Outcome) string {
	switch {
	case c.Held:
		return "held"
	case c.Warn:
		return "warning"
	}
	return "failed"
}

// gravest returns claims in the order of what became of them.
func gravest(all []sim.Outcome) []sim.Outcome {
	return slices.SortedStableFunc(slices.Values(all), func(a, b sim.Outcome) int {
		return slices.Index(outcomes, outcome(a)) - slices.Index(outcomes, outcome(b))
	})
}

// failed says how many claims did; empty: none.
func failed(all []sim.Outcome) string {
	n := 0
	for _, c := range all {
		if outcome(c) == "failed" {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d claims failed", n, len(all))
}

// listed is how many lines of a kind a comment takes: the others are in the JSON.
const listed = 20

// failedLines lists the claims that did not hold.
func failedLines(all []sim.Outcome) string {
	var b strings.Builder
	n := 0
	for _, c := range gravest(all) {
		if c.Held {
			continue
		}
		if n++; n <= listed {
			fmt.Fprintf(&b, "- %s: `%s` on `%s %s`: found %.6g, wanted %.6g\n", outcome(c), code(c.Claim), code(c.Trace), code(c.Row), c.Found, c.Wanted)
		}
	}
	if n > listed {
		fmt.Fprintf(&b, "- and %d more\n", n-listed)
	}
	if n > 0 {
		b.WriteString("\n")
	}
	return b.String()
}
