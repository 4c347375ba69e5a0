package core

// room is how much of what leaves the cache does so for want of room, and is not outdated: what room is worth.
type room struct {
	evicted            float64 // share of what left lately, 0..1; 0 while nothing did
	departed, outdated int64   // in all, when that was last looked at
	asked              int     // how often price was
}

// Measured on generated tickets: see docs/decisions/0006-ahead.md.
const (
	priceRoomy   = .40  // of a further page, where nothing is evicted, as a part of what it takes: a query saved is worth more than its time
	priceCrowded = .36  // more, where all that leaves is
	roomEvery    = 1024 // loads between two looks
	roomNear     = .1   // weight of what left since the last one
)

// price returns how often a further page must be asked for to be brought along, as a part of what it takes.
func (c *Core) price() float64 {
	r := &c.room
	if r.asked++; r.asked%roomEvery == 0 {
		own := c.arena.Composite()
		departed := own.Evicted + own.Invalidated
		if n := departed - r.departed; n > 0 {
			r.evicted += roomNear * (1 - float64(own.Invalidated-r.outdated)/float64(n) - r.evicted)
		}
		r.departed, r.outdated = departed, own.Invalidated
	}
	return priceRoomy + priceCrowded*r.evicted
}
