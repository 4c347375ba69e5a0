package workloads

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func init() {
	register(Format{
		Name: "accesslog",
		Doc:  "log of nginx, Apache and others, in the Combined Log Format or JSON; say accesslog:PATH?page=NAME with the name of the page parameter, or have simulate accesslog find it",
		Text: true,
		Params: []Param{
			{Name: "page", Doc: "name of the query parameter that holds the page number; /page/ where it is in the path, as in /posts/page/2", Required: true},
			{Name: "limit", Default: "limit", Doc: "name of the one that holds the rows asked for"},
			{Name: "offset", Default: "offset", Doc: "name of the one that holds the rows before the page"},
			{Name: "cursor", Default: "cursor", Doc: "name of the one that holds a keyset cursor"},
			{Name: "scope", Doc: "name of the one whose value is the scope; $user: who was logged in; none = all is public"},
			{Name: "first", Default: "1", Doc: "number of the first page, 0 or 1"},
			{Name: "rows", Default: "20", Doc: "limit of a request that names none"},
			{Name: "bad", Default: "0", Doc: "so many lines may be none of a log's"},
		},
		Read:  readAccessLog,
		Sniff: sniffAccessLog,
	})
}

// readAccessLog turns a web server's log into a paginated trace.
//
//   - GET answered by 2xx or 304 is a Read of list = path. Page, offset, limit and cursor come from
//     the query; the other parameters, sorted, are the variant. A cursor's depth is not logged: 2.
//     Load is what the server took, where that is logged: nginx's $request_time as rt=, or in JSON.
//   - POST, PUT, PATCH and DELETE answered by 2xx are an Invalidate of the path's feed and of its
//     parent's, of those that the log has read before; none: the line is skipped. With scopes it is of the writer's own alone:
//     a log does not say who else sees what was written.
//   - Every other line is skipped, and told to Options.Skipped. A line that is not of the log
//     format is an error, but for as many as the parameter bad allows for.
//   - A log in which no request has a page, offset or cursor parameter that was given is an error: that is not its name.
//
// Times count from the first line; a line written late takes the time of the line before.
// Source: https://httpd.apache.org/docs/2.4/logs.html, "Combined Log Format"; JSON by the names of nginx's variables, of
// Caddy, Traefik and Envoy.
func readAccessLog(r io.Reader, o Options) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		mapper, err := newLogMapper(o.Values)
		if err != nil {
			yield(Request{}, err)
			return
		}
		in := newLines(r)
		for line, err := range parseLog(in, mapper.bad, o.skip) {
			if err != nil {
				yield(Request{}, err)
				return
			}
			requests, why := mapper.requests(line)
			if why != "" {
				o.skip(in.number, why)
			}
			for _, request := range requests {
				if !yield(request, nil) {
					return
				}
			}
		}
		if len(mapper.read) > 0 && len(mapper.unseen) > 0 {
			yield(Request{}, fmt.Errorf("%w: no request has one named %s, which should say which page is asked for", ErrParameter, mapper.unseen[0]))
		}
	}
}

// parseLog yields the lines of a log. So many may be none of a log's, torn by a client or by being copied while the server
// writes; they are told to skip. A file without any line of a log is an error, that of its first one.
func parseLog(in *lines, bad uint32, skip func(line int, why string)) iter.Seq2[logLine, error] {
	return func(yield func(logLine, error) bool) {
		good, first := false, error(nil)
		for in.next() {
			line, err := parseLogLine(string(in.text))
			switch {
			case err == nil:
				if good = true; !yield(line, nil) {
					return
				}
			case bad == 0:
				yield(logLine{}, in.fault(err))
				return
			default:
				bad--
				first = cmp.Or(first, in.fault(err))
				skip(in.number, "it is no line of a log")
			}
		}
		if good {
			first = nil
		}
		if err := cmp.Or(in.err(), first); err != nil {
			yield(logLine{}, err)
		}
	}
}

// logMapper makes requests of log lines.
type logMapper struct {
	page, limit, offset, cursor, scope string // names of query parameters
	first, rows                        uint32
	bad                                uint32   // lines that may be none of a log's
	unseen                             []string // parameters that were given and no request has had so far
	clock                              clock
	read                               map[feed]bool // feeds read so far
	out                                [2]Request
}

// loggedIn is the scope that is not a query parameter.
const loggedIn = "$user"

