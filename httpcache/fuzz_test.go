package httpcache

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/foliocache/folio"
)

// FuzzResponse: what is stored is read as it was written, and any other bytes are refused or read without harm.
func FuzzResponse(f *testing.F) {
	p := response{kind: aResponse, status: 200, came: time.Unix(0, 12345), age: 1, life: 2, while: 3, ifError: 4, validate: true, fields: pack(http.Header{"A": {"1", "2"}, "B": {""}}), body: []byte("x")}
	f.Add(p.append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parse(b)
		if !ok {
			return
		}
		again, ok := parse(p.append(nil))
		if !ok || !reflect.DeepEqual(p.header(), again.header()) || string(p.body) != string(again.body) || p.status != again.status || !p.came.Equal(again.came) || p.life != again.life {
			t.Errorf("%+v is read as %+v", p, again)
		}
		p.ageAt(time.Unix(1e9, 0))
	})
}

// FuzzLink: no Link makes a page of it that is not in it.
func FuzzLink(f *testing.F) {
	for _, line := range []string{`</x?page=2>; rel="next"`, `<a>; rel=prev, <b,c>; title="x, \"y\""; rel="next last"`, `<`, `<a>;rel=`, `<a>,,<b>;REL=Next`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if next := nextLink([]string{line}); next != "" && (!strings.Contains(line, "<"+next+">") || !strings.Contains(strings.ToLower(line), "next")) {
			t.Errorf("%q in %q", next, line)
		}
	})
}

// FuzzQuery: a query in canonical form is its own canonical form, with the same key; and two queries that the origin
// is asked differently have different keys.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"", "page=1", "page=02&limit=5&f=a&f=b", "f=%26&sort=-x", "cursor=&page=3", "offset=10", "f=a;b", "limit=1000", "utm_x=1&g="} {
		f.Add(q, "page=2")
	}
	cache, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = cache.Close(context.Background()) })
	h, err := New(Config{Cache: cache, Next: http.NotFoundHandler(), Routes: []Route{{Name: "x", Pattern: "/x",
		Params: Params{Page: "page", Offset: "offset", Limit: "limit", Cursor: "cursor", Sort: "sort", Filters: []string{"f", "g"}, DefaultLimit: 10, MaxLimit: 50}}}})
	if err != nil {
		f.Fatal(err)
	}
	ask := func(query string) (*page, bool) {
		q := httptest.NewRequest("GET", "/x", nil)
		q.URL.RawQuery = query
		p, err := h.exact["/x"].page(q)
		return p, err == nil
	}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, ok := ask(one)
		if !ok {
			return
		}
		again, ok := ask(a.query)
		if !ok || again.query != a.query || again.key.String() != a.key.String() {
			t.Errorf("%q is %q, which is %q", one, a.query, again.query)
		}
		if b, ok := ask(other); ok && (a.query == b.query) != (a.key.String() == b.key.String()) {
			t.Errorf("%q and %q are asked as %q and %q, with the keys %s and %s", one, other, a.query, b.query, a.key.String(), b.key.String())
		}
	})
}
