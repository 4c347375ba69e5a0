package folio

import (
	"errors"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEqualQueriesAreOneKey(t *testing.T) {
	l, _ := tickets(t, open(t, small()), nil)
	for want, queries := range map[string][]string{
		"tickets:user:1:offset=0:limit=20:sort=-created_at": {"", "page=1", "page=01", "limit=020&page=%31", "offset=0", "sort=-created_at",
			"utm_source=x&_=7&utm_source=y", "limit=20&sort=", "status=", "status", "status=&status="},
		"tickets:user:1:offset=40:limit=20:sort=title":                                {"page=3&sort=title", "offset=40&sort=title", "sort=title&limit=%2B20&page=3"},
		"tickets:user:1:offset=50:limit=50:sort=-created_at":                          {"page=2&limit=50", "page=2&limit=1000000", "offset=50&limit=51"},
		"tickets:user:1:offset=0:limit=20:sort=-created_at:status=a,b:type=%3A%25%2C": {"status=b&status=a&status=&type=:%25,", "type=:%25,&status=a&status=b&status=a"},
	} {
		for _, query := range queries {
			if q := parse(t, l, someone, query); q.String() != want {
				t.Errorf("%q is %s, want %s", query, q, want)
			}
		}
	}
}

func TestBadQueriesAreTold(t *testing.T) {
	c := open(t, small())
	l, _ := tickets(t, c, nil)
	keyset, _ := tickets(t, c, func(c *ListConfig[row]) {
		c.Name, c.Count, c.Cursor = "keyset", nil, func(r row) string { return strconv.Itoa(r.ID + 1) }
	})
	for _, test := range []struct {
		list  *List[row]
		scope Scope
		query string
		want  []string // parameters, in order
	}{
		{l, Scope{}, "", []string{"scope"}},
		{l, Scope{Kind: "user"}, "", []string{"scope"}},
		{l, Scope{ID: "1"}, "", []string{"scope"}},
		{l, Scope{Kind: "public", ID: "1"}, "", []string{"scope"}},
		{l, Scope{Kind: "user"}, "page=x&limit=", []string{"scope", "limit", "page"}},
		{l, someone, "page=0", []string{"page"}},
		{l, someone, "page=-1", []string{"page"}},
		{l, someone, "page=9223372036854775807", []string{"page"}},
		{l, someone, "page=99999999999999999999", []string{"page"}},
		{l, someone, "page=5002", []string{"page"}},
		{l, someone, "page=3&offset=0", []string{"offset"}},
		{l, someone, "total=banana", []string{"total"}},
		{l, someone, "status=" + strings.Repeat("x", 5000), []string{"query"}},
		{l, someone, strings.Repeat("status=a&", 101), []string{"status"}},
		{l, someone, "offset=-1&limit=0", []string{"limit", "offset"}},
		{l, someone, "offset=20&page=2", []string{"offset"}},
		{l, someone, "limit=1e3", []string{"limit"}},
		{l, someone, "limit=1&limit=2", []string{"limit"}},
		{l, someone, "sort=owner", []string{"sort"}},
		{l, someone, "owner=2&utm_x=1", []string{"owner"}},
		{l, someone, "cursor=abc", []string{"cursor"}},
		{keyset, someone, "page=2", []string{"page"}},
		{keyset, someone, "offset=20", []string{"page"}},
		{keyset, someone, "total=true", []string{"total"}},
	} {
		v, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		_, err = test.list.Parse(v, test.scope)
		var got []string
		for _, err := range flatten(err) {
			var q *QueryError
			if !errors.Is(err, ErrQuery) || !errors.As(err, &q) {
				t.Fatalf("%q: %v is no bad query", test.query, err)
			}
			got = append(got, q.Param)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %q: %v %s", test.scope, test.query, err, diff)
		}
	}
	if _, err := l.Page(background, Query{}); !errors.Is(err, ErrQuery) {
		t.Errorf("a query of no list: %v", err)
	}
	if _, err := l.Page(background, parse(t, keyset, someone, "")); !errors.Is(err, ErrQuery) {
		t.Errorf("another list's query: %v", err)
	}
	if _, err := l.Invalidate(background, Scope{Kind: "user"}); !errors.Is(err, ErrQuery) {
		t.Errorf("an invalidation of nobody: %v", err)
	}
}

func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, flatten(err)...)
	}
	return all
}

func TestAllFaultsOfAListAreTold(t *testing.T) {
	c := open(t, small())
	_, err := NewList(c, ListConfig[row]{Limit: -1, MaxOffset: -1, TTL: -1, Filters: []string{"page", "ok"}, Sorts: []string{""}})
	if got := flatten(err); len(got) != 7 || !errors.Is(err, ErrConfig) {
		t.Errorf("%d faults: %v", len(got), err)
	}
	tickets(t, c, nil)
	if _, err := NewList(c, ListConfig[row]{Name: "tickets", Load: new(table).load}); !errors.Is(err, ErrConfig) {
		t.Errorf("a name taken twice: %v", err)
	}
}

// FuzzQueriesOfOneKeyAreEqual: two queries of any params either differ in nothing that a loader
// sees, or in their keys.
func FuzzQueriesOfOneKeyAreEqual(f *testing.F) {
	f.Add("user", "1", "", "open", "b", "", 20, 0, "user", "1", "", "b", "open", "", 20, 0)
	f.Add("user", "1", "admin", "", "", "", 20, 0, "user", "1@admin", "", "", "", "", 20, 0)
	f.Add("user", "1", "", "a,b", "", "x", 20, 0, "user", "1", "", "a", "b", "x", 20, 0)
	f.Add("public", "", "", "a", "", "c:limit=1", 1, 0, "public", "", "", "a", "", "c", 1, 20)
	s := shape{name: "l", filters: []string{"f", "g"}, limit: 20, maxLimit: 50, maxOffset: 1000}
	one := func(kind, id, audience, v, w, cursor string, limit, offset int) (Query, error) {
		s := s
		s.keyset = cursor != ""
		p := Params{Scope: Scope{kind, id, audience}, Cursor: cursor, Limit: limit, Offset: offset, Filters: map[string][]string{}}
		for _, x := range []string{v, w} {
			if name := "f"; x != "" {
				if strings.HasPrefix(x, "g") {
					name = "g"
				}
				p.Filters[name] = append(p.Filters[name], x)
			}
		}
		return s.query(p)
	}
	f.Fuzz(func(t *testing.T, ak, ai, aa, av, aw, ac string, al, ao int, bk, bi, ba, bv, bw, bc string, bl, bo int) {
		a, errA := one(ak, ai, aa, av, aw, ac, al, ao)
		b, errB := one(bk, bi, ba, bv, bw, bc, bl, bo)
		if errA != nil || errB != nil {
			return
		}
		text := a.text == b.text
		a.text, b.text = "", "" // and known is a list's
		if equal := reflect.DeepEqual(a, b); equal != text {
			t.Errorf("%+v and %+v: equal %v, one key %v", a, b, equal, text)
		}
	})
}
