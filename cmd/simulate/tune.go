package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/report"
	"github.com/foliocache/folio/sim/tune"
	"github.com/foliocache/folio/workloads"
)

// tuneCmd is simulate tune.
type tuneCmd struct {
	Trace string `arg:"" help:"Trace that was recorded."`

	Only     []string `placeholder:"KNOB" help:"Search these knobs alone: rule, widening, ahead, ttl, promise. Default: all that the trace has a use for."`
	MoreTime float64  `name:"more-origin-time" default:"2" placeholder:"PERCENT" help:"How much more of the origin's time settings may take than the defaults, in percent of it (${default})."`
	MaxStale float64  `default:"0.01" placeholder:"SHARE" help:"Share of the reads, 0 to 1, that may be stale by writes that nobody is told of: with --untold (${default})."`
	Alpha    float64  `default:"0.01" help:"Probability that the gain is called better or worse by chance alone (${default})."`
	State    string   `placeholder:"FILE" help:"Keep what was replayed in this file, and take from it what is there: a search that was ended goes on."`
	Output   []string `name:"out" short:"o" sep:"none" placeholder:"FMT[:PATH]" help:"Output, repeatable: ${searches}. Default: table."`
	replayFlags
}

// Help is the end of simulate tune --help.
func (c *tuneCmd) Help() string {
	return `What is searched: who rules (each strategy alone, with other thresholds, other arbiters), whether loads bring further pages, loads ahead and their
budget; with --untold the time to live, and MaxStale as a promise. The hit ratio counts, within what the origin may be asked more. The first 70 % of the
trace choose, the rest of it judges: where the gain does not hold there, the defaults are recommended. With --max-time the best found by then is.

Examples:
  simulate tune -s 64MiB trace.folio
  simulate tune -s 5% --max-time 10m --state tune.state -o table -o json:tuned.json trace.folio
  simulate tune -s 64MiB --untold 1 --max-stale 0.02 trace.folio` + report.Searches.Help()
}

// Run searches.
func (c *tuneCmd) Run(s *streams) error {
	if len(c.Output) == 0 {
		c.Output = []string{"table"}
	}
	outs, err := outputs(c.Output, report.Searches)
	if err == nil && (len(c.Size) != 1 || c.Sample != "") {
		err = fmt.Errorf("%w: one --size is tuned for, and no --sample", sim.ErrConfig)
	}
	if err == nil && !(c.Alpha > 0 && c.Alpha < 1 && c.MaxStale >= 0 && c.MaxStale <= 1 && c.MoreTime >= 0 && c.MaxTime >= 0) {
		err = fmt.Errorf("%w: --alpha, --max-stale, --more-origin-time or --max-time is out of its range", sim.ErrConfig)
	}
	if err != nil {
		return err
	}
	r := runCmd{Traces: []string{c.Trace}, Policy: []string{"folio"}, replayFlags: c.replayFlags}
	r.MaxTime = 0 // it ends well
	p, err := r.plan()
	if err == nil {
		err = spares(outs, p.inputs()...)
	}
	if err != nil {
		return err
	}
	var found *tune.Found
	if _, err := r.result(s, p, func(ctx context.Context, p *plan, _ *sim.Result) error {
		found, err = c.search(ctx, s, &r, p)
		return err
	}); err != nil {
		return err
	}
	return write(s, outs, found)
}

// search finds the best settings of a plan for one trace and size.
func (c *tuneCmd) search(ctx context.Context, s *streams, r *runCmd, p *plan) (*tune.Found, error) {
	t := &tuner{runCmd: r, plan: p, s: s, began: time.Now(), budget: c.MaxTime, known: map[string]sim.Row{}, of: tool().Version + " " + c.Trace}
	whole, err := p.read(ctx, r, s, p.sources[0], sim.Sample{})
	if err != nil {
		return nil, err
	}
	if t.traces, err = t.samples(ctx, whole); err != nil {
		return nil, err
	}
	if t.warmup, err = p.warmup.share(whole.Requests()); err != nil {
		return nil, err
	}
	if err := t.remember(c.State); err != nil {
		return nil, err
	}
	knobs, err := tune.Knobs(whole, c.Only, c.Untold, c.MaxStale)
	if err != nil {
		return nil, err
	}
	found, err := tune.Search(ctx, tune.Options{Knobs: knobs, Levels: len(t.traces), Seeds: max(3, c.Seeds), Alpha: c.Alpha,
		Limits: tune.Limits{Origin: c.MoreTime / 100, Stale: c.MaxStale}, Replay: t.replay})
	if t.log != nil {
		err = errors.Join(err, t.log.Close())
	}
	if err != nil {
		return nil, err
	}
	found.Tool, found.Trace, found.Size = tool(), whole.Info(), p.sizes[0].Text
	found.Config, found.List, err = configOf(found, p.sizes[0], whole, c.TTL)
	return found, err
}

