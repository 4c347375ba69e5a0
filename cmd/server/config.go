package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/httpcache"
	"github.com/foliocache/folio/slo"
	"github.com/foliocache/folio/web"
)

// config is the configuration file. The zero value of every field is its default.
type config struct {
	Listen string       `yaml:"listen,omitempty" json:"listen,omitempty" jsonschema:"description=Address of the API. Default 127.0.0.1:8080"`
	TLS    *tlsConfig   `yaml:"tls,omitempty" json:"tls,omitempty"`
	Admin  adminConfig  `yaml:"admin,omitempty" json:"admin,omitempty"`
	Cache  cacheConfig  `yaml:"cache,omitempty" json:"cache,omitempty"`
	Tier   *tierConfig  `yaml:"tier,omitempty" json:"tier,omitempty" jsonschema:"description=What several servers of one database or upstream share. Default: nothing"`
	Limits limitsConfig `yaml:"limits,omitempty" json:"limits,omitempty"`
	Log    logConfig    `yaml:"log,omitempty" json:"log,omitempty"`

	DB        string       `yaml:"db,omitempty" json:"db,omitempty" jsonschema:"description=Database of the tickets API: sqlite:PATH or postgres://… Default: a temporary SQLite file"`
	Principal *scopeConfig `yaml:"principal,omitempty" json:"principal,omitempty" jsonschema:"description=How the tickets API knows its users. Default: the parameter user\\, on a loopback address alone"`

	Upstream *upstreamConfig `yaml:"upstream,omitempty" json:"upstream,omitempty"`
	Hosts    []string        `yaml:"hosts,omitempty" json:"hosts,omitempty" jsonschema:"description=Values of Host that are answered from the cache. Default: all"`
	Traces   *tracesConfig   `yaml:"traces,omitempty" json:"traces,omitempty" jsonschema:"description=OpenTelemetry's. Default: none"`
	Routes   []routeConfig   `yaml:"routes,omitempty" json:"routes,omitempty"`

	Objectives []slo.Objective `yaml:"objectives,omitempty" json:"objectives,omitempty"`
}

type tlsConfig struct {
	Cert string `yaml:"cert" json:"cert" jsonschema:"description=PEM file of the certificate chain"`
	Key  string `yaml:"key" json:"key" jsonschema:"description=PEM file of the private key"`
}

type adminConfig struct {
	Listen    string      `yaml:"listen,omitempty" json:"listen,omitempty" jsonschema:"description=Address of dashboard\\, metrics and admin API. Default 127.0.0.1:8081; off: none"`
	TLS       *tlsConfig  `yaml:"tls,omitempty" json:"tls,omitempty"`
	Tokens    []tokenLine `yaml:"tokens,omitempty" json:"tokens,omitempty"`
	ReadToken bool        `yaml:"read_token,omitempty" json:"read_token,omitempty" jsonschema:"description=Reading needs a token\\, too"`
	Hosts     []string    `yaml:"hosts,omitempty" json:"hosts,omitempty"`
	RecordDir string      `yaml:"record_dir,omitempty" json:"record_dir,omitempty" jsonschema:"description=Folder for recordings. Default: none can be made"`
	RecordMax size        `yaml:"record_max,omitempty" json:"record_max,omitempty" jsonschema:"description=Size that ends a recording. Default 1GiB"`
}

type tokenLine struct {
	Name   string      `yaml:"name" json:"name"`
	SHA256 string      `yaml:"sha256" json:"sha256"`
	Scopes []web.Scope `yaml:"scopes" json:"scopes" jsonschema:"enum=read,enum=invalidate,enum=purge_all,enum=config"`
}

