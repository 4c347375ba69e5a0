package behind_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/behind"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FOLIO_BEHIND_VICTIM"); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

// sink remembers what it has done, and fails as it is told to.
type sink struct {
	mu    sync.Mutex
	done  []behind.Write
	calls int
	fails func(w behind.Write) error
}

func (s *sink) do(_ context.Context, writes []behind.Write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	for _, w := range writes {
		if s.fails != nil {
			if err := s.fails(w); err != nil {
				return err
			}
		}
	}
	s.done = append(s.done, writes...)
	return nil
}

func (s *sink) failing(fails func(w behind.Write) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = fails
}

// bodies are those that were done, of a key.
func (s *sink) bodies(key string) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.done {
		if w.Key == key {
			all = append(all, string(w.Body))
		}
	}
	return all
}

func open(t *testing.T, s *sink, change func(*behind.Config)) *behind.Queue {
	t.Helper()
	config := behind.Config{Dir: t.TempDir(), Sink: s.do, Interval: 10 * time.Millisecond, Retry: time.Millisecond, RetryMost: 20 * time.Millisecond}
	if change != nil {
		change(&config)
	}
	q, err := behind.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = q.Close(ctx)
	})
	return q
}

func put(t *testing.T, q *behind.Queue, key string, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if err := q.Put(t.Context(), behind.Write{Key: key, Body: []byte(b), Tags: []folio.Tag{folio.Tag("tag:" + key)}}); err != nil {
			t.Fatal(err)
		}
	}
}

func flush(t *testing.T, q *behind.Queue) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	n, err := q.Flush(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWritesAreDone: some time, several at once, in the order of their key; Flush has them done at once. Their tags are
// outdated when they are.
func TestWritesAreDone(t *testing.T) {
	s, told, dir := &sink{}, map[folio.Tag]int{}, t.TempDir()
	q := open(t, s, func(c *behind.Config) {
		c.Interval, c.Dir = time.Hour, dir
		c.Outdate = func(_ context.Context, tags ...folio.Tag) error {
			for _, tag := range tags {
				told[tag] = len(s.bodies(strings.TrimPrefix(string(tag), "tag:")))
			}
			return nil
		}
		c.Workers = 1
	})
	put(t, q, "a", "1", "2")
	put(t, q, "b", "1")
	put(t, q, "a", "3")
	if n := q.Stats(); n.Pending != 4 || n.Put != 4 || n.Done != 0 || n.Oldest <= 0 {
		t.Errorf("%+v", n)
	}
	if n := flush(t, q); n != 4 {
		t.Errorf("%d were done", n)
	}
	if !slices.Equal(s.bodies("a"), []string{"1", "2", "3"}) || s.calls != 1 || told["tag:a"] != 3 || told["tag:b"] != 1 {
		t.Errorf("%v in %d calls, told %v", s.done, s.calls, told)
	}
	if n := q.Stats(); n.Pending != 0 || n.Done != 4 || n.Oldest != 0 {
		t.Errorf("%+v", n)
	}
	var many []behind.Write
	var want []string
	for i := range 50 {
		many = append(many, behind.Write{Key: "many", Body: fmt.Append(nil, i)})
		want = append(want, fmt.Sprint(i))
	}
	if err := q.Put(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
	if n := flush(t, q); n != 50 || !slices.Equal(s.bodies("many"), want) {
		t.Errorf("%d were done: %v", n, s.bodies("many"))
	}
	if err := q.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := open(t, s, func(c *behind.Config) { c.Dir = dir }).Stats(); n.Pending != 0 {
		t.Errorf("%d are to be done again", n.Pending)
	}
}

// TestWithoutAFlush: writes are done after the interval, or when there is a batch of them.
func TestWithoutAFlush(t *testing.T) {
	s := &sink{}
	q := open(t, s, func(c *behind.Config) { c.Workers = 1 })
	put(t, q, "a", "1")
	for began := time.Now(); len(s.bodies("a")) == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("it is not done")
		}
	}
	s = &sink{}
	q = open(t, s, func(c *behind.Config) { c.Workers, c.Interval, c.MaxBatch = 1, time.Hour, 3 })
	put(t, q, "a", "1", "2", "3", "4")
	for began := time.Now(); len(s.bodies("a")) < 3; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("a batch is not done")
		}
	}
	time.Sleep(20 * time.Millisecond)
	if got := s.bodies("a"); len(got) != 3 {
		t.Errorf("%v: the last one has time", got)
	}
}

var errSink = errors.New("no")

