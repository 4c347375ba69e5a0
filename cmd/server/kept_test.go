package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestKeptPagesAreOfTheirConfiguration: user 7 is not tenant 7, though both are scope 7.
func TestKeptPagesAreOfTheirConfiguration(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, "%q", "tenant "+r.Header.Get("X-Tenant")+" user "+r.Header.Get("X-User"))
	}))
	defer origin.Close()
	dir := t.TempDir()
	for _, tt := range [][2]string{{"X-Tenant", "fwd"}, {"X-Tenant", "hit"}, {"X-User", "fwd"}} {
		file := writeFile(t, "proxy.yaml", "cache: {dir: "+dir+"}\nroutes: [{name: a, path: /a, ttl: 1h, scope: {from: header, header: "+tt[0]+", trusted: [127.0.0.1]}}]\n")
		s := start(t, here("proxy", "--upstream", origin.URL, "--config", file)...)
		if p, body := ask(t, "GET", s.api+"/a", "", tt[0], "7", "Host", "h"); !strings.Contains(p.Header.Get("Cache-Status"), tt[1]) {
			t.Errorf("by %s: %s %s, want %s", tt[0], body, p.Header["Cache-Status"], tt[1])
		}
		s.stop()
	}
}

// TestOneUserMayHaveSeveralCredentials: a write with one cookie is seen with the other.
func TestOneUserMayHaveSeveralCredentials(t *testing.T) {
	var writes atomic.Int32
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" {
			writes.Add(1)
			w.WriteHeader(204)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, "%d", writes.Load())
	}))
	defer origin.Close()
	s := start(t, here("proxy", "--upstream", origin.URL, "--config", "../../docs/server/proxy.yaml")...)
	list := s.api + "/api/tickets"
	ask(t, "GET", list, "", "Cookie", "sid=alice; _ga=1")
	if p, _ := ask(t, "PATCH", list+"/7", "", "Cookie", "sid=alice; _ga=2"); p.StatusCode != 204 {
		t.Fatal(p.Status)
	}
	if p, body := ask(t, "GET", list, "", "Cookie", "sid=alice; _ga=1"); body != "1" {
		t.Errorf("after a write that was acknowledged: %s %s", body, p.Header["Cache-Status"])
	}
}

// TestACheckLeavesWhatIsKept: also while a server runs.
func TestACheckLeavesWhatIsKept(t *testing.T) {
	dir, db := t.TempDir(), "sqlite:"+filepath.Join(t.TempDir(), "t.db")
	args := here("--config", writeFile(t, "c.yaml", "cache:\n  dir: "+dir+"\ndb: "+db+"\n"))
	check := func() {
		var out bytes.Buffer
		if code := run(context.Background(), append(args, "--check"), &out, &out); code != 0 {
			t.Errorf("--check: %d %s", code, &out)
		}
	}
	s := start(t, args...)
	ask(t, "GET", s.api+"/api/tickets?user=1", "")
	check()
	s.stop()
	check()
	s = start(t, args...)
	if !strings.Contains(s.logged(), "starts warm") {
		t.Errorf("what was kept is gone:\n%s", s.logged())
	}
}

// TestUpgradesPassByteByByte: through the proxy and its connections, for longer than its limits, traced or not.
func TestUpgradesPassByteByByte(t *testing.T) {
	for name, traces := range map[string]string{"plain": "", "traced": "traces: {endpoint: \"http://127.0.0.1:1\", sample: 1}\n"} {
		t.Run(name, func(t *testing.T) { upgrade(t, traces) })
	}
}

func upgrade(t *testing.T, more string) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(c, b)
	}))
	defer origin.Close()
	file := writeFile(t, "proxy.yaml", more+"limits: {read_timeout: 300ms, write_timeout: 300ms, idle_timeout: 300ms, header_timeout: 300ms}\nroutes: [{name: a, path: /a, ttl: 1m}]\n")
	s := start(t, here("proxy", "--upstream", origin.URL, "--config", file)...)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.api, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(c)
	if p, err := http.ReadResponse(in, nil); err != nil || p.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(p, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for _, sent := range []byte("abc") {
		_, _ = c.Write([]byte{sent})
		if got, err := in.ReadByte(); got != sent {
			t.Fatalf("%q instead of %q: %v", got, sent, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// TestInvalidationByURLWantsAHost: before a proxy, whose keys have it.
func TestInvalidationByURLWantsAHost(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "v")
	}))
	defer origin.Close()
	s := start(t, here("proxy", "--upstream", origin.URL, "--config", writeFile(t, "proxy.yaml", "routes: [{name: a, path: /, plain: true}]\n"))...)
	var token string
	for deadline := time.Now().Add(10 * time.Second); token == "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if m := tokenLog.FindStringSubmatch(s.logged()); m != nil {
			token = m[1]
		}
	}
	for _, tt := range []struct {
		url  string
		want int
		then string
	}{{"/x", http.StatusUnprocessableEntity, "hit"}, {s.api + "/x", http.StatusOK, "fwd"}} {
		ask(t, "GET", s.api+"/x", "")
		p, body := ask(t, "POST", s.admin+"/admin/v1/invalidate", fmt.Sprintf(`{"urls":[%q],"mode":"hard"}`, tt.url), "Authorization", "Bearer "+token)
		after, _ := ask(t, "GET", s.api+"/x", "")
		if p.StatusCode != tt.want || !strings.Contains(after.Header.Get("Cache-Status"), tt.then) {
			t.Errorf("%s: %d %s; then %s", tt.url, p.StatusCode, body, after.Header.Get("Cache-Status"))
		}
	}
}

// TestCheckFindsWhatTheServerWouldRefuse: and what it would pass over in silence.
func TestCheckFindsWhatTheServerWouldRefuse(t *testing.T) {
	secret := writeFile(t, "secret", strings.Repeat("x", 40))
	for text, proxy := range map[string]bool{
		"admin:\n  hosts: ['a.example:80']\n":                                         false,
		"admin:\n  record_max: -5\n":                                                  false,
		"principal: {from: jwt, secret_file: " + secret + ", trusted: [1.2.3.4]}\n":   false,
		"principal: {from: jwt, secret_file: " + secret + ", kind: tenant}\n":         false,
		"cache: {ttl: 1m}\n":                                                          true,
		"routes: [{name: a, path: /a, scope: {from: credentials, header: X-User}}]\n": true,
	} {
		args := []string{"--config", writeFile(t, "c.yaml", text), "--check"}
		if proxy {
			args = append([]string{"proxy", "--upstream", "http://127.0.0.1:1"}, args...)
		}
		if code := run(context.Background(), args, io.Discard, os.Stderr); code != exitUsage {
			t.Errorf("%q: %d", text, code)
		}
	}
}
