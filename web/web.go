// Package web is a cache's administration over HTTP: a dashboard of one page, metrics, and what operators may do, on a
// listener of its own.
//
//	watch := web.NewWatch(nil)
//	cache, err := folio.New(folio.Config{MaxBytes: 256 << 20, Observe: watch.Observe})
//	admin, err := web.New(web.Config{Cache: cache, Watch: watch, Tokens: tokens})
//	go http.Serve(loopback, admin)
//
// What changes something needs a bearer token with its scope. What only reads needs none, unless Config.ReadToken says
// so: whoever may connect to the listener may read. [CheckListen] refuses listeners that are open to others.
package web

import (
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/record"
	"github.com/foliocache/folio/slo"
)

// Config says what an administration is of. Cache and Watch are needed.
type Config struct {
	Cache *folio.Cache
	Watch *Watch
	// Gatherer has the metrics of /metrics. Default: those of the watch alone.
	Gatherer prometheus.Gatherer
	// Explain tells why the page that a request asks for is, or is not, served from the cache. Optional.
	Explain func(*http.Request) (folio.Explanation, error)
	// Tags returns what the page that a request asks for depends on, to be invalidated. Optional.
	Tags func(*http.Request) ([]folio.Tag, error)
	// Purge is told of what operators invalidate, as httpcache.Config.Purge is; of everything by no keys. Optional.
	Purge func(keys []string)
	// Recorder records to files in RecordDir. Optional.
	Recorder  *record.Recorder
	RecordDir string
	// RecordBytes ends a recording whose file has become so large; default 1 GiB.
	RecordBytes int64
	// Objectives are checked by the dashboard. Optional.
	Objectives *slo.Objectives

	Tokens    []Token // that may do things
	ReadToken bool    // reading needs one, too
	// Hosts lists further values of Host that are answered, beside those of loopback and of IP addresses: others may
	// be a stranger's page in an operator's browser.
	Hosts []string
	// Rate bounds the changes of one token, per second; default 5, in bursts of 20.
	Rate   float64
	Logger *slog.Logger // of the audit log, too
	Title  string       // of the dashboard
}

// Server answers the requests of operators. Safe for concurrent use.
type Server struct {
	config  Config
	mux     *http.ServeMux
	limits  limits
	actions actions
	page    page
	started time.Time
}

//go:embed dashboard.html
var files embed.FS

// ErrConfig says what of a config cannot work.
var ErrConfig = errors.New("web: bad config")

// New makes a server. The error joins every fault of the config.
func New(config Config) (*Server, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.Rate == 0 {
		config.Rate = 5
	}
	if config.RecordBytes == 0 {
		config.RecordBytes = 1 << 30
	}
	if config.Title == "" {
		config.Title = "Folio"
	}
	var faults []error
	if config.Cache == nil || config.Watch == nil {
		faults = append(faults, fmt.Errorf("%w: no Cache, or no Watch", ErrConfig))
	}
	for _, t := range config.Tokens {
		faults = append(faults, t.Check())
	}
	for i, h := range config.Hosts {
		config.Hosts[i] = strings.ToLower(h)
		faults = append(faults, CheckHost(h))
	}
	if config.ReadToken && len(config.Tokens) == 0 {
		faults = append(faults, fmt.Errorf("%w: reading needs a token, and there is none", ErrConfig))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	s := &Server{config: config, mux: http.NewServeMux(), started: time.Now()}
	if s.config.Gatherer == nil {
		registry := prometheus.NewRegistry()
		registry.MustRegister(config.Watch.metrics)
		s.config.Gatherer = registry
	}
	s.limits.rate = config.Rate
	var err error
	if s.page, err = newPage(config.Title); err != nil {
		return nil, err
	}
	config.Watch.watch(config.Cache)
	s.routes()
	return s, nil
}

// CheckHost says what of a name in Config.Hosts cannot be.
func CheckHost(name string) error {
	if name == "" || strings.Contains(name, ":") {
		return fmt.Errorf("%w: host %q: want a name without a port", ErrConfig, name)
	}
	return nil
}

func (s *Server) routes() {
	s.mux.HandleFunc("GET /{$}", s.page.serve)
	s.mux.Handle("GET /metrics", s.reading(promhttp.HandlerFor(s.config.Gatherer, promhttp.HandlerOpts{Timeout: 10 * time.Second, MaxRequestsInFlight: 8}).ServeHTTP))
	s.mux.Handle("GET /admin/v1/stats", s.reading(s.stats))
	s.mux.Handle("GET /admin/v1/explain", s.reading(s.explain))
	s.mux.Handle("GET /admin/v1/slo", s.reading(s.objectives))
	s.mux.Handle("POST /admin/v1/invalidate", s.changing(Invalidate, s.invalidate))
	s.mux.Handle("POST /admin/v1/purge", s.changing(PurgeAll, s.purge))
	s.mux.Handle("POST /admin/v1/mode", s.changing(Configure, s.mode))
	s.mux.Handle("GET /admin/v1/profile", s.changing(Configure, s.profile))
	s.mux.Handle("POST /admin/v1/recording", s.changing(Configure, s.recording))
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if !s.ours(r.Host) {
		fail(w, http.StatusMisdirectedRequest, "this Host is not served here: see admin.hosts in the configuration")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// ours reports whether a Host is one that operators use: a name that somebody else has pointed here is not.
func (s *Server) ours(host string) bool {
	return LocalHost(host) || slices.Contains(s.config.Hosts, hostName(host))
}

// hostName returns a Host without its port, in small letters.
func hostName(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	return strings.ToLower(strings.Trim(name, "[]"))
}

// LocalHost reports whether a Host is localhost or an IP address: no name that somebody else may have pointed here.
func LocalHost(host string) bool {
	name := hostName(host)
	return name == "localhost" || net.ParseIP(name) != nil
}

// CheckListen refuses an address that others than this machine can reach, unless there are TLS and tokens for it.
func CheckListen(address string, tls, tokens bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%w: address %q: %w", ErrConfig, address, err)
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() || tls && tokens {
		return nil
	}
	return fmt.Errorf("%w: address %q can be reached by others: want TLS and tokens for it, or a loopback address", ErrConfig, address)
}
