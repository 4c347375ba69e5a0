package sim

import (
	"math"
	"math/bits"
)

// Schema names the form of a [Result] in JSON.
const Schema = "simulate/v1"

// Result is what a run of the simulator found; its JSON form is the tool's contract.
type Result struct {
	Schema   string         `json:"schema"`
	Tool     Tool           `json:"tool"`
	Seed     uint64         `json:"seed"`
	Complete bool           `json:"complete"`
	Traces   []TraceInfo    `json:"traces"`
	Rows     []Row          `json:"rows"`
	Claims   []Outcome      `json:"claims,omitempty"` // what was claimed of the rows
	Timing   map[string]any `json:"timing,omitempty"`
}

// Tool says what made a result.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// TraceInfo says what a result was measured on.
type TraceInfo struct {
	Name     string `json:"name"`
	SHA256   string `json:"sha256"`
	Requests int    `json:"requests"` // reads
	Writes   int    `json:"writes"`
	IDs      int    `json:"ids"` // distinct units read
	Bytes    int64  `json:"bytes"`
}

// Row is one policy at one size on one trace. Counts are exact.
type Row struct {
	Trace      string  `json:"trace"`
	Policy     string  `json:"policy"` // as the caller wrote it
	Size       int64   `json:"size"`
	SizeUnit   string  `json:"size_unit"` // objects or bytes
	SizeText   string  `json:"size_text"` // as the caller wrote it
	Seed       uint64  `json:"seed"`
	TTLSeconds float64 `json:"ttl_s,omitempty"`  // time to live of every copy; 0: for ever
	Untold     float64 `json:"untold,omitempty"` // share of the writes that the cache is not told of

	Curve       bool     `json:"curve,omitempty"`        // found in one pass: what is asked of the cache and of the origin is known, and nothing else
	Sample      string   `json:"sample,omitempty"`       // the row is of a cache smaller than size by as much as this sample is than the trace
	SampleError *float64 `json:"sample_error,omitempty"` // its hit ratio less that of the whole trace, if that was replayed, too

	Requests        int64   `json:"requests"` // reads after the warm-up
	Hits            int64   `json:"hits"`
	Misses          int64   `json:"misses"` // reads that had to wait for a load, their own or another's
	MissesFirstHalf int64   `json:"misses_first_half"`
	HitRatio        float64 `json:"hit_ratio"`
	ByteHitRatio    float64 `json:"byte_hit_ratio"`
	OriginQueries   int64   `json:"origin_queries"`
	Prefetched      int64   `json:"prefetched"`            // pages that loads of others brought along
	PrefetchUsed    int64   `json:"prefetch_used"`         // of these, new to the cache and served before they left; of folio, waited for as well
	Refreshed       int64   `json:"refreshed,omitempty"`   // reads served while what they got was loaded anew
	Warmed          int64   `json:"warmed,omitempty"`      // loads of pages that were likely to be next
	WarmedUsed      int64   `json:"warmed_used,omitempty"` // of these, asked for before they were gone
	Rewarmed        int64   `json:"rewarmed,omitempty"`    // loads of pages that a write had outdated
	RewarmedUsed    int64   `json:"rewarmed_used,omitempty"`
	Admitted        int64   `json:"admitted"`
	Evicted         int64   `json:"evicted"`
	Invalidated     int64   `json:"invalidated"`
	Revoked         int64   `json:"revoked"` // loads overtaken by a write
	StaleServed     int64   `json:"stale_served"`
	BytesWritten    int64   `json:"bytes_written"` // in objects where sizes are
	BytesLive       int64   `json:"bytes_live"`
	BytesDead       int64   `json:"bytes_dead"`
	BytesMetadata   int64   `json:"bytes_metadata"` // always bytes
	BytesPeak       int64   `json:"bytes_peak"`     // of the store and our books, the largest seen at a look every 65,536 requests; objects where sizes are
	OriginRows      int64   `json:"origin_rows"`
	OriginMS        float64 `json:"origin_ms"`

	Latency *Latency         `json:"latency_ms,omitempty"` // on the virtual clock, loads only
	Parts   Parts            `json:"parts"`
	Classes map[string]Class `json:"classes,omitempty"`
	Folio   *Folio           `json:"folio,omitempty"`

	bytesHit, bytesAsked int64
	originMicros         int64
}

// Name returns the policy, and of which sample the row is, if it is of one.
func (r *Row) Name() string {
	if r.Sample == "" {
		return r.Policy
	}
	return r.Policy + "@" + r.Sample
}

