package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/report"
	"github.com/foliocache/folio/workloads"
)

// mostSeeds keeps a slip of the finger from planning for ever.
const mostSeeds = 1000

// plan is a parsed command: everything that can be wrong without reading a trace is checked.
type plan struct {
	policies   []sim.Policy
	sizes      []sim.Size
	sample     sim.Sample
	warmup     warmup
	outputs    []output[sim.Result]
	assertions []sim.Assertion
	sources    []*workloads.Source
	maxBytes   int64 // 0: no bound
}

// plan checks the command; it returns every fault, those of the traces only once the rest is
// fine.
func (c *runCmd) plan() (*plan, error) {
	if len(c.Policy) == 0 {
		c.Policy = defaultPolicies()
	}
	if len(c.Out) == 0 {
		c.Out = []string{"table"}
	}
	if len(c.Traces) == 0 {
		c.Traces = c.settings.traces()
	}
	p := &plan{}
	var faults [8]error
	p.policies, faults[0] = each(c.Policy, sim.ParsePolicy)
	p.sizes, faults[1] = each(c.Size, sim.ParseSize)
	p.assertions, faults[2] = c.claims.parse()
	p.outputs, faults[3] = outputs(c.Out, report.Runs)
	p.sample, faults[4] = sim.ParseSample(c.Sample)
	p.warmup, faults[5] = parseWarmup(c.Warmup)
	p.maxBytes, faults[6] = parseMaxMem(c.MaxMem)
	faults[7] = c.check()
	if err := errors.Join(faults[:]...); err != nil {
		return nil, err
	}
	named := slices.Clone(c.Policy)
	for _, policy := range c.Policy {
		if c.Sample != "" {
			named = append(named, policy+"@"+c.Sample)
		}
	}
	for _, a := range p.assertions {
		if err := a.CheckPolicies(named); err != nil {
			return nil, err
		}
	}
	var err error
	if p.sources, err = each(c.Traces, workloads.Open); err != nil {
		return nil, err
	}
	return p, spares(p.outputs, slices.Concat(p.inputs(), c.AssertFile, []string{c.Config})...)
}

// inputs are the files of the traces.
func (p *plan) inputs() (paths []string) {
	for _, s := range p.sources {
		paths = append(paths, s.Path)
	}
	return paths
}

// check judges what needs no parsing.
func (c *runCmd) check() error {
	var faults []error
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, fmt.Errorf("%w: %s", sim.ErrConfig, text))
		}
	}
	fault(c.Seeds < 1 || c.Seeds > mostSeeds, fmt.Sprintf("--seeds must be 1 to %d", mostSeeds))
	fault(c.Jobs < 0, "-j must be at least 0")
	fault(c.MaxTime < 0, "--max-time must not be negative")
	fault(len(c.Size) == 0, "no cache size given")
	fault(c.TTL < 0, "--ttl must not be negative")
	fault(!(c.Untold >= 0 && c.Untold <= 1), "--untold must be 0 to 1")
	fault(len(c.Traces) == 0, "no trace given: say simulate run TRACE…")
	return errors.Join(faults...)
}

// each parses every text and joins the faults.
func each[T any](texts []string, parse func(string) (T, error)) ([]T, error) {
	var all []T
	var faults []error
	for _, text := range texts {
		one, err := parse(text)
		all, faults = append(all, one), append(faults, err)
	}
	return all, errors.Join(faults...)
}

// warmup is the part of a trace that is not counted: so many requests, or a share.
type warmup struct {
	text  string
	count uint64
	part  float64
}

func parseWarmup(text string) (warmup, error) {
	w := warmup{text: text}
	var err error
	if number, ok := strings.CutSuffix(text, "%"); ok {
		w.part, err = strconv.ParseFloat(number, 64)
		w.part /= 100
	} else {
		w.count, err = strconv.ParseUint(text, 10, 63)
	}
	if err != nil || math.IsNaN(w.part) || w.part < 0 || w.part >= 1 {
		return w, fmt.Errorf("%w: --warmup %q: want a number of requests, or a share below 100%% such as 10%%", sim.ErrConfig, text)
	}
	return w, nil
}

// share returns the warm-up as a share of so many requests.
func (w warmup) share(requests int) (float64, error) {
	if w.count == 0 {
		return w.part, nil
	}
	if w.count >= uint64(requests) {
		return 0, fmt.Errorf("%w: --warmup %s: the trace has only %d requests", sim.ErrConfig, w.text, requests)
	}
	return float64(w.count) / float64(requests), nil
}

func parseMaxMem(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	size, err := sim.ParseSize(text)
	n, ok := size.ByteCount()
	if err != nil || !ok {
		return 0, fmt.Errorf("%w: --max-mem %q: want bytes such as 2GiB", sim.ErrConfig, text)
	}
	return n, nil
}
