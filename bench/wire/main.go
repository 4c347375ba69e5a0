// Wire compares what a processor's second of a server answers: of a bare net/http handler, of Folio's middleware
// round it, of server proxy, of nginx and of varnish, all with one hot page of 3 KB, asked for by wrk, in rotating order.
//
//	go run ./wire -rounds 5 -for 5s -connections 32
//
// With -rate, vegeta asks so often a second whether or not the answers come: latencies are those of a load that does
// not wait.
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
)

const path = "/api/events?page=1&limit=20&sort=-created_at"

var (
	serve       = flag.String("serve", "", "be a server: bare or middleware")
	at          = flag.String("at", "", "its address")
	origin      = flag.String("origin", "", "its origin")
	rounds      = flag.Int("rounds", 5, "rounds, each with all servers, in another order")
	lasts       = flag.Duration("for", 5*time.Second, "time of a run")
	connections = flag.Int("connections", 32, "of wrk")
	rate        = flag.Int("rate", 0, "requests a second, whatever the answers; 0: as many as there are answers to")
	only        = flag.String("only", "bare,middleware,server,nginx,nginx-as-shipped,varnish", "contenders")
)

func main() {
	flag.Parse()
	run := compare
	if *serve != "" {
		run = child
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

// body is the page: 3,072 bytes of JSON.
func body() []byte {
	b := []byte(`{"items":[`)
	for len(b) < 3072-40 {
		b = append(b, `{"id":1234567,"title":"row 17 seat 4"},`...)
	}
	b = append(b[:len(b)-1], `],"page":1`...)
	return append(append(b, strings.Repeat(" ", 3072-1-len(b))...), '}')
}

func child() error {
	text := body()
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("Etag", `"abcdef"`)
		_, _ = w.Write(text)
	})
	if *serve != "bare" {
		cache, err := folio.New(folio.Config{MaxBytes: 128 << 20})
		if err != nil {
			return err
		}
		if h, err = httpcache.New(httpcache.Config{Cache: cache, Next: h, Routes: []httpcache.Route{{Name: "events", Pattern: "/api/events",
			Params: httpcache.Params{Page: "page", Limit: "limit", Sort: "sort", DefaultLimit: 20, MaxLimit: 100}, NoWarm: true}}}); err != nil {
			return err
		}
	}
	return http.ListenAndServe(*at, h)
}

// contender is a server under test.
type contender struct {
	name, url string
	stop      func()
	pids      func() []int
}

