package disk_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/tier"
	"github.com/foliocache/folio/tier/disk"
	"github.com/foliocache/folio/tier/tiertest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FOLIO_DISK_VICTIM"); dir != "" {
		victim(dir)
		return
	}
	os.Exit(m.Run())
}

func open(t testing.TB, config disk.Config) *disk.Tier {
	t.Helper()
	d, err := disk.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestItIsATier(t *testing.T) {
	d := open(t, disk.Config{Dir: t.TempDir()})
	tiertest.Run(t, func(*testing.T) tier.Tier { return d })
}

func read(t testing.TB, d *disk.Tier, name string, tags ...uint64) (tier.Moment, string) {
	t.Helper()
	a, err := d.Read(t.Context(), tier.Question{Tags: tags, Keys: []tier.Key{{Name: name, Home: tags[0]}}})
	if err != nil {
		t.Fatal(err)
	}
	return a.Moment, string(a.Values[0].Body)
}

func write(t testing.TB, d *disk.Tier, after tier.Moment, name, body string, tags ...uint64) {
	t.Helper()
	if err := d.Write(t.Context(), "1", after, []tier.Value{{Key: tier.Key{Name: name, Home: tags[0]}, Tags: tags, Body: []byte(body)}}); err != nil {
		t.Fatal(err)
	}
}

// keep writes a value after a read.
func keep(t testing.TB, d *disk.Tier, name, body string, tags ...uint64) {
	t.Helper()
	at, _ := read(t, d, name, tags...)
	write(t, d, at, name, body, tags...)
}

// TestItIsThereAgain: what is current is, what was bumped is not, also by a bump that was the last thing to happen.
func TestItIsThereAgain(t *testing.T) {
	dir := t.TempDir()
	d := open(t, disk.Config{Dir: dir})
	for i := range uint64(4) {
		keep(t, d, fmt.Sprint(i), fmt.Sprint("body ", i), i, 100)
	}
	at, _ := read(t, d, "late", 3)
	if _, err := d.Bump(t.Context(), "me", []uint64{1, 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Open(disk.Config{Dir: dir}); !errors.Is(err, disk.ErrInUse) {
		t.Error("opened twice:", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(t.Context(), tier.Question{}); !errors.Is(err, tier.ErrClosed) {
		t.Error(err)
	}
	d = open(t, disk.Config{Dir: dir})
	write(t, d, at, "late", "of before", 3)
	for i, want := range []string{"body 0", "", "body 2", ""} {
		if _, got := read(t, d, fmt.Sprint(i), uint64(i)); got != want {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
	if _, got := read(t, d, "late", 3); got != "" {
		t.Error("stored, of before a bump")
	}
}

// TestALossOfPower: the file begins empty, unless it was closed.
func TestALossOfPower(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	d := open(t, disk.Config{Dir: dir})
	keep(t, d, "k", "body", 1)
	b, err := os.ReadFile(filepath.Join(dir, "pages.db"))
	if err != nil {
		t.Fatal(err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip("a system that does not tell when it was started: every start is one after a loss")
	}
	var id []byte
	if _, err := fmt.Sscanf(strings.ReplaceAll(string(boot), "-", ""), "%x", &id); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"killed":           {func(b []byte) []byte { return b }, "body"},
		"started again":    {func(b []byte) []byte { return bytes.ReplaceAll(b, id, make([]byte, len(id))) }, ""},
		"cut off":          {func(b []byte) []byte { return b[:len(b)/2] }, ""},
		"nothing of it":    {func(b []byte) []byte { return []byte("x") }, ""},
		"another's format": {func(b []byte) []byte { return make([]byte, len(b)) }, ""},
	} {
		if err := os.WriteFile(filepath.Join(copied, "pages.db"), c.change(bytes.Clone(b)), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := disk.Open(disk.Config{Dir: copied})
		if err != nil {
			t.Fatal(name, err)
		}
		if _, got := read(t, d, "k", 1); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		keep(t, d, "other", "body", 2) // it goes on
		if err := d.Close(); err != nil {
			t.Error(name, err)
		}
	}
}

// TestDamageIsAnError: whatever becomes of the file while it is used, nobody gets what was not written; it begins empty
// the next time.
func TestDamageIsAnError(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	damaged := 0
	for round := range 30 {
		dir := t.TempDir()
		d, err := disk.Open(disk.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(200) {
			keep(t, d, fmt.Sprint(i), strings.Repeat(fmt.Sprint(i, " "), 100), i)
		}
		f, err := os.OpenFile(filepath.Join(dir, "pages.db"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		for range 100 { // heads of pages
			junk := make([]byte, 16)
			for i := range junk {
				junk[i] = byte(random.Uint32())
			}
			if _, err := f.WriteAt(junk, random.Int64N(info.Size()/4096)*4096); err != nil {
				t.Fatal(err)
			}
		}
		if round%3 == 0 {
			if err := f.Truncate(info.Size() / 4); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(200) {
			a, err := d.Read(t.Context(), tier.Question{Tags: []uint64{i}, Keys: []tier.Key{{Name: fmt.Sprint(i), Home: i}}})
			if errors.Is(err, disk.ErrDamaged) {
				damaged++
				break
			}
			if err == nil && a.Values[0].Body != nil && string(a.Values[0].Body) != strings.Repeat(fmt.Sprint(i, " "), 100) {
				t.Errorf("%d: %q", i, a.Values[0].Body)
			}
		}
		_ = d.Close() // it may say anything
		d = open(t, disk.Config{Dir: dir})
		keep(t, d, "k", "body", 1)
	}
	if damaged == 0 {
		t.Error("nothing was damaged")
	}
}

// TestItHasBounds: old values go, but for those that are read; and so do tags.
func TestItHasBounds(t *testing.T) {
	dir := t.TempDir()
	d := open(t, disk.Config{Dir: dir, MaxBytes: 1 << 20, MaxTags: 1000})
	body := strings.Repeat("x", 3000)
	for i := range uint64(3000) { // nine times what it holds
		keep(t, d, fmt.Sprint(i), body, i, 1_000_000)
		if i%100 == 0 {
			_, got := read(t, d, "0", 0)
			if got == "" {
				keep(t, d, "0", body, 0, 1_000_000) // its tag was forgotten, perhaps
			}
		}
	}
	there := 0
	for i := range uint64(3000) {
		if _, got := read(t, d, fmt.Sprint(i), i); got != "" {
			there++
			if i > 0 && i < 2500 {
				t.Errorf("%d is there", i)
			}
		}
	}
	if there < 200 || there > 400 {
		t.Errorf("%d values of 3 KB in 1 MiB", there)
	}
	info, err := os.Stat(filepath.Join(dir, "pages.db"))
	if err != nil || info.Size() > 4<<20 {
		t.Errorf("a file of %d bytes for 1 MiB %v", info.Size(), err)
	}
	for i := range uint64(20) {
		keep(t, d, fmt.Sprint("tagged ", i), "b", i<<60+1)
	}
	for range 10 {
		tags := make([]uint64, 2000)
		for i := range tags {
			tags[i] = rand.Uint64()
		}
		if _, err := d.Read(t.Context(), tier.Question{Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	there = 0
	for i := range uint64(20) {
		if _, got := read(t, d, fmt.Sprint("tagged ", i), i<<60+1); got != "" {
			there++
		}
	}
	if there > 10 {
		t.Error("no tag was forgotten, of many more than there may be")
	}
	keep(t, d, "read", body, 5000)
	for i := range uint64(1000) {
		if _, got := read(t, d, "read", 5000); got == "" {
			t.Fatalf("what is read all the time has gone after %d others", i)
		}
		keep(t, d, fmt.Sprint("more ", i), body, 5000)
	}
}

func TestConfigs(t *testing.T) {
	for _, c := range []disk.Config{{}, {Dir: t.TempDir(), MaxBytes: 1}, {Dir: t.TempDir(), MaxTTL: 1}, {Dir: t.TempDir(), MaxTags: 1}, {Dir: "/dev/null/x"}} {
		if _, err := disk.Open(c); !errors.Is(err, disk.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestACacheIsWarmAgain: what a cache has loaded is there for the next one, but for what was invalidated.
func TestACacheIsWarmAgain(t *testing.T) {
	dir, loads := t.TempDir(), 0
	for round := range 2 {
		d := open(t, disk.Config{Dir: dir})
		c, err := folio.New(folio.Config{MaxBytes: 4 << 20, OnHeap: true, Tier: d, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		l, err := folio.NewList(c, folio.ListConfig[int]{Name: "rows", NoWarm: true, MaxAhead: -1, Load: func(_ context.Context, q folio.Query, _ folio.Range) ([]int, error) {
			loads++
			n, err := strconv.Atoi(q.Scope.ID)
			return []int{n}, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); c.Stats().Tier.Lease == 0 && time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		}
		page := func(n int) folio.Source {
			q, err := l.Query(folio.Params{Scope: folio.Scope{Kind: "user", ID: strconv.Itoa(n)}})
			if err != nil {
				t.Fatal(err)
			}
			p, err := l.Page(t.Context(), q)
			if err != nil || p.Items[0] != n {
				t.Fatal(p, err)
			}
			return p.Source
		}
		for n := range 100 {
			if got, want := page(n), []folio.Source{folio.Miss, folio.Shared}[round]; got != want && n != 7 {
				t.Errorf("round %d, %d: %s", round, n, got)
			}
		}
		if round == 1 && loads != 101 {
			t.Errorf("%d loads", loads)
		}
		for began := time.Now(); c.Stats().Tier.Writes+c.Stats().Tier.Hits < 100 && time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		}
		if _, err := l.Invalidate(t.Context(), folio.Scope{Kind: "user", ID: "7"}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Close(t.Context()), d.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// victim bumps and writes until it is killed, and says what it has done.
func victim(dir string) {
	d, err := disk.Open(disk.Config{Dir: dir, MaxBytes: 1 << 20})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("open")
	var versions [8]int
	for ctx := context.Background(); ; {
		tag := rand.Uint64N(uint64(len(versions)))
		versions[tag]++
		fmt.Println("writing", tag, versions[tag])
		if _, err := d.Bump(ctx, "me", []uint64{tag}); err != nil {
			fmt.Println("error", err)
			return
		}
		fmt.Println("bumped", tag, versions[tag])
		for range 3 {
			tag := rand.Uint64N(uint64(len(versions)))
			a, err := d.Read(ctx, tier.Question{Tags: []uint64{tag}})
			if err == nil {
				err = d.Write(ctx, "1", a.Moment, []tier.Value{{Key: tier.Key{Name: fmt.Sprint(tag), Home: tag}, Tags: []uint64{tag}, Body: fmt.Append(nil, versions[tag], strings.Repeat(" ", rand.IntN(5000)))}})
			}
			if err != nil {
				fmt.Println("error", err)
				return
			}
		}
	}
}

// TestKilled: whenever a process is killed, the file can be opened, and nothing in it is of before a bump that had ended.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	found := 0
	for range 40 {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "FOLIO_DISK_VICTIM="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines, bumped := bufio.NewScanner(out), map[string]int{}
		if !lines.Scan() || lines.Text() != "open" {
			t.Fatalf("%q", lines.Text())
		}
		time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = c.Process.Kill() })
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			if f[0] == "error" {
				t.Fatal(lines.Text())
			}
			if f[0] == "bumped" && len(f) == 3 {
				bumped[f[1]], _ = strconv.Atoi(f[2])
			}
		}
		_ = c.Wait()
		d, err := disk.Open(disk.Config{Dir: dir, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for tag := range uint64(8) {
			_, body := read(t, d, fmt.Sprint(tag), tag)
			if n, _ := strconv.Atoi(strings.TrimSpace(body)); body != "" && n < bumped[fmt.Sprint(tag)] {
				t.Errorf("tag %d: of version %d, and %d had been told of", tag, n, bumped[fmt.Sprint(tag)])
			} else if body != "" {
				found++
			}
		}
		if err := errors.Join(d.Flush(t.Context()), d.Close()); err != nil { // the next one counts from the start
			t.Fatal(err)
		}
	}
	if found == 0 {
		t.Error("nothing was ever there")
	}
}

func BenchmarkTier(b *testing.B) { tiertest.Bench(b, open(b, disk.Config{Dir: b.TempDir()})) }
