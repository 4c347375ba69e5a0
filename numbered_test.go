package folio_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/foliotest"
)

// TestNumberedPagesTellTheirPlace: as it is loaded, as it is stored, brought along, and behind the end, known or not.
func TestNumberedPagesTellTheirPlace(t *testing.T) {
	cache, _ := foliotest.New(t, func(*folio.Config) {})
	l, err := folio.NewList(cache, folio.ListConfig[int]{Name: "rows", Limit: 2, Numbered: true, Load: func(_ context.Context, _ folio.Query, r folio.Range) ([]int, error) {
		rows := []int{1, 2, 3}
		return rows[min(r.Offset, 3):min(r.Offset+r.Limit, 3)], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{"items":[1,2],"page":1,"has_more":true}`, `{"items":[3],"page":2,"has_more":false}`, `{"items":[],"page":3,"has_more":false}`, `{"items":[],"page":4,"has_more":false}`}
	for range 2 {
		for i, body := range want {
			q, err := l.Query(folio.Params{Scope: folio.Public, Page: i + 1})
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			l.Serve(w, httptest.NewRequest("GET", "/", nil), q)
			if w.Body.String() != body {
				t.Errorf("page %d: %s, want %s (%s)", i+1, w.Body, body, w.Header().Get("Cache-Status"))
			}
			p, err := l.Page(t.Context(), q)
			if err != nil || len(p.Items) != max(0, min(2, 3-2*i)) {
				t.Errorf("page %d: %v, %v", i+1, p.Items, err)
			}
		}
	}
}
