package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/foliocache/folio/sim/compare"
)

// The elements of a JUnit report that CI systems read.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Name    string       `xml:"name,attr"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitFailure `xml:"failure"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
	}
)

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	s.Cases = append(s.Cases, c)
}

// compareJUnit has a suite for every trace.
func compareJUnit(w io.Writer, r *compare.Result) error {
	all := junitSuites{Name: "simulate compare"}
	for _, t := range r.Traces {
		suite := junitSuite{Name: t.Name}
		for i := range r.Rows {
			row := &r.Rows[i]
			if row.Trace != t.Name {
				continue
			}
			text := fmt.Sprintf("%s: hit ratio %.2f %% to %.2f %%, %+.2f points (%s between %s), misses %s, origin queries %s", row.Verdict,
				100*row.From.HitRatio, 100*row.To.HitRatio, row.Points, confidence(r), interval(row), change(row.From.Misses, row.To.Misses), change(row.From.OriginQueries, row.To.OriginQueries))
			c := junitCase{Class: t.Name, Name: fmt.Sprintf("%s at %s", both(row), sizeOf(row)), Out: text}
			if r.Fails(row) {
				c.Failure = &junitFailure{text}
			}
			suite.add(c)
		}
		for _, claim := range r.Claims {
			if claim.Trace != t.Name {
				continue
			}
			c := junitCase{Class: t.Name, Name: fmt.Sprintf("%s on %s", claim.Claim, claim.Row), Out: fmt.Sprintf("found %g, wanted %g", claim.Found, claim.Wanted)}
			if !claim.Held && !claim.Warn {
				c.Failure = &junitFailure{c.Out}
			}
			suite.add(c)
		}
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
