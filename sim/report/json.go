package report

import (
	"encoding/json"
	"io"

	"github.com/foliocache/folio/sim"
)

func init() {
	register(Format{"json", "everything, schema " + sim.Schema, func(w io.Writer, r *sim.Result) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		return e.Encode(r)
	}})
}
