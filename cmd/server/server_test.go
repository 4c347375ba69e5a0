package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// running is a server under test.
type running struct {
	api, admin, token string
	stop              func() int // waits for it and returns its exit status

	mu  sync.Mutex
	log strings.Builder
}

var (
	apiLine   = regexp.MustCompile(`msg=serving api=(\S+)`)
	adminLine = regexp.MustCompile(`dashboard=(\S+)/`)
	tokenLog  = regexp.MustCompile(`token=(\S+)`)
)

// start runs the program until the test ends.
func start(t testing.TB, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	r, status, ready := &running{}, make(chan int, 1), make(chan struct{})
	go func() {
		code := run(ctx, args, io.Discard, out)
		_ = out.Close()
		status <- code
	}()
	go func() {
		lines, known := bufio.NewScanner(in), false
		for lines.Scan() {
			line := lines.Text()
			r.mu.Lock()
			fmt.Fprintln(&r.log, line)
			find := func(re *regexp.Regexp, into *string) {
				if m := re.FindStringSubmatch(line); m != nil {
					*into = m[1]
				}
			}
			find(apiLine, &r.api)
			find(adminLine, &r.admin)
			find(tokenLog, &r.token)
			all := r.api != "" && r.admin != "" && (r.token != "" || strings.Contains(strings.Join(args, " "), "--config"))
			r.mu.Unlock()
			if all && !known {
				known = true
				close(ready)
			}
		}
		if !known {
			close(ready)
		}
	}()
	var once sync.Once
	code := 0
	r.stop = func() int { once.Do(func() { cancel(); code = <-status }); return code }
	t.Cleanup(func() { r.stop() })
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
	}
	if r.api == "" {
		t.Fatalf("the server did not start:\n%s", r.logged())
	}
	r.api = "http://" + r.api
	return r
}

func (r *running) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// here are the arguments of a server on free ports.
func here(more ...string) []string {
	return append(more, "--listen=127.0.0.1:0", "--admin=127.0.0.1:0")
}

// ask sends a request and returns its response, read.
func ask(t testing.TB, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			q.Host = header[i+1]
		}
	}
	p, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Body.Close()
	text, err := io.ReadAll(p.Body)
	if err != nil {
		t.Fatal(err)
	}
	return p, string(text)
}

// TestTicketsAPI: reads, writes, and what each of them does to the others, on a database that fills itself.
func TestTicketsAPI(t *testing.T) {
	testTickets(t, start(t, here("--seed=3")...))
}

func testTickets(t *testing.T, s *running) {
	page := s.api + "/api/tickets?user=1&page=1&limit=5&sort=-created_at"
	type list struct {
		Items []struct {
			ID, User, Event int64
			Title           string
		}
		Page    int
		HasMore bool `json:"has_more"`
	}
	get := func(url string) (l list, status string) {
		t.Helper()
		p, text := ask(t, "GET", url, "")
		if err := json.Unmarshal([]byte(text), &l); err != nil || p.StatusCode != 200 {
			t.Fatalf("%s: %s: %s", url, p.Status, text)
		}
		return l, p.Header.Get("Cache-Status")
	}
	first, _ := get(page)
	if len(first.Items) != 5 || first.Page != 1 || !first.HasMore || first.Items[0].User != 1 {
		t.Fatalf("%+v", first)
	}
	if _, status := get(strings.Replace(page, "page=1", "page=01", 1)); !strings.Contains(status, "hit") {
		t.Errorf("the second read: %s", status)
	}
	third := s.api + "/api/events/" + fmt.Sprint(first.Items[0].Event) + "/tickets"
	ofEvent, _ := get(third)

	p, text := ask(t, "PATCH", fmt.Sprintf("%s/api/tickets/%d", s.api, first.Items[0].ID), `{"title":"changed"}`)
	if p.StatusCode != 204 {
		t.Fatalf("patch: %s %s", p.Status, text)
	}
	if l, status := get(page); l.Items[0].Title != "changed" || strings.Contains(status, "hit") {
		t.Errorf("after the patch: %+v, %s", l.Items[0], status)
	}
	if l, status := get(third); strings.Contains(status, "hit") || len(l.Items) != len(ofEvent.Items) {
		t.Errorf("the event's list after the patch: %s", status)
	}
	p, text = ask(t, "POST", s.api+"/api/tickets", `{"user":1,"event":2,"title":"new"}`)
	var made struct{ ID int64 }
	if err := json.Unmarshal([]byte(text), &made); err != nil || p.StatusCode != 201 || p.Header.Get("Location") != fmt.Sprintf("/api/tickets/%d", made.ID) {
		t.Fatalf("post: %s %s %s", p.Status, text, p.Header)
	}
	if l, _ := get(page); l.Items[0].ID != made.ID {
		t.Errorf("after the post: %+v", l.Items[0])
	}
	if p, _ := ask(t, "DELETE", fmt.Sprintf("%s/api/tickets/%d", s.api, made.ID), ""); p.StatusCode != 204 {
		t.Errorf("delete: %s", p.Status)
	}
	if l, _ := get(page); l.Items[0].ID == made.ID {
		t.Error("what was deleted is there")
	}
	testCursors(t, s)
	testRefusals(t, s)
}

