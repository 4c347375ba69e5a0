package main

import (
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startRedis starts a redis-server and returns its URL.
func startRedis(t *testing.T) (url string, server *exec.Cmd) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	server = exec.Command("redis-server", "--bind", host, "--port", port, "--save", "", "--dir", t.TempDir(), "--loglevel", "warning")
	if err := server.Start(); err != nil {
		t.Fatalf("redis-server, of Debian's package of that name, is needed: %v", err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			_ = c.Close()
			return "redis://" + l.Addr().String(), server
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("redis-server does not answer")
		}
	}
}

// TestServersShareARedis: of one database. What one has loaded another need not load, what is written through one is
// seen through the other; and when Redis dies, reads and writes go on, and others see what was written within the lease.
func TestServersShareARedis(t *testing.T) {
	url, redis := startRedis(t)
	db := "sqlite:" + filepath.Join(t.TempDir(), "t.db")
	begin := func() *running { return start(t, here("--db", db, "--redis", url)...) }
	a, b := begin(), begin()
	time.Sleep(500 * time.Millisecond)
	list := "/api/tickets?user=1&limit=100"
	get := func(s *running) (string, string) {
		t.Helper()
		p, body := ask(t, "GET", s.api+list, "")
		if p.StatusCode != 200 {
			t.Fatal(p.Status, body)
		}
		return p.Header.Get("Cache-Status"), body
	}
	add := func(s *running, title string) {
		t.Helper()
		if p, body := ask(t, "POST", s.api+"/api/tickets", `{"user":1,"event":1,"title":"`+title+`"}`, "Content-Type", "application/json"); p.StatusCode != http.StatusCreated {
			t.Fatal(p.Status, body)
		}
	}
	_, want := get(a)
	time.Sleep(100 * time.Millisecond)
	if _, got := get(b); got != want {
		t.Error("two servers of one database differ")
	}
	if _, n := ask(t, "GET", b.admin+"/metrics", ""); !strings.Contains(n, `folio_tier_reads_total{outcome="hit"} 1`) || !strings.Contains(n, "folio_loads_total 0") {
		t.Errorf("the second server has asked the database:\n%s", lines(n, "tier", "loads_total"))
	}
	add(a, "seen by all")
	time.Sleep(100 * time.Millisecond)
	if _, got := get(b); !strings.Contains(got, "seen by all") {
		t.Error("what was written through one server is not seen through another")
	}
	_ = redis.Process.Kill()
	_ = redis.Wait()
	for i := range 5 {
		title := fmt.Sprint("without Redis ", i)
		add(b, title)
		if _, got := get(b); !strings.Contains(got, title) {
			t.Error("a writer does not see what he wrote")
		}
		get(a)
		time.Sleep(1100 * time.Millisecond) // a lease
		if _, got := get(a); !strings.Contains(got, title) {
			t.Errorf("%s: not seen elsewhere after a lease", title)
		}
	}
}

// lines are those of a text that have one of some words.
func lines(text string, words ...string) (some string) {
	for line := range strings.Lines(text) {
		for _, w := range words {
			if strings.Contains(line, w) && !strings.HasPrefix(line, "#") {
				some += line
			}
		}
	}
	return some
}

// TestATierThatCannotBe: is told before anything is opened.
func TestATierThatCannotBe(t *testing.T) {
	for _, args := range [][]string{here("--redis", "redis://127.0.0.1:1"), here("--db", "sqlite:x.db", "--redis", "http://x"),
		here("--db", "sqlite:x.db", "--config", writeFile(t, "c.yaml", "tier: {}\n")), here("--db", "sqlite:x.db", "--redis", "redis://127.0.0.1:1", "--config", writeFile(t, "d.yaml", "tier: {lease: 1ms}\n"))} {
		var out strings.Builder
		if code := run(t.Context(), append(args, "--check"), &out, &out); code != 2 {
			t.Errorf("%q: %d %s", args, code, &out)
		}
	}
}
