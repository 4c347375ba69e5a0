package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const jwtSecret = "0123456789abcdef0123456789abcdef"

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// signed returns a bearer token.
func signed(t *testing.T, claims jwt.MapClaims, secret string) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + text
}

// TestUsersByToken: who has no valid token gets nothing, who has one gets his own, under one name alone.
func TestUsersByToken(t *testing.T) {
	config := writeFile(t, "c.yaml", "principal: {from: jwt, secret_file: "+writeFile(t, "secret", jwtSecret+"\n")+", issuer: me}\n")
	s := start(t, here("--config", config)...)
	soon := time.Now().Add(time.Hour).Unix()
	token := func(sub any) string { return signed(t, jwt.MapClaims{"sub": sub, "exp": soon, "iss": "me"}, jwtSecret) }
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": "1", "exp": soon, "iss": "me"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, authorization := range map[string]string{
		"nobody": "", "another's secret": signed(t, jwt.MapClaims{"sub": "1", "exp": soon, "iss": "me"}, strings.Repeat("x", 32)), "no signature": "Bearer " + none,
		"too old": signed(t, jwt.MapClaims{"sub": "1", "exp": time.Now().Add(-time.Hour).Unix(), "iss": "me"}, jwtSecret), "for ever": signed(t, jwt.MapClaims{"sub": "1", "iss": "me"}, jwtSecret),
		"another issuer": signed(t, jwt.MapClaims{"sub": "1", "exp": soon, "iss": "you"}, jwtSecret), "another spelling": token("01"), "with a sign": token("+1"), "no number": token("alice"), "a number": token(1), "none": token(""),
	} {
		for _, target := range []string{"/api/tickets", "/api/feed", "/api/tickets?user=1"} {
			if p, text := ask(t, "GET", s.api+target, "", "Authorization", authorization); p.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %s: %s %s", name, target, p.Status, text)
			}
		}
		if p, _ := ask(t, "DELETE", s.api+"/api/tickets/1", "", "Authorization", authorization); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: delete: %s", name, p.Status)
		}
		if p, _ := ask(t, "DELETE", s.api+"/api/tickets/99999999", "", "Authorization", authorization); p.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s learns which tickets there are: %s", name, p.Status)
		}
	}
	p, text := ask(t, "GET", s.api+"/api/tickets?limit=3", "", "Authorization", token("2"))
	if p.StatusCode != 200 || strings.Count(text, `"user":2,`) != 3 {
		t.Errorf("user 2's own: %s %s", p.Status, text)
	}
	if p, _ := ask(t, "GET", s.api+"/api/tickets?user=1", "", "Authorization", token("2")); p.StatusCode != http.StatusForbidden {
		t.Errorf("another's: %s", p.Status)
	}
	var id int64
	_, _ = fmt.Sscanf(text, `{"items":[{"id":%d`, &id)
	for user, want := range map[string]int{"3": http.StatusNotFound, "2": http.StatusNoContent} {
		if p, text := ask(t, "PATCH", fmt.Sprintf("%s/api/tickets/%d", s.api, id), `{"title":"mine"}`, "Authorization", token(user)); p.StatusCode != want {
			t.Errorf("user %s writes: %s %s", user, p.Status, text)
		}
	}
	if p, _ := ask(t, "POST", s.api+"/api/tickets", `{"user":3,"event":1,"title":"x"}`, "Authorization", token("2")); p.StatusCode != http.StatusForbidden {
		t.Errorf("a ticket for another: %s", p.Status)
	}
	if _, text := ask(t, "GET", s.api+"/api/events/1/tickets", ""); strings.Contains(text, `"user"`) || strings.Contains(text, "price") {
		t.Errorf("everybody sees whose: %s", text)
	}
}

// TestOnlyTrustedProxiesSayWhoAsks: from others the header does not count, and does not reach the upstream.
func TestOnlyTrustedProxiesSayWhoAsks(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, "%q", r.Header.Get("X-User"))
	}))
	defer up.Close()
	for trusted, want := range map[string]string{"10.1.1.1": `""`, "127.0.0.0/8": `"7"`} {
		config := writeFile(t, "c.yaml", "upstream: {url: "+up.URL+"}\nroutes:\n  - {name: a, path: /a, ttl: 1m, scope: {from: header, header: X-User, trusted: ["+trusted+"]}}\n")
		s := start(t, here("proxy", "--config", config)...)
		for _, request := range [][2]string{{"GET", "/a"}, {"GET", "/a"}, {"POST", "/a"}, {"GET", "/other"}, {"GET", "//a"}} {
			if p, text := ask(t, request[0], s.api+request[1], "", "X-User", "7"); text != want || p.StatusCode != 200 {
				t.Errorf("%s trusted: %v: %s, want %s", trusted, request, text, want)
			}
		}
		p, text := ask(t, "GET", s.api+"/a", "", "X-User", "8")
		if text == `"7"` || strings.Contains(p.Header.Get("Cache-Status"), "; hit") {
			t.Errorf("%s trusted: user 8 gets %s, %s", trusted, text, p.Header.Get("Cache-Status"))
		}
	}
}

