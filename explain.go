package folio

import (
	"time"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/arena"
)

// Explanation tells why a read would be answered as it would be now.
type Explanation struct {
	Key     string        // canonical
	Why     string        // one of the reasons below, in words
	Stored  bool          // a valid value is there
	Loading bool          // one is on its way
	Bytes   int           // of what is there, valid or not
	Expires time.Duration // until then; 0: never, or nothing there
	Ring    string        // probation or main, where something is there
	Ruling  string        // the strategy that rules
	Version uint64        // of what is there: another one after each invalidation; 0: nothing is there
}

// Why nothing, or something, is there.
const (
	WhyStored   = "stored and valid"
	WhyNegative = "stored: the origin had no such value"
	WhyExpired  = "stored, but too old"
	WhySoft     = "stored, but somebody has said that it is too old"
	WhyOutdated = "stored, but a tag was invalidated since"
	WhyBehind   = "behind the list's end, which is stored"
	WhyTorn     = "stored in pieces, of which one is gone"
	WhyOther    = "the place of its hash is taken by another key"
	WhyGone     = "seen, but declined, evicted or invalidated"
	WhyNever    = "never seen, or long forgotten"
)

// Explain tells why a page is, or is not, served from the cache now. It counts as no read.
func (l *List[T]) Explain(q Query) (Explanation, error) {
	if err := l.own(q); err != nil {
		return Explanation{}, err
	}
	x := l.cache.explain(&q.known.id)
	if end := q.known.end; !x.Stored && q.Offset > 0 && l.behind(&end, q.Offset, false) {
		e := l.cache.explain(&end)
		e.Key, e.Why = x.Key, WhyBehind
		return e, nil
	}
	return x, nil
}

// Explain tells why a plain key is, or is not, served from the cache now. It counts as no read.
func (c *Cache) Explain(key string) Explanation {
	id := c.plain(key)
	return c.explain(&id)
}

func (c *Cache) explain(id *identity) Explanation {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := Explanation{Key: id.text, Ruling: c.core.Arena().Ruling(), Why: WhyNever, Loading: c.core.Loading(id.unit)}
	v, ring, there := c.store.Get(nil, id.key, id.unit)
	e, ok := parseEntry(v)
	if !there || !ok {
		if slot, _ := c.core.Arena().Find(id.unit); slot != arena.NoSlot {
			x.Why = WhyGone
		}
		return x
	}
	x.Bytes, x.Ring, x.Version = len(v), rings[ring], xxh3.Hash(e.stamps)+uint64(e.epoch)
	if e.expires > 0 {
		x.Expires = time.Duration(max(0, e.expires-c.now()))
	}
	switch {
	case !id.is(&e):
		x.Why = WhyOther
	case !e.current(c.versions):
		x.Why = WhyOutdated
	case e.expires > 0 && x.Expires == 0:
		x.Why = WhyExpired
	case e.pieces > 0 && !c.whole(id, &e):
		x.Why = WhyTorn
	case e.soft > 0:
		x.Why, x.Stored = WhySoft, id.raw // who keeps a raw list judges that
	case e.kind == notFound:
		x.Why, x.Stored = WhyNegative, true
	default:
		x.Why, x.Stored = WhyStored, true
	}
	return x
}
