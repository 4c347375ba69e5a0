// Package disk is a tier in a folder, for one process: more than fits in memory, and there again when it is started anew.
//
//	kept, err := disk.Open(disk.Config{Dir: "/var/cache/app/pages"})
//	defer kept.Close()
//	cache, err := folio.New(folio.Config{MaxBytes: 256 << 20, Tier: kept})
//
// What was bumped is in the file before Bump returns, so the process may be killed at any time. After a loss of power only
// what Close has left is used: else the file begins empty. Of what others write while no process runs, nobody hears: as
// with folio.Config.Dir.
package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/foliocache/folio/internal/snapshot"
	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/internal/local"
)

// Config says where the file is, and how large it gets.
type Config struct {
	Dir string // a folder of its own, which is made if need be
	// MaxBytes bounds what is stored, keys and values; the file is some 1.5 times as large. Default 1 GiB.
	MaxBytes int64
	// MaxTTL bounds the life of values, those without an end as well. Default 24 h.
	MaxTTL time.Duration
	// MaxTags is of how many tags there are versions, at most: those of others are forgotten, and with them what depends
	// on them. Default 1,000,000, some 40 MB.
	MaxTags int
}

const (
	defaultMaxBytes = 1 << 30
	defaultMaxTTL   = 24 * time.Hour
	defaultMaxTags  = 1_000_000

	logLength  = 10_000
	followWait = 200 * time.Millisecond
	lockWait   = 100 * time.Millisecond
)

// Errors of Open and of all calls after.
var (
	ErrConfig  = errors.New("tier/disk: bad configuration")
	ErrInUse   = errors.New("tier/disk: in use by another process")
	ErrDamaged = errors.New("tier/disk: the file is damaged, and begins empty when it is opened again")
)

// Tier is a tier.Tier in a file, of one shard. Safe for concurrent use; several caches of a process can share it.
type Tier struct {
	config Config
	file   string
	lock   *os.File
	db     *bbolt.DB
	writer chan struct{} // has one of whoever may write

	bumping sync.Mutex // held by who bumps
	mu      sync.Mutex // guards the rest
	log     local.Log[tier.Bump]
	claims  local.Claims
	at      tier.Mark // as the log has it
	closed  bool
	damaged atomic.Bool

	read visits
}

var _ tier.Tier = (*Tier)(nil)

// Open opens what is in a folder, or begins. Close it. What another process has open is an ErrInUse; what is damaged, or was
// not closed before a loss of power, is removed.
func Open(config Config) (*Tier, error) {
	config.MaxBytes = cmp.Or(config.MaxBytes, defaultMaxBytes)
	config.MaxTTL = cmp.Or(config.MaxTTL, defaultMaxTTL)
	config.MaxTags = cmp.Or(config.MaxTags, defaultMaxTags)
	if config.Dir == "" || config.MaxBytes < 1<<20 || config.MaxTTL < time.Second || config.MaxTags < 1000 {
		return nil, fmt.Errorf("%w: Dir %q, MaxBytes %d, MaxTTL %s, MaxTags %d: want a folder, at least 1 MiB, 1s, and 1,000", ErrConfig, config.Dir, config.MaxBytes, config.MaxTTL, config.MaxTags)
	}
	t := &Tier{config: config, file: filepath.Join(config.Dir, "pages.db"), claims: local.Claims{}, log: local.Log[tier.Bump]{Most: logLength}, read: newVisits()}
	lock, err := snapshot.Lock(config.Dir)
	if errors.Is(err, snapshot.ErrInUse) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, config.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: Dir: %w", ErrConfig, err)
	}
	t.lock, t.writer = lock, make(chan struct{}, 1)
	if err = t.open(); useless(err) {
		err = errors.Join(t.remove(), t.open())
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return t, nil
}