// TestOtherSitesPagesCannotUseADemo: where anybody may be anybody, a browser's other pages may not.
func TestOtherSitesPagesCannotUseADemo(t *testing.T) {
	s := start(t, here()...)
	body := `{"user":1,"event":1,"title":"x"}`
	for name, header := range map[string][]string{"a name that points here": {"Host", "rebind.evil"}, "another site": {"Sec-Fetch-Site", "cross-site"}, "another origin": {"Origin", "http://evil.example"}} {
		if p, _ := ask(t, "POST", s.api+"/api/tickets", body, header...); p.StatusCode < 400 {
			t.Errorf("%s: %s", name, p.Status)
		}
	}
	if p, _ := ask(t, "GET", s.api+"/api/tickets?user=1", "", "Host", "rebind.evil"); p.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a name that points here: %s", p.Status)
	}
	if p, _ := ask(t, "POST", s.api+"/api/tickets", body, "Content-Type", "text/plain"); p.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("as text: %s", p.Status)
	}
	for _, query := range []string{"?user=2", "?user=zzz", "?user=2&user=1"} {
		if p, _ := ask(t, "POST", s.api+"/api/tickets"+query, body); p.StatusCode < 400 {
			t.Errorf("%s writes for user 1: %s", query, p.Status)
		}
	}
}

// TestOddRequestsAreTheClientsFault: and never the database's.
func TestOddRequestsAreTheClientsFault(t *testing.T) {
	s := start(t, here()...)
	for _, target := range []string{"/api/tickets?user=1&status=%00", "/api/tickets?user=1&status=%ff", "/api/tickets?user=1&status=stolen", "/api/tickets?user=1&event=abc", "/api/events?city=%ff", "/api/events/1/tickets?status=%00"} {
		if p, text := ask(t, "GET", s.api+target, ""); p.StatusCode != 400 {
			t.Errorf("%s: %s %s", target, p.Status, text)
		}
	}
	for body, want := range map[string]int{`{"user":1,"event":99999999,"title":"x"}`: 422, `{"user":99999999,"event":1,"title":"x"}`: 422, `{"user":1,"event":1,"title":"\u0000"}`: 400} {
		if p, text := ask(t, "POST", s.api+"/api/tickets", body); p.StatusCode != want {
			t.Errorf("%s: %s %s", body, p.Status, text)
		}
	}
	if p, _ := ask(t, "GET", s.api+"/api/tickets?user=01", ""); p.StatusCode != 200 {
		t.Errorf("user=01: %s", p.Status)
	}
	for _, u := range []string{"/api/events/a%2520b/tickets", "/api/events/", "x", "/api/tickets", "//", "/api/tickets?user=1%3Bx"} {
		if p, text := ask(t, "GET", s.admin+"/admin/v1/explain?url="+u, ""); p.StatusCode != 400 {
			t.Errorf("explain %s: %s %s", u, p.Status, text)
		}
	}
}

// TestKeptPagesAreOfTheirDatabase: what a cache has kept over a restart is not shown of another one.
func TestKeptPagesAreOfTheirDatabase(t *testing.T) {
	dir := t.TempDir()
	config := writeFile(t, "c.yaml", "cache: {dir: "+filepath.Join(dir, "kept")+"}\n")
	read := func(db string) (status string) {
		s := start(t, here("--config", config, "--db", "sqlite:"+filepath.Join(dir, db))...)
		defer s.stop()
		p, _ := ask(t, "GET", s.api+"/api/tickets?user=1", "")
		return p.Header.Get("Cache-Status")
	}
	for i, db := range []string{"one.db", "one.db", "two.db"} {
		if hit := strings.Contains(read(db), "; hit"); hit != (i == 1) {
			t.Errorf("start %d, %s: hit %v", i+1, db, hit)
		}
	}
}
