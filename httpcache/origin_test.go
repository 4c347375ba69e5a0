package httpcache_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

func TestASlowClientGetsAllOfALargeBody(t *testing.T) {
	const size = 16 << 20
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		b := bytes.Repeat([]byte("x"), 64<<10)
		for range size / len(b) {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}), oneRoute(nil), func(c *folio.Config, hc *httpcache.Config) { c.LoadTimeout = time.Second; hc.MaxBody = size / 2 }) // more than a connection buffers
	s := httptest.NewServer(h)
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	time.Sleep(1500 * time.Millisecond) // a slow reader
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	body, err := io.ReadAll(res.Body)
	if err != nil || len(body) != size {
		t.Errorf("status %d, %d bytes of %d that end in %q: %v", res.StatusCode, len(body), size, body[max(0, len(body)-20):], err)
	}
}

func TestAResponseUnderWayIsNotCutByTheLoadsDeadline(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "[1,2,3,4,5,6,7,8,9,")
		io.WriteString(w, "10]")
	}), oneRoute(nil), func(c *folio.Config, hc *httpcache.Config) { c.LoadTimeout = 200 * time.Millisecond; hc.MaxBody = 20 })
	w := &slowWriter{ResponseRecorder: httptest.NewRecorder(), in: make(chan struct{}), gate: make(chan struct{})}
	time.AfterFunc(time.Second, func() { close(w.gate) })
	h.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
	if got := w.Body.String(); got != "[1,2,3,4,5,6,7,8,9,10]" {
		t.Errorf("%d %q", w.Code, got)
	}
}

func TestADecisionAtTheDeadlineIsOne(t *testing.T) {
	const timeout = 20 * time.Millisecond
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // never, or it is cancelled as the load is given up
		writeJSON(w, `{}`)
	}), oneRoute(nil), func(c *folio.Config, hc *httpcache.Config) { c.LoadTimeout = timeout })
	w := ask(h, "GET", "/x")
	t.Log(w.Code, w.Body)
	h = caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		for t := time.Now(); time.Since(t) < timeout-200*time.Microsecond+time.Duration(time.Now().UnixNano()%600)*time.Microsecond; {
		}
		io.WriteString(w, "[1,")
		time.Sleep(2 * time.Millisecond)
		io.WriteString(w, "2]")
	}), oneRoute(nil), func(c *folio.Config, hc *httpcache.Config) { c.LoadTimeout = timeout })
	for range 50 {
		w := ask(h, "GET", "/x")
		if w.Code == 200 && w.Body.String() != "[1,2]" {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
	}
}

func TestAHandlerThatExitsIsNotStored(t *testing.T) {
	var n atomic.Int32
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			writeJSON(w, `[1,`)
			runtime.Goexit()
		}
		writeJSON(w, `[1,2]`)
	}), oneRoute(nil))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w := ask(h, "GET", "/x")
		t.Log(w.Code, w.Body)
	}()
	<-done
	if got := ask(h, "GET", "/x"); got.Body.String() != "[1,2]" {
		t.Errorf("%s %s", got.Body, got.Header())
	}
}

// TestClientsThatComeAndGo: whatever they and the origin do, nobody gets what is another's, and no ResponseWriter is
// used after its time.
func TestClientsThatComeAndGo(t *testing.T) {
	h := caching(t, http.HandlerFunc(moody), oneRoute(func(r *httpcache.Route) {
		r.Params = httpcache.Params{Page: "page", Filters: []string{"f"}}
		r.NoWarm = false
	}),
		func(c *folio.Config, hc *httpcache.Config) {
			hc.MaxBody = 400
			c.LoadTimeout = 4 * time.Millisecond
			c.MaxLoads = 8
		})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			for ctx.Err() == nil {
				f, lang := string(rune('a'+rand.IntN(3))), string(rune('A'+rand.IntN(2)))
				g := &guarded{h: http.Header{}, t: t}
				c2, cc := context.WithTimeout(context.Background(), time.Duration(rand.IntN(8000))*time.Microsecond)
				if rand.IntN(2) == 0 {
					c2, cc = context.WithCancel(context.Background())
				}
				m := "GET"
				if rand.IntN(20) == 0 {
					m = "POST"
				}
				q := httptest.NewRequest(m, "/x?f="+f+"&page="+fmt.Sprint(1+rand.IntN(2)), nil).WithContext(c2)
				q.Header.Set("Accept-Language", lang)
				func() {
					defer func() { recover() }()
					defer g.gone.Store(true)
					h.ServeHTTP(g, q)
				}()
				cc()
				if g.code == 200 && strings.Trim(g.body.String(), f+lang) != "" {
					t.Errorf("asked %s%s: %.100q %s", f, lang, g.body.String(), g.h)
				}
			}
		})
	}
	wg.Wait()
}

