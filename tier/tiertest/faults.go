package tiertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/foliocache/folio/tier"
)

// Site is a server, and the way there of each of two instances.
type Site struct {
	Main  *Server
	Links [2]*Link
}

// NewSite starts the server of a site.
func NewSite(t *testing.T, start func() *Server) *Site {
	s := &Site{Main: start()}
	for i := range s.Links {
		s.Links[i] = NewLink(t, s.Main.Address)
	}
	return s
}

// Fault is what befalls a site, and what ends that.
type Fault struct {
	Name       string
	Begin, End func(*testing.T, *Site)
}

func nothing(*testing.T, *Site) {}

// Faults are what can befall any server.
func Faults() []Fault {
	return []Fault{
		{"none", nothing, nothing},
		{"SIGKILL, empty", func(_ *testing.T, s *Site) { s.Main.Kill() }, func(t *testing.T, s *Site) { s.Main.Again(t) }},
		{"SIGSTOP", func(t *testing.T, s *Site) { s.Main.Signal(t, syscall.SIGSTOP) }, func(t *testing.T, s *Site) { s.Main.Signal(t, syscall.SIGCONT) }},
		{"black hole", func(_ *testing.T, s *Site) { s.Links[0].Hole(true) }, func(_ *testing.T, s *Site) {
			s.Links[0].Hole(false)
			s.Links[0].Cut()
		}},
		{"cut", func(_ *testing.T, s *Site) { s.Links[0].Cut() }, func(_ *testing.T, s *Site) { s.Links[1].Cut() }},
	}
}

// Coherence has 8 readers and 2 writers of two instances share a server that a fault befalls for a third of the time,
// each fault with each lease: nobody serves what is older than that. FAULTS=10s and LEASES=300ms,1s,2s for longer runs and
// further leases.
func Coherence(t *testing.T, faults []Fault, site func(*testing.T, Fault) *Site, open func(t *testing.T, address string) tier.Tier) {
	lasts, leases := 3*time.Second, "300ms"
	if d, err := time.ParseDuration(os.Getenv("FAULTS")); err == nil {
		lasts = d
	}
	if given := os.Getenv("LEASES"); given != "" {
		leases = given
	}
	for _, text := range strings.Split(leases, ",") {
		lease, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range faults {
			t.Run(fmt.Sprint(f.Name, " ", lease), func(t *testing.T) {
				befall(t, f, site(t, f), open, lease, max(lasts, 6*lease))
			})
		}
	}
}

func befall(t *testing.T, f Fault, s *Site, open func(*testing.T, string) tier.Tier, lease, lasts time.Duration) {
	got := Fleet{Instances: 2, Readers: 4, Writers: 1, Scopes: 20, Lease: lease, Pause: 4 * time.Millisecond, Lasts: lasts, Seed: 1,
		Tier: func(i int) tier.Tier { return open(t, s.Links[i].Address) },
		Load: func() time.Duration { return time.Duration(rand.IntN(3000)) * time.Microsecond },
		Begun: func(ctx context.Context, _ func(int)) {
			time.Sleep(lasts / 3)
			f.Begin(t, s)
			time.Sleep(lasts / 3)
			f.End(t, s)
			<-ctx.Done()
		}}.Run(t)
	t.Log(got)
	if got.Worst > lease || got.Own > 0 {
		t.Errorf("%s, lease %s: %s", f.Name, lease, got)
	}
	if got.Slowest > 150*time.Millisecond+time.Second {
		t.Errorf("a read took %s", got.Slowest)
	}
	if got.Shared == 0 || got.Acknowledged == 0 {
		t.Error("nothing was at stake")
	}
}
