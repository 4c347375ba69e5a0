package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/foliocache/folio"
)

// BenchmarkServer answers requests over loopback with pages that are there, by a cache whose four
// strategies compete and by one that is told which to take. Each round serves some requests with the
// one and as many with the other; what is told is the processor's time of client and server.
func BenchmarkServer(b *testing.B) {
	on, off := openServer(b, ""), openServer(b, "balanced")
	var spent [2]time.Duration
	const round = 2000
	for b.Loop() {
		for i, s := range []*httptest.Server{on, off} {
			began := processor()
			ask(b, s, round)
			spent[i] += processor() - began
		}
	}
	n := float64(b.N * round)
	b.ReportMetric(float64(spent[0])/n, "cpu-ns-competing")
	b.ReportMetric(float64(spent[1])/n, "cpu-ns-alone")
	b.ReportMetric(100*float64(spent[0]-spent[1])/float64(spent[0]), "%of-cpu")
}

func openServer(b *testing.B, strategy string) *httptest.Server {
	l := openTickets(b, strategy)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := l.Parse(r.URL.Query(), folio.Scope{Kind: "user", ID: r.Header.Get("User")})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		l.Serve(w, r, q)
	}))
	b.Cleanup(s.Close)
	ask(b, s, users)
	return s
}

// ask sends requests of all users in turn, from as many clients as there are processors.
func ask(b *testing.B, s *httptest.Server, requests int) {
	var next atomic.Int64
	done := make(chan error)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for {
				n := next.Add(1)
				if n > int64(requests) {
					done <- nil
					return
				}
				r, err := http.NewRequest("GET", s.URL+"/tickets?limit=20", nil)
				if err != nil {
					done <- err
					return
				}
				r.Header.Set("User", fmt.Sprint(n*7919%users))
				w, err := s.Client().Do(r)
				if err != nil {
					done <- err
					return
				}
				_, _ = io.Copy(io.Discard, w.Body)
				_ = w.Body.Close()
			}
		}()
	}
	for range runtime.GOMAXPROCS(0) {
		must(b, <-done)
	}
}

// processor returns the processor's time that this process has taken.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
