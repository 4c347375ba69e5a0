package arena

// Slot names a unit that a plane knows, resident or remembered. A slot is given to another
// unit once nothing remembers the first.
type Slot = uint32

// NoSlot is the slot of an unknown unit.
const NoSlot = ^Slot(0)

// table maps keys to slots: open addressing, linear probing, at most three quarters full,
// deletion by shifting back (Knuth, TAOCP 3, section 6.4, algorithm R).
type table struct {
	slots []Slot // by position; NoSlot = empty
	units *[]unit
	used  int
}

func newTable(units *[]unit) table {
	t := table{units: units}
	t.reset(64)
	return t
}

func (t *table) reset(n int) {
	t.slots = make([]Slot, n)
	for i := range t.slots {
		t.slots[i] = NoSlot
	}
}

// home spreads keys over positions; keys are hashes already, but of unknown quality in low bits.
func (t *table) home(key uint64) uint64 { return (key * 0x9e3779b97f4a7c15 >> 20) & t.mask() }
func (t *table) mask() uint64           { return uint64(len(t.slots) - 1) }

func (t *table) find(key uint64) Slot {
	for i := t.home(key); ; i = (i + 1) & t.mask() {
		s := t.slots[i]
		if s == NoSlot || (*t.units)[s].key == key {
			return s
		}
	}
}

func (t *table) insert(key uint64, s Slot) {
	if (t.used+1)*4 > len(t.slots)*3 {
		t.grow()
	}
	t.used++
	t.place(key, s)
}

func (t *table) place(key uint64, s Slot) {
	i := t.home(key)
	for t.slots[i] != NoSlot {
		i = (i + 1) & t.mask()
	}
	t.slots[i] = s
}

func (t *table) grow() {
	old := t.slots
	t.reset(2 * len(old))
	for _, s := range old {
		if s != NoSlot {
			t.place((*t.units)[s].key, s)
		}
	}
}

func (t *table) remove(key uint64) {
	i := t.home(key)
	for (*t.units)[t.slots[i]].key != key {
		i = (i + 1) & t.mask()
	}
	t.used--
	for j := i; ; {
		j = (j + 1) & t.mask()
		s := t.slots[j]
		if s == NoSlot {
			break
		}
		if h := t.home((*t.units)[s].key); (j-h)&t.mask() >= (j-i)&t.mask() {
			t.slots[i] = s
			i = j
		}
	}
	t.slots[i] = NoSlot
}
