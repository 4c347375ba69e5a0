package memcached_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/memcached"
	"github.com/foliocache/folio/tier/tiertest"
)

// start starts a memcached.
func start(t testing.TB, options ...string) *tiertest.Server {
	t.Helper()
	return tiertest.Start(t, func(address string) error { return client(t, address).Ping() }, func(host, port string) *exec.Cmd {
		return exec.Command("memcached", append([]string{"-l", host, "-p", port, "-u", "nobody"}, options...)...)
	})
}

func client(t testing.TB, address string) *memcache.Client {
	c := memcache.New(address)
	c.Timeout = 5 * time.Second
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func open(t *testing.T, servers ...string) *memcached.Tier {
	t.Helper()
	m, err := memcached.New(memcached.Config{Servers: servers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestItIsATier(t *testing.T) {
	for _, servers := range []int{1, 3} {
		t.Run(fmt.Sprint(servers, " servers"), func(t *testing.T) {
			var all []string
			for range servers {
				all = append(all, start(t).Address)
			}
			tiertest.Run(t, func(t *testing.T) tier.Tier { return open(t, all...) })
		})
	}
}

// TestNoInstanceServesWhatIsOlderThanTheLease: whatever befalls the server, see tiertest.Coherence.
func TestNoInstanceServesWhatIsOlderThanTheLease(t *testing.T) {
	nothing := func(*testing.T, *tiertest.Site) {}
	faults := append(tiertest.Faults(), tiertest.Fault{Name: "flush_all", Begin: func(t *testing.T, s *tiertest.Site) {
		if err := client(t, s.Main.Address).FlushAll(); err != nil {
			t.Error(err)
		}
	}, End: nothing})
	tiertest.Coherence(t, faults, func(t *testing.T, _ tiertest.Fault) *tiertest.Site {
		return tiertest.NewSite(t, func() *tiertest.Server { return start(t) })
	}, func(t *testing.T, address string) tier.Tier { return open(t, address) })
}

// stored writes a value and returns how it is read again.
func stored(t *testing.T, m *memcached.Tier) (there func() bool) {
	t.Helper()
	k := tier.Key{Name: "list:k", Home: 7}
	q := tier.Question{Tags: []uint64{7}, Keys: []tier.Key{k}}
	a, err := m.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write(t.Context(), "1", a.Moment, []tier.Value{{Key: k, Tags: []uint64{7, 8}, Body: []byte("body")}}); err != nil {
		t.Fatal(err)
	}
	there = func() bool {
		a, err := m.Read(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return string(a.Values[0].Body) == "body"
	}
	if !there() {
		t.Fatal("what was written is not there")
	}
	return there
}

// valueOf is the key of a value.
func valueOf(name string) string { return fmt.Sprintf("folio:v:%x", xxh3.HashString128(name).Bytes()) }

// TestAnythingMayBeEvicted: with any item gone, what depends on it is not current; and who follows a log with a gap is told.
func TestAnythingMayBeEvicted(t *testing.T) {
	s := start(t)
	m, c := open(t, s.Address), client(t, s.Address)
	for _, key := range []string{"folio:n", "folio:t:7", "folio:t:8", valueOf("list:k")} {
		there := stored(t, m)
		if err := c.Delete(key); err != nil {
			t.Fatal(key, err)
		}
		if there() {
			t.Errorf("%s is gone, and the value is there", key)
		}
	}
	at, err := m.Follow(t.Context(), tier.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	for tag := range uint64(3) {
		if _, err := m.Bump(t.Context(), "me", []uint64{tag}); err != nil {
			t.Fatal(err)
		}
	}
	second := uint64(at.Until.Epoch<<28 | at.Until.N + 4) // two for each
	if err := c.Delete(fmt.Sprintf("folio:l:%x", second)); err != nil {
		t.Fatal(err)
	}
	l, err := m.Follow(t.Context(), at.Until)
	if err != nil || len(l.Bumps) != 1 || !l.More || l.Lost {
		t.Errorf("%+v %v: want the first of three", l, err)
	}
	if l, err = m.Follow(t.Context(), l.Until); err != nil || !l.Lost || l.Until.N != at.Until.N+6 {
		t.Errorf("%+v %v: want it lost", l, err)
	}
	a, err := m.Read(t.Context(), tier.Question{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write(t.Context(), "1", tier.Moment{{Epoch: a.Moment[0].Epoch, N: a.Moment[0].N - 6}}, []tier.Value{{Key: tier.Key{Name: "late", Home: 9}, Tags: []uint64{9}, Body: []byte("b")}}); err != nil {
		t.Fatal(err)
	}
	if a, err := m.Read(t.Context(), tier.Question{Keys: []tier.Key{{Name: "late", Home: 9}}}); err != nil || a.Values[0].Body != nil {
		t.Error("stored, and nobody can tell what was bumped since its load began", err)
	}
}

// TestABumpBetweenItsCountAndItsTagsIsSeen: who writes meanwhile does not store what is of before; whoever has bumped died.
func TestABumpBetweenItsCountAndItsTagsIsSeen(t *testing.T) {
	s := start(t)
	m, c := open(t, s.Address), client(t, s.Address)
	k := tier.Key{Name: "list:k", Home: 7}
	q := tier.Question{Tags: []uint64{7}, Keys: []tier.Key{k}}
	a, err := m.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Increment("folio:n", 1); err != nil {
		t.Fatal(err)
	}
	if err := m.Write(t.Context(), "1", a.Moment, []tier.Value{{Key: k, Tags: []uint64{7}, Body: []byte("body")}}); err != nil {
		t.Fatal(err)
	}
	if a, err := m.Read(t.Context(), q); err != nil || a.Values[0].Body != nil {
		t.Error("stored", err)
	}
}

// TestWhoIsSlowIsWaitedFor: an entry of the log that comes late is none that is lost, whenever it is looked for.
func TestWhoIsSlowIsWaitedFor(t *testing.T) {
	s := start(t)
	m, c := open(t, s.Address), client(t, s.Address)
	at, err := m.Follow(t.Context(), tier.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		go func() {
			time.Sleep(time.Duration(60+5*i) * time.Millisecond)
			n, err := c.Increment("folio:n", 1)
			time.Sleep(30 * time.Millisecond)
			if err := errors.Join(err, c.Set(&memcache.Item{Key: fmt.Sprintf("folio:l:%x", n), Value: []byte("\x02\x00\x00\x00\x00\x00\x00\x00\x00\x07")})); err != nil {
				t.Error(err)
			}
		}()
		for heard := false; !heard; {
			if at, err = m.Follow(t.Context(), at.Until); err != nil || at.Lost {
				t.Fatalf("%d: %+v %v", i, at, err)
			}
			heard = len(at.Bumps) > 0
		}
	}
}

// TestWhatComesBackIsNotTrusted: nothing but what was written under a key is read under it.
func TestWhatComesBackIsNotTrusted(t *testing.T) {
	s := start(t)
	m, c := open(t, s.Address), client(t, s.Address)
	there := stored(t, m)
	whole, err := c.Get(valueOf("list:k"))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 3000 {
		b := append([]byte(nil), whole.Value...)
		switch i % 3 {
		case 0:
			b = b[:random.IntN(len(b))]
		case 1:
			b[random.IntN(len(b)-len("body"))] ^= byte(1 << random.IntN(8))
		case 2:
			b = append(b[:random.IntN(len(b)-len("body"))], make([]byte, random.IntN(50))...)
		}
		if err := c.Set(&memcache.Item{Key: valueOf("list:k"), Value: b}); err != nil {
			t.Fatal(err)
		}
		a, err := m.Read(t.Context(), tier.Question{Tags: []uint64{7}, Keys: []tier.Key{{Name: "list:k", Home: 7}}})
		if err != nil || a.Values[0].Body != nil && len(b) < len(whole.Value)-len("body") {
			t.Fatalf("%q: %q %v", b, a.Values[0].Body, err)
		}
		if i%3 == 1 && a.Values[0].Body != nil {
			t.Errorf("%q: %q", b, a.Values[0].Body)
		}
	}
	if err := c.Set(&memcache.Item{Key: valueOf("list:other"), Value: whole.Value}); err != nil {
		t.Fatal(err)
	}
	if a, err := m.Read(t.Context(), tier.Question{Keys: []tier.Key{{Name: "list:other", Home: 7}}}); err != nil || a.Values[0].Body != nil {
		t.Errorf("what is another one's is read: %v", err)
	}
	for _, k := range []string{"folio:n", "folio:t:7", "folio:t:8"} {
		if err := c.Set(&memcache.Item{Key: k, Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		if there() {
			t.Errorf("%s is none, and the value is there", k)
		}
	}
	stored(t, m) // all goes on
}

// TestNothingMakesItWait: the context bounds a server that does not answer, and Close ends it.
func TestNothingMakesItWait(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := open(t, l.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := m.Read(ctx, tier.Question{}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Error(err, time.Since(began))
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Read(t.Context(), tier.Question{}); !errors.Is(err, tier.ErrClosed) {
		t.Error(err)
	}
}

// TestConfigs: what cannot be, and what a server does not take.
func TestConfigs(t *testing.T) {
	longest, err := memcached.New(memcached.Config{Servers: []string{start(t).Address}, MaxTTL: 29 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	stored(t, longest)
	if _, err := open(t, "no-such-host.invalid:1", start(t).Address).Read(t.Context(), tier.Question{Tags: []uint64{1, 2, 3, 4}}); err == nil || strings.Contains(err.Error(), "no servers") {
		t.Error("a name that cannot be looked up yet is forgotten:", err)
	}
	for _, c := range []memcached.Config{{}, {Servers: []string{"a:1"}, Prefix: "a b"}, {Servers: []string{"a:1"}, MaxTTL: time.Millisecond}, {Servers: []string{"a:1"}, MaxTTL: 30 * 24 * time.Hour}, {Servers: []string{"a:1"}, Poll: time.Hour}, {Servers: []string{"a:1"}, MaxItem: 1}, {Servers: []string{"a:1"}, Connections: -1}} {
		if _, err := memcached.New(c); !errors.Is(err, memcached.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	m := open(t, start(t).Address)
	a, err := m.Read(t.Context(), tier.Question{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write(t.Context(), "1", a.Moment, []tier.Value{{Key: tier.Key{Name: "k", Home: 1}, Tags: []uint64{1}, Body: make([]byte, tier.MaxBody)}}); !errors.Is(err, tier.ErrValue) {
		t.Error("a server takes no item of more than 1 MiB, all in all:", err)
	}
	many := make([]uint64, tier.MaxTags)
	for i := range many {
		many[i] = uint64(i)
	}
	there := stored(t, m)
	if _, err := m.Bump(t.Context(), "me", many); err != nil || there() {
		t.Error("many tags at once are not outdated", err)
	}
}

func BenchmarkTier(b *testing.B) {
	m, err := memcached.New(memcached.Config{Servers: []string{start(b).Address}})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	tiertest.Bench(b, m)
}
