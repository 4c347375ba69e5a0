package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/report"
	"github.com/foliocache/folio/workloads"
)

// runCmd is simulate run.
type runCmd struct {
	Traces []string `arg:"" name:"trace" help:"Traces to replay."`

	Policy   []string      `short:"p" sep:"none" placeholder:"NAME[:k=v,…]" help:"A policy, repeatable: ${policies}. Default: folio, each strategy alone, and the common baselines."`
	Size     []string      `short:"s" default:"1%,5%,20%" placeholder:"LIST" help:"Cache sizes: objects (1000), bytes (64MiB), or a share of the distinct units (5%) or of their bytes (5%B). Default 1%,5%,20%."`
	Warmup   string        `default:"0" placeholder:"10%|N" help:"Part of the requests that is replayed but not counted."`
	Seed     uint64        `default:"1" help:"Seed of everything random."`
	Seeds    int           `default:"1" help:"Run with so many seeds, from --seed on."`
	Jobs     int           `short:"j" help:"Runs side by side; default: the number of cores."`
	Out      []string      `short:"o" sep:"none" placeholder:"FMT[:PATH]" help:"Output, repeatable: ${outputs}. Default: table."`
	Assert   []string      `sep:"none" placeholder:"EXPR" help:"Claim to judge, repeatable: hit_ratio{policy=folio,size=5%} >= 0.42. A failed one makes the exit status 1."`
	MaxTime  time.Duration `placeholder:"DUR" help:"Stop after so long, with what is finished; the exit status is 4."`
	NoTiming bool          `help:"Leave the timing out of JSON, so that it is the same for every run."`
	Progress string        `enum:"auto,plain,none" default:"auto" help:"Progress on stderr: auto, plain or none."`
	Quiet    bool          `short:"q" help:"No progress."`
}

// Run replays every trace through every policy at every size.
func (c *runCmd) Run(s *streams) error {
	started := time.Now()
	plan, err := c.plan()
	if err != nil {
		return err
	}
	ctx := s.ctx
	if c.MaxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.MaxTime)
		defer cancel()
	}
	result := &sim.Result{Schema: sim.Schema, Tool: tool(), Seed: c.Seed, Complete: true, Traces: []sim.TraceInfo{}, Rows: []sim.Row{}}
	failed := plan.replay(ctx, c, s, result)
	if failed != nil && !stopped(failed) {
		return failed
	}
	result.Complete = failed == nil
	if !c.NoTiming {
		result.Timing = map[string]any{"wall_ms": time.Since(started).Milliseconds(), "jobs": c.jobs(), "cpu": runtime.GOARCH, "go": runtime.Version()}
	}
	if err := plan.write(s, result); err != nil {
		return err
	}
	if failed != nil {
		return cause(s.ctx, failed)
	}
	return judge(s, plan.assertions, result.Rows)
}

// stopped reports whether an error only means that a run was ended early.
func stopped(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// cause says why a run was ended.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errBudget
	}
	return err
}