func compare() error {
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source, err := spawn("bare", "")
	if err != nil {
		return err
	}
	defer source.stop()
	var all []*contender
	for _, name := range strings.Split(*only, ",") {
		var c *contender
		switch name {
		case "nginx", "nginx-as-shipped":
			c, err = nginx(dir, name, source.url)
		case "varnish":
			c, err = varnish(dir, source.url)
		case "server":
			c, err = server(dir, source.url)
		default:
			c, err = spawn(name, source.url)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer c.stop()
		all = append(all, c)
	}
	out := csv.NewWriter(os.Stdout)
	defer out.Flush()
	_ = out.Write([]string{"round", "server", "requests_per_s", "cpu_s", "requests_per_cpu_s", "p50_us", "p99_us", "errors"})
	for round := range *rounds {
		for i := range all {
			c := all[(i+round)%len(all)]
			row, err := measure(c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			_ = out.Write(append([]string{strconv.Itoa(round), c.name}, row...))
			out.Flush()
		}
	}
	return nil
}

// free returns an address that nobody listens on.
func free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func spawn(name, origin string) (*contender, error) {
	address := free()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return begin(name, "http://"+address, exec.Command(self, "-serve", name, "-at", address, "-origin", origin))
}

// begin starts a server and waits until it answers.
func begin(name, base string, command *exec.Cmd) (*contender, error) {
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	c := &contender{name: name, url: base, stop: func() {
		_ = command.Process.Signal(os.Interrupt) // so that workers end, too
		_ = command.Wait()
	}}
	c.pids = func() []int { return family(command.Process.Pid) }
	for range 200 {
		if p, err := http.Get(base + path); err == nil {
			_ = p.Body.Close()
			if p.StatusCode == 200 {
				return c, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.stop()
	return nil, fmt.Errorf("it does not answer")
}

// family returns a process and all that it has begun.
func family(pid int) []int {
	all := []int{pid}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(child); err == nil {
			all = append(all, family(n)...)
		}
	}
	return all
}

// server is the program, as a proxy with its metrics and dashboard.
func server(dir, origin string) (*contender, error) {
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "server"), "./cmd/server")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	address, conf := free(), filepath.Join(dir, "proxy.yaml")
	text := fmt.Sprintf("listen: %s\nadmin: {listen: %q}\nupstream: {url: %q}\nlog: {level: error}\nroutes:\n  - {name: events, path: /api/events, params: {page: page, limit: limit, sort: sort, default_limit: 20, max_limit: 100}}\n", address, free(), origin)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return begin("server", "http://"+address, exec.Command(filepath.Join(dir, "server"), "proxy", "--config", conf))
}

// nginx with a log of its requests, as it is shipped, or without any word on them.
func nginx(dir, name, origin string) (*contender, error) {
	address, log := free(), "off"
	if name != "nginx" {
		log = filepath.Join(dir, name+".log")
	}
	dir = filepath.Join(dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; user root; worker_processes 2; pid %[1]s/nginx.pid; error_log %[1]s/nginx.err;
events { worker_connections 16384; }
http { access_log %[4]s; keepalive_requests 1000000000; proxy_cache_path /dev/shm/wire-%[5]s keys_zone=z:10m;
 client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
 server { listen %[2]s backlog=16384; location / { proxy_pass %[3]s; proxy_cache z; add_header X-Cache $upstream_cache_status; } } }`, dir, address, origin, log, name)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return begin(name, "http://"+address, exec.Command("nginx", "-p", dir, "-c", conf))
}

func varnish(dir, origin string) (*contender, error) {
	address := free()
	u, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	return begin("varnish", "http://"+address, exec.Command("varnishd", "-F", "-n", filepath.Join(dir, "varnish"), "-a", address, "-b", u.Host, "-s", "malloc,128m", "-p", "thread_pools=2"))
}

var (
	perSecond = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	quantile  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+)(us|ms|s)`)
	total     = regexp.MustCompile(`(\d+) requests in`)
	faults    = regexp.MustCompile(`(Socket errors|Non-2xx).*`)
)

// attack asks a contender at a fixed rate.
func attack(c *contender) ([]string, error) {
	before := cpu(c.pids())
	var m vegeta.Metrics
	a := vegeta.NewAttacker(vegeta.Connections(*connections), vegeta.Workers(uint64(*connections)), vegeta.Timeout(20*time.Second))
	for r := range a.Attack(vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: c.url + path}), vegeta.Rate{Freq: *rate, Per: time.Second}, *lasts, "") {
		m.Add(r)
	}
	m.Close()
	used := cpu(c.pids()) - before
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', 0, 64) }
	return []string{number(m.Rate), strconv.FormatFloat(used, 'f', 2, 64), number(float64(m.Requests) / used),
		number(float64(m.Latencies.P50.Microseconds())), number(float64(m.Latencies.P99.Microseconds())), strings.Join(m.Errors, "; ")}, nil
}

// measure runs wrk against a contender.
func measure(c *contender) ([]string, error) {
	if *rate > 0 {
		return attack(c)
	}
	before := cpu(c.pids())
	out, err := exec.Command("wrk", "-t1", "-c", strconv.Itoa(*connections), "-d", lasts.String(), "--latency", "--timeout", "20s", c.url+path).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	used := cpu(c.pids()) - before
	text := string(out)
	n, err := strconv.ParseFloat(total.FindStringSubmatch(text)[1], 64)
	if err != nil {
		return nil, err
	}
	at := map[string]string{}
	for _, m := range quantile.FindAllStringSubmatch(text, -1) {
		v, _ := strconv.ParseFloat(m[2], 64)
		at[m[1]] = strconv.FormatFloat(v*map[string]float64{"us": 1, "ms": 1e3, "s": 1e6}[m[3]], 'f', 0, 64)
	}
	return []string{perSecond.FindStringSubmatch(text)[1], strconv.FormatFloat(used, 'f', 2, 64), strconv.FormatFloat(n/used, 'f', 0, 64), at["50"], at["99"], faults.FindString(text)}, nil
}

// cpu returns the processor's seconds that processes have used.
func cpu(pids []int) (seconds float64) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		seconds += (user + system) / 100
	}
	return seconds
}
