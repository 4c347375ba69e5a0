package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// inspectCmd is simulate inspect.
type inspectCmd struct {
	Trace    string `arg:"" help:"Trace to look into."`
	JSON     bool   `name:"json" help:"As JSON."`
	Progress string `enum:"auto,plain,none" default:"auto" help:"Progress on stderr: auto, plain or none."`
}

// Help is the end of simulate inspect --help.
func (c *inspectCmd) Help() string {
	return `Examples:
  simulate inspect web12.trace.xz
  simulate inspect --json 'accesslog:access.log.gz?page=page'`
}

// Run prints what is in a trace.
func (c *inspectCmd) Run(s *streams) error {
	source, err := workloads.Open(c.Trace)
	if err != nil {
		return err
	}
	bar := newProgress(c.Progress, s.stderr, "read "+source.Name)
	source.Progress = bar.of
	t, err := sim.DecodeSample(s.ctx, source, sim.Sample{})
	bar.end()
	if err != nil {
		return err
	}
	in := sim.Inspect(t, source.Format)
	if c.JSON {
		e := json.NewEncoder(s.stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		return e.Encode(in)
	}
	return printInspection(s.stdout, in)
}

func printInspection(out io.Writer, in sim.Inspection) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("trace", "%s", in.Name)
	line("format", "%s", in.Format)
	line("sha256", "%s", in.SHA256)
	line("reads", "%d", in.Requests)
	line("writes", "%d", in.Writes)
	line("units", "%d, %.1f %% of them asked for once", in.IDs, 100*float64(in.OneHit)/float64(max(1, in.IDs)))
	line("feeds", "%d", in.Feeds)
	if in.Bytes > 0 {
		line("bytes", "%d in distinct units", in.Bytes)
	}
	if in.Span > 0 {
		line("span", "%s", in.Span)
	}
	line("unbounded", "%.2f %% hits without any bound", 100*in.CompulsoryHR)
	for _, d := range sim.Depths {
		if n, ok := in.Depths[d]; ok {
			line(d, "%.2f %% of reads", 100*float64(n)/float64(in.Requests))
		}
	}
	for _, warning := range in.Warnings {
		line("warning", "%s", warning)
	}
	return w.Flush()
}

// genCmd is simulate gen.
type genCmd struct {
	Kind  string   `arg:"" optional:"" help:"Kind of workload; without one, the kinds and their parameters are listed."`
	Param []string `sep:"none" placeholder:"NAME=VALUE" help:"A parameter of the kind, repeatable."`
	Out   string   `short:"o" default:"-" help:"File to write; its extension tells the format (.folio .csv .jsonl .u64, then .zst or .gz); - writes jsonl to stdout."`
}

// Help is the end of simulate gen --help.
func (c *genCmd) Help() string {
	return `Examples:
  simulate gen
  simulate gen zipf --param n=1000000 --param alpha=0.9 -o zipf.u64.zst
  simulate gen tickets --param n=100000 --param seed=9 -o tickets.folio`
}

// Run generates a workload.
func (c *genCmd) Run(s *streams) error {
	if c.Kind == "" {
		return listKinds(s.stdout)
	}
	spec := "gen:" + c.Kind
	if len(c.Param) > 0 {
		spec += "?" + strings.Join(c.Param, "&")
	}
	return convert(s, spec, c.Out, filter{}, nil)
}

func listKinds(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, k := range workloads.Kinds() {
		fmt.Fprintf(w, "%s\t%s\n", k.Name, k.Doc)
		for _, p := range k.Params {
			fmt.Fprintf(w, "  %s=%s\t%s\n", p.Name, p.Default, p.Doc)
		}
	}
	return w.Flush()
}
