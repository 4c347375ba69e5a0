package report

import (
	"fmt"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/foliocache/folio/sim"
)

// Lengths of a chart of the page, in points.
const (
	chartWidth  = 380
	chartHeight = 230
)

// chart draws a plot with its legend at the right.
func chart(x, y string, fill func(*plot.Plot) error) ([]byte, error) {
	plt := plot.New()
	style(plt, x, y)
	plt.Add(&plotter.Grid{Horizontal: draw.LineStyle{Color: grid, Width: .6}, Vertical: draw.LineStyle{Color: grid, Width: .6}})
	plt.Legend.Top, plt.Legend.TextStyle = true, textStyle(9, false, ink)
	plt.Legend.ThumbnailWidth, plt.Legend.Padding = 14, 3
	if err := fill(plt); err != nil {
		return nil, err
	}
	return inSVG(chartWidth, chartHeight, func(c draw.Canvas) error {
		legend := plt.Legend
		plt.Legend = plot.NewLegend()
		room := legend.Rectangle(c).Size().X * fontSlack
		plt.Draw(draw.Crop(c, 6, -room-12, 6, -8))
		legend.Draw(draw.Crop(c, chartWidth-room-10, -6, 0, -10))
		return nil
	})
}

// depthChart draws hit ratios by page depth, a line a policy.
func depthChart(rows []sim.Row, shown []line) ([]byte, error) {
	var names []string
	for _, d := range sim.Depths {
		if slices.ContainsFunc(rows, func(r sim.Row) bool { _, ok := r.Classes[d]; return ok }) {
			names = append(names, d)
		}
	}
	return chart("page", "hit ratio (%)", func(plt *plot.Plot) error {
		plt.X.Min, plt.X.Max, plt.Y.Min, plt.Y.Max = -.3, float64(len(names))-.7, 0, 100
		plt.X.Tick.Marker, plt.Y.Tick.Marker = nameTicks(names), percentTicks{}
		for _, l := range shown {
			var points plotter.XYs
			for i, name := range names {
				sum, n := 0., 0.
				for _, r := range rows {
					if c, ok := r.Classes[name]; ok && r.Name() == l.policy {
						sum, n = sum+percent(c.Hits, c.Requests), n+1
					}
				}
				if n > 0 {
					points = append(points, plotter.XY{X: float64(i), Y: sum / n})
				}
			}
			if len(points) == 0 {
				continue
			}
			curve, marks, err := plotter.NewLinePoints(points)
			if err != nil {
				return err
			}
			curve.LineStyle, marks.GlyphStyle = l.stroke, l.glyph
			plt.Add(curve, marks)
			plt.Legend.Add(l.policy, curve, marks)
		}
		return nil
	})
}

// rulerChart draws which share of the reads each strategy ruled, over the trace.
func rulerChart(f *sim.Folio) ([]byte, error) {
	return chart("part of the trace (%)", "reads ruled (%)", func(plt *plot.Plot) error {
		below := make([]float64, sim.PartCount)
		all := make([]float64, sim.PartCount)
		names := sortedKeys(f.RuledParts)
		for _, name := range names {
			for part, n := range f.RuledParts[name] {
				all[part] += float64(n)
			}
		}
		for i, name := range names {
			var upper, lower plotter.XYs
			for part, n := range f.RuledParts[name] {
				from := below[part]
				below[part] += 100 * float64(n) / max(1, all[part])
				x := 100 * float64(part) / sim.PartCount
				const width = 100. / sim.PartCount
				upper = append(upper, plotter.XY{X: x, Y: below[part]}, plotter.XY{X: x + width, Y: below[part]})
				lower = append(lower, plotter.XY{X: x, Y: from}, plotter.XY{X: x + width, Y: from})
			}
			slices.Reverse(lower)
			area, err := plotter.NewPolygon(append(upper, lower...))
			if err != nil {
				return err
			}
			area.Color, area.LineStyle.Width = palette[i%len(palette)], 0
			plt.Add(area)
			plt.Legend.Add(name, area)
		}
		plt.X.Min, plt.X.Max, plt.Y.Min, plt.Y.Max = 0, 100, 0, 100
		plt.X.Tick.Marker, plt.Y.Tick.Marker = percentTicks{}, percentTicks{}
		return nil
	})
}

