// Package folio caches paginated list endpoints in process: tickets of a user, events of a city,
// orders of a shop.
//
// A [Cache] holds the values of any number of lists and plain keys within one bound of memory. A
// [List] is one endpoint: it makes canonical keys of queries, loads pages with the caller's
// function, serves their stored bytes, and forgets all pages of a scope at once when the caller
// says that its rows have changed.
//
// # What happens
//
// Read. A query is made canonical and hashed. If the value stored under the hash is of that key, is
// not too old, and depends on no tag that was invalidated since its load began, it is the answer:
// no lock that fills or invalidations hold for long, no allocation but the answer.
//
// Fill. Else the first reader's load begins, with its own deadline, and the others wait for it as
// long as they like. What it brings is stored only if no write has overtaken it; who asks
// after a write never waits for a load that began before it.
//
// Admission. Where a value is stored, if at all, is decided by the strategy that rules now. Several
// compete: each is replayed beside the cache as metadata, and an arbiter follows the one whose
// shadow misses least. Keys need not be tuned for it.
//
// Invalidation. [List.Invalidate] bumps one counter, whatever the number of pages, sorts, filters and
// limits. Call it after the write is committed. [List.InvalidateFrom], [List.InvalidateTail] and
// ListConfig.RowTags outdate less where less has changed; [Cache.Depend] and Config.Rules declare what
// else a change outdates; [Cache.Intend] announces a write that no reader may see half of.
//
// # What is promised
//
// A read that begins after an invalidation returned never gets what was loaded before it. A page is
// never served to another scope or audience than the one it was loaded for: keys are compared, not
// their hashes only. Memory stays within Config.MaxBytes and some parts of a hundred, but for tags: some
// 100 bytes for every scope, tag or known key that was ever invalidated, and some 10 for each tag that a
// page beside its scope depends on. A cache may forget any value at any time.
//
// A load that asks, in its own context, for what it loads itself, or for what waits for it, gets an
// [ErrRecursion] at once.
//
// # When not to use it
//
// Several instances do not hear of each other's invalidations yet. Where values are few, small and
// decoded, a cache of Go values is faster: nothing has to be copied or decoded. Where rows change with
// every read, nothing is worth keeping. docs/quickstart.md says more, and what version 0 promises.
//
// # Reading the code
//
// cache.go, entry.go and identity.go first: what is read without a lock. Then fill.go, plain.go and
// list.go; finer.go, intent.go and rules.go say what a write outdates. Then internal/core (what is valid), arena (what stays) and strategy (what deserves space).
package folio
