package folio

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foliocache/folio/internal/seed"
)

const (
	killScopes = 40
	killDir    = "FOLIO_TEST_KILL_DIR" // set in a process that is to be killed
)

// TestKilledProcess is what TestAKillLosesNoInvalidation kills: readers, writers that tell of each write once it is
// acknowledged, and contents that are saved all the time. It does nothing in any other process.
func TestKilledProcess(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		return
	}
	var versions [killScopes]atomic.Uint64
	c, l := killed(t, dir, func(scope int) uint64 { return versions[scope].Load() })
	for i := range versions { // as the origin is
		b, err := os.ReadFile(filepath.Join(dir, "origin"))
		if err != nil {
			t.Fatal(err)
		}
		versions[i].Store(binary.LittleEndian.Uint64(b[8*i:]))
	}
	var mu sync.Mutex
	tell := func(scope int, version uint64) { // in one write: the parent reads what is whole
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(os.Stdout, "w %d %d\n", scope, version)
	}
	for w := range 2 {
		go func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), uint64(w)))
			for {
				i := 2*r.IntN(killScopes/2) + w // a writer each
				s := Scope{Kind: "user", ID: strconv.Itoa(i)}
				if r.IntN(2) == 0 { // it is told of between its commit and its invalidation
					intent, err := l.Intend(background, s)
					if err != nil {
						panic(err)
					}
					tell(i, versions[i].Add(1))
					if err := intent.Done(); err != nil {
						panic(err)
					}
					continue
				}
				v := versions[i].Add(1)
				if _, err := l.Invalidate(background, s); err != nil {
					panic(err)
				}
				tell(i, v)
			}
		}()
	}
	go func() {
		for {
			if err := c.Save(background); err != nil {
				panic(err)
			}
			_, _ = fmt.Fprintln(os.Stdout, "saved")
		}
	}()
	for i := 0; ; i++ {
		mustPage(t, l, Params{Scope: Scope{Kind: "user", ID: strconv.Itoa(rand.IntN(killScopes))}, Page: 1 + i%2})
	}
}

// killed opens a cache of a list whose pages say which version of their scope they are of.
func killed(t *testing.T, dir string, version func(scope int) uint64) (*Cache, *List[uint64]) {
	t.Helper()
	config, _ := kept(dir)
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewList(c, ListConfig[uint64]{Name: "versions", Limit: 1, MaxLimit: 1, Load: func(_ context.Context, q Query, _ Range) ([]uint64, error) {
		i, err := strconv.Atoi(q.Scope.ID)
		return []uint64{version(i)}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c, l
}

// TestAKillLosesNoInvalidation: at whatever moment a process is killed, the next one serves nothing that is older than
// a write which was acknowledged, or announced by an intent; and what was saved is there.
func TestAKillLosesNoInvalidation(t *testing.T) {
	r, dir := seed.Random(t), t.TempDir()
	var acked [killScopes]uint64
	hits, rounds := 0, 12
	if os.Getenv("KILLS") != "" {
		rounds, _ = strconv.Atoi(os.Getenv("KILLS"))
	}
	for round := range rounds {
		origin := make([]byte, 8*killScopes)
		for i, v := range acked {
			binary.LittleEndian.PutUint64(origin[8*i:], v)
		}
		if err := os.WriteFile(filepath.Join(dir, "origin"), origin, 0o600); err != nil {
			t.Fatal(err)
		}
		saved := killOne(t, dir, time.Duration(r.IntN(150))*time.Millisecond, &acked)
		c, l := killed(t, dir, func(scope int) uint64 { return acked[scope] })
		for i := range acked {
			told := acked[i] // a page of a write that was on its way when it was killed says nothing of the other page
			for page := range 2 {
				p := mustPage(t, l, Params{Scope: Scope{Kind: "user", ID: strconv.Itoa(i)}, Page: 1 + page})
				if p.Items[0] < told {
					t.Errorf("round %d: page %d of %d is of version %d (%s), %d was acknowledged", round, page+1, i, p.Items[0], p.Source, told)
				}
				if p.Source == Hit {
					hits++
				}
				acked[i] = max(acked[i], p.Items[0]) // a write that was on its way when it was killed
			}
		}
		t.Logf("round %d: saved %d times, %d hits so far", round, saved, hits)
		abandon(t, c)
	}
	if hits < rounds {
		t.Errorf("%d hits after %d kills: nothing is saved", hits, rounds)
	}
}

// killOne runs a process, kills it some time after it has saved its contents once, and notes what it acknowledged.
func killOne(t *testing.T, dir string, after time.Duration, acked *[killScopes]uint64) (saved int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run", "^TestKilledProcess$")
	child.Env = append(os.Environ(), killDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(30*time.Second, func() { _ = child.Process.Kill() }) // it hangs
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				t.Fatal(err)
			}
			break // what is cut was not acknowledged
		}
		var scope int
		var version uint64
		switch n, _ := fmt.Sscanf(line, "w %d %d", &scope, &version); {
		case n == 2:
			acked[scope] = max(acked[scope], version)
		case line == "saved\n":
			if saved++; saved == 1 {
				time.AfterFunc(after, func() { _ = child.Process.Kill() })
			}
		default:
			t.Logf("child: %s", line)
		}
	}
	_ = child.Wait() // it was killed
	if saved == 0 {
		t.Fatal("it was never saved")
	}
	return saved
}
