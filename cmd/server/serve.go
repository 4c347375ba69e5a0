package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/net/netutil"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/cmd/server/internal/conns"
	"github.com/foliocache/folio/cmd/server/internal/tickets"
	"github.com/foliocache/folio/httpcache"
	"github.com/foliocache/folio/record"
	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/web"
)

// common are the flags of what listens; they stand above the file.
type common struct {
	Config string `placeholder:"FILE" type:"path" help:"Configuration in YAML: server schema prints what may be in it."`
	Check  bool   `help:"Check the configuration and end."`
	Listen string `placeholder:"ADDR" help:"Address of the API. Default 127.0.0.1:8080."`
	Redis  string `placeholder:"URL" help:"Redis that several servers of one database or upstream share: redis://…"`
	Admin  string `placeholder:"ADDR" help:"Address of the dashboard, metrics and the admin API. Default 127.0.0.1:8081; off: none."`
}

// read reads the file and puts the flags above it.
func (c *common) read() (*config, error) {
	made, err := readConfig(c.Config)
	if err != nil {
		return nil, err
	}
	if c.Listen != "" {
		made.Listen = c.Listen
	}
	if c.Admin != "" {
		made.Admin.Listen = c.Admin
	}
	if c.Redis != "" {
		if made.Tier == nil {
			made.Tier = new(tierConfig)
		}
		made.Tier.Redis = c.Redis
	}
	made.withDefaults()
	return made, nil
}

// serveCmd is server serve.
type serveCmd struct {
	common
	DB   string `name:"db" placeholder:"URL" help:"Database: sqlite:PATH or postgres://…; it is filled if it is empty. Default: a temporary SQLite file."`
	Seed uint64 `default:"1" help:"Of the rows that an empty database is filled with."`
}

// Run serves the tickets API until it is stopped.
func (c *serveCmd) Run(s *streams) error {
	made, err := c.read()
	if err != nil {
		return err
	}
	if c.DB != "" {
		made.DB = c.DB
	}
	t, err := openTickets(s, made, c.Seed, c.Check)
	if err != nil || c.Check {
		return checked(err, s)
	}
	defer t.close()
	return t.run(s.ctx, t.handler, t.api.Explain, t.api.Tags)
}

// ticketsApp is the tickets API, ready to run.
type ticketsApp struct {
	*app
	db      *tickets.Database
	api     *tickets.API
	handler http.Handler
}

// openTickets opens the database, then the cache: what that has kept may be of this database alone. check: nothing is
// opened.
func openTickets(s *streams, c *config, seed uint64, check bool) (t *ticketsApp, err error) {
	faults := []error{c.check()}
	if c.Upstream != nil || len(c.Routes) > 0 || len(c.Hosts) > 0 {
		faults = append(faults, fmt.Errorf("%w: upstream, routes and hosts are for server proxy", errUsage))
	}
	if err := tickets.CheckURL(c.DB); err != nil {
		faults = append(faults, fmt.Errorf("%w: %w", errUsage, err))
	}
	if c.Cache.Dir != "" && c.DB == "" {
		faults = append(faults, fmt.Errorf("%w: cache.dir keeps pages of a database that is not kept: say db", errUsage))
	}
	if c.Tier != nil && c.DB == "" {
		faults = append(faults, fmt.Errorf("%w: tier: each server has a database of its own: say db", errUsage))
	}
	user, err := c.user()
	if err = errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	t = new(ticketsApp)
	o, err := newOutlets(s.ctx, c, s.stderr)
	if err != nil {
		return nil, err
	}
	if check {
		c.Cache.Dir, c.Tier = "", nil // what is kept there is not this command's
		a, err := newApp(c, o, "")
		if err == nil {
			a.close()
		}
		return nil, err
	}
	o.log.Info("opening the database, which is filled if it is empty")
	if t.db, err = tickets.Open(s.ctx, c.DB, tickets.DefaultSizes, seed, o.traces.open); err != nil {
		return nil, err
	}
	if t.app, err = newApp(c, o, t.db.ID); err != nil {
		return nil, errors.Join(err, t.db.Close())
	}
	t.api, err = tickets.New(tickets.Config{Database: t.db, Cache: t.cache, User: user, TTL: c.Cache.TTL, Logger: t.log})
	if err != nil {
		t.close()
		return nil, err
	}
	t.ready, t.handler = t.db.PingContext, t.api
	if c.Principal == nil || c.Principal.From == "parameter" {
		t.handler = ownPages(t.api)
	} else {
		t.handler = c.Principal.guard(t.api)
	}
	return t, nil
}

