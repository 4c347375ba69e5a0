package folio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/snapshot"
)

// copyDir is what a kill leaves at this moment.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestAForgottenKeyIsOnRecordToo: what the books do not know any more, the snapshot may.
func TestAForgottenKeyIsOnRecordToo(t *testing.T) {
	for _, op := range []string{"delete", "set"} {
		dir := t.TempDir()
		config, _ := kept(dir)
		config.MaxBytes, config.Seed = 1<<20, 4
		c := open(t, config)
		if err := c.Set("k", []byte("old")); err != nil {
			t.Fatal(err)
		}
		if err := c.Save(background); err != nil {
			t.Fatal(err)
		}
		id := c.plain("k")
		known := func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.core.Known(id.unit) }
		n := 0
		for ; known() && n < 100_000; n++ {
			if err := c.Set(fmt.Sprint("other ", n), make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("forgotten after %d others", n)
		if op == "delete" {
			if err := c.Delete("k"); err != nil {
				t.Fatal(err)
			}
		} else if err := c.Set("k", []byte("new")); err != nil {
			t.Fatal(err)
		}
		config.Dir = copyDir(t, dir) // a kill
		again := open(t, config)
		if v, ok := again.GetIfPresent(nil, "k"); ok {
			t.Errorf("%s: after a kill: %q", op, v)
		}
	}
}

// TestWhoJoinsAPageOfALoadAheadGetsIt: a write that ends such a load is no reader's error.
func TestWhoJoinsAPageOfALoadAheadGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		l, _ := tickets(t, c, func(lc *ListConfig[row]) {
			lc.NoWarm, lc.MaxLimit, lc.Limit, lc.MaxAhead = false, 25, 5, 0
			lc.Load = func(ctx context.Context, q Query, r Range) (rows []row, _ error) {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				for i := range r.Limit {
					rows = append(rows, row{r.Offset + i, ""})
				}
				return rows, nil
			}
		})
		q, _ := l.Query(Params{Scope: someone, Page: 2})
		id, from := l.loading(q)
		// what further and again do, where the core says: two pages more
		c.warmUp(background, &id, from, func(q *core.Query) (core.Flight, int) { return c.core.Begin(q), 2 })
		q3, _ := l.Query(Params{Scope: someone, Page: 3})
		result := make(chan error, 1)
		go func() { _, err := l.Page(background, q3); result <- err }()
		synctest.Wait()
		t.Log("joined:", c.Stats().Joined)
		if _, err := l.Invalidate(background, someone); err != nil {
			t.Fatal(err)
		}
		if err := <-result; err != nil {
			t.Errorf("a reader that only waited: %v", err)
		}
	})
}

// hooked is a context that calls something when its Err is first asked.
type hooked struct {
	context.Context
	once sync.Once
	do   func()
}

func (h *hooked) Err() error { h.once.Do(h.do); return h.Context.Err() }

// TestAnAppointmentOutlivesOtherBumps: that come while the contents are saved.
func TestAnAppointmentOutlivesOtherBumps(t *testing.T) {
	dir := t.TempDir()
	config, _ := kept(dir)
	c := open(t, config)
	l, version, _ := stamped(t, c, 0, func(*ListConfig[int]) {})
	mustPage(t, l, Params{Scope: someone})
	if _, err := l.InvalidateAfter(background, someone, time.Hour); err != nil { // the replica lags
		t.Fatal(err)
	}
	err := c.Save(&hooked{Context: background, do: func() {
		if _, err := l.Invalidate(background, someone); err != nil { // any other write
			t.Error(err)
		}
		mustPage(t, l, Params{Scope: someone}) // from the replica: may be of before both
	}})
	if err != nil {
		t.Fatal(err)
	}
	config.Dir = copyDir(t, dir) // a kill within the lag
	version.Add(1)
	again := open(t, config)
	l2, v2, _ := stamped(t, again, 0, func(*ListConfig[int]) {})
	v2.Store(version.Load())
	if p := mustPage(t, l2, Params{Scope: someone}); p.Items[0] != 1 {
		t.Errorf("what was to be invalidated an hour later is there for ever: %+v", p)
	}
}

