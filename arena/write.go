package arena

// Step is what a fill asks of a store that keeps the bytes which the arena only keeps books of.
type Step struct {
	Slot Slot
	Do   Do
}

// Do says what to do with a unit's bytes.
type Do uint8

// The steps of a fill. Store them in their order, but read what is to be moved before the
// first write: some of it is about to be overwritten.
const (
	ToProbation Do = iota // write the unit just loaded to the small ring
	ToMain                // write the unit just loaded to the large ring
	Promote               // write to the large ring again what is in the small one
	Again                 // write to the large ring again what is in it
	Drop                  // forget a unit: its bytes are overwritten, or the entries were too many
)

// Steps returns what the last Fill asks of the store, in order; empty unless Config.Steps. Valid
// until the next Fill.
func (a *Arena) Steps() []Step { return a.live.worlds[0].steps }

// step notes what the store has to do, where one listens.
func (w *world) step(s Slot, do Do) {
	if w.listened {
		w.steps = append(w.steps, Step{s, do})
	}
}
