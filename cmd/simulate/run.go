package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/report"
	"github.com/foliocache/folio/workloads"
)

// runCmd is simulate run.
type runCmd struct {
	Traces []string `arg:"" optional:"" name:"trace" help:"Traces to replay."`

	Policy []string `short:"p" sep:"none" placeholder:"NAME[:k=v,…]" help:"A policy, repeatable: ${policies}. Default: ${byDefault}."`
	Config string   `short:"c" placeholder:"FILE" help:"YAML or JSON file with the long names of these flags, and trace. The command line goes first."`
	Set    []string `sep:"none" placeholder:"KEY=VALUE" help:"Override a key of the file, repeatable."`
	Out    []string `short:"o" sep:"none" placeholder:"FMT[:PATH]" help:"Output, repeatable: ${outputs}. Default: table."`
	claims
	NoTiming bool `help:"Leave the timing out of JSON, so that it is the same for every run."`
	replayFlags

	settings settings
}

// replayFlags say how traces are replayed.
type replayFlags struct {
	Size     []string      `short:"s" default:"${sizes}" placeholder:"LIST" help:"Cache sizes: objects (1000), bytes (64MiB), or a share of the distinct units (5%) or of their bytes (5%B). Default ${sizes}."`
	Warmup   string        `default:"0" placeholder:"10%|N" help:"Part of the requests that is replayed but not counted."`
	TTL      time.Duration `name:"ttl" placeholder:"DUR" help:"Time to live of every copy, from the start of its load on (5m). Default: for ever."`
	Untold   float64       `default:"0" placeholder:"SHARE" help:"Share of the writes, 0 to 1, that no cache is told of; how many reads were stale by them is in the JSON."`
	Sample   string        `placeholder:"1/N[:SALT]" help:"Replay one query in N, with all its pages and its feed's writes: one of each N that are read about as often. Sizes in objects or bytes shrink alike."`
	Seed     uint64        `default:"1" help:"Seed of everything random."`
	Seeds    int           `default:"1" help:"Run with so many seeds, 1 to 1000, from --seed on."`
	Jobs     int           `short:"j" help:"Runs side by side; default: the number of cores."`
	MaxTime  time.Duration `placeholder:"DUR" help:"Stop after so long, with what is finished; the exit status is 4. Of tune: the time to search in, which ends well."`
	MaxMem   string        `placeholder:"SIZE" help:"Stop when so much memory is in use (2GiB), with what is finished; the exit status is 4."`
	Progress string        `enum:"auto,plain,none" default:"auto" help:"Progress on stderr: auto, plain or none."`
	Quiet    bool          `short:"q" xor:"talk" help:"No progress."`
	Verbose  bool          `short:"v" xor:"talk" help:"Log each step to stderr."`

	log *slog.Logger
}

// Help is the end of simulate run --help.
func (c *runCmd) Help() string {
	return `Every trace is replayed through every policy at every size. A sampled trace is named NAME@1/N in the report.

Examples:
  simulate run -p folio -p s3fifo -p lru -s 1%,5%,20% -o table -o svg:hits.svg web12.trace.xz
  simulate run -p opt -p lru -s 1000 -o json --no-timing arc:OLTP.lis.zst
  simulate run --sample 1/64 -s 64MiB gen:tickets
  simulate run -c nightly.yaml --set seeds=5 --assert 'misses{policy=folio} <= misses{policy=s3fifo}' trace.folio` + report.Runs.Help()
}

// Run replays every trace through every policy at every size.
func (c *runCmd) Run(s *streams) error {
	return c.report(s, func(ctx context.Context, p *plan, r *sim.Result) error { return p.replay(ctx, c, s, r) })
}

// finder adds rows to a result.
type finder func(context.Context, *plan, *sim.Result) error

// report has the rows of the result found, and writes and judges what was.
func (c *runCmd) report(s *streams, find finder) error {
	plan, err := c.plan()
	if err != nil {
		return err
	}
	result, failed := c.result(s, plan, find)
	if result == nil {
		return failed
	}
	if failed == nil {
		failed = judge(result, plan.assertions)
	}
	if err := write(s, plan.outputs, result); err != nil {
		return err
	}
	return cmp.Or(failed, failures(s, result.Claims))
}

// judge adds what becomes of claims to a result.
func judge(r *sim.Result, all []sim.Assertion) (err error) {
	r.Claims, err = judged(all, func(a sim.Assertion) ([]sim.Outcome, error) { return a.Judge(r.Rows) })
	return err
}

// result has the rows of a plan found. An error with a result is that of a run that was ended early.
func (c *runCmd) result(s *streams, plan *plan, find finder) (*sim.Result, error) {
	started := time.Now()
	c.log = slog.New(slog.DiscardHandler)
	if c.Verbose {
		c.log = slog.New(slog.NewTextHandler(s.stderr, nil))
	}
	ctx, stop := c.bounded(s.ctx, plan.maxBytes)
	defer stop()
	result := &sim.Result{Schema: sim.Schema, Tool: tool(), Seed: c.Seed, Traces: []sim.TraceInfo{}, Rows: []sim.Row{}}
	failed := cause(ctx, find(ctx, plan, result))
	if failed != nil && ctx.Err() == nil {
		return nil, failed
	}
	result.Complete = failed == nil
	if !c.NoTiming {
		result.Timing = map[string]any{"wall_ms": time.Since(started).Milliseconds(), "jobs": c.jobs(), "cpu": runtime.GOARCH, "go": runtime.Version()}
	}
	return result, failed
}

