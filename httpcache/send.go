package httpcache

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foliocache/folio"
)

// send answers a request with a response, from the cache or as it has just come. lasting: it is stored, and no write
// has overtaken it.
func (a *asking) send(p *response, status string, lasting bool) {
	h := a.w.Header()
	values := make([]string, 0, 8)
	set := func(name, value string) {
		n := len(values)
		values = append(values, value)
		h[name] = values[n : n+1 : n+1]
	}
	upstream, last := "", ""
	unpack(p.fields, func(name, value string) {
		switch {
		case name == "Cache-Status":
			upstream += value + ", "
		case name == last: // a header's lines of one name come one after the other
			h[name] = append(h[name], value)
		default:
			set(name, value)
		}
		last = name
	})
	set("Cache-Status", upstream+status)
	if age, _ := p.ageAt(a.now); age >= time.Second || p.age > 0 || strings.Contains(status, "; hit") {
		set("Age", seconds(age))
	}
	a.downstream(p, lasting)
	if p.status == http.StatusOK && conditional(a.q) {
		a.conditional(p)
		return
	}
	if bodied(p.status) {
		set("Content-Length", strconv.Itoa(len(p.body)))
	}
	a.w.WriteHeader(p.status)
	if a.q.Method != http.MethodHead && bodied(p.status) {
		_, _ = a.w.Write(p.body) // who is gone needs no answer
	}
}

func conditional(q *http.Request) bool {
	for _, name := range [...]string{"Range", "If-None-Match", "If-Modified-Since"} {
		if len(q.Header[name]) > 0 {
			return true
		}
	}
	return false
}

// conditional answers as net/http does, of a response without a date of modification by when it was made.
func (a *asking) conditional(p *response) {
	h := a.w.Header()
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if made, undated := http.ParseTime(h.Get("Date")); err != nil && undated == nil {
		modified = made.Add(time.Second) // there may have been others in the second that it was made in
	}
	http.ServeContent(&dated{a.w, h["Last-Modified"]}, a.q, "", modified, bytes.NewReader(p.body))
}

// dated keeps http.ServeContent from saying when a response was modified that does not say so.
type dated struct {
	http.ResponseWriter
	modified []string
}

func (d *dated) WriteHeader(status int) {
	if h := d.Header(); d.modified == nil {
		delete(h, "Last-Modified")
	} else {
		h["Last-Modified"] = d.modified
	}
	d.ResponseWriter.WriteHeader(status)
}

// downstream tells the caches above and browsers what they may do with a response.
func (a *asking) downstream(p *response, lasting bool) {
	h := a.w.Header()
	a.confine(h)
	if a.Plain || a.CDN == 0 {
		return
	}
	_, stale := p.ageAt(a.now)
	if most := min(a.CDN, max(0, -stale)); lasting && p.status == http.StatusOK {
		h["Cdn-Cache-Control"] = []string{"max-age=" + seconds(a.CDN)}
	} else if lasting && most >= time.Second {
		h["Cdn-Cache-Control"] = []string{"max-age=" + seconds(most)}
	} else {
		h["Cdn-Cache-Control"] = []string{"no-store"}
	}
	h["Cache-Control"] = []string{"public, no-cache"}
	keys := []string{a.list.Tag(folio.Public).SurrogateKey(), a.every.SurrogateKey()}
	for _, t := range groups(a.q, h) {
		keys = append(keys, t.SurrogateKey())
	}
	h["Surrogate-Key"], h["Cache-Tag"] = []string{strings.Join(keys, " ")}, []string{strings.Join(keys, ",")}
}

// confine keeps what is of one principal from caches above, stored here or not.
func (r *route) confine(h http.Header) {
	if r.Plain || r.Route.Scope == nil {
		return
	}
	for _, name := range r.h.config.Targeted {
		delete(h, name)
	}
	for name := range h {
		if strings.HasSuffix(name, "Cdn-Cache-Control") || slices.Contains(aboveOnly, name) {
			delete(h, name)
		}
	}
	control := "private, no-cache"
	if slices.ContainsFunc(h["Cache-Control"], saysNoStore) {
		control += ", no-store"
	}
	h["Cache-Control"] = []string{control}
}

// aboveOnly are fields by which caches above are told to keep what Cache-Control may forbid.
var aboveOnly = []string{"Surrogate-Control", "Expires", "X-Accel-Expires", "Edge-Control"}

func saysNoStore(line string) bool {
	for directive := range strings.SplitSeq(line, ",") {
		if strings.EqualFold(strings.TrimSpace(directive), "no-store") {
			return true
		}
	}
	return false
}

// bodied reports whether responses of a status have a body.
func bodied(status int) bool {
	return status != http.StatusNoContent && status != http.StatusNotModified
}

// seconds writes a duration in whole seconds, rounded down.
func seconds(d time.Duration) string {
	n := int64(d / time.Second)
	if d < 0 && d%time.Second != 0 {
		n--
	}
	return strconv.FormatInt(n, 10)
}

// stamped is a response that passes by, with this cache's word on why.
type stamped struct {
	http.ResponseWriter
	status string
	wrote  bool
	final  func(status int) // told of the response's status before the client is
}

// WriteHeader tells who wants to know before the client.
func (s *stamped) WriteHeader(status int) {
	if (status >= 200 || status == http.StatusSwitchingProtocols) && !s.wrote {
		s.wrote = true
		s.Header().Add("Cache-Status", s.status)
		if s.final != nil {
			s.final(status)
		}
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *stamped) Write(b []byte) (int, error) {
	s.begin()
	return s.ResponseWriter.Write(b)
}

func (s *stamped) begin() {
	if !s.wrote {
		s.WriteHeader(http.StatusOK)
	}
}

// FlushError begins the response, as any flush does.
func (s *stamped) FlushError() error {
	s.begin()
	return http.NewResponseController(s.ResponseWriter).Flush()
}

// Flush is FlushError for who asks for a http.Flusher.
func (s *stamped) Flush() { _ = s.FlushError() }

// Hijack hands the connection over: nobody knows what is said on it.
func (s *stamped) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !s.wrote && s.final != nil {
		s.final(http.StatusSwitchingProtocols)
	}
	s.wrote = true
	return http.NewResponseController(s.ResponseWriter).Hijack()
}

// Unwrap is for http.ResponseController.
func (s *stamped) Unwrap() http.ResponseWriter { return s.ResponseWriter }
