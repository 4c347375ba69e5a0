package redis_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/redis"
	"github.com/foliocache/folio/tier/tiertest"
)

// server is a redis-server that a test has started.
type server struct{ *tiertest.Server }

// start starts one that keeps nothing over restarts.
func start(t testing.TB, options ...string) *server {
	t.Helper()
	dir := t.TempDir()
	return &server{tiertest.Start(t, func(address string) error {
		c := client.NewClient(&client.Options{Addr: address})
		defer c.Close()
		return c.Ping(context.Background()).Err()
	}, func(host, port string) *exec.Cmd {
		return exec.Command("redis-server", append([]string{"--port", port, "--bind", host, "--save", "", "--dir", dir, "--loglevel", "warning"}, options...)...)
	})}
}

// do runs a command on the server.
func (s *server) do(t *testing.T, args ...any) any {
	t.Helper()
	c := client.NewClient(&client.Options{Addr: s.Address})
	defer c.Close()
	v, err := c.Do(context.WithoutCancel(t.Context()), args...).Result()
	if err != nil {
		t.Fatal(args, err)
	}
	return v
}

func open(t *testing.T, config redis.Config) *redis.Tier {
	t.Helper()
	r, err := redis.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestItIsATier(t *testing.T) {
	s := start(t)
	for _, shards := range []int{1, 5} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			tiertest.Run(t, func(t *testing.T) tier.Tier {
				return open(t, redis.Config{Addrs: []string{s.Address}, Prefix: fmt.Sprint("of", shards), Shards: shards})
			})
		})
	}
}

