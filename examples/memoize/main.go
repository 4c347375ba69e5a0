// Memoize wraps a slow function so that each result is computed once, and drops one of them when
// what it depends on has changed.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/foliocache/folio"
)

// Path is how a trip gets where it goes.
type Path struct {
	Trip  string
	Stops []string
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	cache, err := folio.New(folio.Config{MaxBytes: 16 << 20, OnHeap: true, TTL: time.Hour})
	if err != nil {
		return err
	}
	defer cache.Close(ctx)
	computed := 0
	resolve := folio.Memoize(cache, "path", func(_ context.Context, trip string) (Path, error) {
		computed++
		time.Sleep(20 * time.Millisecond)
		return Path{trip, []string{"Bern", "Zürich", trip}}, nil
	})
	// A change of the timetable outdates the trips to Wien.
	if err := cache.Depend(folio.KeyTag("path:Wien"), "timetable:wien"); err != nil {
		return err
	}
	for _, trip := range []string{"Wien", "Roma", "Wien", "Roma", "", "Wien", "Roma"} {
		if trip == "" {
			fmt.Println("the timetable changes")
			if err := cache.InvalidateTags(ctx, "timetable:wien"); err != nil {
				return err
			}
			continue
		}
		began := time.Now()
		p, err := resolve(ctx, trip)
		if err != nil {
			return err
		}
		fmt.Printf("%v in %s\n", p, time.Since(began).Round(time.Millisecond))
	}
	if computed != 3 {
		return fmt.Errorf("computed %d times, want 3", computed)
	}
	return nil
}
