// Command tickets drives a workload of paginated lists through folio and its rivals, with a real database behind
// each, and prints what every one of them asked of it.
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/foliocache/folio/workloads"
)

func main() {
	log.SetFlags(0)
	var (
		trace      = flag.String("trace", "gen:tickets?n=600000&seed=101&cursors=0", "workload of offset lists")
		database   = flag.String("db", "sqlite", "sqlite or postgres")
		sizes      = flag.String("sizes", "128,256,320", "memory for each cache, MiB")
		contenders = flag.String("contenders", strings.Join(names(), " "), "who, separated by blanks")
		rate       = flag.Float64("rate", 0, "requests a second, on average, at the trace's times; 0: one after the other without pause")
	)
	flag.Parse()
	if err := run(*trace, *database, strings.Split(*sizes, ","), strings.Fields(*contenders), *rate); err != nil {
		log.Fatal(err)
	}
}

// columns are those of the table that is printed.
var columns = []string{"trace", "db", "MiB", "split", "cache", "hits", "page1", "pages2-3", "pages4-10", "queries", "rows", "db_us", "stale", "p50_us", "p95_us", "p99_us", "resident_MiB", "warmed", "wall_s", "rate"}

func run(trace, database string, sizes, contenders []string, rate float64) error {
	all, err := read(trace)
	if err != nil {
		return err
	}
	if err := all.pace(rate); err != nil {
		return err
	}
	db, err := openDatabase(database, all)
	if err != nil {
		return err
	}
	defer db.close()
	out := csv.NewWriter(os.Stdout)
	defer out.Flush()
	if err := out.Write(columns); err != nil {
		return err
	}
	for _, size := range sizes {
		mib, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		for _, name := range contenders {
			r, err := drive(all, db, name, int64(mib)<<20)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			row := append([]string{trace, database, size}, r.row(name)...)
			if err := out.Write(append(row, fmt.Sprint(rate))); err != nil {
				return err
			}
			out.Flush()
		}
	}
	return nil
}

// workload is a trace in memory, its feeds numbered.
type workload struct {
	requests []request
	rows     []int          // of each feed at most
	bounds   map[string]int // rows of each feed and variant
	bytes    []int          // of a row of each feed
	mean     int            // bytes of a page
}

type request struct {
	workloads.Request
	feed int
}

func read(trace string) (*workload, error) {
	s, err := workloads.Open(trace)
	if err != nil {
		return nil, err
	}
	w, feeds := &workload{bounds: map[string]int{}}, map[string]int{}
	pages, bytes := 0, 0
	for r, err := range s.Requests() {
		if err != nil {
			return nil, err
		}
		name := r.List + ":" + r.Scope
		feed, ok := feeds[name]
		if !ok {
			feed = len(feeds)
			feeds[name] = feed
			w.rows, w.bytes = append(w.rows, 1), append(w.bytes, 150)
		}
		if r.Op == workloads.Read {
			last := int(r.Offset + r.Rows)
			w.rows[feed] = max(w.rows[feed], last)
			key := bound(feed, r.Variant)
			w.bounds[key] = max(w.bounds[key], last)
			if r.Rows > 0 {
				w.bytes[feed] = max(20, int(r.Size/r.Rows)-40)
			}
			pages, bytes = pages+1, bytes+int(r.Size)
		}
		w.requests = append(w.requests, request{r, feed})
	}
	w.mean = max(500, bytes/max(1, pages))
	return w, nil
}

// pace has requests come at the trace's times, so much faster that there are rate a second; at rate 0 at once.
func (w *workload) pace(rate float64) error {
	if len(w.requests) == 0 {
		return errors.New("the trace is empty")
	}
	first, faster := w.requests[0].Time, 0.
	if took := w.requests[len(w.requests)-1].Time - first; rate > 0 {
		if took == 0 {
			return errors.New("the trace has no clock to pace its requests by")
		}
		faster = float64(len(w.requests)) / rate / took.Seconds()
	}
	for i := range w.requests {
		w.requests[i].Time = time.Duration(float64(w.requests[i].Time-first) * faster)
	}
	return nil
}

func bound(feed int, variant string) string { return strconv.Itoa(feed) + ":" + variant }

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

// drive replays the workload, one request after the other and none before its time, on a fresh copy of the rows.
func drive(w *workload, db *database, name string, bytes int64) (*result, error) {
	if err := db.reset(); err != nil {
		return nil, err
	}
	before := heap()
	c, err := open(name, db, w, bytes)
	if err != nil {
		return nil, err
	}
	r, began := new(result), time.Now()
	ctx := context.Background()
	warmup := len(w.requests) / 5
	for i, q := range w.requests {
		time.Sleep(time.Until(began.Add(q.Time)))
		if i == warmup {
			db.begin()
			r.foretold = -c.foretold()
		}
		if q.Op != workloads.Read {
			if err := db.write(ctx, &q); err != nil {
				return nil, err
			}
			if err := c.wrote(ctx, q.feed); err != nil {
				return nil, err
			}
			continue
		}
		version, start := db.version(q.feed), time.Now()
		if q.Time > 0 {
			start = began.Add(q.Time) // who comes while the one before is served waits as well
		}
		asking, end := context.WithCancel(ctx) // as net/http has one for each request
		hit, got, err := c.page(asking, &q)
		end()
		if err != nil {
			return nil, err
		}
		took := time.Since(start)
		if i < warmup {
			continue
		}
		r.latency = append(r.latency, took)
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
	}
	r.wall = time.Since(began)
	if r.foretold += c.foretold(); name == observing {
		r.depths[0][0] = r.foretold
	}
	r.queries, r.rows, r.inDB = db.end()
	sortDurations(r.latency)
	held := r.latency // not the cache's
	r.resident = heap() - before - int64(cap(held))*8 + c.outside()
	r.split, r.warmed = c.split(), c.warmed()
	return r, c.close(ctx)
}

func (r *result) count(depth int, hit bool) {
	r.depths[depth][1]++
	if hit {
		r.depths[depth][0]++
	}
}
