package redis

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says where the server is, and how much of it is used.
type Config struct {
	// URL of one server, redis:// or rediss:// (TLS), as redis.ParseURL has it: redis://user:password@host:6379/0. Or Addrs:
	URL string
	// Addrs of the servers: one, the nodes of a Cluster, or with Master the Sentinels.
	Addrs              []string
	Master             string // its name, as the Sentinels know it
	Cluster            bool   // Addrs is of a Cluster, also if it is one
	Username, Password string
	DB                 int         // not of a Cluster
	TLS                *tls.Config // nil: none
	PoolSize           int         // connections to each server. Default 16

	// Prefix begins all keys, within braces: instances of one prefix are one fleet. Default folio.
	Prefix string
	// Shards is over how many slots of a Cluster keys are spread; all instances must say the same. Default 1.
	Shards int
	// MaxTTL bounds the life of values, those without an end as well. Default 24 h.
	MaxTTL time.Duration
	// LogLength is how many invalidations the log of a shard has, about: an instance that is so far behind trusts
	// nothing of before. Default 100,000, some 5 MB.
	LogLength int
	// MaxTags is of how many tags a shard has versions, at most: those of others are forgotten, and with them what
	// depends on them. Default 1,000,000, some 80 MB.
	MaxTags int
}

const (
	defaultPrefix    = "folio"
	defaultPool      = 16
	defaultMaxTTL    = 24 * time.Hour
	defaultLogLength = 100_000
	defaultMaxTags   = 1_000_000

	dialTimeout = 300 * time.Millisecond
	patience    = 5 * time.Second // for an answer, where the context allows more
	block       = 100 * time.Millisecond
	digits      = 16

	clusterReload = 2 * time.Second
)

// ErrConfig is what every fault of a config is.
var ErrConfig = errors.New("tier/redis: bad configuration")

func (c *Config) options() (*redis.UniversalOptions, error) {
	c.Prefix = cmp.Or(c.Prefix, defaultPrefix)
	c.Shards = cmp.Or(c.Shards, 1)
	c.PoolSize = cmp.Or(c.PoolSize, defaultPool)
	c.MaxTTL = cmp.Or(c.MaxTTL, defaultMaxTTL)
	c.LogLength = cmp.Or(c.LogLength, defaultLogLength)
	c.MaxTags = cmp.Or(c.MaxTags, defaultMaxTags)
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
		}
	}
	want((c.URL == "") != (len(c.Addrs) == 0), "want URL or Addrs")
	want(!strings.ContainsAny(c.Prefix, "{}"), "Prefix %q: no braces", c.Prefix)
	want(c.Shards > 0 && c.Shards <= 1024, "Shards %d: want 1 to 1024", c.Shards)
	want(c.PoolSize > 0, "PoolSize %d: want at least 1", c.PoolSize)
	want(c.MaxTTL >= time.Second, "MaxTTL %s: want at least 1s", c.MaxTTL)
	want(c.LogLength >= 100, "LogLength %d: want at least 100", c.LogLength)
	want(c.MaxTags >= 1000, "MaxTags %d: want at least 1,000", c.MaxTags)
	o := &redis.UniversalOptions{Addrs: c.Addrs, MasterName: c.Master, Username: c.Username, Password: c.Password, DB: c.DB, TLSConfig: c.TLS, IsClusterMode: c.Cluster}
	if c.URL != "" {
		one, err := redis.ParseURL(c.URL)
		if err != nil {
			want(false, "URL: %v", err)
		} else {
			o.Addrs, o.Username, o.Password, o.DB, o.TLSConfig = []string{one.Addr}, one.Username, one.Password, one.DB, one.TLSConfig
		}
	}
	o.PoolSize, o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = c.PoolSize, dialTimeout, patience, patience, patience
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries, o.ClientName, o.DisableIdentity = true, -1, 1, "folio", true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, errors.Join(faults...)
}

// connect makes a client. One of a Cluster looks more often than every minute who has what: after a failover nothing
// comes back before.
func connect(o *redis.UniversalOptions) redis.UniversalClient {
	if o.MasterName != "" || len(o.Addrs) < 2 && !o.IsClusterMode {
		return redis.NewUniversalClient(o)
	}
	c := o.Cluster()
	c.ClusterStateReloadInterval = clusterReload
	c.Addrs = slices.Clone(c.Addrs) // which the client appends to
	return redis.NewClusterClient(c)
}
