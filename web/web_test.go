package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/foliotest"
	"github.com/foliocache/folio/record"
	"github.com/foliocache/folio/slo"
	"github.com/foliocache/folio/web"
	"github.com/foliocache/folio/workloads"
)

// operated is an administration, its cache, and what is in its log.
type operated struct {
	*web.Server
	cache *folio.Cache
	log   *bytes.Buffer
}

const secret = "correct horse battery staple"

func operate(t *testing.T, change func(*web.Config)) *operated {
	t.Helper()
	watch := web.NewWatch(nil)
	cache, _ := foliotest.New(t, func(c *folio.Config) { c.Observe = watch.Observe })
	o := &operated{cache: cache, log: new(bytes.Buffer)}
	config := web.Config{Cache: cache, Watch: watch, Logger: slog.New(slog.NewTextHandler(o.log, nil)), Rate: 1000,
		Tokens: []web.Token{{Name: "all", SHA256: web.HashToken(secret), Scopes: web.Scopes}, {Name: "looker", SHA256: web.HashToken("look"), Scopes: []web.Scope{web.Read}},
			{Name: "dropper", SHA256: web.HashToken("drop"), Scopes: []web.Scope{web.Invalidate}}}}
	if change != nil {
		change(&config)
	}
	var err error
	if o.Server, err = web.New(config); err != nil {
		t.Fatal(err)
	}
	return o
}

// do sends a request; header has names and values by turns.
func (o *operated) do(method, target, body string, header ...string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, target, strings.NewReader(body))
	q.Host = "127.0.0.1:8081"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			q.Host = header[i+1]
		}
		q.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, q)
	return w
}

// TestOnlyWhoMayChanges: no token, another's, one without the scope, from another site's page, under a stranger's name.
func TestOnlyWhoMayChanges(t *testing.T) {
	o := operate(t, nil)
	bearer := "Bearer " + secret
	for _, tt := range []struct {
		why    string
		header []string
		want   int
	}{
		{"no token", nil, 401},
		{"unknown token", []string{"Authorization", "Bearer x"}, 401},
		{"its hash", []string{"Authorization", "Bearer " + web.HashToken(secret)}, 401},
		{"a part of it", []string{"Authorization", bearer[:len(bearer)-1]}, 401},
		{"basic", []string{"Authorization", "Basic " + secret}, 401},
		{"a cookie", []string{"Cookie", "token=" + secret}, 401},
		{"no scope", []string{"Authorization", "Bearer look"}, 403},
		{"another site's page", []string{"Authorization", bearer, "Origin", "https://evil.example"}, 403},
		{"another site's page, by Sec-Fetch-Site", []string{"Authorization", bearer, "Sec-Fetch-Site", "cross-site"}, 403},
		{"a sister site's page", []string{"Authorization", bearer, "Sec-Fetch-Site", "same-site"}, 403},
		{"no origin at all", []string{"Authorization", bearer, "Origin", "null"}, 403},
		{"a name that points here", []string{"Authorization", bearer, "Host", "evil.example"}, 421},
		{"its own page", []string{"Authorization", bearer, "Origin", "http://127.0.0.1:8081", "Sec-Fetch-Site", "same-origin"}, 200},
		{"a program", []string{"Authorization", bearer}, 200},
	} {
		for path, body := range map[string]string{"/admin/v1/invalidate": `{"tags":["x"]}`, "/admin/v1/purge": `{"all":true}`, "/admin/v1/mode": `{"mode":"on"}`} {
			if w := o.do("POST", path, body, tt.header...); w.Code != tt.want {
				t.Errorf("%s: %s: %d %s, want %d", tt.why, path, w.Code, w.Body, tt.want)
			}
			if w := o.do("GET", path, body, tt.header...); w.Code == 200 {
				t.Errorf("%s: GET %s: %d", tt.why, path, w.Code)
			}
		}
	}
	if log := o.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "audit=true") || !strings.Contains(log, "token=all") || !strings.Contains(log, "no token") {
		t.Errorf("the audit log: %s", log)
	}
}

