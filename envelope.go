package folio

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"github.com/foliocache/folio/tier"
)

// TierKey is a secret by which what a tier keeps is sealed: see Config.TierKeys.
type TierKey struct {
	ID     string // names it in what is sealed, in the clear: 1 to 32 bytes
	Secret []byte // 16 bytes for AES-128, or 32 for AES-256
}

const mostKeyID = 32

// envelope seals what a tier keeps, by AES-GCM with random nonces (NIST SP 800-38D, section 8.2.2), so that it can be read
// only as what it was written as.
type envelope struct {
	id    string // of the key that seals
	seals cipher.AEAD
	opens map[string]cipher.AEAD
}

// newEnvelope makes one; nil: there are no keys.
func newEnvelope(keys []TierKey) (*envelope, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	e := &envelope{opens: map[string]cipher.AEAD{}}
	for _, k := range keys {
		if len(k.ID) == 0 || len(k.ID) > mostKeyID || e.opens[k.ID] != nil {
			return nil, fmt.Errorf("TierKeys: ID %q: want 1 to %d bytes, each once", k.ID, mostKeyID)
		}
		if len(k.Secret) != 16 && len(k.Secret) != 32 {
			return nil, fmt.Errorf("TierKeys: %s: a secret of %d bytes: want 16 or 32", k.ID, len(k.Secret))
		}
		block, err := aes.NewCipher(k.Secret)
		if err != nil {
			return nil, fmt.Errorf("TierKeys: %s: %w", k.ID, err)
		}
		if e.opens[k.ID], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("TierKeys: %s: %w", k.ID, err)
		}
		if e.seals == nil {
			e.seals, e.id = e.opens[k.ID], k.ID
		}
	}
	return e, nil
}

// bound is what a sealed value belongs to: it opens nowhere else.
func bound(k *tier.Key, id *identity) []byte {
	return fmt.Appendf(nil, "%d:%s:%d:%d:%s", len(k.Name), k.Name, k.Home, id.space, id.text)
}

// seal adds to dst the name of the key and what is sealed by it.
func (e *envelope) seal(dst, inner, bound []byte) []byte {
	dst = append(append(dst, byte(len(e.id))), e.id...)
	return e.seals.Seal(dst, nil, inner, bound)
}

// open returns what was sealed.
func (e *envelope) open(b, bound []byte) ([]byte, error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return nil, fmt.Errorf("%w: %d bytes", errShared, len(b))
	}
	id, sealed := string(b[1:1+b[0]]), b[1+b[0]:]
	by := e.opens[id]
	if by == nil {
		return nil, fmt.Errorf("%w: sealed by key %q, which is none of TierKeys", errShared, id)
	}
	inner, err := by.Open(nil, nil, sealed, bound)
	if err != nil {
		return nil, fmt.Errorf("%w: key %q: %w", errShared, id, err)
	}
	return inner, nil
}
