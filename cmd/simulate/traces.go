package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// inspectCmd is simulate inspect.
type inspectCmd struct {
	Trace    string `arg:"" help:"Trace to look into."`
	JSON     bool   `name:"json" help:"As JSON."`
	Progress string `enum:"auto,plain,none" default:"auto" help:"Progress on stderr: auto, plain or none."`
}

// Run prints what is in a trace.
func (c *inspectCmd) Run(s *streams) error {
	source, err := workloads.Open(c.Trace)
	if err != nil {
		return err
	}
	bar := newProgress(c.Progress, s.stderr, "read "+source.Name)
	source.Progress = bar.of
	t, err := sim.Decode(source)
	bar.end()
	if err != nil {
		return err
	}
	in := sim.Inspect(t, source.Format)
	if c.JSON {
		e := json.NewEncoder(s.stdout)
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

// Run generates a workload.
func (c *genCmd) Run(s *streams) error {
	if c.Kind == "" {
		return listKinds(s.stdout)
	}
	spec := "gen:" + c.Kind
	if len(c.Param) > 0 {
		spec += "?" + strings.Join(c.Param, "&")
	}
	return convert(s, spec, c.Out)
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

// convertCmd is simulate convert.
type convertCmd struct {
	In  string `arg:"" help:"Trace to read."`
	Out string `arg:"" help:"File to write; its extension tells the format (.folio .csv .jsonl .u64, then .zst or .gz); - writes jsonl to stdout."`
}

// Run converts a trace.
func (c *convertCmd) Run(s *streams) error { return convert(s, c.In, c.Out) }

// convert streams a trace into a file, which appears whole or not at all.
func convert(s *streams, in, out string) error {
	source, err := workloads.Open(in)
	if err != nil {
		return err
	}
	f, pack, err := outputFormat(out)
	if err != nil {
		return err
	}
	if out == "-" {
		return copyRequests(s, source, f, s.stdout)
	}
	return writeWhole(out, func(file *os.File) error {
		w, err := pack(file)
		if err != nil {
			return err
		}
		return errors.Join(copyRequests(s, source, f, w), w.Close())
	})
}

func copyRequests(s *streams, source *workloads.Source, f workloads.Format, w io.Writer) error {
	sink := f.Write(w)
	n := 0
	for r, err := range source.Requests() {
		if err == nil {
			err = sink.Write(r)
		}
		if n++; err == nil && n%4096 == 0 && s.ctx.Err() != nil {
			err = cause(s.ctx, s.ctx.Err())
		}
		if err != nil {
			return err
		}
	}
	return sink.Close()
}

// outputFormat tells format and packing of a file by its name.
func outputFormat(path string) (workloads.Format, func(io.Writer) (io.WriteCloser, error), error) {
	name, pack := path, plain
	if path == "-" {
		name = "-.jsonl"
	}
	switch filepath.Ext(path) {
	case ".zst":
		name, pack = strings.TrimSuffix(path, ".zst"), func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }
	case ".gz":
		name, pack = strings.TrimSuffix(path, ".gz"), func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
	}
	var writable []string
	for _, f := range workloads.Formats() {
		if f.Write == nil {
			continue
		}
		for _, e := range f.Extensions {
			if e == filepath.Ext(name) {
				return f, pack, nil
			}
			writable = append(writable, e)
		}
	}
	return workloads.Format{}, nil, fmt.Errorf("%w: cannot tell the format of %s: want an extension of %s", sim.ErrConfig, path, strings.Join(writable, " "))
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func plain(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }
