package snapshot

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
)

func newBuffered(in io.Reader) *bufio.Reader { return bufio.NewReaderSize(in, 1<<16) }

// syncDir makes a folder's names outlive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// BootID names the time since the machine was started, where the system tells.
func BootID() (id [BootBytes]byte, known bool) {
	text, err := os.ReadFile(bootFile)
	if err != nil {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", "")))
	return id, err == nil && n == BootBytes
}

var bootFile = "/proc/sys/kernel/random/boot_id"
