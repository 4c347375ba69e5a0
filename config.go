package folio

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/foliocache/folio/arena"
	"github.com/foliocache/folio/internal/store"
	"github.com/foliocache/folio/tier"
)

// Config says what a cache is made of. The zero value of every field but MaxBytes is its default.
type Config struct {
	// MaxBytes bounds the memory that values and the cache's own books take, together. Values lie
	// outside the Go heap, in steps of 32 MiB; where they take less than 640 MiB, what the steps leave,
	// up to 63 MiB, is used on the heap. Where most values are a tenth of MeanBytes and ever others are
	// asked for, books take up to 7 % of it more. At least 96 MiB.
	MaxBytes int64
	// OnHeap keeps values on the Go heap instead, without steps, from 1 MiB on: for small pods.
	OnHeap bool
	// MaxEntries bounds the values as well, by less than what MaxBytes has room for the books of.
	// At least 1024 (32 on the heap); 0: no further bound.
	MaxEntries int
	// MaxShare is the part of the values' memory that one scope of a list may take, 0..1; what is
	// beyond is loaded and not stored. 0: no bound.
	MaxShare float64
	// MeanBytes is what a value takes on average, roughly: MaxBytes is divided between values and
	// books by it, for entries of three fifths of it, as more of the small ones are kept. Default 4096.
	MeanBytes int

	// Strategy lets one strategy rule alone; default: all compete.
	Strategy string
	// Arbiter chooses among competing strategies: hedge (default), thompson, exp3, fixed.
	Arbiter string

	// Exact is up to how many entries the strategies' shadows see every read. In a larger cache they see
	// those of a sample of scopes, of half as many entries or more: for less memory and work, what each
	// strategy would do alone is known less exactly. Default 262,144.
	Exact int

	// TTL is the time to live of plain values; 0: for ever, [Cache.Delete] and [Cache.Set] end it.
	TTL time.Duration
	// Jitter shortens every time to live by a random part of at most this share, so that what was
	// loaded together does not expire together. Default 0.1; negative: none.
	Jitter float64
	// NegativeTTL is how long it is remembered that a value does not exist. Default 5 s; negative: not.
	NegativeTTL time.Duration
	// StaleWhileRevalidate is how long after its time to live a plain value may be served while a new one is loaded
	// behind (RFC 5861); ListConfig has its own. 0: not at all.
	StaleWhileRevalidate time.Duration
	// EarlyRefresh is by how many times what its load took a value is loaded anew before its time to live is over, as
	// long as it is asked for: sooner or later than that by chance (XFetch). Default 1; negative: never.
	EarlyRefresh float64
	// StaleIfError is how long after its time to live a value may be served once more where a load
	// fails; what a write has outdated never is, but for one of another instance that cannot be heard of (Tier). 0: not
	// at all.
	StaleIfError time.Duration
	// MaxLoads bounds the loaders running at once, but for those that a loader asks for. Default 64.
	MaxLoads int
	// WarmBudget bounds the loads that nobody waits for, of pages that are likely to be asked for next or again after
	// a write, as a share of the others, 0..1. They run only while less than half of MaxLoads do, and as long as
	// they save more time, of readers and of the origin, than they cost both by taking processors or
	// connections. Default 0.1; negative: none.
	WarmBudget float64
	// LoadTimeout is the deadline of a load, waiting for its turn included. Default 30 s.
	LoadTimeout time.Duration

	// Mode is On, Observe or Off; [Cache.SetMode] changes it.
	Mode Mode
	// VerifyOneIn has one hit in so many, but those of GetMany, loaded again behind it and compared: see
	// Stats.Differed. 0: none.
	VerifyOneIn int

	// Dir is a folder that the contents are kept in over restarts, this cache's alone: what is not outdated by
	// then is there again. Empty: they are not kept. See [Cache.Save].
	Dir string
	// SaveEvery is how often the contents are saved, beside at Close: what a process has when it is killed is lost,
	// but for what was saved last. Default 10 minutes; negative: at Close alone.
	SaveEvery time.Duration
	// Version names what the contents look like, as by the program's: what another version has saved is not used. Change
	// it where rows, loaders or the tags of a list change.
	Version string

	// Tier is what this cache shares with other instances, as package tier/redis has it: what one has loaded the others
	// need not load, and what one invalidates all outdate. Seed, if it is given, and the names of lists must be the same
	// in all of them. The cache does not close it. Not together with Dir.
	Tier tier.Tier
	// Lease bounds for how long after an invalidation of another instance has returned this one may serve what was
	// loaded before it, whatever fails: 300 ms to 1 minute, default 1 s. While the tier cannot be reached, what is
	// stored is served for so long after its load began, and then loaded again.
	Lease time.Duration
	// TierTimeout bounds what a read waits for the tier before it asks the origin, and a write before it returns an
	// [ErrPending]. Default 150 ms.
	TierTimeout time.Duration

	// TierKeys are secrets by which what the tier keeps is sealed: nobody who can read it there learns what is in it, and
	// nobody can put one user's page in another's place. The first one seals, each of them opens. To change it, have all
	// instances open by the new one, then seal by it, then drop the old one. Default: nothing is sealed.
	TierKeys []TierKey

	// Rules say what a change of an entity outdates: see [Cache.Changed].
	Rules Rules

	// Seed makes hashes and random choices repeat; 0: a random one, or with a Tier one that all have.
	Seed uint64
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Observe is told of every read, load and invalidation, by the goroutine that does it, and must
	// be safe for concurrent use: what it takes, the caller waits for. Default: nobody.
	Observe func(Event)
	// Logger hears of what no caller can be told, as why a page could not be served. Default slog.Default().
	Logger *slog.Logger
}

