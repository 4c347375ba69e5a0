package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/strategy"
)

// defaultPolicies is what run replays unless told otherwise.
func defaultPolicies() []string {
	all := []string{"folio"}
	for _, n := range strategy.Names() {
		all = append(all, "folio:strategy="+n)
	}
	return append(all, "lru", "fifo", "sieve", "s3fifo", "arc", "wtinylfu", "opt")
}

func policyList() string {
	var names []string
	for _, i := range sim.Info() {
		names = append(names, i.Name)
	}
	return strings.Join(names, " ")
}

// policiesCmd is simulate policies.
type policiesCmd struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Help is the end of simulate policies --help.
func (c *policiesCmd) Help() string {
	return `A parameter is given after a colon: simulate run -p s3fifo:small=0.05,ghost=1 -p wtinylfu:window=adaptive …
Kinds: exact replays are the same every time, random ones depend on --seed, future ones know the whole trace.`
}

// Run lists the policies.
func (c *policiesCmd) Run(s *streams) error {
	if c.JSON {
		return c.json(s)
	}
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	for _, i := range sim.Info() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", i.Name, i.Kind, i.Doc)
		for _, p := range i.Params {
			if p != sim.Widen {
				fmt.Fprintf(w, "\t  %s=%s\t%s\n", p.Name, p.Default, p.Doc)
			}
		}
	}
	fmt.Fprintf(w, "baselines\t  %s=%s\t%s\n", sim.Widen.Name, sim.Widen.Default, sim.Widen.Doc)
	fmt.Fprintln(w, "\nstrategies of folio")
	for _, n := range strategy.Names() {
		fmt.Fprintf(w, "%s\t\t%s\n", n, strategy.Doc(n))
	}
	return w.Flush()
}

func (c *policiesCmd) json(s *streams) error {
	type param struct {
		Name    string `json:"name"`
		Default string `json:"default"`
		Doc     string `json:"doc"`
	}
	type policy struct {
		Name   string  `json:"name"`
		Kind   string  `json:"kind"`
		Doc    string  `json:"doc"`
		Params []param `json:"params"`
	}
	var all []policy
	for _, i := range sim.Info() {
		p := policy{i.Name, i.Kind, i.Doc, []param{}}
		for _, d := range i.Params {
			p.Params = append(p.Params, param(d))
		}
		all = append(all, p)
	}
	e := json.NewEncoder(s.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(all)
}

// versionCmd is simulate version.
type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s *streams) error {
	t := tool()
	_, err := fmt.Fprintf(s.stdout, "%s %s\n", t.Name, t.Version)
	return err
}

func tool() sim.Tool {
	t := sim.Tool{Name: "simulate", Version: "devel"}
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" && b.Main.Version != "(devel)" {
		t.Version = b.Main.Version
	}
	return t
}