// TestASinkThatIsDown: nothing is lost or dead, however long; Flush says why; then all is done, in order.
func TestASinkThatIsDown(t *testing.T) {
	s := &sink{fails: func(behind.Write) error { return errSink }}
	q := open(t, s, func(c *behind.Config) { c.MaxTries, c.Retry = 3, 5*time.Millisecond })
	for i := range 50 {
		put(t, q, fmt.Sprint(i%10), fmt.Sprint(i))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := q.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errSink) {
		t.Error(err)
	}
	if n := q.Stats(); n.Pending != 50 || n.Dead != 0 || n.Failures < 5 || n.Failures > 3000 {
		t.Errorf("%+v", n)
	}
	s.failing(nil)
	flush(t, q)
	for key := range 10 {
		for i, b := range s.bodies(fmt.Sprint(key)) {
			if b != fmt.Sprint(10*i+key) {
				t.Errorf("key %d: %v", key, s.bodies(fmt.Sprint(key)))
			}
		}
	}
}

// TestAWriteThatCannotBeDone: others go on, those of its key wait; after some tries it is a dead letter, and they go on.
func TestAWriteThatCannotBeDone(t *testing.T) {
	s := &sink{fails: func(w behind.Write) error {
		if string(w.Body) == "bad" {
			return errSink
		}
		return nil
	}}
	q := open(t, s, func(c *behind.Config) { c.MaxTries, c.Workers = 4, 1 })
	put(t, q, "a", "1", "bad", "2")
	for i := 0; q.Stats().Dead == 0; i++ {
		put(t, q, "b", fmt.Sprint(i))
		if time.Sleep(2 * time.Millisecond); i == 3 && len(s.bodies("a")) > 1 {
			t.Error("what is behind it was done before")
		}
		if i > 5000 {
			t.Fatal("it is not dead", q.Stats())
		}
	}
	flush(t, q)
	if got := s.bodies("a"); !slices.Equal(got, []string{"1", "2"}) {
		t.Error(got)
	}
	dead, err := q.Dead(10)
	if err != nil || len(dead) != 1 || string(dead[0].Body) != "bad" || dead[0].Err != errSink.Error() || dead[0].Key != "a" {
		t.Fatal(dead, err)
	}
	if err := q.Forget(dead[0].ID, 12345); err != nil || q.Stats().Dead != 0 {
		t.Error(err, q.Stats())
	}
	if dead, err := q.Dead(10); err != nil || len(dead) != 0 {
		t.Error(dead, err)
	}
}

// TestPauses: a sink that is down is not asked for every write; a write that cannot be done is not asked for all the time,
// while others are done; who waits for all of it does not wait for long pauses.
func TestPauses(t *testing.T) {
	s := &sink{fails: func(behind.Write) error { return errSink }}
	q := open(t, s, func(c *behind.Config) { c.Workers, c.Retry, c.RetryMost = 1, time.Hour, time.Hour })
	var many []behind.Write
	for i := range 100 {
		many = append(many, behind.Write{Key: fmt.Sprint(i)})
	}
	if err := q.Put(t.Context(), many...); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if s.mu.Lock(); s.calls != 1+3 {
		t.Errorf("%d calls", s.calls)
	}
	s.mu.Unlock()

	bad := 0
	s = &sink{}
	s.fails = func(w behind.Write) error {
		if w.Key == "bad" && len(s.done) < 140 {
			bad++
			return errSink
		}
		return nil
	}
	q = open(t, s, func(c *behind.Config) {
		c.Workers, c.Interval, c.Retry, c.RetryMost = 1, 1, 100*time.Millisecond, time.Hour
	})
	put(t, q, "bad", "1")
	for i := range 150 {
		put(t, q, "good", fmt.Sprint(i))
		time.Sleep(2 * time.Millisecond)
	}
	if s.mu.Lock(); bad > 15 {
		t.Errorf("a write that cannot be done was tried %d times in a third of a second", bad)
	}
	s.mu.Unlock()
	flush(t, q)
	if len(s.bodies("bad")) != 1 || len(s.bodies("good")) != 150 {
		t.Error(s.done)
	}

	down := true
	s = &sink{fails: func(behind.Write) error {
		if down = !down; !down {
			return errSink
		}
		return nil
	}}
	q = open(t, s, func(c *behind.Config) { c.Interval, c.Retry, c.RetryMost = 1, time.Hour, time.Hour })
	put(t, q, "a", "1")
	time.Sleep(20 * time.Millisecond)
	flush(t, q)
}

