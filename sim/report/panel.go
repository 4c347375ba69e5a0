package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/foliocache/folio/sim"
)

// panel is the rows of one trace in one unit of size; several seeds are averaged.
type panel struct {
	info  sim.TraceInfo
	trace string
	unit  string
	sizes []float64 // ascending
	cells map[string]map[float64]mean
}

type mean struct{ sum, n float64 }

func panelsOf(r *sim.Result) []*panel {
	var all []*panel
	at := map[[2]string]*panel{}
	for _, row := range r.Rows {
		k := [2]string{row.Trace, row.SizeUnit}
		p := at[k]
		if p == nil {
			p = &panel{trace: row.Trace, unit: row.SizeUnit, cells: map[string]map[float64]mean{}}
			if i := slices.IndexFunc(r.Traces, func(t sim.TraceInfo) bool { return t.Name == row.Trace }); i >= 0 {
				p.info = r.Traces[i]
			}
			at[k] = p
			all = append(all, p)
		}
		p.add(row)
	}
	return all
}

func (p *panel) add(row sim.Row) {
	size := float64(max(1, row.Size))
	if i, known := slices.BinarySearch(p.sizes, size); !known {
		p.sizes = slices.Insert(p.sizes, i, size)
	}
	if p.cells[row.Name()] == nil {
		p.cells[row.Name()] = map[float64]mean{}
	}
	m := p.cells[row.Name()][size]
	p.cells[row.Name()][size] = mean{m.sum + 100*row.HitRatio, m.n + 1}
}

// points returns a policy's hit ratios in percent by size.
func (p *panel) points(policy string) plotter.XYs {
	var all plotter.XYs
	for _, s := range p.sizes {
		if m, ok := p.cells[policy][s]; ok {
			all = append(all, plotter.XY{X: s, Y: m.sum / m.n})
		}
	}
	return all
}

func (p *panel) draw(c draw.Canvas, shown []line) error {
	p.drawTitle(c)
	c.Max.Y -= titleHeight
	plt := plot.New()
	p.axes(plt)
	plt.Add(&plotter.Grid{Horizontal: draw.LineStyle{Color: grid, Width: .6}, Vertical: draw.LineStyle{Color: grid, Width: .6}})
	for _, l := range slices.Backward(shown) { // the first ends in front
		points := p.points(l.policy)
		if len(points) == 0 {
			continue
		}
		curve, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("svg: %s on %s: %w", l.policy, p.trace, err)
		}
		curve.LineStyle, marks.GlyphStyle = l.stroke, l.glyph
		plt.Add(curve, marks)
	}
	p.frame(plt)
	plt.Draw(c)
	return nil
}

func (p *panel) drawTitle(c draw.Canvas) {
	title, at := textStyle(11.5, true, ink), vg.Point{X: c.Min.X, Y: c.Max.Y - 12}
	c.FillText(title, at, clip(p.trace, title, (c.Max.X-at.X)/fontSlack))
	if p.info.Requests > 0 {
		at.Y -= 13
		c.FillText(textStyle(9.5, false, faint), at, fmt.Sprintf("%s reads, %s distinct units", short(float64(p.info.Requests)), short(float64(p.info.IDs))))
	}
}

func (p *panel) axes(plt *plot.Plot) {
	style(plt, "cache size ("+p.unit+", log scale)", "hit ratio (%)")
	plt.X.Scale = plot.LogScale{}
	plt.X.Tick.Marker = sizeTicks{p.sizes, p.unit}
	plt.Y.Tick.Marker = percentTicks{}
}

// style gives all plots one look.
func style(plt *plot.Plot, x, y string) {
	plt.BackgroundColor = white
	plt.X.Label.Text, plt.Y.Label.Text = x, y
	for _, a := range []*plot.Axis{&plt.X, &plt.Y} {
		a.LineStyle.Color, a.Tick.LineStyle.Color = faint, faint
		a.Label.TextStyle.Font, a.Label.TextStyle.Color = textStyle(9.5, false, ink).Font, ink
		a.Tick.Label.Font, a.Tick.Label.Color = textStyle(9, false, ink).Font, ink
		a.Padding = 2
	}
}

// frame leaves room round the data; it also gives a single size, or a single ratio, an extent.
func (p *panel) frame(plt *plot.Plot) {
	if len(p.sizes) > 0 {
		low, high := p.sizes[0], p.sizes[len(p.sizes)-1]
		room := math.Pow(high/low, .06)
		if low == high {
			room = 2
		}
		plt.X.Min, plt.X.Max = low/room, high*room
	}
	room := max(1, .06*(plt.Y.Max-plt.Y.Min))
	plt.Y.Min, plt.Y.Max = max(0, plt.Y.Min-room), min(100, plt.Y.Max+room)
	if plt.Y.Max-plt.Y.Min < 1 {
		plt.Y.Min, plt.Y.Max = max(0, plt.Y.Min-1), plt.Y.Max+1
	}
}

// clip shortens a name to a width.
func clip(name string, style draw.TextStyle, width vg.Length) string {
	if style.Width(name) <= width {
		return name
	}
	runes := []rune(name)
	for len(runes) > 1 && style.Width(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// sizeTicks marks the sizes that were replayed and labels those that have room.
type sizeTicks struct {
	sizes []float64
	unit  string
}

// Ticks implements plot.Ticker.
func (t sizeTicks) Ticks(low, high float64) []plot.Tick {
	const apart = .16 // of the axis
	ticks := make([]plot.Tick, 0, len(t.sizes))
	last := math.Inf(-1)
	for _, s := range t.sizes {
		tick := plot.Tick{Value: s}
		if at := math.Log(s/low) / math.Log(high/low); at-last >= apart {
			tick.Label, last = short(s), at
			if t.unit == "bytes" {
				tick.Label = bytesText(int64(s))
			}
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

// percentTicks marks whole percents, at most seven.
type percentTicks struct{}

// Ticks implements plot.Ticker.
func (percentTicks) Ticks(low, high float64) []plot.Tick {
	step := 20.0
	for _, s := range []float64{.5, 1, 2, 5, 10} {
		if (high-low)/s <= 7 {
			step = s
			break
		}
	}
	var ticks []plot.Tick
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
	}
	return ticks
}

// short renders a count with three digits: 687, 3.44k, 12.1M.
func short(v float64) string {
	for _, u := range []struct {
		n    float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.n {
			return trimZeros(strconv.FormatFloat(v/u.n, 'f', max(0, 2-int(math.Log10(v/u.n))), 64)) + u.name
		}
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
