package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/workloads"
)

// traffic runs readers through a cache, one after the other, with some writes, and records it.
func traffic(t *testing.T, config folio.Config, oneIn int, scope func(*rand.Rand) int) (stats folio.Stats, summary Summary, trace []byte) {
	t.Helper()
	var out bytes.Buffer
	rec := new(Recorder)
	config.Observe, config.Logger, config.Seed = rec.Observe, slog.New(slog.DiscardHandler), 7
	c, err := folio.New(config)
	if err != nil {
		t.Fatal(err)
	}
	filler := strings.Repeat("x", 400)
	l, err := folio.NewList(c, folio.ListConfig[string]{Name: "tickets", MaxAhead: -1, NoWarm: true, Limit: 10, Filters: []string{"f"}, Load: func(_ context.Context, q folio.Query, r folio.Range) ([]string, error) {
		time.Sleep(time.Duration(5+len(q.Scope.ID)) * time.Millisecond)
		rows := make([]string, max(0, min(r.Limit, 200-r.Offset)))
		for i := range rows {
			rows[i] = filler
		}
		return rows, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Start(&out, oneIn); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 40_000 {
		s := folio.Scope{Kind: "user", ID: strconv.Itoa(scope(r))}
		if r.IntN(40) == 0 {
			if _, err := l.Invalidate(context.Background(), s); err != nil {
				t.Fatal(err)
			}
		}
		q, err := l.Query(folio.Params{Scope: s, Page: min(15, 1+int(r.ExpFloat64()*1.5)), Filters: map[string][]string{"f": {strconv.Itoa(r.IntN(2))}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Page(context.Background(), q); err != nil {
			t.Fatal(err)
		}
		if time.Sleep(time.Millisecond); i%1000 == 0 {
			c.Stats() // the core hears of all reads
		}
		synctest.Wait()
	}
	if summary, err = rec.Stop(); err != nil {
		t.Fatal(err)
	}
	stats = c.Stats()
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return stats, summary, out.Bytes()
}

// replay runs a recording through the simulator's folio, set up as the cache was.
func replay(t *testing.T, stats folio.Stats, config folio.Config, trace []byte, share float64) sim.Row {
	t.Helper()
	name := filepath.Join(t.TempDir(), "recorded.folio")
	if err := os.WriteFile(name, trace, 0o600); err != nil {
		t.Fatal(err)
	}
	source, err := workloads.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := sim.Decode(source)
	if err != nil {
		t.Fatal(err)
	}
	geometry := "fastcache"
	if share < 1 {
		geometry = "plain" // a part of its steps is less than it can be
	}
	policy, err := sim.ParsePolicy(fmt.Sprintf("folio:widen=0,prewarm=false,rewarm=false,cost=none,geometry=%s,mean=%d,entries=%d", geometry, config.MeanBytes*3/5, int(float64(stats.Memory.Most)*share)))
	if err != nil {
		t.Fatal(err)
	}
	size, err := sim.ParseSize(fmt.Sprintf("%dB", int64(float64(stats.Memory.Values)*share)))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := sim.Run(context.Background(), []sim.Job{{Trace: decoded, Policy: policy, Size: size, Seed: 7}}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows[0]
}

// TestARecordingReplaysHitForHit: of all scopes, read one after the other.
func TestARecordingReplaysHitForHit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := folio.Config{MaxBytes: 112 << 20, MeanBytes: 4096}
		stats, summary, trace := traffic(t, config, 1, func(r *rand.Rand) int { return int(math.Exp(r.Float64() * math.Log(30_000))) })
		row := replay(t, stats, config, trace, 1)
		t.Logf("%d bytes recorded; %d hits, %d misses, %d evicted, %d stored", len(trace), stats.Hits, stats.Misses, stats.Evicted, stats.Stored)
		if row.Hits != stats.Hits || row.OriginQueries != stats.Loads || row.Evicted != stats.Evicted || row.Admitted != stats.Stored {
			t.Errorf("replayed: %d hits, %d loads, %d evicted, %d stored", row.Hits, row.OriginQueries, row.Evicted, row.Admitted)
		}
		if stats.Evicted == 0 || summary.Reads != stats.Hits+stats.Misses || summary.Writes == 0 || summary.LeftOut+summary.Dropped != 0 {
			t.Errorf("%+v of %+v", summary, stats)
		}
	})
}

// TestASampleReplaysWithinItsError: one scope in four, in a cache of a quarter.
func TestASampleReplaysWithinItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := folio.Config{MaxBytes: 112 << 20, MeanBytes: 4096}
		stats, summary, trace := traffic(t, config, 4, func(r *rand.Rand) int { return int(r.ExpFloat64() * 2500) })
		row := replay(t, stats, config, trace, .25)
		live := float64(stats.Hits) / float64(stats.Hits+stats.Misses)
		t.Logf("%.4f live, %.4f of the sample: %d reads of %d", live, row.HitRatio, summary.Reads, stats.Hits+stats.Misses)
		if math.Abs(row.HitRatio-live) > .03 || summary.Reads < 9000 || summary.Reads > 11_000 {
			t.Errorf("%.4f live, %.4f of the sample of %d reads", live, row.HitRatio, summary.Reads)
		}
	})
}

// events returns a recorder and a cache of a list that tells it.
func events(t testing.TB) (*Recorder, *folio.Cache, *folio.List[int]) {
	t.Helper()
	rec := new(Recorder)
	c, err := folio.New(folio.Config{MaxBytes: 1 << 20, OnHeap: true, Observe: rec.Observe})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	l, err := folio.NewList(c, folio.ListConfig[int]{Name: "secret:list", NoWarm: true, Filters: []string{"filter"},
		Load:  func(_ context.Context, _ folio.Query, r folio.Range) ([]int, error) { return make([]int, r.Limit), nil },
		Count: func(context.Context, folio.Query) (int64, error) { return 7, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return rec, c, l
}

// TestWhatCannotBeWrittenInTimeIsCounted: a writer that hangs holds up no reader.
func TestWhatCannotBeWrittenInTimeIsCounted(t *testing.T) {
	rec, _, l := events(t)
	hung := &hanging{free: make(chan struct{})}
	if err := rec.Start(hung, 1); err != nil {
		t.Fatal(err)
	}
	const reads = 32 * queue * batch
	for i := range reads {
		page(t, l, folio.Params{Scope: folio.Scope{Kind: "user", ID: strconv.Itoa(i)}})
	}
	close(hung.free)
	s, err := rec.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if s.Dropped < batch || s.Reads < queue*batch || s.Reads+s.Dropped != reads || s.LeftOut != 0 {
		t.Errorf("%+v of %d reads", s, reads)
	}
}

// hanging is a writer that hangs behind the head of a recording until it is set free.
type hanging struct {
	free   chan struct{}
	headed bool
}

// Write waits.
func (h *hanging) Write(b []byte) (int, error) {
	if h.headed {
		<-h.free
	}
	h.headed = true
	return len(b), nil
}

func page[T any](t testing.TB, l *folio.List[T], p folio.Params) {
	t.Helper()
	q, err := l.Query(p)
	if err == nil {
		_, err = l.Page(context.Background(), q)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestARecordingTellsOfNobody: scopes, audiences, filters and cursors are not in it; what it has no room for is counted.
func TestARecordingTellsOfNobody(t *testing.T) {
	rec, c, l := events(t)
	var out bytes.Buffer
	if _, err := rec.Stop(); !errors.Is(err, ErrState) {
		t.Errorf("nothing to stop: %v", err)
	}
	page(t, l, folio.Params{Scope: folio.Public}) // nobody records
	for range 2 {                                 // one recording after the other
		out.Reset()
		if err := rec.Start(&out, 1); err != nil {
			t.Fatal(err)
		}
		if err := rec.Start(&out, 1); !errors.Is(err, ErrState) {
			t.Errorf("two recordings: %v", err)
		}
		s := folio.Scope{Kind: "patient", ID: "Jane Doe", Audience: "doctors"}
		for n := range 3 {
			page(t, l, folio.Params{Scope: s, Page: 1 + n, Limit: 10, Filters: map[string][]string{"filter": {"illness"}}})
		}
		if _, err := l.Invalidate(context.Background(), s); err != nil {
			t.Fatal(err)
		}
		q, err := l.Query(folio.Params{Scope: s})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Total(context.Background(), q); err != nil { // no page
			t.Fatal(err)
		}
		if _, err := c.Get(context.Background(), "key", func(context.Context) ([]byte, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
		if err := c.InvalidateTags(context.Background(), "row:7"); err != nil {
			t.Fatal(err)
		}
		got, err := rec.Stop()
		if err != nil || got.Reads != 3 || got.Writes != 1 || got.LeftOut != 3 || got.Dropped != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		for _, word := range []string{"Jane", "patient", "doctors", "illness"} {
			if strings.Contains(requests(t, out.Bytes()), word) {
				t.Errorf("%q is in the recording", word)
			}
		}
	}
	text := requests(t, out.Bytes())
	for _, want := range []string{"secret%3Alist", "Offset:20 Limit:10", "Page:3 Rows:10"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the recording: %s", want, text)
		}
	}
}

// requests returns a recording's requests as text.
func requests(t *testing.T, trace []byte) (text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.folio")
	if err := os.WriteFile(name, trace, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := workloads.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range s.Requests() {
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%+v\n", r)
	}
	return text
}

// TestRecordingsEndWhileReadersGoOn: with the race detector; what cannot be written is an error of Stop.
func TestRecordingsEndWhileReadersGoOn(t *testing.T) {
	rec, _, l := events(t)
	done, stop := make(chan bool), make(chan bool)
	for i := range 4 {
		go func() {
			defer func() { done <- true }()
			for {
				select {
				case <-stop:
					return
				default:
					page(t, l, folio.Params{Scope: folio.Scope{Kind: "user", ID: strconv.Itoa(i)}})
				}
			}
		}()
	}
	for i := range 20 {
		if err := rec.Start(broken{i%2 == 1}, 2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		if _, err := rec.Stop(); (err != nil) != (i%2 == 1) {
			t.Errorf("recording %d: %v", i, err)
		}
	}
	close(stop)
	for range 4 {
		<-done
	}
}

// broken is a writer that may fail.
type broken struct{ fails bool }

func (b broken) Write(p []byte) (int, error) {
	if b.fails {
		return 0, errors.New("the disk is full")
	}
	return len(p), nil
}

// TestACallersTagsAreItsOwn: a writer may use its slice again.
func TestACallersTagsAreItsOwn(t *testing.T) {
	var rec Recorder
	var out bytes.Buffer
	c, err := folio.New(folio.Config{MaxBytes: 2 << 20, OnHeap: true, Logger: slog.New(slog.DiscardHandler), Observe: rec.Observe})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	l, err := folio.NewList(c, folio.ListConfig[int]{Name: "tickets", Load: func(context.Context, folio.Query, folio.Range) ([]int, error) { return []int{1}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Start(&out, 1); err != nil {
		t.Fatal(err)
	}
	s := folio.Scope{Kind: "user", ID: "1"}
	q, _ := l.Query(folio.Params{Scope: s})
	if _, err := l.Page(context.Background(), q); err != nil {
		t.Fatal(err)
	}
	tags := make([]folio.Tag, 1)
	for range 100 { // a writer that uses its slice again
		tags[0] = l.Tag(s)
		if err := c.InvalidateTags(context.Background(), tags...); err != nil {
			t.Fatal(err)
		}
		tags[0] = "x"
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	sum, err := rec.Stop()
	if err != nil || sum.Writes != 100 || sum.LeftOut != 1 {
		t.Errorf("%+v, %v: want 100 writes", sum, err)
	}
}
