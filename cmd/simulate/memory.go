package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memoryPause is how often the memory in use is looked at.
const memoryPause = 20 * time.Millisecond

// watchMemory returns a context that ends with errBudget once the Go runtime holds more than a
// number of bytes. The collector is told to work harder before that.
func watchMemory(ctx context.Context, maxBytes int64) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	before := debug.SetMemoryLimit(maxBytes - maxBytes/10)
	look := func() {
		if held := memoryHeld(); held > uint64(maxBytes) {
			cancel(fmt.Errorf("%w: %d bytes of memory are in use, --max-mem allows %d", errBudget, held, maxBytes))
		}
	}
	look()
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(memoryPause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				look()
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
		debug.SetMemoryLimit(before)
	}
}

// memoryHeld returns the bytes that the runtime has from the system, as its own limit counts.
func memoryHeld() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