const (
	defaultMeanBytes   = 4096
	defaultJitter      = .1
	defaultNegativeTTL = 5 * time.Second
	defaultMaxLoads    = 64
	defaultEarly       = 1
	defaultSaveEvery   = 10 * time.Minute
	defaultWarmBudget  = .1
	defaultLoadTimeout = 30 * time.Second
	defaultLease       = time.Second
	defaultTierTimeout = 150 * time.Millisecond

	minHeap  = 1 << 20
	maxBytes = 1 << 40

	// What the books of an entry take, the store's index and the memory of what is gone included, where no key
	// ever comes again; usually it is 350.
	worstBytes = 560

	sketchShare = 50 // one of so many bytes is for the sketch of frequencies
)

// check returns all faults of a config, joined.
func (c *Config) check() error {
	var faults []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
		}
	}
	least, buckets := int64(arena.MinFastcache), 512
	if c.OnHeap {
		least, buckets = minHeap, 16
	}
	want(c.MaxBytes >= least && c.MaxBytes <= maxBytes, "MaxBytes %d: want at least %d, at most %d (OnHeap %v)", c.MaxBytes, least, int64(maxBytes), c.OnHeap)
	want(c.MaxEntries == 0 || c.MaxEntries >= 2*buckets && c.MaxEntries < math.MaxUint32, "MaxEntries %d: want 0 or at least %d (OnHeap %v)", c.MaxEntries, 2*buckets, c.OnHeap)
	want(c.MeanBytes >= 0, "MeanBytes %d: want at least 0", c.MeanBytes)
	want(c.MaxShare >= 0 && c.MaxShare <= 1, "MaxShare %g: want 0 to 1", c.MaxShare)
	want(c.StaleIfError >= 0, "StaleIfError %s: want at least 0", c.StaleIfError)
	want(int(c.Mode) < len(modes), "Mode %d: want On, Observe or Off", c.Mode)
	want(c.VerifyOneIn >= 0, "VerifyOneIn %d: want at least 0", c.VerifyOneIn)
	want(c.Exact >= 0, "Exact %d: want at least 0", c.Exact)
	want(c.TTL >= 0, "TTL %s: want at least 0", c.TTL)
	want(c.Jitter < 1, "Jitter %g: want less than 1", c.Jitter)
	want(c.MaxLoads >= 0, "MaxLoads %d: want at least 0", c.MaxLoads)
	want(c.StaleWhileRevalidate >= 0, "StaleWhileRevalidate %s: want at least 0", c.StaleWhileRevalidate)
	want(c.EarlyRefresh < 1000, "EarlyRefresh %g: want less than 1000", c.EarlyRefresh)
	want(c.WarmBudget <= 1, "WarmBudget %g: want at most 1", c.WarmBudget)
	want(c.Lease == 0 || c.Lease >= 300*time.Millisecond && c.Lease <= time.Minute, "Lease %s: want 300ms to 1m", c.Lease)
	want(c.TierTimeout >= 0, "TierTimeout %s: want at least 0", c.TierTimeout)
	want(c.Tier == nil || c.Dir == "", "Dir %q with a Tier: after a restart nobody knows what others have outdated meanwhile; the tier has the contents", c.Dir)
	want(len(c.TierKeys) == 0 || c.Tier != nil, "TierKeys without a Tier")
	_, err := newEnvelope(c.TierKeys)
	want(err == nil, "%v", err)
	want(c.LoadTimeout >= 0, "LoadTimeout %s: want at least 0", c.LoadTimeout)
	return errors.Join(append(faults, c.Rules.check())...)
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	fill(&c.MeanBytes, defaultMeanBytes)
	fill(&c.Exact, arena.DefaultExact)
	fill(&c.Jitter, defaultJitter)
	fill(&c.NegativeTTL, defaultNegativeTTL)
	fill(&c.MaxLoads, defaultMaxLoads)
	fill(&c.LoadTimeout, defaultLoadTimeout)
	fill(&c.EarlyRefresh, defaultEarly)
	fill(&c.SaveEvery, defaultSaveEvery)
	fill(&c.WarmBudget, defaultWarmBudget)
	fill(&c.Lease, defaultLease)
	fill(&c.TierTimeout, defaultTierTimeout)
	if c.Tier != nil {
		fill(&c.Seed, tierSeed)
	}
	c.Jitter, c.EarlyRefresh, c.WarmBudget = max(0, c.Jitter), max(0, c.EarlyRefresh), max(0, c.WarmBudget)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// room returns what rings and books of entries may take: a twentieth more than MaxBytes, less the sketch.
func (c *Config) room() int64 { return c.MaxBytes + c.MaxBytes/20 - c.MaxBytes/sketchShare }

// values returns what of MaxBytes is for values: what the books of as many leave, but never less
// than a store needs.
func (c *Config) values() int64 {
	least := int64(arena.MinFastcache)
	if c.OnHeap {
		least = store.MinHeap
	}
	stored := int64(c.kept()) + arena.HeapHeader
	return max(least, min(c.MaxBytes, c.room()/(stored+worstBytes)*stored))
}

// kept returns what a value takes on average, of those that are worth their place.
func (c *Config) kept() int { return max(1, c.MeanBytes*3/5) }

// entries returns how many entries there is room for the books of, beside rings of some size.
func (c *Config) entries(rings uint64) int {
	n := max(0, c.room()-int64(rings)) / worstBytes
	if c.MaxEntries > 0 {
		n = min(n, int64(c.MaxEntries))
	}
	return int(n)
}

// configError makes an inner package's fault one of the config.
func configError(err error) error { return fmt.Errorf("%w: %w", ErrConfig, err) }
