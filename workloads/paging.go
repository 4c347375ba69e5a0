package workloads

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Paging is how a web server's log says that its lists are paged.
type Paging struct {
	Page, Offset, Limit, Cursor string // query parameters; empty: none; Page may be /page/, which is in the path
	First                       int    // number of the first page, 0 or 1
	Reads                       int    // requests for what may be a page, answered
	Evidence                    []Evidence
}

// Evidence is what a log tells of one query parameter. Its clients are told apart by address and agent.
type Evidence struct {
	Name     string
	Role     string // page, offset, limit, cursor; empty: a filter
	Requests int    // that have it
	Values   int    // distinct ones, up to 1,000
	Changes  int    // times that a client asked for the same again but for this parameter
	Forward  int    // of these, to the page behind: as a page, one more; as an offset, a limit more; as a cursor, another one
	Begun    int    // clients' ways through the rest that began where it was missing, 0 or 1
	Ways     int    // all ways
}

// The names that paging goes by, as others are asked for more proof. Those of limits and cursors are the only ones.
var (
	pageNames   = []string{pathPage, "page", "p", "pg", "paged", "pageno", "page_no", "pagenumber", "page_number", "page[number]"}
	offsetNames = []string{"offset", "start", "skip", "from", "page[offset]", "startindex"}
	limitNames  = []string{"limit", "per_page", "perpage", "page_size", "pagesize", "size", "count", "num", "rows", "take", "max_results", "maxresults", "first", "page[size]", "page[limit]"}
	cursorNames = []string{"cursor", "after", "before", "page_token", "pagetoken", "next_token", "continuation", "starting_after", "marker", "page[cursor]", "page[after]"}
)

const (
	leastForward = 3   // steps to the page behind that prove a parameter which is called as such ones are
	leastOthers  = 20  // of one that is not
	shareForward = .05 // of the changes, that they must be
	shareOthers  = .3
	shareBegun   = .5 // of the ways, that must begin at the first page
	mostValues   = 1000
	mostNames    = 64 // parameters that are looked at, beside those that are called as paging ones are
	mostWays     = 1 << 20
)

// FindPaging reads a log of the format accesslog, twice, and finds which query parameters page its lists: by what clients
// ask for one after the other. A parameter is a page if clients that change it alone go on by one, and begin at the first;
// an offset if they go on by the limit; a cursor if it is called like one and the way begins without one. Lines that are no requests
// are left out, and so many that are none of a log's.
//
// Errors: those of [Open] and of reading the log, ctx's, and one that wraps ErrParameter if nothing pages.
func FindPaging(ctx context.Context, path string, bad uint32) (*Paging, error) {
	s := spec{path: path, format: "accesslog"}
	f := &finder{paths: map[string]map[string]bool{}, stats: map[string]*paramStats{}}
	for _, pass := range []func(client, path string, query url.Values){f.collect, f.follow} {
		f.reads = 0
		if err := s.eachRead(ctx, bad, func(client, path string, query url.Values) {
			f.reads++
			pass(client, path, query)
		}); err != nil {
			return nil, s.place(err)
		}
	}
	p := f.judge()
	if p.Page == "" && p.Offset == "" && p.Cursor == "" {
		return p, s.place(fmt.Errorf("%w: no query parameter pages its lists; say which one does", ErrParameter))
	}
	return p, nil
}

// eachRead calls fn for every answered GET of a log, of which so many lines may be none.
func (s spec) eachRead(ctx context.Context, bad uint32, fn func(client, path string, query url.Values)) error {
	file, err := openRegular(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	meter := &meter{in: file}
	data, err := unpack(meter, meter.consumed)
	if err != nil {
		return err
	}
	defer data.Close()
	for line, err := range parseLog(newLines(data), bad, func(int, string) {}) {
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if line.read() != "" {
			continue
		}
		if path, query, why := line.split(true); why == "" {
			fn(line.client, path, query)
		}
	}
	return nil
}

// finder gathers evidence.
type finder struct {
	reads int
	paths map[string]map[string]bool // the parameters that each path was asked with
	stats map[string]*paramStats
}

// paramStats is what is known of one parameter.
type paramStats struct {
	Evidence
	numbers int             // requests with a number
	zeros   int             // with 0
	values  map[string]bool // up to mostValues
	missing map[uint64]int  // numbers that came right after it was missing
	deltas  map[int64]int   // changes of numbers, up to mostValues different ones
	byLimit map[string]int  // of these, as many as another parameter said
	ways    map[uint64]way
}

// way is what a client asked for last, all but one parameter alike.
type way struct {
	text  string
	there bool
}

// collect learns which parameters paths have.
func (f *finder) collect(_, path string, query url.Values) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		name = strings.Clone(name) // it is a part of its line
		if f.stats[name] == nil {
			if len(f.stats) >= mostNames && !called(name) {
				continue
			}
			f.stats[name] = &paramStats{Evidence: Evidence{Name: name}, values: map[string]bool{}, missing: map[uint64]int{}, deltas: map[int64]int{}, byLimit: map[string]int{}, ways: map[uint64]way{}}
		}
		if f.paths[path] == nil && len(f.paths) < mostWays {
			f.paths[strings.Clone(path)] = map[string]bool{}
		}
		if names := f.paths[path]; names != nil {
			names[name] = true
		}
	}
}

