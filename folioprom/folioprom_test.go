package folioprom_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/folioprom"
	"github.com/foliocache/folio/foliotest"
)

// TestMetricsTellWhatTheCacheDid: exact values, by the conventions' linter, and no label that grows
// with keys.
func TestMetricsTellWhatTheCacheDid(t *testing.T) {
	c := folioprom.New(prometheus.Labels{"cache": "a"})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	if _, err := registry.Gather(); err != nil {
		t.Fatal(err) // before there is a cache
	}
	cache, _ := foliotest.New(t, func(config *folio.Config) { config.Observe = c.Observe })
	c.Watch(cache)
	down := false
	l, err := folio.NewList(cache, folio.ListConfig[int]{Name: "rows", Load: func(context.Context, folio.Query, folio.Range) ([]int, error) {
		if down {
			return nil, errors.New("down")
		}
		return []int{1, 2}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		q, err := l.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: fmt.Sprint(i / 2)}})
		if err != nil {
			t.Fatal(err)
		}
		down = i == 6
		_, _ = l.Page(t.Context(), q)
	}
	cache.GetIfPresent(nil, "absent")
	want := `
# HELP folio_hits_total Reads answered from the store.
# TYPE folio_hits_total counter
folio_hits_total{cache="a"} 3
# HELP folio_load_rows_total Rows that loads brought for lists.
# TYPE folio_load_rows_total counter
folio_load_rows_total{cache="a"} 6
# HELP folio_reads_by_depth_total Reads learned from, by how deep their page is.
# TYPE folio_reads_by_depth_total counter
folio_reads_by_depth_total{cache="a",depth="deeper",outcome="hit"} 0
folio_reads_by_depth_total{cache="a",depth="deeper",outcome="miss"} 0
folio_reads_by_depth_total{cache="a",depth="page 1",outcome="hit"} 3
folio_reads_by_depth_total{cache="a",depth="page 1",outcome="miss"} 4
folio_reads_by_depth_total{cache="a",depth="page 2",outcome="hit"} 0
folio_reads_by_depth_total{cache="a",depth="page 2",outcome="miss"} 0
folio_reads_by_depth_total{cache="a",depth="pages 3-5",outcome="hit"} 0
folio_reads_by_depth_total{cache="a",depth="pages 3-5",outcome="miss"} 0
folio_reads_by_depth_total{cache="a",depth="pages 6-10",outcome="hit"} 0
folio_reads_by_depth_total{cache="a",depth="pages 6-10",outcome="miss"} 0
folio_reads_by_depth_total{cache="a",depth="no page",outcome="hit"} 0
folio_reads_by_depth_total{cache="a",depth="no page",outcome="miss"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "folio_hits_total", "folio_load_rows_total", "folio_reads_by_depth_total"); err != nil {
		t.Error(err)
	}
	if n, err := times(registry); err != nil || n != 4+2 {
		t.Errorf("%d series of times, %v; want reads: hit, miss, error, absent; loads: ok, error", n, err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	total, err := testutil.GatherAndCount(registry)
	if err != nil || total > 100 {
		t.Errorf("%d series, %v", total, err)
	}
}

// times counts the series of durations, once they are all there: a load is told of after those who wait for it.
func times(registry *prometheus.Registry) (n int, err error) {
	for deadline := time.Now().Add(5 * time.Second); n != 4+2 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		n, err = testutil.GatherAndCount(registry, "folio_read_duration_seconds", "folio_load_duration_seconds")
	}
	return n, err
}