type feed struct{ list, scope string }

func newLogMapper(v Values) (*logMapper, error) {
	m := &logMapper{
		page: v.Text("page"), limit: v.Text("limit"), offset: v.Text("offset"), cursor: v.Text("cursor"), scope: v.Text("scope"),
		read: map[feed]bool{},
	}
	for _, of := range []string{"page", "offset", "cursor"} {
		if name, given := v.set[of]; given && name != pathPage {
			m.unseen = append(m.unseen, name)
		}
	}
	if m.page == "" {
		return nil, fmt.Errorf("%w: page: the name of the page parameter must be given", ErrParameter)
	}
	m.first = uint32(v.Int("first", 0, 1))
	m.rows = uint32(v.Int("rows", 1, 1<<20))
	m.bad = uint32(v.Int("bad", 0, math.MaxInt32))
	return m, v.Err()
}

// requests returns what a line amounts to, valid until the next call, or why it is skipped.
func (m *logMapper) requests(line logLine) (requests []Request, why string) {
	path, query, why := line.split(m.page == pathPage)
	if why != "" {
		return nil, why
	}
	base := Request{Time: m.clock.since(line.time), List: path, Scope: publicScope}
	switch {
	case m.scope == loggedIn && line.user != "":
		base.Scope = "user:" + line.user
	case m.scope != "" && query.Get(m.scope) != "":
		base.Scope = m.scope + ":" + query.Get(m.scope)
	}
	switch line.method {
	case "POST", "PUT", "PATCH", "DELETE":
		if line.status < 200 || line.status >= 300 {
			return nil, "the answer is " + strconv.Itoa(line.status)
		}
		return m.invalidate(base)
	}
	if why := line.read(); why != "" {
		return nil, why
	}
	base.Size, base.Load = line.size, line.took
	return m.readPage(base, query)
}

func (m *logMapper) readPage(r Request, query url.Values) ([]Request, string) {
	if why := m.place(&r, query); why != "" {
		return nil, why
	}
	for _, name := range [...]string{m.page, m.limit, m.offset, m.cursor, m.scope} {
		query.Del(name)
	}
	r.Variant = query.Encode()
	m.read[feed{r.List, r.Scope}] = true
	m.out[0] = r
	return m.out[:1], ""
}

// place sets which rows are asked for.
func (m *logMapper) place(r *Request, query url.Values) (why string) {
	page, ok1 := queryNumber(query, m.page, m.first)
	limit, ok2 := queryNumber(query, m.limit, m.rows)
	offset, ok3 := queryNumber(query, m.offset, 0)
	if !ok1 || !ok2 || !ok3 || page < m.first || limit == 0 {
		return "page, limit or offset is not a number in range"
	}
	m.unseen = slices.DeleteFunc(m.unseen, query.Has)
	r.Limit, r.Cursor = limit, query.Get(m.cursor)
	if r.Cursor != "" {
		r.Page = max(2, page-m.first+1)
		return ""
	}
	if !query.Has(m.offset) {
		rows := uint64(page-m.first) * uint64(limit)
		if offset = uint32(rows); rows > uint64(offset) {
			return "page, limit or offset is not a number in range"
		}
	}
	r.Offset, r.Page = offset, offset/limit+1
	return ""
}

// queryNumber returns a parameter's number; missing or empty is the default.
func queryNumber(query url.Values, name string, missing uint32) (uint32, bool) {
	text := query.Get(name)
	if text == "" {
		return missing, true
	}
	n, err := strconv.ParseUint(text, 10, 31)
	return uint32(n), err == nil
}

func (m *logMapper) invalidate(r Request) ([]Request, string) {
	r.Op = Invalidate
	list, found := r.List, m.out[:0]
	parent := strings.TrimSuffix(list[:strings.LastIndexByte(strings.TrimSuffix(list, "/"), '/')+1], "/")
	for _, name := range [...]string{list, parent} {
		if m.read[feed{name, r.Scope}] {
			r.List = name
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil, "a write to a path that was not read before"
	}
	return found, ""
}

func sniffAccessLog(head []byte) bool {
	first := firstLines(head, 1)
	if len(first) == 0 {
		return false
	}
	_, err := parseLogLine(string(first[0]))
	return err == nil
}

var errLogLine = errors.New("neither a line of the Combined Log Format nor of a JSON log")
