package folio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/internal/snapshot"
	"github.com/foliocache/folio/internal/store"
)

// keeper keeps a cache's contents in a folder. Its logs are told of every bump before that is acknowledged.
type keeper struct {
	dir      string
	lock     *os.File
	saving   sync.Mutex    // held by who saves
	late     bool          // something was outdated after Close; under saving
	given    bool          // the folder was given back; under saving
	log      *snapshot.Log // of the snapshot that there is; nil: there is none
	next     *snapshot.Log // of the one being written
	restored int64
}

// maxLog is when contents are saved for the log's sake, which every bump makes longer.
const maxLog = 64 << 20

// logs returns those that a bump goes to.
func (k *keeper) logs() (all []*snapshot.Log) {
	if k == nil {
		return nil
	}
	for _, l := range [...]*snapshot.Log{k.log, k.next} {
		if l != nil {
			all = append(all, l)
		}
	}
	return all
}

// close gives the folder back.
func (k *keeper) close() error {
	if k == nil {
		return nil
	}
	var faults []error
	for _, l := range k.logs() {
		faults = append(faults, l.Close())
	}
	k.log, k.next, k.given = nil, nil, true
	return errors.Join(append(faults, k.lock.Close())...)
}

// unpack opens the folder, if there is to be one, and the snapshot in it, if that can be used.
func (c *Cache) unpack(dir string) (*snapshot.Snapshot, error) {
	if dir == "" {
		return nil, nil
	}
	lock, err := snapshot.Lock(dir)
	if err != nil {
		return nil, configError(fmt.Errorf("Dir: %w", err))
	}
	c.keeper = &keeper{dir: dir, lock: lock}
	s, err := snapshot.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	flushed := false
	if err == nil {
		flushed, err = s.ReadLogs(dir)
	}
	switch {
	case err != nil:
	case flushed:
		err = errors.New("everything was outdated since")
	case s.Version != c.config.Version:
		err = fmt.Errorf("it is of version %q, not %q", s.Version, c.config.Version)
	case c.config.Seed != 0 && c.config.Seed != s.Seed:
		err = errors.New("it is of another seed")
	default:
		c.seed = s.Seed
		return s, nil
	}
	c.config.Logger.Warn("folio: the cache starts cold: what was saved is not used", "dir", dir, "reason", err)
	if err = nil; s != nil {
		err = s.Close()
	}
	if err = errors.Join(err, snapshot.Drop(dir)); err != nil { // it could be used later, and would be older than what is true by then
		return nil, configError(fmt.Errorf("Dir: %w", errors.Join(err, c.keeper.close())))
	}
	return nil, nil
}

// restore puts back what was saved and is not outdated.
func (c *Cache) restore(s *snapshot.Snapshot) error {
	if s == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for tag, n := range s.Versions {
		c.core.Adopt(core.Tag(tag), n)
		c.versions.set(core.Tag(tag), n, c.core.Reads(core.Tag(tag)))
	}
	err := s.Each(func(e *snapshot.Entry) { c.putBack(e) })
	c.restoring = nil
	if err == nil {
		c.keeper.log, err = s.Reopen(c.config.Dir)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return configError(fmt.Errorf("Dir: %w", errors.Join(err, c.keeper.close())))
	}
	c.config.Logger.Info("folio: the cache starts warm", "dir", c.config.Dir, "saved", s.Entries, "restored", c.keeper.restored)
	return nil
}

// putBack stores an entry that was saved, unless it is outdated or too old.
func (c *Cache) putBack(s *snapshot.Entry) {
	start := c.start.UnixNano()
	e := entry{body: s.Body, key: s.Key, space: space(s.Space), kind: kind(s.Kind), stamps: s.Stamps, sum: s.Sum, rows: s.Rows,
		epoch: uint32(c.core.Epoch()), pieces: s.Pieces}
	born, life := s.Born-start, s.Expires-s.Born
	if s.Expires != 0 {
		e.expires = s.Expires - start
	}
	if s.Expires != 0 && (e.expires <= c.now() || life <= 0) || len(e.stamps) == 0 || len(e.stamps)%stampSize != 0 || !e.current(c.versions) {
		return
	}
	if !sane(s) {
		return
	}
	id, _ := c.identify(string(s.Key), e.space)
	tags := e.stamps.tags()
	id.feed, id.tags, id.depth = tags[0], tags[1:], depthOf(id.text, e.space)
	if len(id.tags) > 0 {
		c.keyTags.Store(true)
	}
	if !c.room([]identity{id}, []entry{e}) {
		return
	}
	v := e.appendTo(c.scratch[:0])
	if parsed, ok := parseEntry(v); !ok || parsed.size() > c.largest {
		return
	}
	q := id.query(born)
	c.restoring = &core.Copy{Born: born, Early: s.Early, Hazard: s.Hazard, Strategy: s.Strategy, Confidence: s.Confidence}
	c.filled = append(c.filled[:0], filled{&id, v})
	c.core.Complete(c.core.Begin(&q), core.Loaded{Query: q, Size: uint32(len(v)), TTL: max(0, life), Replace: true, Main: s.Ring == uint8(store.Main)})
	c.scratch = v[:0]
	c.keeper.restored++
}

