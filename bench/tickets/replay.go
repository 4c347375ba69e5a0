package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/foliocache/folio/workloads"
)

// result is what came of one run.
type result struct {
	depths               [4][2]int64 // hits and reads: all, page 1, 2-3, 4-10
	queries, rows, stale int64
	inDB                 time.Duration
	latency              []time.Duration
	foretold             int64 // hits, if it only observes
	resident, warmed     int64
	split                string
	wall                 time.Duration
}

func (r *result) row(name string) []string {
	ratio := func(n [2]int64) string { return fmt.Sprintf("%.4f", float64(n[0])/float64(max(1, n[1]))) }
	per := func(n int64) string { return fmt.Sprintf("%.4f", float64(n)/float64(r.depths[0][1])) }
	us := func(q float64) string {
		return fmt.Sprintf("%.1f", float64(r.latency[int(q*float64(len(r.latency)-1))])/1e3)
	}
	return []string{r.split, name, ratio(r.depths[0]), ratio(r.depths[1]), ratio(r.depths[2]), ratio(r.depths[3]), per(r.queries), per(r.rows),
		fmt.Sprintf("%.1f", float64(r.inDB)/1e3/float64(r.depths[0][1])), strconv.FormatInt(r.stale, 10), us(.5), us(.95), us(.99),
		strconv.FormatInt(r.resident>>20, 10), strconv.FormatInt(r.warmed, 10), fmt.Sprintf("%.0f", r.wall.Seconds())}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// replay is a contender's way through a workload.
type replay struct {
	workload *workload
	db       *database
	name     string
	cache    cache
	before   int64 // bytes of the heap
	result
}

func begin(w *workload, db *database, name string, bytes int64) (*replay, error) {
	r := &replay{workload: w, db: db, name: name, before: heap()}
	var err error
	r.cache, err = open(name, db, w, bytes)
	return r, err
}

// turn replays some requests, one after the other and none before its time. The workload's first fifth warms up.
func (r *replay) turn(ctx context.Context, from, to int) error {
	began, first := time.Now(), r.workload.requests[from].Time
	for i, q := range r.workload.requests[from:to] {
		due := began.Add(q.Time - first)
		time.Sleep(time.Until(due))
		warm := from+i >= len(r.workload.requests)/5
		if from+i == len(r.workload.requests)/5 {
			r.db.begin()
			r.foretold = -r.cache.foretold()
		}
		if q.Op != workloads.Read {
			if err := r.db.write(ctx, &q); err != nil {
				return err
			}
			if err := r.cache.wrote(ctx, q.feed); err != nil {
				return err
			}
			continue
		}
		if !r.workload.paced {
			due = time.Now() // else who comes while the one before is served waits as well
		}
		if err := r.read(ctx, &q, due, warm); err != nil {
			return err
		}
	}
	r.wall += time.Since(began)
	return nil
}

// read asks for a page that is due, and counts what came if the cache is warm.
func (r *replay) read(ctx context.Context, q *request, due time.Time, warm bool) error {
	version := r.db.version(q.feed)
	asking, end := context.WithCancel(ctx) // as net/http has one for each request
	hit, got, err := r.cache.page(asking, q)
	end()
	if err != nil || !warm {
		return err
	}
	r.latency = append(r.latency, time.Since(due))
	if got < version {
		r.stale++
	}
	r.count(0, hit)
	switch {
	case q.Page == 1:
		r.count(1, hit)
	case q.Page <= 3:
		r.count(2, hit)
	case q.Page <= 10:
		r.count(3, hit)
	}
	return nil
}

// end returns what came of it.
func (r *replay) end(ctx context.Context) (*result, error) {
	if r.foretold += r.cache.foretold(); r.name == observing {
		r.depths[0][0] = r.foretold
	}
	r.queries, r.rows, r.inDB = r.db.end()
	sortDurations(r.latency)
	r.resident = heap() - r.before - int64(cap(r.latency))*8 + r.cache.outside() // latencies are not the cache's
	r.split, r.warmed = r.cache.split(), r.cache.warmed()
	return &r.result, r.cache.close(ctx)
}

func (r *result) count(depth int, hit bool) {
	r.depths[depth][1]++
	if hit {
		r.depths[depth][0]++
	}
}
