package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/foliocache/folio/workloads"
)

const nginxConfig = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time';
	log_format json escape=json '{"time_iso8601":"$time_iso8601","remote_addr":"$remote_addr","request":"$request","status":$status,"body_bytes_sent":$body_bytes_sent,"request_time":$request_time,"http_user_agent":"$http_user_agent"}';
	access_log combined.log combined;
	access_log timed.log timed;
	access_log json.log json;
	server {
		listen unix:socket;
		location / { return 200 "a page\n"; }
		location /gone { return 404; }
	}
}
`

// nginx starts a server in a folder and returns a client of it, and what ends it once all is logged.
func nginx(t *testing.T, dir string) (client *http.Client, stop func()) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path = "/usr/sbin/nginx"; exec.Command(path, "-v").Run() != nil {
			t.Fatal("this test needs nginx: install it (Debian: apt-get install nginx-light), as make test does")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(nginxConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(path, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	var said bytes.Buffer
	server.Dir, server.Stderr = dir, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, "socket"))
	}
	client = &http.Client{Transport: &http.Transport{DialContext: dial}}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := dial(t.Context(), "", ""); err == nil {
			_ = c.Close() // it was to see whether somebody listens
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen: %v\n%s", err, said.String())
		}
	}
	return client, func() {
		client.CloseIdleConnections()
		if err := server.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		_ = server.Wait() // it was interrupted
	}
}

// visit is a page view.
type visit struct {
	list, client string
	page         int
}

// visits are the answered page views of a recorded site, by its clients.
func visits(t *testing.T, path string) (all []visit) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unpacked, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer unpacked.Close()
	lines, err := csv.NewReader(unpacked).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines[1:] { // t_s,client,bot,endpoint,page,bytes,status,latency_ms
		page, err := strconv.Atoi(l[4])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, visit{"e" + l[3], l[1], page})
	}
	return all
}

// TestALogOfNginxBecomesATrace: whichever way its pages are written, they are found, and what was asked for is in the trace.
func TestALogOfNginxBecomesATrace(t *testing.T) {
	all := visits(t, "../../workloads/testdata/weblog_semicomplete_blog.csv.zst")
	if dir := os.Getenv("FOLIO_TRACES"); dir != "" { // of more readers, who go on more
		all = visits(t, filepath.Join(dir, "weblog_excite1997.csv.zst"))
	}
	asked := map[string]int{} // by list and page
	for _, v := range all {
		asked[fmt.Sprint(v.list, " ", v.page)]++
	}
	for name, style := range map[string]struct {
		target func(v visit) string
		finds  string
	}{
		"page": {func(v visit) string { return fmt.Sprintf("/%s?q=x&page=%d&per_page=20", v.list, v.page) }, `(?m)^page +page `},
		"no first page": {func(v visit) string {
			return fmt.Sprintf("/%s%s", v.list, map[bool]string{false: fmt.Sprint("?p=", v.page)}[v.page == 1])
		}, `(?m)^p +page `},
		"from zero": {func(v visit) string { return fmt.Sprintf("/%s?page=%d", v.list, v.page-1) }, `(?m)^page +page `},
		"offset":    {func(v visit) string { return fmt.Sprintf("/%s?skip=%d&take=20", v.list, 20*(v.page-1)) }, `(?m)^skip +offset `},
		"path": {func(v visit) string {
			return fmt.Sprintf("/%s/%s", v.list, map[bool]string{false: fmt.Sprintf("page/%d/", v.page)}[v.page == 1])
		}, `(?m)^/page/ +page `},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			client, stop := nginx(t, dir)
			for _, v := range all {
				get(t, client, http.MethodGet, style.target(v), v.client)
			}
			get(t, client, http.MethodGet, "/gone", "")
			stop()
			for _, log := range []string{"combined.log", "timed.log", "json.log"} {
				var out, said bytes.Buffer
				if code := run(t.Context(), []string{"accesslog", "--plain", filepath.Join(dir, log), "-"}, &out, &said); code != 0 {
					t.Fatalf("%s: status %d: %s", log, code, said.String())
				}
				if !regexp.MustCompile(style.finds).MatchString(said.String()) {
					t.Errorf("%s: found\n%s", log, said.String())
				}
				if diff := cmp.Diff(asked, pagesOf(t, out.String())); diff != "" {
					t.Errorf("%s: asked for - in the trace +\n%s\n%s", log, diff, said.String())
				}
			}
		})
	}
}

// pagesOf counts the reads of a jsonl trace by list and page.
func pagesOf(t *testing.T, trace string) map[string]int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace.jsonl")
	if err := os.WriteFile(path, []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := workloads.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for r, err := range source.Requests() {
		if err != nil {
			t.Fatal(err)
		}
		got[fmt.Sprint(strings.Trim(r.List, "/"), " ", r.Page)]++
	}
	return got
}

func get(t *testing.T, client *http.Client, method, target, agent string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://site"+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", agent)
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close() // nothing of it is of interest
}
