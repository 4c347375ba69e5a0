package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/foliocache/folio/sim"
)

//go:embed run.html
var runHTMLText string

//go:embed style.css
var styleText string

var runTemplate = template.Must(template.New("run").Funcs(claimsFuncs).Parse(runHTMLText + claimsHTMLText))

// page is what the template is filled with.
type page struct {
	*sim.Result
	Style    template.CSS
	Curves   template.HTML
	Verdicts []string
	Table    string
	Sections []section
}

// section is what one trace and size has to tell.
type section struct {
	Title  string
	Charts []drawnChart
	Facts  [][2]string
}

type drawnChart struct {
	Title, Says string
	SVG         template.HTML
}

// writeHTML writes a page with all it needs.
func writeHTML(w io.Writer, r *sim.Result) error {
	p := page{Result: r, Style: template.CSS(styleText), Verdicts: verdicts(r)}
	var curves, table bytes.Buffer
	if err := writeSVG(&curves, r); err != nil {
		return err
	}
	if err := writeTable(&table, r); err != nil {
		return err
	}
	p.Curves, p.Table = inline(curves.Bytes()), table.String()
	shown := linesOf(r).shown
	for _, group := range bySize(r) {
		s, err := sectionOf(group, shown)
		if err != nil {
			return err
		}
		if len(s.Charts) > 0 || len(s.Facts) > 0 {
			p.Sections = append(p.Sections, s)
		}
	}
	return runTemplate.Execute(w, p)
}

// inline returns a picture as an element of the page.
func inline(svg []byte) template.HTML {
	i := max(0, bytes.Index(svg, []byte("<svg")))
	return template.HTML(svg[i:]) // drawn here: names in it are escaped by the library
}

// bySize groups rows by trace and size.
func bySize(r *sim.Result) (groups [][]sim.Row) {
	at := map[string]int{}
	for _, row := range r.Rows {
		k := fmt.Sprint(row.Trace, "\x00", row.Size, row.SizeUnit)
		i, ok := at[k]
		if !ok {
			i, at[k] = len(groups), len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], row)
	}
	return groups
}

// sectionOf draws what a trace and size has to tell: depths of all policies, and folio's competition.
func sectionOf(rows []sim.Row, shown []line) (s section, err error) {
	s.Title = fmt.Sprintf("%s at %s", rows[0].Trace, sizeText(rows[0]))
	add := func(title, says string, svg []byte, err error) error {
		s.Charts = append(s.Charts, drawnChart{title, says, inline(svg)})
		return err
	}
	if slices.ContainsFunc(rows, func(r sim.Row) bool { return len(r.Classes) > 1 }) {
		svg, err := depthChart(rows, shown)
		if err := add("Hit ratio by page depth", "a line a policy", svg, err); err != nil {
			return s, err
		}
	}
	i := slices.IndexFunc(rows, func(r sim.Row) bool { return r.Folio != nil && !strings.Contains(r.Policy, "strategy=") })
	if i < 0 {
		return s, nil
	}
	f := rows[i].Folio
	svg, err := rulerChart(f)
	if err := add("Who ruled", fmt.Sprintf("%s, seed %d: %d switches", rows[i].Policy, rows[i].Seed, f.Switches), svg, err); err != nil {
		return s, err
	}
	svg, err = calibrationChart(f)
	s.Facts = facts(&rows[i])
	return s, add("Calibration", fmt.Sprintf("%s, seed %d: confidence stated, and what came true", rows[i].Policy, rows[i].Seed), svg, err)
}

// verdicts says of each trace how folio does: at how many sizes it hits most, and what it spares beside the best other policy.
func verdicts(r *sim.Result) (all []string) {
	for _, b := range blocks(r) {
		ours := frontOf(b.policies)
		if ours == "" || b.seed != r.Seed || len(b.policies) < 2 {
			continue
		}
		wins, last := 0, ""
		for _, size := range b.sizes {
			own, ok := b.cells[[2]string{ours, size}]
			if !ok {
				continue
			}
			other, rival := b.rival(size)
			if rival != "" && own.HitRatio >= other.HitRatio {
				wins++
			}
			if rival != "" {
				last = fmt.Sprintf("; at %s it has %s than %s, the best other", size, fewer(own.Misses, other.Misses), rival)
			}
		}
		all = append(all, fmt.Sprintf("%s: %s hits most at %d of %d sizes%s", b.info.Name, ours, wins, len(b.sizes), last))
	}
	return all
}

// fewer says by how much misses are fewer, or more, than others.
func fewer(misses, than int64) string {
	word := "fewer"
	if misses > than {
		word = "more"
	}
	return fmt.Sprintf("%.1f %% %s misses", math.Abs(float64(misses-than))*100/float64(max(1, than)), word)
}

// rival returns the best row at a size that is not of this project and can be bought.
func (b *block) rival(size string) (best sim.Row, name string) {
	for _, p := range b.policies {
		n := nameOf(p)
		if c, ok := b.cells[[2]string{p, size}]; ok && n != "folio" && n != "opt" && n != "unbounded" && (name == "" || c.HitRatio > best.HitRatio) {
			best, name = c, p
		}
	}
	return best, name
}