func (c *runCmd) jobs() int {
	if c.Jobs > 0 {
		return c.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

// plan is a parsed command: everything that can be wrong without reading a trace is checked.
type plan struct {
	policies   []sim.Policy
	sizes      []sim.Size
	outputs    []output
	assertions []sim.Assertion
	sources    []*workloads.Source
}

type output struct {
	format report.Format
	path   string // "-": stdout
}

func (c *runCmd) plan() (*plan, error) {
	p := &plan{}
	if len(c.Policy) == 0 {
		c.Policy = defaultPolicies()
	}
	if len(c.Out) == 0 {
		c.Out = []string{"table"}
	}
	if c.Seeds < 1 || c.Jobs < 0 {
		return nil, fmt.Errorf("%w: --seeds must be at least 1 and -j at least 0", sim.ErrConfig)
	}
	var faults []error
	for _, text := range c.Policy {
		one, err := sim.ParsePolicy(text)
		p.policies, faults = append(p.policies, one), append(faults, err)
	}
	for _, text := range c.Size {
		one, err := sim.ParseSize(text)
		p.sizes, faults = append(p.sizes, one), append(faults, err)
	}
	for _, text := range c.Assert {
		one, err := sim.ParseAssertion(text)
		p.assertions, faults = append(p.assertions, one), append(faults, err)
	}
	for _, text := range c.Out {
		name, path, _ := strings.Cut(text, ":")
		f, err := report.Named(name)
		if path == "" {
			path = "-"
		}
		p.outputs, faults = append(p.outputs, output{f, path}), append(faults, err)
	}
	if _, err := warmupShare(c.Warmup, 1); err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	for _, t := range c.Traces {
		s, err := workloads.Open(t)
		if err != nil {
			return nil, err
		}
		p.sources = append(p.sources, s)
	}
	return p, nil
}

// warmupShare reads 10% or a number of requests as a share of all.
func warmupShare(text string, requests int) (float64, error) {
	s, err := 0.0, error(nil)
	if number, ok := strings.CutSuffix(text, "%"); ok {
		_, err = fmt.Sscanf(number+";", "%g;", &s)
		s /= 100
	} else {
		_, err = fmt.Sscanf(text+";", "%g;", &s)
		s /= float64(max(1, requests))
	}
	if err != nil || s < 0 {
		return 0, fmt.Errorf("%w: --warmup %q: want a number of requests or a share such as 10%%", sim.ErrConfig, text)
	}
	return min(s, 1), nil
}

// replay runs the plan trace by trace; traces are read one after the other to save memory.
func (p *plan) replay(ctx context.Context, c *runCmd, s *streams, result *sim.Result) error {
	for i, source := range p.sources {
		bar := newProgress(c.progress(), s.stderr, fmt.Sprintf("read %s", source.Name))
		source.Progress = bar.of
		t, err := sim.Decode(source)
		bar.end()
		if err != nil {
			return err
		}
		t.Name = distinct(t.Name, i, result.Traces)
		result.Traces = append(result.Traces, t.Info())
		jobs, err := p.jobs(c, t)
		if err != nil {
			return err
		}
		bar = newProgress(c.progress(), s.stderr, fmt.Sprintf("replay %s", source.Name))
		bar.total(int64(len(jobs)) * int64(t.Requests()))
		rows, err := sim.Run(ctx, jobs, c.jobs(), bar.add)
		bar.end()
		result.Rows = append(result.Rows, rows...)
		if err != nil {
			return err
		}
	}
	return nil
}

// distinct tells two traces of one name apart.
func distinct(name string, i int, before []sim.TraceInfo) string {
	for _, t := range before {
		if t.Name == name {
			return fmt.Sprintf("%s#%d", name, i+1)
		}
	}
	return name
}

func (p *plan) jobs(c *runCmd, t *sim.Trace) ([]sim.Job, error) {
	warmup, err := warmupShare(c.Warmup, t.Requests())
	if err != nil {
		return nil, err
	}
	var jobs []sim.Job
	for seed := range uint64(c.Seeds) {
		for _, size := range p.sizes {
			for _, policy := range p.policies {
				j := sim.Job{Trace: t, Policy: policy, Size: size, Seed: c.Seed + seed, Warmup: warmup}
				if err := j.Check(); err != nil {
					return nil, err
				}
				jobs = append(jobs, j)
			}
		}
	}
	return jobs, nil
}

func (c *runCmd) progress() string {
	if c.Quiet {
		return "none"
	}
	return c.Progress
}

// write writes every output; files appear whole or not at all.
func (p *plan) write(s *streams, r *sim.Result) error {
	for _, o := range p.outputs {
		if o.path == "-" {
			if err := o.format.Write(s.stdout, r); err != nil {
				return err
			}
			continue
		}
		if err := writeWhole(o.path, func(f *os.File) error { return o.format.Write(f, r) }); err != nil {
			return err
		}
	}
	return nil
}

// writeWhole writes a file beside its place and moves it there once it is complete.
func writeWhole(path string, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".simulate-*")
	if err != nil {
		return fmt.Errorf("%w: cannot write %s: %w", sim.ErrConfig, path, err)
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// judge prints what failed and returns errFailed if an assertion that counts did.
func judge(s *streams, all []sim.Assertion, rows []sim.Row) error {
	failed := false
	for _, a := range all {
		outcomes, err := a.Judge(rows)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			if o.Held {
				continue
			}
			word := "FAILED"
			if a.Warn {
				word = "warning"
			}
			fmt.Fprintf(s.stderr, "%s: %s on %s: found %g, wanted %g\n", word, a.Text, o.Row, o.Found, o.Wanted)
			failed = failed || !a.Warn
		}
	}
	if failed {
		return errFailed
	}
	return nil
}
