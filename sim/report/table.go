package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/foliocache/folio/sim"
)

// block is the rows of one trace and seed, as policies by sizes.
type block struct {
	info     sim.TraceInfo
	seed     uint64
	policies []string
	sizes    []string
	cells    map[[2]string]sim.Row
}

func blocks(r *sim.Result) []*block {
	var all []*block
	at := map[string]*block{}
	for _, row := range r.Rows {
		k := fmt.Sprint(row.Trace, "\x00", row.Seed)
		b := at[k]
		if b == nil {
			b = &block{seed: row.Seed, cells: map[[2]string]sim.Row{}}
			for _, t := range r.Traces {
				if t.Name == row.Trace {
					b.info = t
				}
			}
			at[k] = b
			all = append(all, b)
		}
		b.add(row)
	}
	return all
}

func (b *block) add(row sim.Row) {
	size := sizeText(row)
	k := [2]string{row.Name(), size}
	if _, ok := b.cells[k]; ok {
		return
	}
	b.cells[k] = row
	b.policies = appendNew(b.policies, row.Name())
	b.sizes = appendNew(b.sizes, size)
}

func appendNew(list []string, s string) []string {
	for _, l := range list {
		if l == s {
			return list
		}
	}
	return append(list, s)
}

func sizeText(row sim.Row) string {
	if row.SizeUnit == "bytes" {
		return bytesText(row.Size)
	}
	return fmt.Sprint(row.Size)
}

func bytesText(n int64) string {
	for _, u := range []struct {
		name string
		n    int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= 10*u.n {
			return fmt.Sprintf("%d %s", n/u.n, u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// best returns the policy that hits most at a size, but for those that cannot be bought: the
// ones that know the future or have no bound. A sample is not, where the whole was replayed as well.
func (b *block) best(size string) string {
	best, ratio := "", -1.0
	for _, p := range b.policies {
		name := nameOf(p)
		if c, ok := b.cells[[2]string{p, size}]; ok && c.SampleError == nil && c.HitRatio > ratio && name != "opt" && name != "unbounded" {
			best, ratio = p, c.HitRatio
		}
	}
	return best
}

func (b *block) title() string {
	return fmt.Sprintf("%s: %d requests, %d units, %d writes", b.info.Name, b.info.Requests, b.info.IDs, b.info.Writes)
}

func writeTable(w io.Writer, r *sim.Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if !r.Complete {
		fmt.Fprintln(w, early)
	}
	for i, b := range blocks(r) {
		if i > 0 {
			fmt.Fprintln(t)
		}
		fmt.Fprintf(t, "%s; hit %%, * = best that needs no future\n", b.title())
		fmt.Fprintf(t, "%s\t%s\t\n", pad("cache size", b.policies), strings.Join(b.sizes, "\t"))
		for _, p := range b.policies {
			fmt.Fprintf(t, "%s", pad(p, b.policies))
			for _, s := range b.sizes {
				fmt.Fprintf(t, "\t%s", b.cell(p, s))
			}
			fmt.Fprintln(t, "\t")
		}
		if err := t.Flush(); err != nil {
			return err
		}
		b.writeContest(w)
	}
	return nil
}

func (b *block) cell(policy, size string) string {
	c, ok := b.cells[[2]string{policy, size}]
	if !ok {
		return ""
	}
	mark := " "
	if b.best(size) == policy {
		mark = "*"
	}
	if c.StaleServed > 0 {
		mark += fmt.Sprintf(" %d STALE", c.StaleServed)
	}
	if c.SampleError != nil {
		mark += fmt.Sprintf(" (%+.2f)", 100**c.SampleError)
	}
	return fmt.Sprintf("%.2f%s", 100*c.HitRatio, mark)
}

// pad left-aligns a name in a column that the writer aligns right.
func pad(name string, all []string) string {
	width := len("cache size")
	for _, n := range all {
		width = max(width, len(n))
	}
	return fmt.Sprintf("%-*s", width, name)
}

// writeContest tells how the strategies fared in the rows of folio.
func (b *block) writeContest(w io.Writer) {
	for _, s := range b.sizes {
		c, ok := b.cells[[2]string{"folio", s}]
		if !ok || c.Folio == nil {
			continue
		}
		var parts []string
		for _, n := range sortedKeys(c.Folio.Strategies) {
			k := c.Folio.Strategies[n]
			parts = append(parts, fmt.Sprintf("%s %.2f (ruled %.0f %%)", n, 100*k.ShadowHitRatio, 100*float64(k.Ruled)/float64(max(1, c.Requests))))
		}
		fmt.Fprintf(w, "folio at %s: shadows hit %% %s; %d switches; calibration error %.3f\n", s, strings.Join(parts, ", "), c.Folio.Switches, c.Folio.ECE)
	}
}

func writeMarkdown(w io.Writer, r *sim.Result) error {
	var out strings.Builder
	if !r.Complete {
		out.WriteString("🔴 " + early + "\n\n")
	}
	out.WriteString(failedLines(r.Claims))
	for _, b := range blocks(r) {
		fmt.Fprintf(&out, "**%s** — hit %%, best that needs no future in bold\n\n| policy | %s |\n|---|%s\n", b.title(),
			strings.Join(b.sizes, " | "), strings.Repeat("---:|", len(b.sizes)))
		for _, p := range b.policies {
			fmt.Fprintf(&out, "| `%s` |", code(p))
			for _, s := range b.sizes {
				cell := strings.TrimSpace(b.cell(p, s))
				if bare, ok := strings.CutSuffix(cell, "*"); ok {
					cell = "**" + bare + "**"
				}
				fmt.Fprintf(&out, " %s |", cell)
			}
			out.WriteString("\n")
		}
		out.WriteString("\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}