// TestChangesOfOneTokenAreLimited: others' are not.
func TestChangesOfOneTokenAreLimited(t *testing.T) {
	o := operate(t, func(c *web.Config) {
		c.Rate = 1
		c.Tokens = append(c.Tokens, web.Token{Name: "other", SHA256: web.HashToken("other"), Scopes: web.Scopes})
	})
	var codes []int
	for range 10 {
		codes = append(codes, o.do("POST", "/admin/v1/mode", `{"mode":"on"}`, "Authorization", "Bearer "+secret).Code)
	}
	if !slices.Equal(codes, []int{200, 200, 200, 200, 429, 429, 429, 429, 429, 429}) {
		t.Errorf("%v", codes)
	}
	if w := o.do("POST", "/admin/v1/mode", `{"mode":"on"}`, "Authorization", "Bearer other"); w.Code != 200 {
		t.Errorf("another's: %d", w.Code)
	}
}

// TestTokensAreComparedInConstantTime: a clock on a shared machine would show nothing, so this reads the function: all
// tokens are compared, by subtle, and nothing ends the loop early.
func TestTokensAreComparedInConstantTime(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "auth.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	compares, loops := 0, 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != "token" {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			loop, ok := n.(*ast.RangeStmt)
			if !ok {
				return true
			}
			loops++
			ast.Inspect(loop, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ReturnStmt, *ast.BranchStmt:
					t.Error("the loop over tokens ends early")
				case *ast.SelectorExpr:
					if n.Sel.Name == "ConstantTimeCompare" {
						compares++
					}
				}
				return true
			})
			return false
		})
	}
	if loops != 1 || compares != 1 {
		t.Errorf("%d loops with %d comparisons in constant time", loops, compares)
	}
}

// TestInvalidateAndPurge: what is named is outdated, and nothing else; everything is by its own scope.
func TestInvalidateAndPurge(t *testing.T) {
	var urls, purged []string
	o := operate(t, func(c *web.Config) {
		c.Tags = func(q *http.Request) ([]folio.Tag, error) {
			if urls = append(urls, q.URL.String()); q.URL.Path == "/bad" {
				return nil, errors.New("no route")
			}
			return []folio.Tag{"rows:user:2"}, nil
		}
		c.Purge = func(keys []string) { purged = append(purged, keys...) }
	})
	l := listOf(t, o.cache)
	read := func(user string) folio.Source {
		p, err := l.Page(t.Context(), query(t, l, user))
		if err != nil {
			t.Fatal(err)
		}
		return p.Source
	}
	all := func() [2]folio.Source { return [2]folio.Source{read("1"), read("2")} }
	all()
	post := func(path, body string, want int) {
		t.Helper()
		if w := o.do("POST", path, body, "Authorization", "Bearer "+secret); w.Code != want {
			t.Errorf("%s %s: %d %s", path, body, w.Code, w.Body)
		}
	}
	post("/admin/v1/invalidate", `{"tags":["rows:user:1"],"mode":"hard"}`, 200)
	if got := all(); got != [2]folio.Source{folio.Miss, folio.Hit} {
		t.Errorf("after an invalidation: %v", got)
	}
	post("/admin/v1/purge", `{"all":true}`, 200)
	if got := all(); got != [2]folio.Source{folio.Miss, folio.Miss} {
		t.Errorf("after a purge: %v", got)
	}
	post("/admin/v1/invalidate", `{"urls":["/x?user=2","/bad"],"tags":["rows:user:1"]}`, 422)
	if got := all(); got != [2]folio.Source{folio.Hit, folio.Hit} {
		t.Errorf("after one that is refused: %v", got)
	}
	post("/admin/v1/invalidate", `{"urls":["/x?user=2"],"mode":"hard"}`, 200)
	if got := all(); got != [2]folio.Source{folio.Hit, folio.Miss} {
		t.Errorf("after one by its URL: %v", got)
	}
	if !slices.Equal(urls, []string{"/x?user=2", "/bad", "/x?user=2"}) || !slices.Equal(purged, []string{"rows:user:1", "rows:user:2"}) {
		t.Errorf("%q, %q", urls, purged)
	}
	if log := o.log.String(); !strings.Contains(log, "rows:user:2") {
		t.Errorf("the audit log does not say what: %s", log)
	}
	for body, want := range map[string]int{``: 400, `{}`: 400, `{"tags":["` + strings.Repeat(`x","`, 300) + `x"]}`: 400, `{"tag":["x"]}`: 400, `{"tags":[""]}`: 400, `{"tags":["x"]} {}`: 400, `{"tags":["x"],"mode":"mild"}`: 400, `{"tags":["x"],"mode":"hard"}`: 200, `[]`: 400, `{"urls":["%zz"]}`: 422} {
		post("/admin/v1/invalidate", body, want)
	}
	post("/admin/v1/purge", `{}`, 400)
	post("/admin/v1/mode", `{"mode":"sideways"}`, 400)
	post("/admin/v1/mode", `{"mode":"observe"}`, 200)
	if o.cache.Mode() != folio.Observe {
		t.Error(o.cache.Mode())
	}
	post("/admin/v1/recording", `{"on":true}`, 409)
}

