package folio

import (
	"time"

	"github.com/foliocache/folio/internal/board"
)

// origin says where an answer came from.
func (c *Cache) origin(promise *board.Promise, a *answer) Origin {
	if a.source != Hit && a.source != Refresh && a.source != Stale || a.copy.Born == 0 && a.copy.Confidence == 0 {
		return Origin{}
	}
	now := c.now()
	o := Origin{Age: time.Duration(now - a.copy.Born), Confidence: float64(a.copy.Confidence)}
	if int(a.copy.Strategy) < len(c.strategies) {
		o.Strategy = c.strategies[a.copy.Strategy]
	}
	if promise != nil {
		o.Stale = promise.Calibrated(a.copy.Stale(now))
	}
	return o
}