// useless reports whether an error says of a file that it is none, or not to be trusted.
func useless(err error) bool {
	for _, is := range []error{errUnclean, errFormat, ErrDamaged, berrors.ErrInvalid, berrors.ErrChecksum, berrors.ErrVersionMismatch} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// open opens the file, if it can be used.
func (t *Tier) open() (err error) {
	defer t.recovered(&err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	t.damaged.Store(false)
	options := *bbolt.DefaultOptions
	options.Timeout, options.NoSync, options.FreelistType = lockWait, true, bbolt.FreelistMapType
	if t.db, err = bbolt.Open(t.file, 0o600, &options); err != nil {
		return fmt.Errorf("tier/disk: %s: %w", t.file, err)
	}
	err = t.transact(context.Background(), t.db.Update, func(s *state) error {
		boot, known := snapshot.BootID()
		if !s.clean && (!known || s.boot != boot) {
			return errUnclean
		}
		s.clean, s.boot, t.at = false, boot, s.mark()
		return nil
	})
	if err == nil {
		err = t.db.Sync() // that it is open
	}
	if err != nil {
		err = errors.Join(err, t.db.Close())
	}
	return err
}

var errUnclean = errors.New("it was not closed before the machine stopped")

func (t *Tier) remove() error {
	if err := os.Remove(t.file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// recovered makes an error of a panic: what a damaged file has bbolt do.
func (t *Tier) recovered(err *error) {
	if v := recover(); v != nil {
		t.damaged.Store(true)
		*err = fmt.Errorf("%w: %s: %v", ErrDamaged, t.file, v)
	}
}

// update does something in a transaction that may write, in its turn, unless the file was marked as whole.
func (t *Tier) update(ctx context.Context, what func(*state) error) error {
	select {
	case t.writer <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-t.writer }()
	return t.transact(ctx, t.db.Update, func(s *state) error {
		if s.clean {
			return tier.ErrClosed
		}
		return what(s)
	})
}

// transact does something in a transaction.
func (t *Tier) transact(ctx context.Context, transact func(func(*bbolt.Tx) error) error, what func(*state) error) (err error) {
	defer t.recovered(&err)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if t.damaged.Load() {
		return ErrDamaged
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of a file that somebody has cut off
	err = transact(func(tx *bbolt.Tx) error {
		s, err := begin(tx)
		if err == nil {
			err = what(s)
		}
		if err == nil && tx.Writable() {
			err = s.end()
		}
		return err
	})
	switch {
	case errors.Is(err, berrors.ErrDatabaseNotOpen), errors.Is(err, tier.ErrClosed):
		return tier.ErrClosed
	case err != nil && !errors.Is(err, ErrDamaged):
		return fmt.Errorf("tier/disk: %w", err)
	}
	return err
}

// Shards returns 1.
func (t *Tier) Shards() int { return 1 }

// Read is tier.Tier's.
func (t *Tier) Read(ctx context.Context, q tier.Question) (a tier.Answer, err error) {
	missing := false
	err = t.transact(ctx, t.db.View, func(s *state) error {
		now := time.Now()
		a.Moment, a.Values = tier.Moment{s.mark()}, make([]tier.Value, len(q.Keys))
		for i, k := range q.Keys {
			if a.Values[i] = s.value(k, now); a.Values[i].Body != nil {
				t.read.visit(k.Name)
			}
		}
		for _, tag := range q.Tags {
			missing = missing || s.version(tag) == 0
		}
		if q.Claim == 0 || len(q.Keys) == 0 || a.Values[0].Body != nil {
			return nil
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		a.Claimed = t.claims.Take(q.Keys[0].Name, q.By, s.n, q.Claim, func(claimed uint64) bool {
			for _, tag := range q.Tags {
				if s.version(tag) > claimed {
					return false
				}
			}
			return true
		})
		return nil
	})
	if err == nil && missing && len(t.writer) == 0 { // they get the versions of now: what is loaded after can be stored, whatever is bumped meanwhile
		err = t.update(ctx, func(s *state) error {
			for _, tag := range q.Tags {
				if _, err := s.give(tag); err != nil {
					return err
				}
			}
			return s.forget(t.config.MaxTags, len(q.Tags))
		})
	}
	return a, err
}

// Write is tier.Tier's.
func (t *Tier) Write(ctx context.Context, by string, after tier.Moment, values []tier.Value) error {
	t.mu.Lock()
	for i := range values {
		t.claims.End(values[i].Key.Name, by)
	}
	t.mu.Unlock()
	at, ok := after.Of(0)
	now := time.Now() // as of which values are as old as they say
	var faults []error
	for i := range values {
		v := &values[i]
		if v.Body == nil {
			continue
		}
		if err := v.Check(); err != nil {
			faults = append(faults, err)
		} else if ok {
			faults = append(faults, t.update(ctx, func(s *state) error { return t.write(s, at, v, now) }))
		}
	}
	return errors.Join(faults...)
}

func (t *Tier) write(s *state, after tier.Mark, v *tier.Value, now time.Time) error {
	if s.epoch != after.Epoch {
		return nil
	}
	versions := make([]uint64, len(v.Tags))
	for i, tag := range v.Tags {
		var err error
		if versions[i], err = s.give(tag); err != nil || versions[i] > after.N {
			return err
		}
	}
	life := v.Life(t.config.MaxTTL)
	item := seal(v, s.epoch, versions, life, now)
	if int64(len(v.Key.Name)+len(item)) > t.config.MaxBytes/2 {
		return tier.ErrValue
	}
	if err := s.evict(t.config.MaxBytes-int64(len(v.Key.Name)+len(item)), t.read); err != nil { // first, or it might go itself
		return err
	}
	if err := s.put(v.Key.Name, item); err != nil {
		return err
	}
	return s.forget(t.config.MaxTags, len(v.Tags))
}

// Bump is tier.Tier's.
func (t *Tier) Bump(ctx context.Context, by string, tags []uint64) (tier.Moment, error) {
	if len(tags) > tier.MaxTags {
		return nil, tier.ErrValue
	}
	t.bumping.Lock() // for the log has them in order
	defer t.bumping.Unlock()
	var at tier.Mark
	err := t.update(ctx, func(s *state) error {
		at = s.next()
		for _, tag := range tags {
			if err := s.set(tag, s.n); err != nil {
				return err
			}
		}
		return s.forget(t.config.MaxTags, len(tags))
	})
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = at
	t.log.Add(tier.Bump{By: by, Tags: slices.Clone(tags)})
	return tier.Moment{at}, nil
}

// Flush is tier.Tier's. What is outdated goes as place is needed.
func (t *Tier) Flush(ctx context.Context) error {
	t.bumping.Lock()
	defer t.bumping.Unlock()
	var at tier.Mark
	err := t.update(ctx, func(s *state) error {
		s.epoch = newEpoch()
		at = s.mark()
		return nil
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.claims = at, local.Claims{}
	t.log.Wake()
	t.log = local.Log[tier.Bump]{Most: logLength}
	return nil
}

// Follow is tier.Tier's.
func (t *Tier) Follow(ctx context.Context, since tier.Mark) (tier.Log, error) {
	for waited := false; ; waited = true {
		if ctx.Err() != nil {
			return tier.Log{}, context.Cause(ctx)
		}
		t.mu.Lock()
		if t.closed || t.damaged.Load() {
			defer t.mu.Unlock()
			return tier.Log{}, t.over()
		}
		l := tier.Log{Until: t.at}
		bumps, more, ok := t.log.Since(t.at.N - since.N)
		if l.Lost = since.Epoch != 0 && (since.Epoch != t.at.Epoch || !ok); since.Epoch == t.at.Epoch {
			l.Bumps = bumps
		}
		t.mu.Unlock()
		if waited || since.Epoch == 0 || l.Lost || len(l.Bumps) > 0 {
			return l, nil
		}
		local.Wait(ctx, more, followWait)
	}
}

// Size is tier.Sizer's: names and values, and MaxBytes.
func (t *Tier) Size(ctx context.Context) (used, most int64, err error) {
	err = t.transact(ctx, t.db.View, func(s *state) error { used = int64(s.bytes); return nil })
	return used, t.config.MaxBytes, err
}

// over says why nothing goes on.
func (t *Tier) over() error {
	if t.damaged.Load() {
		return ErrDamaged
	}
	return tier.ErrClosed
}

// Close leaves the file as it is to be found again, also after a loss of power.
func (t *Tier) Close() (err error) {
	t.mu.Lock()
	was := t.closed
	t.closed = true
	t.log.Wake()
	t.mu.Unlock()
	if was {
		return nil
	}
	if !t.damaged.Load() {
		err = t.db.Sync()
	}
	if err == nil && !t.damaged.Load() {
		if err = t.update(context.Background(), func(s *state) error { s.clean = true; return nil }); err == nil {
			err = t.db.Sync()
		}
	}
	if err = errors.Join(err, t.db.Close()); t.damaged.Load() {
		err = errors.Join(err, t.remove())
	}
	return errors.Join(err, t.lock.Close())
}

func newEpoch() uint64 { return 1 + rand.Uint64N(1<<62) }
