package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/disk"
	"github.com/foliocache/folio/tier/memcached"
	"github.com/foliocache/folio/tier/redis"
)

// tierConfig says what several servers share, of one database or upstream: by Redis, or by Memcached; or what one server
// has in a folder.
type tierConfig struct {
	Redis    string   `yaml:"redis,omitempty" json:"redis,omitempty" jsonschema:"description=URL of a server: redis://user:password@host:6379/0\\, rediss:// for TLS"`
	Addrs    []string `yaml:"addrs,omitempty" json:"addrs,omitempty" jsonschema:"description=Instead: the nodes of a Redis Cluster\\, or with master the Sentinels"`
	Master   string   `yaml:"master,omitempty" json:"master,omitempty"`
	Username string   `yaml:"username,omitempty" json:"username,omitempty"`
	Password string   `yaml:"password,omitempty" json:"password,omitempty"`
	Shards   int      `yaml:"shards,omitempty" json:"shards,omitempty" jsonschema:"description=Slots of a Cluster that keys are spread over. Default 1"`

	Memcached []string `yaml:"memcached,omitempty" json:"memcached,omitempty" jsonschema:"description=Instead of Redis: host:port of each Memcached\\, the same ones in all servers"`

	Disk     string `yaml:"disk,omitempty" json:"disk,omitempty" jsonschema:"description=Instead of both: a folder of this server alone\\, that still has what it has loaded when it is started anew"`
	MaxBytes size   `yaml:"max_bytes,omitempty" json:"max_bytes,omitempty" jsonschema:"description=Of the folder. Default 1GiB"`

	Keys []tierKey `yaml:"keys,omitempty" json:"keys,omitempty" jsonschema:"description=By which what is shared is sealed: the first one seals\\, each opens. Default: nothing is sealed"`

	Prefix  string        `yaml:"prefix,omitempty" json:"prefix,omitempty" jsonschema:"description=Of keys. Default folio"`
	Lease   time.Duration `yaml:"lease,omitempty" json:"lease,omitempty" jsonschema:"type=string,description=For how long after a write another server may answer with what was before it\\, whatever fails. Default 1s"`
	Timeout time.Duration `yaml:"timeout,omitempty" json:"timeout,omitempty" jsonschema:"type=string,description=For an answer of the tier. Default 150ms"`
}

// tierKey is one by which what is shared is sealed.
type tierKey struct {
	ID   string `yaml:"id" json:"id"`
	File string `yaml:"file" json:"file" jsonschema:"description=That has it: 64 hexadecimal digits\\, as openssl rand -hex 32 writes them"`
}

// keys reads them.
func (c *tierConfig) keys() (all []folio.TierKey, err error) {
	for _, k := range c.Keys {
		text, err := os.ReadFile(k.File)
		if err != nil {
			return nil, fmt.Errorf("%w: tier: key %q: %w", errUsage, k.ID, err)
		}
		secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || len(secret) != 32 || k.ID == "" {
			return nil, fmt.Errorf("%w: tier: key %q: %s: want an id, and 64 hexadecimal digits", errUsage, k.ID, k.File)
		}
		all = append(all, folio.TierKey{ID: k.ID, Secret: secret})
	}
	return all, nil
}

// open returns the tier; nil: none is configured.
func (c *tierConfig) open() (t tier.Tier, err error) {
	switch {
	case c == nil:
		return nil, nil
	case len(c.Memcached) > 0:
		t, err = memcached.New(memcached.Config{Servers: c.Memcached, Prefix: c.Prefix})
	case c.Disk != "":
		t, err = disk.Open(disk.Config{Dir: c.Disk, MaxBytes: int64(c.MaxBytes)})
	default:
		t, err = redis.New(redis.Config{URL: c.Redis, Addrs: c.Addrs, Master: c.Master, Username: c.Username, Password: c.Password, Prefix: c.Prefix, Shards: c.Shards})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: tier: %w", errUsage, err)
	}
	return t, nil
}

// check says what of it cannot work.
func (c *tierConfig) check() error {
	if c == nil {
		return nil
	}
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: tier: %s", errUsage, fmt.Sprintf(format, args...)))
		}
	}
	kinds := 0
	for _, is := range []bool{c.Redis != "" || len(c.Addrs) > 0, len(c.Memcached) > 0, c.Disk != ""} {
		if is {
			kinds++
		}
	}
	want(kinds == 1, "want one of redis or addrs, memcached, and disk")
	want(c.Disk != "" || c.MaxBytes == 0, "max_bytes is of a disk")
	want(c.MaxBytes == 0 || c.MaxBytes >= 1<<20, "max_bytes %d: want at least 1MiB", c.MaxBytes)
	want(c.Lease == 0 || c.Lease >= 300*time.Millisecond && c.Lease <= time.Minute, "lease %s: want 300ms to 1m", c.Lease)
	want(c.Timeout >= 0, "timeout %s: want no less than 0", c.Timeout)
	_, err := c.keys()
	if err := errors.Join(append(faults, err)...); err != nil || c.Disk != "" { // which may be in use
		return err
	}
	t, err := c.open()
	if err != nil {
		return err
	}
	return t.Close()
}

// share has a cache share what the tier has.
func (a *app) share(made *folio.Config) (err error) {
	if a.tier, err = a.config.Tier.open(); err != nil || a.tier == nil {
		return err
	}
	made.Tier, made.Lease, made.TierTimeout = a.tier, a.config.Tier.Lease, a.config.Tier.Timeout
	made.TierKeys, err = a.config.Tier.keys()
	return err
}

// leave ends what share began.
func (a *app) leave() error {
	if a.tier == nil {
		return nil
	}
	return a.tier.Close()
}
