package folio

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foliocache/folio/internal/core"
)

// kept is a config whose contents are kept in a folder, and what the cache says.
func kept(dir string) (Config, *bytes.Buffer) {
	var said bytes.Buffer
	config := small()
	config.Dir, config.SaveEvery, config.Logger = dir, -1, slog.New(slog.NewTextHandler(&said, nil))
	return config, &said
}

// reopened closes a cache and opens another one in its folder.
func reopened(t *testing.T, c *Cache, config Config) *Cache {
	t.Helper()
	if c != nil {
		if err := c.Close(background); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, config)
}

// TestARestartIsWarm: pages, totals, ends, plain values, absent ones, large ones, with what they depend on and what they
// are known by; in a cache of the same size, of a larger, and of a smaller one.
func TestARestartIsWarm(t *testing.T) {
	large := make([]byte, 200_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(large)
	large = []byte(strings.Repeat(string(large[:10_000]), 20))
	for _, size := range []int64{2 << 20, 8 << 20, 1 << 20} {
		config, said := kept(t.TempDir())
		fill := func(c *Cache) (l *List[row], origin *table, loads *atomic.Int64) {
			l, origin = tickets(t, c, func(c *ListConfig[row]) {
				c.RowTags = func(r row) []Tag { return []Tag{Tag("row:" + strconv.Itoa(r.ID))} }
			})
			loads = new(atomic.Int64)
			get := func(key string, body []byte, err error) {
				got, e := c.Get(background, key, func(context.Context) ([]byte, error) { loads.Add(1); return body, err })
				if !errors.Is(e, err) || !bytes.Equal(got, body) {
					t.Fatalf("%s: %d bytes, %v", key, len(got), e)
				}
			}
			for range 3 { // more than once, so that it is kept
				get("plain", []byte("value"), nil)
				get("absent", nil, ErrNotFound)
				get("large", large, nil)
				for _, page := range []string{"page=1", "page=2", "page=3&status=open", "page=9"} {
					if _, err := l.Page(background, parse(t, l, someone, page)); err != nil {
						t.Fatal(err)
					}
				}
				if n, err := l.Total(background, parse(t, l, someone, "page=1")); err != nil || n != 50 {
					t.Fatal(n, err)
				}
			}
			return l, origin, loads
		}
		config.NegativeTTL = time.Hour
		c := open(t, config)
		fill(c)
		config.MaxBytes = size
		c = reopened(t, c, config)
		l, origin, loads := fill(c)
		if loads.Load() != 0 || origin.loads.Load() != 0 || origin.counts.Load() != 0 {
			t.Errorf("%d bytes: %d values, %d pages and %d totals are loaded again: %s", size, loads.Load(), origin.loads.Load(), origin.counts.Load(), said)
		}
		p := mustPage(t, l, Params{Scope: someone})
		if p.Source != Hit || p.Origin.Age <= 0 || p.Origin.Age > time.Minute || p.Origin.Strategy == "" {
			t.Errorf("%+v", p)
		}
		if err := c.InvalidateTags(background, "row:25"); err != nil {
			t.Fatal(err)
		}
		if p := mustPage(t, l, Params{Scope: someone, Page: 2}); p.Source != Miss {
			t.Errorf("a page whose row changed: %s", p.Source)
		}
		if p := mustPage(t, l, Params{Scope: someone}); p.Source != Hit {
			t.Errorf("a page whose rows did not change: %s", p.Source)
		}
		c = reopened(t, c, config)
		l, _ = tickets(t, c, nil)
		for page, source := range map[int]Source{1: Hit, 2: Hit, 3: Miss} {
			if p := mustPage(t, l, Params{Scope: someone, Page: page}); p.Source != source {
				t.Errorf("page %d after another restart: %s", page, p.Source)
			}
		}
	}
}

// outdating is what outdates something.
var outdating = map[string]func(c *Cache, l *List[row]) error{
	"Invalidate":     func(_ *Cache, l *List[row]) error { _, err := l.Invalidate(background, someone); return err },
	"InvalidateTags": func(c *Cache, _ *List[row]) error { return c.InvalidateTags(background, "elsewhere") },
	"Intend":         func(_ *Cache, l *List[row]) error { _, err := l.Intend(background, someone); return err },
	"Flush":          func(c *Cache, _ *List[row]) error { return c.Flush() },
	"InvalidateAfter": func(_ *Cache, l *List[row]) error {
		_, err := l.InvalidateAfter(background, someone, time.Hour)
		return err
	},
	"InvalidateWithin": func(_ *Cache, l *List[row]) error {
		return l.InvalidateWithin(background, someone, time.Hour)
	},
	"Set":    func(c *Cache, _ *List[row]) error { return c.Set("plain", []byte("new")) },
	"Delete": func(c *Cache, _ *List[row]) error { return c.Delete("plain") },
}

// TestNothingOutdatedComesBack: whatever outdated it, before the contents were saved or since, with or without a Close.
func TestNothingOutdatedComesBack(t *testing.T) {
	for name, outdate := range outdating {
		for _, saved := range []string{"before", "after", "never", "closed before"} {
			for _, crash := range []bool{false, true} {
				config, said := kept(t.TempDir())
				config.Seed = 5
				c, err := New(config)
				if err != nil {
					t.Fatal(err)
				}
				l, _ := tickets(t, c, nil)
				if err := c.Depend(l.Tag(someone), "elsewhere"); err != nil {
					t.Fatal(err)
				}
				look := func(l *List[row], c *Cache) (page Source, plain bool) {
					_, plain = c.GetIfPresent(nil, "plain")
					return mustPage(t, l, Params{Scope: someone}).Source, plain
				}
				if err := c.Set("plain", []byte("old")); err != nil {
					t.Fatal(err)
				}
				look(l, c)
				save := func() {
					if err := c.Save(background); err != nil {
						t.Fatal(err)
					}
				}
				if saved == "before" {
					save()
				}
				if saved == "closed before" {
					if err := c.Close(background); err != nil {
						t.Fatal(err)
					}
				}
				if err := outdate(c, l); err != nil != (saved == "closed before") {
					t.Fatal(name, err)
				}
				if name == "InvalidateAfter" && saved != "closed before" {
					look(l, c) // what it loads may be of before the write as well
				}
				if saved == "after" {
					save()
				}
				if crash {
					abandon(t, c)
				} else if err := c.Close(background); err != nil {
					t.Fatal(err)
				}
				again := open(t, config)
				l, _ = tickets(t, again, nil)
				page, plain := look(l, again)
				v, _ := again.GetIfPresent(nil, "plain")
				key := name == "Set" || name == "Delete"
				if !key && page == Hit || key && plain && string(v) != "new" || name == "Flush" && plain {
					t.Errorf("%s, saved %s, crash %v: page: %s, plain: %q", name, saved, crash, page, v)
				}
				if lost := crash && saved == "never" || saved == "closed before" || name == "Flush" && saved != "after"; !key && plain == (lost || name == "Flush") || key && page == Hit == lost {
					t.Errorf("%s, saved %s, crash %v: page: %s, plain: %q: %s", name, saved, crash, page, v, said)
				}
			}
		}
	}
}

// abandon ends a cache as a kill does: what is in its folder stays as it is, and the folder is free.
func abandon(t *testing.T, c *Cache) {
	t.Helper()
	k := c.keeper
	k.saving.Lock()
	c.mu.Lock()
	for _, l := range k.logs() {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	k.log, k.next, k.dir = nil, nil, t.TempDir() // what Close saves goes nowhere
	c.mu.Unlock()
	k.saving.Unlock()
	if err := c.Close(background); err != nil {
		t.Fatal(err)
	}
}

// TestTimeGoesOnWhileACacheIsAway: copies live no longer for a restart, and no shorter.
func TestTimeGoesOnWhileACacheIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config, _ := kept(t.TempDir())
		config.TTL, config.Jitter, config.EarlyRefresh = time.Hour, -1, -1
		c := open(t, config)
		if err := c.Set("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			away time.Duration
			left time.Duration
		}{{10 * time.Minute, 50 * time.Minute}, {49 * time.Minute, time.Minute}, {time.Minute, 0}} {
			if err := c.Close(background); err != nil {
				t.Fatal(err)
			}
			time.Sleep(step.away)
			c = open(t, config)
			if x := c.Explain("k"); x.Expires != step.left || x.Stored != (step.left > 0) {
				t.Errorf("after %s more: %+v", step.away, x)
			}
		}
	})
}