// stored writes a value and returns how it is read again.
func stored(t *testing.T, r *redis.Tier) (there func() bool) {
	t.Helper()
	k := tier.Key{Name: "list:k", Home: 7}
	ctx := context.WithoutCancel(t.Context())
	q := tier.Question{Tags: []uint64{7}, Keys: []tier.Key{k}}
	a, err := r.Read(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(ctx, "1", a.Moment, []tier.Value{{Key: k, Tags: []uint64{7}, Body: []byte("body")}}); err != nil {
		t.Fatal(err)
	}
	there = func() bool {
		a, err := r.Read(ctx, q)
		for began := time.Now(); err != nil && time.Since(began) < 10*time.Second; a, err = r.Read(ctx, q) {
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Fatal(err)
		}
		return a.Values[0].Body != nil
	}
	if !there() {
		t.Fatal("not stored")
	}
	return there
}

// TestNothingOfBeforeIsCurrentOnceTheServerHasForgotten: part of what it had, or all of it, or what it had last.
func TestNothingOfBeforeIsCurrentOnceTheServerHasForgotten(t *testing.T) {
	const state, log, page = "{folio:0}:state", "{folio:0}:log", "{folio:0}:page:list:k"
	for name, forget := range map[string]func(*testing.T, *server, *redis.Tier) (kept bool){
		"nothing":              func(*testing.T, *server, *redis.Tier) bool { return true },
		"FLUSHALL":             func(t *testing.T, s *server, _ *redis.Tier) bool { s.do(t, "FLUSHALL"); return false },
		"the state is evicted": func(t *testing.T, s *server, _ *redis.Tier) bool { s.do(t, "DEL", state); return false },
		"the count is lost":    func(t *testing.T, s *server, _ *redis.Tier) bool { s.do(t, "HDEL", state, "n"); return false },
		"the value is evicted": func(t *testing.T, s *server, _ *redis.Tier) bool { s.do(t, "DEL", page); return false },
		"the tag is evicted": func(t *testing.T, s *server, _ *redis.Tier) bool {
			s.do(t, "HDEL", state, "\x00\x00\x00\x00\x00\x00\x00\x07")
			bump(t, open(t, redis.Config{Addrs: []string{s.Address}}), 9)
			return false
		},
		"the log is evicted": func(t *testing.T, s *server, _ *redis.Tier) bool { s.do(t, "DEL", log); return true },
		"killed, empty":      func(t *testing.T, s *server, _ *redis.Tier) bool { s.Kill(); s.Again(t); return false },
		"a bump after a save, killed, of the save": func(t *testing.T, s *server, r *redis.Tier) bool {
			s.do(t, "SAVE")
			bump(t, r, 7)
			s.Kill()
			s.Again(t)
			if n := s.do(t, "EXISTS", page).(int64); n != 1 {
				t.Error("the save has no value: nothing is at stake")
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			r := open(t, redis.Config{Addrs: []string{s.Address}})
			there := stored(t, r)
			if kept := forget(t, s, r); there() != kept {
				t.Errorf("current: %v, want %v", !kept, kept)
			}
			stored(t, open(t, redis.Config{Addrs: []string{s.Address}})) // and all goes on
		})
	}
}

func bump(t *testing.T, r *redis.Tier, tags ...uint64) {
	t.Helper()
	if _, err := r.Bump(context.WithoutCancel(t.Context()), "me", tags); err != nil {
		t.Fatal(err)
	}
}

// TestWhoFollowsIsToldWhatHeCannotKnow: where the log, or a part of it, is lost.
func TestWhoFollowsIsToldWhatHeCannotKnow(t *testing.T) {
	s := start(t)
	r := open(t, redis.Config{Addrs: []string{s.Address}, LogLength: 100})
	follow := func(since tier.Mark) tier.Log {
		t.Helper()
		l, err := r.Follow(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	at := follow(tier.Mark{}).Until
	bump(t, r, 1)
	s.do(t, "DEL", "{folio:0}:log")
	if l := follow(at); !l.Lost {
		t.Errorf("%+v: the log was evicted", l)
	}
	at = follow(tier.Mark{}).Until
	for range 1000 {
		bump(t, r, 1)
	}
	if l := follow(at); !l.Lost {
		t.Errorf("%+v: the log was cut off", l)
	}
	at = follow(tier.Mark{}).Until
	s.do(t, "FLUSHALL")
	if l := follow(at); !l.Lost {
		t.Errorf("%+v: all was flushed", l)
	}
	if at = follow(tier.Mark{}).Until; len(follow(at).Bumps) > 0 {
		t.Error("bumps of nobody")
	}
}

// TestBadConfigs: each fault is told.
func TestBadConfigs(t *testing.T) {
	for _, c := range []redis.Config{{}, {URL: "redis://x", Addrs: []string{"x"}}, {URL: "http://x"}, {Addrs: []string{"x"}, Prefix: "{"}, {Addrs: []string{"x"}, Shards: -1},
		{Addrs: []string{"x"}, PoolSize: -1}, {Addrs: []string{"x"}, MaxTTL: 1}, {Addrs: []string{"x"}, LogLength: 1}, {Addrs: []string{"x"}, MaxTags: 1}} {
		if r, err := redis.New(c); err == nil {
			t.Errorf("%+v is fine", c)
			_ = r.Close()
		}
	}
}

// TestTagsAreForgottenBeyondABound: with what depends on them, and nothing stale is served.
func TestTagsAreForgottenBeyondABound(t *testing.T) {
	s := start(t)
	r := open(t, redis.Config{Addrs: []string{s.Address}, MaxTags: 1000})
	for i := range uint64(5000) {
		bump(t, r, i+100)
	}
	if n := s.do(t, "HLEN", "{folio:0}:state").(int64); n > 1100 {
		t.Errorf("%d versions", n)
	}
	stored(t, r)
}

// TestWhatIsStoredThereIsNotTrusted: whatever somebody has put in the place of a value is none, or of another body; who
// asks for it and for others gets those.
func TestWhatIsStoredThereIsNotTrusted(t *testing.T) {
	const page = "{folio:0}:page:list:k"
	s := start(t)
	r := open(t, redis.Config{Addrs: []string{s.Address}, Shards: 1})
	there := stored(t, r)
	whole := s.do(t, "GET", page).(string)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		b := []byte(whole)
		switch i % 3 {
		case 0:
			b = b[:random.IntN(len(b))]
		case 1:
			b[random.IntN(len(b)-len("body"))] ^= byte(1 << random.IntN(8))
		case 2:
			b = append(b[:random.IntN(len(b))], make([]byte, random.IntN(50))...)
		}
		if string(b) == whole {
			continue
		}
		s.do(t, "SET", page, string(b), "PX", 60000)
		a, err := r.Read(t.Context(), tier.Question{Tags: []uint64{7}, Keys: []tier.Key{{Name: "list:k", Home: 7}}})
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if i%3 == 1 && a.Values[0].Body != nil {
			t.Errorf("%q: %q", b, a.Values[0].Body)
		}
	}
	s.do(t, "DEL", page)
	s.do(t, "HSET", page, "a", "b")
	if there() {
		t.Error("a hash is a value")
	}
	s.do(t, "DEL", "{folio:0}:state")
	s.do(t, "SET", "{folio:0}:state", "x")
	if _, err := r.Read(t.Context(), tier.Question{Tags: []uint64{7}}); err == nil {
		t.Error("a state that is none")
	}
}

// TestFollowSaysWhereItStops: who reads a part of the log has not read it all.
func TestFollowSaysWhereItStops(t *testing.T) {
	s := start(t)
	r := open(t, redis.Config{Addrs: []string{s.Address}, Shards: 4})
	l, err := r.Follow(t.Context(), tier.Mark{Shard: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(2500) {
		bump(t, r, 4*i+3)
	}
	for heard := 0; heard < 2500; heard += len(l.Bumps) {
		if l, err = r.Follow(t.Context(), l.Until); err != nil || l.Lost || l.Until.Shard != 3 || l.More != (heard+len(l.Bumps) < 2500) {
			t.Fatalf("after %d of 2,500: %d more, lost %v, more %v, shard %d (%v)", heard, len(l.Bumps), l.Lost, l.More, l.Until.Shard, err)
		}
	}
}

// TestAServerThatIsNoMasterTellsNothing: nobody is to trust that nothing was bumped.
func TestAServerThatIsNoMasterTellsNothing(t *testing.T) {
	s := start(t)
	r := open(t, redis.Config{Addrs: []string{s.Address}})
	l, err := r.Follow(t.Context(), tier.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	if l, err = r.Follow(t.Context(), l.Until); err != nil {
		t.Fatal(err)
	}
	s.do(t, "REPLICAOF", "127.0.0.1", "1")
	if l, err := r.Follow(t.Context(), l.Until); err == nil {
		t.Errorf("%+v", l)
	}
}

// TestReadsDoNotGrowTheState: of ever other tags.
func TestReadsDoNotGrowTheState(t *testing.T) {
	s := start(t)
	r := open(t, redis.Config{Addrs: []string{s.Address}, MaxTags: 1000})
	for i := range uint64(40) {
		var tags []uint64
		for j := range uint64(500) {
			tags = append(tags, i*500+j)
		}
		if i == 0 {
			bump(t, r, tags...)
		} else if _, err := r.Read(t.Context(), tier.Question{Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.do(t, "HLEN", "{folio:0}:state").(int64); n > 2600 {
		t.Errorf("%d versions, of at most 1,000 and what one question adds", n)
	}
}

// TestWhoFollowsFencesAServer: that has become a master while connections to it were there already, of whose last bumps
// it may not know.
func TestWhoFollowsFencesAServer(t *testing.T) {
	s := start(t)
	r := open(t, redis.Config{Addrs: []string{s.Address}})
	there := stored(t, r)
	l, err := r.Follow(t.Context(), tier.Mark{})
	if err != nil {
		t.Fatal(err)
	}
	if l, err = r.Follow(t.Context(), l.Until); err != nil || l.Lost {
		t.Fatalf("%+v %v", l, err)
	}
	s.do(t, "HSET", "{folio:0}:state", "r", "of another server")
	if l, err = r.Follow(t.Context(), l.Until); err != nil || !l.Lost || there() {
		t.Errorf("%+v %v", l, err)
	}
	if l, err = r.Follow(t.Context(), l.Until); err != nil || l.Lost {
		t.Errorf("%+v %v", l, err)
	}
}

// TestItIsATierOfACluster: of three servers, over whose slots shards are spread.
func TestItIsATierOfACluster(t *testing.T) {
	var nodes []string
	for range 3 {
		nodes = append(nodes, start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000").Address)
	}
	args := append([]string{"--cluster", "create"}, append(nodes, "--cluster-yes", "--cluster-replicas", "0")...)
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	c := client.NewClusterClient(&client.ClusterOptions{Addrs: nodes})
	defer c.Close()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if info, err := c.ClusterInfo(t.Context()).Result(); err == nil && strings.Contains(info, "cluster_state:ok") && c.Set(t.Context(), "x", "y", 0).Err() == nil {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatal("the cluster does not come up")
		}
	}
	tiertest.Run(t, func(t *testing.T) tier.Tier { return open(t, redis.Config{Addrs: nodes[:1], Cluster: true, Shards: 7}) })
}

// TestAUserMayDoNoMoreThanHeMust: the permissions that the package's documentation lists are enough.
func TestAUserMayDoNoMoreThanHeMust(t *testing.T) {
	text, err := os.ReadFile("redis.go")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "ACL SETUSER folio on >SECRET ~{folio:* ")
	list, _, _ := strings.Cut(after, "package")
	allowed := slices.DeleteFunc(strings.Fields(list), func(f string) bool { return !strings.HasPrefix(f, "+") })
	s := start(t)
	user := func(name string, may []string) redis.Config {
		args := []any{"ACL", "SETUSER", name, "on", ">secret", "~{" + name + ":*"}
		for _, one := range may {
			args = append(args, one)
		}
		s.do(t, args...)
		return redis.Config{Addrs: []string{s.Address}, Username: name, Password: "secret", Prefix: name}
	}
	config := user("folio", allowed)
	tiertest.Run(t, func(t *testing.T) tier.Tier { return open(t, config) })
	few := config
	few.MaxTags = 1000
	many := make([]uint64, 3000) // so that some are forgotten
	for i := range many {
		many[i] = rand.Uint64()
	}
	for range 2 {
		if _, err := open(t, few).Read(t.Context(), tier.Question{Tags: many}); err != nil {
			t.Error(err)
		}
	}
	if _, err := open(t, redis.Config{Addrs: []string{s.Address}, Username: "folio", Password: "secret", Prefix: "other"}).Read(t.Context(), tier.Question{Tags: []uint64{1}}); err == nil {
		t.Error("he may read what is another's")
	}
	if len(allowed) < 15 {
		t.Errorf("%d permissions", len(allowed))
	}
}

func BenchmarkTier(b *testing.B) {
	r, err := redis.New(redis.Config{Addrs: []string{start(b).Address}})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	tiertest.Bench(b, r)
}
