package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/foliocache/folio/sim"
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

// require adds a suite of one test that failed.
func (s *junitSuites) require(suite, what, why string) {
	one := junitSuite{Name: suite}
	one.add(junitCase{Class: suite, Name: what, Failure: &junitFailure{why}})
	s.Suites = append(s.Suites, one)
}

// claims adds the claims about rows of a trace.
func (s *junitSuite) claims(all []sim.Outcome, trace string) {
	for _, claim := range all {
		if claim.Trace != trace {
			continue
		}
		c := junitCase{Class: trace, Name: fmt.Sprintf("%s on %s", claim.Claim, claim.Row), Out: fmt.Sprintf("found %g, wanted %g", claim.Found, claim.Wanted)}
		if outcome(claim) == "failed" {
			c.Failure = &junitFailure{c.Out}
		}
		s.add(c)
	}
}

// runJUnit has a suite for every trace. A row is a test that passes: what may fail are claims.
func runJUnit(w io.Writer, r *sim.Result) error {
	all := junitSuites{Name: "simulate"}
	if !r.Complete {
		all.require("the run", "everything was replayed", early)
	}
	for _, t := range r.Traces {
		suite := junitSuite{Name: t.Name}
		for i := range r.Rows {
			if row := &r.Rows[i]; row.Trace == t.Name {
				suite.add(junitCase{Class: t.Name, Name: fmt.Sprintf("%s at %s, seed %d", row.Name(), sizeText(*row), row.Seed),
					Out: fmt.Sprintf("hit ratio %.2f %%, %d misses of %d, %d origin queries", 100*row.HitRatio, row.Misses, row.Requests, row.OriginQueries)})
			}
		}
		suite.claims(r.Claims, t.Name)
		all.Suites = append(all.Suites, suite)
	}
	return all.write(w)
}

// compareJUnit has a suite for every trace.
func compareJUnit(w io.Writer, r *compare.Result) error {
	all := junitSuites{Name: "simulate compare"}
	if r.Lacks() {
		all.require("the head", "it has every row of the base", "missing: "+r.Lacking())
	}
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
		suite.claims(r.Claims, t.Name)
		all.Suites = append(all.Suites, suite)
	}
	return all.write(w)
}

func (s *junitSuites) write(w io.Writer) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
