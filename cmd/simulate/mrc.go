package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// mrcCmd is simulate mrc: run at the sizes of a curve, of which lru takes all in one pass.
type mrcCmd struct {
	runCmd

	Full bool `help:"With --sample, replay the whole trace as well and tell how far the sample is off."`
}

// Help is the end of simulate mrc --help.
func (c *mrcCmd) Help() string {
	return `The curve of lru takes one pass over the trace, whatever the number of sizes. Other policies are replayed once a size, with --sample 1/N
through a sample of the trace in caches of a Nth of the size; the report names the whole size. With --ttl or --untold, lru is replayed, too; what is
found in one pass does not tell evictions and bytes, and differs from run by a little where loads take time: a page counts as asked for last when its load
begins. With --full each sampled hit ratio is followed by how far it is off, in points; claims say sample_error.

Examples:
  simulate mrc trace.folio
  simulate mrc -p lru -p folio -p s3fifo --sample 1/64 -o table -o svg:curves.svg trace.folio
  simulate mrc -p folio --sample 1/64 --full trace.folio
  simulate mrc -s 16MiB,32MiB,64MiB,128MiB,256MiB -o csv gen:tickets`
}

// Run finds the curves.
func (c *mrcCmd) Run(s *streams) error {
	if len(c.Policy) == 0 {
		c.Policy = []string{"lru"}
	}
	return c.report(s, func(ctx context.Context, p *plan, r *sim.Result) error {
		for i, source := range p.sources {
			if err := c.curves(ctx, p, s, r, source, i); err != nil {
				return err
			}
		}
		return nil
	})
}

// curves finds the rows of one trace: those of lru, those of the whole trace, and those of its sample.
func (c *mrcCmd) curves(ctx context.Context, p *plan, s *streams, r *sim.Result, source *workloads.Source, n int) error {
	onePass := func(one sim.Policy) bool { return one.Text == "lru" && c.TTL == 0 && c.Untold == 0 }
	others := slices.DeleteFunc(slices.Clone(p.policies), onePass)
	sampled := p.sample.Text != ""
	var whole *sim.Trace
	if len(others) < len(p.policies) || c.Full || !sampled {
		t, err := p.read(ctx, &c.runCmd, s, source, sim.Sample{})
		if err != nil {
			return err
		}
		whole, t.Name = t, distinct(t.Name, n, r.Traces)
		r.Traces = append(r.Traces, t.Info())
	}
	if len(others) < len(p.policies) {
		rows, err := c.lru(ctx, p, s, whole)
		if r.Rows = append(r.Rows, rows...); err != nil {
			return err
		}
	}
	if len(others) == 0 {
		return nil
	}
	if c.Full || !sampled {
		jobs, err := p.jobs(&c.runCmd, whole, others)
		if err != nil {
			return err
		}
		rows, err := c.rows(ctx, s, whole, jobs)
		if r.Rows = append(r.Rows, rows...); err != nil {
			return err
		}
	}
	if !sampled {
		return nil
	}
	return c.sampled(ctx, p, s, r, source, n, whole, others)
}

// lru finds the rows of lru, those at sizes in objects and those in bytes.
func (c *mrcCmd) lru(ctx context.Context, p *plan, s *streams, t *sim.Trace) (rows []sim.Row, err error) {
	warmup, err := p.warmup.share(t.Requests())
	if err != nil {
		return nil, err
	}
	for _, bytes := range []bool{false, true} {
		sizes := slices.DeleteFunc(slices.Clone(p.sizes), func(one sim.Size) bool { return one.Bytes != bytes })
		if len(sizes) == 0 {
			continue
		}
		bar := newProgress(c.progress(), s.stderr, fmt.Sprintf("lru of %s", t.Name))
		bar.total(int64(t.Requests()))
		some, err := sim.LRUCurve(ctx, t, sizes, warmup, bar.add)
		bar.end()
		if err != nil {
			return rows, err
		}
		rows = append(rows, some...)
	}
	var all []sim.Row
	for seed := range uint64(c.Seeds) { // on which nothing depends
		for _, row := range rows {
			row.Seed = c.Seed + seed
			all = append(all, row)
		}
	}
	return all, nil
}

// sampled finds the rows of a sample of a trace. whole is the trace, if it was read.
func (c *mrcCmd) sampled(ctx context.Context, p *plan, s *streams, r *sim.Result, source *workloads.Source, n int, whole *sim.Trace, policies []sim.Policy) error {
	t, err := p.read(ctx, &c.runCmd, s, source, p.sample)
	if err != nil {
		return err
	}
	if whole == nil {
		t.Name = distinct(t.Name, n, r.Traces)
		r.Traces = append(r.Traces, t.Info())
	} else {
		t.Name = whole.Name
	}
	jobs, err := p.jobs(&c.runCmd, t, policies)
	if err != nil {
		return err
	}
	for i := range jobs {
		size := p.sizes[i/len(policies)%len(p.sizes)]
		if jobs[i].Of, err = size.Resolve(cmp.Or(whole, t)); err != nil {
			return err
		}
		if whole == nil && size.Share() {
			jobs[i].Of = int64(math.Round(float64(jobs[i].Of) / p.sample.Share()))
		}
	}
	rows, err := c.rows(ctx, s, t, jobs)
	for i := range rows {
		for k := range r.Rows {
			if is := &r.Rows[k]; is.Sample == "" && is.Trace == rows[i].Trace && is.Policy == rows[i].Policy && is.Size == rows[i].Size && is.Seed == rows[i].Seed {
				off := rows[i].HitRatio - is.HitRatio
				rows[i].SampleError = &off
			}
		}
	}
	r.Rows = append(r.Rows, rows...)
	return err
}