type cacheConfig struct {
	MaxBytes    size          `yaml:"max_bytes,omitempty" json:"max_bytes,omitempty" jsonschema:"description=Memory of the cache. Default 128MiB"`
	OnHeap      bool          `yaml:"on_heap,omitempty" json:"on_heap,omitempty"`
	MaxLoads    int           `yaml:"max_loads,omitempty" json:"max_loads,omitempty" jsonschema:"description=Questions to the origin at once. Default 64"`
	LoadTimeout time.Duration `yaml:"load_timeout,omitempty" json:"load_timeout,omitempty" jsonschema:"type=string"`
	WarmBudget  float64       `yaml:"warm_budget,omitempty" json:"warm_budget,omitempty"`
	TTL         time.Duration `yaml:"ttl,omitempty" json:"ttl,omitempty" jsonschema:"type=string,description=Of the tickets API's pages. Default 5m"`
	Strategy    string        `yaml:"strategy,omitempty" json:"strategy,omitempty"`
	Mode        string        `yaml:"mode,omitempty" json:"mode,omitempty" jsonschema:"enum=on,enum=observe,enum=off"`
	VerifyOneIn int           `yaml:"verify_one_in,omitempty" json:"verify_one_in,omitempty"`
	Dir         string        `yaml:"dir,omitempty" json:"dir,omitempty" jsonschema:"description=Folder that contents are kept in over restarts"`
}

type limitsConfig struct {
	HeaderTimeout time.Duration `yaml:"header_timeout,omitempty" json:"header_timeout,omitempty" jsonschema:"type=string,description=For a request's header. Default 5s"`
	ReadTimeout   time.Duration `yaml:"read_timeout,omitempty" json:"read_timeout,omitempty" jsonschema:"type=string,description=For a whole request. Default 30s"`
	WriteTimeout  time.Duration `yaml:"write_timeout,omitempty" json:"write_timeout,omitempty" jsonschema:"type=string,description=For a request and its response. Default 2m"`
	IdleTimeout   time.Duration `yaml:"idle_timeout,omitempty" json:"idle_timeout,omitempty" jsonschema:"type=string,description=Between requests. Default 1m"`
	HeaderBytes   size          `yaml:"header_bytes,omitempty" json:"header_bytes,omitempty" jsonschema:"description=Of a request's header. Default 16KiB"`
	Connections   int           `yaml:"connections,omitempty" json:"connections,omitempty" jsonschema:"description=At once. Default 20000"`
	Garbage       size          `yaml:"garbage,omitempty" json:"garbage,omitempty" jsonschema:"description=Memory that garbage may take between collections\\, beside as much as what lives. Less costs processor time. Default 64MiB\\, none where GOGC or GOMEMLIMIT is set"`
	Drain         time.Duration `yaml:"drain,omitempty" json:"drain,omitempty" jsonschema:"type=string,description=Between not being ready any more and taking no more connections\\, when stopped. Default 0"`
	Stop          time.Duration `yaml:"stop,omitempty" json:"stop,omitempty" jsonschema:"type=string,description=For requests under way\\, when stopped. Default 10s"`
}

type logConfig struct {
	Level  slog.Level `yaml:"level,omitempty" json:"level,omitempty" jsonschema:"type=string,enum=debug,enum=info,enum=warn,enum=error"`
	Format string     `yaml:"format,omitempty" json:"format,omitempty" jsonschema:"enum=text,enum=json"`
}

type upstreamConfig struct {
	URL            string        `yaml:"url,omitempty" json:"url,omitempty"`
	KeepHost       bool          `yaml:"keep_host,omitempty" json:"keep_host,omitempty"`
	ConnectTimeout time.Duration `yaml:"connect_timeout,omitempty" json:"connect_timeout,omitempty" jsonschema:"type=string"`
	HeaderTimeout  time.Duration `yaml:"header_timeout,omitempty" json:"header_timeout,omitempty" jsonschema:"type=string"`
	Connections    int           `yaml:"connections,omitempty" json:"connections,omitempty"`
}

