package folio

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/core"
)

var anyEntry = cmp.AllowUnexported(entry{})

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	for _, e := range []entry{
		{body: []byte{}, key: []byte{}, space: plainSpace, kind: found, stamps: stamps{}.add(1, 2)},
		{body: []byte("body"), key: []byte("key"), space: listSpace, kind: notFound, stamps: stamps{}.add(1, 2).add(3, ^uint64(0)),
			expires: 1 << 62, sum: ^uint64(0), rows: ^uint32(0), slot: ^uint32(0), epoch: ^uint32(0), pieces: ^uint16(0), copy: core.Copy{Born: -7, Early: 1.5, Hazard: 1e-12, Strategy: 255, Confidence: 1, Told: true}},
	} {
		v := e.appendTo([]byte("before"))
		setPlaced(v, e.slot, &e.copy)
		got, ok := parseEntry(v[6:])
		if diff := cmp.Diff(e, got, anyEntry); diff != "" || !ok || len(v) != 6+e.size() {
			t.Errorf("%v, %d bytes: %s", ok, len(v), diff)
		}
	}
}

func TestStampsAreCurrentUntilOneIsBumped(t *testing.T) {
	v := new(versions)
	s := stamps{}.add(1, 0).add(1<<40, 3).add(1<<40|1<<17, 0)
	for i, step := range []struct {
		tag     core.Tag
		n       uint64
		current bool
	}{{1 << 40, 3, true}, {2, 9, true}, {1 + 1<<16, 1, true}, {1<<40 | 1<<17, 1, false}, {1<<40 | 1<<17, 0, true}, {1, 1, false}} {
		reads := new(board.Reads)
		v.set(step.tag, step.n, reads)
		e := entry{stamps: s}
		if got := e.current(v); got != step.current {
			t.Errorf("step %d: current %v", i, got)
		}
		if (e.reads == reads) != (step.tag == 1 && step.current) {
			t.Errorf("step %d: the reads of the feed are not its own", i)
		}
	}
}

// FuzzParseEntry: any bytes are refused, or are what their entry is written as.
func FuzzParseEntry(f *testing.F) {
	e := entry{body: []byte("body"), key: []byte("key"), space: listSpace, kind: found, stamps: stamps{}.add(1, 2), expires: 3, sum: 4, rows: 5}
	v := e.appendTo(nil)
	f.Add(v)
	for i := range v {
		f.Add(v[i:])
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		e, ok := parseEntry(v)
		if !ok {
			return
		}
		if diff := cmp.Diff(v, e.appendTo([]byte{})); diff != "" {
			t.Error(diff)
		}
	})
}
