package tiertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foliocache/folio/tier"
)

// Bench measures what a tier takes for a read that finds a value of 1 KB (a page of 3 KB, compressed) with three tags, one
// that does not and the write after it, and a bump of one tag; by one caller.
func Bench(b *testing.B, on tier.Tier) {
	ctx := context.Background()
	value := func(n int) tier.Value {
		tags := []uint64{uint64(n)<<32 + 1, uint64(n)<<32 + 2, uint64(n)<<32 + 3}
		body := make([]byte, 1024)
		for i := range body {
			body[i] = byte(rand.Uint32())
		}
		return tier.Value{Key: tier.Key{Name: fmt.Sprint("bench:", n), Home: tags[0]}, Tags: tags, Body: body, TTL: time.Hour}
	}
	fill := func(b *testing.B, v *tier.Value) {
		a, err := on.Read(ctx, tier.Question{Tags: v.Tags, Keys: []tier.Key{v.Key}, Claim: time.Second, By: "b"})
		if err == nil {
			err = on.Write(ctx, "b", a.Moment, []tier.Value{*v})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	const kept = 1000
	var all [kept]tier.Value
	for i := range all {
		all[i] = value(i)
		for range 2 { // a tag that nobody has asked for before may cost the first write
			fill(b, &all[i])
		}
	}
	b.Run("hit", func(b *testing.B) {
		for b.Loop() {
			v := &all[rand.IntN(kept)]
			if a, err := on.Read(ctx, tier.Question{Tags: v.Tags, Keys: []tier.Key{v.Key}}); err != nil || a.Values[0].Body == nil {
				b.Fatal("it is not there", err)
			}
		}
	})
	n := kept
	b.Run("fill", func(b *testing.B) {
		for b.Loop() {
			n++
			v := value(n)
			fill(b, &v)
		}
	})
	b.Run("bump", func(b *testing.B) {
		for b.Loop() {
			if _, err := on.Bump(ctx, "b", []uint64{uint64(rand.IntN(kept))<<32 + 1}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