type routeConfig struct {
	Name                 string        `yaml:"name" json:"name"`
	Path                 string        `yaml:"path" json:"path" jsonschema:"description=/api/tickets or /api/tickets/{id}"`
	Scope                *scopeConfig  `yaml:"scope,omitempty" json:"scope,omitempty" jsonschema:"description=Whose rows a request may see. Default: everybody sees the same\\, and requests with credentials pass by"`
	Cookies              bool          `yaml:"ignore_cookies,omitempty" json:"ignore_cookies,omitempty"`
	Params               paramsConfig  `yaml:"params,omitempty" json:"params,omitempty"`
	TTL                  time.Duration `yaml:"ttl,omitempty" json:"ttl,omitempty" jsonschema:"type=string,description=Of responses that do not say"`
	StaleWhileRevalidate time.Duration `yaml:"stale_while_revalidate,omitempty" json:"stale_while_revalidate,omitempty" jsonschema:"type=string"`
	StaleIfError         time.Duration `yaml:"stale_if_error,omitempty" json:"stale_if_error,omitempty" jsonschema:"type=string"`
	KeepPrivate          bool          `yaml:"keep_private,omitempty" json:"keep_private,omitempty"`
	ETag                 bool          `yaml:"etag,omitempty" json:"etag,omitempty"`
	Types                []string      `yaml:"types,omitempty" json:"types,omitempty"`
	Vary                 []string      `yaml:"vary,omitempty" json:"vary,omitempty"`
	Forward              []string      `yaml:"forward,omitempty" json:"forward,omitempty"`
	NoWarm               bool          `yaml:"no_warm,omitempty" json:"no_warm,omitempty"`
	Invalidates          []string      `yaml:"invalidates,omitempty" json:"invalidates,omitempty"`
	Everybody            bool          `yaml:"everybody,omitempty" json:"everybody,omitempty"`
	Plain                bool          `yaml:"plain,omitempty" json:"plain,omitempty" jsonschema:"description=By RFC 9111 alone\\, every path and type"`
}

type paramsConfig struct {
	Page         string   `yaml:"page,omitempty" json:"page,omitempty"`
	Offset       string   `yaml:"offset,omitempty" json:"offset,omitempty"`
	Cursor       string   `yaml:"cursor,omitempty" json:"cursor,omitempty"`
	Limit        string   `yaml:"limit,omitempty" json:"limit,omitempty"`
	Sort         string   `yaml:"sort,omitempty" json:"sort,omitempty"`
	Filters      []string `yaml:"filters,omitempty" json:"filters,omitempty"`
	ZeroBased    bool     `yaml:"zero_based,omitempty" json:"zero_based,omitempty" jsonschema:"description=The first page is 0\\, not 1"`
	DefaultLimit int      `yaml:"default_limit,omitempty" json:"default_limit,omitempty" jsonschema:"description=That the upstream is asked with if a query does not say"`
	MaxLimit     int      `yaml:"max_limit,omitempty" json:"max_limit,omitempty" jsonschema:"description=More are cut to it"`
	MaxPage      int      `yaml:"max_page,omitempty" json:"max_page,omitempty" jsonschema:"description=Pages beyond it are an error. Default: 100000 rows' worth"`
	Unknown      string   `yaml:"unknown,omitempty" json:"unknown,omitempty" jsonschema:"enum=pass,enum=drop,enum=reject,description=What becomes of a query with other parameters: it passes by the cache (default)\\, it is answered without them\\, or it is an error. What trackers add is dropped in any case"`
}

// size is a number of bytes: 64MiB, 1048576.
type size int64

// UnmarshalText reads one.
func (s *size) UnmarshalText(text []byte) error {
	number := string(text)
	for suffix, unit := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if digits, ok := strings.CutSuffix(number, suffix); ok {
			n, err := strconv.ParseInt(digits, 10, 32)
			*s = size(n * unit)
			return sizeError(number, err)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	*s = size(n)
	return sizeError(number, err)
}

func sizeError(text string, err error) error {
	if err != nil {
		return fmt.Errorf("size %q: want 64MiB, 1GiB, or a number of bytes", text)
	}
	return nil
}

// JSONSchema says what a size looks like.
func (size) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Pattern: "^[0-9]+([KMG]iB)?$"}, {Type: "integer"}}}
}

// readConfig reads a file; what it does not know is an error, with its place.
func readConfig(path string) (*config, error) {
	c := new(config)
	if path == "" {
		return c, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return c, nil
	}
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField())
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) { // of comments alone there is no document
		return nil, fmt.Errorf("%w: %s: %w", errUsage, path, err)
	}
	if err := d.Decode(new(config)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %s: more than one document", errUsage, path)
	}
	return c, nil
}

