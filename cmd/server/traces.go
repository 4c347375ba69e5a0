package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type tracesConfig struct {
	Endpoint string `yaml:"endpoint" json:"endpoint" jsonschema:"description=Collector that takes OTLP over HTTP: http://127.0.0.1:4318. OTEL_EXPORTER_OTLP_HEADERS and its like count\\, too"`
	// Sample is a pointer: 0 is what somebody may mean.
	Sample *float64 `yaml:"sample,omitempty" json:"sample,omitempty" jsonschema:"minimum=0,maximum=1,description=Part of the requests that are traced. Default .01"`
	Trust  bool     `yaml:"trust_parent,omitempty" json:"trust_parent,omitempty" jsonschema:"description=Requests' traceparent is continued\\, and says what is traced. Default: it is linked to\\, for strangers may send it"`
}

const defaultSample = .01

// check says what cannot be.
func (c *tracesConfig) check(want func(ok bool, format string, args ...any)) {
	u, err := url.Parse(c.Endpoint)
	want(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "traces.endpoint %q: want http://… or https://…", c.Endpoint)
	want(c.Sample == nil || *c.Sample >= 0 && *c.Sample <= 1, "traces.sample: want 0 to 1")
}

// traces sends spans of requests, and of what they ask of a database or an upstream, to a collector. nil traces nothing.
type traces struct {
	provider *sdktrace.TracerProvider
	trust    bool
}

// w3c is how traces are told of between servers.
var w3c = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

func newTraces(ctx context.Context, c *tracesConfig, log *slog.Logger) (*traces, error) {
	if c == nil {
		return nil, nil
	}
	at, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, err
	}
	if at.Path == "" || at.Path == "/" {
		at.Path = "/v1/traces"
	}
	to, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(at.String()))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	who, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "folio")), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	share := defaultSample
	if c.Sample != nil {
		share = *c.Sample
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are lost", "error", err) }))
	return &traces{sdktrace.NewTracerProvider(sdktrace.WithBatcher(to), sdktrace.WithResource(who),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(share)))), c.Trust}, nil
}

// handler traces requests to a handler, with what the cache did.
func (t *traces) handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	told := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("folio.cache_status", w.Header().Get("Cache-Status")))
	})
	options := []otelhttp.Option{otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(w3c), otelhttp.WithMeterProvider(noop.NewMeterProvider())}
	if !t.trust {
		options = append(options, otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return true }))
	}
	return otelhttp.NewHandler(told, "", options...)
}

// transport traces what an upstream is asked.
func (t *traces) transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return otelhttp.NewTransport(next, otelhttp.WithTracerProvider(t.provider), otelhttp.WithPropagators(w3c), otelhttp.WithMeterProvider(noop.NewMeterProvider()))
}

// open is sql.Open, and traces what the database is asked.
func (t *traces) open(driver, source string) (*sql.DB, error) {
	if t == nil {
		return sql.Open(driver, source)
	}
	return otelsql.Open(driver, source, otelsql.WithTracerProvider(t.provider), otelsql.WithMeterProvider(noop.NewMeterProvider()),
		otelsql.WithSpanOptions(otelsql.SpanOptions{OmitConnResetSession: true, OmitRows: true, OmitConnPrepare: true, DisableErrSkip: true}))
}

// close sends what is left.
func (t *traces) close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}
