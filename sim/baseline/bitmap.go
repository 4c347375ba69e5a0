package baseline

import "math/bits"

// bitmap is a set of numbers below a bound in a tree of 64-bit words: each level has a bit
// for each word of the one below that is not zero. Every operation touches at most one word
// a level, five for 2^30 numbers; an eighth of a byte a number.
type bitmap struct {
	levels [][]uint64 // the numbers first, a single word last
}

func newBitmap(bound int) bitmap {
	var b bitmap
	for n := bound; ; {
		n = max(1, (n+63)/64)
		b.levels = append(b.levels, make([]uint64, n))
		if n == 1 {
			return b
		}
	}
}

func (b *bitmap) add(n uint32) {
	for _, words := range b.levels {
		w := &words[n/64]
		was := *w
		*w = was | 1<<(n%64)
		if was != 0 {
			return
		}
		n /= 64
	}
}

func (b *bitmap) remove(n uint32) {
	for _, words := range b.levels {
		w := &words[n/64]
		*w &^= 1 << (n % 64)
		if *w != 0 {
			return
		}
		n /= 64
	}
}

func (b *bitmap) empty() bool { return b.levels[len(b.levels)-1][0] == 0 }

// max returns the largest number; the set must not be empty.
func (b *bitmap) max() uint32 {
	n := 0
	for level := len(b.levels) - 1; level >= 0; level-- {
		n = n*64 + bits.Len64(b.levels[level][n]) - 1
	}
	return uint32(n)
}
