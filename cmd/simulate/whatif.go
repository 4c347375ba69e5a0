package main

import (
	"context"
	"fmt"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/report"
	"github.com/foliocache/folio/sim/whatif"
)

// whatifCmd is simulate whatif.
type whatifCmd struct {
	Trace  string   `arg:"" help:"Trace to replay."`
	Output []string `name:"out" short:"o" sep:"none" placeholder:"FMT[:PATH]" help:"Output, repeatable: ${answers}. Default: table."`
	replayFlags
}

// Help is the end of simulate whatif --help.
func (c *whatifCmd) Help() string {
	return `What would be with no cache, with half or twice the memory, with LRU; of pages also with no loads ahead, with one page a load, and where writes
delete the first page of each query alone, as code does that deletes the keys it knows: how many reads then get what is outdated. All answers are there or
none: over --max-time or --max-mem, or interrupted, nothing is written.

Examples:
  simulate whatif -s 64MiB trace.folio
  simulate whatif -s 5% --seeds 3 -o table -o md:whatif.md trace.folio` + report.Answers.Help()
}

// Run answers.
func (c *whatifCmd) Run(s *streams) error {
	if len(c.Output) == 0 {
		c.Output = []string{"table"}
	}
	outs, err := outputs(c.Output, report.Answers)
	if err == nil && len(c.Size) != 1 {
		err = fmt.Errorf("%w: say one --size, that of the cache as it is", sim.ErrConfig)
	}
	if err != nil {
		return err
	}
	r := runCmd{Traces: []string{c.Trace}, Policy: []string{"folio"}, replayFlags: c.replayFlags}
	p, err := r.plan()
	if err == nil {
		err = spares(outs, p.inputs()...)
	}
	if err != nil {
		return err
	}
	var answers *whatif.Report
	if _, err := r.result(s, p, func(ctx context.Context, p *plan, _ *sim.Result) error {
		answers, err = c.answers(ctx, s, &r, p)
		return err
	}); err != nil {
		return err
	}
	return write(s, outs, answers)
}

// answers replays all scenarios.
func (c *whatifCmd) answers(ctx context.Context, s *streams, r *runCmd, p *plan) (*whatif.Report, error) {
	t, err := p.read(ctx, r, s, p.sources[0], p.sample)
	if err != nil {
		return nil, err
	}
	asked := p.sizes[0]
	half, err := asked.Times(.5).Scaled(t.Sample.Share()).Resolve(t)
	if err != nil {
		return nil, err
	}
	all := whatif.Scenarios(t, asked.Bytes && half < arena.MinFastcache)
	var jobs []sim.Job
	for _, one := range all {
		if p.policies[0], err = sim.ParsePolicy(one.Policy); err != nil {
			return nil, err
		}
		p.sizes[0] = asked.Times(one.Size)
		some, err := p.jobs(r, t, p.policies)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, some...)
	}
	answers := &whatif.Report{Schema: whatif.Schema, Tool: tool(), Trace: t.Info(), Size: asked.Text, Complete: true}
	rows, err := r.rows(ctx, s, t, jobs)
	if err != nil {
		return nil, err
	}
	for i, one := range all {
		answers.Answers = append(answers.Answers, whatif.AnswerOf(one, rows[i*c.Seeds:(i+1)*c.Seeds]))
	}
	return answers, nil
}
