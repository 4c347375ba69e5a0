// Package behind has writes done later: a durable queue between whoever writes and the database. A write that Put has
// acknowledged is on disk, and is done some time, also if the process is killed or the power fails: in order, as far as
// writes of one key go, at least once each.
//
//	queue, err := behind.Open(behind.Config{Dir: "/var/lib/app/queue", Sink: store, Outdate: cache.InvalidateTags})
//	err = queue.Put(ctx, behind.Write{Key: "ticket:7", Body: body, Tags: []folio.Tag{"tickets:user:1"}})
//
// Until a write is done readers see what was before it; then its tags are outdated. That is write-behind: for counters,
// logs, and whatever may be seen late. What has to be seen at once goes to the database first, and outdates then:
// [folio.Cache.Intend] and [folio.Cache.InvalidateTags].
package behind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/zeebo/xxh3"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/foliocache/folio"
)

// Write is what is to be done.
type Write struct {
	Key  string      // writes of one key are done in the order of their Puts
	Body []byte      // at most MaxBody
	Tags []folio.Tag // that are outdated when it is done

	// ID is the queue's: greater than those of all writes before, and the same in each try, so that a sink can tell what it
	// has done already.
	ID   uint64
	Time time.Time // of its Put
}

// MaxBody bounds a write's key, tags and body together, in bytes.
const MaxBody = 16 << 20

// Config says where a queue is and what becomes of its writes. Dir and Sink are needed.
type Config struct {
	Dir string // of its own, made if need be
	// Sink does some writes, in their order, all or none: then nil. Those that are tried again after an error, or after a
	// kill, may have been done: it is to be idempotent, by ID or by what a write says. After an error each is tried by
	// itself; those of other keys go on.
	Sink func(ctx context.Context, writes []Write) error
	// Outdate is told the tags of writes that are done, as [folio.Cache.InvalidateTags] is; a write is done when it has
	// returned nil. Default: nobody is told.
	Outdate func(ctx context.Context, tags ...folio.Tag) error

	// Interval is how long a write waits for others to be done with it. Default 100 ms.
	Interval time.Duration
	// MaxBatch bounds the writes that the sink is given at once. Default 100.
	MaxBatch int
	// Workers bounds how many batches the sink is given side by side, of different keys. Default 4.
	Workers int
	// MaxPending bounds the writes that are not done: Put waits while there are as many. Default 100,000.
	MaxPending int
	// MaxTries is how often a write is tried by itself before it is a dead letter, where the sink has done others between
	// two tries: that it is down kills no write. Default 20; negative: for ever.
	MaxTries int
	// Retry is the pause after a first failure; it grows to RetryMost. Defaults 50 ms, 30 s.
	Retry, RetryMost time.Duration
	// Timeout bounds a call of the sink. Default 30 s.
	Timeout time.Duration
	// Logger hears of failures and dead letters. Default slog.Default().
	Logger *slog.Logger
}

// Errors of a queue.
var (
	ErrConfig = errors.New("behind: bad configuration")
	ErrInUse  = errors.New("behind: in use by another process")
	ErrClosed = errors.New("behind: closed")
	ErrWrite  = errors.New("behind: not to be queued") // too large, or its key is empty
	ErrFull   = errors.New("behind: too many writes are pending")
)

// Stats tell what a queue has done since it was opened.
type Stats struct {
	Pending  int           // writes that are not done
	Oldest   time.Duration // since the Put of the first of them
	Put      int64         // writes acknowledged
	Done     int64         // writes
	Failures int64         // calls of the sink, or of Outdate, that failed
	Dead     int           // letters that there are
}

// Queue is a queue of writes. Safe for concurrent use.
type Queue struct {
	config Config
	db     *bbolt.DB

	mu      sync.Mutex
	changed chan struct{}    // closed when writes are done, or put
	lanes   []lane           // of workers, by the key
	early   map[uint64]place // on disk, and one with an ID before it is not known to be
	newest  uint64           // of those that are in lanes, or were
	pending int
	asked   int // writes of Puts that are under way
	dead    int
	stats   Stats
	last    error // of the sink
	hurry   int   // who wait: no long pauses
	closed  bool

	stop    context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// lane is what one worker has to do, in order.
type lane struct {
	writes []place
	ill    map[uint64]*illness // by key
	at     time.Time           // when nothing could be done,
	wait   time.Duration       // and for how long nothing is tried since
	more   chan struct{}       // something has come, or somebody waits
}

// place says where a write is.
type place struct {
	id   uint64
	key  uint64 // its hash
	time time.Time
}

// illness is why a key's writes have to wait.
type illness struct {
	pause *backoff.ExponentialBackOff
	at    time.Time     // of the last failure,
	wait  time.Duration // since when
	tries int
	done  int64 // by the queue, at the last one
}

func (c *Config) check() error {
	c.Interval, c.Timeout = cmp.Or(c.Interval, 100*time.Millisecond), cmp.Or(c.Timeout, 30*time.Second)
	c.Retry, c.RetryMost = cmp.Or(c.Retry, 50*time.Millisecond), cmp.Or(c.RetryMost, 30*time.Second)
	c.MaxBatch, c.Workers, c.MaxPending, c.MaxTries = cmp.Or(c.MaxBatch, 100), cmp.Or(c.Workers, 4), cmp.Or(c.MaxPending, 100_000), cmp.Or(c.MaxTries, 20)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Outdate == nil {
		c.Outdate = func(context.Context, ...folio.Tag) error { return nil }
	}
	if c.Dir == "" || c.Sink == nil {
		return fmt.Errorf("%w: want Dir and Sink", ErrConfig)
	}
	if c.Interval < 0 || c.Retry < 0 || c.RetryMost < c.Retry || c.Timeout < 0 || c.MaxBatch < 0 || c.Workers < 0 || c.MaxPending < 0 {
		return fmt.Errorf("%w: Interval %s, Retry %s to %s, Timeout %s, MaxBatch %d, Workers %d, MaxPending %d: want no less than 0", ErrConfig, c.Interval, c.Retry, c.RetryMost, c.Timeout, c.MaxBatch, c.Workers, c.MaxPending)
	}
	return nil
}

// Open opens a queue, and goes on with what is in it. What another process has open is an ErrInUse; a file that is
// damaged is an error, and stays as it is.
func Open(config Config) (*Queue, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: Dir: %w", ErrConfig, err)
	}
	options := *bbolt.DefaultOptions
	options.Timeout, options.FreelistType = 100*time.Millisecond, bbolt.FreelistMapType
	file := filepath.Join(config.Dir, "queue.db")
	db, err := bbolt.Open(file, 0o600, &options)
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s", ErrInUse, file)
	}
	if err != nil {
		return nil, fmt.Errorf("behind: %s: %w", file, err)
	}
	db.MaxBatchDelay = gather
	q := &Queue{config: config, db: db, changed: make(chan struct{}), lanes: make([]lane, config.Workers), early: map[uint64]place{}}
	for i := range q.lanes {
		q.lanes[i].more, q.lanes[i].ill = make(chan struct{}, 1), map[uint64]*illness{}
	}
	if err := q.load(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	q.stop, q.cancel = context.WithCancel(context.Background())
	for i := range q.lanes {
		q.running.Go(func() { q.work(i) })
	}
	return q, nil
}

