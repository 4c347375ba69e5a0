package workloads

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"iter"
)

// Digest returns, in hex, the SHA-256 of a stream of requests; two streams share it only if they
// agree in every field of every request. It freezes generators.
//
// The hashed bytes are, for each request, little-endian and without padding:
//
//	i64 Time in ns, u8 Op, u64 ID,
//	List, Scope, Variant, Cursor, each as u32 length and that many bytes,
//	u32 Offset, u32 Limit, u32 Page, u32 Rows, u8 Total (0 or 1),
//	u32 Size, i64 Load in ns, u32 Position
//
// An error of the stream is returned as it is.
func Digest(requests iter.Seq2[Request, error]) (string, error) {
	hash := sha256.New()
	buffer := make([]byte, 0, 1<<16)
	for request, err := range requests {
		if err != nil {
			return "", err
		}
		if buffer = request.appendCanonical(buffer); len(buffer) > cap(buffer)/2 {
			hash.Write(buffer)
			buffer = buffer[:0]
		}
	}
	hash.Write(buffer)
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// appendCanonical appends the encoding that Digest documents.
func (r Request) appendCanonical(to []byte) []byte {
	little := binary.LittleEndian
	to = little.AppendUint64(to, uint64(r.Time))
	to = append(to, byte(r.Op))
	to = little.AppendUint64(to, r.ID)
	for _, text := range [...]string{r.List, r.Scope, r.Variant, r.Cursor} {
		to = little.AppendUint32(to, uint32(len(text)))
		to = append(to, text...)
	}
	for _, n := range [...]uint32{r.Offset, r.Limit, r.Page, r.Rows} {
		to = little.AppendUint32(to, n)
	}
	total := byte(0)
	if r.Total {
		total = 1
	}
	to = append(to, total)
	to = little.AppendUint32(to, r.Size)
	to = little.AppendUint64(to, uint64(r.Load))
	return little.AppendUint32(to, r.Position)
}
