package memcached

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/tier"
)

// An item of a value is a hash of what follows but for the body, the format, when its load began and when it ends (µs
// since 1970), the length of its name, the number of tags, the name, for each tag that and its number, and the body.
const (
	format   = 1
	headSize = 8 + 1 + 8 + 8 + 2 + 2
	tagSize  = 8 + 8
	overhead = 128         // bytes of an item beside its value, at most
	skew     = time.Second // by which clocks may differ
)

// seal makes the item of a value.
func seal(v *tier.Value, stamps []stamp, life time.Duration, now time.Time) []byte {
	b := make([]byte, 8, headSize+len(v.Key.Name)+tagSize*len(v.Tags)+len(v.Body))
	b = append(b, format)
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(-v.Age).UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(life).UnixMicro()))
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.Key.Name)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.Tags)))
	b = append(b, v.Key.Name...)
	for i, tag := range v.Tags {
		b = binary.BigEndian.AppendUint64(b, tag)
		b = binary.BigEndian.AppendUint64(b, uint64(stamps[i]))
	}
	binary.BigEndian.PutUint64(b, xxh3.Hash(b[8:]))
	return append(b, v.Body...)
}

// open reads the item of a value, and which numbers its tags have if it is current; the zero Value: it is none of that key,
// or has ended.
func open(b []byte, k tier.Key, now time.Time) (v tier.Value, stamps []stamp) {
	if len(b) < headSize || b[8] != format {
		return v, nil
	}
	name, tags := int(binary.BigEndian.Uint16(b[25:])), int(binary.BigEndian.Uint16(b[27:]))
	body := headSize + name + tagSize*tags
	if len(b) < body || xxh3.Hash(b[8:body]) != binary.BigEndian.Uint64(b) || string(b[headSize:headSize+name]) != k.Name {
		return v, nil
	}
	micros := func(at int) time.Time { return time.UnixMicro(int64(binary.BigEndian.Uint64(b[at:]))) }
	born, ends := micros(9), micros(17)
	left := min(ends.Sub(now), ends.Sub(born))
	if left <= 0 || born.Sub(now) > skew {
		return v, nil
	}
	v = tier.Value{Key: k, Body: b[body:], TTL: left, Age: max(0, now.Sub(born))}
	for at := headSize + name; at < body; at += tagSize {
		v.Tags = append(v.Tags, binary.BigEndian.Uint64(b[at:]))
		stamps = append(stamps, stamp(binary.BigEndian.Uint64(b[at+8:])))
	}
	return v, stamps
}

// Write is tier.Tier's: some round trips for each value.
func (t *Tier) Write(ctx context.Context, by string, after tier.Moment, values []tier.Value) error {
	var faults []error
	now := time.Now() // as of which values are as old as they say
	for i := range values {
		faults = append(faults, t.write(ctx, after, &values[i], now), t.release(ctx, by, values[i].Key.Name))
	}
	return errors.Join(faults...)
}

// release ends a claim, should it be somebody's.
func (t *Tier) release(ctx context.Context, by, name string) error {
	k := t.claimKey(name)
	items, err := t.items(ctx, []string{k})
	if whose, _, _ := parseClaim(items[k]); err != nil || whose != by || items[k] == nil {
		return failed(err)
	}
	if err = t.tell(ctx, func() error { return t.client.Delete(k) }); errors.Is(err, memcache.ErrCacheMiss) {
		err = nil
	}
	return failed(err)
}

func (t *Tier) write(ctx context.Context, after tier.Moment, v *tier.Value, began time.Time) error {
	from, ok := after.Of(0)
	if v.Body == nil {
		return nil
	}
	if err := v.Check(); err != nil {
		return err
	}
	if !ok {
		return nil
	}
	stamps, now, err := t.stamps(ctx, from.Epoch, v.Tags)
	if err != nil || stamps == nil {
		return err
	}
	if ok, err = t.untouched(ctx, of(from), now, v.Tags); err != nil || !ok {
		return err
	}
	life := v.Life(t.config.MaxTTL)
	i := &memcache.Item{Key: t.valueKey(v.Key.Name), Value: seal(v, stamps, life, began), Expiration: seconds(life) + 1}
	if len(i.Value)+len(i.Key)+overhead > t.config.MaxItem {
		return tier.ErrValue
	}
	return failed(t.tell(ctx, func() error { return t.client.Set(i) }))
}

// stamps returns the numbers of some tags, which those get that have none, and then what the count is. nil: it is of
// another epoch by now.
//
// Who bumps counts first, adds to the log, then deletes the number. So who has not counted when the count is read here
// deletes the numbers that were read before; of the others the log tells.
func (t *Tier) stamps(ctx context.Context, epoch uint64, tags []uint64) ([]stamp, stamp, error) {
	keys := make([]string, len(tags))
	for i, tag := range tags {
		keys[i] = t.tagKey(tag)
	}
	for range 3 {
		items, err := t.items(ctx, keys)
		if err != nil {
			return nil, 0, failed(err)
		}
		state, err := t.items(ctx, []string{t.state()}) // not together with the tags, which may be read later then
		if err != nil {
			return nil, 0, failed(err)
		}
		now := parse(state[t.state()])
		if now.epoch() != epoch {
			return nil, 0, nil
		}
		all, missing := make([]stamp, len(tags)), []uint64(nil)
		for i, tag := range tags {
			if all[i] = parse(items[keys[i]]); all[i].epoch() != epoch {
				missing = append(missing, tag) // or what it has is of another epoch
			}
		}
		if len(missing) == 0 {
			return all, now, nil
		}
		given, err := t.next(ctx, number, "", nil)
		if err != nil {
			return nil, 0, err
		}
		life := seconds(t.config.MaxTTL) + spareLife
		err = t.all(ctx, missing, func(tag uint64) error {
			i := &memcache.Item{Key: t.tagKey(tag), Value: given.text(), Expiration: life}
			if items[i.Key] != nil {
				return t.client.Set(i)
			}
			if err := t.client.Add(i); !errors.Is(err, memcache.ErrNotStored) {
				return err
			}
			return nil // somebody else was faster
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, nil
}