// TestAPanicIsAFailure, and an invalidation that fails is one: the write is done again.
func TestAPanicIsAFailure(t *testing.T) {
	s, tries, refuse := &sink{}, 0, 3
	q := open(t, s, func(c *behind.Config) {
		c.Sink = func(ctx context.Context, writes []behind.Write) error {
			if tries++; tries < 3 {
				panic("oh")
			}
			return s.do(ctx, writes)
		}
		c.Outdate = func(context.Context, ...folio.Tag) error {
			if refuse--; refuse > 0 {
				return folio.ErrPending
			}
			return nil
		}
	})
	put(t, q, "a", "1")
	flush(t, q)
	if n := q.Stats(); n.Pending != 0 || n.Done != 1 || n.Failures < 4 || tries < 4 {
		t.Errorf("%+v, %d tries", n, tries)
	}
}

// TestThereIsRoomForSoMany: who puts more waits, as long as he likes.
func TestThereIsRoomForSoMany(t *testing.T) {
	s := &sink{fails: func(behind.Write) error { return errSink }}
	q := open(t, s, func(c *behind.Config) { c.MaxPending = 3 })
	put(t, q, "a", "1", "2", "3")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := q.Put(ctx, behind.Write{Key: "a", Body: []byte("4")}); !errors.Is(err, behind.ErrFull) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	done := make(chan error)
	go func() { done <- q.Put(context.Background(), behind.Write{Key: "a", Body: []byte("5")}) }()
	time.Sleep(10 * time.Millisecond)
	s.failing(nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
	flush(t, q)
	if got := s.bodies("a"); !slices.Equal(got, []string{"1", "2", "3", "5"}) {
		t.Error(got)
	}
}

// TestManyAtOnce: what each has put is done in his order, once.
func TestManyAtOnce(t *testing.T) {
	s := &sink{}
	random := rand.New(rand.NewPCG(1, 1))
	s.fails = func(behind.Write) error {
		if random.IntN(50) == 0 {
			return errSink
		}
		return nil
	}
	q := open(t, s, func(c *behind.Config) { c.MaxPending, c.MaxBatch = 50, 7 })
	var all sync.WaitGroup
	for g := range 20 {
		all.Go(func() {
			for i := range 30 {
				put(t, q, fmt.Sprint(g%5, " of ", g), fmt.Sprint(i))
			}
		})
	}
	all.Wait()
	flush(t, q)
	last := uint64(0)
	ids := map[uint64]bool{}
	for g := range 20 {
		key := fmt.Sprint(g%5, " of ", g)
		for i, b := range s.bodies(key) {
			if b != fmt.Sprint(i) {
				t.Fatalf("%s: %v", key, s.bodies(key))
			}
		}
		if n := len(s.bodies(key)); n != 30 {
			t.Errorf("%s: %d", key, n)
		}
	}
	for _, w := range s.done {
		if ids[w.ID] {
			t.Errorf("ID %d twice", w.ID)
		}
		ids[w.ID], last = true, max(last, w.ID)
	}
	if last != 600 {
		t.Errorf("the last ID is %d", last)
	}
}

// TestConfigs, and what is not to be queued, and what comes too late.
func TestConfigs(t *testing.T) {
	s := &sink{}
	for _, c := range []behind.Config{{}, {Dir: t.TempDir()}, {Sink: s.do}, {Dir: t.TempDir(), Sink: s.do, Interval: -1}, {Dir: t.TempDir(), Sink: s.do, Retry: time.Minute}, {Dir: "/dev/null/x", Sink: s.do}} {
		if _, err := behind.Open(c); !errors.Is(err, behind.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	dir := t.TempDir()
	q := open(t, s, func(c *behind.Config) { c.Dir = dir })
	if _, err := behind.Open(behind.Config{Dir: dir, Sink: s.do}); !errors.Is(err, behind.ErrInUse) {
		t.Error(err)
	}
	for _, w := range []behind.Write{{}, {Key: "a", Body: make([]byte, behind.MaxBody)}} {
		if err := q.Put(t.Context(), w); !errors.Is(err, behind.ErrWrite) {
			t.Error(err)
		}
	}
	if err := errors.Join(q.Close(t.Context()), q.Close(t.Context())); err != nil {
		t.Error(err)
	}
	if err := q.Put(t.Context(), behind.Write{Key: "a"}); !errors.Is(err, behind.ErrClosed) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "queue.db"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := behind.Open(behind.Config{Dir: dir, Sink: s.do}); err == nil {
		t.Error("a file that is damaged is opened")
	}
	if b, err := os.ReadFile(filepath.Join(dir, "queue.db")); err != nil || string(b) != "damaged" {
		t.Error("what may be there is gone", err)
	}
}
