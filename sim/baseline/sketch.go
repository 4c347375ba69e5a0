package baseline

import "math/bits"

// sketch estimates how often units were asked for lately: a count-min sketch of four rows
// with 4-bit counters, halved now and then. The source is Einziger, Friedman and Manes,
// "TinyLFU: A Highly Efficient Cache Admission Policy" (ToS 2017), section 3.
//
// Differs from the paper: the four counters of a unit lie in one block of 64 bytes, as in
// Caffeine; an increment raises all of them; there is no doorkeeper.
type sketch struct {
	words   []uint64 // 16 counters each
	blocks  uint64   // number of blocks less one, a mask
	counted int64    // increments since the last halving, halved with it
}

const (
	blockWords = 8
	sketchRows = 4
	counterMax = 15
)

// newSketch returns a sketch with room for the given number of entries: 16 counters each.
func newSketch(entries int64) sketch {
	blocks := uint64(max(entries, 1)+blockWords-1) / blockWords
	blocks = 1 << bits.Len64(blocks-1)
	return sketch{words: make([]uint64, blocks*blockWords), blocks: blocks - 1}
}

// counter returns the word of a row's counter in its block and the shift of the counter in it.
func counter(hash uint64, row int) (word int, shift uint64) {
	pick := hash >> (44 + 5*row)
	return 2*row + int(pick>>4&1), pick & 15 * 4
}

// block returns the words a unit's counters are in.
func (s *sketch) block(hash uint64) *[blockWords]uint64 {
	at := (hash & s.blocks) * blockWords
	return (*[blockWords]uint64)(s.words[at : at+blockWords])
}

// add counts a request.
func (s *sketch) add(id uint32) {
	hash := mix(id)
	block := s.block(hash)
	var raised int64
	for row := range sketchRows {
		word, shift := counter(hash, row)
		if block[word]>>shift&counterMax != counterMax {
			block[word] += 1 << shift
			raised = 1
		}
	}
	s.counted += raised
}

// estimate returns at least the number of requests counted, up to 15.
func (s *sketch) estimate(id uint32) uint64 {
	hash := mix(id)
	block := s.block(hash)
	least := uint64(counterMax)
	for row := range sketchRows {
		word, shift := counter(hash, row)
		least = min(least, block[word]>>shift&counterMax)
	}
	return least
}

// halve ages the sketch, in time linear in its size.
func (s *sketch) halve() {
	for i, w := range s.words {
		s.words[i] = w >> 1 & 0x7777777777777777
	}
	s.counted /= 2
}