// PartCount is the number of equally long parts of a trace that a [Row] counts on their own, so that phases show and
// results can be compared part by part.
const PartCount = 100

// Parts counts the reads of each part of the trace, in its order.
type Parts struct {
	Requests []int64 `json:"requests"`
	Hits     []int64 `json:"hits"`
}

// Class counts the reads of one depth bucket, or of one part of the trace.
type Class struct {
	Requests int64 `json:"requests"`
	Hits     int64 `json:"hits"`
}

// Latency holds quantiles of the time a read waited for loads, in ms; within 6 %.
type Latency struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

// Folio is what only this project's cache reports.
type Folio struct {
	Strategies     map[string]StrategyRow `json:"strategies"`
	RuledParts     map[string][]int64     `json:"ruled_parts"` // reads of each part that each strategy ruled
	Arbiter        string                 `json:"arbiter"`
	Ruling         string                 `json:"ruling"` // at the end
	Switches       int64                  `json:"switches"`
	Shadowed       int64                  `json:"shadowed"`         // reads that the shadows saw
	ShadowHitRatio float64                `json:"shadow_hit_ratio"` // of the composite's own shadow
	Calibration    []CalibrationBin       `json:"calibration"`
	ECE            float64                `json:"ece"`
	Brier          float64                `json:"brier"`
	BrierSkill     float64                `json:"brier_skill"`
}

// StrategyRow is one strategy's part in the competition.
type StrategyRow struct {
	Ruled          int64   `json:"ruled"` // reads that it ruled
	ShadowHitRatio float64 `json:"shadow_hit_ratio"`
	Hits           int64   `json:"hits"` // of the reads that its shadow saw
	Misses         int64   `json:"misses"`
	Entries        int64   `json:"entries"`    // that its shadow holds at the end
	Decisions      int64   `json:"decisions"`  // that it took in its shadow
	Confidence     float64 `json:"confidence"` // mean of those they were taken on, 0..1

	Classes map[string]Class `json:"classes,omitempty"`
}

// CalibrationBin compares a tenth of the stated confidences with what came true.
type CalibrationBin struct {
	P      float64 `json:"p"` // mean stated
	N      int64   `json:"n"`
	Reused int64   `json:"reused"`
}

// finish derives the ratios once all is counted.
func (p *replay) finish() {
	row := &p.row
	row.HitRatio = ratio(row.Hits, row.Requests)
	row.ByteHitRatio = ratio(row.bytesHit, row.bytesAsked)
	row.OriginMS = float64(row.originMicros) / 1000
	if p.trace.loads != nil {
		row.Latency = &Latency{p.latency.quantile(.5), p.latency.quantile(.95), p.latency.quantile(.99)}
	}
	if p.trace.depths != nil {
		row.Classes = byDepth(p.classes)
	}
	row.Parts = partsOf(&p.parts)
	p.cache.fill(row)
}

// partsOf turns the table of the parts.
func partsOf(all *[PartCount]Class) Parts {
	p := Parts{make([]int64, PartCount), make([]int64, PartCount)}
	for i, c := range all {
		p.Requests[i], p.Hits[i] = c.Requests, c.Hits
	}
	return p
}

// byDepth names the depth buckets that were asked for.
func byDepth(classes [len(Depths)]Class) map[string]Class {
	named := map[string]Class{}
	for d, c := range classes {
		if c.Requests > 0 {
			named[Depths[d]] = c
		}
	}
	return named
}

func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// histogram counts durations in µs by sixteenths of a power of two.
type histogram struct {
	counts [64 * 16]int64
	n      int64
}

func (h *histogram) add(micros int64) {
	h.counts[bucketOf(uint64(max(0, micros)))]++
	h.n++
}

func bucketOf(v uint64) int {
	if v < 16 {
		return int(v)
	}
	e := bits.Len64(v) - 5
	return (e+1)*16 + int(v>>e&15)
}

// quantile returns the upper end of the bucket that holds the q-th part, in ms.
func (h *histogram) quantile(q float64) float64 {
	rank, seen := int64(math.Ceil(q*float64(h.n))), int64(0)
	for b, c := range h.counts {
		if seen += c; seen >= rank && c > 0 {
			if b < 16 {
				return float64(b) / 1000
			}
			e := b/16 - 1
			return float64(uint64(16+b%16)<<e) / 1000
		}
	}
	return 0
}
