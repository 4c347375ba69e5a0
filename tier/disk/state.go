package disk

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"
	"go.etcd.io/bbolt"

	"github.com/foliocache/folio/internal/snapshot"
	"github.com/foliocache/folio/tier"
)

// The file has four buckets: the head under one key; the tags' versions; the values by their names; and the names in the
// order in which their values came, as those go.
//
// A version is the count when the tag was bumped last, or any later count at which nobody had bumped it. Counts go on
// over epochs.
var (
	headBucket, tagBucket, valueBucket, orderBucket = []byte("head"), []byte("tags"), []byte("values"), []byte("order")
	headKey                                         = []byte("head")
)

const (
	fileFormat = 1
	headSize   = 1 + 5*8 + 1 + snapshot.BootBytes
	spread     = 32 // tags that are forgotten at once, at least
	mostSpared = 1000
)

// state is the file in a transaction.
type state struct {
	epoch, n uint64
	bytes    uint64 // of names and values
	last     uint64 // in the order
	tagged   uint64 // tags that have versions
	clean    bool   // it was closed
	boot     [snapshot.BootBytes]byte

	head, tags, values, order *bbolt.Bucket
}

var (
	errFormat  = errors.New("not what this package writes")
	errForeign = errors.New("another program's")
)

// begin reads what there is; a transaction that may write begins where there is nothing.
func begin(tx *bbolt.Tx) (s *state, err error) {
	s = &state{}
	if k, _ := tx.Cursor().First(); k != nil && tx.Bucket(headBucket) == nil {
		return nil, errForeign
	}
	for name, to := range map[*[]byte]**bbolt.Bucket{&headBucket: &s.head, &tagBucket: &s.tags, &valueBucket: &s.values, &orderBucket: &s.order} {
		if *to = tx.Bucket(*name); *to == nil && tx.Writable() {
			*to, err = tx.CreateBucket(*name)
		}
		if err != nil || *to == nil {
			return nil, errors.Join(errFormat, err)
		}
	}
	b := s.head.Get(headKey)
	if b == nil && tx.Writable() {
		s.epoch, s.n, s.clean = newEpoch(), 1, true
		return s, nil
	}
	if len(b) != headSize || b[0] != fileFormat {
		return nil, errFormat
	}
	for i, to := range []*uint64{&s.epoch, &s.n, &s.bytes, &s.last, &s.tagged} {
		*to = binary.BigEndian.Uint64(b[1+8*i:])
	}
	s.clean = b[1+5*8] > 0
	copy(s.boot[:], b[1+5*8+1:])
	return s, nil
}

// end writes the head.
func (s *state) end() error {
	b := []byte{fileFormat}
	for _, n := range []uint64{s.epoch, s.n, s.bytes, s.last, s.tagged} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	clean := byte(0)
	if s.clean {
		clean = 1
	}
	return s.head.Put(headKey, append(append(b, clean), s.boot[:]...))
}

func (s *state) mark() tier.Mark { return tier.Mark{Epoch: s.epoch, N: s.n} }

// next counts a bump.
func (s *state) next() tier.Mark {
	s.n++
	return s.mark()
}

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// version returns a tag's; 0: it has none.
func (s *state) version(tag uint64) uint64 {
	if b := s.tags.Get(key(tag)); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (s *state) set(tag, version uint64) error {
	if s.version(tag) == 0 {
		s.tagged++
	}
	return s.tags.Put(key(tag), key(version))
}

// give returns a tag's version, which is the present count if it has none.
func (s *state) give(tag uint64) (uint64, error) {
	if v := s.version(tag); v > 0 {
		return v, nil
	}
	return s.n, s.set(tag, s.n)
}

// forget has some tags forgotten, whichever, where there are too many.
func (s *state) forget(most, more int) error {
	if s.tagged <= uint64(most) {
		return nil
	}
	for range spread + 2*more {
		c := s.tags.Cursor()
		k, _ := c.Seek(key(rand.Uint64()))
		if k == nil {
			k, _ = c.First()
		}
		if k == nil {
			return nil
		}
		if err := c.Delete(); err != nil {
			return err
		}
		s.tagged--
	}
	return nil
}

// An item of a value is a hash of what follows but for the body, its epoch, when its load began and when it ends (µs since
// 1970), the number of tags, each of them and its version, and the body.
const (
	itemHead = 8 + 8 + 8 + 8 + 2
	itemTag  = 8 + 8
)

// seal makes the item of a value.
func seal(v *tier.Value, epoch uint64, versions []uint64, life time.Duration, now time.Time) []byte {
	b := make([]byte, 8, itemHead+itemTag*len(v.Tags)+len(v.Body))
	b = binary.BigEndian.AppendUint64(b, epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(-v.Age).UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(now.Add(life).UnixMicro()))
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.Tags)))
	for i, tag := range v.Tags {
		b = binary.BigEndian.AppendUint64(b, tag)
		b = binary.BigEndian.AppendUint64(b, versions[i])
	}
	binary.BigEndian.PutUint64(b, xxh3.Hash(b[8:]))
	return append(b, v.Body...)
}

