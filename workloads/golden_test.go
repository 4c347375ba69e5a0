package workloads

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// goldenStreams are the id streams of generated.csv beside the golden miss counts: SHA-256 of the
// ids renumbered 0, 1, 2 … by first appearance, as little-endian uint32.
var goldenStreams = []struct {
	spec, sha256 string
	distinct     int
}{
	{"gen:zipf?alpha=0.7", "3fd21da89d936d5d3f2bfb7ad69c9c9ed097834fbba7ced24f23a77426399ba3", 19774},
	{"gen:zipf", "4edd3d92d743e98e66e511d3503aa54d8112ea0acc711cff38077a79b08d7f6a", 18498},
	{"gen:zipf?alpha=1.1", "31f49f76c10a2d481a5ad17f46b11c1b29fd63cf0db37a0b98e8535e63855644", 14251},
	{"gen:loop?n=30000&m=1500", "7c500cbccfcc082d1607a2f48eb40d44487d79d5e9757cc1964a42ec76080c77", 1500},
	{"gen:mix?m=5000", "c4b7657755335d613acaeb0a1d910ed00df95ad6ba44e29640e0375604855683", 45307},
	{"gen:pages?m=5000&alpha=0.8", "d618c7145d254e933aa7ba00c7ece91fdf1317c3d3b5f905bea610b1f7af1b3c", 29205},
}

func TestGeneratorsReproduceTheGoldenStreams(t *testing.T) {
	for _, golden := range goldenStreams {
		source, err := Open(golden.spec)
		if err != nil {
			t.Fatal(err)
		}
		hash, number := sha256.New(), map[uint64]uint32{}
		for r, err := range source.Requests() {
			if err != nil {
				t.Fatal(err)
			}
			if _, known := number[r.ID]; !known {
				number[r.ID] = uint32(len(number))
			}
			hash.Write(binary.LittleEndian.AppendUint32(nil, number[r.ID]))
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != golden.sha256 || len(number) != golden.distinct {
			t.Errorf("%s: %s with %d ids", golden.spec, got, len(number))
		}
	}
}
