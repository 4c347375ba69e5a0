package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/net/http/httpguts"

	"github.com/foliocache/folio"
	"github.com/foliocache/folio/cmd/server/internal/tickets"
)

// scopeConfig says how the principal of a request is known.
type scopeConfig struct {
	From string `yaml:"from" json:"from" jsonschema:"enum=jwt,enum=header,enum=credentials,enum=parameter,description=jwt: the claim of a verified bearer token; header: of a trusted proxy in front; credentials: whoever sends the same Authorization and Cookie; parameter: user\\, for demonstrations alone"`
	Kind string `yaml:"kind,omitempty" json:"kind,omitempty" jsonschema:"description=Of the scope. Default user"`

	SecretFile string `yaml:"secret_file,omitempty" json:"secret_file,omitempty" jsonschema:"description=jwt: secret of HS256\\, 32 bytes or more"`
	KeyFile    string `yaml:"key_file,omitempty" json:"key_file,omitempty" jsonschema:"description=jwt: PEM file of the public key of RS256\\, ES256 or EdDSA"`
	Claim      string `yaml:"claim,omitempty" json:"claim,omitempty" jsonschema:"description=jwt: default sub"`
	Issuer     string `yaml:"issuer,omitempty" json:"issuer,omitempty"`
	Audience   string `yaml:"audience,omitempty" json:"audience,omitempty"`

	Header  string   `yaml:"header,omitempty" json:"header,omitempty" jsonschema:"description=header: its name"`
	Trusted []string `yaml:"trusted,omitempty" json:"trusted,omitempty" jsonschema:"description=header: addresses or prefixes of the proxies that set it"`

	Trust bool `yaml:"i_know_anybody_may_be_anybody,omitempty" json:"i_know_anybody_may_be_anybody,omitempty" jsonschema:"description=parameter: must be true"`
}

var errNobody = errors.New("nobody is known")

// scope returns how the scope of a request is found.
func (c *scopeConfig) scope() (func(*http.Request) (folio.Scope, error), error) {
	who, err := c.principal()
	if err != nil {
		return nil, err
	}
	kind := c.Kind
	fill(&kind, "user")
	return func(r *http.Request) (folio.Scope, error) {
		id, err := who(r)
		if err == nil && id == "" {
			err = errNobody
		}
		return folio.Scope{Kind: kind, ID: id}, err
	}, nil
}

// principal returns how the name of who asks is found.
func (c *scopeConfig) principal() (func(*http.Request) (string, error), error) {
	for from, said := range map[string]bool{"jwt": c.SecretFile+c.KeyFile+c.Claim+c.Issuer+c.Audience != "", "header": c.Header != "" || len(c.Trusted) > 0, "parameter": c.Trust} {
		if said && from != c.From {
			return nil, fmt.Errorf("%w: scope from %q: it has fields of one from %s", errUsage, c.From, from)
		}
	}
	switch c.From {
	case "jwt":
		return c.jwt()
	case "header":
		return c.header()
	case "credentials":
		return credentials, nil
	case "parameter":
		if !c.Trust {
			return nil, fmt.Errorf("%w: scope from parameter: anybody may be anybody; say i_know_anybody_may_be_anybody: true", errUsage)
		}
		return tickets.UserParameter, nil
	}
	return nil, fmt.Errorf("%w: scope from %q: want jwt, header, credentials or parameter", errUsage, c.From)
}

// jwt reads a claim of a bearer token.
func (c *scopeConfig) jwt() (func(*http.Request) (string, error), error) {
	key, methods, err := c.key()
	if err != nil {
		return nil, err
	}
	options := []jwt.ParserOption{jwt.WithValidMethods(methods), jwt.WithExpirationRequired()}
	if c.Issuer != "" {
		options = append(options, jwt.WithIssuer(c.Issuer))
	}
	if c.Audience != "" {
		options = append(options, jwt.WithAudience(c.Audience))
	}
	parser, claim := jwt.NewParser(options...), c.Claim
	fill(&claim, "sub")
	return func(r *http.Request) (string, error) {
		text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || len(r.Header["Authorization"]) > 1 {
			return "", errNobody
		}
		claims := jwt.MapClaims{}
		if _, err := parser.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
			return "", err
		}
		id, _ := claims[claim].(string)
		if id == "" {
			return "", errNobody
		}
		return id, nil
	}, nil
}

