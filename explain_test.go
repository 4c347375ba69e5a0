package folio

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestExplainTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := small()
		config.TTL, config.Jitter = time.Minute, -1
		c := open(t, config)
		why := func(key, want string, stored, loading bool) {
			t.Helper()
			x := c.Explain(key)
			if x.Why != want || x.Stored != stored || x.Loading != loading || x.Key != key || (x.Ring != "") != (x.Bytes > 0) {
				t.Errorf("%s: got %+v, want %q, stored %v, loading %v", key, x, want, stored, loading)
			}
		}
		why("a", WhyNever, false, false)
		if err := c.Set("a", []byte("1")); err != nil {
			t.Fatal(err)
		}
		why("a", WhyStored, true, false)
		if x := c.Explain("a"); x.Expires != time.Minute || x.Ring != "probation" {
			t.Errorf("got %+v", x)
		}
		time.Sleep(time.Minute)
		why("a", WhyExpired, false, false)
		if err := c.Delete("a"); err != nil {
			t.Fatal(err)
		}
		why("a", WhyOutdated, false, false)
		go func() {
			_, _ = c.Get(background, "b", func(context.Context) ([]byte, error) {
				time.Sleep(time.Second)
				return nil, ErrNotFound
			})
		}()
		synctest.Wait()
		why("b", WhyNever, false, true)
		time.Sleep(time.Second)
		synctest.Wait()
		why("b", WhyNegative, true, false)
		if err := c.Set("large", make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		c.store.Delete(c.plain("b").key)
		why("b", WhyGone, false, false)
		c.hash = func(string, uint64) (uint64, uint64) { return 1, 1 }
		if err := c.Set("c", nil); err != nil {
			t.Fatal(err)
		}
		why("d", WhyOther, false, false)
		if n := c.Stats(); n.Hits+n.Misses != 1 {
			t.Errorf("explanations count as reads: %+v", n)
		}
	})
}
