package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress is a bar with percent, rate and time left on a terminal, a line every ten seconds
// elsewhere. The nil progress shows nothing. Safe for concurrent use.
type progress struct{ bar *progressbar.ProgressBar }

func newProgress(mode string, w io.Writer, what string) *progress {
	f, ok := w.(*os.File)
	tty := ok && term.IsTerminal(int(f.Fd()))
	if mode == "none" || !ok {
		return nil
	}
	every, clear := 10*time.Second, false
	if mode == "auto" && tty {
		every, clear = 100*time.Millisecond, true
	}
	options := []progressbar.Option{progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionThrottle(every), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetWidth(24), progressbar.OptionSetRenderBlankState(false)}
	if clear {
		options = append(options, progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	} else {
		options = append(options, progressbar.OptionUseANSICodes(false), progressbar.OptionOnCompletion(func() { io.WriteString(w, "\n") }))
	}
	return &progress{progressbar.NewOptions64(-1, options...)}
}

func (p *progress) total(n int64) {
	if p != nil {
		p.bar.ChangeMax64(max(1, n))
	}
}

func (p *progress) add(n int) {
	if p != nil {
		p.bar.Add(n)
	}
}

// of books that so much of a total is done.
func (p *progress) of(done, total int64) {
	if p != nil && total > 0 {
		p.bar.ChangeMax64(total)
		p.bar.Set64(done)
	}
}

func (p *progress) end() {
	if p != nil {
		p.bar.Finish()
	}
}
