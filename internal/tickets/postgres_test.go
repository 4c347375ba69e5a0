package tickets_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// postgres is a server of its own.
type postgres struct {
	dir, bin, port string
	as             *syscall.SysProcAttr
}

// startPostgres starts the newest PostgreSQL that is installed. There must be one: make test installs it.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		all = append(all, path)
	}
	if len(all) == 0 {
		t.Fatal("no PostgreSQL here: install it (Debian: apt-get install postgresql)")
	}
	dir, err := os.MkdirTemp("", "folio-postgres") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	p := &postgres{dir: dir, bin: filepath.Dir(slices.Max(all)), port: port}
	if os.Geteuid() == 0 { // which PostgreSQL refuses to run as
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		p.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	t.Cleanup(func() {
		_ = p.run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")
		_ = os.RemoveAll(dir)
	})
	if err := p.run("initdb", "-D", "data", "-U", "folio", "-A", "trust", "--no-sync"); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	return p
}

func (p *postgres) start(t *testing.T) {
	t.Helper()
	options := fmt.Sprintf("-c listen_addresses=127.0.0.1 -c port=%s -c unix_socket_directories=%s -c fsync=off", p.port, p.dir)
	if err := p.run("pg_ctl", "-D", "data", "-l", "log", "-o", options, "-w", "start"); err != nil {
		t.Fatal(err)
	}
}

// kill ends it as a crash does.
func (p *postgres) kill(t *testing.T) {
	t.Helper()
	if err := p.run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop"); err != nil {
		t.Fatal(err)
	}
}

func (p *postgres) url() string {
	return "postgres://folio@127.0.0.1:" + p.port + "/postgres?sslmode=disable&connect_timeout=2"
}

func (p *postgres) run(name string, args ...string) error {
	c := exec.Command(filepath.Join(p.bin, name), args...)
	c.Dir, c.SysProcAttr = p.dir, p.as
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
