// Package redis is a tier on Redis 6.2 or later: standalone, behind Sentinel, or a Cluster.
//
//	shared, err := redis.New(redis.Config{URL: "redis://localhost:6379"})
//	cache, err := folio.New(folio.Config{MaxBytes: 256 << 20, Tier: shared})
//
// Each shard has a hash of its tags' versions, a stream that is the log, and the values. All of them may be evicted: any
// maxmemory-policy will do, volatile-lru keeps hash and log longest. A user of the server needs
//
//	ACL SETUSER folio on >SECRET ~{folio:* +evalsha +eval +get +set +del +pttl +time +info +hello +client|setname
//	    +hget +hset +hsetnx +hmget +hincrby +hlen +hdel +hrandfield +xadd +xread
package redis

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/foliocache/folio/tier"
)

// Tier is a tier.Tier on Redis. Safe for concurrent use.
type Tier struct {
	config Config
	main   redis.UniversalClient
	log    redis.UniversalClient // with connections of its own: who follows occupies one
}

var _ tier.Tier = (*Tier)(nil)

// New connects to a server. That it cannot be reached is no error: it may come back.
func New(config Config) (*Tier, error) {
	options, err := config.options()
	if err != nil {
		return nil, err
	}
	t := &Tier{config: config}
	options.OnConnect = t.fence
	t.main = connect(options)
	following := *options
	following.PoolSize, following.MinIdleConns = config.Shards+1, 0
	t.log = connect(&following)
	return t, nil
}

// fence has a server that is not the one of before, or was started again, begin another epoch, before a connection to
// it is used: it may not know of the last bumps.
func (t *Tier) fence(ctx context.Context, c *redis.Conn) error {
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("tier/redis: INFO server: %w", err)
	}
	_, run, _ := strings.Cut(info, "run_id:")
	if run, _, _ = strings.Cut(run, "\r\n"); run == "" {
		return errors.New("tier/redis: INFO server has no run_id")
	}
	for shard := range t.config.Shards {
		err := fenceScript.Eval(ctx, c, []string{t.state(shard)}, newEpoch(), run).Err()
		if err != nil && !redis.HasErrorPrefix(err, "MOVED") && !redis.HasErrorPrefix(err, "ASK") && !redis.HasErrorPrefix(err, "READONLY") { // it is elsewhere
			return fmt.Errorf("tier/redis: %w", err)
		}
	}
	return nil
}

// newEpoch returns one that never was, as 16 hexadecimal digits.
func newEpoch() string { return fmt.Sprintf("%016x", 1+rand.Uint64N(1<<63)) }

func (t *Tier) shardOf(tag uint64) int { return int(tag % uint64(t.config.Shards)) }
func (t *Tier) key(shard int, s string) string {
	return "{" + t.config.Prefix + ":" + strconv.Itoa(shard) + "}:" + s
}
func (t *Tier) state(shard int) string  { return t.key(shard, "state") }
func (t *Tier) stream(shard int) string { return t.key(shard, "log") }

// name writes a tag as the server knows it.
func name(tag uint64) string { return string(binary.BigEndian.AppendUint64(nil, tag)) }

// Shards returns how many there are.
func (t *Tier) Shards() int { return t.config.Shards }

// part is what of a read lies in one shard.
type part struct {
	tags    []uint64
	keys    []int // places in the read
	mark    tier.Mark
	claimed bool
	now     map[uint64]string // versions of tags
	values  []stored
}

// byShard are the parts of some shards.
type byShard map[int]*part

// of returns a shard's, which begins if there is none.
func (p byShard) of(shard int) *part {
	if p[shard] == nil {
		p[shard] = &part{}
	}
	return p[shard]
}

// parts has tags by their shards.
func (t *Tier) parts(tags []uint64) byShard {
	all := byShard{}
	for _, tag := range tags {
		p := all.of(t.shardOf(tag))
		p.tags = append(p.tags, tag)
	}
	return all
}

// stored is a value as the server has it.
type stored struct {
	body []byte
	left time.Duration
}