// TestWhatCannotBeUsedIsRefused: the cache starts cold and says why.
func TestWhatCannotBeUsedIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(dir string, c *Config) error{
		"version":                 func(_ string, c *Config) error { c.Version = "v2"; return nil },
		"seed":                    func(_ string, c *Config) error { c.Seed = 77; return nil },
		"cut":                     func(dir string, _ *Config) error { return os.Truncate(filepath.Join(dir, "snapshot"), 100) },
		"the file is cut (empty)": func(dir string, _ *Config) error { return os.Truncate(filepath.Join(dir, "snapshot"), 0) },
		"begin": func(dir string, _ *Config) error {
			return os.WriteFile(filepath.Join(dir, "snapshot"), []byte("something else"), 0o600)
		},
		"the file is cut (log)": func(dir string, _ *Config) error {
			return os.WriteFile(filepath.Join(dir, "log"), []byte("torn"), 0o600)
		},
	} {
		config, said := kept(t.TempDir())
		config.Seed = 5
		c := open(t, config)
		if err := c.Set("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Save(background), c.Close(background)); err != nil {
			t.Fatal(err)
		}
		if err := spoil(config.Dir, &config); err != nil {
			t.Fatal(err)
		}
		c = open(t, config)
		if _, ok := c.GetIfPresent(nil, "k"); ok || !strings.Contains(said.String(), "starts cold") || !strings.Contains(said.String(), strings.Split(name, " (")[0]) {
			t.Errorf("%s: stored: %v; %s", name, ok, said)
		}
		if err := c.Set("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		if c = reopened(t, c, config); !c.Explain("k").Stored {
			t.Errorf("%s: nothing is kept any more: %s", name, said)
		}
	}
	config, _ := kept(t.TempDir())
	open(t, config)
	if _, err := New(config); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a folder of two caches: %v", err)
	}
	config.Dir = filepath.Join(config.Dir, "lock", "below a file")
	if _, err := New(config); !errors.Is(err, ErrConfig) {
		t.Errorf("a folder that cannot be: %v", err)
	}
	if err := open(t, small()).Save(background); !errors.Is(err, ErrConfig) {
		t.Errorf("without a folder: %v", err)
	}
}

