package folio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestAReaderAfterADeleteNeverJoinsALoadFromBefore: nor does that load's value get stored.
func TestAReaderAfterADeleteNeverJoinsALoadFromBefore(t *testing.T) {
	for name, write := range map[string]func(*Cache) error{
		"delete": func(c *Cache) error { return c.Delete("a") },
		"set":    func(c *Cache) error { return c.Set("a", []byte("new")) },
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, small())
			began, finish, got := make(chan bool), make(chan bool), make(chan string)
			go func() {
				v, err := c.Get(background, "a", func(context.Context) ([]byte, error) {
					close(began)
					<-finish
					return []byte("old"), nil
				})
				got <- fmt.Sprint(string(v), err)
			}()
			<-began
			if err := write(c); err != nil {
				t.Fatal(err)
			}
			var loads atomic.Int64
			get(t, c, "a", "new", value("new", &loads))
			close(finish)
			if v := <-got; v != "old<nil>" {
				t.Errorf("who asked before got %s", v)
			}
			get(t, c, "a", "new", value("newer", &loads))
			if n := loads.Load(); n > 1 {
				t.Errorf("%d loads", n)
			}
		})
	}
}

func TestTenThousandReadersOfADeletedKeyShareALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		var loads atomic.Int64
		get(t, c, "a", "1", value("1", &loads))
		if err := c.Delete("a"); err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		var wrong atomic.Int64
		started := make(chan bool)
		for range 10_000 {
			readers.Go(func() {
				<-started
				v, err := c.Get(background, "a", func(context.Context) ([]byte, error) {
					loads.Add(1)
					time.Sleep(20 * time.Millisecond)
					return []byte("2"), nil
				})
				if err != nil || string(v) != "2" {
					wrong.Add(1)
				}
			})
		}
		close(started)
		readers.Wait()
		if loads.Load() != 2 || wrong.Load() != 0 {
			t.Errorf("%d loads, %d wrong answers", loads.Load(), wrong.Load())
		}
	})
}

func TestAWaiterHonoursItsOwnContextAndTheLoadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, err := c.Get(ctx, "a", func(ctx context.Context) ([]byte, error) {
			time.Sleep(5 * time.Second)
			return []byte("1"), ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		time.Sleep(5 * time.Second)
		if v, ok := c.GetIfPresent(nil, "a"); !ok || string(v) != "1" {
			t.Errorf("got %q, %v", v, ok)
		}
		cancel()
		var loads atomic.Int64
		if _, err := c.Get(ctx, "b", value("1", &loads)); err == nil || loads.Load() > 0 {
			t.Errorf("a load for a context that is over: %v", err)
		}
	})
}

func TestAValueIsItsReadersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				v, err := c.Get(background, "a", func(context.Context) ([]byte, error) {
					time.Sleep(time.Second)
					return []byte("1"), nil
				})
				if err != nil || string(v) != "1" {
					t.Errorf("got %q, %v", v, err)
				}
				v[0]++
			})
		}
		readers.Wait()
		var loads atomic.Int64
		get(t, c, "a", "1", value("1", &loads))
	})
}

func TestWhatTheStoreLostIsLoadedAgain(t *testing.T) {
	c := open(t, small())
	var loads atomic.Int64
	get(t, c, "a", "1", value("1", &loads))
	c.store.Delete(c.plain("a").key)
	for range 2 {
		get(t, c, "a", "2", value("2", &loads))
	}
	if n := loads.Load(); n != 2 {
		t.Errorf("%d loads, want 2", n)
	}
}

func TestALoadHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.LoadTimeout, config.MaxLoads = time.Second, 1
		c := open(t, config)
		slow := func(ctx context.Context) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		var readers sync.WaitGroup
		for i := range 3 { // two of them wait for their turn
			readers.Go(func() {
				if _, err := c.Get(background, strconv.Itoa(i), slow); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		}
		readers.Wait()
	})
}

func TestLoadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.MaxLoads = 3
		c := open(t, config)
		var now, most atomic.Int64
		var readers sync.WaitGroup
		for i := range 20 {
			readers.Go(func() {
				_, err := c.Get(background, strconv.Itoa(i), func(context.Context) ([]byte, error) {
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(time.Second)
					now.Add(-1)
					return nil, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		readers.Wait()
		if most.Load() != 3 {
			t.Errorf("%d loads at once", most.Load())
		}
	})
}

func TestAPanicGoesToWhoBeganTheLoadAndAnErrorToTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		var panics, fails atomic.Int64
		var readers sync.WaitGroup
		for range 10 {
			readers.Go(func() {
				defer func() {
					if p, ok := recover().(*PanicError); ok && p.Value == "boom" && bytes.Contains(p.Stack, []byte("fill_test.go")) {
						panics.Add(1)
					}
				}()
				_, err := c.Get(background, "a", func(context.Context) ([]byte, error) {
					time.Sleep(time.Second)
					panic("boom")
				})
				var p *PanicError
				if errors.As(err, &p) && p.Value == "boom" {
					fails.Add(1)
				}
			})
		}
		readers.Wait()
		if panics.Load() != 1 || fails.Load() != 9 {
			t.Errorf("%d panics, %d errors", panics.Load(), fails.Load())
		}
		var loads atomic.Int64
		get(t, c, "a", "1", value("1", &loads)) // the next one loads
	})
}

func TestAbsenceIsRememberedAndErrorsAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		var loads atomic.Int64
		fail := func(err error) func(context.Context) ([]byte, error) {
			return func(context.Context) ([]byte, error) {
				loads.Add(1)
				return nil, err
			}
		}
		for range 3 {
			if _, err := c.Get(background, "a", fail(fmt.Errorf("no row: %w", ErrNotFound))); !errors.Is(err, ErrNotFound) {
				t.Fatalf("got %v", err)
			}
		}
		if n := loads.Swap(0); n != 1 {
			t.Errorf("%d loads of what is not there", n)
		}
		if _, ok := c.GetIfPresent(nil, "a"); ok {
			t.Error("what is not there is present")
		}
		time.Sleep(defaultNegativeTTL)
		get(t, c, "a", "1", value("1", &loads))
		loads.Store(0)
		broken := errors.New("broken")
		for range 3 {
			if _, err := c.Get(background, "b", fail(broken)); !errors.Is(err, broken) {
				t.Fatalf("got %v", err)
			}
		}
		if n := loads.Load(); n != 3 {
			t.Errorf("%d loads after errors, want 3", n)
		}
	})
}
