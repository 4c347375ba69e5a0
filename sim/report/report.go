// Package report writes what the simulator found: for people, for spreadsheets, for benchstat and
// for other programs.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/compare"
	"github.com/foliocache/folio/sim/tune"
	"github.com/foliocache/folio/sim/whatif"
)

// early is what a result of a run that was stopped says, in every format.
const early = "incomplete: the run was ended early"

// Format writes a whole result of some kind.
type Format[R any] struct {
	Name, Doc string
	Write     func(w io.Writer, r *R) error
}

// Formats are all formats of a kind of results.
type Formats[R any] []Format[R]

// Named returns a format; an unknown name is an error that lists the known ones.
func (f Formats[R]) Named(name string) (Format[R], error) {
	i := slices.IndexFunc(f, func(one Format[R]) bool { return one.Name == name })
	if i < 0 {
		return Format[R]{}, fmt.Errorf("%w: no output format %q here; there are %s", sim.ErrConfig, name, f.Names())
	}
	return f[i], nil
}

// Names returns the formats' names.
func (f Formats[R]) Names() string {
	var names []string
	for _, one := range f {
		names = append(names, one.Name)
	}
	return strings.Join(names, " ")
}

// Help describes them, a line each.
func (f Formats[R]) Help() string {
	var b strings.Builder
	b.WriteString("\n\nOutputs:")
	for _, one := range f {
		fmt.Fprintf(&b, "\n  %-8s%s", one.Name, one.Doc)
	}
	return b.String()
}

// Runs are the formats of what policies did.
var Runs = Formats[sim.Result]{
	{"table", "hit ratios by policy and size, for people", writeTable},
	{"json", "everything, schema " + sim.Schema, writeJSON[sim.Result]},
	{"csv", "one line a row and depth class; class is empty for all reads", writeCSV},
	{"md", "the table as Markdown, and claims that failed", writeMarkdown},
	{"junit", "a test a row and claim, for CI systems", runJUnit},
	{"gobench", "Go benchmark lines, for benchstat", writeGobench},
	{"html", "one page that needs no network: verdict, curves, depths, who ruled, calibration", writeHTML},
	{"svg", "a picture: hit ratio over cache size, a panel a trace, at most 12 lines", writeSVG},
	{"png", "the same picture", writePNG},
}

// Comparisons are the formats of what differs between two results.
var Comparisons = Formats[compare.Result]{
	{"table", "deltas and verdicts, for people", compareTable},
	{"json", "everything, schema " + compare.Schema, writeJSON[compare.Result]},
	{"csv", "one line a row and depth class; class is empty for all reads", compareCSV},
	{"md", "for a comment on a pull request: a verdict, the rows, page depths folded", compareMarkdown},
	{"junit", "a test a row and claim, for CI systems", compareJUnit},
	{"gobench", "Go benchmark lines of both sides, for benchstat -col /side", compareGobench},
	{"html", "one page that needs no network", compareHTML},
}

// Searches are the formats of the settings that were found for a trace.
var Searches = Formats[tune.Found]{
	{"table", "the settings as a folio.Config, what they gain, and what was not worth changing", tuned},
	{"json", "everything, schema " + tune.Schema, writeJSON[tune.Found]},
}

// Answers are the formats of what would be if.
var Answers = Formats[whatif.Report]{
	{"table", "a line a scenario, for people", whatIf},
	{"md", "the same as Markdown", whatIfMarkdown},
	{"json", "everything, schema " + whatif.Schema, writeJSON[whatif.Report]},
}