// TestProfiles: of what is known, for whom may.
func TestProfiles(t *testing.T) {
	o := operate(t, nil)
	for query, want := range map[string]int{"kind=cpu&seconds=1": 200, "kind=heap": 200, "kind=cpu": 400, "kind=cpu&seconds=0": 400, "kind=cpu&seconds=61": 400, "kind=x&seconds=1": 400, "": 400} {
		w := o.do("GET", "/admin/v1/profile?"+query, "", "Authorization", "Bearer "+secret)
		if w.Code != want || want == 200 && !bytes.HasPrefix(w.Body.Bytes(), []byte{0x1f, 0x8b}) {
			t.Errorf("%s: %d %.40q", query, w.Code, w.Body)
		}
		if w := o.do("GET", "/admin/v1/profile?"+query, "", "Authorization", "Bearer look"); w.Code != 403 {
			t.Errorf("%s by who may only read: %d", query, w.Code)
		}
	}
}

// TestARecordingEndsWhereItsFileIsFull: by itself, as one that is stopped does.
func TestARecordingEndsWhereItsFileIsFull(t *testing.T) {
	recorder, dir := new(record.Recorder), t.TempDir()
	o := operate(t, func(c *web.Config) { c.Recorder, c.RecordDir, c.RecordBytes = recorder, dir, 32<<10 })
	if w := o.do("POST", "/admin/v1/recording", `{"on":true}`, "Authorization", "Bearer "+secret); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	recording := func() bool { // as the dashboard is told, which waits until the file is whole
		var n web.Snapshot
		if err := json.Unmarshal(o.do("GET", "/admin/v1/stats", "").Body.Bytes(), &n); err != nil || n.Recording == nil {
			t.Fatal(err, n.Recording)
		}
		return n.Recording.On
	}
	told := 0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); told++ {
		unit := rand.Uint64()
		recorder.Observe(folio.Event{Op: folio.Read, List: "rows", Key: fmt.Sprintf("rows:user:%x:offset=0:limit=20", unit), Unit: unit, Feed: unit})
		if told%1000 == 0 && !recording() {
			break
		}
	}
	if recording() {
		t.Fatal("it goes on")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	trace, err := workloads.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, err := range trace.Requests() {
		if err != nil {
			t.Fatal("what is in the file cannot be read:", err)
		}
		read++
	}
	if read == 0 || read >= told {
		t.Errorf("%d of %d in the file", read, told)
	}
}

