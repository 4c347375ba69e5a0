package baseline

// What the reference implementations share with the fast ones: the sketch, whose estimates
// are a matter of hashing, and its aging.

type Sketch struct{ sketch }

func NewSketch(entries int64) *Sketch { return &Sketch{newSketch(entries)} }

func (s *Sketch) Add(id uint32)             { s.add(id) }
func (s *Sketch) Estimate(id uint32) uint64 { return s.estimate(id) }
func (s *Sketch) Halve()                    { s.halve() }
func (s *Sketch) Counted() int64            { return s.counted }
func (s *Sketch) Words() int                { return len(s.words) }

// Climber is a climber that is told whole samples.
type Climber struct{ *climber }

func NewClimber(capacity int64) Climber { return Climber{newClimber(capacity)} }

// Sample ends a sample and returns by how much the window should grow.
func (c Climber) Sample(hits, requests int64) int64 {
	c.hits, c.requests = hits, requests
	return c.next()
}

// Areas are the segments of a W-TinyLFU and their bounds.
type Areas struct {
	Window, WindowMax, Probation, Protected, ProtectedMax int64
}

// MoveBorder grows the window of a W-TinyLFU, or shrinks it by a negative number.
func MoveBorder(p Policy, by int64) Areas {
	w := p.(*wtinylfu)
	if by > 0 {
		w.growWindow(by)
	} else {
		w.shrinkWindow(-by)
	}
	return Areas{w.used[window], w.windowMax, w.used[probation], w.used[protected], w.protectedMax}
}

// Share returns a parameter that is a share of the capacity.
func (cfg Config) Share(name string) (int64, error) { return cfg.share(name) }

// Bitmap is a bitmap with its operations exported.
type Bitmap struct{ bitmap }

func NewBitmap(bound int) *Bitmap { return &Bitmap{newBitmap(bound)} }

func (b *Bitmap) Add(n uint32)    { b.add(n) }
func (b *Bitmap) Remove(n uint32) { b.remove(n) }
func (b *Bitmap) Empty() bool     { return b.empty() }
func (b *Bitmap) Max() uint32     { return b.max() }
