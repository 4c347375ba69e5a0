package redis_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/redis"
	"github.com/foliocache/folio/tier/tiertest"
)

// link is a way to a server that can become a black hole: what is sent on it is lost, and nobody is told.
type link struct {
	listener net.Listener
	to       atomic.Pointer[string]
	hole     atomic.Bool
	mu       sync.Mutex
	open     map[net.Conn]bool
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l, open: map[net.Conn]bool{}}
	k.to.Store(&to)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go k.carry(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		k.cut()
	})
	return k
}

func (k *link) carry(c net.Conn) {
	s, err := net.Dial("tcp", *k.to.Load())
	if err != nil {
		_ = c.Close()
		return
	}
	k.mu.Lock()
	k.open[c], k.open[s] = true, true
	k.mu.Unlock()
	for _, ends := range [][2]net.Conn{{c, s}, {s, c}} {
		go func() {
			_, _ = io.Copy(&lossy{ends[0], &k.hole}, ends[1])
			_ = ends[0].Close()
		}()
	}
}

// lossy loses what is written while there is a hole.
type lossy struct {
	net.Conn
	hole *atomic.Bool
}

func (l *lossy) Write(p []byte) (int, error) {
	if l.hole.Load() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

// cut closes all connections, as a network does once it is back: what was lost on them is lost.
func (k *link) cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.open {
		_ = c.Close()
	}
	clear(k.open)
}

// fault is what befalls a server, or the way to it, and what ends that.
type fault struct {
	name       string
	begin, end func(*testing.T, *site)
}

// site is a server, another one that follows it, and the way there of each instance.
type site struct {
	main, replica *server
	links         []*link
	following     *link // the replica's way
}

func nothing(*testing.T, *site) {}

var faults = []fault{
	{"none", nothing, nothing},
	{"CLIENT KILL", func(t *testing.T, s *site) { s.main.do(t, "CLIENT", "KILL", "TYPE", "normal") }, nothing},
	{"FLUSHALL", func(t *testing.T, s *site) { s.main.do(t, "FLUSHALL") }, nothing},
	{"SIGKILL, empty", func(_ *testing.T, s *site) { s.main.kill() }, func(t *testing.T, s *site) { s.main.again(t) }},
	{"SIGSTOP", func(t *testing.T, s *site) { s.main.signal(t, syscall.SIGSTOP) }, func(t *testing.T, s *site) { s.main.signal(t, syscall.SIGCONT) }},
	{"black hole", func(_ *testing.T, s *site) { s.links[0].hole.Store(true) }, func(_ *testing.T, s *site) {
		s.links[0].hole.Store(false)
		s.links[0].cut()
	}},
	{"failover", func(t *testing.T, s *site) {
		s.following.hole.Store(true) // the last bumps do not arrive there
		time.Sleep(100 * time.Millisecond)
		s.main.kill()
		s.replica.do(t, "REPLICAOF", "NO", "ONE")
		for _, k := range s.links {
			k.to.Store(&s.replica.address)
			k.cut()
		}
	}, nothing},
}

// TestNoInstanceServesWhatIsOlderThanTheLease: 8 readers and 2 writers of two instances, and a server that what can
// befall one befalls for a third of the time. FAULTS=10s and LEASES=300ms,1s,2s for the whole table.
func TestNoInstanceServesWhatIsOlderThanTheLease(t *testing.T) {
	lasts, leases := 3*time.Second, "300ms"
	if d, err := time.ParseDuration(os.Getenv("FAULTS")); err == nil {
		lasts = d
	}
	if given := os.Getenv("LEASES"); given != "" {
		leases = given
	}
	for _, text := range strings.Split(leases, ",") {
		delta, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range faults {
			t.Run(fmt.Sprint(f.name, " ", delta), func(t *testing.T) { befall(t, f, delta, max(lasts, 6*delta)) })
		}
	}
}

func befall(t *testing.T, f fault, delta, lasts time.Duration) {
	s := &site{main: start(t)}
	if f.name == "failover" {
		s.following = newLink(t, s.main.address)
		host, port, _ := net.SplitHostPort(s.following.listener.Addr().String())
		s.replica = start(t, "--replicaof", host, port)
	}
	for range 2 {
		s.links = append(s.links, newLink(t, s.main.address))
	}
	r := rand.New(rand.NewPCG(1, 2))
	got := tiertest.Fleet{Instances: 2, Readers: 4, Writers: 1, Scopes: 20, Lease: delta, Pause: 4 * time.Millisecond, Lasts: lasts, Seed: r.Uint64(),
		Tier: func(i int) tier.Tier {
			return open(t, redis.Config{Addrs: []string{s.links[i].listener.Addr().String()}})
		},
		Load: func() time.Duration { return time.Duration(rand.IntN(3000)) * time.Microsecond },
		Begun: func(ctx context.Context, _ func(int)) {
			time.Sleep(lasts / 3)
			f.begin(t, s)
			time.Sleep(lasts / 3)
			f.end(t, s)
			<-ctx.Done()
		}}.Run(t)
	t.Log(got)
	if got.Worst > delta || got.Own > 0 {
		t.Errorf("%s, lease %s: %s", f.name, delta, got)
	}
	if got.Slowest > 150*time.Millisecond+time.Second {
		t.Errorf("a read took %s", got.Slowest)
	}
	if got.Shared == 0 || got.Acknowledged == 0 {
		t.Error("nothing was at stake")
	}
}