// TestStatsTellWhatHappened: counters, times, lists, invalidations, objectives.
func TestStatsTellWhatHappened(t *testing.T) {
	objectives, err := slo.Read(strings.NewReader("objectives:\n  - {metric: hit_ratio, at_least: 90%}\n  - {metric: hit_p99, at_most: 1s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := operate(t, func(c *web.Config) { c.Objectives = objectives })
	l := listOf(t, o.cache)
	for range 4 {
		if _, err := l.Page(t.Context(), query(t, l, "1")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Invalidate(t.Context(), folio.Scope{Kind: "user", ID: "1"}); err != nil {
		t.Fatal(err)
	}
	var n web.Snapshot
	w := o.do("GET", "/admin/v1/stats", "")
	if err := json.Unmarshal(w.Body.Bytes(), &n); err != nil {
		t.Fatal(err)
	}
	if n.HitRatio != .75 || n.Hit.Count != 3 || n.Miss.Count != 1 || n.Hit.P99 <= 0 || len(n.Lists) != 1 || n.Lists[0].Name != "rows" || n.Lists[0].Hits != 3 ||
		len(n.Invalidations) != 1 || !slices.Equal(n.Invalidations[0].Tags, []folio.Tag{"rows:user:1"}) || n.Mode != "on" || len(n.Stats.Strategies) != 4 {
		t.Errorf("%s", w.Body)
	}
	if len(n.Alerts) != 1 || !strings.Contains(n.Alerts[0], "hit_ratio is 0.75") {
		t.Errorf("alerts: %q", n.Alerts)
	}
	var told []web.Objective
	if err := json.Unmarshal(o.do("GET", "/admin/v1/slo", "").Body.Bytes(), &told); err != nil || len(told) != 2 || !told[0].Violated || told[1].Violated {
		t.Errorf("%v %+v", err, told)
	}
	metrics := o.do("GET", "/metrics", "").Body.String()
	for _, want := range []string{"folio_hits_total 3", "folio_loads_total 1", "folio_memory_bytes{kind=\"live\"}", "folio_read_duration_seconds_bucket{list=\"rows\",source=\"hit\""} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

// TestReadingNeedsATokenWhereItIsSaid: but for the page itself, which has nothing in it.
func TestReadingNeedsATokenWhereItIsSaid(t *testing.T) {
	o := operate(t, func(c *web.Config) { c.ReadToken = true })
	for _, path := range []string{"/metrics", "/admin/v1/stats", "/admin/v1/explain?url=/", "/admin/v1/slo"} {
		if w := o.do("GET", path, ""); w.Code != 401 {
			t.Errorf("%s: %d", path, w.Code)
		}
		if w := o.do("GET", path, "", "Authorization", "Bearer look"); w.Code == 401 || w.Code == 403 {
			t.Errorf("%s with a token: %d", path, w.Code)
		}
		if w := o.do("GET", path, "", "Authorization", "Bearer drop"); w.Code != 403 {
			t.Errorf("%s with a token that may not read: %d", path, w.Code)
		}
	}
	if w := o.do("GET", "/", ""); w.Code != 200 {
		t.Errorf("the page: %d", w.Code)
	}
}

// TestThePageAsksNobodyElse: no address but its own, and nothing runs but what is in it.
func TestThePageAsksNobodyElse(t *testing.T) {
	o := operate(t, func(c *web.Config) { c.Title = `<img src=x onerror="alert(1)">` })
	w := o.do("GET", "/", "")
	page := w.Body.String()
	if outside := regexp.MustCompile(`(https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^"'\s]*`).FindAllString(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), -1); len(outside) > 0 {
		t.Errorf("it names %q", outside)
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Count(policy, "sha256-") != 2 {
		t.Errorf("policy: %s", policy)
	}
	if strings.Contains(page, "<img src=x") || regexp.MustCompile(`<[^>]*\son[a-z]+=`).MatchString(strings.Split(page, "<script>")[0]) {
		t.Error("a title is markup, or an attribute runs")
	}
}

// TestOthersCannotListen: an open address wants TLS and tokens.
func TestOthersCannotListen(t *testing.T) {
	for address, fine := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "127.9.9.9:1": true, "0.0.0.0:1": false, ":1": false, "[::]:1": false, "10.0.0.1:1": false, "example.com:1": false, "nonsense": false} {
		if err := web.CheckListen(address, false, false); (err == nil) != fine {
			t.Errorf("%s: %v", address, err)
		}
		for _, half := range [][2]bool{{true, false}, {false, true}} {
			if err := web.CheckListen(address, half[0], half[1]); (err == nil) != fine {
				t.Errorf("%s with %v: %v", address, half, err)
			}
		}
	}
	if err := web.CheckListen("0.0.0.0:1", true, true); err != nil {
		t.Error(err)
	}
}

func listOf(t *testing.T, cache *folio.Cache) *folio.List[int] {
	l, err := folio.NewList(cache, folio.ListConfig[int]{Name: "rows", Load: rows})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func query(t *testing.T, l *folio.List[int], user string) folio.Query {
	q, err := l.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: user}})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func rows(context.Context, folio.Query, folio.Range) ([]int, error) { return []int{1}, nil }
