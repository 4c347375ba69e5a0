package tiertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier"
)

// Fleet is some instances of a cache that share a tier, with readers and writers of each.
type Fleet struct {
	Instances, Readers, Writers int // in each instance
	Scopes                      int
	Lease                       time.Duration
	Pause                       time.Duration // of a reader, at most; a writer's is sixteen times as long
	Load                        func() time.Duration
	Tier                        func(instance int) tier.Tier
	Lasts                       time.Duration
	Seed                        uint64

	// Begun goes on beside, until ctx ends: again begins an instance anew, cold. Optional.
	Begun func(ctx context.Context, again func(instance int))
}

// Report says what a fleet has done.
type Report struct {
	Reads, Hits, Shared, Loads int64
	Acknowledged, Pending      int64
	Slowest                    time.Duration // read
	Worst                      time.Duration // for how long a newer version had been acknowledged when a read began that did not get it
	Own                        int64         // reads of a writer's own instance that did not get what he had just written
}

// String writes a report on one line.
func (r Report) String() string {
	return fmt.Sprintf("%d reads, %.1f %% hits, %d from the tier, %d loads, %d invalidations and %d pending, slowest read %s, worst staleness %s, %d not one's own",
		r.Reads, 100*float64(r.Hits)/float64(r.Reads), r.Shared, r.Loads, r.Acknowledged, r.Pending, r.Slowest.Round(time.Millisecond), r.Worst.Round(time.Millisecond), r.Own)
}

// running is a fleet under way. The origin has one number for each scope, which writers count up.
type running struct {
	Fleet
	t        *testing.T
	rows     []atomic.Pointer[folio.List[int]]
	mu       sync.Mutex // guards the rest
	report   Report
	versions []int
	told     [][]acknowledged // of each scope, in order
}

type acknowledged struct {
	version int
	at      time.Time
}

// Run has a fleet read and write for a while.
func (f Fleet) Run(t *testing.T) Report {
	t.Helper()
	r := &running{Fleet: f, t: t, rows: make([]atomic.Pointer[folio.List[int]], f.Instances), versions: make([]int, f.Scopes), told: make([][]acknowledged, f.Scopes)}
	for i := range r.rows {
		r.begin(i)
	}
	ctx, end := context.WithTimeout(t.Context(), f.Lasts)
	defer end()
	var all sync.WaitGroup
	if f.Begun != nil {
		all.Go(func() { f.Begun(ctx, r.begin) })
	}
	for i := range r.rows {
		for g := range f.Readers {
			all.Go(func() { r.read(ctx, i, rand.New(rand.NewPCG(f.Seed, uint64(1000*i+g)))) })
		}
		for g := range f.Writers {
			all.Go(func() { r.write(ctx, i, rand.New(rand.NewPCG(f.Seed, uint64(1000*i+500+g)))) })
		}
	}
	all.Wait()
	return r.report
}

// begin begins an instance, in place of the one of before, which whoever has it keeps for a while.
func (r *running) begin(i int) {
	c, err := folio.New(folio.Config{MaxBytes: 4 << 20, OnHeap: true, Tier: r.Tier(i), Lease: r.Lease})
	if err != nil {
		r.t.Error(err)
		return
	}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			r.t.Error(err)
		}
	})
	rows, err := folio.NewList(c, folio.ListConfig[int]{Name: "rows", TTL: time.Hour, NoWarm: true, Load: r.load})
	if err != nil {
		r.t.Error(err)
		return
	}
	r.rows[i].Store(rows)
}

func (r *running) load(_ context.Context, q folio.Query, _ folio.Range) ([]int, error) {
	var scope int
	if _, err := fmt.Sscan(q.Scope.ID, &scope); err != nil {
		return nil, err
	}
	r.mu.Lock()
	v := r.versions[scope]
	r.report.Loads++
	r.mu.Unlock()
	if r.Load != nil {
		time.Sleep(r.Load())
	}
	return []int{v}, nil
}

func user(scope int) folio.Scope { return folio.Scope{Kind: "user", ID: fmt.Sprint(scope)} }

// page reads a scope's number.
func page(rows *folio.List[int], scope int) (int, folio.Source, error) {
	q, err := rows.Query(folio.Params{Scope: user(scope)})
	if err != nil {
		return 0, 0, err
	}
	p, err := rows.Page(context.Background(), q)
	if err != nil || len(p.Items) != 1 {
		return 0, 0, fmt.Errorf("%v %w", p.Items, err)
	}
	return p.Items[0], p.Source, nil
}

func (r *running) read(ctx context.Context, i int, random *rand.Rand) {
	for ctx.Err() == nil {
		scope, began := random.IntN(r.Scopes), time.Now()
		v, from, err := page(r.rows[i].Load(), scope)
		if err != nil {
			r.t.Errorf("a read failed: %v", err)
			return
		}
		took := time.Since(began)
		r.mu.Lock()
		n := &r.report
		n.Reads++
		n.Slowest = max(n.Slowest, took)
		switch from {
		case folio.Hit:
			n.Hits++
		case folio.Shared:
			n.Shared++
		}
		for k := len(r.told[scope]) - 1; k >= 0 && r.told[scope][k].version > v-100; k-- { // they are in order, but for a few
			if one := r.told[scope][k]; one.version > v {
				n.Worst = max(n.Worst, began.Sub(one.at))
			}
		}
		r.mu.Unlock()
		time.Sleep(time.Duration(random.Int64N(int64(r.Pause) + 1)))
	}
}

func (r *running) write(ctx context.Context, i int, random *rand.Rand) {
	for ctx.Err() == nil {
		scope, rows := random.IntN(r.Scopes), r.rows[i].Load()
		r.mu.Lock()
		r.versions[scope]++
		v := r.versions[scope]
		r.mu.Unlock()
		_, err := rows.Invalidate(context.Background(), user(scope))
		r.mu.Lock()
		switch {
		case err == nil:
			r.report.Acknowledged++
			r.told[scope] = append(r.told[scope], acknowledged{v, time.Now()})
		case errors.Is(err, folio.ErrPending):
			r.report.Pending++
		default:
			r.t.Errorf("a write failed: %v", err)
		}
		r.mu.Unlock()
		got, _, err := page(rows, scope)
		if err != nil {
			r.t.Errorf("a read failed: %v", err)
			return
		}
		if got < v {
			r.mu.Lock()
			r.report.Own++
			r.mu.Unlock()
		}
		time.Sleep(time.Duration(random.Int64N(16*int64(r.Pause) + 1)))
	}
}