// check returns what of a configuration cannot work, joined, as far as that is known before anything is opened.
func (c *config) check() error {
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...)))
		}
	}
	for name, d := range map[string]time.Duration{"cache.ttl": c.Cache.TTL, "cache.load_timeout": c.Cache.LoadTimeout, "limits.header_timeout": c.Limits.HeaderTimeout, "limits.read_timeout": c.Limits.ReadTimeout,
		"limits.write_timeout": c.Limits.WriteTimeout, "limits.idle_timeout": c.Limits.IdleTimeout, "limits.drain": c.Limits.Drain, "limits.stop": c.Limits.Stop} {
		want(d >= 0, "%s %s: want at least 0", name, d)
	}
	want(c.Limits.Garbage >= 0 && c.Limits.Garbage <= 16<<30, "limits.garbage %d: want 0 to 16GiB", c.Limits.Garbage)
	want(c.Limits.Connections > 0 && c.Limits.HeaderBytes > 0, "limits: connections %d, header_bytes %d: want more than 0", c.Limits.Connections, c.Limits.HeaderBytes)
	want(c.Log.Format == "text" || c.Log.Format == "json", "log.format %q: want text or json", c.Log.Format)
	addresses := []string{c.Listen}
	if c.Admin.Listen != "off" {
		addresses = append(addresses, c.Admin.Listen)
	}
	for _, address := range addresses {
		_, err := net.ResolveTCPAddr("tcp", address)
		want(err == nil, "listen %q: %v", address, err)
	}
	want(len(addresses) < 2 || addresses[0] != addresses[1] || strings.HasSuffix(c.Listen, ":0"), "listen and admin.listen are both %s", c.Listen)
	for name, t := range map[string]*tlsConfig{"tls": c.TLS, "admin.tls": c.Admin.TLS} {
		if t != nil {
			_, err := tls.LoadX509KeyPair(t.Cert, t.Key)
			want(err == nil, "%s: %v", name, err)
		}
	}
	if dir := c.Admin.RecordDir; dir != "" {
		info, err := os.Stat(dir)
		want(err == nil && info.IsDir(), "admin.record_dir %q: %v", dir, err)
	}
	want(c.Admin.RecordMax >= 0, "admin.record_max %d: want at least 0", c.Admin.RecordMax)
	for _, h := range c.Admin.Hosts {
		if err := web.CheckHost(h); err != nil {
			faults = append(faults, fmt.Errorf("%w: admin.hosts: %w", errUsage, err))
		}
	}
	if c.Traces != nil {
		c.Traces.check(want)
	}
	for _, t := range c.Admin.tokens() {
		if err := t.Check(); err != nil {
			faults = append(faults, fmt.Errorf("%w: admin: %w", errUsage, err))
		}
	}
	if c.Admin.Listen != "off" {
		if err := web.CheckListen(c.Admin.Listen, c.Admin.TLS != nil, len(c.Admin.Tokens) > 0 && c.Admin.ReadToken); err != nil {
			faults = append(faults, fmt.Errorf("%w: admin: %w (and read_token: true)", errUsage, err))
		}
	}
	_, err := c.objectives()
	return errors.Join(append(faults, err, c.Tier.check())...)
}