// Read is tier.Tier's: one round trip to each shard that tags and keys lie in, side by side, and one more where values
// depend on tags of further shards.
func (t *Tier) Read(ctx context.Context, q tier.Question) (a tier.Answer, err error) {
	parts := t.parts(q.Tags)
	for i := range q.Keys {
		p := parts.of(t.shardOf(q.Keys[i].Home))
		p.keys = append(p.keys, i)
	}
	if err := each(parts, func(shard int, p *part) error { return t.read(ctx, shard, p, &q) }); err != nil {
		return a, err
	}
	a.Values = make([]tier.Value, len(q.Keys))
	for _, p := range parts {
		a.Moment = append(a.Moment, p.mark)
		a.Claimed = a.Claimed || p.claimed
		for i, at := range p.keys {
			if v := p.values[i]; v.body != nil {
				one := tier.Value{Key: q.Keys[at], TTL: v.left}
				if t.open(&one, v.body); slices.Contains(one.Tags, one.Key.Home) { // else nobody has written that
					a.Values[at] = one
				}
			}
		}
	}
	return a, errors.Join(t.elsewhere(ctx, parts, a.Values), t.end(ctx, overdue(parts)))
}

// each does something for all parts, side by side.
func each(parts byShard, do func(int, *part) error) error {
	if len(parts) == 1 {
		for shard, p := range parts {
			return do(shard, p)
		}
	}
	var g errgroup.Group
	for shard, p := range parts {
		g.Go(func() error { return do(shard, p) })
	}
	return g.Wait()
}

// read asks one shard.
func (t *Tier) read(ctx context.Context, shard int, p *part, q *tier.Question) error {
	keys, args := []string{t.state(shard), t.key(shard, "claim:")}, []any{newEpoch(), 0, q.By, t.config.MaxTags}
	if q.Claim > 0 && len(p.keys) > 0 && p.keys[0] == 0 {
		keys[1], args[1] = t.claim(shard, q.Keys[0].Name), q.Claim.Milliseconds()
	}
	for _, i := range p.keys {
		keys = append(keys, t.page(shard, q.Keys[i].Name))
	}
	for _, tag := range p.tags {
		args = append(args, name(tag))
	}
	out, err := readScript.Run(ctx, t.main, keys, args...).Slice()
	if err != nil {
		return failed(err)
	}
	if err := wrong(out, 3+len(p.tags)+2*len(p.keys)); err != nil {
		return err
	}
	if p.mark, err = mark(shard, out[0], out[1]); err != nil {
		return err
	}
	p.claimed = out[2] == int64(1)
	p.now = map[uint64]string{}
	for i, tag := range p.tags {
		p.now[tag], _ = out[3+i].(string)
	}
	for rest := out[3+len(p.tags):]; len(rest) > 0; rest = rest[2:] {
		left, _ := rest[0].(int64)
		s := stored{left: time.Duration(left) * time.Millisecond}
		if body, ok := rest[1].(string); ok && left > 0 { // it has an end, and that is not now
			s.body = []byte(body)
		}
		p.values = append(p.values, s)
	}
	return nil
}

// wrong says that there are not as many answers as there ought to be.
func wrong(out []any, want int) error {
	if len(out) == want {
		return nil
	}
	return fmt.Errorf("tier/redis: %d answers, not %d", len(out), want)
}

func (t *Tier) page(shard int, name string) string  { return t.key(shard, "page:"+name) }
func (t *Tier) claim(shard int, name string) string { return t.key(shard, "claim:"+name) }

// mark reads an epoch and a count.
func mark(shard int, e, n any) (tier.Mark, error) {
	text, _ := e.(string)
	epoch, err := strconv.ParseUint(text, 16, 64)
	count, _ := n.(string)
	number, wrong := strconv.ParseUint(count, 10, 64)
	if err = errors.Join(err, wrong); err != nil || epoch == 0 || len(count) != digits {
		return tier.Mark{}, fmt.Errorf("tier/redis: shard %d: epoch %q, count %q: not what this package writes", shard, text, count)
	}
	return tier.Mark{Shard: shard, Epoch: epoch, N: number}, nil
}

const (
	prefixSize = 1 + digits + 2          // of what the script has looked at: the epoch, the number of tags
	ownSize    = 8 + digits              // of a tag
	otherSize  = 2 + 8 + digits + digits // shard, tag, epoch, version
	livedSize  = 8 + 8 + 8               // how long it was to live when it was written, and how old it was, in ms, and their hash
)

// open reads a value, but for whether its tags of other shards are current.
func (t *Tier) open(v *tier.Value, b []byte) {
	own := int(binary.BigEndian.Uint16(b[1+digits:]))
	b = b[prefixSize:]
	for ; own > 0 && len(b) >= ownSize; own-- {
		v.Tags = append(v.Tags, binary.BigEndian.Uint64(b))
		b = b[ownSize:]
	}
	v.Body = b
}

