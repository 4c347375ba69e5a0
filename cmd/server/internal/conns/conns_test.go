package conns

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// pair returns both ends of a connection, the accepted one first.
func pair(t *testing.T) (accepted, client net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Listen(inner)
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close(); _ = client.Close() })
	return accepted, client
}

// outcome calls f beside and returns its error, or an error if that takes too long.
func outcome(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("it takes too long")
	}
}

func read(c net.Conn, n int) func() error {
	return func() error { _, err := c.Read(make([]byte, n)); return err }
}

func TestDeadlinesPass(t *testing.T) {
	for name, far := range map[string]time.Duration{"later": 3 * Tick / 2, "already": -time.Second} {
		c, _ := pair(t)
		soon := time.Now().Add(far)
		for n, what := range map[int]string{1: "a byte", 100: "bytes"} {
			if err := c.SetReadDeadline(soon); err != nil {
				t.Fatal(err)
			}
			if err := outcome(read(c, n)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			if time.Now().Before(soon) {
				t.Errorf("%s, %s: the deadline passed before its time", name, what)
			}
		}
		if err := c.SetWriteDeadline(time.Now().Add(far)); err != nil {
			t.Fatal(err)
		}
		if err := outcome(func() error { _, err := c.Write(make([]byte, 64<<20)); return err }); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: to write what nobody reads: %v", name, err)
		}
	}
}

func TestADeadlineWakesWhoReads(t *testing.T) {
	for _, n := range []int{1, 100} {
		c, client := pair(t)
		done := make(chan error, 1)
		go func() { done <- read(c, n)() }()
		time.Sleep(10 * time.Millisecond) // it may read by now, or not: both are to be right
		_ = c.SetDeadline(longAgo)
		if err := outcome(func() error { return <-done }); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes: %v", n, err)
		}
		_ = c.SetDeadline(time.Time{})
		_, _ = client.Write([]byte("x"))
		if err := outcome(read(c, n)); err != nil {
			t.Errorf("%d bytes, after it was taken back: %v", n, err)
		}
	}
}

func TestADeadlineThatPassedCanBeTakenBack(t *testing.T) {
	c, client := pair(t)
	_ = c.SetDeadline(longAgo)
	if err := outcome(read(c, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	for _, next := range []time.Time{{}, time.Now().Add(time.Hour)} {
		_ = c.SetDeadline(next)
		for _, n := range []int{100, 1} {
			if _, err := client.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := outcome(read(c, n)); err != nil {
				t.Errorf("after %v: %v", next, err)
			}
		}
		_ = c.SetDeadline(longAgo)
	}
}

func TestCloseEndsAReadOfOneByte(t *testing.T) {
	defer goleak.VerifyNone(t)
	c, client := pair(t)
	defer client.Close()
	done := make(chan error, 1)
	go func() { done <- read(c, 1)() }()
	time.Sleep(10 * time.Millisecond)
	_ = c.Close()
	if err := outcome(func() error { return <-done }); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestNobodyWaitsOnAClosedConnection(t *testing.T) {
	c, _ := pair(t)
	_ = c.Close()
	if err := outcome(read(c, 1)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// server runs a handler behind these connections, with limits.
func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Listener = Listen(s.Listener)
	s.Config.ReadHeaderTimeout, s.Config.ReadTimeout, s.Config.WriteTimeout, s.Config.IdleTimeout = Tick, 2*Tick, 2*Tick, 2*Tick
	t.Cleanup(s.Close)
	return s
}

func TestAClientThatLeavesIsNoticed(t *testing.T) {
	left := make(chan error, 1)
	s := server(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			left <- nil
		case <-time.After(20 * time.Second):
			left <- errors.New("nobody has noticed")
		}
	})
	s.Start()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	q, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if p, err := http.DefaultClient.Do(q); err == nil {
		_ = p.Body.Close()
		t.Fatal("answered")
	}
	if err := <-left; err != nil {
		t.Error(err)
	}
}

// Requests that come at once are all answered, in order, whatever each takes.
func TestRequestsInAPipe(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/slow") {
			time.Sleep(3 * Tick) // for longer than a byte is waited for
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	s.Config.WriteTimeout = time.Minute
	s.Start()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	paths := []string{"/1", "/slow2", "/3", "/slow4", "/5"}
	for _, p := range paths {
		if _, err := io.WriteString(c, "GET "+p+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	in := bufio.NewReader(c)
	for _, p := range paths {
		got, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(got.Body); string(body) != p {
			t.Errorf("%q instead of %q", body, p)
		}
	}
}

func TestLimitsOfAServerHold(t *testing.T) {
	for name, sent := range map[string]string{
		"nothing":           "",
		"half a header":     "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"half a body":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
		"reads no response": "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.URL.Path == "/large" {
					_, _ = w.Write(make([]byte, 64<<20))
				}
			})
			closed := make(chan struct{})
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					close(closed)
				}
			}
			s.Start()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, sent); err != nil {
				t.Fatal(err)
			}
			if err := outcome(func() error { <-closed; return nil }); err != nil {
				t.Error("the server keeps the connection:", err)
			}
		})
	}
}

// A hundred requests that nobody need wait for take nowhere near a tick each.
func TestAnswersWaitForNoTick(t *testing.T) {
	s := server(t, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) }) // the byte is waited for by then
	s.Start()
	began := time.Now()
	for range 100 {
		p, err := http.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = p.Body.Close()
	}
	if took := time.Since(began); took > 50*Tick {
		t.Errorf("they took %v", took)
	}
}

func TestOverTLS(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	s.EnableHTTP2 = true
	s.StartTLS()
	for range 3 {
		p, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(p.Body); string(text) != "HTTP/2.0" {
			t.Error(string(text))
		}
		_ = p.Body.Close()
	}
}