// testCursors walks a feed.
func testCursors(t *testing.T, s *running) {
	walked := map[int64]bool{}
	next := s.api + "/api/feed?user=1&limit=7"
	for i := 0; i < 4; i++ {
		_, text := ask(t, "GET", next, "")
		var l struct {
			Items []struct{ ID int64 }
			Next  string
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(text)
		}
		for _, item := range l.Items {
			if walked[item.ID] {
				t.Errorf("%d twice by cursor", item.ID)
			}
			walked[item.ID] = true
		}
		next = s.api + "/api/feed?user=1&limit=7&cursor=" + l.Next
	}
	if len(walked) != 28 {
		t.Errorf("%d by cursor", len(walked))
	}
}

// testRefusals asks for what there is not.
func testRefusals(t *testing.T, s *running) {
	for path, want := range map[string]int{"/api/tickets": 400, "/api/tickets?user=0": 400, "/api/tickets?user=1&user=2": 400, "/api/tickets?user=1;limit=3": 400, "/api/tickets?user=1&sort=password": 400,
		"/api/tickets?user=1&page=100000000": 400, "/api/feed?user=1&cursor=xx": 400, "/api/events?city=Delft": 200, "/api/events/zzz/tickets": 404, "/api/nothing": 404, "/healthz": 200, "/readyz": 200} {
		if p, text := ask(t, "GET", s.api+path, ""); p.StatusCode != want {
			t.Errorf("%s: %s %s, want %d", path, p.Status, text, want)
		}
	}
	for _, bad := range []struct {
		method, path, body string
		want               int
	}{{"POST", "/api/tickets", `{"user":1}`, 400}, {"POST", "/api/tickets", `{"user":1,"event":1,"title":"x","admin":true}`, 400}, {"PATCH", "/api/tickets/99999999", `{"title":"x"}`, 404},
		{"PATCH", "/api/tickets/x", `{"title":"x"}`, 404}, {"PATCH", "/api/tickets/1", `{"status":"stolen"}`, 400}, {"DELETE", "/api/tickets/99999999", "", 404},
		{"POST", "/api/tickets", `{"user":1,"event":1,"title":"` + strings.Repeat("x", 1<<17) + `"}`, 400}} {
		if p, text := ask(t, bad.method, s.api+bad.path, bad.body); p.StatusCode != bad.want {
			t.Errorf("%s %s %.40s: %s %s, want %d", bad.method, bad.path, bad.body, p.Status, text, bad.want)
		}
	}
}

