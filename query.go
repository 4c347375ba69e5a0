package folio

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/foliocache/folio/internal/tracking"
)

// Params are what a query is made of. The zero value of every field but Scope is a default.
type Params struct {
	Scope   Scope
	Filters map[string][]string // values in any order; empty ones are none
	Sort    string              // one of the list's; default its first
	Limit   int                 // rows of a page; the list's default, and no more than its MaxLimit
	Page    int                 // from 1; or
	Offset  int                 // rows before the page, from 0; or
	Cursor  string              // where a keyset page begins; empty: the first one
	Total   bool                // Serve tells the total count, too
}

// Query asks a list for one page. Equal ones, however they were spelled, have one key. Made by
// [List.Query] and [List.Parse]; one that was changed since is an [ErrQuery].
type Query struct {
	Scope  Scope
	Sort   string
	Limit  int
	Offset int
	Cursor string
	Total  bool

	list    string
	filters []filter
	text    string // canonical: the key
	known   *known
	after   Token // the answer is not of before; zero: it may be
}

// known is what a list knows of a query from its making on: a query that was changed since is
// none of the list's.
type known struct {
	cache *Cache
	made  asked
	id    identity
	end   identity // of where the list ends, see [List.behind]; zero on first and keyset pages
}

// asked is what of a query anybody may change.
type asked struct {
	scope         Scope
	sort, cursor  string
	limit, offset int
	total         bool
}

func (q *Query) asked() asked {
	return asked{q.Scope, q.Sort, q.Cursor, q.Limit, q.Offset, q.Total}
}

// filter is one filter and the values that rows may have, sorted, each once.
type filter struct {
	name   string
	values []string
}

// Range is what a loader is asked for: rows from Offset or from Cursor on, at most Limit.
type Range struct {
	Offset int
	Limit  int
	Cursor string
}

// Filter returns the value of a filter, the first where it has several; empty where it has none.
func (q Query) Filter(name string) string {
	if v := q.FilterValues(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// FilterValues returns all values of a filter, sorted. They are not to be written.
func (q Query) FilterValues(name string) []string {
	for _, f := range q.filters {
		if f.name == name {
			return f.values
		}
	}
	return nil
}

// Page returns the page's number, from 1; 0 where a keyset page is not the first.
func (q Query) Page() int {
	if q.Cursor != "" || q.Limit <= 0 {
		return 0
	}
	return q.Offset/q.Limit + 1
}

// String returns the canonical key: tickets:user:123:offset=40:limit=20:sort=-created_at:status=open.
func (q Query) String() string { return q.text }

// shape is what a list lets its queries be.
type shape struct {
	name            string
	sorts, filters  []string
	limit, maxLimit int
	maxOffset       int
	keyset          bool
	counted         bool
}

// query checks params and makes them canonical. The error joins all that is wrong.
func (s *shape) query(p Params) (Query, error) {
	q := Query{Scope: p.Scope, Sort: p.Sort, Limit: p.Limit, Offset: p.Offset, Cursor: p.Cursor, Total: p.Total, list: s.name}
	faults := []error{p.Scope.check()}
	fault := func(param, value, reason string) { faults = append(faults, &QueryError{param, value, reason}) }
	switch {
	case q.Sort == "" && len(s.sorts) > 0:
		q.Sort = s.sorts[0]
	case q.Sort != "" && !slices.Contains(s.sorts, q.Sort):
		fault("sort", q.Sort, oneOf(s.sorts))
	}
	switch {
	case q.Limit == 0:
		q.Limit = s.limit
	case q.Limit < 0:
		fault("limit", strconv.Itoa(q.Limit), "want at least 1")
	}
	q.Limit = min(q.Limit, s.maxLimit)
	s.place(&q, p, fault)
	if p.Total && !s.counted {
		fault("total", "true", "this list is not counted")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Filters)) {
		if !slices.Contains(s.filters, name) {
			fault(name, strings.Join(p.Filters[name], ","), "no such filter: "+oneOf(s.filters))
		}
		if n := len(p.Filters[name]); n > maxFilterValues {
			fault(name, strconv.Itoa(n)+" values", "want at most "+strconv.Itoa(maxFilterValues))
		} else if values := canonical(p.Filters[name]); len(values) > 0 {
			q.filters = append(q.filters, filter{name, values})
		}
	}
	if err := errors.Join(faults...); err != nil {
		return Query{}, err
	}
	if q.text = string(q.canonical(nil)); len(q.text) > maxKey {
		return Query{}, &QueryError{"query", q.text[:64] + "…", "longer than " + strconv.Itoa(maxKey) + " bytes"}
	}
	return q, nil
}

// canonical returns a filter's values sorted, each once. An empty one is none.
func canonical(values []string) []string {
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	if len(values) > 0 && values[0] == "" {
		return values[1:]
	}
	return values
}

// oneOf says what is wanted.
func oneOf(names []string) string {
	if len(names) == 0 {
		return "this list has none"
	}
	return "want one of " + strings.Join(names, ", ")
}

// What one query may ask for.
const (
	maxFilterValues = 100
	maxKey          = 4096 // bytes of its canonical text
)

// place checks where the page begins.
func (s *shape) place(q *Query, p Params, fault func(param, value, reason string)) {
	switch {
	case p.Page < 0:
		fault("page", strconv.Itoa(p.Page), "want at least 1")
	case p.Offset < 0:
		fault("offset", strconv.Itoa(p.Offset), "want at least 0")
	case p.Page > 0 && p.Offset > 0:
		fault("offset", strconv.Itoa(p.Offset), "given beside page")
	case s.keyset && (p.Page > 1 || p.Offset > 0):
		fault("page", strconv.Itoa(p.Page), "this list is paged by cursor")
	case !s.keyset && p.Cursor != "":
		fault("cursor", p.Cursor, "this list is not paged by cursor")
	case p.Page > 1 && p.Page-1 > s.maxOffset/max(1, q.Limit):
		fault("page", strconv.Itoa(p.Page), "beyond row "+strconv.Itoa(s.maxOffset))
	case p.Page > 1:
		q.Offset = (p.Page - 1) * q.Limit
	}
	if q.Offset > s.maxOffset {
		fault("offset", strconv.Itoa(q.Offset), "beyond row "+strconv.Itoa(s.maxOffset))
	}
}

// canonical writes the key: every query has one, and no two have the same.
func (q *Query) canonical(dst []byte) []byte {
	dst = q.Scope.append(append(appendField(dst, q.list), ':'))
	if q.Cursor != "" {
		dst = appendField(append(dst, ":cursor="...), q.Cursor)
	} else {
		dst = strconv.AppendInt(append(dst, ":offset="...), int64(q.Offset), 10)
	}
	dst = strconv.AppendInt(append(dst, ":limit="...), int64(q.Limit), 10)
	dst = appendField(append(dst, ":sort="...), q.Sort)
	return q.appendFilters(dst)
}

func (q *Query) appendFilters(dst []byte) []byte {
	for _, f := range q.filters {
		dst = append(appendField(append(dst, ':'), f.name), '=')
		for i, v := range f.values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendField(dst, v)
		}
	}
	return dst
}