// elsewhere takes values away that depend on a tag of another shard which was bumped, and cuts off what says on which.
func (t *Tier) elsewhere(ctx context.Context, parts byShard, values []tier.Value) error {
	missing := byShard{}
	walk := func(do func(i int, tag uint64, shard int, stamp string)) {
		for i := range values {
			b := values[i].Body
			if b == nil {
				continue
			}
			if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b))*otherSize {
				values[i] = tier.Value{Key: values[i].Key}
				continue
			}
			for n := range int(binary.BigEndian.Uint16(b)) {
				one := b[2+n*otherSize:]
				do(i, binary.BigEndian.Uint64(one[2:]), int(binary.BigEndian.Uint16(one)), string(one[10:otherSize]))
			}
		}
	}
	walk(func(_ int, tag uint64, shard int, _ string) {
		if p := parts[shard]; shard < t.config.Shards && (p == nil || p.now[tag] == "") {
			if p := missing.of(shard); !slices.Contains(p.tags, tag) {
				p.tags = append(p.tags, tag)
			}
		}
	})
	if len(missing) > 0 {
		if err := each(missing, func(shard int, p *part) error { return t.read(ctx, shard, p, new(tier.Question)) }); err != nil {
			return err
		}
	}
	bad := make([]bool, len(values))
	walk(func(i int, tag uint64, shard int, stamp string) {
		same := false
		for _, p := range []*part{parts[shard], missing[shard]} {
			same = same || p != nil && p.now[tag] != "" && fmt.Sprintf("%016x", p.mark.Epoch)+p.now[tag] == stamp
		}
		bad[i] = bad[i] || !same
		values[i].Tags = append(values[i].Tags, tag)
	})
	for i := range values {
		b := values[i].Body
		if b != nil {
			b = b[2+int(binary.BigEndian.Uint16(b))*otherSize:]
		}
		if b == nil || bad[i] || len(b) < livedSize || xxh3.Hash(b[:16]) != binary.BigEndian.Uint64(b[16:]) {
			values[i] = tier.Value{Key: values[i].Key}
			continue
		}
		life, age := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
		values[i].Age, values[i].Body = time.Duration(age+life)*time.Millisecond-values[i].TTL, b[livedSize:]
	}
	return nil
}