// TestAnOlderLoadThatEndsLaterTeachesNothing: of a list with a promise.
func TestAnOlderLoadThatEndsLaterTeachesNothing(t *testing.T) {
	c := open(t, small())
	gate, first := make(chan struct{}), make(chan struct{})
	var n atomic.Int64
	l, err := NewList(c, ListConfig[int]{Name: "p", MaxStale: .1, RowTags: func(int) []Tag { return []Tag{"row:1"} }, NoWarm: true, MaxAhead: -1,
		Load: func(context.Context, Query, Range) ([]int, error) {
			k := n.Add(1)
			if k == 1 {
				close(first)
				<-gate
			}
			return []int{int(k)}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); mustPage(t, l, Params{Scope: someone}) }()
	<-first
	if err := c.InvalidateTags(background, "something else"); err != nil {
		t.Fatal(err)
	}
	mustPage(t, l, Params{Scope: someone}) // its own load: the other one may be of before
	close(gate)
	<-done
	mustPage(t, l, Params{Scope: Scope{Kind: "user", ID: "2"}})
	mustPage(t, l, Params{Scope: Scope{Kind: "user", ID: "3"}})
	if a := l.promise.Allowance(); math.IsNaN(a) {
		t.Errorf("the allowance is %v from now on: nothing is refreshed any more", a)
	}
}

// TestAnInvalidationWhileClosingDropsWhatWasSaved: the process may end before Close does.
func TestAnInvalidationWhileClosingDropsWhatWasSaved(t *testing.T) {
	dir := t.TempDir()
	config, _ := kept(dir)
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	l, _, _ := stamped(t, c, 0, func(*ListConfig[int]) {})
	mustPage(t, l, Params{Scope: someone})
	if err := c.Save(background); err != nil {
		t.Fatal(err)
	}
	stuck, begun := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = c.Get(background, "stuck", func(context.Context) ([]byte, error) { close(begun); <-stuck; return nil, nil })
	}()
	<-begun
	ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
	defer cancel()
	t.Log(c.Close(ctx))
	_, err = l.Invalidate(background, someone)
	t.Log(err)
	config.Dir = copyDir(t, dir) // the process ends here
	again := open(t, config)
	l2, _, _ := stamped(t, again, 0, func(*ListConfig[int]) {})
	if p := mustPage(t, l2, Params{Scope: someone}); p.Source == Hit {
		t.Errorf("served: %+v", p)
	}
	close(stuck)
	_ = c.Close(background)
}

// TestTagsThatPanicBehindAReaderHurtNobody: neither a reader that is answered nor the process.
func TestTagsThatPanicBehindAReaderHurtNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.WarmBudget = 1
		c := open(t, config)
		bad := false
		l, _ := tickets(t, c, func(lc *ListConfig[row]) {
			lc.NoWarm = false
			lc.Tags = func(q Query) []Tag {
				if bad {
					panic("a tenant that is not known any more")
				}
				return nil
			}
		})
		for range 50 {
			for range 3 {
				mustPage(t, l, Params{Scope: someone})
			}
			l.Invalidate(background, someone)
			time.Sleep(time.Second)
		}
		for range 3 {
			mustPage(t, l, Params{Scope: someone})
		}
		bad = true
		l.Invalidate(background, someone)
		l.Invalidate(background, someone)
		time.Sleep(time.Second)
		t.Log(c.Stats().Rewarmed)
	})
}

// TestManyKeysEarnOneLoad: their load is one.
func TestManyKeysEarnOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		c := open(t, config) // WarmBudget .1
		l := warmed(t, c, false)
		key := 0
		earn := func() { // one load
			keys := make([]string, 100)
			for i := range keys {
				keys[i] = "k" + strconv.Itoa(key)
				key++
			}
			if _, err := c.GetMany(background, keys, func(context.Context, []string) (map[string][]byte, error) { return map[string][]byte{}, nil }); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 200 {
			s := Scope{Kind: "user", ID: strconv.Itoa(i % 8)}
			for range 3 {
				mustPage(t, l, Params{Scope: s})
			}
			if i%5 == 0 {
				earn()
			}
			l.Invalidate(background, s)
			time.Sleep(time.Second)
		}
		st := c.Stats()
		behind := st.Warmed.Loads + st.Rewarmed.Loads
		if others := st.Loads - behind; float64(behind) > .1*float64(others)+10 {
			t.Errorf("%d loads that nobody waited for, %d others", behind, others)
		}
	})
}

