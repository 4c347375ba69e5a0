package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/compare"
	"github.com/foliocache/folio/sim/report"
)

// compareCmd is simulate compare.
type compareCmd struct {
	Base string `arg:"" placeholder:"BASE" help:"What was: a result of run -o json; with --trace, a policy."`
	Head string `arg:"" placeholder:"HEAD" help:"What is to be: likewise."`

	Trace      []string `sep:"none" placeholder:"TRACE" help:"Replay this trace through two policies, repeatable."`
	Match      []string `sep:"none" placeholder:"BASE=HEAD" help:"Compare a policy of the base with one of another name of the head, repeatable."`
	FailOn     string   `enum:"regress,change,never" default:"regress" help:"Exit status 1 where a row is worse or missing (regress), where any count differs (change), or only for claims (never)."`
	Alpha      float64  `default:"0.01" help:"Probability that any row is said to be better or worse by chance alone (${default})."`
	Conclusive bool     `help:"Exit status 4 where a row is undecided."`
	Output     []string `name:"out" short:"o" sep:"none" placeholder:"FMT[:PATH]" help:"Output, repeatable: ${comparisons}. Default: table."`
	claims
	replayFlags
}

// Help is the end of simulate compare --help.
func (c *compareCmd) Help() string {
	return `On one trace and seed each count is exact: a difference is a fact. Whether it would be there on other traffic like this is judged by resampling a hundred
blocks of time, and, with --seeds, by how far the seeds are apart: a row is better, worse, undecided, or the same in all counts. Claims may
say delta.METRIC: points of a ratio (-0.1pp), else a number or a part of the base's (+0.5%). The verdict is on hits alone; stale reads where the base has none
are worse, too. A policy with other settings than in the base is compared with it where there is one of its kind on each side. Rows of the base that the head
has not fail as well.

Examples:
  simulate compare base.json head.json
  simulate compare base.json head.json -o md:comment.md -o junit:compare.xml
  simulate compare base.json head.json --match folio=folio:strategy=balanced --fail-on never
  simulate compare base.json head.json --assert 'delta.origin_queries{policy=folio} <= +0.5%' --assert 'delta.hit_ratio{class=page1} >= -0.1pp'
  simulate compare --trace trace.folio -s 64MiB --seeds 5 folio folio:widen=0` + report.Comparisons.Help()
}

// ofFiles are the flags that a comparison of two results takes; the others say how traces are replayed.
var ofFiles = []string{"match", "fail-on", "alpha", "conclusive", "out", "assert", "assert-file", "progress", "quiet", "verbose"}

// AfterApply refuses flags that would be without effect.
func (c *compareCmd) AfterApply(k *kong.Context) error {
	for _, p := range k.Path {
		switch {
		case p.Flag == nil:
		case len(c.Trace) == 0 && !slices.Contains(ofFiles, p.Flag.Name):
			return fmt.Errorf("--%s says how a trace is replayed, and two results are compared: say --trace", p.Flag.Name)
		case len(c.Trace) > 0 && p.Flag.Name == "match":
			return errors.New("--match is of two results: the two policies of --trace are compared with each other")
		}
	}
	return nil
}

// Run compares, writes and judges.
func (c *compareCmd) Run(s *streams) error {
	options, outs, assertions, err := c.parse()
	if err != nil {
		return err
	}
	base, head, err := c.sides(s, outs)
	if err != nil {
		return err
	}
	if len(c.Trace) > 0 {
		options.Match = []string{c.Base + "=" + c.Head}
	}
	result, err := compare.Compare(base, head, options)
	if err != nil {
		return err
	}
	result.Claims, err = judged(assertions, func(a sim.Assertion) ([]sim.Outcome, error) { return a.JudgePairs(result.Pairs) })
	if err != nil {
		return err
	}
	if err := write(s, outs, result); err != nil {
		return err
	}
	return c.verdict(s, result)
}

// parse reads everything that can be wrong before a file is read.
func (c *compareCmd) parse() (o compare.Options, outs []output[compare.Result], assertions []sim.Assertion, err error) {
	o = compare.Options{Match: c.Match, Alpha: c.Alpha, FailOn: compare.FailOn(c.FailOn)}
	var faults []error
	for _, text := range c.Match {
		if !strings.Contains(text, "=") {
			faults = append(faults, fmt.Errorf("%w: --match %q: want BASE=HEAD", sim.ErrConfig, text))
		}
	}
	if len(c.Trace) > 0 && c.Base == c.Head {
		faults = append(faults, fmt.Errorf("%w: %q is compared with itself", sim.ErrConfig, c.Base))
	}
	if !(c.Alpha > 0 && c.Alpha < 1) {
		faults = append(faults, fmt.Errorf("%w: --alpha %g: want a probability between 0 and 1", sim.ErrConfig, c.Alpha))
	}
	if len(c.Output) == 0 {
		c.Output = []string{"table"}
	}
	outs, err = outputs(c.Output, report.Comparisons)
	faults = append(faults, err)
	assertions, err = c.claims.parse()
	return o, outs, assertions, errors.Join(append(faults, err)...)
}

// sides returns what is to be compared: two files, or two policies that are replayed.
func (c *compareCmd) sides(s *streams, outs []output[compare.Result]) (base, head *sim.Result, err error) {
	if len(c.Trace) == 0 {
		if err := spares(outs, append(c.AssertFile, c.Base, c.Head)...); err != nil {
			return nil, nil, err
		}
		if base, err = readResult(c.Base); err == nil {
			head, err = readResult(c.Head)
		}
		return base, head, err
	}
	r := runCmd{Traces: c.Trace, Policy: []string{c.Base, c.Head}, replayFlags: c.replayFlags}
	p, err := r.plan()
	if err == nil {
		err = spares(outs, append(p.inputs(), c.AssertFile...)...)
	}
	if err != nil {
		return nil, nil, err
	}
	all, err := r.result(s, p, func(ctx context.Context, p *plan, all *sim.Result) error { return p.replay(ctx, &r, s, all) })
	if err != nil {
		return nil, nil, err
	}
	one, other := *all, *all
	one.Rows, other.Rows = nil, nil
	for _, row := range all.Rows {
		if row.Policy == c.Base {
			one.Rows = append(one.Rows, row)
		} else {
			other.Rows = append(other.Rows, row)
		}
	}
	return &one, &other, nil
}

// verdict turns what was found into the exit status.
func (c *compareCmd) verdict(s *streams, r *compare.Result) error {
	err := failures(s, r.Claims)
	if r.Lacks() {
		err = errors.Join(err, fmt.Errorf("%w: it has not %s", errRegression, r.Lacking()))
	}
	for i := range r.Rows {
		if r.Fails(&r.Rows[i]) {
			return errors.Join(err, fmt.Errorf("%w: %s at %d on %s is %s", errRegression, r.Rows[i].Head, r.Rows[i].Size, r.Rows[i].Trace, r.Rows[i].Verdict))
		}
	}
	if err == nil && c.Conclusive {
		for i := range r.Rows {
			if r.Rows[i].Verdict == compare.Undecided {
				return fmt.Errorf("%w: %s at %d on %s is undecided", errBudget, r.Rows[i].Head, r.Rows[i].Size, r.Rows[i].Trace)
			}
		}
	}
	return err
}
