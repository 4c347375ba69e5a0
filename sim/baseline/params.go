package baseline

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Complete returns the given parameters with the defaults of those left out. It refuses
// names the policy does not have.
func (i Info) Complete(given Params) (Params, error) {
	all := Params{}
	for _, p := range i.Params {
		all[p.Name] = p.Default
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := all[name]; !ok {
			return nil, fmt.Errorf("baseline: %s has no parameter %q", i.Name, name)
		}
		all[name] = given[name]
	}
	return all, nil
}

// share reads a parameter between 0 and 1 and returns that part of the capacity, rounded down.
func (cfg Config) share(name string) (int64, error) {
	f, err := strconv.ParseFloat(cfg.Params[name], 64)
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("baseline: %s=%q, want a number from 0 to 1", name, cfg.Params[name])
	}
	// A product such as 0.29*100 falls short of the whole number it stands for.
	const slack = 1e-9
	return min(int64(f*float64(cfg.Capacity)+slack), cfg.Capacity), nil
}
