package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/report"
	"github.com/foliocache/folio/slo"
	"github.com/foliocache/folio/workloads"
)

// claims are assertions as flags.
type claims struct {
	Assert     []string `sep:"none" placeholder:"EXPR" help:"Claim to judge, repeatable: hit_ratio{policy=folio,size=5%} >= 0.42. A failed one makes the exit status 1."`
	AssertFile []string `sep:"none" placeholder:"FILE" help:"File of claims, one a line, repeatable; # begins a comment line."`
}

// parse reads all claims, those of the files behind the others.
func (c *claims) parse() ([]sim.Assertion, error) {
	var ofFiles []sim.Assertion
	for _, path := range c.AssertFile {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(strings.TrimPrefix(string(b), "\ufeff"), "\n") { // without the mark that editors put first
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			one, err := sim.ParseAssertion(line)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
			}
			ofFiles = append(ofFiles, one)
		}
	}
	all, err := each(c.Assert, sim.ParseAssertion)
	return slices.DeleteFunc(append(all, ofFiles...), func(a sim.Assertion) bool { return a.Off }), err
}

// checkCmd is simulate check.
type checkCmd struct {
	Result string `arg:"" placeholder:"RESULT" help:"Result that run or mrc wrote with -o json; - is stdin."`
	claims
	SLO string   `name:"slo" type:"path" placeholder:"FILE" help:"Objectives, as a server's configuration has them; each row is checked. A violated one makes the exit status 1."`
	Out []string `short:"o" sep:"none" placeholder:"FMT[:PATH]" help:"The result, and in json, md, junit and html what became of the claims, repeatable: ${outputs}. Default: a line for each claim that held."`
}

// Help is the end of simulate check --help.
func (c *checkCmd) Help() string {
	return `A claim is [warn:|off:]METRIC{SELECTOR} OP VALUE: one that fails is an error, a warning, or not looked at. METRIC is a number of the result's rows (hit_ratio, misses, origin_queries, folio.switches); SELECTOR
picks rows by policy, size, trace, seed, and a depth class by class=page1; OP is one of >= <= == != < >; VALUE is a number, a share such as 42%, or another
METRIC{SELECTOR}, of the same trace, size and seed. A claim that picks no row is an error.

Examples:
  simulate check result.json --assert 'hit_ratio{policy=folio,size=5%} >= 0.42'
  simulate check result.json --assert 'misses{policy=folio} <= misses{policy=s3fifo}' --assert 'warn:stale_served == 0'
  simulate check result.json --assert-file claims.txt -o junit:claims.xml`
}

// Run judges a result.
func (c *checkCmd) Run(s *streams) error {
	assertions, err := c.parse()
	if err != nil {
		return err
	}
	objectives, err := readObjectives(c.SLO)
	if err != nil {
		return err
	}
	if len(assertions) == 0 && objectives == nil {
		return usageError{fmt.Errorf("nothing to check: say --assert EXPR, --assert-file FILE or --slo FILE")}
	}
	outs, err := outputs(c.Out, report.Runs)
	if err == nil {
		err = spares(outs, append(c.AssertFile, c.Result, c.SLO)...)
	}
	if err != nil {
		return err
	}
	result, err := readResult(c.Result)
	if err != nil {
		return err
	}
	if len(assertions) > 0 {
		if err := judge(result, assertions); err != nil {
			return err
		}
	}
	for _, o := range result.Claims {
		if o.Held && len(outs) == 0 {
			fmt.Fprintf(s.stdout, "held: %s on %s %s: %g\n", o.Claim, o.Trace, o.Row, o.Found)
		}
	}
	if err := write(s, outs, result); err != nil {
		return err
	}
	if err := violations(s, objectives, result); err != nil {
		return errors.Join(err, failures(s, result.Claims))
	}
	return failures(s, result.Claims)
}

// readObjectives reads a file of objectives; none without a path.
func readObjectives(path string) (*slo.Objectives, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	o, err := slo.Read(f)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", path, err)}
	}
	return o, nil
}

// violations tells which rows of a result are outside the objectives.
func violations(s *streams, o *slo.Objectives, result *sim.Result) error {
	if o == nil {
		return nil
	}
	n := 0
	for i := range result.Rows {
		row := &result.Rows[i]
		place := row.Trace + " " + row.Name() + " " + row.SizeText
		if row.Seed != result.Rows[0].Seed || row.Seed != result.Rows[len(result.Rows)-1].Seed {
			place += fmt.Sprintf(" seed %d", row.Seed)
		}
		all := o.Check(measured(row))
		for _, v := range all {
			fmt.Fprintf(s.stderr, "violated: %s: %s\n", place, v)
		}
		if n += len(all); len(all) == 0 {
			fmt.Fprintf(s.stdout, "held: all objectives on %s\n", place)
		}
	}
	if n > 0 {
		return errFailed
	}
	return nil
}

// measured is what objectives are checked against, of a replay: its loads wait on the virtual clock, its hits take no
// time at all.
func measured(row *sim.Row) slo.Measured {
	m := slo.Measured{}
	ratio := func(metric slo.Metric, part, of int64) {
		if of > 0 {
			m[metric] = float64(part) / float64(of)
		}
	}
	ratio(slo.HitRatio, row.Hits, row.Requests)
	if row.Curve {
		return m
	}
	ratio(slo.OriginRate, row.OriginQueries, row.Requests)
	ratio(slo.EvictionRate, row.Evicted, row.Admitted)
	ratio(slo.StaleRatio, row.StaleServed, row.Requests)
	if row.Latency != nil {
		m[slo.MissP50], m[slo.MissP99] = row.Latency.P50/1e3, row.Latency.P99/1e3
	}
	return m
}

// readResult reads a result's file, or stdin.
func readResult(path string) (*sim.Result, error) {
	in, name := io.Reader(os.Stdin), "stdin"
	if path != stdoutPath {
		f, err := os.Open(path)
		if err != nil {
			return nil, &workloads.Error{Path: path, Err: err}
		}
		defer f.Close()
		in, name = f, path
	}
	return sim.ReadResult(name, in)
}