// tuner replays what a search wants replayed.
type tuner struct {
	*runCmd
	plan   *plan
	s      *streams
	traces []*sim.Trace // by level
	warmup float64
	began  time.Time
	budget time.Duration // 0: none
	speed  float64       // requests a second, of all workers together; 0 before it is known

	known map[string]sim.Row // what was replayed, by its job
	of    string             // version of the tool, and trace as it is called, options included
	log   *os.File           // where it is kept; nil: nowhere
}

// leastSample is how many requests a sample should have.
const leastSample = 50_000

// samples returns the traces of all levels, each four times the one before.
func (t *tuner) samples(ctx context.Context, whole *sim.Trace) ([]*sim.Trace, error) {
	all := []*sim.Trace{whole}
	for one := 4; one <= 16 && whole.Requests()/one >= leastSample; one *= 4 {
		sample, err := sim.ParseSample("1/" + strconv.Itoa(one))
		if err != nil {
			return nil, err
		}
		part, err := t.plan.read(ctx, t.runCmd, t.s, t.plan.sources[0], sample)
		if err != nil {
			return nil, err
		}
		all = append([]*sim.Trace{part}, all...)
	}
	return all, nil
}

// replay returns the rows of some candidates, or, once there is no time, none.
func (t *tuner) replay(ctx context.Context, level, seed int, all []tune.Candidate) ([]sim.Row, error) {
	trace := t.traces[level]
	var jobs []sim.Job
	for _, c := range all {
		j, err := t.job(trace, level, c, t.Seed+uint64(seed))
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	missing := slices.DeleteFunc(slices.Clone(jobs), func(j sim.Job) bool { _, ok := t.known[t.name(j)]; return ok })
	for some := range slices.Chunk(missing, 2*t.jobs()) { // what is finished is kept
		if err := t.run(ctx, trace, some); err != nil {
			return nil, err
		}
	}
	var rows []sim.Row
	for _, j := range jobs {
		row, ok := t.known[t.name(j)]
		if !ok {
			return nil, nil // there was no time
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// job is a candidate's on a trace.
func (t *tuner) job(trace *sim.Trace, level int, c tune.Candidate, seed uint64) (j sim.Job, err error) {
	life := cmp.Or(c.TTL(), t.TTL.String())
	size := t.plan.sizes[0]
	if size.Bytes && level < len(t.traces)-1 { // on the heap: a sample's steps of 32 MiB are not those of the whole
		c = append(slices.Clip(c), tune.Set{Value: "geometry=plain"})
	}
	j = sim.Job{Trace: trace, Size: size.Scaled(trace.Sample.Share()), Seed: seed, Warmup: t.warmup, Untold: t.Untold}
	if j.Policy, err = sim.ParsePolicy(c.Policy()); err != nil {
		return j, err
	}
	if j.TTL, err = time.ParseDuration(life); err != nil {
		return j, err
	}
	return j, j.Check()
}

// name is what a job's row is known by.
func (t *tuner) name(j sim.Job) string {
	return fmt.Sprint(t.of, " ", j.Trace.SHA256, " ", j.Trace.Name, " ", j.Policy.Text, " ", j.Size.Text, " ", j.Seed, " ", j.Warmup, " ", j.TTL, " ", j.Untold)
}

// run runs jobs as far as there is time, and keeps their rows.
func (t *tuner) run(ctx context.Context, trace *sim.Trace, jobs []sim.Job) error {
	work := float64(len(jobs)) * float64(trace.Requests())
	began := time.Now()
	running := ctx
	if t.budget > 0 {
		left := t.budget - time.Since(t.began)
		if t.speed > 0 && work/t.speed > left.Seconds() {
			return nil
		}
		var stop context.CancelFunc
		running, stop = context.WithTimeout(ctx, left)
		defer stop()
	}
	rows, err := t.rows(running, t.s, trace, jobs)
	if ctx.Err() == nil && running.Err() != nil {
		return nil // there was no time
	}
	if err != nil {
		return err
	}
	t.speed = work / time.Since(began).Seconds()
	for i, row := range rows {
		t.known[t.name(jobs[i])] = row
		if t.log != nil {
			if err := json.NewEncoder(t.log).Encode(kept{t.name(jobs[i]), row}); err != nil {
				return fmt.Errorf("%w: %w", errOutput, err)
			}
		}
	}
	return nil
}

// kept is a line of the state's file.
type kept struct {
	Job string  `json:"job"`
	Row sim.Row `json:"row"`
}

// remember reads a state's file, and opens it for more. A last line that was cut is left out.
func (t *tuner) remember(path string) error {
	if path == "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	whole := 0
	for line := range strings.Lines(string(b)) {
		var k kept
		if !strings.HasSuffix(line, "\n") {
			break
		}
		if err := json.Unmarshal([]byte(line), &k); err != nil || k.Job == "" {
			return &workloads.Error{Path: path, Err: errors.Join(errors.New("this is no state of a search"), err)}
		}
		whole += len(line)
		t.known[k.Job] = k.Row
	}
	if t.log, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
		err = errors.Join(t.log.Truncate(int64(whole)), seekEnd(t.log))
	}
	if err != nil {
		return fmt.Errorf("%w %s: %w", errOutput, path, err)
	}
	return nil
}

func seekEnd(f *os.File) error { _, err := f.Seek(0, io.SeekEnd); return err }

// config and list are the fields of folio.Config and folio.ListConfig that a search sets.
type (
	config struct {
		MaxBytes   int64   `json:",omitempty"`
		OnHeap     bool    `json:",omitempty"`
		MaxEntries int     `json:",omitempty"`
		MeanBytes  int     `json:",omitempty"`
		Strategy   string  `json:",omitempty"`
		Arbiter    string  `json:",omitempty"`
		WarmBudget float64 `json:",omitempty"`
	}
	list struct {
		TTL      time.Duration `json:",omitempty"`
		MaxAhead int           `json:",omitempty"`
		MaxStale float64       `json:",omitempty"`
	}
)

const (
	booksOf   = 560          // bytes that the books of an entry take at most: folio.Config divides MaxBytes by it
	slack     = 1.03         // times MaxBytes that it divides
	usualKept = 4096 * 3 / 5 // bytes of an entry that is kept, where the trace does not tell: folio.Config.MeanBytes' default
)

// configOf returns what folio.New and folio.NewList take for the best settings, and the time to live that they were judged with:
// a cache that has as much room for values, of the trace's mean size or else of the usual one.
func configOf(f *tune.Found, size sim.Size, t *sim.Trace, ttl time.Duration) (c config, l list, err error) {
	n, err := size.Resolve(t)
	if err != nil {
		return c, l, err
	}
	stored := int64(usualKept)
	if t.Bytes() > 0 {
		stored = t.Bytes() / int64(t.Units())
		c.MeanBytes = int(stored * 5 / 3)
	}
	stored += arena.HeapHeader
	l.TTL = ttl
	if !size.Bytes {
		c.MaxEntries, n = int(max(32, n)), n*stored
	}
	if c.MaxBytes = max(n, int64(float64(n)*(1+booksOf/float64(stored))/slack)); c.MaxBytes < arena.MinFastcache {
		c.OnHeap, c.MaxBytes = true, max(1<<20, c.MaxBytes)
	} else if c.MaxEntries > 0 {
		c.MaxEntries = max(1024, c.MaxEntries)
	}
	for _, s := range f.Best {
		for kv := range strings.SplitSeq(s.Value, ",") {
			k, v, _ := strings.Cut(kv, "=")
			var err error
			switch k {
			case "strategy":
				c.Strategy = v
			case "arbiter":
				c.Arbiter = v
			case "widen":
				l.MaxAhead = -1
			case "budget":
				c.WarmBudget, err = strconv.ParseFloat(v, 64)
			case "prewarm", "rewarm": // none without the other
				c.WarmBudget = -1
			case "maxstale":
				l.MaxStale, err = strconv.ParseFloat(v, 64)
			case "ttl":
				l.TTL, err = time.ParseDuration(v)
			default:
				err = fmt.Errorf("tune: no field of folio.Config for %s", kv)
			}
			if err != nil {
				return c, l, err
			}
		}
	}
	return c, l, nil
}