// close closes the cache, then the database.
func (t *ticketsApp) close() {
	t.app.close()
	if err := t.db.Close(); err != nil {
		t.log.Warn("the database is not closed", "error", err)
	}
}

// ownPages refuses what a page of another site has a browser send, where nobody says who he is.
func ownPages(next http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !web.LocalHost(r.Host) {
			http.Error(w, "this Host is not served: anybody may be anybody here", http.StatusMisdirectedRequest)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// user returns how the users of the tickets API are known.
func (c *config) user() (func(*http.Request) (string, error), error) {
	if c.Principal != nil && c.Principal.Kind != "" {
		return nil, fmt.Errorf("%w: principal.kind is for scopes of routes", errUsage)
	}
	if c.Principal != nil && c.Principal.From == "credentials" {
		return nil, fmt.Errorf("%w: principal from credentials: those are no user's number: want jwt or header", errUsage)
	}
	if c.Principal != nil {
		return c.Principal.principal()
	}
	if err := web.CheckListen(c.Listen, false, false); err != nil {
		return nil, fmt.Errorf("%w: listen %q can be reached by others, and anybody may be anybody by ?user=: say how users are known (principal)", errUsage, c.Listen)
	}
	return tickets.UserParameter, nil
}

// checked ends a command that has only checked its configuration, or could not.
func checked(err error, s *streams) error {
	if err == nil {
		fmt.Fprintln(s.stdout, "the configuration is fine")
	}
	return err
}

// proxyCmd is server proxy.
type proxyCmd struct {
	common
	Upstream string `placeholder:"URL" help:"Server that is asked for what is not in the cache."`
}

// Run proxies until it is stopped.
func (c *proxyCmd) Run(s *streams) error {
	made, err := c.read()
	if err != nil {
		return err
	}
	if made.Upstream == nil {
		made.Upstream = new(upstreamConfig)
	}
	if c.Upstream != "" {
		made.Upstream.URL = c.Upstream
	}
	up, err := url.Parse(made.Upstream.URL)
	if err != nil || up.Host == "" || up.Scheme != "http" && up.Scheme != "https" {
		return fmt.Errorf("%w: upstream %q: want http://… or https://…, by --upstream or as upstream.url", errUsage, made.Upstream.URL)
	}
	faults := []error{made.check()}
	if made.Cache.TTL != 0 || made.Cache.VerifyOneIn != 0 {
		faults = append(faults, fmt.Errorf("%w: cache.ttl and cache.verify_one_in are for server serve: routes have a ttl", errUsage))
	}
	if made.Principal != nil || made.DB != "" {
		faults = append(faults, fmt.Errorf("%w: principal and db are for server serve; who asks a proxy is said by scope of its routes", errUsage))
	}
	routes, err := made.routes()
	if err = errors.Join(append(faults, err)...); err != nil {
		return err
	}
	o, err := newOutlets(s.ctx, made, s.stderr)
	if err != nil {
		return err
	}
	if c.Check {
		made.Cache.Dir, made.Tier = "", nil // what is kept there is not this command's
	}
	a, err := newApp(made, o, made.version())
	if err != nil {
		return err
	}
	u := made.Upstream
	next := httpcache.Proxy(httpcache.Upstream{URL: up, KeepHost: u.KeepHost, ConnectTimeout: u.ConnectTimeout, HeaderTimeout: u.HeaderTimeout, MaxConns: u.Connections, Wrap: a.traces.transport, Logger: a.log})
	h, err := httpcache.New(httpcache.Config{Cache: a.cache, Next: next, Routes: routes, Hosts: made.Hosts, Logger: a.log})
	if err != nil {
		a.close()
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	defer a.close()
	if c.Check {
		return checked(nil, s)
	}
	if len(routes) == 0 {
		a.log.Warn("no routes: nothing is cached")
	}
	a.ready = func(context.Context) error { return nil }
	front := http.Handler(h)
	for i := range made.Routes {
		if scope := made.Routes[i].Scope; scope != nil {
			front = scope.guard(front)
		}
	}
	return a.run(s.ctx, front, h.Explain, h.Tags)
}

// app is what both servers have.
type app struct {
	outlets
	config   *config
	watch    *web.Watch
	recorder *record.Recorder
	cache    *folio.Cache
	tier     tier.Tier // nil: none
	tokens   []web.Token

	registry  *prometheus.Registry
	durations durations // of requests

	unused []byte // see ballast
	once   string // token that was made for this run
	ready  func(context.Context) error
	// listening is told of the addresses, the API's first. Optional.
	listening func([]string)
	stopping  atomic.Bool
}

// outlets are where a server tells what it does, beside its metrics.
type outlets struct {
	log    *slog.Logger
	traces *traces
}

func newOutlets(ctx context.Context, c *config, stderr io.Writer) (o outlets, err error) {
	var handler slog.Handler = slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.Log.Level})
	if c.Log.Format == "json" {
		handler = slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: c.Log.Level})
	}
	o.log = slog.New(handler)
	o.traces, err = newTraces(ctx, c.Traces, o.log)
	return o, err
}