// key reads what tokens are verified with.
func (c *scopeConfig) key() (key any, methods []string, err error) {
	if (c.SecretFile == "") == (c.KeyFile == "") {
		return nil, nil, fmt.Errorf("%w: scope from jwt: want either secret_file or key_file", errUsage)
	}
	text, err := os.ReadFile(c.SecretFile + c.KeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if c.SecretFile != "" {
		secret := []byte(strings.TrimRight(string(text), "\r\n"))
		if len(secret) < 32 {
			return nil, nil, fmt.Errorf("%w: %s: a secret of %d bytes can be guessed: want 32 or more", errUsage, c.SecretFile, len(secret))
		}
		return secret, []string{"HS256"}, nil
	}
	if k, err := jwt.ParseRSAPublicKeyFromPEM(text); err == nil {
		return k, []string{"RS256"}, nil
	}
	if k, err := jwt.ParseECPublicKeyFromPEM(text); err == nil {
		return k, []string{"ES256"}, nil
	}
	if k, err := jwt.ParseEdPublicKeyFromPEM(text); err == nil {
		return k, []string{"EdDSA"}, nil
	}
	return nil, nil, fmt.Errorf("%w: %s: no public key of RSA, EC or Ed25519", errUsage, c.KeyFile)
}

// trusts returns whether a request comes from a proxy that may say who asks.
func (c *scopeConfig) trusts() (func(*http.Request) bool, error) {
	var trusted []netip.Prefix
	for _, text := range c.Trusted {
		p, err := netip.ParsePrefix(text)
		if one, e := netip.ParseAddr(text); e == nil {
			p, err = netip.PrefixFrom(one, one.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("%w: scope from header: trusted %q: want an address or a prefix, of IPv4 as such", errUsage, text)
		}
		trusted = append(trusted, p)
	}
	if !httpguts.ValidHeaderFieldName(c.Header) || len(trusted) == 0 {
		return nil, fmt.Errorf("%w: scope from header: want the header's name, and trusted: else any client could say it", errUsage)
	}
	return func(r *http.Request) bool {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		from, parseErr := netip.ParseAddr(host)
		return err == nil && parseErr == nil && slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(from.Unmap()) })
	}, nil
}

// header reads what a trusted proxy in front says.
func (c *scopeConfig) header() (func(*http.Request) (string, error), error) {
	trusts, err := c.trusts()
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) (string, error) {
		said := r.Header.Values(c.Header)
		if !trusts(r) || len(said) != 1 || said[0] == "" {
			return "", errNobody
		}
		return said[0], nil
	}, nil
}

// guard keeps what only a trusted proxy may say from who is behind next, where somebody else says it.
func (c *scopeConfig) guard(next http.Handler) http.Handler {
	trusts, err := c.trusts()
	if c.From != "header" || err != nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !trusts(r) {
			r.Header.Del(c.Header)
		}
		next.ServeHTTP(w, r)
	})
}

// credentials takes who sends the same credentials for the same principal. The upstream judges them when a page is
// loaded: one that it revokes is good for pages that are stored until they are stale.
func credentials(r *http.Request) (string, error) {
	if len(r.Header["Authorization"]) == 0 && len(r.Header["Cookie"]) == 0 {
		return "", errNobody
	}
	hash := sha256.New()
	for _, name := range []string{"Authorization", "Cookie"} {
		for _, v := range r.Header[name] {
			fmt.Fprintf(hash, "%s %d %s\n", name, len(v), v)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
