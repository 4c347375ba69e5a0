package folio

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/foliocache/folio/internal/board"
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/store"
)

// identity is what a key is known by: hashes for the books and the store, and the text that
// decides whether a value found under the hash is the one asked for.
type identity struct {
	key   store.Key
	unit  uint64
	feed  core.Tag
	text  string
	space space
	depth uint8      // depth bucket, see core.Query
	tags  []core.Tag // further ones that its value depends on
	open  bool       // its value may depend on more: its load will tell
	raw   bool       // of a raw list
	alone bool       // no load under way will do
	past  bool       // nor will what is in memory; what is in the tier does, unless alone
	once  bool       // it is not to be kept in memory

	// Of a page whose load may bring further ones:
	list   uint32 // the list's number, from 1; else 0
	before uint64 // unit of the page before; 0: there is none
	blind  bool   // nobody knows the page before
	rows   int    // of a full page

	promise *board.Promise // of its list; nil: none
	grace   bool           // it may be served for a while after it is outdated

	stand stand
}

// stand is what was found to answer a read with, and why that alone will not do.
type stand struct {
	want core.Action // Serve: nothing, or it will do
	born int64       // when its load began
}

// hasher is a seeded hash of 128 bits. Tests put weak ones in its place.
type hasher func(text string, seed uint64) (hi, lo uint64)

func xxh3Hash(text string, seed uint64) (hi, lo uint64) {
	h := xxh3.HashString128Seed(text, seed)
	return h.Hi, h.Lo
}

// plain returns the identity of a plain key. Each is a feed of its own.
func (c *Cache) plain(key string) identity {
	id, hi := c.identify(key, plainSpace)
	id.feed, id.grace = core.Tag(hi), c.config.StaleWhileRevalidate > 0
	return id
}

// identify returns the identity of a text, but for its feed, and half of its hash.
func (c *Cache) identify(text string, s space) (identity, uint64) {
	id := identity{text: text, space: s}
	hi, lo := c.hash(text, c.seed+uint64(s))
	binary.LittleEndian.PutUint64(id.key[:], lo)
	binary.LittleEndian.PutUint64(id.key[8:], hi)
	id.unit = id.key.Unit()
	return id, hi
}

// query describes a read to the core.
func (id *identity) query(now int64) core.Query {
	return core.Query{Key: id.unit, Feed: id.feed, Tags: id.tags, Depth: id.depth, Now: now, List: id.list, Before: id.before, Blind: id.blind, Rows: uint32(id.rows), Want: id.stand.want}
}

// read notes a read for the journal.
func (id *identity) read(now int64) read {
	return read{unit: id.unit, feed: id.feed, now: now, depth: id.depth, list: id.list}
}

// same reports whether two identities of one cache name the same.
func (id *identity) same(other *identity) bool {
	return id.space == other.space && id.text == other.text
}

// is reports whether an entry found under an identity's hash is its own.
func (id *identity) is(e *entry) bool { return e.space == id.space && string(e.key) == id.text }
