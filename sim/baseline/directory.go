package baseline

// directory gives the units a policy knows, residents and ghosts, numbers of their own:
// nodes. What is kept by node takes memory for the units known instead of all ids, and stays
// close together; only the way from id to node is by id. 4 bytes an id and 4 a node.
type directory struct {
	ledger
	at    []uint32 // node by id; 0 is none
	id    []uint32 // by node; the next free node of a free one
	free  uint32   // the first free node that was in use before, or 0
	fresh uint32   // the first node never in use
}

// newDirectory returns a directory whose nodes start at first, above 0, and suffice for
// residents and the given weight of ghosts.
func newDirectory(cfg Config, first int, ghosts int64) (directory, error) {
	l, err := newLedger(cfg)
	if err != nil {
		return directory{}, err
	}
	// One more than fits: some policies admit before they evict.
	l.keys = first + int(min(int64(cfg.IDs), l.capacity+ghosts+1))
	return directory{
		ledger: l,
		at:     make([]uint32, cfg.IDs),
		id:     make([]uint32, l.keys),
		fresh:  uint32(first),
	}, nil
}

// mostEntries bounds the number of residents.
func (d *directory) mostEntries() int64 { return min(d.capacity, int64(len(d.at))) }

// enlist gives an unknown unit a node.
func (d *directory) enlist(id uint32) uint32 {
	n := d.free
	if n != 0 {
		d.free = d.id[n]
	} else {
		n = d.fresh
		d.fresh++
	}
	d.at[id] = n
	d.id[n] = id
	return n
}

// forget frees a unit's node.
func (d *directory) forget(n uint32) {
	d.at[d.id[n]] = 0
	d.id[n] = d.free
	d.free = n
}