// Write is tier.Tier's: one round trip for each value, and one before where it depends on tags of several shards.
func (t *Tier) Write(ctx context.Context, by string, after tier.Moment, values []tier.Value) error {
	var faults []error
	for i := range values {
		if err := t.write(ctx, by, after, &values[i]); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (t *Tier) write(ctx context.Context, by string, after tier.Moment, v *tier.Value) error {
	home := t.shardOf(v.Key.Home)
	if v.Body == nil {
		return t.release(ctx, by, v)
	}
	if err := v.Check(); err != nil {
		return err
	}
	at, ok := after.Of(home)
	if !ok {
		return t.release(ctx, by, v)
	}
	life := v.Life(t.config.MaxTTL)
	others := t.parts(v.Tags)
	own := others.of(home).tags
	delete(others, home)
	stamps, err := t.stamps(ctx, after, others)
	if errors.Is(err, errOver) {
		return t.end(ctx, v.Tags)
	}
	if err != nil {
		return err
	}
	if stamps == nil {
		return t.release(ctx, by, v)
	}
	lived := binary.BigEndian.AppendUint64(nil, uint64(life.Milliseconds()))
	lived = binary.BigEndian.AppendUint64(lived, uint64(max(0, v.Age.Milliseconds())+1))
	stamps = append(stamps, binary.BigEndian.AppendUint64(lived, xxh3.Hash(lived))...)
	args := []any{newEpoch(), fmt.Sprintf("%016x", at.Epoch), fmt.Sprintf("%016d", at.N), life.Milliseconds(), string(stamps) + string(v.Body), by}
	for _, tag := range own {
		args = append(args, name(tag))
	}
	stored, err := writeScript.Run(ctx, t.main, []string{t.state(home), t.page(home, v.Key.Name), t.claim(home, v.Key.Name)}, args...).Int()
	if err == nil && stored == 2 {
		return t.end(ctx, v.Tags)
	}
	return failed(err)
}

// release ends a claim to load a value.
func (t *Tier) release(ctx context.Context, by string, v *tier.Value) error {
	return failed(releaseScript.Run(ctx, t.main, []string{t.claim(t.shardOf(v.Key.Home), v.Key.Name)}, by).Err())
}

// stamps writes what a value says of its tags of other shards; nil: one may have been bumped since.
func (t *Tier) stamps(ctx context.Context, after tier.Moment, parts byShard) ([]byte, error) {
	if len(parts) > 0 {
		if err := each(parts, func(shard int, p *part) error { return t.read(ctx, shard, p, new(tier.Question)) }); err != nil {
			return nil, err
		}
	}
	if len(overdue(parts)) > 0 {
		return nil, errOver
	}
	b, n := []byte{0, 0}, 0
	for shard, p := range parts {
		at, ok := after.Of(shard)
		if !ok || at.Epoch != p.mark.Epoch {
			return nil, nil
		}
		for _, tag := range p.tags {
			if p.now[tag] > fmt.Sprintf("%016d", at.N) {
				return nil, nil
			}
			b = binary.BigEndian.AppendUint16(b, uint16(shard))
			b = binary.BigEndian.AppendUint64(b, tag)
			b = append(fmt.Appendf(b, "%016x", p.mark.Epoch), p.now[tag]...)
			n++
		}
	}
	binary.BigEndian.PutUint16(b, uint16(n))
	return b, nil
}

// Bump is tier.Tier's.
func (t *Tier) Bump(ctx context.Context, by string, tags []uint64) (tier.Moment, error) {
	return t.bump(ctx, by, tags, -1)
}

// Hold is tier.Holder's.
func (t *Tier) Hold(ctx context.Context, by string, tags []uint64, d time.Duration) (tier.Moment, error) {
	return t.bump(ctx, by, tags, max(1, d.Milliseconds()))
}

// Release is tier.Holder's.
func (t *Tier) Release(ctx context.Context, by string, tags []uint64) (tier.Moment, error) {
	return t.bump(ctx, by, tags, 0)
}

// over is the version of a tag that is held by nobody any more.
const over = "~!"

// overdue returns the tags that are held by nobody any more.
func overdue(parts byShard) (tags []uint64) {
	for _, p := range parts {
		for _, tag := range p.tags {
			if p.now[tag] == over {
				tags = append(tags, tag)
			}
		}
	}
	return tags
}

// errOver says that a tag of a value is held by nobody any more.
var errOver = errors.New("tier/redis: nobody holds it any more")

// end releases tags that whoever has held them has not.
func (t *Tier) end(ctx context.Context, tags []uint64) error {
	if len(tags) == 0 {
		return nil
	}
	_, err := t.Release(ctx, "-", tags)
	return err
}

// bump bumps tags, and holds them for so many ms; 0: it releases them; -1: neither.
func (t *Tier) bump(ctx context.Context, by string, tags []uint64, hold int64) (at tier.Moment, err error) {
	if len(tags) > tier.MaxTags {
		return nil, tier.ErrValue
	}
	parts := t.parts(tags)
	err = each(parts, func(shard int, p *part) error {
		var packed []byte
		for _, tag := range p.tags {
			packed = binary.BigEndian.AppendUint64(packed, tag)
		}
		out, err := bumpScript.Run(ctx, t.main, []string{t.state(shard), t.stream(shard)}, newEpoch(), by, t.config.LogLength, t.config.MaxTags, packed, hold).Slice()
		if err != nil || len(out) != 2 {
			return failed(errors.Join(err, wrong(out, 2)))
		}
		p.mark, err = mark(shard, out[0], out[1])
		return err
	})
	for _, p := range parts {
		at = append(at, p.mark)
	}
	return at, err
}

// Flush is tier.Tier's.
func (t *Tier) Flush(ctx context.Context) error {
	var faults []error
	for shard := range t.config.Shards {
		faults = append(faults, failed(flushScript.Run(ctx, t.main, []string{t.state(shard)}, newEpoch()).Err()))
	}
	return errors.Join(faults...)
}

// Close ends the connections.
func (t *Tier) Close() error { return errors.Join(t.main.Close(), t.log.Close()) }

// failed says what went wrong.
func failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redis.ErrClosed):
		return tier.ErrClosed
	}
	return fmt.Errorf("tier/redis: %w", err)
}
