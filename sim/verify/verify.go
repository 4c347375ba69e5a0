// Package verify checks the simulator against exact miss counts on which independent programs
// agree, and against properties that hold of every cache.
package verify

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

//go:embed generated.csv
var generated []byte

//go:embed miss-counts.csv
var recorded []byte

// golden is one known count.
type golden struct {
	trace, policy string
	size          int64
	misses        int64
	exact         bool
}

// specs tells how to make or find the golden traces. Recorded ones lie in a folder of the
// caller's.
var specs = map[string]string{
	"g-zipf07":   "gen:zipf?n=200000&m=20000&alpha=.7",
	"g-zipf09":   "gen:zipf?n=200000&m=20000&alpha=.9",
	"g-zipf11":   "gen:zipf?n=200000&m=20000&alpha=1.1",
	"g-loop":     "gen:loop?n=30000&m=1500",
	"g-mix":      "gen:mix?n=200000&m=5000&alpha=.9",
	"g-pages":    "gen:pages?n=200000&m=5000&alpha=.8",
	"zipf09_10m": "gen:zipf?n=10000000&m=1000000&alpha=.9",
	"arc-oltp":   "arc:OLTP.lis.zst",
	"arc-p3":     "arc:P3.lis.zst",
}

// Options says how much is checked.
type Options struct {
	Quick  bool   // the generated traces but the one of ten million requests
	Traces string // folder with OLTP.lis.zst and P3.lis.zst; empty: they are left out
	Say    func(ok bool, what string)
}

// Tolerance is the share of requests by which a count that is not exact may be off: S3-FIFO's
// definitions leave open what happens at the edges.
const Tolerance = 5e-5

// Run checks everything and reports whether all held.
func Run(ctx context.Context, o Options) (bool, error) {
	goldens, order, err := load(o)
	if err != nil {
		return false, err
	}
	for _, name := range order { // before minutes of work
		if file, ok := strings.CutPrefix(specs[name], "arc:"); ok {
			if _, err := os.Stat(filepath.Join(o.Traces, file)); err != nil {
				return false, err
			}
		}
	}
	all := true
	say := func(ok bool, format string, args ...any) {
		all = all && ok
		o.Say(ok, fmt.Sprintf(format, args...))
	}
	for _, name := range order {
		t, err := open(name, o)
		if err != nil {
			return false, err
		}
		if err := counts(ctx, t, goldens[name], say); err != nil {
			return false, err
		}
		if err := properties(ctx, t, say); err != nil {
			return false, err
		}
	}
	return all, nil
}

// load reads the embedded counts of the traces that can be made here.
func load(o Options) (map[string][]golden, []string, error) {
	goldens, order := map[string][]golden{}, []string{}
	for _, file := range [][]byte{generated, recorded} {
		lines, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
		if err != nil {
			return nil, nil, err
		}
		column := map[string]int{}
		for i, name := range lines[0] {
			column[name] = i
		}
		for _, l := range lines[1:] {
			name := l[column["trace"]]
			recordedTrace := name == "arc-oltp" || name == "arc-p3"
			if o.Quick && (recordedTrace || name == "zipf09_10m") || recordedTrace && o.Traces == "" {
				continue
			}
			g, ok := parse(l, column)
			if !ok {
				continue
			}
			if goldens[name] == nil {
				order = append(order, name)
			}
			goldens[name] = append(goldens[name], g)
		}
	}
	return goldens, order, nil
}

func parse(l []string, column map[string]int) (g golden, ok bool) {
	g = golden{trace: l[column["trace"]], policy: l[column["policy"]]}
	if g.policy == "belady" || g.policy == "min" {
		g.policy = "opt"
	}
	g.exact = l[column["agreement"]] == "exact"
	g.size, _ = strconv.ParseInt(l[column["size"]], 10, 64)
	g.misses, _ = strconv.ParseInt(l[column["misses"]], 10, 64)
	return g, g.exact || g.policy == "s3fifo"
}

func open(name string, o Options) (*sim.Trace, error) {
	spec, ok := specs[name]
	if !ok {
		return nil, fmt.Errorf("verify: no trace %q", name)
	}
	if file, ok := strings.CutPrefix(spec, "arc:"); ok {
		spec = "arc:" + filepath.Join(o.Traces, file)
	}
	s, err := workloads.Open(spec)
	if err != nil {
		return nil, err
	}
	t, err := sim.Decode(s)
	if err == nil {
		t.Name = name
	}
	return t, err
}

// counts replays every known policy and size and compares misses.
func counts(ctx context.Context, t *sim.Trace, goldens []golden, say func(bool, string, ...any)) error {
	var jobs []sim.Job
	for _, g := range goldens {
		p, err := sim.ParsePolicy(g.policy)
		if err != nil {
			return err
		}
		size, err := sim.ParseSize(strconv.FormatInt(g.size, 10))
		if err != nil {
			return err
		}
		jobs = append(jobs, sim.Job{Trace: t, Policy: p, Size: size, Seed: 1})
	}
	rows, err := sim.Run(ctx, jobs, 2, nil)
	if err != nil {
		return err
	}
	wrong, exact := 0, 0
	for i, g := range goldens {
		off := rows[i].Misses - g.misses
		if g.exact {
			exact++
		}
		if g.exact && g.policy != "s3fifo" && off != 0 || float64(max(off, -off)) > max(2, Tolerance*float64(rows[i].Requests)) {
			wrong++
			say(false, "%s: %s at %d: %d misses, want %d", t.Name, g.policy, g.size, rows[i].Misses, g.misses)
		}
	}
	say(wrong == 0, "%s: %d of %d golden miss counts (%d exact)", t.Name, len(goldens)-wrong, len(goldens), exact)
	return nil
}
