// Package conns listens for connections whose deadlines are cheap to set: net/http sets eight of them for each
// request. One goroutine looks at those of all connections every [Tick], so that a deadline comes up to that late; one
// that had passed by the last tick counts at once.
//
// Nor does a connection look, within a tick, whether its client leaves while it is being answered: net/http reads one
// byte beside each request to learn that, and for what is answered at once this is a system call in vain. Any read
// into one byte waits for one to two ticks, unless its deadline passes before.
package conns

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Tick is how often deadlines are looked at.
const Tick = 100 * time.Millisecond

// Listen wraps a listener.
func Listen(l net.Listener) net.Listener {
	made := &listener{Listener: l, open: map[*conn]struct{}{}}
	made.now.Store(&longAgo)
	return made
}

type listener struct {
	net.Listener

	now atomic.Pointer[time.Time] // of the last tick

	mu      sync.Mutex
	open    map[*conn]struct{}
	ticking bool
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: accepted, from: l}
	c.reads.own, c.writes.own = accepted.SetReadDeadline, accepted.SetWriteDeadline
	c.waits.L, c.writes.inside = &c.reads.mu, 1 // who writes is not counted
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	if !l.ticking {
		l.ticking = true
		go l.tick()
	}
	return c, nil
}

// tick looks at all deadlines until no connection is left.
func (l *listener) tick() {
	t := time.NewTicker(Tick)
	defer t.Stop()
	for now := range t.C {
		l.now.Store(&now)
		l.mu.Lock()
		for c := range l.open {
			c.tick(now)
		}
		l.ticking = len(l.open) > 0
		ended := !l.ticking
		l.mu.Unlock()
		if ended {
			return
		}
	}
}

// conn is a connection.
type conn struct {
	net.Conn
	from          *listener
	reads, writes deadline

	// Under reads.mu.
	waits   sync.Cond // of reads into one byte
	waiting int       // ticks left that one waits for
	closed  bool
}

// deadline is that of a connection's reads, or writes.
type deadline struct {
	own func(time.Time) error // sets the connection's own

	mu     sync.Mutex
	at     time.Time // zero: none
	passed bool
	inside int  // of whom the connection's own may have to end: nobody else is told
	told   bool // the connection's own has passed
}

// longAgo is a time that has passed for every clock.
var longAgo = time.Unix(1, 0)

// look finds out whether a deadline has passed, and tells who is inside. Under d.mu.
func (d *deadline) look(now time.Time) (err error) {
	d.passed = !d.at.IsZero() && !d.at.After(now)
	if d.passed && d.inside > 0 && !d.told {
		d.told, err = true, d.own(longAgo)
	} else if !d.passed && d.told {
		d.told, err = false, d.own(time.Time{})
	}
	return err
}

func (c *conn) tick(now time.Time) {
	c.reads.mu.Lock()
	_ = c.reads.look(now) // of a connection that is closed
	if c.waiting > 0 {
		if c.waiting--; c.waiting == 0 || c.reads.passed {
			c.waits.Broadcast()
		}
	}
	c.reads.mu.Unlock()
	c.writes.mu.Lock()
	_ = c.writes.look(now)
	c.writes.mu.Unlock()
}

// Read reads; see the package for a read into one byte.
func (c *conn) Read(p []byte) (int, error) {
	if passed := c.enter(len(p) == 1); passed {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.Conn.Read(p)
	c.reads.mu.Lock()
	c.reads.inside--
	c.reads.mu.Unlock()
	return n, err
}

// enter begins a read, after the second tick from now if it is to wait, unless the deadline has passed by then.
func (c *conn) enter(wait bool) (passed bool) {
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	if wait {
		for c.waiting = 2; c.waiting > 0 && !c.reads.passed && !c.closed; {
			c.waits.Wait()
		}
		c.waiting = 0
	}
	if !c.reads.passed {
		c.reads.inside++
	}
	return c.reads.passed
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets that of reads.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	c.reads.at = t
	err := c.reads.look(*c.from.now.Load())
	if c.waiting > 0 && c.reads.passed {
		c.waits.Broadcast()
	}
	return err
}

// SetWriteDeadline sets that of writes.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writes.mu.Lock()
	defer c.writes.mu.Unlock()
	c.writes.at = t
	return c.writes.look(*c.from.now.Load())
}

// Close closes the connection.
func (c *conn) Close() error {
	c.from.mu.Lock()
	delete(c.from.open, c)
	c.from.mu.Unlock()
	err := c.Conn.Close()
	c.reads.mu.Lock()
	c.closed = true
	c.waits.Broadcast()
	c.reads.mu.Unlock()
	return err
}