// withDefaults fills in what is not said.
func (c *config) withDefaults() {
	fill(&c.Listen, "127.0.0.1:8080")
	fill(&c.Admin.Listen, "127.0.0.1:8081")
	fill(&c.Cache.MaxBytes, 128<<20)
	fill(&c.Limits.HeaderTimeout, 5*time.Second)
	fill(&c.Limits.ReadTimeout, 30*time.Second)
	fill(&c.Limits.WriteTimeout, 2*time.Minute)
	fill(&c.Limits.IdleTimeout, time.Minute)
	fill(&c.Limits.HeaderBytes, 16<<10)
	fill(&c.Limits.Connections, 20_000)
	fill(&c.Limits.Stop, 10*time.Second)
	fill(&c.Limits.Garbage, 64<<20)
	fill(&c.Log.Format, "text")
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// cache returns what a cache is made of.
func (c *config) cache(watch *web.Watch, log *slog.Logger) (folio.Config, error) {
	made := folio.Config{MaxBytes: int64(c.Cache.MaxBytes), OnHeap: c.Cache.OnHeap || c.Cache.MaxBytes < 96<<20, MaxLoads: c.Cache.MaxLoads, LoadTimeout: c.Cache.LoadTimeout,
		WarmBudget: c.Cache.WarmBudget, Strategy: c.Cache.Strategy, VerifyOneIn: c.Cache.VerifyOneIn, Dir: c.Cache.Dir, Observe: watch.Observe, Logger: log}
	switch c.Cache.Mode {
	case "", "on":
	case "observe":
		made.Mode = folio.Observe
	case "off":
		made.Mode = folio.Off
	default:
		return made, fmt.Errorf("%w: cache.mode %q: want on, observe or off", errUsage, c.Cache.Mode)
	}
	return made, nil
}

// routes returns what is cached of an upstream. The error joins all faults.
func (c *config) routes() (all []httpcache.Route, err error) {
	var faults []error
	for i := range c.Routes {
		r := &c.Routes[i]
		unknown := map[string]httpcache.Unknown{"": httpcache.Pass, "drop": httpcache.Drop, "pass": httpcache.Pass, "reject": httpcache.Reject}
		u, ok := unknown[r.Params.Unknown]
		if !ok {
			faults = append(faults, fmt.Errorf("%w: route %q: params.unknown %q: want drop, pass or reject", errUsage, r.Name, r.Params.Unknown))
		}
		made := httpcache.Route{Name: r.Name, Pattern: r.Path, Cookies: r.Cookies, TTL: r.TTL, StaleWhileRevalidate: r.StaleWhileRevalidate, StaleIfError: r.StaleIfError,
			KeepPrivate: r.KeepPrivate, ETag: r.ETag, Types: r.Types, Vary: r.Vary, Forward: r.Forward, NoWarm: r.NoWarm, Invalidates: r.Invalidates, Everybody: r.Everybody, Plain: r.Plain,
			Params: httpcache.Params{Page: r.Params.Page, Offset: r.Params.Offset, Cursor: r.Params.Cursor, Limit: r.Params.Limit, Sort: r.Params.Sort, Filters: r.Params.Filters,
				ZeroBased: r.Params.ZeroBased, DefaultLimit: r.Params.DefaultLimit, MaxLimit: r.Params.MaxLimit, MaxPage: r.Params.MaxPage, Unknown: u}}
		if r.Scope != nil {
			scope, err := r.Scope.scope()
			if r.Scope.From == "parameter" && !slices.Contains(r.Params.Filters, "user") {
				err = errors.Join(err, fmt.Errorf("%w: scope from parameter: want user among params.filters: else the upstream is not asked for it", errUsage))
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("route %q: %w", r.Name, err))
			}
			made.Scope, made.ManyScopes = scope, r.Scope.From == "credentials"
		}
		all = append(all, made)
	}
	return all, errors.Join(faults...)
}

// version tells what pages of an upstream may be kept for: where anything of it is another, a key may be of another page.
func (c *config) version() string {
	text, err := json.Marshal([]any{c.Upstream, c.Hosts, c.Routes})
	if err != nil {
		panic(err) // it was read from a file
	}
	sum := sha256.New()
	sum.Write(text)
	for i := range c.Routes {
		if s := c.Routes[i].Scope; s != nil {
			for _, name := range []string{s.KeyFile, s.SecretFile} {
				text, _ := os.ReadFile(name) // it was read to make the scope
				fmt.Fprintf(sum, "%d", len(text))
				sum.Write(text)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// tokens returns those of the admin listener.
func (c *adminConfig) tokens() (all []web.Token) {
	for _, t := range c.Tokens {
		all = append(all, web.Token{Name: t.Name, SHA256: t.SHA256, Scopes: t.Scopes})
	}
	return all
}

// objectives returns the objectives, if there are any.
func (c *config) objectives() (*slo.Objectives, error) {
	if len(c.Objectives) == 0 {
		return nil, nil
	}
	o := &slo.Objectives{Objectives: c.Objectives}
	if err := o.Prepare(); err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return o, nil
}
