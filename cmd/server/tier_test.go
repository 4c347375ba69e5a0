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

	"github.com/foliocache/folio/tier/tiertest"
)

// answers reports whether a server accepts connections.
func answers(address string) error {
	c, err := net.Dial("tcp", address)
	if err == nil {
		err = c.Close()
	}
	return err
}

// TestServersShareARedis: of one database. What one has loaded another need not load, what is written through one is
// seen through the other; and when Redis dies, reads and writes go on, and others see what was written within the lease.
func TestServersShareARedis(t *testing.T) {
	dir := t.TempDir()
	redis := tiertest.Start(t, answers, func(host, port string) *exec.Cmd {
		return exec.Command("redis-server", "--bind", host, "--port", port, "--save", "", "--dir", dir, "--loglevel", "warning")
	})
	db := "sqlite:" + filepath.Join(t.TempDir(), "t.db")
	begin := func() *running { return start(t, here("--db", db, "--redis", "redis://"+redis.Address)...) }
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
	redis.Kill()
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

// TestOtherTiers: two servers that share a Memcached, and one with a folder that is started again: what was loaded before is
// not loaded again, unless it was written since.
func TestOtherTiers(t *testing.T) {
	memcached := tiertest.Start(t, answers, func(host, port string) *exec.Cmd {
		return exec.Command("memcached", "-l", host, "-p", port, "-u", "nobody")
	})
	key := writeFile(t, "key", strings.Repeat("0f", 32)+"\n")
	for name, tier := range map[string]string{"memcached": "memcached: [" + memcached.Address + "]", "sealed": "memcached: [" + memcached.Address + "]\n  prefix: sealed\n  keys: [{id: a, file: " + key + "}]", "disk": "disk: " + t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, "c.yaml", "db: sqlite:"+filepath.Join(t.TempDir(), "t.db")+"\ntier:\n  timeout: 5s\n  "+tier+"\n")
			first := start(t, here("--config", file)...)
			time.Sleep(500 * time.Millisecond)
			_, want := ask(t, "GET", first.api+"/api/tickets?user=1", "")
			time.Sleep(200 * time.Millisecond)
			ask(t, "GET", first.api+"/api/tickets?user=2", "")
			for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
				if _, n := ask(t, "GET", first.admin+"/metrics", ""); !strings.Contains(n, "folio_tier_writes_total 0") && !strings.Contains(n, "folio_tier_writes_total 1\n") {
					break // each load may bring a page along
				}
				if time.Since(began) > 20*time.Second {
					_, n := ask(t, "GET", first.admin+"/metrics", "")
					t.Fatalf("the tier was not given what was loaded:\n%s", lines(n, "tier", "loads_total"))
				}
			}
			if p, body := ask(t, "POST", first.api+"/api/tickets", `{"user":2,"event":1,"title":"new"}`, "Content-Type", "application/json"); p.StatusCode != http.StatusCreated {
				t.Fatal(p.Status, body)
			}
			time.Sleep(200 * time.Millisecond)
			if name == "disk" {
				first.stop()
			}
			second := start(t, here("--config", file)...)
			time.Sleep(500 * time.Millisecond)
			if _, got := ask(t, "GET", second.api+"/api/tickets?user=1", ""); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if _, n := ask(t, "GET", second.admin+"/metrics", ""); !strings.Contains(n, "folio_loads_total 0") {
				t.Errorf("what is in the tier was loaded again:\n%s", lines(n, "tier", "loads_total"))
			}
			if _, got := ask(t, "GET", second.api+"/api/tickets?user=2", ""); !strings.Contains(got, `"new"`) {
				t.Errorf("of before a write: %s", got)
			}
		})
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
		here("--db", "sqlite:x.db", "--config", writeFile(t, "c.yaml", "tier: {}\n")), here("--db", "sqlite:x.db", "--redis", "redis://127.0.0.1:1", "--config", writeFile(t, "d.yaml", "tier: {lease: 1ms}\n")),
		here("--db", "sqlite:x.db", "--redis", "redis://127.0.0.1:1", "--config", writeFile(t, "e.yaml", "tier: {memcached: [localhost:1]}\n")), here("--db", "sqlite:x.db", "--config", writeFile(t, "f.yaml", "tier: {memcached: [localhost:1], max_bytes: 1GiB}\n")),
		here("--db", "sqlite:x.db", "--config", writeFile(t, "g.yaml", "tier: {memcached: [localhost:1], keys: [{id: a, file: /nowhere}]}\n")), here("--db", "sqlite:x.db", "--config", writeFile(t, "h.yaml", "tier: {memcached: [localhost:1], keys: [{id: a, file: "+writeFile(t, "short", "0f")+"}]}\n"))} {
		var out strings.Builder
		if code := run(t.Context(), append(args, "--check"), &out, &out); code != 2 {
			t.Errorf("%q: %d %s", args, code, &out)
		}
	}
}
