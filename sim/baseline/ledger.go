package baseline

import (
	"errors"
	"fmt"
)

// maxSize is the largest unit a ledger can describe: 4 GiB in byte mode.
const maxSize = 1 << 32

// maxIDs leaves the uppermost numbers to the ends of rings.
const maxIDs = 1<<32 - 1<<16

// ledger keeps the sizes and counters that every policy needs; embedding it provides Usage.
// Units go by keys: ids, or the nodes of a directory.
type ledger struct {
	usage    Usage
	capacity int64
	keys     int
	extra    []uint32 // size - 1 by key, of residents and ghosts; nil while every size was 1
}

// newLedger checks what all policies need of a Config. Its keys are the ids.
func newLedger(cfg Config) (ledger, error) {
	var faults []error
	if cfg.Capacity < 1 {
		faults = append(faults, fmt.Errorf("baseline: capacity %d, want at least 1", cfg.Capacity))
	}
	if cfg.IDs < 0 || cfg.IDs > maxIDs {
		faults = append(faults, fmt.Errorf("baseline: %d ids, want 0 to %d", cfg.IDs, maxIDs))
	}
	return ledger{capacity: cfg.Capacity, keys: cfg.IDs}, errors.Join(faults...)
}

// Usage implements Policy.
func (l *ledger) Usage() Usage { return l.usage }

// size returns the size last given to a unit.
func (l *ledger) size(key uint32) int64 {
	if l.extra == nil {
		return 1
	}
	return int64(l.extra[key]) + 1
}

func (l *ledger) setSize(key uint32, size int64) {
	if l.extra == nil {
		if size == 1 {
			return
		}
		l.extra = make([]uint32, l.keys)
	}
	l.extra[key] = uint32(size - 1)
}

// tooLarge reports whether a unit must be refused outright.
func (l *ledger) tooLarge(size int64) bool { return size > l.capacity || size > maxSize }

// fits reports whether size more can be stored without an eviction.
func (l *ledger) fits(size int64) bool { return l.usage.Used+size <= l.capacity }

// admit books a unit in.
func (l *ledger) admit(key uint32, size int64) {
	l.setSize(key, size)
	l.usage.Entries++
	l.usage.Admitted++
	l.usage.Used += size
}

// release books a resident out.
func (l *ledger) release(key uint32) {
	l.usage.Entries--
	l.usage.Evicted++
	l.usage.Used -= l.size(key)
}

// retract books out a unit that is refused after all, as if it had never been admitted.
func (l *ledger) retract(key uint32) {
	l.release(key)
	l.usage.Evicted--
	l.usage.Admitted--
}

// resize gives a resident another size and returns the difference.
func (l *ledger) resize(key uint32, size int64) int64 {
	change := size - l.size(key)
	l.setSize(key, size)
	l.usage.Used += change
	return change
}