// called reports whether a parameter is called as those are that page.
func called(name string) bool {
	for _, names := range [][]string{pageNames, offsetNames, limitNames, cursorNames} {
		if slices.Contains(names, strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// follow takes a request as the next step of as many ways as the path has parameters.
func (f *finder) follow(client, path string, query url.Values) {
	for name := range f.paths[path] {
		if s := f.stats[name]; s != nil {
			rest := maps.Clone(query)
			delete(rest, name)
			s.step(xxhash.Sum64String(client+"\x00"+path+"\x00"+rest.Encode()), way{query.Get(name), query.Has(name)}, rest)
		}
	}
}

// step takes one request of a way.
func (s *paramStats) step(key uint64, now way, rest url.Values) {
	if now.there {
		s.Requests++
		if _, err := strconv.ParseUint(now.text, 10, 31); err == nil {
			s.numbers++
		}
		now.text = strings.Clone(now.text)
		if len(s.values) < mostValues {
			s.values[now.text] = true
		}
		if now.text == "0" {
			s.zeros++
		}
	}
	last, walked := s.ways[key]
	if walked || len(s.ways) < mostWays {
		s.ways[key] = now
	}
	number, isNumber := asNumber(now)
	if !walked {
		s.Ways++
		if !now.there || isNumber && number <= 1 {
			s.Begun++
		}
		return
	}
	if now == last || !now.there {
		return
	}
	s.Changes++
	before, wasNumber := asNumber(last)
	switch {
	case !last.there && isNumber:
		s.missing[number]++
	case isNumber && wasNumber:
		s.count(int64(number)-int64(before), rest)
	}
	if !last.there && isNumber {
		s.count(int64(number), rest) // as an offset
	}
}

// count books a change of a number.
func (s *paramStats) count(delta int64, rest url.Values) {
	if _, known := s.deltas[delta]; known || len(s.deltas) < mostValues {
		s.deltas[delta]++
	}
	for name, texts := range rest {
		if n, err := strconv.ParseInt(texts[0], 10, 32); err == nil && n == delta && n > 1 {
			s.byLimit[name]++
		}
	}
}

func asNumber(w way) (uint64, bool) {
	n, err := strconv.ParseUint(w.text, 10, 31)
	return n, w.there && err == nil
}

// judge says what each parameter is.
func (f *finder) judge() *Paging {
	p := &Paging{First: 1, Reads: f.reads}
	order := slices.SortedFunc(maps.Values(f.stats), func(a, b *paramStats) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), strings.Compare(a.Name, b.Name))
	})
	for _, as := range []struct {
		role  string
		found *string
		is    func(*paramStats) bool
	}{{"page", &p.Page, (*paramStats).isPage}, {"offset", &p.Offset, (*paramStats).isOffset}, {"cursor", &p.Cursor, (*paramStats).isCursor}, {"limit", &p.Limit, f.isLimit}} {
		for _, s := range order {
			if s.Role == "" && as.is(s) && (*as.found == "" || s.Forward > f.stats[*as.found].Forward) {
				if *as.found != "" {
					f.stats[*as.found].Role = ""
				}
				*as.found, s.Role = s.Name, as.role
			}
		}
	}
	if s := f.stats[p.Page]; s != nil && s.fromZero() {
		p.First = 0
	}
	for _, s := range order {
		s.Values = len(s.values)
		p.Evidence = append(p.Evidence, s.Evidence)
	}
	return p
}

// proven reports whether so many changes to the page behind are enough, some of them from one that was said.
func (s *paramStats) proven(forward, said int, names []string) bool {
	s.Forward = forward
	least, share := leastOthers, shareOthers
	if slices.Contains(names, strings.ToLower(s.Name)) {
		least, share, said = leastForward, shareForward, leastForward
	}
	return forward >= least && said >= leastForward && float64(forward) >= share*float64(s.Changes) && float64(s.Begun) >= shareBegun*float64(s.Ways)
}

// fromZero reports whether pages are counted from 0: more than somebody's mistake is, or 1 is what comes after none.
func (s *paramStats) fromZero() bool { return 20*s.zeros > s.Requests || s.missing[1] > s.missing[2] }

// isPage: one more than before, or the second page after none was said.
func (s *paramStats) isPage() bool {
	second := uint64(2)
	if s.fromZero() {
		second = 1
	}
	said := s.deltas[1] - s.missing[1] // deltas count what came after none as from 0
	return 10*s.numbers >= 9*s.Requests && s.proven(s.missing[second]+said, said, pageNames)
}

// isOffset: more by what another parameter says, or always by the same.
func (s *paramStats) isOffset() bool {
	forward, said := 0, 0
	for delta, n := range s.deltas {
		if delta > 1 {
			forward, said = max(forward, n), max(said, n-s.missing[uint64(delta)])
		}
	}
	for _, n := range s.byLimit {
		forward = max(forward, n)
	}
	return 10*s.numbers >= 9*s.Requests && s.proven(forward, said, offsetNames)
}

// isCursor: another one each time, by name.
func (s *paramStats) isCursor() bool {
	return slices.Contains(cursorNames, strings.ToLower(s.Name)) && s.proven(s.Changes, 0, cursorNames)
}

// isLimit: by name, or what offsets go on by.
func (f *finder) isLimit(s *paramStats) bool {
	steps := 0
	for _, other := range f.stats {
		if other.Role == "offset" {
			steps = other.byLimit[s.Name]
		}
	}
	is := 10*s.numbers >= 9*s.Requests && (steps >= leastOthers || slices.Contains(limitNames, strings.ToLower(s.Name)))
	if is {
		s.Forward = steps
	}
	return is
}

// Spec returns the options of the format accesslog that say so.
func (p *Paging) Spec() url.Values {
	v := url.Values{"page": {cmp.Or(p.Page, pathPage)}, "first": {strconv.Itoa(p.First)}}
	for name, value := range map[string]string{"offset": p.Offset, "limit": p.Limit, "cursor": p.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}
