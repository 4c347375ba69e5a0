package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// plainEvery is how often a line is written where there is no terminal.
const plainEvery = 10 * time.Second

// progress is a bar with percent, rate and time left on a terminal, a line every ten seconds
// elsewhere. The nil progress shows nothing. Safe for concurrent use.
type progress struct {
	what  string
	out   io.Writer
	plain bool

	mu          sync.Mutex
	bar         *progressbar.ProgressBar // nil until the total is known
	done, whole int64
	began, next time.Time
}

func newProgress(mode string, w io.Writer, what string) *progress {
	f, ok := w.(*os.File)
	if mode == "none" || !ok {
		return nil
	}
	now := time.Now()
	return &progress{what: what, out: w, plain: mode == "plain" || !term.IsTerminal(int(f.Fd())), began: now, next: now.Add(plainEvery)}
}

// total tells how much there is to do.
func (p *progress) total(n int64) {
	if p != nil {
		p.of(0, max(1, n))
	}
}

// add books that so much more is done.
func (p *progress) add(n int) {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.show(p.done+int64(n), p.whole)
	}
}

// of books that so much of a total is done.
func (p *progress) of(done, total int64) {
	if p != nil && total > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.show(done, total)
	}
}

// show expects mu to be held. What fails to be written to a terminal is not worth an error.
func (p *progress) show(done, total int64) {
	p.done, p.whole = min(done, total), total
	if !p.plain {
		if p.bar == nil {
			p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(p.what),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(),
				progressbar.OptionClearOnFinish(), progressbar.OptionSetRenderBlankState(false))
		}
		_ = p.bar.Set64(p.done)
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(plainEvery)
		spent := now.Sub(p.began)
		left := time.Duration(float64(spent) * float64(p.whole-p.done) / float64(max(1, p.done)))
		fmt.Fprintf(p.out, "%s: %d %%, %s left\n", p.what, 100*p.done/p.whole, left.Round(time.Second))
	}
}

// end removes the bar.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
