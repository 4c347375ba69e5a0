package httpcache

import (
	"net/http"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio"
)

// memo remembers what requests of a route ask for, by their own words, so that hot ones need not be read again. It is
// of fixed size: who sends ever other requests takes the place of others. The zero value is ready.
type memo struct {
	slots [memoSlots]atomic.Pointer[remembered]
}

const (
	memoSlots = 1024
	memoBytes = 256 // of a query that is remembered
)

// remembered is what a request asks for but for whose rows: its page where everybody sees the same.
type remembered struct {
	host, path, query string
	raw               folio.RawPage
	page              page
}

func (m *memo) slot(q *http.Request) *atomic.Pointer[remembered] {
	h := xxh3.HashString(q.URL.RawQuery) + 3*xxh3.HashString(q.URL.Path) + 5*xxh3.HashString(q.Host)
	return &m.slots[h%memoSlots]
}

func (m *memo) find(q *http.Request) *remembered {
	r := m.slot(q).Load()
	if r == nil || r.query != q.URL.RawQuery || r.path != q.URL.Path || r.host != q.Host {
		return nil
	}
	return r
}

func (m *memo) keep(q *http.Request, r *remembered) {
	if len(q.URL.RawQuery)+len(q.URL.Path)+len(q.Host) <= memoBytes {
		r.host, r.path, r.query = q.Host, q.URL.Path, q.URL.RawQuery
		m.slot(q).Store(r)
	}
}