// bounded returns a context that ends with errBudget over --max-time or --max-mem.
func (c *replayFlags) bounded(ctx context.Context, maxBytes int64) (context.Context, context.CancelFunc) {
	cancels := []context.CancelFunc{}
	if c.MaxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.MaxTime, fmt.Errorf("%w: --max-time %s has passed", errBudget, c.MaxTime))
		cancels = append(cancels, cancel)
	}
	if maxBytes > 0 {
		var cancel context.CancelFunc
		ctx, cancel = watchMemory(ctx, maxBytes)
		cancels = append(cancels, cancel)
	}
	return ctx, func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
}

func (c *replayFlags) jobs() int {
	if c.Jobs > 0 {
		return c.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

func (c *replayFlags) progress() string {
	if c.Quiet {
		return "none"
	}
	return c.Progress
}

// replay runs the plan trace by trace; traces are read one after the other to save memory.
func (p *plan) replay(ctx context.Context, c *runCmd, s *streams, result *sim.Result) error {
	for i, source := range p.sources {
		t, err := p.read(ctx, c, s, source, p.sample)
		if err != nil {
			return err
		}
		t.Name = distinct(t.Name, i, result.Traces)
		result.Traces = append(result.Traces, t.Info())
		jobs, err := p.jobs(c, t, p.policies)
		if err != nil {
			return err
		}
		rows, err := c.rows(ctx, s, t, jobs)
		result.Rows = append(result.Rows, rows...)
		if err != nil {
			return err
		}
	}
	return nil
}

// rows runs the jobs of a trace.
func (c *runCmd) rows(ctx context.Context, s *streams, t *sim.Trace, jobs []sim.Job) ([]sim.Row, error) {
	c.log.Info("replaying", "trace", t.Name, "reads", t.Reads(), "units", t.Units(), "runs", len(jobs), "jobs", c.jobs())
	bar := newProgress(c.progress(), s.stderr, fmt.Sprintf("replay %s", t.Name))
	bar.total(int64(len(jobs)) * int64(t.Requests()))
	rows, err := sim.Run(ctx, jobs, c.jobs(), bar.add)
	bar.end()
	c.log.Info("replayed", "trace", t.Name, "rows", len(rows))
	return rows, err
}

// read decodes a trace, or a sample of it.
func (p *plan) read(ctx context.Context, c *runCmd, s *streams, source *workloads.Source, sample sim.Sample) (*sim.Trace, error) {
	c.log.Info("reading", "trace", source.Name, "format", source.Format, "sample", sample.Text)
	bar := newProgress(c.progress(), s.stderr, fmt.Sprintf("read %s", source.Name))
	source.Progress = bar.of
	t, err := sim.DecodeSample(ctx, source, sample)
	bar.end()
	if err == nil && t.Reads() == 0 {
		err = &workloads.Error{Path: source.Name, Err: fmt.Errorf("the trace holds no read, only %d writes", t.Requests())}
	}
	return t, err
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

func (p *plan) jobs(c *runCmd, t *sim.Trace, policies []sim.Policy) ([]sim.Job, error) {
	warmup, err := p.warmup.share(t.Whole())
	if err != nil {
		return nil, err
	}
	var jobs []sim.Job
	for seed := range uint64(c.Seeds) {
		for _, size := range p.sizes {
			for _, policy := range policies {
				j := sim.Job{Trace: t, Policy: policy, Size: size.Scaled(t.Sample.Share()), Seed: c.Seed + seed, Warmup: warmup, TTL: c.TTL, Untold: c.Untold}
				if err := j.Check(); err != nil {
					return nil, err
				}
				jobs = append(jobs, j)
			}
		}
	}
	return jobs, nil
}

// judged judges all assertions.
func judged(all []sim.Assertion, judge func(sim.Assertion) ([]sim.Outcome, error)) ([]sim.Outcome, error) {
	var outcomes []sim.Outcome
	for _, a := range all {
		some, err := judge(a)
		if err != nil {
			return nil, err
		}
		outcomes = append(outcomes, some...)
	}
	return outcomes, nil
}

// failures prints what failed and returns errFailed if an assertion that counts did.
func failures(s *streams, outcomes []sim.Outcome) error {
	failed := false
	for _, o := range outcomes {
		if o.Held {
			continue
		}
		word := "FAILED"
		if o.Warn {
			word = "warning"
		}
		fmt.Fprintf(s.stderr, "%s: %s on %s %s: found %g, wanted %g\n", word, o.Claim, o.Trace, o.Row, o.Found, o.Wanted)
		failed = failed || !o.Warn
	}
	if failed {
		return errFailed
	}
	return nil
}
