package core

import "github.com/foliocache/folio/strategy"

// line fits the time of a list's loads to the rows that they bring: as much more for each row at all depths, and as
// much for none as each depth has it, since rows that an offset skips cost something too. Least squares with one
// intercept for each group (analysis of covariance), old loads forgotten.
type line struct {
	depths [strategy.Depths]sums
	slope  float64 // time of a row
	known  bool    // whether loads ever were of several sizes
}

// sums are those of one depth's loads.
type sums struct{ n, x, xx, y, xy float64 }

const (
	lineForget  = .999
	lineDefault = .4 // what a further page takes before that is known, as a part of a load of one
	lineLeast   = .05
)

func (l *line) add(depth uint8, rows, took float64) {
	for i := range l.depths {
		s := &l.depths[i]
		for _, sum := range []*float64{&s.n, &s.x, &s.xx, &s.y, &s.xy} {
			*sum *= lineForget
		}
	}
	s := &l.depths[depth]
	s.n++
	s.x += rows
	s.xx += rows * rows
	s.y += took
	s.xy += rows * took

	var n, x, xx, xy float64
	for i := range l.depths {
		if s := &l.depths[i]; s.n > 0 {
			n += s.n
			x += s.x
			xx += s.xx - s.x*s.x/s.n
			xy += s.xy - s.x*s.y/s.n
		}
	}
	if n < walkSure || xx < x/n*x/n {
		return // they are all alike: what was known holds
	}
	l.slope, l.known = xy/xx, true
}

// expects returns how long a load of so many rows takes at a depth, by those of the deepest one up to it that had
// enough; ok: there is one, and it is more than nothing.
func (l *line) expects(depth uint8, rows float64) (took float64, ok bool) {
	for depth > 0 && l.depths[depth].n < walkSure {
		depth--
	}
	s := &l.depths[depth]
	if s.n < walkSure {
		return 0, false
	}
	took = (s.y-l.slope*s.x)/s.n + l.slope*rows
	return took, took > 0
}

// cost returns what a further page of so many rows takes, as a part of what a load of one page of a depth does:
// lineLeast..1.
func (l *line) cost(depth uint8, rows float64) float64 {
	one, ok := l.expects(depth, rows)
	if !ok || !l.known {
		return lineDefault
	}
	return min(1, max(lineLeast, l.slope*rows/one))
}

// mean returns how long a load took on average; 0 if there was none.
func (l *line) mean() float64 {
	var all sums
	for i := range l.depths {
		all.n += l.depths[i].n
		all.y += l.depths[i].y
	}
	return all.y / max(1, all.n)
}
