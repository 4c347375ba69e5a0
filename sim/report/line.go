package report

import (
	"cmp"
	"image/color"
	"slices"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/foliocache/folio/sim"
)

// maxLines is how many policies a panel shows.
const maxLines = 12

const boldWeight = xfont.WeightBold

func rgb(hex uint32) color.NRGBA {
	return color.NRGBA{R: uint8(hex >> 16), G: uint8(hex >> 8), B: uint8(hex), A: 0xff}
}

// The colours of everything that is not a line. Contrast on white is at least 4.5:1 for text.
var (
	white  = rgb(0xffffff)
	ink    = rgb(0x1f2328)
	faint  = rgb(0x59636e)
	grid   = rgb(0xe1e4e8)
	bound  = rgb(0x7d8590)
	ourRed = rgb(0xc81e1e)
)

// palette is for the lines that are not folio's own: told apart by most of the colour-blind
// (after Okabe and Ito 2008, and Tol 2021), and each has a marker of its own.
var palette = []color.NRGBA{
	rgb(0x0072b2), rgb(0xe69100), rgb(0x008c69), rgb(0xaa4499), rgb(0x56aadc), rgb(0x7a5c3c),
	rgb(0x3c3c3c), rgb(0x8c961e), rgb(0x332288), rgb(0xcc79a7), rgb(0x447750), rgb(0xb46e5a),
}

var markers = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.PyramidGlyph{}, draw.BoxGlyph{}, draw.RingGlyph{},
	draw.TriangleGlyph{}, draw.PlusGlyph{}, draw.CrossGlyph{}}

// line is how a policy is drawn, in every panel alike.
type line struct {
	policy string
	stroke draw.LineStyle
	glyph  draw.GlyphStyle
	front  bool // drawn last, thick, and bold in the legend
}

// lines are the policies that are drawn, the one in front first.
type lines struct {
	shown []line
	left  int // so many are not
}

// linesOf chooses the policies to draw: folio, opt, and of the others the best over the whole
// result, in the order of the result.
func linesOf(r *sim.Result) lines {
	var order []string
	sum, n := map[string]float64{}, map[string]float64{}
	for _, row := range r.Rows {
		order = appendNew(order, row.Name())
		sum[row.Name()] += row.HitRatio
		n[row.Name()]++
	}
	front := frontOf(order)
	ranked := slices.Clone(order)
	slices.SortStableFunc(ranked, func(a, b string) int {
		if first := cmp.Compare(rank(a, front), rank(b, front)); first != 0 {
			return first
		}
		return cmp.Compare(sum[b]/n[b], sum[a]/n[a])
	})
	kept := ranked[:min(len(ranked), maxLines)]
	out := lines{left: len(ranked) - len(kept)}
	drawn := slices.DeleteFunc(order, func(p string) bool { return !slices.Contains(kept, p) })
	slices.SortStableFunc(drawn, func(a, b string) int { return cmp.Compare(place(a, front), place(b, front)) })
	others := 0
	for _, p := range drawn {
		out.shown = append(out.shown, styled(p, front, others))
		if place(p, front) == 1 {
			others++
		}
	}
	return out
}

// frontOf returns the policy to draw in front: the first that lets the strategies compete.
func frontOf(policies []string) string {
	for _, p := range policies {
		if nameOf(p) == "folio" && !strings.Contains(p, "strategy=") {
			return p
		}
	}
	return ""
}

// nameOf returns a policy's name without its parameters and sample.
func nameOf(policy string) string { return policy[:strings.IndexAny(policy+":", ":@")] }

// rank tells which policies are never left out.
func rank(policy, front string) int {
	if place(policy, front) != 1 {
		return 0
	}
	return 1
}

// place orders the legend: folio, the others, bounds.
func place(policy, front string) int {
	switch name := nameOf(policy); {
	case policy == front:
		return 0
	case name == "opt", name == "unbounded":
		return 2
	}
	return 1
}

func styled(policy, front string, number int) line {
	l := line{policy: policy}
	name := nameOf(policy)
	switch place(policy, front) {
	case 0:
		l.front = true
		l.stroke = draw.LineStyle{Color: ourRed, Width: 2.8}
		l.glyph = draw.GlyphStyle{Color: ourRed, Radius: 3.4, Shape: draw.CircleGlyph{}}
		return l
	case 2:
		l.glyph = draw.GlyphStyle{Color: bound, Radius: 2, Shape: draw.CircleGlyph{}}
		l.stroke = draw.LineStyle{Color: bound, Width: 1.4, Dashes: []vg.Length{5, 3}}
		if name == "unbounded" {
			l.stroke.Dashes = []vg.Length{1, 3}
			l.glyph.Shape = draw.RingGlyph{}
		}
		return l
	}
	c := palette[number%len(palette)]
	l.stroke = draw.LineStyle{Color: c, Width: 1.3}
	if name == "folio" {
		l.stroke.Dashes = []vg.Length{2, 2}
	}
	l.glyph = draw.GlyphStyle{Color: c, Radius: 2.6, Shape: markers[number%len(markers)]}
	return l
}
