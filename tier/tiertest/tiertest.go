// Package tiertest checks that a tier is one: what [tier.Tier] promises, against servers that the caller starts.
package tiertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foliocache/folio/tier"
)

// Run checks a tier. open returns another connection to the same one.
func Run(t *testing.T, open func(*testing.T) tier.Tier) {
	for name, check := range map[string]func(*testing.T, func(*testing.T) tier.Tier){
		"what is written is read":            written,
		"a bump outdates":                    bumped,
		"a load that began before a bump":    overtaken,
		"a moment does not last over epochs": flushed,
		"the log tells":                      told,
		"the log wakes":                      woken,
		"what was heard of is gone":          gone,
		"values end":                         ended,
		"values age":                         aged,
		"one of all loads":                   claimed,
		"how full it is":                     sized,
		"what is not to be stored":           refused,
		"what is announced":                  held,
		"random histories":                   histories,
	} {
		t.Run(name, func(t *testing.T) { check(t, open) })
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// fresh are tags and a key that no other test has.
func fresh(n int) ([]uint64, tier.Key) {
	tags := make([]uint64, n)
	for i := range tags {
		tags[i] = rand.Uint64()
	}
	return tags, tier.Key{Name: fmt.Sprintf("list:%x", rand.Uint64()), Home: tags[0]}
}

// read returns what is stored under a key.
func read(t *testing.T, on tier.Tier, tags []uint64, k tier.Key) (tier.Moment, *tier.Value) {
	t.Helper()
	a, err := on.Read(within(t), tier.Question{Tags: tags, Keys: []tier.Key{k}})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Values) != 1 || a.Claimed {
		t.Fatalf("%d values for a key, claimed %v", len(a.Values), a.Claimed)
	}
	if a.Values[0].Body == nil {
		return a.Moment, nil
	}
	return a.Moment, &a.Values[0]
}

func write(t *testing.T, on tier.Tier, after tier.Moment, k tier.Key, tags []uint64, body string) {
	t.Helper()
	if err := on.Write(within(t), "1", after, []tier.Value{{Key: k, Tags: tags, Body: []byte(body), TTL: time.Minute}}); err != nil {
		t.Fatal(err)
	}
}

func bump(t *testing.T, on tier.Tier, tags ...uint64) {
	t.Helper()
	if _, err := on.Bump(within(t), "me", tags); err != nil {
		t.Fatal(err)
	}
}

func written(t *testing.T, open func(*testing.T) tier.Tier) {
	a, b := open(t), open(t)
	for n := 1; n <= 300; n = 3*n + 1 {
		tags, k := fresh(n)
		m, v := read(t, a, tags[:1+n/2], k) // some are known only later
		if v != nil {
			t.Fatal("there is something under a key that nobody has")
		}
		m2, _ := read(t, a, tags, k)
		write(t, a, m2, k, tags, "body")
		_ = m
		_, v = read(t, b, tags[:1], k)
		if v == nil || string(v.Body) != "body" || v.TTL <= 50*time.Second || v.TTL > time.Minute {
			t.Fatalf("%d tags: %+v", n, v)
		}
		got, want := slices.Sorted(slices.Values(v.Tags)), slices.Sorted(slices.Values(tags))
		if !slices.Equal(got, want) {
			t.Errorf("%d tags: %d came back", n, len(got))
		}
	}
}

func bumped(t *testing.T, open func(*testing.T) tier.Tier) {
	a, b := open(t), open(t)
	for i := range 5 {
		tags, k := fresh(5)
		m, _ := read(t, a, tags, k)
		write(t, a, m, k, tags, "body")
		bump(t, b, rand.Uint64())
		if _, v := read(t, a, tags[:1], k); v == nil {
			t.Error("a bump of another tag outdates")
		}
		bump(t, b, rand.Uint64(), tags[i])
		if _, v := read(t, a, tags[:1], k); v != nil {
			t.Errorf("it depends on its tag %d, which was bumped, and is there", i)
		}
	}
}

func overtaken(t *testing.T, open func(*testing.T) tier.Tier) {
	a, b := open(t), open(t)
	for i := range 5 {
		tags, k := fresh(5)
		m, _ := read(t, a, tags, k)
		bump(t, b, tags[i])
		write(t, a, m, k, tags, "of before")
		if _, v := read(t, a, tags, k); v != nil {
			t.Errorf("stored, though its tag %d was bumped after its load had begun", i)
		}
		m, _ = read(t, a, tags, k)
		write(t, a, m, k, tags, "of after")
		if _, v := read(t, b, tags, k); v == nil {
			t.Error("what was loaded after a bump is not stored")
		}
	}
}

func flushed(t *testing.T, open func(*testing.T) tier.Tier) {
	a, b := open(t), open(t)
	tags, k := fresh(3)
	m, _ := read(t, a, tags, k)
	_, other := fresh(1)
	other.Home = tags[0]
	write(t, a, m, other, tags[:1], "body")
	log, err := b.Follow(within(t), tier.Mark{Shard: int(tags[0] % uint64(b.Shards()))})
	if err != nil || log.Lost || log.Until.Epoch == 0 {
		t.Fatal(log, err)
	}
	if err := b.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, v := read(t, a, tags, other); v != nil {
		t.Error("it is there after a flush")
	}
	write(t, a, m, k, tags, "of before")
	if _, v := read(t, a, tags, k); v != nil {
		t.Error("stored after a flush, as of a moment before")
	}
	if log, err = b.Follow(within(t), log.Until); err != nil || !log.Lost {
		t.Error("who follows is not told of a flush", log, err)
	}
}

func told(t *testing.T, open func(*testing.T) tier.Tier) {
	a, b := open(t), open(t)
	shard := 0
	at, err := b.Follow(within(t), tier.Mark{Shard: shard})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []uint64
	for range 50 {
		tag := rand.Uint64() / uint64(a.Shards()) * uint64(a.Shards()) // of shard 0
		want = append(want, tag)
		bump(t, a, tag)
	}
	for mark := at.Until; len(got) < len(want); {
		l, err := b.Follow(within(t), mark)
		if err != nil || l.Lost || l.Until.N < mark.N {
			t.Fatalf("%+v %v", l, err)
		}
		for _, one := range l.Bumps {
			if one.By != "me" {
				t.Errorf("by %q", one.By)
			}
			got = append(got, one.Tags...)
		}
		mark = l.Until
	}
	if !slices.Equal(got, want) {
		t.Error("the log does not tell what was bumped, in order")
	}
	if l, err := b.Follow(within(t), tier.Mark{Shard: 0, Epoch: at.Until.Epoch + 1, N: at.Until.N}); err != nil || !l.Lost {
		t.Error("of another epoch, and nothing is lost:", l, err)
	}
}

// gone: who hears of a bump finds nothing of before: else he would keep that.
func gone(t *testing.T, open func(*testing.T) tier.Tier) {
	a, b := open(t), open(t)
	for range 30 {
		tags, k := fresh(100)
		for i := range tags {
			tags[i] -= tags[i] % uint64(a.Shards()) // in one log
		}
		at, err := b.Follow(within(t), tier.Mark{})
		if err != nil {
			t.Fatal(err)
		}
		k.Home = tags[90]
		m, _ := read(t, a, tags, k)
		write(t, a, m, k, tags[90:91], "of before")
		var all sync.WaitGroup
		all.Go(func() { bump(t, a, tags...) })
		for mark, heard := at.Until, false; !heard; {
			l, err := b.Follow(within(t), mark)
			if err != nil || l.Lost {
				t.Fatal(l, err)
			}
			for _, one := range l.Bumps {
				heard = heard || slices.Contains(one.Tags, tags[90])
			}
			mark = l.Until
		}
		if _, v := read(t, b, tags[90:91], k); v != nil {
			t.Error("it has been heard of, and is there")
		}
		all.Wait()
	}
}

func woken(t *testing.T, open func(*testing.T) tier.Tier) {
	a, b := open(t), open(t)
	at, err := b.Follow(within(t), tier.Mark{Shard: 0})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if l, err := b.Follow(within(t), at.Until); err != nil || l.Lost || len(l.Bumps) > 0 || time.Since(began) > 5*time.Second {
		t.Fatal("nothing happens:", l, err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		_, _ = a.Bump(context.WithoutCancel(t.Context()), "me", []uint64{0})
	}()
	if l, err := b.Follow(within(t), at.Until); err != nil || len(l.Bumps) != 1 {
		t.Error("a bump does not wake who follows:", l, err)
	}
}

func ended(t *testing.T, open func(*testing.T) tier.Tier) {
	a := open(t)
	tags, k := fresh(1)
	m, _ := read(t, a, tags, k)
	if err := a.Write(within(t), "1", m, []tier.Value{{Key: k, Tags: tags, Body: []byte("b"), TTL: 50 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; {
		_, v := read(t, a, tags, k)
		if v == nil {
			return
		}
		if v.TTL <= 0 || v.TTL > 50*time.Millisecond || time.Since(began) > 10*time.Second {
			t.Fatalf("%s to live", v.TTL)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// aged: a value is as old as it was when it was written, and what has passed since.
func aged(t *testing.T, open func(*testing.T) tier.Tier) {
	a, b := open(t), open(t)
	for i, life := range []time.Duration{time.Minute, 0} {
		tags, k := fresh(1)
		m, _ := read(t, a, tags, k)
		began := time.Now()
		if err := a.Write(within(t), "1", m, []tier.Value{{Key: k, Tags: tags, Body: []byte("b"), TTL: life, Age: time.Hour}}); err != nil {
			t.Fatal(err)
		}
		stored := time.Now()
		time.Sleep(time.Duration(i) * 1100 * time.Millisecond)
		least := time.Hour + time.Since(stored)
		_, v := read(t, b, tags, k)
		if most := time.Hour + time.Since(began) + Coarse; v == nil || v.Age < least-time.Millisecond || v.Age > most {
			t.Errorf("%+v: want an age of %s to %s", v, least, most)
		}
	}
}

// Coarse is by how much a tier may say that a value is older than it is.
const Coarse = 5 * time.Millisecond

func refused(t *testing.T, open func(*testing.T) tier.Tier) {
	a := open(t)
	tags, k := fresh(1)
	m, _ := read(t, a, tags, k)
	for _, v := range []tier.Value{
		{Key: k, Tags: tags, Body: make([]byte, tier.MaxBody+1)},
		{Key: k, Body: []byte("b")},
		{Key: tier.Key{Name: string(make([]byte, tier.MaxKey+1)), Home: tags[0]}, Tags: tags, Body: []byte("b")},
	} {
		if err := a.Write(within(t), "1", m, []tier.Value{v}); err == nil {
			t.Error("stored, though it is not to be")
		}
	}
	if err := a.Write(within(t), "1", nil, []tier.Value{{Key: k, Tags: tags, Body: []byte("b")}}); err != nil {
		t.Error(err)
	}
	if _, v := read(t, a, tags, k); v != nil {
		t.Error("stored as of no moment at all")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Read(ctx, tier.Question{Tags: tags, Keys: []tier.Key{k}}); err == nil {
		t.Error("read after the end of the context")
	}
}

// sized: a tier that tells how full it is takes more when there is more in it.
func sized(t *testing.T, open func(*testing.T) tier.Tier) {
	on := open(t)
	s, ok := on.(tier.Sizer)
	if !ok {
		return
	}
	before, most, err := s.Size(within(t))
	if err != nil || before < 0 || most < 0 {
		t.Fatal(before, most, err)
	}
	const large = 500_000
	for range 4 {
		tags, k := fresh(1)
		m, _ := read(t, on, tags, k)
		write(t, on, m, k, tags, string(make([]byte, large)))
	}
	if after, again, err := s.Size(within(t)); err != nil || after-before < 4*large || after-before > 8*large || again != most {
		t.Errorf("%d bytes of %d, %d of %d after 4 values of %d: %v", before, most, after, again, large, err)
	}
}

// claimed: of those who find nothing one is to load it, until he has written it, or has given up, or takes too long.
func claimed(t *testing.T, open func(*testing.T) tier.Tier) {
	on := []tier.Tier{open(t), open(t)}
	tags, k := fresh(1)
	claim := func(i int, want bool) tier.Answer {
		t.Helper()
		a, err := on[i%2].Read(within(t), tier.Question{Tags: tags, Keys: []tier.Key{k}, Claim: 200 * time.Millisecond, By: fmt.Sprint(i % 2)})
		if err != nil || a.Claimed != want {
			t.Errorf("claimed by another: %v, want %v (%v)", a.Claimed, want, err)
		}
		return a
	}
	var all sync.WaitGroup
	var free atomic.Int64
	for i := range 8 { // at once
		all.Go(func() {
			tags, k := []uint64{tags[0]}, tier.Key{Name: k.Name + "at once", Home: k.Home}
			a, err := on[i%2].Read(within(t), tier.Question{Tags: tags, Keys: []tier.Key{k}, Claim: 10 * time.Second, By: fmt.Sprint("at once ", i)})
			if err != nil {
				t.Error(err)
			}
			if !a.Claimed {
				free.Add(1)
			}
		})
	}
	all.Wait()
	if free.Load() != 1 {
		t.Errorf("%d claimed it at once", free.Load())
	}
	a := claim(0, false)
	for range 4 {
		claim(1, true)
		claim(0, false) // it is his own
	}
	bump(t, on[1], tags[0]) // what he loads is of before
	claim(1, false)
	a = claim(0, true)
	for _, by := range []string{"0", "1"} { // somebody else, and who has it, give up
		claim(0, true)
		if err := on[1].Write(within(t), by, a.Moment, []tier.Value{{Key: k, Tags: tags}}); err != nil {
			t.Fatal(err)
		}
	}
	a = claim(0, false)
	claim(1, true)
	bump(t, on[0], tags[0])
	write(t, on[0], a.Moment, k, tags, "of before") // which is not stored
	a = claim(1, false)
	write(t, on[1], a.Moment, k, tags, "body")
	if a := claim(0, false); string(a.Values[0].Body) != "body" { // which is not a claim
		t.Errorf("%q", a.Values[0].Body)
	}
	bump(t, on[0], tags[0])
	a = claim(0, false)
	write(t, on[1], nil, k, tags, "by 1, as of no moment")
	write(t, on[1], tier.Moment{{Shard: a.Moment[0].Shard, Epoch: a.Moment[0].Epoch}}, k, tags, "by 1, as of long ago")
	claim(1, true)
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) { // he is dead
		a, err := on[1].Read(within(t), tier.Question{Tags: tags, Keys: []tier.Key{k}, Claim: time.Minute, By: "1"})
		if err != nil || time.Since(began) > 10*time.Second {
			t.Fatal(err, time.Since(began))
		}
		if !a.Claimed {
			return
		}
	}
}

// histories has several instances load, store, read and bump at once what they hold to be the truth: nobody gets a
// value of before a bump that had ended when he began to read.
func histories(t *testing.T, open func(*testing.T) tier.Tier) {
	const keys, each = 4, 300
	tags, _ := fresh(keys + 1)
	var truth [keys + 1]struct {
		sync.Mutex
		written, told int // versions of what a tag stands for
	}
	var all sync.WaitGroup
	for g := range 6 {
		on := open(t)
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 7))
			for range each {
				k := r.IntN(keys)
				own := []uint64{tags[k], tags[keys]} // each depends on its own tag and on one of all
				if r.IntN(4) == 0 {
					if r.IntN(4) == 0 {
						k = keys
					}
					w := &truth[k]
					w.Lock()
					w.written++
					mine := w.written
					w.Unlock()
					if _, err := on.Bump(within(t), "me", []uint64{tags[k]}); err != nil {
						t.Error(err)
						return
					}
					w.Lock()
					w.told = max(w.told, mine)
					w.Unlock()
					continue
				}
				least := [2]int{}
				for i, at := range []int{k, keys} {
					truth[at].Lock()
					least[i] = truth[at].told
					truth[at].Unlock()
				}
				key := tier.Key{Name: fmt.Sprintf("h%x:%d", tags[keys], k), Home: own[0]}
				got, err := on.Read(within(t), tier.Question{Tags: own, Keys: []tier.Key{key}})
				if err != nil {
					t.Error(err)
					return
				}
				if body := got.Values[0].Body; body != nil {
					var a, b int
					if _, err := fmt.Sscan(string(body), &a, &b); err != nil || a < least[0] || b < least[1] {
						t.Errorf("%s: of before %v, which had been told (%v)", body, least, err)
					}
					continue
				}
				var now [2]int
				for i, at := range []int{k, keys} {
					truth[at].Lock()
					now[i] = truth[at].written
					truth[at].Unlock()
				}
				if err := on.Write(within(t), "1", got.Moment, []tier.Value{{Key: key, Tags: own, Body: fmt.Appendf(nil, "%d %d", now[0], now[1]), TTL: time.Minute}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
