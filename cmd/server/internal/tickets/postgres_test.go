package tickets_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/foliocache/folio/cmd/server/internal/tickets"
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

// holding is a way to PostgreSQL on which what has a text in it, and what comes behind on its connection, waits.
type holding struct {
	net.Listener
	text    string
	held    chan struct{} // closed once something waits
	release chan struct{}
}

func hold(t *testing.T, p *postgres, text string) *holding {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &holding{Listener: l, text: text, held: make(chan struct{}), release: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", "127.0.0.1:"+p.port)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
			go h.pass(client, server)
		}
	}()
	return h
}

func (h *holding) pass(client, server net.Conn) {
	defer server.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if bytes.Contains(buffer[:n], []byte(h.text)) {
			close(h.held)
			<-h.release
		}
		if _, failed := server.Write(buffer[:n]); err != nil || failed != nil {
			time.Sleep(100 * time.Millisecond) // PostgreSQL ends what it has read before it sees the end
			return
		}
	}
}

func (h *holding) url() string {
	return "postgres://folio@" + h.Addr().String() + "/postgres?sslmode=disable&connect_timeout=2"
}

// TestAWriteThatComesLateIsSeen: the client was told that the database is late, the pages were read again, and then
// the database writes.
func TestAWriteThatComesLateIsSeen(t *testing.T) {
	h := hold(t, startPostgres(t), "comes late")
	s := open(t, h.url(), func(c *tickets.Config) { c.WriteTimeout = time.Second })
	s.db.SetMaxOpenConns(1) // whose statement is prepared
	list := "/api/tickets?user=1&limit=5"
	id, _ := s.firstOf(t, list)
	ticket := fmt.Sprintf("/api/tickets/%d", id)
	if w := s.ask("PATCH", ticket, `{"title":"in time"}`); w.Code != http.StatusNoContent {
		t.Fatal(w.Code, w.Body)
	}
	if w := s.ask("PATCH", ticket, `{"title":"comes late"}`); w.Code != http.StatusGatewayTimeout {
		t.Fatalf("a write that waits: %d %s", w.Code, w.Body)
	}
	<-h.held
	for range 3 {
		if _, title := s.firstOf(t, list); title != "in time" {
			t.Fatalf("before the write it shows %q", title)
		}
	}
	close(h.release)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var title string
		if err := s.db.QueryRow("SELECT title FROM tickets WHERE id = $1", id).Scan(&title); err != nil {
			t.Fatal(err)
		}
		if title == "comes late" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it is never written")
		}
	}
	if _, title := s.firstOf(t, list); title != "comes late" {
		t.Errorf("after the write it shows %q", title)
	}
}
