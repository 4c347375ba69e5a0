package tier

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/foliocache/folio/tier/internal/local"
)

// Memory is a tier within one process, for tests and simulations: what instances of it would share, they share. The
// zero value is not ready: see [NewMemory].
type Memory struct {
	mu     sync.Mutex
	shards []memoryShard
	closed bool
}

type memoryShard struct {
	epoch, n uint64
	tags     map[uint64]uint64 // when each was bumped last
	values   map[string]memoryValue
	claims   local.Claims
	log      local.Log[Bump]
	holds    map[uint64]map[string]time.Time // until when, of each tag and name
}

type memoryValue struct {
	Value
	stamps []Mark // of its tags
	ends   time.Time
	born   time.Time
}

const (
	memoryLog  = 10_000 // bumps that are remembered
	memoryWait = 200 * time.Millisecond
)

// NewMemory makes an empty tier of so many shards.
func NewMemory(shards int) *Memory {
	m := &Memory{shards: make([]memoryShard, max(1, shards))}
	for i := range m.shards {
		m.shards[i].begin()
	}
	return m
}

// begin begins an epoch.
func (s *memoryShard) begin() {
	s.log.Wake()
	*s = memoryShard{epoch: 1 + rand.Uint64N(1<<62), tags: map[uint64]uint64{}, values: map[string]memoryValue{}, claims: local.Claims{}, holds: map[uint64]map[string]time.Time{}, log: local.Log[Bump]{Most: memoryLog}}
}

// Shards returns how many there are.
func (m *Memory) Shards() int { return len(m.shards) }

func (m *Memory) shardOf(tag uint64) int { return int(tag % uint64(len(m.shards))) }

func (m *Memory) ready(ctx context.Context) error {
	if m.closed {
		return ErrClosed
	}
	return ctx.Err()
}

// held has a tag's version be that no value has, while it is held.
const held = math.MaxUint64

// stamp returns what a tag's version is.
func (m *Memory) stamp(tag uint64) Mark {
	s := &m.shards[m.shardOf(tag)]
	if s.tags[tag] == held && !s.stillHeld(tag, "") {
		s.bump(Bump{Tags: []uint64{tag}})
	}
	return Mark{m.shardOf(tag), s.epoch, s.tags[tag]}
}

// Read is the interface's.
func (m *Memory) Read(ctx context.Context, q Question) (a Answer, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return a, err
	}
	touched := map[int]bool{}
	for _, t := range q.Tags {
		touched[m.shardOf(t)] = true
	}
	a.Values = make([]Value, len(q.Keys))
	for i, k := range q.Keys {
		touched[m.shardOf(k.Home)] = true
		a.Values[i] = m.value(k)
	}
	if q.Claim > 0 && len(q.Keys) > 0 && a.Values[0].Body == nil {
		s := &m.shards[m.shardOf(q.Keys[0].Home)]
		a.Claimed = s.claims.Take(q.Keys[0].Name, q.By, s.n, q.Claim, func(at uint64) bool {
			return !slices.ContainsFunc(q.Tags, func(t uint64) bool { return m.shardOf(t) == m.shardOf(q.Keys[0].Home) && s.tags[t] > at })
		})
	}
	for _, shard := range slices.Sorted(maps.Keys(touched)) {
		a.Moment = append(a.Moment, Mark{shard, m.shards[shard].epoch, m.shards[shard].n})
	}
	return a, nil
}

// value returns what is stored under a key and current.
func (m *Memory) value(k Key) Value {
	v, ok := m.shards[m.shardOf(k.Home)].values[k.Name]
	if !ok {
		return Value{}
	}
	for i, stamp := range v.stamps {
		if stamp != m.stamp(v.Tags[i]) {
			return Value{}
		}
	}
	if !v.ends.IsZero() {
		if v.TTL = time.Until(v.ends); v.TTL <= 0 {
			return Value{}
		}
	}
	v.Age = time.Since(v.born)
	return v.Value
}

