package redis_test

import (
	"net"
	"testing"
	"time"

	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/redis"
	"github.com/foliocache/folio/tier/tiertest"
)

// TestNoInstanceServesWhatIsOlderThanTheLease: whatever befalls the server, see tiertest.Coherence.
func TestNoInstanceServesWhatIsOlderThanTheLease(t *testing.T) {
	var replica *server
	var following *tiertest.Link // its way to the server
	do := func(args ...any) func(*testing.T, *tiertest.Site) {
		return func(t *testing.T, s *tiertest.Site) { (&server{s.Main}).do(t, args...) }
	}
	nothing := func(*testing.T, *tiertest.Site) {}
	failover := func(t *testing.T, s *tiertest.Site) {
		following.Hole(true) // the last bumps do not arrive there
		time.Sleep(100 * time.Millisecond)
		s.Main.Kill()
		replica.do(t, "REPLICAOF", "NO", "ONE")
		for _, k := range s.Links {
			k.To(replica.Address)
			k.Cut()
		}
	}
	faults := append(tiertest.Faults(), tiertest.Fault{Name: "CLIENT KILL", Begin: do("CLIENT", "KILL", "TYPE", "normal"), End: nothing},
		tiertest.Fault{Name: "FLUSHALL", Begin: do("FLUSHALL"), End: nothing}, tiertest.Fault{Name: "failover", Begin: failover, End: nothing})
	tiertest.Coherence(t, faults, func(t *testing.T, f tiertest.Fault) *tiertest.Site {
		s := tiertest.NewSite(t, func() *tiertest.Server { return start(t).Server })
		if f.Name == "failover" {
			following = tiertest.NewLink(t, s.Main.Address)
			host, port, _ := net.SplitHostPort(following.Address)
			replica = start(t, "--replicaof", host, port)
		}
		return s
	}, func(t *testing.T, address string) tier.Tier { return open(t, redis.Config{Addrs: []string{address}}) })
}