// parse reads params from a URL's query: page, offset, limit, sort, cursor, total, and filters by
// their names. What trackers add is dropped; anything else is an error.
func (s *shape) parse(v url.Values, scope Scope) (Query, error) {
	p := Params{Scope: scope}
	var faults []error
	number := func(name string, least int) int {
		n, err := strconv.Atoi(v.Get(name))
		if err != nil || n < least {
			faults = append(faults, &QueryError{name, v.Get(name), "want a whole number from " + strconv.Itoa(least)})
		}
		return n
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if known := slices.Contains(s.filters, name); known {
			p.Filters = set(p.Filters, name, v[name])
			continue
		}
		if len(v[name]) > 1 && !tracking.Param(name) {
			faults = append(faults, &QueryError{name, strings.Join(v[name], ","), "given more than once"})
			continue
		}
		switch name {
		case "page":
			p.Page = number(name, 1)
		case "offset":
			p.Offset = number(name, 0)
		case "limit":
			p.Limit = number(name, 1)
		case "sort":
			p.Sort = v.Get(name)
		case "cursor":
			p.Cursor = v.Get(name)
		case "total":
			var err error
			if p.Total, err = strconv.ParseBool(cmp.Or(v.Get(name), "true")); err != nil {
				faults = append(faults, &QueryError{name, v.Get(name), "want true or false"})
			}
		default:
			if !tracking.Param(name) {
				faults = append(faults, &QueryError{name, v.Get(name), "no such parameter"})
			}
		}
	}
	if v.Has("page") && v.Has("offset") {
		faults = append(faults, &QueryError{"offset", v.Get("offset"), "given beside page"})
	}
	if err := errors.Join(faults...); err != nil {
		return Query{}, errors.Join(scope.check(), err)
	}
	return s.query(p)
}

func set(m map[string][]string, name string, values []string) map[string][]string {
	if m == nil {
		m = map[string][]string{}
	}
	m[name] = values
	return m
}
