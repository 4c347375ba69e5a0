package report

import (
	"bytes"
	"fmt"
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/foliocache/folio/sim"
)

// Lengths of the picture, in points.
const (
	pageWidth    = 840
	panelHeight  = 270
	soleWidth    = 640 // of a page with one panel
	headerHeight = 46
	margin       = 14
	panelGap     = 18
	titleHeight  = 34
	legendLine   = 17
	legendSwatch = 30
)

// fontSlack is how much wider than the font measured with the reader's own may be.
const fontSlack = 1.16

// writeSVG draws the whole result. The same result gives the same bytes.
func writeSVG(w io.Writer, r *sim.Result) error {
	pic := picture{panels: panelsOf(r), lines: linesOf(r)}
	pic.complete = r.Complete
	svg, err := inSVG(pic.width(), pic.height(), pic.draw)
	if err != nil {
		return err
	}
	_, err = w.Write(svg)
	return err
}

// inSVG draws on a white page.
func inSVG(width, height vg.Length, on func(draw.Canvas) error) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	page := draw.New(canvas)
	page.FillPolygon(white, rectangle(page.Rectangle))
	if err := on(page); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	// The font is not embedded: name those with the same widths that readers have.
	return bytes.ReplaceAll(out.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

// dotsPerInch is how fine a PNG is: twice as fine as a screen of old.
const dotsPerInch = 192

// writePNG draws the whole result in dots.
func writePNG(w io.Writer, r *sim.Result) error {
	pic := picture{panels: panelsOf(r), lines: linesOf(r)}
	pic.complete = r.Complete
	canvas := vgimg.NewWith(vgimg.UseWH(pic.width(), pic.height()), vgimg.UseDPI(dotsPerInch))
	page := draw.New(canvas)
	page.FillPolygon(white, rectangle(page.Rectangle))
	if err := pic.draw(page); err != nil {
		return err
	}
	_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
	return err
}

// picture is what is drawn: a header, panels in a grid, and one legend for all of them.
type picture struct {
	panels   []*panel
	lines    lines
	complete bool
}

func (p *picture) columns() int {
	switch n := len(p.panels); {
	case n == 4:
		return 2
	default:
		return min(max(n, 1), 3)
	}
}

func (p *picture) rows() int { return (len(p.panels) + p.columns() - 1) / p.columns() }

func (p *picture) width() vg.Length {
	if len(p.panels) == 1 {
		return soleWidth
	}
	return pageWidth
}

func (p *picture) height() vg.Length {
	return headerHeight + vg.Length(p.rows())*(panelHeight+panelGap) + p.legendHeight() + margin
}

func (p *picture) draw(page draw.Canvas) error {
	p.drawHeader(page)
	columns := p.columns()
	width := (page.Max.X - page.Min.X - 2*margin - vg.Length(columns-1)*panelGap) / vg.Length(columns)
	for i, one := range p.panels {
		left := page.Min.X + margin + vg.Length(i%columns)*(width+panelGap)
		top := page.Max.Y - headerHeight - vg.Length(i/columns)*(panelHeight+panelGap)
		place := vg.Rectangle{Min: vg.Point{X: left, Y: top - panelHeight}, Max: vg.Point{X: left + width, Y: top}}
		if err := one.draw(draw.Canvas{Canvas: page.Canvas, Rectangle: place}, p.lines.shown); err != nil {
			return err
		}
	}
	p.drawLegend(page)
	return nil
}

func (p *picture) drawHeader(page draw.Canvas) {
	title := "Hit ratio by cache size"
	if !p.complete {
		title += " (incomplete: the run was ended early)"
	}
	at := vg.Point{X: page.Min.X + margin, Y: page.Max.Y - margin - 10}
	page.FillText(textStyle(15, true, ink), at, title)
	note := "% of reads that waited for no load; higher is better. opt knows the future: a bound, not a rival."
	if p.lines.left > 0 {
		note += fmt.Sprintf(" %d weaker policies are not drawn.", p.lines.left)
	}
	at.Y -= 15
	page.FillText(textStyle(9.5, false, faint), at, note)
}

// textStyle is sans-serif text whose baseline is left at the point it is drawn at.
func textStyle(size vg.Length, bold bool, c color.Color) draw.TextStyle {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = boldWeight
	}
	return draw.TextStyle{Color: c, Font: f, Handler: plot.DefaultTextHandler}
}

func rectangle(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}

// legendGrid returns how wide an entry is and how many stand side by side.
func (p *picture) legendGrid() (width vg.Length, columns int) {
	style := textStyle(10, false, ink)
	for _, l := range p.lines.shown {
		width = max(width, style.Width(l.policy))
	}
	width = fontSlack*width + legendSwatch + 6 + panelGap
	return width, max(1, int((p.width()-2*margin+panelGap)/width))
}

func (p *picture) legendHeight() vg.Length {
	_, columns := p.legendGrid()
	return vg.Length((len(p.lines.shown)+columns-1)/columns) * legendLine
}

// drawLegend draws the entries below the panels, column by column.
func (p *picture) drawLegend(page draw.Canvas) {
	width, columns := p.legendGrid()
	rows := (len(p.lines.shown) + columns - 1) / columns
	for i, l := range p.lines.shown {
		x := page.Min.X + margin + vg.Length(i/rows)*width
		y := page.Min.Y + margin + vg.Length(rows-1-i%rows)*legendLine + legendLine/2
		page.StrokeLine2(l.stroke, x, y, x+legendSwatch, y)
		page.DrawGlyph(l.glyph, vg.Point{X: x + legendSwatch/2, Y: y})
		style := textStyle(10, l.front, ink)
		page.FillText(style, vg.Point{X: x + legendSwatch + 6, Y: y - 3.5}, l.policy)
	}
}