// newApp makes one, once its configuration is known to be right. version: of what the cache may have kept.
func newApp(c *config, o outlets, version string) (*app, error) {
	a := &app{outlets: o, config: c, watch: web.NewWatch(nil), recorder: new(record.Recorder), tokens: c.Admin.tokens()}
	made, err := c.cache(a.watch, a.log)
	if err != nil {
		return nil, err
	}
	made.Version = version
	observe := made.Observe
	made.Observe = func(e folio.Event) { observe(e); a.recorder.Observe(e) }
	if err := a.share(&made); err != nil {
		return nil, err
	}
	if a.cache, err = folio.New(made); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", errUsage, err), a.leave())
	}
	a.measure()
	a.ballast()
	if len(a.tokens) == 0 {
		a.once = rand.Text()
		a.tokens = []web.Token{{Name: "this run's", SHA256: web.HashToken(a.once), Scopes: web.Scopes}}
	}
	return a, nil
}

// measure makes the metrics: the cache's, the process's, the requests'.
func (a *app) measure() {
	a.registry = prometheus.NewRegistry()
	a.durations = newDurations()
	limit := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "folio", Name: "memory_limit_bytes", Help: "Memory that this process may take: its control group's, or else the machine's."})
	if n, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)(); err == nil {
		limit.Set(float64(n))
	}
	a.registry.MustRegister(a.watch.Collector(), a.durations, limit, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// ballast makes the collector rest until there is some garbage: values lie outside its heap, which would be collected
// some fifty times a second else. It is never touched, so that it takes no memory itself.
func (a *app) ballast() {
	if os.Getenv("GOGC") == "" && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		a.unused = make([]byte, a.config.Limits.Garbage)
	}
}

const closeTimeout = 5 * time.Second

func (a *app) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := a.cache.Close(ctx); err != nil {
		a.log.Warn("the cache is not closed", "error", err)
	}
	if err := a.leave(); err != nil {
		a.log.Warn("the tier is not closed", "error", err)
	}
	if err := a.traces.close(ctx); err != nil {
		a.log.Warn("the last traces are lost", "error", err)
	}
}

