package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/whatif"
)

var whatIfHead = []string{"scenario", "hit %", "queries", "", "origin s", "", "stale reads", "memory"}

// whatIfCells are a line for each answer, compared with the first.
func whatIfCells(r *whatif.Report) (lines [][]string) {
	for i, a := range r.Answers {
		first := &r.Answers[0]
		line := []string{a.Name, fmt.Sprintf("%.2f", 100*a.HitRatio), fmt.Sprintf("%.0f", a.OriginQueries), change(int64(first.OriginQueries), int64(a.OriginQueries)),
			fmt.Sprintf("%.1f", a.OriginSeconds), change(int64(first.OriginSeconds*1000), int64(a.OriginSeconds*1000)), fmt.Sprintf("%.0f", a.Stale),
			sizeText(sim.Row{Size: a.Memory, SizeUnit: a.Unit})}
		if i == 0 {
			line[3], line[5] = "", ""
		}
		lines = append(lines, line)
	}
	return lines
}

// whatIf writes the answers for people.
func whatIf(w io.Writer, r *whatif.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s at %s: %d requests, %d writes\n%s\n", r.Trace.Name, r.Size, r.Trace.Requests, r.Trace.Writes, strings.Join(whatIfHead, "\t"))
	for _, line := range whatIfCells(r) {
		fmt.Fprintln(t, strings.Join(line, "\t"))
	}
	return t.Flush()
}

// whatIfMarkdown writes them as a table of Markdown.
func whatIfMarkdown(w io.Writer, r *whatif.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** at %s: %d requests, %d writes\n\n| %s |\n|---%s|\n", r.Trace.Name, r.Size, r.Trace.Requests, r.Trace.Writes, strings.Join(whatIfHead, " | "), strings.Repeat("|---:", len(whatIfHead)-1))
	for _, line := range whatIfCells(r) {
		line[0] = code(line[0])
		fmt.Fprintf(&b, "| %s |\n", strings.Join(line, " | "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
