package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/foliotest"
)

// TestWritesOutdateWhatTheyChange: all of the shop's pages by a new order, those that show an order by
// its note, and nothing of another shop's.
func TestWritesOutdateWhatTheyChange(t *testing.T) {
	db, err := open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	cache, _ := foliotest.New(t, nil)
	a, err := newApp(db, cache)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path string) func() {
		return func() {
			r, w := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
			r.Header.Set("Shop", "shop0")
			if a.routes().ServeHTTP(w, r); w.Code != http.StatusNoContent {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
	page := func(shop, sort string) foliotest.Cached {
		return foliotest.Page(a.orders, folio.Params{Scope: folio.Scope{Kind: "shop", ID: shop}, Sort: sort, Limit: 3})
	}
	foliotest.Invalidates(t, ask("POST", "/orders?cents=5"), page("shop0", "-created"), page("shop0", "cents"))
	foliotest.Keeps(t, ask("POST", "/orders?cents=5"), page("shop1", ""))
	foliotest.Invalidates(t, ask("PATCH", "/orders/300/note?note=x"), page("shop0", "-created"))
	foliotest.Keeps(t, ask("PATCH", "/orders/150/note?note=x"), page("shop0", "-created"))
}