// gather is how long the first of several Puts waits for others to reach the disk with it.
const gather = time.Millisecond

// lane returns which one a key's writes are in.
func (q *Queue) lane(key uint64) *lane { return &q.lanes[key%uint64(len(q.lanes))] }

// Put queues writes, all or none, and returns when they are on disk. It waits as long as there are too many; where ctx ends
// before, it is an ErrFull, and nothing was queued. What it is given belongs to it.
func (q *Queue) Put(ctx context.Context, writes ...Write) error {
	for i := range writes {
		if w := &writes[i]; w.Key == "" || w.size() > MaxBody {
			return fmt.Errorf("%w: write %d: %d bytes, key %q: want at most %d, and a key", ErrWrite, i, w.size(), w.Key, MaxBody)
		}
	}
	if err := q.admit(ctx, len(writes)); err != nil {
		return err
	}
	now := time.Now()
	for i := range writes {
		writes[i].Time = now
	}
	err := q.put(writes)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.asked -= len(writes); err != nil {
		return err
	}
	q.stats.Put += int64(len(writes))
	return nil
}

// admit waits until there is room for some writes.
func (q *Queue) admit(ctx context.Context, n int) error {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return ErrClosed
		}
		if there := q.pending + q.asked; there == 0 || there+n <= q.config.MaxPending {
			q.asked += n
			q.mu.Unlock()
			return nil
		}
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrFull, context.Cause(ctx))
		}
	}
}

// queued notes writes that are on disk: in the order of their IDs, whoever comes first.
func (q *Queue) queued(writes []Write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range writes {
		q.early[writes[i].ID] = place{writes[i].ID, xxh3.HashString(writes[i].Key), writes[i].Time}
	}
	for p, ok := q.early[q.newest+1]; ok; p, ok = q.early[q.newest+1] {
		q.newest++
		delete(q.early, p.id)
		l := q.lane(p.key)
		l.writes = append(l.writes, p)
		l.wake()
	}
	q.pending += len(writes)
	q.stir()
}

func (l *lane) wake() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// stir wakes who waits for a change. Under mu.
func (q *Queue) stir() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// Flush has everything done that was put before, without a pause, and returns how many writes were done meanwhile. Where
// ctx ends before, the error has what the sink said last. Letters that are dead by then are not waited for.
func (q *Queue) Flush(ctx context.Context) (n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	began, until := q.stats.Done, q.newest
	q.hurry++
	defer func() { q.hurry-- }()
	for !q.closed && q.oldest() <= until {
		for i := range q.lanes {
			q.lanes[i].wake()
		}
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		q.mu.Lock()
		if ctx.Err() != nil {
			err = fmt.Errorf("behind: %d writes are pending: %w", q.pending, errors.Join(context.Cause(ctx), q.last))
			break
		}
	}
	if q.closed && err == nil && q.oldest() <= until {
		err = ErrClosed
	}
	return int(q.stats.Done - began), err
}

// oldest returns the first ID of what is pending. Under mu.
func (q *Queue) oldest() uint64 {
	id := uint64(1<<64 - 1)
	for i := range q.lanes {
		if w := q.lanes[i].writes; len(w) > 0 {
			id = min(id, w[0].id)
		}
	}
	return id
}

// Stats tells what the queue has done.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Pending, s.Dead = q.pending, q.dead
	for i := range q.lanes {
		if w := q.lanes[i].writes; len(w) > 0 {
			s.Oldest = max(s.Oldest, time.Since(w[0].time))
		}
	}
	return s
}

// Close ends the queue, after a Flush as long as ctx allows. What is not done is there when it is opened again: that is no
// error.
func (q *Queue) Close(ctx context.Context) error {
	_, _ = q.Flush(ctx)
	q.mu.Lock()
	was := q.closed
	q.closed = true
	q.stir()
	q.mu.Unlock()
	if was {
		return nil
	}
	q.cancel()
	q.running.Wait()
	return q.db.Close()
}
