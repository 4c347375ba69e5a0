package folio

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// many is a loader of many keys that have their own names as values, but for those that begin
// with x: they do not exist.
func many(asked *[][]string) LoadMany {
	var mu sync.Mutex
	return func(_ context.Context, keys []string) (map[string][]byte, error) {
		mu.Lock()
		*asked = append(*asked, slices.Sorted(slices.Values(keys)))
		mu.Unlock()
		time.Sleep(time.Second)
		values := map[string][]byte{}
		for _, k := range keys {
			if k[0] != 'x' {
				values[k] = []byte(k)
			}
		}
		return values, nil
	}
}

func texts(values map[string][]byte) map[string]string {
	all := map[string]string{}
	for k, v := range values {
		all[k] = string(v)
	}
	return all
}

func TestGetManyLoadsWhatIsMissingInOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		if err := c.SetMany(map[string][]byte{"a": []byte("stored"), "b": []byte("b")}); err != nil {
			t.Fatal(err)
		}
		var asked [][]string
		for range 2 {
			values, err := c.GetMany(background, []string{"a", "x", "c", "d", "c"}, many(&asked))
			if diff := cmp.Diff(map[string]string{"a": "stored", "c": "c", "d": "d"}, texts(values)); diff != "" || err != nil {
				t.Error(err, diff)
			}
		}
		if diff := cmp.Diff([][]string{{"c", "d", "x"}}, asked); diff != "" {
			t.Error(diff)
		}
		if err := c.DeleteMany("a", "c"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetMany(background, []string{"a", "b", "c", "d"}, many(&asked)); err != nil || len(asked) != 2 || len(asked[1]) != 2 {
			t.Errorf("asked for %v, %v", asked, err)
		}
	})
}

func TestLoadsOfManyAndOfOneAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, small())
		var asked [][]string
		var loads atomic.Int64
		var readers sync.WaitGroup
		readers.Go(func() {
			_, err := c.Get(background, "a", func(context.Context) ([]byte, error) {
				loads.Add(1)
				time.Sleep(2 * time.Second)
				return []byte("a"), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		readers.Go(func() {
			values, err := c.GetMany(background, []string{"a", "b"}, many(&asked))
			if diff := cmp.Diff(map[string]string{"a": "a", "b": "b"}, texts(values)); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
		synctest.Wait()
		get(t, c, "b", "b", value("other", &loads))
		readers.Wait()
		if diff := cmp.Diff([][]string{{"b"}}, asked); diff != "" || loads.Load() != 1 {
			t.Error(loads.Load(), diff)
		}
	})
}

func TestGetManyTellsErrorsBesideWhatItHas(t *testing.T) {
	c := open(t, small())
	if err := c.Set("a", []byte("a")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	fail := func(context.Context, []string) (map[string][]byte, error) { return nil, broken }
	values, err := c.GetMany(background, []string{"a", "b", "c"}, fail)
	if diff := cmp.Diff(map[string]string{"a": "a"}, texts(values)); diff != "" || !errors.Is(err, broken) || err.Error() != "broken" {
		t.Error(err, diff)
	}
	defer func() {
		if _, ok := recover().(*PanicError); !ok {
			t.Error("no panic")
		}
	}()
	_, _ = c.GetMany(background, []string{"b"}, func(context.Context, []string) (map[string][]byte, error) { panic("boom") })
}

func TestWarmStoresWhatIsNotThere(t *testing.T) {
	c := open(t, small())
	if err := c.Set("1", []byte("old")); err != nil {
		t.Fatal(err)
	}
	values := map[string][]byte{}
	for i := range 5 {
		values[strconv.Itoa(i)] = []byte("warm")
	}
	values["large"] = noise(1 << 20)
	n, err := c.Warm(background, maps.All(values))
	if n != 4 || err != nil {
		t.Errorf("%d stored, %v", n, err)
	}
	for key, want := range map[string]string{"0": "warm", "1": "old"} {
		if v, ok := c.GetIfPresent(nil, key); !ok || string(v) != want {
			t.Errorf("%s: got %q", key, v)
		}
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if n, err := c.Warm(ctx, maps.All(map[string][]byte{"new": nil})); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d stored, %v", n, err)
	}
}

func TestAMemoizedFunctionIsCalledOnceAKey(t *testing.T) {
	c := open(t, small())
	calls := 0
	square := Memoize(c, "square", func(_ context.Context, key string) (struct{ N int }, error) {
		calls++
		n, err := strconv.Atoi(key)
		return struct{ N int }{n * n}, err
	})
	for range 3 {
		if v, err := square(background, "7"); err != nil || v.N != 49 {
			t.Errorf("got %v, %v", v, err)
		}
		if _, err := square(background, "x"); err == nil {
			t.Error("no error")
		}
	}
	if calls != 4 {
		t.Errorf("%d calls, want 1 and 3 failed ones", calls)
	}
	if err := c.InvalidateTags(background, KeyTag("square:7")); err != nil {
		t.Fatal(err)
	}
	if _, err := square(background, "7"); err != nil || calls != 5 {
		t.Errorf("%d calls, %v", calls, err)
	}
}