// TestABumpThatCannotBeKeptDropsWhatWasSaved: rather a cold start than a stale one.
func TestABumpThatCannotBeKeptDropsWhatWasSaved(t *testing.T) {
	config, said := kept(t.TempDir())
	c := open(t, config)
	if err := errors.Join(c.Set("k", []byte("v")), c.Save(background)); err != nil {
		t.Fatal(err)
	}
	if err := c.keeper.log.Close(); err != nil { // as if the disk was full
		t.Fatal(err)
	}
	if err := c.Set("k", []byte("w")); err != nil {
		t.Errorf("a cache failure is a caller's: %v", err)
	}
	if _, err := os.Stat(filepath.Join(config.Dir, "snapshot")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(said.String(), "cannot be kept") {
		t.Errorf("%v: %s", err, said)
	}
	if err := c.Save(background); err != nil {
		t.Errorf("the next time: %v", err)
	}
}

// TestContentsAreSavedNowAndThen: and a Save that is given up leaves what there was.
func TestContentsAreSavedNowAndThen(t *testing.T) {
	config, said := kept(t.TempDir())
	config.SaveEvery = 50 * time.Millisecond
	c := open(t, config)
	if err := c.Set("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(config.Dir, "snapshot")); err == nil {
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("nothing is saved: %s", said)
		}
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if err := c.Save(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if c = reopened(t, c, config); !c.Explain("k").Stored {
		t.Errorf("it is not there: %s", said)
	}
	if names, _ := filepath.Glob(filepath.Join(config.Dir, "*.next")); len(names) > 0 {
		t.Errorf("left over: %v", names)
	}
}

// TestPromisesOutliveARestart: a copy goes on to be likely stale by its age.
func TestPromisesOutliveARestart(t *testing.T) {
	config, _ := kept(t.TempDir())
	c := open(t, config)
	list := func(c *Cache) *List[int] {
		l, _, _ := stamped(t, c, 0, func(c *ListConfig[int]) { c.MaxStale = .5 })
		return l
	}
	before := mustPage(t, list(c), Params{Scope: someone})
	c = reopened(t, c, config)
	l := list(c)
	q, err := l.Query(Params{Scope: someone})
	if err != nil {
		t.Fatal(err)
	}
	if _, e, ok := c.lookup(nil, &q.known.id); !ok || e.copy.Hazard <= 0 || before.Source != Miss {
		t.Errorf("%+v", e.copy)
	}
	if a := c.ask(&q.known.id, &entry{copy: core.Copy{Hazard: 1, Born: -1e18}}); a != core.Refetch {
		t.Errorf("what is surely stale: %v", a)
	}
}
