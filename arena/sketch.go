package arena

// sketch counts how often keys were asked for lately: a count-min sketch of 4-bit counters,
// halved after every twenty requests a counted unit (TinyLFU: Einziger et al., ToS 2017, section 3.2).
// Differs from the paper: the four counters of a key lie in one 8-byte word's neighbourhood,
// so that a request touches one cache line.
type sketch struct {
	words  []uint64 // 16 counters each; blocks of 8 words
	added  uint64
	reset  uint64 // requests between two halvings
	halved uint8  // halvings so far; wraps
}

// memory is how many requests a counted unit pass between two halvings. Measured: ten, as in the
// paper, cost half a percent more misses on the recorded traces; thirty are as good; see
// docs/decisions/0001-confidence.md.
const memory = 20

// newSketch makes a sketch for some number of units: 32 to 64 bytes a unit. Measured: with a
// quarter of that, collisions move the hit ratio of P3 by a point from one hash seed to the next.
func newSketch(units int) sketch {
	n := 8
	for n < 4*units {
		n *= 2
	}
	return sketch{words: make([]uint64, n), reset: memory * uint64(max(units, 8))}
}

// counter returns the word and bit of the i-th counter of a spread key.
func (s *sketch) counter(h uint64, i uint) (word uint64, shift uint64) {
	block := h & uint64(len(s.words)/8-1) * 8
	pick := h >> (32 + 8*i)
	return block + uint64(i)*2 + pick&1, pick >> 1 & 15 * 4
}

func spread(key uint64) uint64 {
	key ^= key >> 32
	key *= 0xd6e8feb86659fd93
	key ^= key >> 32
	return key * 0xd6e8feb86659fd93
}

// add counts one request and returns the estimate after it, 0..15.
func (s *sketch) add(key uint64) uint8 {
	h := spread(key)
	least := s.estimate(h)
	if least < 15 {
		for i := range uint(4) {
			w, shift := s.counter(h, i)
			if s.words[w]>>shift&15 == least { // conservative update: only the counters that say least
				s.words[w] += 1 << shift
			}
		}
		least++
	}
	if s.added++; s.added == s.reset {
		s.halve()
		least /= 2
	}
	return uint8(least)
}

func (s *sketch) count(key uint64) uint8 { return uint8(s.estimate(spread(key))) }

func (s *sketch) estimate(h uint64) uint64 {
	least := uint64(15)
	for i := range uint(4) {
		w, shift := s.counter(h, i)
		least = min(least, s.words[w]>>shift&15)
	}
	return least
}

func (s *sketch) halve() {
	s.added = 0
	s.halved++
	for i := range s.words {
		s.words[i] = s.words[i] >> 1 & 0x7777777777777777
	}
}