// Write is the interface's.
func (m *Memory) Write(ctx context.Context, by string, after Moment, values []Value) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	var faults []error
	for _, v := range values {
		m.shards[m.shardOf(v.Key.Home)].claims.End(v.Key.Name, by)
		if v.Body == nil {
			continue
		}
		if err := v.Check(); err != nil {
			faults = append(faults, err)
			continue
		}
		stored, ok := memoryValue{Value: v, born: time.Now().Add(-v.Age)}, true
		for _, t := range v.Tags {
			now := m.stamp(t)
			at, known := after.Of(now.Shard)
			ok = ok && known && at.Epoch == now.Epoch && now.N <= at.N
			stored.stamps = append(stored.stamps, now)
		}
		if v.TTL > 0 {
			stored.ends = time.Now().Add(v.TTL)
		}
		if ok {
			m.shards[m.shardOf(v.Key.Home)].values[v.Key.Name] = stored
		}
	}
	return errors.Join(faults...)
}

// bump outdates tags, but for those that are held, which are outdated.
func (s *memoryShard) bump(b Bump) {
	s.n++
	for _, t := range b.Tags {
		if s.tags[t] = s.n; len(s.holds[t]) > 0 {
			s.tags[t] = held
		}
	}
	s.log.Add(b)
}

// stillHeld ends what a name holds of a tag, and holds whose time is over, and reports whether there are others.
func (s *memoryShard) stillHeld(tag uint64, by string) bool {
	all := s.holds[tag]
	delete(all, by)
	maps.DeleteFunc(all, func(_ string, until time.Time) bool { return !time.Now().Before(until) })
	if len(all) == 0 {
		delete(s.holds, tag)
	}
	return len(all) > 0
}

// Bump is the interface's.
func (m *Memory) Bump(ctx context.Context, by string, tags []uint64) (Moment, error) {
	return m.change(ctx, by, tags, func(*memoryShard, uint64) {})
}

// Hold is Holder's.
func (m *Memory) Hold(ctx context.Context, by string, tags []uint64, d time.Duration) (Moment, error) {
	until := time.Now().Add(d)
	return m.change(ctx, by, tags, func(s *memoryShard, tag uint64) {
		if s.holds[tag] == nil {
			s.holds[tag] = map[string]time.Time{}
		}
		s.holds[tag][by] = until
	})
}

// Release is Holder's.
func (m *Memory) Release(ctx context.Context, by string, tags []uint64) (Moment, error) {
	return m.change(ctx, by, tags, func(s *memoryShard, tag uint64) { s.stillHeld(tag, by) })
}

// change bumps tags, after something was done about each.
func (m *Memory) change(ctx context.Context, by string, tags []uint64, first func(s *memoryShard, tag uint64)) (at Moment, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	parts := map[int][]uint64{}
	for _, t := range tags {
		parts[m.shardOf(t)] = append(parts[m.shardOf(t)], t)
	}
	for shard, tags := range parts {
		s := &m.shards[shard]
		for _, t := range tags {
			first(s, t)
		}
		s.bump(Bump{by, tags})
		at = append(at, Mark{shard, s.epoch, s.n})
	}
	return at, nil
}

// Follow is the interface's.
func (m *Memory) Follow(ctx context.Context, since Mark) (Log, error) {
	for waited := false; ; waited = true {
		m.mu.Lock()
		if err := m.ready(ctx); err != nil {
			m.mu.Unlock()
			return Log{}, err
		}
		s := &m.shards[since.Shard]
		l := Log{Until: Mark{since.Shard, s.epoch, s.n}}
		bumps, more, ok := s.log.Since(s.n - since.N)
		if l.Lost = since.Epoch != 0 && (since.Epoch != s.epoch || !ok); since.Epoch == s.epoch {
			l.Bumps = bumps
		}
		m.mu.Unlock()
		if waited || since.Epoch == 0 || l.Lost || len(l.Bumps) > 0 {
			return l, nil
		}
		local.Wait(ctx, more, memoryWait)
	}
}

// Flush is the interface's.
func (m *Memory) Flush(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return err
	}
	for i := range m.shards {
		m.shards[i].begin()
	}
	return nil
}

// Close is the interface's.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		for i := range m.shards {
			m.shards[i].log.Wake()
		}
	}
	return nil
}
