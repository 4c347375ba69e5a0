package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collected are the spans that a collector was sent.
type collected struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
}

func collect(t *testing.T) *collected {
	c := new(collected)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent := new(collector.ExportTraceServiceRequest)
		if err := proto.Unmarshal(body, sent); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// of returns the spans of a kind that have an attribute with some words in it, and those below another span.
func (c *collected) of(kind tracepb.Span_SpanKind, key, words string, below []byte) (all []*tracepb.Span) {
	for _, s := range c.spans {
		if s.Kind == kind && (below == nil || string(s.ParentSpanId) == string(below)) && slices.ContainsFunc(s.Attributes, func(a *commonpb.KeyValue) bool {
			return a.Key == key && strings.Contains(a.Value.GetStringValue(), words)
		}) {
			all = append(all, s)
		}
	}
	return all
}

const (
	server = tracepb.Span_SPAN_KIND_SERVER
	client = tracepb.Span_SPAN_KIND_CLIENT
)

// TestTracesOfAProxy: a miss has the upstream's time below it, which knows its trace; a hit has none.
func TestTracesOfAProxy(t *testing.T) {
	for _, trust := range []bool{false, true} {
		t.Run(fmt.Sprintf("trust_parent=%t", trust), func(t *testing.T) {
			c := collect(t)
			var heard []string
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				heard = append(heard, r.Header.Get("Traceparent"))
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Cache-Control", "max-age=60")
				_, _ = io.WriteString(w, `{"items":[]}`)
			}))
			t.Cleanup(up.Close)
			file := writeFile(t, "proxy.yaml", fmt.Sprintf("upstream: {url: %q}\ntraces: {endpoint: %q, sample: 1, trust_parent: %t}\nroutes: [{name: things, path: /things, no_warm: true, params: {page: page}}]\n", up.URL, c.URL, trust))
			s := start(t, here("proxy", "--config", file)...)
			const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
			for range 2 {
				ask(t, "GET", s.api+"/things?page=1", "", "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
			}
			s.stop()
			misses, hits := c.of(server, "folio.cache_status", "uri-miss", nil), c.of(server, "folio.cache_status", "hit", nil)
			if len(misses) != 1 || len(hits) != 1 {
				t.Fatalf("%d misses, %d hits in %v", len(misses), len(hits), c.spans)
			}
			if (hex.EncodeToString(misses[0].TraceId) == trace) != trust || (len(misses[0].Links) > 0) == trust {
				t.Errorf("trace %x, links %v", misses[0].TraceId, misses[0].Links)
			}
			asked := c.of(client, "server.address", "127.0.0.1", misses[0].SpanId)
			if len(asked) != 1 || len(heard) != 1 || heard[0] != fmt.Sprintf("00-%x-%x-01", misses[0].TraceId, asked[0].SpanId) {
				t.Errorf("below the miss: %v; the upstream heard %q", asked, heard)
			}
			if below := c.of(client, "server.address", "", hits[0].SpanId); len(below) > 0 {
				t.Errorf("below the hit: %v", below)
			}
		})
	}
}

// TestTracesOfTickets: a miss has its query below it.
func TestTracesOfTickets(t *testing.T) {
	c := collect(t)
	file := writeFile(t, "serve.yaml", fmt.Sprintf("traces: {endpoint: %q, sample: 1}\n", c.URL))
	s := start(t, here("--config", file)...)
	for range 2 {
		ask(t, "GET", s.api+"/api/tickets?user=1", "")
	}
	s.stop()
	misses, hits := c.of(server, "folio.cache_status", "miss", nil), c.of(server, "folio.cache_status", "hit", nil)
	if len(misses) != 1 || len(hits) != 1 {
		t.Fatalf("%d misses, %d hits", len(misses), len(hits))
	}
	if asked := c.of(client, "db.query.text", "FROM tickets", misses[0].SpanId); len(asked) == 0 {
		t.Errorf("no query below the miss in %v", c.spans)
	}
	if asked := c.of(client, "db.query.text", "", hits[0].SpanId); len(asked) > 0 {
		t.Errorf("below the hit: %v", asked)
	}
}

// TestALostCollectorHarmsNobody: requests are answered, and the log says what is lost.
func TestALostCollectorHarmsNobody(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	file := writeFile(t, "serve.yaml", fmt.Sprintf("traces: {endpoint: %q, sample: 1}\n", gone.URL))
	s := start(t, here("--config", file)...)
	if p, body := ask(t, "GET", s.api+"/api/tickets?user=1", ""); p.StatusCode != 200 {
		t.Errorf("%d %s", p.StatusCode, body)
	}
	s.stop()
	if !strings.Contains(s.logged(), "traces are lost") {
		t.Error(s.logged())
	}
}
