package folio

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/foliocache/folio/internal/core"
	"github.com/foliocache/folio/tier"
)

// Token is of an invalidation: who has it can ask any instance for what is not of before, see [Query.After]. The zero Token
// is of none.
type Token struct {
	tag     core.Tag
	n       uint64 // its version here
	by      string // the instance, where a tier is shared
	pending bool   // the tier did not know yet
	at      tier.Moment
}

// String returns the token as text, for a header or a cookie: letters, digits, and -_.
func (t Token) String() string {
	parts := []string{strconv.FormatUint(uint64(t.tag), 16), strconv.FormatUint(t.n, 16)}
	if t.by != "" {
		parts = append(parts, t.by, strconv.FormatBool(t.pending)[:1])
	}
	for _, m := range t.at {
		if m.Epoch > 0 {
			parts = append(parts, fmt.Sprintf("%x-%x-%x", m.Shard, m.Epoch, m.N))
		}
	}
	return strings.Join(parts, ".")
}

// ErrToken reports a text that is no token.
var ErrToken = errors.New("folio: not a token")

const mostTokenText = 1 << 16 // bytes

// ParseToken reads what [Token.String] wrote. Whoever makes one up gets answers that are younger than they need be.
func ParseToken(text string) (Token, error) {
	wrong := fmt.Errorf("%w: %.100q", ErrToken, text)
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) == 3 || len(parts) > 3 && parts[2] == "" || len(text) > mostTokenText {
		return Token{}, wrong
	}
	hex := func(text string) uint64 {
		n, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			wrong = fmt.Errorf("%w: %w", wrong, err)
		}
		return n
	}
	was := wrong
	t := Token{tag: core.Tag(hex(parts[0])), n: hex(parts[1])}
	if len(parts) > 2 {
		t.by, t.pending = parts[2], parts[3] == "t"
		for _, part := range parts[4:] {
			f := strings.Split(part, "-")
			if len(f) != 3 {
				return Token{}, wrong
			}
			t.at = append(t.at, tier.Mark{Shard: int(hex(f[0]) & (1<<31 - 1)), Epoch: hex(f[1]), N: hex(f[2])})
		}
	}
	if wrong != was {
		return Token{}, wrong
	}
	return t, nil
}

// After returns a query whose answer is of after the invalidation that a token is of, whichever instance that was done on:
// where this one has not heard of it yet, the tier is asked, or the origin, and not its own memory. Without a Config.Tier
// every answer is.
func (q Query) After(t Token) Query {
	q.after = t
	return q
}

// past returns a query that is not to be answered from memory, if that may be of before the query's token.
func (l *List[T]) past(q Query) Query {
	if f := l.cache.fleet; f == nil || q.after.by == "" || f.knows(&q.after) {
		return q
	}
	k := *q.known
	k.id.past, k.end.past = true, true
	k.id.alone = q.after.pending // the tier may not know either
	q.known = &k
	return q
}
