package sim

// MaxWiden bounds the further pages that one load may bring.
const MaxWiden = 16

// wideLoad is how much longer a load takes for each further page that it brings, as a part of
// what it takes for one: the part of the tickets workload that grows with rows.
const wideLoad = .4

// noUnit follows the last page of a list.
const noUnit = ^uint32(0)

// wide says which pages follow each page, so that one load can bring several: those that the
// trace asks for at some time, and, since a cache would store them too, the page after a full
// one even if nobody ever asks for it. Pages of keyset lists are not followed by any: no trace
// tells the next cursor.
type wide struct {
	n     int
	after []uint32 // n for each unit of the trace, up to the first noUnit
	back  []uint32 // the page before each unit
	sizes []uint32 // of each unit, the largest answer seen
	units int      // those of the trace, and pages that nobody asks for
}

// place is where a page stands: in which query, and at which row it begins.
type place struct{ query, offset uint32 }

// query is what the pages of one walk have in common.
type query struct {
	limit  uint32
	keyset bool // some page of it is named by a cursor
}

// widened returns the trace's wide of n pages, computed once for each n.
func (t *Trace) widened(n int) *wide {
	t.widths.Lock()
	defer t.widths.Unlock()
	if w, ok := t.wides[n]; ok {
		return w
	}
	w := t.widen(n)
	if t.wides == nil {
		t.wides = map[int]*wide{}
	}
	t.wides[n] = w
	return w
}

func (t *Trace) widen(n int) *wide {
	w := &wide{n: n, units: t.units, after: make([]uint32, 0, n*t.units)}
	at := make(map[place]uint32, t.units)
	for u, p := range t.places {
		at[p] = uint32(u)
	}
	full, short := t.lengths()
	for u, p := range t.places {
		q := t.queries[p.query]
		last, wasFull := q.keyset, full[u]
		for range n {
			p.offset += q.limit
			next, ok := at[p]
			if !ok && !last && wasFull {
				next, ok = uint32(w.units), true
				at[p] = next
				w.units++
			}
			if last = last || !ok; last {
				next = noUnit
			}
			w.after = append(w.after, next)
			asked := int(next) < t.units
			last, wasFull = last || asked && short[next], asked && full[next]
		}
	}
	w.sizes = make([]uint32, w.units)
	copy(w.sizes, t.largest())
	w.back = make([]uint32, w.units)
	for u := range w.back {
		w.back[u] = noUnit
	}
	for u := range t.units {
		if next := w.after[u*n]; next != noUnit {
			w.back[next] = uint32(u)
		}
	}
	return w
}

// lengths tells which units were ever seen full and which short.
func (t *Trace) lengths() (full, short []bool) {
	full, short = make([]bool, t.units), make([]bool, t.units)
	for i, u := range t.ids {
		switch {
		case !t.read(i) || !t.rowsTold(i):
		case t.short(i):
			short[u] = true
		default:
			full[u] = true
		}
	}
	return full, short
}

// stored returns the number of units that a cache may store, w's further pages included.
func (t *Trace) stored(w *wide) int {
	if w == nil {
		return t.units
	}
	return w.units
}

// behind returns the pages that a load of a unit brings along: of one that nobody asks for, none.
func (w *wide) behind(unit uint32) []uint32 {
	if int(unit)*w.n >= len(w.after) {
		return nil
	}
	pages := w.after[int(unit)*w.n : (int(unit)+1)*w.n]
	for i, u := range pages {
		if u == noUnit {
			return pages[:i]
		}
	}
	return pages
}
