package folio

import (
	"iter"
	"time"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/store"
)

// Entry describes a value that is held.
type Entry struct {
	List    string        // empty with plain keys
	Bytes   int           // that it takes in the store; of a value in pieces, of the first
	Rows    int           // of a list's page
	Expires time.Duration // until then; 0: never
	Ring    string        // probation or main
	Absent  bool          // remembered: the origin has no such value
}

// Entries walks through the canonical keys of all valid values and what is known of them, in no
// order. What is stored or dropped meanwhile may be seen or not. It holds no lock while the caller
// looks.
func (c *Cache) Entries() iter.Seq2[string, Entry] {
	type pair struct {
		key string
		Entry
	}
	return func(yield func(string, Entry) bool) {
		const batch = 256 // under one lock
		var pairs []pair
		for from := 0; ; from += batch {
			c.mu.Lock()
			keys, closed := c.store.Keys(), c.closed.Load()
			pairs = pairs[:0]
			for slot := from; slot < min(from+batch, len(keys)) && !closed; slot++ {
				if key, e, ok := c.entry(arena.Slot(slot), keys[slot]); ok {
					pairs = append(pairs, pair{key, e})
				}
			}
			more := from+batch < len(keys) && !closed
			c.mu.Unlock()
			for _, p := range pairs {
				if !yield(p.key, p.Entry) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

// inSlot appends what a slot holds to dst, if that is valid. Under c.mu.
func (c *Cache) inSlot(dst []byte, slot arena.Slot, k store.Key) (v []byte, e entry, ok bool) {
	unit := k.Unit()
	if s, resident := c.core.Arena().Find(unit); s != slot || !resident {
		return dst, e, false
	}
	v, ring, ok := c.store.Get(dst, k, unit)
	if !ok {
		return dst, e, false
	}
	e, ok = parseEntry(v[len(dst):])
	e.ring = ring
	if !ok || !e.current(c.versions) || e.expires > 0 && c.now() >= e.expires {
		return dst, e, false
	}
	return v, e, true
}

// entry describes what a slot holds, if it is valid. Under c.mu.
func (c *Cache) entry(slot arena.Slot, k store.Key) (key string, _ Entry, ok bool) {
	v, e, ok := c.inSlot(c.scratch[:0], slot, k)
	c.scratch = v[:0]
	if !ok || e.space == pieceSpace {
		return "", Entry{}, false
	}
	id := identity{text: string(e.key), space: e.space}
	if e.pieces > 0 && !c.whole(&id, &e) {
		return "", Entry{}, false
	}
	d := Entry{Bytes: len(v), Rows: int(e.rows), Ring: rings[e.ring], Absent: e.kind == notFound}
	if e.expires > 0 {
		d.Expires = time.Duration(e.expires - c.now())
	}
	d.List = id.listName()
	return id.text, d, true
}

// rings names the store's rings.
var rings = [...]string{store.Main: "main", store.Probation: "probation"}
