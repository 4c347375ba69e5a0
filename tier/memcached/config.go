package memcached

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"strings"
	"time"
)

// Config says where the servers are, and how much of them is used.
type Config struct {
	// Servers, as host:port, or the path of a socket: all instances must have the same ones, in the same order.
	Servers []string
	TLS     *tls.Config // nil: none

	// Prefix begins all keys: instances of one prefix are one fleet. At most 32 letters, digits, and -_.: Default folio.
	Prefix string
	// Connections to each server that are kept. Default 16.
	Connections int
	// MaxTTL bounds the life of values, those without an end as well; at most 29 days. Default 24 h.
	MaxTTL time.Duration
	// MaxItem is how large an item the servers take, in bytes: their -I. Default 1 MiB.
	MaxItem int
	// Poll is how often it is asked whether something was invalidated. Default 20 ms.
	Poll time.Duration
}

const (
	defaultPrefix      = "folio"
	defaultConnections = 16
	defaultMaxTTL      = 24 * time.Hour
	defaultMaxItem     = 1 << 20
	defaultPoll        = 20 * time.Millisecond

	mostTTL    = 29 * 24 * time.Hour // of 30 days on it would be a date
	mostPrefix = 32
)

// ErrConfig is what every fault of a config is.
var ErrConfig = errors.New("tier/memcached: bad configuration")

func (c *Config) check() error {
	c.Prefix = cmp.Or(c.Prefix, defaultPrefix)
	c.Connections = cmp.Or(c.Connections, defaultConnections)
	c.MaxTTL = cmp.Or(c.MaxTTL, defaultMaxTTL)
	c.MaxItem = cmp.Or(c.MaxItem, defaultMaxItem)
	c.Poll = cmp.Or(c.Poll, defaultPoll)
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
		}
	}
	strange := func(r rune) bool {
		return !strings.ContainsRune("-_.:", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	want(len(c.Servers) > 0, "want Servers")
	want(len(c.Prefix) <= mostPrefix && !strings.ContainsFunc(c.Prefix, strange), "Prefix %q: want at most %d letters, digits, and -_.:", c.Prefix, mostPrefix)
	want(c.Connections > 0, "Connections %d: want at least 1", c.Connections)
	want(c.MaxTTL >= time.Second && c.MaxTTL <= mostTTL, "MaxTTL %s: want 1s to %s", c.MaxTTL, mostTTL)
	want(c.MaxItem >= 1<<10, "MaxItem %d: want at least 1024", c.MaxItem)
	want(c.Poll >= time.Millisecond && c.Poll <= wait, "Poll %s: want 1ms to %s", c.Poll, wait)
	return errors.Join(faults...)
}

// dial connects to a server.
func (c *Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.TLS != nil {
		return (&tls.Dialer{Config: c.TLS}).DialContext(ctx, network, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// servers picks them by a hash of the key, whether they can be reached or not. Names are looked up by whoever dials.
type servers []string

// PickServer is memcache.ServerSelector's.
func (s servers) PickServer(key string) (net.Addr, error) {
	return address(s[crc32.ChecksumIEEE([]byte(key))%uint32(len(s))]), nil
}

// Each is memcache.ServerSelector's.
func (s servers) Each(do func(net.Addr) error) error {
	for _, one := range s {
		if err := do(address(one)); err != nil {
			return err
		}
	}
	return nil
}

// address is host:port, or a path.
type address string

// Network is net.Addr's.
func (a address) Network() string {
	if strings.Contains(string(a), "/") {
		return "unix"
	}
	return "tcp"
}

// String is net.Addr's.
func (a address) String() string { return string(a) }