// sane reports whether what a copy is known by can be, and what is in pieces is not said to be as large as nothing is.
func sane(s *snapshot.Entry) bool {
	for _, x := range [...]float32{s.Hazard, s.Early, s.Confidence} {
		if !(x >= 0 && x <= math.MaxFloat32) {
			return false
		}
	}
	size, err := s2.DecodedLen(s.Body)
	return s.Confidence <= 1 && (s.Pieces == 0 || space(s.Space) == pieceSpace || err == nil && size <= maxExpansion*len(s.Body)*int(s.Pieces))
}

// maxExpansion bounds by what factor a value may be larger than it is compressed to come back.
const maxExpansion = 1 << 10

// tags returns the tags that stamps are of.
func (s stamps) tags() (all []core.Tag) {
	for i := 0; i < len(s); i += stampSize {
		all = append(all, core.Tag(binary.LittleEndian.Uint64(s[i:])))
	}
	return all
}

// depthOf returns the depth bucket of a list's page by its canonical key.
func depthOf(key string, s space) uint8 {
	if s != listSpace {
		return 0
	}
	_, rest, ok := cutPlace(key)
	if !ok || len(rest) < 2 {
		return 0
	}
	limit, _ := strings.CutPrefix(rest[1], "limit=")
	q, err := Query{}, error(nil)
	if q.Limit, err = strconv.Atoi(limit); err != nil {
		return 0 // a total, or an end
	}
	offset, byOffset := strings.CutPrefix(rest[0], "offset=")
	if q.Offset, err = strconv.Atoi(offset); !byOffset || err != nil {
		q.Cursor, q.Offset = "cursor", 0
	}
	return q.depth()
}

// record tells the logs of bumps: of tags that have an appointment, of the next one, too. If one cannot be written,
// nothing that was saved may come back. Under c.mu.
func (c *Cache) record(tags []core.Tag) {
	if logs := c.keeper.logs(); len(logs) > 0 && len(tags) > 0 {
		c.write(logs, tags)
	}
}

func (c *Cache) write(logs []*snapshot.Log, tags []core.Tag) {
	numbers, versions := make([]uint64, len(tags)), make([]uint64, len(tags))
	for i, t := range tags {
		numbers[i], versions[i] = uint64(t), c.core.Stamp(t).N+uint64(min(1, c.ahead[t]))
	}
	var faults []error
	for _, l := range logs {
		faults = append(faults, l.Bump(numbers, versions))
	}
	c.kept(errors.Join(faults...))
}

// recordFlush tells the logs that everything is outdated. Under c.mu.
func (c *Cache) recordFlush() {
	var faults []error
	for _, l := range c.keeper.logs() {
		faults = append(faults, l.Flush())
	}
	c.kept(errors.Join(faults...))
}

// kept drops what was saved, if its logs could not be written. Under c.mu.
func (c *Cache) kept(err error) {
	if err == nil {
		return
	}
	k := c.keeper
	for _, l := range k.logs() {
		_ = l.Close() // it is given up
	}
	k.log, k.next = nil, nil
	err = errors.Join(err, snapshot.Drop(k.dir))
	c.lost.Store(&err) // who logs may ask the cache
}

// distrust says what became of the logs, and drops what was saved, where somebody says to a cache that is closed what is outdated: it is too late to
// save that. Not under c.mu.
func (c *Cache) distrust(err error) {
	k := c.keeper
	if k == nil {
		return
	}
	if lost := c.lost.Swap(nil); lost != nil {
		c.config.Logger.Error("folio: a bump cannot be kept: what was saved is dropped", "dir", k.dir, "error", *lost)
	}
	if !errors.Is(err, ErrClosed) {
		return
	}
	if err := k.dropLate(); err != nil {
		c.config.Logger.Error("folio: an invalidation after Close is lost", "dir", k.dir, "error", err)
	}
}

func (k *keeper) dropLate() error {
	k.saving.Lock() // the last time that contents are saved may not be over
	defer k.saving.Unlock()
	k.late = true
	if !k.given {
		return snapshot.Drop(k.dir)
	}
	lock, err := snapshot.Lock(k.dir)
	if err != nil {
		return nil // it is another cache's by now
	}
	return errors.Join(snapshot.Drop(k.dir), lock.Close())
}

