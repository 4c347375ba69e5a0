package folioprom_test

import (
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/folioprom"
)

func BenchmarkObserve(b *testing.B) {
	c := folioprom.New(nil)
	b.ReportAllocs()
	for b.Loop() {
		c.Observe(folio.Event{Op: folio.Read, List: "tickets", Source: folio.Hit, Took: time.Microsecond})
	}
}