// run listens until ctx ends, then lets requests under way end.
func (a *app) run(ctx context.Context, api http.Handler, explain func(*http.Request) (folio.Explanation, error), tags func(*http.Request) ([]folio.Tag, error)) error {
	front := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // no ServeMux: it would redirect what is not clean
		switch r.URL.Path {
		case "/healthz":
			_, _ = io.WriteString(w, "ok\n")
		case "/readyz":
			a.readyz(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
	servers := []*http.Server{a.server(a.config.Listen, a.durations.measure(a.traces.handler(front)))}
	if a.config.Admin.Listen != "off" {
		objectives, err := a.config.objectives()
		if err != nil {
			return err
		}
		admin, err := web.New(web.Config{Cache: a.cache, Watch: a.watch, Gatherer: a.registry, Explain: explain, Tags: tags, Recorder: a.recorder, RecordDir: a.config.Admin.RecordDir, RecordBytes: int64(a.config.Admin.RecordMax),
			Objectives: objectives, Tokens: a.tokens, ReadToken: a.config.Admin.ReadToken, Hosts: a.config.Admin.Hosts, Logger: a.log})
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		defer admin.Close()
		servers = append(servers, a.server(a.config.Admin.Listen, admin))
	}
	certificates := []*tlsConfig{a.config.TLS, a.config.Admin.TLS}
	var listeners []net.Listener
	for _, s := range servers {
		l, err := net.Listen("tcp", s.Addr)
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return err
		}
		listeners = append(listeners, netutil.LimitListener(conns.Listen(l), a.config.Limits.Connections))
	}
	failed := make(chan error, len(servers))
	for i, s := range servers {
		go func() { failed <- serve(s, listeners[i], certificates[i]) }()
	}
	a.announce(listeners)
	if a.listening != nil {
		var addresses []string
		for _, l := range listeners {
			addresses = append(addresses, l.Addr().String())
		}
		a.listening(addresses)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, a.stop(servers))
}

func serve(s *http.Server, l net.Listener, t *tlsConfig) error {
	if t != nil {
		return s.ServeTLS(l, t.Cert, t.Key)
	}
	return s.Serve(l)
}

// server makes a server with all its limits.
func (a *app) server(address string, h http.Handler) *http.Server {
	n := a.config.Limits
	return &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: n.HeaderTimeout, ReadTimeout: n.ReadTimeout, WriteTimeout: n.WriteTimeout, IdleTimeout: n.IdleTimeout,
		MaxHeaderBytes: int(n.HeaderBytes), ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
}

// announce says where what is.
func (a *app) announce(listeners []net.Listener) {
	a.log.Info("serving", "api", listeners[0].Addr().String())
	if len(listeners) < 2 {
		return
	}
	scheme := "http://"
	if a.config.Admin.TLS != nil {
		scheme = "https://"
	}
	a.log.Info("administration", "dashboard", scheme+listeners[1].Addr().String()+"/")
	if a.once != "" {
		a.log.Info("no tokens are configured: this one is good until the server stops", "token", a.once)
	}
}

// readyz says whether requests should come here.
func (a *app) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	err := a.ready(ctx)
	if a.stopping.Load() {
		err = errors.New("stopping")
	}
	if err != nil {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		a.log.Warn("not ready", "error", err)
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}

// stop lets requests under way end.
func (a *app) stop(servers []*http.Server) error {
	a.stopping.Store(true)
	a.log.Info("stopping")
	time.Sleep(a.config.Limits.Drain)
	ctx, cancel := context.WithTimeout(context.Background(), a.config.Limits.Stop)
	defer cancel()
	var faults []error
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			faults = append(faults, fmt.Errorf("requests were cut short: %w", err), s.Close())
		}
	}
	return errors.Join(faults...)
}
