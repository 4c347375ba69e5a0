package folio

import (
	"context"
	"slices"
	"strings"

	"github.com/foliocache/folio/internal/core"
)

// Tag names something that values depend on, whose change outdates them: a scope of a list, always as
// [List.Tag] writes it, a plain key, as [KeyTag] does, or anything else under a name of its own, as
// event:42.
type Tag string

// SurrogateKey writes a tag as a surrogate key, as caches above know what they keep by: without spaces and commas,
// which separate those.
func (t Tag) SurrogateKey() string {
	return strings.NewReplacer(" ", "%20", ",", "%2C").Replace(string(t))
}

// keyPrefix is what tags of plain keys begin with; no list may be named so.
const keyPrefix = "key:"

// KeyTag returns the tag of a plain key.
func KeyTag(key string) Tag { return Tag(keyPrefix + key) }

// Tag returns the tag of a scope's rows, all audiences included: tickets:user:123. What separates parts
// is escaped in them.
func (l *List[T]) Tag(s Scope) Tag {
	return scopeTag(l.config.Name, s)
}

func scopeTag(list string, s Scope) Tag {
	return Tag(s.appendOwner(append(appendField(make([]byte, 0, 64), list), ':')))
}

// number returns what the core knows a tag by.
func (c *Cache) number(t Tag) core.Tag {
	if key, ok := strings.CutPrefix(string(t), keyPrefix); ok {
		id := c.plain(key)
		return id.feed
	}
	hi, _ := c.hash(string(t), c.seed+tagSeed)
	return core.Tag(hi)
}

// depended notes that something depends on a tag.
func (c *Cache) depended(t Tag) {
	if strings.HasPrefix(string(t), keyPrefix) {
		c.keyTags.Store(true)
	}
}

// numbers returns what the core knows some tags by that something depends on, each once, and a feed
// among them left out.
func (c *Cache) numbers(tags []Tag, feed core.Tag) []core.Tag {
	for _, t := range tags {
		c.depended(t)
	}
	numbers := slices.DeleteFunc(c.all(tags), func(t core.Tag) bool { return t == feed })
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

const tagSeed = 0x5461675365656421 // apart from the spaces of keys

// Depend declares that a tag is outdated whenever one of others is, and so on: cycles do no harm.
// What is declared stays until the cache is closed. An [ErrCascade] says that a write under way, see
// [Cache.Intend], would now reach too many tags; it is declared all the same.
func (c *Cache) Depend(dependent Tag, on ...Tag) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return ErrClosed
	}
	for _, t := range append([]Tag{dependent}, on...) {
		c.names[c.number(t)] = t
		c.depended(t)
	}
	for _, t := range on {
		c.core.Depend(c.number(dependent), c.number(t))
	}
	for l, a := range c.later {
		tags, err := c.core.Closure(c.number(l.tag))
		if err != nil {
			return ErrCascade
		}
		c.expect(a, tags)
	}
	for i := range c.intents {
		if err := i.hold(); err != nil {
			return err
		}
	}
	return nil
}

// InvalidateTags outdates all that depends on any of some tags, and all that depends on that, at
// once. An error means that nothing was invalidated, but for an [ErrPending].
func (c *Cache) InvalidateTags(_ context.Context, tags ...Tag) error {
	_, err := c.invalidate(c.all(tags)...)
	if len(tags) > 0 {
		c.invalidated(err, tags...)
	}
	return c.settle(err)
}

// Soften says that all that depends on some tags, and all that depends on that, is too old, as if its time to live were
// over: it is loaded anew when it is asked for, and may be served where that fails ([Config.StaleIfError]; of a
// [RawList], as its own rules have it). For operators: after a write, [Cache.InvalidateTags] it is. Where the contents
// are kept over restarts (Config.Dir), or shared (Config.Tier), they are invalidated instead.
func (c *Cache) Soften(ctx context.Context, tags ...Tag) error {
	if c.keeper != nil || c.fleet != nil {
		return c.InvalidateTags(ctx, tags...)
	}
	err := c.soften(c.all(tags))
	if len(tags) > 0 {
		c.invalidated(err, tags...)
	}
	return err
}

func (c *Cache) soften(tags []core.Tag) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	all, err := c.core.Closure(tags...)
	if err != nil {
		return ErrCascade
	}
	for _, t := range all {
		c.versions.soften(t, c.now()+1)
	}
	return nil
}

// Flush outdates everything at once, in all instances: for operators. What the strategies have learned stays. Observers
// are told of an invalidation without tags.
func (c *Cache) Flush() error {
	err := c.flush()
	c.invalidated(err)
	return c.settle(err)
}

func (c *Cache) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	c.core.Flush()
	c.versions.epoch.Store(uint32(c.core.Epoch()))
	c.shares.flush()
	c.recordFlush()
	if c.fleet != nil {
		c.fleet.oweAll()
	}
	c.dismiss()
	return nil
}

// Cascade lists what an invalidation of some tags would reach, them first, and does nothing. At most
// 10,000 tags: more are an [ErrCascade], as they would be then.
func (c *Cache) Cascade(tags ...Tag) ([]Tag, error) {
	named := c.all(tags)
	c.mu.Lock()
	defer c.mu.Unlock()
	numbers, err := c.core.Closure(named...)
	if err != nil {
		return nil, ErrCascade
	}
	all := make([]Tag, 0, len(numbers))
	for _, n := range numbers {
		if i := slices.Index(named, n); i >= 0 {
			all = append(all, tags[i])
		} else {
			all = append(all, c.names[n])
		}
	}
	return all, nil
}

// all returns what the core knows some tags by.
func (c *Cache) all(tags []Tag) []core.Tag {
	numbers := make([]core.Tag, len(tags))
	for i, t := range tags {
		numbers[i] = c.number(t)
	}
	return numbers
}
