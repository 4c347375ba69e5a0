package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "write the screenshots in docs anew")

// browser is a real one, and what its console said.
type browser struct {
	context.Context
	mu     sync.Mutex
	faults []string
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	b := &browser{Context: ctx}
	chromedp.ListenTarget(ctx, func(e any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			b.faults = append(b.faults, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			b.faults = append(b.faults, fmt.Sprint(e.Type, e.Args))
		case *page.EventJavascriptDialogOpening:
			go func() { _ = chromedp.Run(ctx, page.HandleJavaScriptDialog(true)) }()
		}
	})
	return b
}

// do runs actions, or fails the test.
func (b *browser) do(t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b, actions...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// says waits until an element's text has some words.
func says(selector, words string) chromedp.Action {
	return chromedp.Poll(fmt.Sprintf("document.querySelector(%q).textContent.includes(%q)", selector, words), nil, chromedp.WithPollingTimeout(10*time.Second))
}

// shot takes a picture; with -update it goes to docs.
func (b *browser) shot(t *testing.T, name string) {
	t.Helper()
	var picture []byte
	b.do(t, name, chromedp.Evaluate("scrollTo(0, 0)", nil), chromedp.FullScreenshot(&picture, 100))
	dir := t.TempDir()
	if *update {
		dir = "../../docs"
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil || len(picture) < 10_000 {
		t.Errorf("%s: %d bytes, %v", name, len(picture), err)
	}
}

// TestDashboardInABrowser: every control of it, in a real browser, while there is traffic; in light, in dark, and on a
// narrow screen; without a word on the console.
func TestDashboardInABrowser(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "c.yaml")
	text := "cache: {max_bytes: 1MiB, on_heap: true}\nadmin:\n  record_dir: " + dir + "\nobjectives:\n  - {metric: hit_ratio, at_least: 1%}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, here("--config", path)...)
	for deadline := time.Now().Add(10 * time.Second); s.logged() == "" || !tokenLog.MatchString(s.logged()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no token was announced")
		}
	}
	token := tokenLog.FindStringSubmatch(s.logged())[1]
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go traffic(ctx, s.api)

	b := openBrowser(t)
	b.do(t, "open", chromedp.EmulateViewport(1440, 900), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}),
		chromedp.Navigate(s.admin), says("#state", "live"), says("#strategies", "conservative"), says("#depths", "page 1"), says("#lists", "tickets"), says("#tiers", "L1"), says("#latency", "hits"))
	b.do(t, "explain", chromedp.SendKeys("#url", "/api/tickets?user=1&limit=10", chromedp.ByID), chromedp.Click("#explain button", chromedp.ByQuery), says("#explained", "tickets:user:1"))
	b.do(t, "explain nonsense", chromedp.SetValue("#url", "/nowhere", chromedp.ByID), chromedp.Click("#explain button", chromedp.ByQuery), says("#explained", "no list"))

	b.do(t, "invalidate without a token", chromedp.SendKeys("#tag", "tickets:user:1", chromedp.ByID), chromedp.Click("#invalidate button", chromedp.ByQuery), says("#said", "want a bearer token"))
	b.do(t, "invalidate", chromedp.SendKeys("#token", token, chromedp.ByID), chromedp.Click("#invalidate button", chromedp.ByQuery), says("#said", "invalidated tickets:user:1"), says("#invalidations", "tickets:user:1"))
	b.do(t, "record", chromedp.Click("#record", chromedp.ByID), says("#said", "recording to folio-"), says("#record", "Stop"))
	time.Sleep(300 * time.Millisecond) // there is to be something in it
	b.do(t, "stop recording", chromedp.Click("#record", chromedp.ByID), says("#said", "recorded "), says("#record", "Start"))
	for _, mode := range []string{"observe", "off", "on"} {
		b.do(t, mode, chromedp.SetValue("#modes", mode, chromedp.ByID), chromedp.Click("#switch button", chromedp.ByQuery), says("#said", "the cache is "+mode), says("#mode", "cache "+mode))
	}
	b.do(t, "purge", chromedp.Click("#purge", chromedp.ByID), says("#said", "everything is outdated"), says("#invalidations", "everything"))
	b.do(t, "pause", chromedp.Click("#pause", chromedp.ByID), says("#state", "paused"), chromedp.Click("#pause", chromedp.ByID), says("#state", "live"))

	b.do(t, "explain again", chromedp.SetValue("#url", "/api/tickets?user=1&limit=10", chromedp.ByID), chromedp.Click("#explain button", chromedp.ByQuery), says("#explained", "tickets:user:1"))
	drawn := 6 * time.Second // for a line in the chart
	if *update {
		drawn = time.Minute
	}
	time.Sleep(drawn)
	b.shot(t, "dashboard-light")
	b.looks(t)
	if recordings, _ := filepath.Glob(filepath.Join(dir, "*.folio")); len(recordings) != 1 {
		t.Errorf("recordings: %v", recordings)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		t.Errorf("on the console: %q", b.faults)
	}
}

// looks has a look at the page in the dark and on a narrow screen, and at what those get of it who do not see it or
// have no mouse.
func (b *browser) looks(t *testing.T) {
	b.do(t, "dark", chromedp.Click("#theme", chromedp.ByID), chromedp.Poll(`document.documentElement.dataset.theme === "dark"`, nil))
	b.shot(t, "dashboard-dark")
	var wide bool
	b.do(t, "narrow", chromedp.EmulateViewport(375, 800), chromedp.Sleep(300*time.Millisecond), chromedp.Evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth", &wide))
	if wide {
		t.Error("on a narrow screen the page has to be moved sideways")
	}
	b.shot(t, "dashboard-narrow")
	var unnamed []string
	b.do(t, "names", chromedp.Evaluate(`[...document.querySelectorAll("button,input,select,svg,[role=img]")].filter(e => !(e.textContent.trim() || e.labels?.length || e.getAttribute("aria-label"))).map(e => e.outerHTML.slice(0, 80))`, &unnamed))
	if len(unnamed) > 0 {
		t.Errorf("nobody who cannot see knows what these are: %q", unnamed)
	}
	var reached []string
	b.do(t, "keyboard", chromedp.Evaluate("document.activeElement.blur()", nil))
	for range 16 {
		var id string
		b.do(t, "tab", chromedp.KeyEvent("\t"), chromedp.Evaluate("document.activeElement.id || document.activeElement.textContent", &id))
		reached = append(reached, id)
	}
	for _, id := range []string{"pause", "theme", "url", "token", "tag", "modes", "record", "purge"} {
		if !strings.Contains(strings.Join(reached, " "), id) {
			t.Errorf("the keyboard does not reach %s: %q", id, reached)
		}
	}
}

// traffic reads pages of users, some far more often than others, until ctx ends.
func traffic(ctx context.Context, api string) {
	random := rand.New(rand.NewPCG(1, 2))
	users := rand.NewZipf(random, 1.2, 4, 399)
	for i := 0; ctx.Err() == nil; i++ {
		user := 1 + users.Uint64()
		for page := 1; page <= 1+int(6*math.Pow(random.Float64(), 3)); page++ {
			q, _ := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("%s/api/tickets?user=%d&page=%d&limit=10", api, user, page), nil)
			if p, err := http.DefaultClient.Do(q); err == nil {
				_ = p.Body.Close()
			}
		}
		if i%20 == 0 {
			q, _ := http.NewRequestWithContext(ctx, "PATCH", fmt.Sprintf("%s/api/tickets/%d", api, 1+i%500), strings.NewReader(`{"status":"paid"}`))
			if p, err := http.DefaultClient.Do(q); err == nil {
				_ = p.Body.Close()
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}
