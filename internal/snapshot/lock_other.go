//go:build !unix

package snapshot

import (
	"errors"
	"os"
	"path/filepath"
)

// ErrInUse reports a folder that another cache has open.
var ErrInUse = errors.New("in use by another cache")

// Lock makes a folder, if need be. It keeps nobody from it: on this system it is the caller who must.
func Lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
}
