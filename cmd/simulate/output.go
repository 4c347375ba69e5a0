package main

import (
	"bytes"
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

// output is a parsed -o.
type output struct {
	format report.Format
	path   string
}

// outputs parses all -o and checks that they can be written.
func outputs(texts []string) ([]output, error) {
	all, err := each(texts, parseOutput)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var faults []error
	for _, o := range all {
		if seen[o.path] {
			faults = append(faults, fmt.Errorf("%w: two outputs go to %s: say -o %s:FILE", sim.ErrConfig, o.place(), o.format.Name))
		}
		seen[o.path] = true
		if o.path != stdoutPath {
			faults = append(faults, writable(o.path))
		}
	}
	return all, errors.Join(faults...)
}

func parseOutput(text string) (output, error) {
	name, path, found := strings.Cut(text, ":")
	f, err := report.Named(name)
	if err == nil && found && path == "" {
		err = fmt.Errorf("%w: -o %q: the path is empty", sim.ErrConfig, text)
	}
	if path == "" {
		path = stdoutPath
	}
	return output{f, path}, err
}

func (o output) place() string {
	if o.path == stdoutPath {
		return "stdout"
	}
	return o.path
}

// write writes every output; files appear whole or not at all.
func (p *plan) write(s *streams, r *sim.Result) error {
	for _, o := range p.outputs {
		var b bytes.Buffer
		if err := o.format.Write(&b, r); err != nil {
			return err
		}
		put := func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err }
		var err error
		if o.path == stdoutPath {
			err = put(s.stdout)
		} else {
			err = writeWhole(o.path, put)
		}
		if err != nil {
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
