package sim

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foliocache/folio/sim/baseline"
)

// Job is one run: a policy at a size on a trace.
type Job struct {
	Trace  *Trace
	Policy Policy
	Size   Size
	Seed   uint64
	Warmup float64       // share of the requests, 0..1, that are replayed but not counted
	TTL    time.Duration // time to live of every copy, from the start of its load on; 0: for ever
	Untold float64       // share of the writes, 0..1, that no cache is told of
	Of     int64         // what the row says the size is: that of the whole, where the trace is a sample of it; 0: the size
}

// Run runs jobs on so many workers and returns their rows in the order of the jobs: the same
// for every number of workers. done, if not nil, is told from several goroutines how many
// requests were replayed. A cancelled context ends it with the rows finished so far.
func Run(ctx context.Context, jobs []Job, workers int, done func(requests int)) ([]Row, error) {
	rows := make([]*Row, len(jobs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, workers))
	var failed atomic.Bool
	for i := range jobs {
		g.Go(func() error {
			if failed.Load() || ctx.Err() != nil {
				return ctx.Err()
			}
			row, err := jobs[i].run(ctx, done)
			if err != nil {
				failed.Store(true)
				return err
			}
			rows[i] = row
			return nil
		})
	}
	err := g.Wait()
	finished := make([]Row, 0, len(rows))
	for _, r := range rows {
		if r != nil {
			finished = append(finished, *r)
		}
	}
	return finished, err
}

// Check reports what is wrong with a job without running it.
func (j Job) Check() error {
	_, _, err := j.cache()
	return err
}

func (j Job) run(ctx context.Context, done func(int)) (row *Row, err error) {
	defer func() { // a panic in a worker would end the process with a status that means something else
		if p := recover(); p != nil {
			row, err = nil, fmt.Errorf("sim: %s at %s on %s: panic: %v\n%s", j.Policy.Text, j.Size.Text, j.Trace.Name, p, debug.Stack())
		}
	}()
	c, capacity, err := j.cache()
	if err != nil {
		return nil, err
	}
	w := j.wide()
	p := &replay{trace: j.Trace, cache: c, checker: newChecker(j.Trace, j.Trace.stored(w), j.TTL), wide: w, bytes: j.Size.Bytes,
		warmup: int(j.Warmup * float64(len(j.Trace.ids))), untold: below(j.Untold), partly: j.Policy.Params["invalidate"] == "first"}
	p.row = Row{Trace: j.Trace.Name, Policy: j.Policy.Text, Size: capacity, SizeUnit: "objects", Seed: j.Seed, TTLSeconds: j.TTL.Seconds(), Untold: j.Untold, SizeText: j.Size.Text}
	if j.Size.Bytes {
		p.row.SizeUnit = "bytes"
	}
	if j.Of > 0 {
		p.row.Size, p.row.Sample = j.Of, j.Trace.Sample.Text
	}
	if err := p.run(ctx, done); err != nil {
		return nil, err
	}
	return &p.row, nil
}

// cache builds the job's cache and resolves its size.
func (j Job) cache() (cache, int64, error) {
	capacity, err := j.Size.Resolve(j.Trace)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case j.TTL < 0 || j.TTL > 0 && j.TTL < time.Millisecond:
		return nil, 0, fmt.Errorf("%w: a time to live of %s: traces count milliseconds", ErrConfig, j.TTL)
	case j.Untold < 0 || j.Untold > 1:
		return nil, 0, fmt.Errorf("%w: a share of %g of the writes: want 0 to 1", ErrConfig, j.Untold)
	case j.TTL > 0 && j.Trace.times == nil:
		return nil, 0, fmt.Errorf("%w: a time to live needs a clock, and %s has none", ErrConfig, j.Trace.Name)
	case j.Policy.widen > 0 && j.Trace.places == nil && j.Policy.Params[Widen.Name] != learned:
		return nil, 0, fmt.Errorf("%w: policy %q: %s has no pages to widen a load by", ErrConfig, j.Policy.Text, j.Trace.Name)
	}
	if j.Policy.info == nil {
		c, err := newOurs(j, capacity)
		return c, capacity, err
	}
	config := baseline.Config{Capacity: capacity, IDs: j.Trace.stored(j.wide()), Seed: j.Seed, Params: j.Policy.Params}
	if j.Policy.info.Kind == "future" {
		config.Next, config.First = j.Trace.future()
	}
	b, err := j.Policy.info.New(config)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: policy %q: %w", ErrConfig, j.Policy.Text, err)
	}
	return newRival(b, j), capacity, nil
}

// below returns the bound below which a share of all hashes are.
func below(share float64) uint64 {
	if share >= 1 {
		return math.MaxUint64
	}
	return uint64(share*(1<<63)) * 2
}

// wide returns which pages the job's loads bring along; nil: none.
func (j Job) wide() *wide {
	switch {
	case j.Policy.widen == 0 || j.Trace.places == nil:
		return nil
	case j.Policy.info == nil: // and the page that the last one is followed by
		return j.Trace.widened(j.Policy.widen + 1)
	}
	return j.Trace.widened(j.Policy.widen)
}
