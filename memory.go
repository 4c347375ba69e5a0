package folio

import (
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/foliocache/folio/internal/store"
)

// limits are what bounds a process's memory, in bytes; 0: nothing does.
type limits struct{ container, goHeap uint64 }

// memoryLimits returns those of this process: its control group's, and GOMEMLIMIT.
func memoryLimits() (l limits) {
	if n, err := memlimit.FromCgroup(); err == nil && n < math.MaxInt64 {
		l.container = n
	}
	if n := debug.SetMemoryLimit(-1); n < math.MaxInt64 {
		l.goHeap = uint64(n)
	}
	return l
}

// warn logs it where a cache may take more memory than there is.
func (l limits) warn(log *slog.Logger, maxBytes int64, rings *store.Store) {
	off := rings.Geometry.Capacity() - uint64(rings.Heap()) // outside the Go heap: GOMEMLIMIT does not know of it
	switch own := uint64(maxBytes); {
	case l.goHeap > 0 && own > l.goHeap+off:
		log.Warn("folio: what of MaxBytes is on the heap exceeds GOMEMLIMIT: the garbage collector will never rest", "MaxBytes", own, "outside", off, "GOMEMLIMIT", l.goHeap)
	case l.container == 0:
	case own > l.container:
		log.Warn("folio: MaxBytes exceeds the container's limit: the process will be killed", "MaxBytes", own, "limit", l.container)
	case l.goHeap > 0 && off+l.goHeap > l.container:
		log.Warn("folio: values lie outside the Go heap: they and GOMEMLIMIT together exceed the container's limit",
			"values", off, "GOMEMLIMIT", l.goHeap, "limit", l.container)
	}
}
