package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// contender is another process, which waits for its turns.
type contender struct {
	name string
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// A contender says that it is ready for a turn, when it is told to go takes it, and at last, after over, says its row.
const (
	ready = "ready"
	over  = "over"
)

// compete runs this command once for each contender, has them take turns, and returns their rows.
func compete(names []string, args ...string) (rows [][]string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var all []*contender
	defer func() {
		for _, c := range all {
			_ = c.in.Close() // it ends
			err = errors.Join(err, c.Wait())
		}
	}()
	for _, name := range names {
		c := &contender{name: name, Cmd: exec.Command(self, append(args, "-alone", "-contenders", name)...)}
		c.Stderr = os.Stderr
		if c.in, err = c.StdinPipe(); err != nil {
			return nil, err
		}
		out, err := c.StdoutPipe()
		if err != nil {
			return nil, err
		}
		c.out = bufio.NewReader(out)
		if err := c.Start(); err != nil {
			return nil, err
		}
		all = append(all, c)
		if _, err := c.hear(); err != nil { // one after the other fills its database
			return nil, err
		}
	}
	shuffle := rand.New(rand.NewPCG(1, 1))
	for n := 0; ; n++ {
		done := 0
		for _, i := range shuffle.Perm(len(all)) { // none is always behind the same one
			c := all[i]
			if _, err := io.WriteString(c.in, "go\n"); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			said, err := c.hear()
			if err != nil {
				return nil, err
			}
			if said == over {
				done++
			}
		}
		if n%10 == 9 {
			log.Printf("%d turns of each", n+1)
		}
		if done > 0 {
			break
		}
	}
	for _, c := range all {
		row, err := csv.NewReader(c.out).Read()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// hear returns what a contender says.
func (c *contender) hear() (string, error) {
	said, err := c.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.name, err)
	}
	return said[:len(said)-1], nil
}

// attend is a contender's side: it fills its database, takes its turns as it is told to, and says its row.
func attend(trace, kind, size, name string, rate float64, turn int) error {
	name, own, _ := strings.Cut(name, "@")
	mib, err := strconv.Atoi(cmp.Or(own, size))
	if err != nil {
		return err
	}
	w, err := read(trace)
	if err != nil {
		return err
	}
	if err := w.pace(rate); err != nil {
		return err
	}
	db, err := openDatabase(kind, w)
	if err != nil {
		return err
	}
	defer db.close()
	r, err := begin(w, db, name, int64(mib)<<20)
	if err != nil {
		return err
	}
	fmt.Println(ready)
	ctx, told := context.Background(), bufio.NewScanner(os.Stdin)
	for at := 0; at < len(w.requests); at += turn {
		if !told.Scan() {
			return errors.New("nobody tells whose turn it is")
		}
		to := min(len(w.requests), at+turn)
		if err := r.turn(ctx, at, to); err != nil {
			return err
		}
		if to < len(w.requests) {
			fmt.Println(ready)
		}
	}
	fmt.Println(over)
	got, err := r.end(ctx)
	if err != nil {
		return err
	}
	out := csv.NewWriter(os.Stdout)
	defer out.Flush()
	return out.Write(append(got.row(name), strconv.Itoa(mib)))
}
