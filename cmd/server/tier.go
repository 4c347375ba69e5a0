package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier/redis"
)

// tierConfig says what several servers share, of one database or upstream.
type tierConfig struct {
	Redis    string        `yaml:"redis,omitempty" json:"redis,omitempty" jsonschema:"description=URL of a server: redis://user:password@host:6379/0\\, rediss:// for TLS"`
	Addrs    []string      `yaml:"addrs,omitempty" json:"addrs,omitempty" jsonschema:"description=Instead: the nodes of a Redis Cluster\\, or with master the Sentinels"`
	Master   string        `yaml:"master,omitempty" json:"master,omitempty"`
	Username string        `yaml:"username,omitempty" json:"username,omitempty"`
	Password string        `yaml:"password,omitempty" json:"password,omitempty"`
	Prefix   string        `yaml:"prefix,omitempty" json:"prefix,omitempty" jsonschema:"description=Of keys. Default folio"`
	Shards   int           `yaml:"shards,omitempty" json:"shards,omitempty" jsonschema:"description=Slots of a Cluster that keys are spread over. Default 1"`
	Lease    time.Duration `yaml:"lease,omitempty" json:"lease,omitempty" jsonschema:"type=string,description=For how long after a write another server may answer with what was before it\\, whatever fails. Default 1s"`
	Timeout  time.Duration `yaml:"timeout,omitempty" json:"timeout,omitempty" jsonschema:"type=string,description=For an answer of the tier. Default 150ms"`
}

// open returns the tier; nil: none is configured.
func (c *tierConfig) open() (*redis.Tier, error) {
	if c == nil {
		return nil, nil
	}
	t, err := redis.New(redis.Config{URL: c.Redis, Addrs: c.Addrs, Master: c.Master, Username: c.Username, Password: c.Password, Prefix: c.Prefix, Shards: c.Shards})
	if err != nil {
		return nil, fmt.Errorf("%w: tier: %w", errUsage, err)
	}
	return t, nil
}

// check says what of it cannot work.
func (c *tierConfig) check() error {
	t, err := c.open()
	if t == nil {
		return err
	}
	if c.Lease != 0 && (c.Lease < 300*time.Millisecond || c.Lease > time.Minute) || c.Timeout < 0 {
		err = fmt.Errorf("%w: tier: lease %s, timeout %s: want 300ms to 1m, and no less than 0", errUsage, c.Lease, c.Timeout)
	}
	return errors.Join(err, t.Close())
}

// share has a cache share what the tier has.
func (a *app) share(made *folio.Config) (err error) {
	if a.tier, err = a.config.Tier.open(); err != nil || a.tier == nil {
		return err
	}
	made.Tier, made.Lease, made.TierTimeout = a.tier, a.config.Tier.Lease, a.config.Tier.Timeout
	return nil
}

// leave ends what share began.
func (a *app) leave() error {
	if a.tier == nil {
		return nil
	}
	return a.tier.Close()
}