// moody is an origin that answers in every way there is, with its filter and language, as often as it likes.
func moody(w http.ResponseWriter, r *http.Request) {
	rnd := func(n int) time.Duration { return time.Duration(rand.IntN(n)) * time.Microsecond }
	if r.Method == "POST" {
		return
	}
	id := r.URL.Query().Get("f")
	w.Header().Set("Content-Type", "application/json")
	if rand.IntN(2) == 0 {
		w.Header().Set("Cache-Control", "no-store")
	} else {
		w.Header().Set("Vary", "Accept-Language")
		w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d, stale-while-revalidate=1, stale-if-error=1", rand.IntN(2)))
		w.Header().Set("Etag", `"`+id+`"`)
	}
	time.Sleep(rnd(3000))
	switch rand.IntN(10) {
	case 0:
		panic(http.ErrAbortHandler)
	case 1:
		w.WriteHeader(500)
	case 2:
		w.WriteHeader(103)
		time.Sleep(rnd(500))
	case 3:
		w.Header().Set("Content-Length", "3")
	}
	for range rand.IntN(20) {
		w.Write([]byte(strings.Repeat(id+r.Header.Get("Accept-Language"), 20)))
		if rand.IntN(3) == 0 {
			w.(http.Flusher).Flush()
		}
		time.Sleep(rnd(300))
		if rand.IntN(60) == 0 {
			panic("x")
		}
	}
}

func TestABodyCutShortIsNotStored(t *testing.T) {
	var n atomic.Int32
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=0, stale-while-revalidate=60")
		fmt.Fprint(w, `[1,`)
		w.(http.Flusher).Flush()
		if n.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, `2]`)
	}))
	defer up.Close()
	u, _ := url.Parse(up.URL)
	s := httptest.NewServer(caching(t, httpcache.Proxy(httpcache.Upstream{URL: u}), oneRoute(func(r *httpcache.Route) { r.ETag = true })))
	defer s.Close()
	for range 8 {
		res, err := http.Get(s.URL + "/x")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(b) != "[1,2]" && res.StatusCode == 200 {
			t.Errorf("%q %v %v", b, err, res.Header)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestAStatusThatIsNoneFailsAlone(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(42) }), oneRoute(nil))
	s := httptest.NewServer(h)
	defer s.Close()
	res, err := http.Get(s.URL + "/x")
	t.Log(res, err)
}

func TestWithinATimeoutHandler(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		writeJSON(w, `{}`)
	}), oneRoute(nil))
	s := httptest.NewServer(http.TimeoutHandler(h, 20*time.Millisecond, "late"))
	defer s.Close()
	bad := 0
	for i := range 40 {
		res, err := http.Get(fmt.Sprintf("%s/x?%d", s.URL, i))
		if err != nil {
			bad++
			continue
		}
		res.Body.Close()
		time.Sleep(10 * time.Millisecond)
		_ = res
	}
	t.Log("aborted", bad)
}

func TestAStreamEndsWithItsClient(t *testing.T) {
	ended := make(chan struct{})
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(ended)
	}), oneRoute(nil), func(c *folio.Config, _ *httpcache.Config) { c.LoadTimeout = 300 * time.Millisecond })
	s := httptest.NewServer(h)
	ctx, cancel := context.WithCancel(context.Background())
	q, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/x", nil)
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Read(make([]byte, 4))
	cancel()
	select {
	case <-ended:
		s.Close()
	case <-time.After(3 * time.Second):
		t.Error("the client is gone for 3 s and the handler's context is not done")
	}
}

func TestADeadlineOfAnOuterHandlerIsA504(t *testing.T) {
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Second):
		}
		writeJSON(w, `{}`)
	}), oneRoute(nil))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 50*time.Millisecond)
		defer cancel()
		h.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer s.Close()
	res, err := http.Get(s.URL + "/x")
	if err != nil {
		t.Errorf("want a 504, got %v", err)
		return
	}
	t.Log(res.StatusCode)
	res.Body.Close()
}

func TestABodyCutShortIsNotStoredWithoutAServer(t *testing.T) {
	var n atomic.Int32
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `[1,`)
		w.(http.Flusher).Flush()
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, `2]`)
	}))
	defer up.Close()
	u, _ := url.Parse(up.URL)
	h := caching(t, httpcache.Proxy(httpcache.Upstream{URL: u}), oneRoute(nil))
	func() {
		defer func() { t.Log(recover()) }()
		w := ask(h, "GET", "/x")
		t.Log(w.Code, w.Body)
	}()
	w := ask(h, "GET", "/x")
	if w.Body.String() != `[1,2]` {
		t.Errorf("%s %s", w.Body, w.Header())
	}
}

func TestASlowClientHoldsNoLoad(t *testing.T) {
	gate := make(chan struct{})
	h := caching(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(bytes.Repeat([]byte("x"), 2000))
	}), []httpcache.Route{{Name: "x", Pattern: "/x", TTL: time.Minute}, {Name: "y", Pattern: "/y", TTL: time.Minute}},
		func(c *folio.Config, hc *httpcache.Config) {
			c.MaxLoads = 1
			hc.MaxBody = 1000
			c.LoadTimeout = 10 * time.Second
		})
	_ = gate
	w := &slowWriter{ResponseRecorder: httptest.NewRecorder(), in: make(chan struct{}), gate: gate}
	go h.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
	<-w.in
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				t.Errorf("no load runs while a slow client reads: %v", v)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/y", nil).WithContext(ctx))
	}()
	<-done
	close(gate)
}