// TestStopIsGraceful: who is being answered gets the answer.
func TestStopIsGraceful(t *testing.T) {
	s := start(t, here()...)
	ask(t, "GET", s.api+"/api/tickets?user=1", "")
	if code := s.stop(); code != exitFine {
		t.Errorf("status %d:\n%s", code, s.logged())
	}
	if _, err := http.Get(s.api + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}

// TestBadConfigurationIsRefused: with its place, and before anything is opened.
func TestBadConfigurationIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"unknown key":          "listn: 127.0.0.1:0\n",
		"nested unknown key":   "cache:\n  max_byte: 1MiB\n",
		"bad size":             "cache:\n  max_bytes: lots\n",
		"too small":            "cache:\n  max_bytes: 1KiB\n",
		"anybody on all":       "listen: 0.0.0.0:0\n",
		"admin on all":         "admin:\n  listen: 0.0.0.0:0\n",
		"bad token":            "admin:\n  tokens:\n    - {name: a, sha256: abc, scopes: [read]}\n",
		"bad objective":        "objectives:\n  - {metric: hits, at_least: 1}\n",
		"bad mode":             "cache:\n  mode: sometimes\n",
		"parameter, not meant": "principal:\n  from: parameter\n",
		"jwt without key":      "principal:\n  from: jwt\n",
		"header, trusting all": "principal:\n  from: header\n  header: X-User\n",
		"credentials":          "principal:\n  from: credentials\n",
		"two documents":        "listen: 127.0.0.1:0\n---\nlisten: 127.0.0.1:0\n",
		"no connections":       "limits:\n  connections: -1\n",
		"no certificate":       "tls: {cert: /nope, key: /nope}\n",
		"negative time":        "cache:\n  ttl: -5m\n",
		"no such database":     "db: mysql://x/y\n",
		"no such port":         "listen: 127.0.0.1:99999\n",
		"one address":          "listen: 127.0.0.1:7000\nadmin:\n  listen: 127.0.0.1:7000\n",
		"no folder":            "admin:\n  record_dir: /nope\n",
		"upstream for serve":   "upstream:\n  url: http://x\n",
		"kept without a home":  "cache:\n  dir: /tmp/x\n",
		"no such format":       "log:\n  format: xml\n",
		"8000 percent":         "objectives:\n  - {metric: hit_ratio, at_least: 80}\n",
		"proxy: no upstream":   "listen: 127.0.0.1:0\n",
		"proxy: principal":     "upstream: {url: http://127.0.0.1:1}\nprincipal: {from: jwt}\n",
		"proxy: unkeyed user":  "upstream: {url: http://127.0.0.1:1}\nroutes:\n  - {name: a, path: /a, scope: {from: parameter, i_know_anybody_may_be_anybody: true}}\n",
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		command := "serve"
		if strings.Contains(name, "proxy") {
			command = "proxy"
		}
		var errs strings.Builder
		if code := run(t.Context(), []string{command, "--config", path, "--check"}, io.Discard, &errs); code != exitUsage {
			t.Errorf("%s: status %d: %s", name, code, errs.String())
		}
	}
}

// TestExamplesOfConfigurationAreFine: those in docs, and by the schema that is published.
func TestExamplesOfConfigurationAreFine(t *testing.T) {
	all, err := filepath.Glob("../../docs/server/*.yaml")
	if err != nil || len(all) == 0 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, path := range all {
		command := "serve"
		if strings.Contains(path, "proxy") {
			command = "proxy"
		}
		var out, errs strings.Builder
		if code := run(t.Context(), []string{command, "--config", path, "--check"}, &out, &errs); code != exitFine || !strings.Contains(out.String(), "fine") {
			t.Errorf("%s: status %d: %s", path, code, errs.String())
		}
	}
}

// TestSchemaIsPublished: docs/server/config.schema.json is what the program prints.
func TestSchemaIsPublished(t *testing.T) {
	var out strings.Builder
	if code := run(t.Context(), []string{"schema"}, &out, io.Discard); code != exitFine {
		t.Fatal(code)
	}
	published, err := os.ReadFile("../../docs/server/config.schema.json")
	if err != nil || string(published) != out.String() {
		t.Errorf("go run ./cmd/server schema > docs/server/config.schema.json (%v)", err)
	}
}
