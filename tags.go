package folio

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/foliocache/folio/internal/core"
)

// Tag names something that values depend on, whose change outdates them: a scope of a list as
// [List.Tag] has it, a plain key as [KeyTag] has it, or anything else under a name of its own,
// as event:42.
type Tag string

// keyPrefix is what tags of plain keys begin with; no list may be named so.
const keyPrefix = "key:"

// KeyTag returns the tag of a plain key.
func KeyTag(key string) Tag { return Tag(keyPrefix + key) }

// Tag returns the tag of a scope's rows, all audiences included: tickets:user:123.
func (l *List[T]) Tag(s Scope) Tag {
	return Tag(s.appendOwner(append(appendField(make([]byte, 0, 64), l.config.Name), ':')))
}

// number returns what the core knows a tag by.
func (c *Cache) number(t Tag) core.Tag {
	if key, ok := strings.CutPrefix(string(t), keyPrefix); ok {
		c.keyTags.Store(true)
		id := c.plain(key)
		return id.feed
	}
	hi, _ := c.hash(string(t), c.seed+tagSeed)
	return core.Tag(hi)
}

// numbers returns what the core knows some tags by, each once, and a feed among them left out.
func (c *Cache) numbers(tags []Tag, feed core.Tag) []core.Tag {
	var numbers []core.Tag
	for _, t := range tags {
		if n := c.number(t); n != feed {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

const tagSeed = 0x5461675365656421 // apart from the spaces of keys

// Depend declares that a tag is outdated whenever one of others is, and so on: cycles do no harm.
// What is declared stays until the cache is closed.
func (c *Cache) Depend(dependent Tag, on ...Tag) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return ErrClosed
	}
	for _, t := range append([]Tag{dependent}, on...) {
		c.names[c.number(t)] = t
	}
	for _, t := range on {
		c.core.Depend(c.number(dependent), c.number(t))
	}
	return nil
}

// InvalidateTags outdates all that depends on any of some tags, and all that depends on that. An
// error says which tags were not invalidated, and that no other was left out.
func (c *Cache) InvalidateTags(_ context.Context, tags ...Tag) error {
	for i, t := range tags {
		if _, err := c.invalidate(c.number(t)); err != nil {
			return fmt.Errorf("%w: %q and the tags after it", err, tags[i:])
		}
	}
	return nil
}

// Cascade lists what an invalidation of a tag would reach, itself first, and does nothing. At most
// 10,000 tags: more are an [ErrCascade], as they would be then.
func (c *Cache) Cascade(t Tag) ([]Tag, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	numbers, err := c.core.Closure(c.number(t))
	if err != nil {
		return nil, ErrCascade
	}
	all := []Tag{t}
	for _, n := range numbers[1:] {
		all = append(all, c.names[n])
	}
	return all, nil
}