// calibrationChart draws how often what was stated came true; on the diagonal it did as often as stated.
func calibrationChart(f *sim.Folio) ([]byte, error) {
	return chart("confidence stated (%)", "asked for again (%)", func(plt *plot.Plot) error {
		var points plotter.XYs
		for _, b := range f.Calibration {
			if b.N > 0 {
				points = append(points, plotter.XY{X: 100 * b.P, Y: percent(b.Reused, b.N)})
			}
		}
		diagonal, err := plotter.NewLine(plotter.XYs{{}, {X: 100, Y: 100}})
		if err != nil {
			return err
		}
		diagonal.LineStyle = draw.LineStyle{Color: bound, Width: 1.2, Dashes: []vg.Length{5, 3}}
		plt.Add(diagonal)
		plt.Legend.Add("as stated", diagonal)
		if len(points) > 0 {
			curve, marks, err := plotter.NewLinePoints(points)
			if err != nil {
				return err
			}
			curve.LineStyle = draw.LineStyle{Color: ourRed, Width: 1.8}
			marks.GlyphStyle = draw.GlyphStyle{Color: ourRed, Radius: 3, Shape: draw.CircleGlyph{}}
			plt.Add(curve, marks)
			plt.Legend.Add("came true", curve, marks)
		}
		plt.X.Min, plt.X.Max, plt.Y.Min, plt.Y.Max = 0, 100, 0, 100
		plt.X.Tick.Marker, plt.Y.Tick.Marker = percentTicks{}, percentTicks{}
		return nil
	})
}

// nameTicks marks whole numbers by names.
type nameTicks []string

// Ticks implements plot.Ticker.
func (t nameTicks) Ticks(_, _ float64) (all []plot.Tick) {
	for i, name := range t {
		all = append(all, plot.Tick{Value: float64(i), Label: name})
	}
	return all
}

// facts are what else a row of folio tells, by name.
func facts(r *sim.Row) [][2]string {
	f := r.Folio
	of := func(part, whole int64) string {
		if whole == 0 {
			return "none"
		}
		return fmt.Sprintf("%.1f %% of %d", percent(part, whole), whole)
	}
	best := 0.
	for _, s := range f.Strategies {
		best = max(best, s.ShadowHitRatio)
	}
	all := [][2]string{
		{"hit ratio", fmt.Sprintf("%.2f %%", 100*r.HitRatio)}, {"origin queries", strconv.FormatInt(r.OriginQueries, 10)}, {"stale reads", strconv.FormatInt(r.StaleServed, 10)},
		{"switches of the ruling strategy", strconv.FormatInt(f.Switches, 10)}, {"ruling at the end", f.Ruling},
		{"calibration error", fmt.Sprintf("%.2f %%", 100*f.ECE)}, {"pages brought along, used", of(r.PrefetchUsed, r.Prefetched)},
		{"next pages loaded ahead, used", of(r.WarmedUsed, r.Warmed)}, {"pages loaded again after a write, used", of(r.RewarmedUsed, r.Rewarmed)},
		{"written", sizeText(sim.Row{Size: r.BytesWritten, SizeUnit: r.SizeUnit})}, {"live at the end", sizeText(sim.Row{Size: r.BytesLive, SizeUnit: r.SizeUnit})},
		{"outdated at the end", sizeText(sim.Row{Size: r.BytesDead, SizeUnit: r.SizeUnit})}, {"books", bytesText(r.BytesMetadata)},
	}
	if f.Shadowed > 0 {
		all = append(all, [2]string{"regret, to the best strategy's shadow", fmt.Sprintf("%+.2f points", 100*(best-f.ShadowHitRatio))})
	}
	return all
}
