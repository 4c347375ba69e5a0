package main

import (
	"fmt"

	"github.com/foliocache/folio/sim/verify"
)

// verifyCmd is simulate verify.
type verifyCmd struct {
	Quick  bool   `help:"Only the small generated traces: a few seconds."`
	Traces string `env:"FOLIO_TRACES" placeholder:"DIR" help:"Folder with OLTP.lis.zst and P3.lis.zst, to check those too."`
}

// Help is the end of simulate verify --help.
func (c *verifyCmd) Help() string {
	return `Miss counts on which independent programs agree are embedded in the binary; the exit status is 1 if one differs.

Examples:
  simulate verify --quick
  FOLIO_TRACES=../shared/traces simulate verify`
}

// Run checks this binary.
func (c *verifyCmd) Run(s *streams) error {
	if c.Traces == "" && !c.Quick {
		fmt.Fprintln(s.stdout, "SKIP the recorded traces: --traces names no folder")
	}
	ok, err := verify.Run(s.ctx, verify.Options{Quick: c.Quick, Traces: c.Traces, Say: func(ok bool, what string) {
		word := "ok  "
		if !ok {
			word = "FAIL"
		}
		fmt.Fprintln(s.stdout, word, what)
	}})
	if err == nil && !ok {
		err = errFailed
	}
	return err
}