// TestALoggerOfTheLogsMayAskTheCache: when a bump cannot be kept.
func TestALoggerOfTheLogsMayAskTheCache(t *testing.T) {
	var c *Cache
	var asked atomic.Int64
	config, _ := kept(t.TempDir())
	var err error
	config.Logger = slog.New(curious{slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}), &c, &asked})
	if c, err = New(config); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(background); err != nil {
		t.Fatal(err)
	}
	_ = c.keeper.log.Close() // the disk is full
	done := make(chan error, 1)
	go func() { done <- c.InvalidateTags(background, "x") }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
		t.Error("deadlock: the logger is called under c.mu")
	}
	if err := c.Close(background); err != nil {
		t.Fatal(err)
	}
}

// TestSetOvertakesARefreshUnderWay: by the same bytes, too.
func TestSetOvertakesARefreshUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.TTL, config.EarlyRefresh, config.Jitter, config.Seed = time.Minute, 500, .5, 1
		c := open(t, config)
		load := func(v string, took time.Duration) func(context.Context) ([]byte, error) {
			return func(context.Context) ([]byte, error) { time.Sleep(took); return []byte(v), nil }
		}
		get(t, c, "k", "A", load("A", time.Second))
		for c.Stats().Refreshed == 0 {
			time.Sleep(time.Millisecond)
			get(t, c, "k", "A", load("B", time.Second)) // the origin has B for a moment
		}
		if err := c.Set("k", []byte("A")); err != nil { // and A again: told
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		v, _ := c.GetIfPresent(nil, "k")
		if string(v) != "A" {
			t.Errorf("after Set: %q, %d unchanged", v, c.Stats().Unchanged)
		}
	})
}

// TestAClockThatGoesBackServesNothingDeleted: within a grace that is for what is too old alone.
func TestAClockThatGoesBackServesNothingDeleted(t *testing.T) {
	now := time.Now()
	config := small()
	config.Now = func() time.Time { return now }
	config.StaleWhileRevalidate, config.TTL, config.EarlyRefresh = time.Hour, time.Hour, -1
	c := open(t, config)
	now = now.Add(10 * time.Minute)
	get(t, c, "k", "old", func(context.Context) ([]byte, error) { return []byte("old"), nil })
	if err := c.Delete("k"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Second)
	v, err := c.Get(background, "k", func(context.Context) ([]byte, error) { return []byte("new"), nil })
	if err != nil || string(v) != "new" {
		t.Errorf("after Delete: %q, %v", v, err)
	}
	_ = errors.Is
}

// TestFlushEndsLoadsThatNobodyWaitsFor: as a write does.
func TestFlushEndsLoadsThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, l, next := learned(t, func(*Config) {})
		ended := 0
		l.config.Load = func(ctx context.Context, q Query, r Range) ([]row, error) {
			select {
			case <-time.After(20 * time.Second):
				return []row{{r.Offset, "late"}}, nil
			case <-ctx.Done():
				ended++
				return nil, ctx.Err()
			}
		}
		next()
		synctest.Wait()
		c.Flush()
		synctest.Wait()
		if ended != 1 {
			t.Errorf("ended %d times", ended)
		}
		time.Sleep(time.Minute)
	})
}

