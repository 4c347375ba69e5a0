// Package tier is what the instances of a cache share: a store of values behind their memories, and a log of what was
// invalidated, by which each instance knows for how long it may trust its own memory. See [Tier] for what one promises.
package tier

import (
	"context"
	"errors"
	"time"
)

// Tier is a store of values that depend on tags, and a log of the tags that were bumped. It may lose values, tags, and
// all of the log, at any time and without a word; it never takes a value for current that depends on a tag that was
// bumped since before its load began. Safe for concurrent use.
//
// Tags and values lie in shards, each of which has a counter of its bumps. Within an epoch a counter grows with each
// bump; where it is lost, another epoch begins, and no value of before is current any more.
type Tier interface {
	// Shards returns how many shards there are, at least 1. A tag lies in tag % Shards.
	Shards() int

	// Read returns what is stored under some keys.
	Read(ctx context.Context, q Question) (Answer, error)

	// Write stores values that were loaded after a moment, but for those that depend on a tag that was bumped since, or
	// of a shard that the moment does not have, or that the tier cannot be sure of. In any case it ends the claims to load
	// them of whom by names; values without a body are for that alone.
	Write(ctx context.Context, by string, after Moment, values []Value) error

	// Bump outdates all values that depend on any of some tags, and has those who follow the log told. by names who does
	// it. It returns where the logs of the tags' shards stand then: who has followed them so far knows of it.
	Bump(ctx context.Context, by string, tags []uint64) (Moment, error)

	// Follow returns what was bumped in a shard since a mark, waiting for a short while if nothing was. The zero Mark
	// (but for its shard) is nothing known: it returns where the log ends, at once.
	Follow(ctx context.Context, since Mark) (Log, error)

	// Flush begins another epoch in all shards.
	Flush(ctx context.Context) error

	// Close ends the tier. What is under way fails.
	Close() error
}

// Holder is a tier in which writes can be announced.
type Holder interface {
	Tier

	// Hold outdates some tags as Bump does. From then on nothing that depends on one of them is current, or is stored, until
	// a Release by the same name, or until its time is over: what is loaded up to then is never stored. The name is without
	// spaces and semicolons.
	Hold(ctx context.Context, by string, tags []uint64, d time.Duration) (Moment, error)

	// Release outdates some tags as Bump does, and ends what is held under a name, and holds whose time is over.
	Release(ctx context.Context, by string, tags []uint64) (Moment, error)
}

// Sizer is a tier that tells how full it is.
type Sizer interface {
	// Size returns the bytes that it takes, and how many it may; 0: it may take any.
	Size(ctx context.Context) (used, most int64, err error)
}

// Question is what a Read asks for.
type Question struct {
	Tags  []uint64 // that the values are known to depend on
	Keys  []Key
	Claim time.Duration // for how long the caller would load the first value; 0: he does not
	By    string        // who that is
}

// Answer is what a Read returns.
type Answer struct {
	Values []Value // in the order of the keys: the zero Value where nothing is stored, or it is not current
	// Moment is as of a time after the Read was called, and has the shards of the tags and of the keys' homes: pass it to
	// the Write of what is loaded after.
	Moment Moment
	// Claimed says that the first value is not there, and somebody else has claimed to load it, not longer ago than he
	// has said, and did not write it yet; nor was one of the tags bumped since. Else the caller has.
	Claimed bool
}

// Key names a value.
type Key struct {
	Name string // at most MaxKey bytes
	Home uint64 // a tag that it depends on; it lies in the same shard
}

// MaxKey and MaxBody bound, in bytes, what a tier takes; MaxTags how many tags a value may depend on, and how many one
// bump may have.
const (
	MaxKey  = 512
	MaxBody = 1 << 20
	MaxTags = 10_000
)

// Value is what is stored under a key.
type Value struct {
	Key  Key
	Tags []uint64      // that it depends on, its home among them
	Body []byte        // nil: there is none
	TTL  time.Duration // what is left of its life; 0: it has no end
	Age  time.Duration // since its load began, at least
}

// Mark is a place in a shard's log.
type Mark struct {
	Shard int
	Epoch uint64 // never 0
	N     uint64 // bumps until there, in the epoch
}

// Moment is where the logs of some shards stood, one mark for each.
type Moment []Mark

// Of returns a shard's mark.
func (m Moment) Of(shard int) (Mark, bool) {
	for _, k := range m {
		if k.Shard == shard {
			return k, true
		}
	}
	return Mark{}, false
}

// Log is what was bumped since a mark.
type Log struct {
	Until Mark
	// Lost says that nobody knows what was bumped since: there is another epoch, or the log does not reach back so far.
	Lost  bool
	More  bool // the log goes on behind Until, and was not read to its end
	Bumps []Bump
}

// Bump is one of the log.
type Bump struct {
	By   string
	Tags []uint64
}

// Errors that tiers return, wrapped.
var (
	ErrClosed = errors.New("tier: closed")
	ErrValue  = errors.New("tier: not to be stored") // too large, or too many tags
)

// Life returns for how long a value is stored that may be so for some time at most.
func (v *Value) Life(most time.Duration) time.Duration {
	if v.TTL > 0 {
		return max(time.Millisecond, min(most, v.TTL))
	}
	return most
}

// Check reports whether a value can be stored at all.
func (v *Value) Check() error {
	if len(v.Key.Name) > MaxKey || len(v.Body) > MaxBody || len(v.Tags) > MaxTags || len(v.Tags) == 0 {
		return ErrValue
	}
	return nil
}
