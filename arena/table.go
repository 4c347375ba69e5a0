package arena

// Slot names a unit that a plane knows, resident or remembered. A slot is given to another
// unit once nothing remembers the first.
type Slot = uint32

// NoSlot is the slot of an unknown unit.
const NoSlot = ^Slot(0)

// table maps keys to slots: open addressing, linear probing, at most three quarters full,
// deletion by shifting back (Knuth, TAOCP 3, section 6.4, algorithm R). Beside a slot stand 32
// bits of its key's hash, so that a look at another unit's key is rare.
type table struct {
	places  []pair
	shift   uint // 32 less the binary logarithm of the places
	records *records
	used    int
}

type pair struct {
	hash uint32
	slot Slot // NoSlot = empty
}

func newTable(r *records) table {
	t := table{records: r}
	t.reset(6)
	return t
}

func (t *table) reset(log uint) {
	t.shift = 32 - log
	t.places = make([]pair, 1<<log)
	for i := range t.places {
		t.places[i].slot = NoSlot
	}
}

// hash spreads keys; they are hashes already, but of unknown quality in their low bits.
func hash(key uint64) uint32 { return uint32(key * 0x9e3779b97f4a7c15 >> 32) }

func (t *table) home(hash uint32) uint32 { return hash >> t.shift }
func (t *table) mask() uint32            { return uint32(len(t.places) - 1) }

func (t *table) find(key uint64) Slot {
	h := hash(key)
	for i := t.home(h); ; i = (i + 1) & t.mask() {
		p := t.places[i]
		if p.slot == NoSlot || p.hash == h && t.records.unit(p.slot).key == key {
			return p.slot
		}
	}
}

func (t *table) insert(key uint64, s Slot) {
	if (t.used+1)*4 > len(t.places)*3 {
		t.grow()
	}
	t.used++
	t.place(pair{hash(key), s})
}

func (t *table) place(p pair) {
	i := t.home(p.hash)
	for t.places[i].slot != NoSlot {
		i = (i + 1) & t.mask()
	}
	t.places[i] = p
}

func (t *table) grow() {
	old := t.places
	t.reset(33 - t.shift)
	for _, p := range old {
		if p.slot != NoSlot {
			t.place(p)
		}
	}
}

// remove forgets a slot that is in the table.
func (t *table) remove(s Slot) {
	i := t.home(hash(t.records.unit(s).key))
	for t.places[i].slot != s {
		i = (i + 1) & t.mask()
	}
	t.used--
	for j := i; ; {
		j = (j + 1) & t.mask()
		p := t.places[j]
		if p.slot == NoSlot {
			break
		}
		if h := t.home(p.hash); (j-h)&t.mask() >= (j-i)&t.mask() {
			t.places[i] = p
			i = j
		}
	}
	t.places[i].slot = NoSlot
}