// value returns what is stored under a key and current; the zero Value: nothing is.
func (s *state) value(k tier.Key, now time.Time) (v tier.Value) {
	b := s.values.Get([]byte(k.Name))
	if len(b) < itemHead {
		return v
	}
	body := itemHead + itemTag*int(binary.BigEndian.Uint16(b[32:]))
	if len(b) < body || xxh3.Hash(b[8:body]) != binary.BigEndian.Uint64(b) || binary.BigEndian.Uint64(b[8:]) != s.epoch {
		return v
	}
	micros := func(at int) time.Time { return time.UnixMicro(int64(binary.BigEndian.Uint64(b[at:]))) }
	born, ends := micros(16), micros(24)
	left := min(ends.Sub(now), ends.Sub(born))
	if left <= 0 || born.After(now) { // the clock was set back
		return v
	}
	tags := make([]uint64, 0, (body-itemHead)/itemTag)
	for at := itemHead; at < body; at += itemTag {
		tag := binary.BigEndian.Uint64(b[at:])
		if s.version(tag) != binary.BigEndian.Uint64(b[at+8:]) {
			return v
		}
		tags = append(tags, tag)
	}
	return tier.Value{Key: k, Tags: tags, Body: append([]byte{}, b[body:]...), TTL: left, Age: now.Sub(born)}
}

// put stores an item, in the place of the one before, or as the last one.
func (s *state) put(name string, item []byte) error {
	old := s.values.Get([]byte(name))
	if s.bytes += uint64(len(item)) - uint64(len(old)); old == nil {
		s.bytes += uint64(len(name))
		s.last++
		if err := s.order.Put(key(s.last), []byte(name)); err != nil {
			return err
		}
	}
	return s.values.Put([]byte(name), item)
}

// evict makes room: those go that came first, but for what is current and was read since it was spared last.
func (s *state) evict(most int64, read visits) error {
	now := time.Now()
	for spared := 0; int64(s.bytes) > most; {
		c := s.order.Cursor()
		k, v := c.First()
		if k == nil {
			return errFormat
		}
		name := string(v)
		if err := c.Delete(); err != nil {
			return err
		}
		if spared < mostSpared && read.leave(name) && s.value(tier.Key{Name: name}, now).Body != nil {
			spared++
			s.last++
			if err := s.order.Put(key(s.last), []byte(name)); err != nil {
				return err
			}
			continue
		}
		s.bytes -= uint64(len(name) + len(s.values.Get([]byte(name))))
		if err := s.values.Delete([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// visits are the values that were read lately, by a hash of their names: some more are taken for those. Safe for
// concurrent use.
type visits []atomic.Uint64

const visitBits = 1 << 20

func newVisits() visits { return make(visits, visitBits/64) }

func (v visits) bit(name string) (word *atomic.Uint64, bit uint64) {
	h := xxh3.HashString(name) % visitBits
	return &v[h/64], 1 << (h % 64)
}

func (v visits) visit(name string) {
	if word, bit := v.bit(name); word.Load()&bit == 0 {
		word.Or(bit)
	}
}

// leave reports whether a value was read, and forgets it.
func (v visits) leave(name string) bool {
	word, bit := v.bit(name)
	return word.And(^bit)&bit != 0
}