// Save writes the contents to Config.Dir, in place of what was saved before; readers and writers go on
// meanwhile. It does so by itself every Config.SaveEvery, and at [Cache.Close]. What is there at the next start, in a
// cache of any size, is what was saved and not outdated since: every invalidation is on record before it is
// acknowledged, so that a process may be killed at any time. A file that is damaged, or of another
// Config.Version, is refused: the cache starts cold and says so to Config.Logger. After a loss of power, only what
// Close has saved is used. Invalidations that are to come are done at Close.
//
// A writer that is killed between its commit and its invalidation leaves what it has outdated: announce
// writes by [Cache.Intend]. Of what others write while no process runs, a cache hears as little as at other times.
func (c *Cache) Save(ctx context.Context) error {
	k := c.keeper
	if k == nil {
		return configError(errors.New("Save without a Dir"))
	}
	k.saving.Lock()
	defer k.saving.Unlock()
	c.mu.Lock()
	if c.closed.Load() {
		c.mu.Unlock()
		return ErrClosed
	}
	id := rand.Uint64()
	next, err := snapshot.NewLog(k.dir, id, true)
	if err == nil {
		k.next = next
		c.write([]*snapshot.Log{next}, slices.Collect(maps.Keys(c.ahead)))
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("folio: %w", err)
	}
	err = c.save(ctx, id, false)
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.next == nil { // a bump could not be kept
		return errors.Join(err, errors.New("folio: what was saved is dropped: a bump could not be kept"), snapshot.Drop(k.dir))
	}
	if k.next = nil; err != nil {
		return errors.Join(err, next.Remove())
	}
	if k.log != nil {
		_ = k.log.Close() // its snapshot is replaced
	}
	k.log = next
	return next.Adopt(k.dir)
}

// save writes a snapshot.
func (c *Cache) save(ctx context.Context, id uint64, clean bool) error {
	w, err := snapshot.Create(c.keeper.dir, snapshot.Header{ID: id, Seed: c.seed, Version: c.config.Version})
	if err == nil {
		err = c.saveEntries(ctx, w)
	}
	if err == nil {
		err = c.versions.each(func(t core.Tag, n uint64) error { return w.Version(uint64(t), n) })
	}
	if err == nil {
		return w.Commit(clean)
	}
	if w != nil {
		w.Abort()
	}
	return fmt.Errorf("folio: %w", err)
}

func (c *Cache) saveEntries(ctx context.Context, w *snapshot.Writer) error {
	const batch = 64 // under one lock
	var all []snapshot.Entry
	var values []byte
	for from := 0; ; from += batch {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.mu.Lock()
		keys := c.store.Keys()
		all, values = all[:0], values[:0]
		for slot := from; slot < min(from+batch, len(keys)); slot++ {
			var s snapshot.Entry
			var ok bool
			if s, values, ok = c.saved(arena.Slot(slot), keys[slot], values); ok {
				all = append(all, s)
			}
		}
		more := from+batch < len(keys)
		c.mu.Unlock()
		for i := range all {
			if err := w.Entry(&all[i]); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// saved returns what is to be saved of a slot, its bytes behind others, if that is valid. Under c.mu.
func (c *Cache) saved(slot arena.Slot, k store.Key, values []byte) (s snapshot.Entry, _ []byte, ok bool) {
	v, e, ok := c.inSlot(values, slot, k)
	if !ok {
		return s, values, false
	}
	start := c.start.UnixNano()
	s = snapshot.Entry{Space: uint8(e.space), Kind: uint8(e.kind), Ring: uint8(e.ring), Strategy: e.copy.Strategy, Pieces: e.pieces, Rows: e.rows, Sum: e.sum,
		Born: start + e.copy.Born, Hazard: e.copy.Hazard, Early: e.copy.Early, Confidence: e.copy.Confidence, Key: e.key, Stamps: e.stamps, Body: e.body}
	if e.expires > 0 {
		s.Expires = start + e.expires
	}
	return s, v, true
}

// saveNowAndThen saves every so often, and when the log is long.
func (c *Cache) saveNowAndThen() {
	tick := time.NewTicker(max(time.Millisecond, c.config.SaveEvery/saveLooks))
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-c.stopped.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		long := c.keeper.log != nil && c.keeper.log.Bytes() > maxLog
		c.mu.Unlock()
		if n%saveLooks != 0 && !long {
			continue
		}
		if err := c.Save(c.stopped); err != nil && !errors.Is(err, ErrClosed) && c.stopped.Err() == nil {
			c.config.Logger.Error("folio: the contents are not saved", "dir", c.config.Dir, "error", err)
		}
	}
}

// saveLooks is how often the log's length is looked at while contents are saved once.
const saveLooks = 10

// saveLast saves the contents of a cache that is closed, and gives the folder back.
func (c *Cache) saveLast() {
	k := c.keeper
	if k == nil {
		return
	}
	k.saving.Lock()
	c.mu.Lock()
	for l := range c.later {
		if err := c.bump(c.number(l.tag)); err != nil { // it is done now or never
			k.late = true
		}
	}
	logs := k.logs()
	c.mu.Unlock()
	err := error(nil)
	if k.late {
		err = snapshot.Drop(k.dir)
	} else if err = c.save(context.Background(), rand.Uint64(), true); err == nil {
		for _, l := range logs {
			err = errors.Join(err, l.Remove())
		}
		k.log, k.next = nil, nil
	}
	err = errors.Join(err, k.close())
	k.saving.Unlock()
	if err != nil {
		c.config.Logger.Error("folio: the contents are not saved", "dir", k.dir, "error", err)
	}
}
