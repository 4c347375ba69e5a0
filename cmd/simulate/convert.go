package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// convertCmd is simulate convert.
type convertCmd struct {
	In     string `arg:"" help:"Trace to read."`
	Out    string `arg:"" help:"File to write; its extension tells the format (.folio .csv .jsonl .u64, then .zst or .gz); - writes jsonl to stdout."`
	Sample string `placeholder:"1/N[:SALT]" help:"Keep one query in N, with all its pages and its feed's writes: one of each N that are read about as often."`
	Window string `placeholder:"FROM-TO" help:"Keep the requests from FROM to before TO after the trace's start, such as 10m-1h, 10m- or (after =) -1h; their times count from FROM."`
	Key    string `name:"anonymize-key" placeholder:"KEYFILE" help:"Replace ids, lists, scopes, variants and cursors by keyed hashes (HMAC-SHA256); the scope public stays. The file holds at least 16 random bytes."`
}

// Help is the end of simulate convert --help.
func (c *convertCmd) Help() string {
	return `Examples:
  simulate convert arc:OLTP.lis.zst oltp.folio
  simulate convert --window=1h-2h --sample 1/8 day.folio hour.csv.zst
  head -c 32 /dev/urandom > key && simulate convert --anonymize-key key access.folio shareable.folio`
}

// Run converts a trace.
func (c *convertCmd) Run(s *streams) error {
	var f filter
	var faults [3]error
	f.sample, faults[0] = sim.ParseSample(c.Sample)
	f.window, faults[1] = parseWindow(c.Window)
	f.veil, faults[2] = newVeil(c.Key)
	if err := errors.Join(faults[:]...); err != nil {
		return err
	}
	return convert(s, c.In, c.Out, f, nil)
}

// convert streams a trace into a file, which appears whole or not at all. skipped, if not nil, is told of lines that are no
// requests.
func convert(s *streams, in, out string, f filter, skipped func(line int, why string)) error {
	to, pack, err := outputFormat(out)
	if err != nil {
		return err
	}
	if out != stdoutPath {
		if err := writable(out); err != nil {
			return err
		}
	}
	source, err := workloads.Open(in)
	if err == nil {
		err = place(out).spares(source.Path)
	}
	if err != nil {
		return err
	}
	drawn, err := f.draw(s.ctx, source)
	if err != nil {
		return err
	}
	source.Skipped = skipped
	put := func(w io.Writer) error {
		packed, err := pack(w)
		if err != nil {
			return err
		}
		return errors.Join(copyRequests(s, f.apply(source.Requests(), drawn), to, packed), packed.Close())
	}
	if out == stdoutPath {
		return put(s.stdout)
	}
	return writeWhole(out, put)
}

func copyRequests(s *streams, requests iter.Seq2[workloads.Request, error], f workloads.Format, w io.Writer) error {
	sink := f.Write(w)
	n := 0
	for r, err := range requests {
		if err == nil {
			err = sink.Write(r)
		}
		if n++; err == nil && n%4096 == 0 {
			err = s.ctx.Err()
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
