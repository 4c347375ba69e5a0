package folio

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/foliocache/folio/internal/store"
)

func TestMemoryThatIsNotThereIsWarnedOf(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		limits
		maxBytes int64
		onHeap   bool
		want     string
	}{
		{limits{}, 256 * mib, false, ""},
		{limits{container: 1024 * mib}, 256 * mib, false, ""},
		{limits{container: 128 * mib}, 256 * mib, false, "MaxBytes exceeds the container's limit"},
		{limits{container: 128 * mib}, 256 * mib, true, "MaxBytes exceeds the container's limit"},
		{limits{container: 1024 * mib, goHeap: 900 * mib}, 256 * mib, false, "GOMEMLIMIT together exceed"},
		{limits{container: 1024 * mib, goHeap: 900 * mib}, 256 * mib, true, ""},
		{limits{container: 1024 * mib, goHeap: 700 * mib}, 256 * mib, false, ""},
		{limits{container: 512 * mib, goHeap: 315 * mib}, 256 * mib, false, ""}, // a part of the values is on the heap
		{limits{goHeap: 100 * mib}, 256 * mib, false, ""},
		{limits{goHeap: 20 * mib}, 256 * mib, false, "exceeds GOMEMLIMIT"},
		{limits{goHeap: 100 * mib}, 256 * mib, true, "exceeds GOMEMLIMIT"},
	} {
		var log bytes.Buffer
		config := Config{MaxBytes: test.maxBytes, OnHeap: test.onHeap}.withDefaults()
		s, err := store.New(config.values(), test.onHeap)
		if err != nil {
			t.Fatal(err)
		}
		test.warn(logger(&log), test.maxBytes, s)
		s.Close()
		if got := log.String(); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%+v: %q", test, got)
		}
	}
}

// TestNewWarns: of the limits that this process really has.
func TestNewWarns(t *testing.T) {
	before := debug.SetMemoryLimit(1 << 20)
	defer debug.SetMemoryLimit(before)
	var log bytes.Buffer
	config := small()
	config.Logger = logger(&log)
	open(t, config)
	if !strings.Contains(log.String(), "GOMEMLIMIT") {
		t.Errorf("got %q", &log)
	}
}