// hostile is a config whose folder holds some entries that no cache has saved.
func hostile(t *testing.T, entries []snapshot.Entry) Config {
	t.Helper()
	config, _ := kept(t.TempDir())
	w, err := snapshot.Create(config.Dir, snapshot.Header{ID: 1, Seed: 77})
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		if err := w.Entry(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(true); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestASnapshotOfOddEntriesDoesNoHarm: whose checksums hold.
func TestASnapshotOfOddEntriesDoesNoHarm(t *testing.T) {
	probe := &Cache{hash: xxh3Hash, seed: 77}
	stampOf := func(tags ...Tag) (s stamps) {
		for _, tag := range tags {
			s = s.add(probe.number(tag), 0)
		}
		return s
	}
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	ints := []int64{0, 1, -1, math.MinInt64, math.MaxInt64, time.Now().UnixNano(), time.Now().Add(time.Hour).UnixNano(), math.MaxInt64 - 5}
	floats := []float32{0, 1, 1e-9, .5, -1, 1e30, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	keys := []string{"", "k", "stamped:user:1:offset=0:limit=1:sort=", "stamped:user:1:end", "stamped:user:1:offset=-4:limit=0:sort=", "2:1:stamped:user:1:offset=0:limit=1:sort=", "a:b:c:offset=9223372036854775807:limit=-1", ":=:=:", "x"}
	for round := range 60 {
		var all []snapshot.Entry
		for range 200 {
			k := keys[r.IntN(len(keys))]
			tags := []Tag{"stamped:user:1", KeyTag("k")}
			s := stampOf(tags[r.IntN(2)])
			for range r.IntN(3) {
				s = binary.LittleEndian.AppendUint64(s, r.Uint64())
				s = binary.LittleEndian.AppendUint64(s, uint64(r.IntN(2)*r.IntN(2)))
			}
			if r.IntN(20) == 0 {
				s = s[:len(s)-r.IntN(16)]
			}
			body := []byte(`{"items":[1]}`)
			if r.IntN(2) == 0 {
				body = make([]byte, r.IntN(3000))
			}
			all = append(all, snapshot.Entry{Space: uint8(r.IntN(5)), Kind: uint8(r.IntN(4)), Ring: uint8(r.IntN(4)), Strategy: uint8(r.Uint32()), Pieces: uint16(r.IntN(2) * r.IntN(4)), Rows: r.Uint32(), Sum: r.Uint64(),
				Born: ints[r.IntN(len(ints))], Expires: ints[r.IntN(len(ints))] * int64(r.IntN(2)), Hazard: floats[r.IntN(len(floats))], Early: floats[r.IntN(len(floats))], Confidence: floats[r.IntN(len(floats))],
				Key: []byte(k), Stamps: s, Body: body})
		}
		config := hostile(t, all)
		config.StaleWhileRevalidate, config.TTL = time.Hour, time.Hour
		c := open(t, config)
		l, _, _ := stamped(t, c, 0, func(lc *ListConfig[int]) { lc.MaxStale, lc.StaleAfterWrite, lc.NoWarm = .1, time.Hour, false })
		for i := range 20 {
			q, _ := l.Query(Params{Scope: someone, Page: 1 + i%2})
			_, _ = l.Page(background, q)
			_, _ = c.Get(background, "k", func(context.Context) ([]byte, error) { return nil, nil })
			if i == 10 {
				l.Invalidate(background, someone)
			}
		}
		for range c.Entries() {
		}
		if err := c.Save(background); err != nil {
			t.Fatal(round, err)
		}
		c.Stats()
		if a := l.promise.Allowance(); math.IsNaN(a) {
			t.Errorf("round %d: allowance %v", round, a)
			return
		}
	}
}

// TestASnapshotCannotAskForMuchMemory: by a few bytes that say they are a gigabyte.
func TestASnapshotCannotAskForMuchMemory(t *testing.T) {
	probe := &Cache{hash: xxh3Hash, seed: 77}
	s := stamps(nil).add(probe.number(KeyTag("k")), 0)
	body := binary.AppendUvarint(nil, 1<<30)
	config := hostile(t, []snapshot.Entry{{Space: 1, Kind: 1, Pieces: 1, Born: time.Now().UnixNano(), Key: []byte("k"), Stamps: s, Body: body}})
	c := open(t, config)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = c.Get(background, "k", func(context.Context) ([]byte, error) { return nil, nil })
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 100 {
		t.Errorf("%d MiB allocated by one read", n)
	}
}
