package httpcache

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// send answers a request with a response, from the cache or as it was just stored.
func (a *asking) send(p *response, status string) {
	h := a.w.Header()
	values := make([]string, 0, 16)
	set := func(name, value string) {
		n := len(values)
		values = append(values, value)
		h[name] = values[n : n+1 : n+1]
	}
	upstream := ""
	unpack(p.fields, func(name, value string) {
		switch {
		case name == "Cache-Status":
			upstream = value + ", "
		case h[name] != nil:
			h[name] = append(h[name], value)
		default:
			set(name, value)
		}
	})
	set("Cache-Status", upstream+status)
	if age, _ := p.ageAt(a.now); age >= time.Second || p.age > 0 || strings.Contains(status, "; hit") {
		set("Age", seconds(age))
	}
	a.downstream(set)
	whole := p.status == http.StatusOK
	if whole && conditional(a.q) {
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
	h, q := a.w.Header(), a.q
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		modified, _ = http.ParseTime(h.Get("Date"))
	}
	held := h["Last-Modified"]
	http.ServeContent(&dated{a.w, held}, q, "", modified, bytes.NewReader(p.body))
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

// downstream tells the caches above and browsers what they may do with a list's page.
func (r *route) downstream(set func(name, value string)) {
	switch {
	case r.Plain:
	case r.Route.Scope != nil:
		set("Cache-Control", "private, no-cache")
	case r.CDN > 0:
		set("Cache-Control", "public, no-cache")
		set("Cdn-Cache-Control", "max-age="+seconds(r.CDN))
		keys := r.surrogates(string(r.list.Tag(publicScope)))
		set("Surrogate-Key", keys)
		set("Cache-Tag", strings.ReplaceAll(keys, " ", ","))
	}
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

func (s *stamped) WriteHeader(status int) {
	if status >= 200 && !s.wrote {
		s.wrote = true
		s.Header().Add("Cache-Status", s.status)
		if s.final != nil {
			s.final(status)
		}
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *stamped) Write(b []byte) (int, error) {
	if !s.wrote {
		s.WriteHeader(http.StatusOK)
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (s *stamped) Unwrap() http.ResponseWriter { return s.ResponseWriter }
