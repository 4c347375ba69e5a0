package folio

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/foliocache/folio/internal/seed"
)

// TestMain fails if a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var background = context.Background()

// small returns a config that tests can afford: 2 MiB on the heap.
func small() Config {
	return Config{MaxBytes: 2 << 20, OnHeap: true, Logger: slog.New(slog.DiscardHandler)}
}

// open makes a cache and closes it at the test's end.
func open(t testing.TB, config Config) *Cache {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(background); err != nil {
			t.Error(err)
		}
		if err := c.core.Arena().Check(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// value is a loader that brings a value and counts.
func value(v string, loads *atomic.Int64) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		loads.Add(1)
		return []byte(v), nil
	}
}

func get(t testing.TB, c *Cache, key, want string, load func(context.Context) ([]byte, error)) {
	t.Helper()
	v, err := c.Get(background, key, load)
	if err != nil || string(v) != want {
		t.Fatalf("%s: got %q, %v; want %q", key, v, err, want)
	}
}

func TestGetLoadsOnceAndThenServes(t *testing.T) {
	c := open(t, small())
	var loads atomic.Int64
	for range 3 {
		get(t, c, "a", "1", value("1", &loads))
	}
	if v, ok := c.GetIfPresent([]byte("x"), "a"); !ok || string(v) != "x1" {
		t.Errorf("got %q, %v", v, ok)
	}
	if v, ok := c.GetIfPresent([]byte("x"), "b"); ok || string(v) != "x" {
		t.Errorf("got %q, %v of a key never stored", v, ok)
	}
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
}

func TestTheEmptyValueIsAValue(t *testing.T) {
	c := open(t, small())
	var loads atomic.Int64
	for range 2 {
		get(t, c, "", "", value("", &loads))
	}
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
}

func TestSetReplacesAndDeleteForgets(t *testing.T) {
	c := open(t, small())
	for _, v := range []string{"1", "2", "333"} {
		if err := c.Set("a", []byte(v)); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.GetIfPresent(nil, "a"); !ok || string(got) != v {
			t.Fatalf("got %q, %v; want %q", got, ok, v)
		}
	}
	if err := c.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.GetIfPresent(nil, "a"); ok {
		t.Errorf("got %q after Delete", got)
	}
}

func TestValuesExpireFromTheStartOfTheirLoadOnNotAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.TTL, config.Seed = time.Minute, 1
		c := open(t, config)
		const n = 200
		for i := range n {
			get(t, c, strconv.Itoa(i), "1", func(context.Context) ([]byte, error) {
				return []byte("1"), nil
			})
		}
		alive := func() (count int) {
			for i := range n {
				if _, ok := c.GetIfPresent(nil, strconv.Itoa(i)); ok {
					count++
				}
			}
			return count
		}
		for _, want := range []struct {
			wait        time.Duration
			least, most int
		}{{54*time.Second - 1, n, n}, {3 * time.Second, n / 3, 2 * n / 3}, {3 * time.Second, 0, 0}} {
			time.Sleep(want.wait)
			if got := alive(); got < want.least || got > want.most {
				t.Errorf("%d of %d alive, want %d to %d", got, n, want.least, want.most)
			}
		}
		time.Sleep(time.Hour)
		get(t, c, "slow", "1", func(context.Context) ([]byte, error) {
			time.Sleep(20 * time.Second)
			return []byte("1"), nil
		})
		time.Sleep(40 * time.Second)
		if _, ok := c.GetIfPresent(nil, "slow"); ok {
			t.Error("a copy lives from the end of its load on")
		}
	})
}

func TestAClosedCacheSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(small())
		if err != nil {
			t.Fatal(err)
		}
		var loads atomic.Int64
		get(t, c, "a", "1", value("1", &loads))
		cancelled := make(chan error, 1)
		go func() {
			_, err := c.Get(background, "b", func(ctx context.Context) ([]byte, error) {
				<-ctx.Done()
				time.Sleep(time.Second)
				return nil, ctx.Err()
			})
			cancelled <- err
		}()
		synctest.Wait()
		began := time.Now()
		short, cancel := context.WithTimeout(background, time.Millisecond)
		defer cancel()
		if err := c.Close(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close waits no longer than it may: %v", err)
		}
		for range 2 {
			if err := c.Close(background); err != nil {
				t.Error(err)
			}
		}
		if err := <-cancelled; !errors.Is(err, ErrClosed) {
			t.Errorf("a load under way: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Close waits %s for a load that ends a second after it is cancelled", took)
		}
		_, err = c.Get(background, "a", value("1", &loads))
		for _, err := range []error{err, c.Set("a", nil), c.Delete("a")} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		}
		if _, ok := c.GetIfPresent(nil, "a"); ok {
			t.Error("a closed cache has a value")
		}
	})
}

