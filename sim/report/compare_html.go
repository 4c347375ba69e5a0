package report

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/foliocache/folio/sim/compare"
)

//go:embed compare.html
var compareHTMLText string

var compareTemplate = template.Must(template.New("compare").Funcs(claimsFuncs).Funcs(template.FuncMap{
	"both": func(r compare.Row) string { return both(&r) }, "size": func(r compare.Row) string { return sizeOf(&r) },
	"interval": func(r compare.Row) string { return interval(&r) }, "change": change, "summary": summary,
	"style": func() template.CSS { return template.CSS(styleText) }, "confidence": confidence, "times": func(a, b float64) float64 { return a * b },
	"advice": advice, "alone": alone,
}).Parse(compareHTMLText + claimsHTMLText))

// compareHTML writes a page with all it needs.
func compareHTML(w io.Writer, r *compare.Result) error { return compareTemplate.Execute(w, r) }
