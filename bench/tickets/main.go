// Command tickets drives a workload of paginated lists through folio and its rivals, with a real database behind
// each, and prints what every one of them asked of it.
//
// Every contender is a process with a database of its own. They take turns of a second or less, so that whatever
// slows the machine for a while slows all of them.
package main

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
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
		contenders = flag.String("contenders", strings.Join(names(), " "), "who, separated by blanks; name@MiB: set to that, where it takes more or less than it is told")
		turn       = flag.Int("turn", 2000, "requests of a contender until the next one's turn")
		alone      = flag.Bool("alone", false, "be one contender, which waits on stdin for its turns: for the command's own use")
		rate       = flag.Float64("rate", 0, "requests a second, on average, at the trace's times within a turn; 0: one after the other without pause")
	)
	flag.Parse()
	var err error
	if *alone {
		err = attend(*trace, *database, *sizes, *contenders, *rate, *turn)
	} else {
		err = run(*trace, *database, strings.Split(*sizes, ","), strings.Fields(*contenders), *rate, *turn)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// columns are those of the table that is printed.
var columns = []string{"trace", "db", "MiB", "split", "cache", "hits", "page1", "pages2-3", "pages4-10", "queries", "rows", "db_us", "stale", "p50_us", "p95_us", "p99_us", "resident_MiB", "warmed", "wall_s", "set_MiB", "rate"}

// run has the contenders of each size take turns, and prints what came of each.
func run(trace, database string, sizes, contenders []string, rate float64, turn int) error {
	out := csv.NewWriter(os.Stdout)
	defer out.Flush()
	if err := out.Write(columns); err != nil {
		return err
	}
	for _, size := range sizes {
		rows, err := compete(contenders, "-trace", trace, "-db", database, "-sizes", size, "-rate", fmt.Sprint(rate), "-turn", strconv.Itoa(turn))
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := out.Write(append(append([]string{trace, database, size}, row...), fmt.Sprint(rate))); err != nil {
				return err
			}
		}
		out.Flush()
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
	paced    bool           // requests have their times
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
	w.paced = rate > 0
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
