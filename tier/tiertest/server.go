package tiertest

import (
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Server is one that a test has started. It ends with the test.
type Server struct {
	Address string
	command func(host, port string) *exec.Cmd
	answers func(address string) error
	process *exec.Cmd
}

// Start starts a server and waits until it answers.
func Start(t testing.TB, answers func(address string) error, command func(host, port string) *exec.Cmd) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	for err == nil && l.Addr().(*net.TCPAddr).Port > 55_000 { // a node of a Cluster takes the one 10,000 above, too
		defer l.Close()
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{l.Addr().String(), command, answers, nil}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Again(t)
	t.Cleanup(s.Kill) // whatever state it is in
	return s
}

// Again starts it after a Kill, and waits until it answers.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.Address)
	s.process = s.command(host, port)
	s.process.Stderr = os.Stderr
	if err := s.process.Start(); err != nil {
		t.Fatalf("%s, of Debian's package of that name, is needed: %v", s.process.Args[0], err)
	}
	for began := time.Now(); s.answers(s.Address) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%s does not answer", s.process.Args[0])
		}
	}
}

// Signal sends it a signal.
func (s *Server) Signal(t testing.TB, what syscall.Signal) {
	if err := s.process.Process.Signal(what); err != nil {
		t.Error(err)
	}
}

// Kill kills it.
func (s *Server) Kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// Link is a way to a server that can become a black hole: what is sent on it is lost, and nobody is told.
type Link struct {
	Address  string
	listener net.Listener
	to       atomic.Pointer[string]
	hole     atomic.Bool
	mu       sync.Mutex
	open     map[net.Conn]bool
}

// NewLink makes a way to a server.
func NewLink(t testing.TB, to string) *Link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &Link{Address: l.Addr().String(), listener: l, open: map[net.Conn]bool{}}
	k.to.Store(&to)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go k.carry(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		k.Cut()
	})
	return k
}

func (k *Link) carry(c net.Conn) {
	s, err := net.Dial("tcp", *k.to.Load())
	if err != nil {
		_ = c.Close()
		return
	}
	k.mu.Lock()
	k.open[c], k.open[s] = true, true
	k.mu.Unlock()
	for _, ends := range [][2]net.Conn{{c, s}, {s, c}} {
		go func() {
			_, _ = io.Copy(&lossy{ends[0], &k.hole}, ends[1])
			_ = ends[0].Close()
		}()
	}
}

// lossy loses what is written while there is a hole.
type lossy struct {
	net.Conn
	hole *atomic.Bool
}

func (l *lossy) Write(p []byte) (int, error) {
	if l.hole.Load() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

// Hole has it lose what is sent, or not.
func (k *Link) Hole(is bool) { k.hole.Store(is) }

// To has further connections go elsewhere.
func (k *Link) To(address string) { k.to.Store(&address) }

// Cut closes all connections, as a network does once it is back: what was lost on them is lost.
func (k *Link) Cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.open {
		_ = c.Close()
	}
	clear(k.open)
}
