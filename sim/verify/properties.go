package verify

import (
	"context"
	"fmt"

	"github.com/foliocache/folio/sim"
)

// properties checks what holds of every cache on every trace: MIN bounds all, a larger LRU
// never misses more, nothing is counted twice, and no number of workers changes a count.
func properties(ctx context.Context, t *sim.Trace, say func(bool, string, ...any)) error {
	var jobs []sim.Job
	sizes := []string{"1%", "10%"}
	for _, text := range sizes {
		size, err := sim.ParseSize(text)
		if err != nil {
			return err
		}
		for _, i := range sim.Info() {
			if t.Requests() > 1_000_000 && i.Kind == "random" {
				continue
			}
			p, err := sim.ParsePolicy(i.Name)
			if err != nil {
				return err
			}
			jobs = append(jobs, sim.Job{Trace: t, Policy: p, Size: size, Seed: 1})
		}
	}
	rows, err := sim.Run(ctx, jobs, 2, nil)
	if err != nil {
		return err
	}
	bound, ok := map[int64]int64{}, true
	lru := []int64{}
	for _, r := range rows {
		switch r.Policy {
		case "opt":
			bound[r.Size] = r.Misses
		case "lru":
			lru = append(lru, r.Misses)
		}
	}
	for _, r := range rows {
		if r.Misses < bound[r.Size] && r.Policy != "unbounded" || r.Hits+r.Misses != r.Requests || r.Misses < int64(t.Units()) || r.OriginQueries != r.Misses {
			ok = false
			say(false, "%s: %s at %d: %d hits, %d misses, MIN %d", t.Name, r.Policy, r.Size, r.Hits, r.Misses, bound[r.Size])
		}
	}
	say(ok, "%s: MIN bounds all, hits and misses add up, %d rows", t.Name, len(rows))
	say(len(lru) == 2 && lru[1] <= lru[0], "%s: LRU inclusion", t.Name)
	small := jobs[:min(4, len(jobs))]
	again, err := sim.Run(ctx, small, 1, nil)
	if err != nil {
		return err
	}
	same := true
	for i := range again {
		same = same && fmt.Sprint(again[i].Misses, again[i].Admitted) == fmt.Sprint(rows[i].Misses, rows[i].Admitted)
	}
	say(same, "%s: one worker and two agree", t.Name)
	return nil
}
