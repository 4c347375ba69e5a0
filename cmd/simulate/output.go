package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/report"
)

// stdoutPath stands for stdout in an output.
const stdoutPath = "-"

// place is where an output goes: a path, or stdoutPath.
type place string

// output is a parsed -o of results of some kind.
type output[R any] struct {
	place
	format report.Format[R]
}

// outputs parses all -o, FMT[:PATH], and checks that they can be written.
func outputs[R any](texts []string, formats report.Formats[R]) ([]output[R], error) {
	all, err := each(texts, func(text string) (o output[R], err error) {
		name, path, found := strings.Cut(text, ":")
		if found && path == "" {
			return o, fmt.Errorf("%w: -o %q: the path is empty", sim.ErrConfig, text)
		}
		o.place = place(filepath.Clean(cmp.Or(path, stdoutPath)))
		o.format, err = formats.Named(name)
		return o, err
	})
	if err != nil {
		return nil, err
	}
	seen := map[place]bool{}
	var faults []error
	for _, o := range all {
		if seen[o.place] {
			faults = append(faults, fmt.Errorf("%w: two outputs go to %s: say -o FORMAT:FILE", sim.ErrConfig, o.place))
		}
		seen[o.place] = true
		if o.place != stdoutPath {
			faults = append(faults, writable(string(o.place)))
		}
	}
	return all, errors.Join(faults...)
}

// spares reports an output that would replace what is read.
func spares[R any](outputs []output[R], inputs ...string) error {
	for _, o := range outputs {
		if err := o.spares(inputs...); err != nil {
			return err
		}
	}
	return nil
}

// spares reports a place where something lies that is read.
func (p place) spares(inputs ...string) error {
	to, err := os.Stat(string(p))
	if err != nil || p == stdoutPath {
		return nil
	}
	for _, path := range inputs {
		from, err := os.Stat(path)
		if err == nil && from.Mode().IsRegular() && os.SameFile(to, from) {
			return fmt.Errorf("%w: %s is read: it would be replaced", sim.ErrConfig, p)
		}
	}
	return nil
}

// String names it for people.
func (p place) String() string {
	if p == stdoutPath {
		return "stdout"
	}
	return string(p)
}

// put writes what a writer writes; files appear whole or not at all.
func (p place) put(s *streams, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	put := func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err }
	if p == stdoutPath {
		return put(s.stdout)
	}
	return writeWhole(string(p), put)
}

// write writes every output.
func write[R any](s *streams, outputs []output[R], r *R) error {
	for _, o := range outputs {
		if err := o.put(s, func(w io.Writer) error { return o.format.Write(w, r) }); err != nil {
			return err
		}
	}
	return nil
}

// faithful marks the errors of a writer as errOutput, to tell them from those of a trace.
type faithful struct{ io.Writer }

// Write writes to the writer below.
func (f faithful) Write(b []byte) (int, error) {
	n, err := f.Writer.Write(b)
	if err != nil {
		err = fmt.Errorf("%w: %w", errOutput, err)
	}
	return n, err
}

// writable reports why a file cannot be written, before the work that would be lost.
func writable(path string) error {
	if special(path) {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%w %s: it is a directory", errOutput, path)
	}
	f, err := beside(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// special reports whether path is a device or pipe, which is written as it is.
func special(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// beside creates a hidden file in the folder of path.
func beside(path string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".simulate-*")
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", errOutput, path, err)
	}
	return f, nil
}

// writeWhole writes a file beside its place and moves it there once it is complete.
func writeWhole(path string, write func(io.Writer) error) error {
	if special(path) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("%w %s: %w", errOutput, path, err)
		}
		return errors.Join(write(faithful{f}), f.Close())
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	f, err := beside(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(faithful{f}), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("%w %s: %w", errOutput, path, err)
	}
	return nil
}