func TestAllFaultsOfAConfigAreTold(t *testing.T) {
	_, err := New(Config{MaxBytes: 1, MaxEntries: -1, TTL: -1, Jitter: 1, MaxLoads: -1, LoadTimeout: -1, MeanBytes: -1})
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 7 {
		t.Fatalf("got %v, want 7 faults", err)
	}
	for _, err := range joined.Unwrap() {
		if !errors.Is(err, ErrConfig) {
			t.Errorf("not a fault of the config: %v", err)
		}
	}
	config := small()
	config.Strategy = "timid"
	if _, err := New(config); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v", err)
	}
}

// TestKeysOfOneHashAreToldApart: under a hash of two bits no key is ever served another's value.
func TestKeysOfOneHashAreToldApart(t *testing.T) {
	c := open(t, small())
	c.hash = func(text string, seed uint64) (uint64, uint64) {
		_, lo := xxh3Hash(text, seed)
		return lo & 3, lo & 3
	}
	r := seed.Random(t)
	var loads atomic.Int64
	for range 5000 {
		key := strconv.Itoa(r.IntN(20))
		switch r.IntN(4) {
		case 0:
			if v, ok := c.GetIfPresent(nil, key); ok && string(v) != key {
				t.Fatalf("key %s: got %q", key, v)
			}
		case 1:
			if err := c.Set(key, []byte(key)); err != nil {
				t.Fatal(err)
			}
		default:
			get(t, c, key, key, value(key, &loads))
		}
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	for _, onHeap := range []bool{true, false} {
		c := open(t, Config{MaxBytes: 96 << 20, OnHeap: onHeap, TTL: time.Hour})
		if err := c.Set("a", make([]byte, 3000)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(1000, func() {
			if _, ok := c.GetIfPresent(buf, "a"); !ok {
				t.Fatal("not there")
			}
		}); n != 0 {
			t.Errorf("OnHeap %v: %g allocations", onHeap, n)
		}
	}
}

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// TestValuesAndBooksStayWithinTheBound: whatever the values' size, expected or not, and whether
// keys come again or not, by what [Config.MaxBytes] says. A cache as small as this one may take a
// percent more: books grow by whole chunks.
func TestValuesAndBooksStayWithinTheBound(t *testing.T) {
	r := seed.Random(t)
	for _, size := range []int{400, 2000, 8000} {
		for _, again := range []bool{false, true} {
			config := Config{MaxBytes: 16 << 20, OnHeap: true, Seed: 1}
			c := open(t, config)
			body := make([]byte, size)
			n := int(config.MaxBytes) / size
			for i := range 2 * n {
				if again {
					i = int(r.ExpFloat64() * float64(n))
				}
				_, err := c.Get(background, strconv.Itoa(i), func(context.Context) ([]byte, error) { return body, nil })
				if err != nil {
					t.Fatal(err)
				}
			}
			s := c.Stats()
			sum := s.Memory.Capacity + s.Memory.Books
			if sum > config.MaxBytes*108/100 || s.Memory.Live < min(s.Memory.Capacity/2, 2000*int64(size)) {
				t.Errorf("values of %d, again %v: %d bytes in all, %d of %d live", size, again, sum, s.Memory.Live, s.Memory.Capacity)
			}
		}
	}
}

// TestAFlushForgetsEverything: pages, plain keys and totals, known or not, and what is being loaded;
// scopes have room again.
func TestAFlushForgetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxShare = 1
		c := open(t, config)
		l, origin := tickets(t, c, nil)
		page := func() {
			t.Helper()
			q := parse(t, l, someone, "total=true")
			if _, err := l.Page(background, q); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Total(background, q); err != nil {
				t.Fatal(err)
			}
		}
		page()
		if err := c.Set("a", []byte("1")); err != nil {
			t.Fatal(err)
		}
		done := make(chan bool)
		go func() {
			defer close(done)
			get(t, c, "b", "old", func(context.Context) ([]byte, error) {
				time.Sleep(time.Second)
				return []byte("old"), nil
			})
		}()
		synctest.Wait()
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		<-done
		if n := len(c.shares.scopes); n != 0 {
			t.Errorf("%d scopes hold something", n)
		}
		for key := range c.Entries() {
			t.Errorf("%s is there", key)
		}
		for _, key := range []string{"a", "b"} {
			if v, ok := c.GetIfPresent(nil, key); ok {
				t.Errorf("%s: %q", key, v)
			}
		}
		page()
		page()
		if origin.loads.Load() != 2 || origin.counts.Load() != 2 {
			t.Errorf("%d loads, %d counts", origin.loads.Load(), origin.counts.Load())
		}
		if err := c.Close(background); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}
