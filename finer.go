package folio

import (
	"context"
	"math/bits"

	"github.com/foliocache/folio/internal/core"
)

// What of a list an entry depends on, where the list is Finer. Rows are told apart by buckets of
// their offsets, each as large as all before it: a page carries the tags of all buckets up to
// its last row's, and a write at a row bumps that row's bucket alone.
const (
	tailPart  = iota // where the rows end: pages that are not full, and that there is none
	totalPart        // how many rows there are
	fromPart         // the first bucket of rows; the others follow

	firstBucket = 16 // rows
)

// bucket returns the number of the bucket that a row is in.
func bucket(offset int) uint64 { return uint64(bits.Len(uint(offset / firstBucket))) }

// part returns the tag of a part of a scope's rows. No Tag that a caller can name has it.
func (l *List[T]) part(s Scope, part uint64) core.Tag {
	hi, _ := l.cache.hash(string(l.Tag(s)), l.cache.seed+tagSeed+1+part)
	return core.Tag(hi)
}

// pageTags are those of a page. That of the tail is the last: a full page does not keep it.
func (l *List[T]) pageTags(q Query, tags []core.Tag) []core.Tag {
	if !l.config.Finer {
		return tags
	}
	all := append([]core.Tag(nil), tags...)
	if l.config.Cursor == nil {
		for b := range bucket(max(q.Offset, q.Offset+q.Limit-1)) + 1 { // the sum may overflow
			all = append(all, l.part(q.Scope, fromPart+b))
		}
	}
	return append(all, l.part(q.Scope, tailPart))
}

// with adds the tag of a part, where the list is Finer.
func (l *List[T]) with(q Query, tags []core.Tag, part uint64) []core.Tag {
	if !l.config.Finer {
		return tags
	}
	return append(append([]core.Tag(nil), tags...), l.part(q.Scope, part))
}

// revealed returns the tags of a page's rows.
func (l *List[T]) revealed(q Query, rows []T) []core.Tag {
	if l.config.RowTags == nil {
		return nil
	}
	var tags []Tag
	for _, row := range rows {
		tags = append(tags, l.config.RowTags(row)...)
	}
	return l.cache.numbers(tags, q.known.id.feed)
}

// InvalidateFrom outdates the pages of a scope that show, or would show, a row from an offset on, and
// its totals: rows were inserted or removed there, or moved from there to further behind. It is right only
// where all before the offset are unchanged in every sort and filter of the list: of a list with
// filters, the offset is the least among them. Pages of up to as many rows before it may go as well.
// Without ListConfig.Finer, and where pages have no offsets, it outdates all, as [List.Invalidate]
// does.
func (l *List[T]) InvalidateFrom(_ context.Context, s Scope, offset int) error {
	if !l.config.Finer || l.config.Cursor != nil || offset < firstBucket {
		return l.outdate(s)
	}
	return l.outdate(s, fromPart+bucket(offset), tailPart, totalPart)
}

// InvalidateTail outdates the pages of a scope that were not full, and its totals: rows were appended
// behind all others, in every sort and filter of the list. Without ListConfig.Finer it outdates all.
func (l *List[T]) InvalidateTail(_ context.Context, s Scope) error {
	if !l.config.Finer {
		return l.outdate(s)
	}
	return l.outdate(s, tailPart, totalPart)
}

// InvalidateTotal outdates the totals of a scope, and no page. Without ListConfig.Finer it outdates
// all.
func (l *List[T]) InvalidateTotal(_ context.Context, s Scope) error {
	if !l.config.Finer {
		return l.outdate(s)
	}
	return l.outdate(s, totalPart)
}

// outdate outdates some parts of a scope, or all where none is named, and whatever depends on the
// scope.
func (l *List[T]) outdate(s Scope, parts ...uint64) error {
	err := l.bump(s, parts)
	l.cache.invalidated(err, l.Tag(s))
	return l.cache.settle(err)
}

func (l *List[T]) bump(s Scope, parts []uint64) error {
	if err := s.check(); err != nil {
		return err
	}
	c, feed := l.cache, l.cache.number(l.Tag(s))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	all, err := c.core.Closure(feed)
	if err != nil {
		return ErrCascade
	}
	if len(parts) > 0 {
		all = all[1:]
		for _, p := range parts {
			all = append(all, l.part(s, p))
		}
	}
	c.outdate(all)
	return nil
}
