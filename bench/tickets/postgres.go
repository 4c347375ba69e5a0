package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// postgres starts a server and returns the URL of its database, and what ends it.
func postgres() (url string, stop func(), err error) {
	bin, err := binaries()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "folio-postgres")
	if err != nil {
		return "", nil, err
	}
	data := filepath.Join(dir, "data")
	var as *syscall.SysProcAttr
	if os.Geteuid() == 0 { // which PostgreSQL refuses to run as
		if as, err = unprivileged(dir); err != nil {
			return "", nil, err
		}
	}
	run := func(name string, args ...string) error {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.SysProcAttr = dir, as
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return nil
	}
	stop = func() {
		_ = run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
		_ = os.RemoveAll(dir)
	}
	if err := run("initdb", "-D", data, "-U", "folio", "-A", "trust", "--no-sync"); err != nil {
		stop()
		return "", nil, err
	}
	// On a socket in the folder: no port is taken.
	options := fmt.Sprintf("-c listen_addresses='' -c unix_socket_directories=%s -c fsync=off", dir)
	if err := run("pg_ctl", "-D", data, "-l", filepath.Join(dir, "log"), "-o", options, "-w", "start"); err != nil {
		stop()
		return "", nil, err
	}
	return fmt.Sprintf("host=%s user=folio dbname=postgres", dir), stop, nil
}

// binaries returns the folder of the newest PostgreSQL that is installed.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(all) == 0 {
		return "", fmt.Errorf("no PostgreSQL here: install it (Debian: apt-get install postgresql)")
	}
	return filepath.Dir(slices.Max(all)), nil
}

// unprivileged gives a folder to another user than root, and says how to run as it.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}
