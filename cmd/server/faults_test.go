package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// upstream is a server behind a proxy that does what it is told to.
type upstream struct {
	*httptest.Server
	mood  atomic.Value // string
	asked atomic.Int64
	off   chan struct{} // closed at the end
}

func startUpstream(t *testing.T) *upstream {
	u := &upstream{off: make(chan struct{})}
	u.mood.Store("fine")
	u.Server = httptest.NewServer(http.HandlerFunc(u.answer))
	t.Cleanup(func() { close(u.off); u.CloseClientConnections(); u.Close() })
	return u
}

func (u *upstream) answer(w http.ResponseWriter, r *http.Request) {
	n := u.asked.Add(1)
	w.Header().Set("Content-Type", "application/json")
	switch u.mood.Load().(string) {
	case "hangs":
		select {
		case <-u.off:
		case <-r.Context().Done():
		}
	case "resets":
		_, _ = w.Write([]byte(`{"items":[1,`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "lies":
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"items":[1,`))
	case "fails":
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"error":"garbage"}`))
	case "nonsense":
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = c.Write([]byte("HTTP/1.1 200 Fine\r\nContent-Length: 5, 7\r\n\r\n{}"))
			_ = c.Close()
		}
	default:
		_, _ = fmt.Fprintf(w, `{"items":[%d],"query":%q}`, n, r.URL.RawQuery)
	}
}

// proxyTo runs a proxy with one route.
func proxyTo(t *testing.T, u *upstream, ttl, more string) *running {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy.yaml")
	text := "upstream: {url: " + u.URL + ", header_timeout: 500ms}\ncache: {load_timeout: 1s}\nroutes:\n  - {name: list, path: /list, ttl: " + ttl + ", params: {page: page, filters: [f]}" + more + "}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, here("proxy", "--config", path)...)
}

// TestUpstreamFaults: whatever it does, nothing of it is stored, nobody waits for long, what was there is served while
// that is allowed, and all is well once it is.
func TestUpstreamFaults(t *testing.T) {
	for _, mood := range []string{"hangs", "resets", "lies", "fails", "nonsense"} {
		t.Run(mood, func(t *testing.T) {
			t.Parallel()
			u := startUpstream(t)
			s := proxyTo(t, u, "1s", ", stale_if_error: 1m")
			_, fine := ask(t, "GET", s.api+"/list?page=2", "")
			u.mood.Store(mood)
			time.Sleep(1100 * time.Millisecond) // it is stale now
			began := time.Now()
			p, text := ask(t, "GET", s.api+"/list?page=2", "")
			if p.StatusCode != 200 || text != fine || !strings.Contains(p.Header.Get("Cache-Status"), "stale-if-error") {
				t.Errorf("what was there is not served: %s %s %s", p.Status, text, p.Header.Get("Cache-Status"))
			}
			p, text = ask(t, "GET", s.api+"/list?page=3", "")
			if p.StatusCode < 500 || strings.Contains(text, "items") {
				t.Errorf("what cannot be answered: %s %s", p.Status, text)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("two requests took %s", took)
			}
			u.mood.Store("fine")
			for _, page := range []string{"2", "3"} {
				if p, text := ask(t, "GET", s.api+"/list?page="+page, ""); p.StatusCode != 200 || !strings.HasSuffix(text, `"page=`+page+`"}`) {
					t.Errorf("once it is well: %s %s", p.Status, text)
				}
			}
		})
	}
}

// TestAWriteThatTheUpstreamDidNotAnswerOutdates: nobody knows what it did.
func TestAWriteThatTheUpstreamDidNotAnswerOutdates(t *testing.T) {
	for mood, outdates := range map[string]bool{"hangs": true, "nonsense": true, "fails": false} {
		u := startUpstream(t)
		s := proxyTo(t, u, "1m", "")
		_, before := ask(t, "GET", s.api+"/list", "")
		u.mood.Store(mood)
		ask(t, "POST", s.api+"/list", "{}")
		u.mood.Store("fine")
		_, after := ask(t, "GET", s.api+"/list", "")
		if (before != after) != outdates {
			t.Errorf("%s: before %s, after %s", mood, before, after)
		}
	}
}

// TestDistinctQueriesLeaveHotPages: whoever asks for ever other pages, or for ever other variants of one, takes no
// memory beyond the cache's, and does not push out what is asked for often. OPERATIONS=1000000 for a million of each.
func TestDistinctQueriesLeaveHotPages(t *testing.T) {
	n := 80_000
	if more, err := strconv.Atoi(os.Getenv("OPERATIONS")); err == nil {
		n = more
	}
	t.Run("queries", func(t *testing.T) { flood(t, n, false) })
	t.Run("variants", func(t *testing.T) { flood(t, n, true) })
}

// TestSlowlorisAndGiants: who sends a header byte by byte, or without end, is sent away.
func TestSlowlorisAndGiants(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("limits: {header_timeout: 300ms, header_bytes: 4KiB}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, here("--config", path)...)
	address := strings.TrimPrefix(s.api, "http://")
	slow, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	began := time.Now()
	go func() {
		for range 100 {
			if _, err := slow.Write([]byte("G")); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	_ = slow.SetReadDeadline(time.Now().Add(3 * time.Second))
	if _, err := bufio.NewReader(slow).ReadString(0); err == nil || time.Since(began) > 2*time.Second {
		t.Errorf("after %s it is still there: %v", time.Since(began), err)
	}
	giant, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer giant.Close()
	_, _ = fmt.Fprintf(giant, "GET /api/tickets?user=1 HTTP/1.1\r\nHost: x\r\nX-Giant: %s", strings.Repeat("x", 10<<10))
	if line, _ := bufio.NewReader(giant).ReadString('\n'); !strings.Contains(line, "431") {
		t.Errorf("a giant header: %q", line)
	}
	if p, _ := ask(t, "GET", s.api+"/healthz", ""); p.StatusCode != 200 {
		t.Errorf("to others it says %s", p.Status)
	}
}
