// Package slo holds service level objectives of a cache as data, and checks what was measured against them: of a live
// cache, of a replay in the simulator, or of a result in CI, by one set of rules.
//
//	objectives:
//	  - metric: hit_ratio
//	    at_least: 0.8
//	  - metric: hit_p99
//	    at_most: 100us
//	  - metric: stale_ratio
//	    at_most: 0
package slo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Metric names what an objective is about.
type Metric string

// The metrics. Ratios are 0..1.
const (
	HitRatio      Metric = "hit_ratio"       // of reads
	OriginRate    Metric = "origin_rate"     // origin queries for each read
	EvictionRate  Metric = "eviction_rate"   // values evicted for each value stored
	StaleRatio    Metric = "stale_ratio"     // of reads, those answered with what was outdated
	HitP50        Metric = "hit_p50"         // time of reads answered from the cache, quantiles
	HitP99        Metric = "hit_p99"         //
	MissP50       Metric = "miss_p50"        // time of reads that waited for a load
	MissP99       Metric = "miss_p99"        //
	MemoryRatio   Metric = "memory_ratio"    // bytes taken, of those that may be
	LoadErrorRate Metric = "load_error_rate" // loads that failed, of all
)

// Metrics lists all of them.
var Metrics = []Metric{HitRatio, OriginRate, EvictionRate, StaleRatio, HitP50, HitP99, MissP50, MissP99, MemoryRatio, LoadErrorRate}

// seconds reports whether a metric is a time, in seconds.
func (m Metric) seconds() bool {
	return strings.HasSuffix(string(m), "_p50") || strings.HasSuffix(string(m), "_p99")
}

// Measured are values of metrics: ratios, and seconds. What is not in it was not measured.
type Measured map[Metric]float64

// Objective is one bound, or two.
type Objective struct {
	Metric   Metric `yaml:"metric" json:"metric"`
	AtLeast  string `yaml:"at_least,omitempty" json:"at_least,omitempty"` // 0.8, 80%, 50us
	AtMost   string `yaml:"at_most,omitempty" json:"at_most,omitempty"`
	Optional bool   `yaml:"optional,omitempty" json:"optional,omitempty"` // it is no violation if it was not measured

	least, most float64
}

// Objectives are those of a service.
type Objectives struct {
	Objectives []Objective `yaml:"objectives" json:"objectives"`
}

// Violation is an objective that does not hold.
type Violation struct {
	Metric Metric  `json:"metric"`
	Found  float64 `json:"-"`      // NaN if it was not measured
	Wanted string  `json:"wanted"` // at least 0.8
}

// String says what was found and what was wanted.
func (v Violation) String() string {
	if math.IsNaN(v.Found) {
		return fmt.Sprintf("%s was not measured, want %s", v.Metric, v.Wanted)
	}
	found := strconv.FormatFloat(v.Found, 'g', 4, 64)
	if v.Metric.seconds() {
		found = time.Duration(v.Found * float64(time.Second)).String()
	}
	return fmt.Sprintf("%s is %s, want %s", v.Metric, found, v.Wanted)
}

// ErrObjectives says that objectives cannot be read.
var ErrObjectives = errors.New("slo: bad objectives")

// Read reads objectives as YAML or JSON. The error joins all faults; each is an ErrObjectives.
func Read(r io.Reader) (*Objectives, error) {
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, err
	}
	var o Objectives
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField()).Decode(&o); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrObjectives, err)
	}
	return &o, o.Prepare()
}

// Prepare reads the bounds of objectives that were not made by Read.
func (o *Objectives) Prepare() error {
	var faults []error
	if len(o.Objectives) == 0 {
		faults = append(faults, fmt.Errorf("%w: there are none", ErrObjectives))
	}
	for i := range o.Objectives {
		one := &o.Objectives[i]
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("%w: objective %d, %s: %s", ErrObjectives, i+1, one.Metric, fmt.Sprintf(format, args...)))
		}
		if !slices.Contains(Metrics, one.Metric) {
			fault("no such metric; there are %v", Metrics)
			continue
		}
		if one.AtLeast == "" && one.AtMost == "" {
			fault("neither at_least nor at_most")
		}
		var err error
		if one.least, err = bound(one.Metric, one.AtLeast, math.Inf(-1)); err != nil {
			fault("at_least: %v", err)
		}
		if one.most, err = bound(one.Metric, one.AtMost, math.Inf(1)); err != nil {
			fault("at_most: %v", err)
		}
		if one.least > one.most {
			fault("at_least %s is above at_most %s", one.AtLeast, one.AtMost)
		}
	}
	return errors.Join(faults...)
}

// bound reads a bound: a number or a share, or of a time a duration.
func bound(m Metric, text string, none float64) (float64, error) {
	if text == "" {
		return none, nil
	}
	if m.seconds() {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("%q: want a duration such as 5ms", text)
		}
		return d.Seconds(), nil
	}
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, fmt.Errorf("%q: want a number or a share such as 80%%", text)
	}
	if percent {
		n /= 100
	}
	if n > 1 && m != OriginRate && m != EvictionRate {
		return 0, fmt.Errorf("%q: it is never more than 1, which is 100%%", text)
	}
	return n, nil
}

// Check returns the objectives that do not hold, in their order. One of what was not measured does not hold, unless it
// is optional.
func (o *Objectives) Check(m Measured) (all []Violation) {
	for _, one := range o.Objectives {
		found, ok := m[one.Metric]
		if !ok || math.IsNaN(found) {
			if !one.Optional {
				all = append(all, Violation{one.Metric, math.NaN(), one.Wanted()})
			}
			continue
		}
		if found < one.least || found > one.most {
			all = append(all, Violation{one.Metric, found, one.Wanted()})
		}
	}
	return all
}

// Wanted says what the bounds are.
func (o *Objective) Wanted() string {
	var parts []string
	if o.AtLeast != "" {
		parts = append(parts, "at least "+o.AtLeast)
	}
	if o.AtMost != "" {
		parts = append(parts, "at most "+o.AtMost)
	}
	return strings.Join(parts, " and ")
}
