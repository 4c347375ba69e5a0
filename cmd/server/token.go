package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/invopop/jsonschema"

	"github.com/foliocache/folio/web"
)

// tokenCmd is server token.
type tokenCmd struct {
	Name   string      `arg:"" help:"For the audit log."`
	Scopes []web.Scope `default:"read,invalidate" help:"What it allows: read, invalidate, purge_all, config."`
}

// Run makes a token.
func (c *tokenCmd) Run(s *streams) error {
	for _, scope := range c.Scopes {
		if !slices.Contains(web.Scopes, scope) {
			return fmt.Errorf("%w: scope %q: want some of %v", errUsage, scope, web.Scopes)
		}
	}
	token := rand.Text()
	fmt.Fprintf(s.stderr, "the token, which is nowhere else: %s\n", token)
	scopes, err := json.Marshal(c.Scopes)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "admin:\n  tokens:\n    - name: %q\n      sha256: %s\n      scopes: %s\n", c.Name, web.HashToken(token), scopes)
	return nil
}

// schemaCmd is server schema.
type schemaCmd struct{}

// Run prints the schema.
func (schemaCmd) Run(s *streams) error {
	e := json.NewEncoder(s.stdout)
	e.SetIndent("", "  ")
	return e.Encode(schema())
}

func schema() *jsonschema.Schema {
	r := jsonschema.Reflector{ExpandedStruct: true, Anonymous: true}
	made := r.Reflect(&config{})
	made.Title = "Configuration of Folio's server"
	return made
}
