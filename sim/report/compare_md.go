package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/foliocache/folio/sim"
	"github.com/foliocache/folio/sim/compare"
)

// markdownMost is what a comment on a pull request may hold, in bytes: GitHub takes 65,536 characters.
const markdownMost = 60000

var verdictMarks = map[compare.Verdict]string{compare.Worse: "🔴 worse", compare.Better: "🟢 better", compare.Undecided: "undecided", compare.Same: "same"}

// compareMarkdown begins with a mark by which a bot finds its comment again. What does not fit is left out, the least grave
// rows first.
func compareMarkdown(w io.Writer, r *compare.Result) error {
	rows := slices.Clone(r.Rows)
	slices.SortStableFunc(rows, func(a, b compare.Row) int { return gravity(a.Verdict) - gravity(b.Verdict) })
	var head, depths, tail strings.Builder
	fmt.Fprintf(&head, "<!-- simulate:compare -->\n**simulate: %s** (%s)\n\n", headline(r), summary(r))
	head.WriteString(failedLines(r.Claims))
	fmt.Fprintf(&head, "| trace | policy | size | base %% | head %% | points | %s between | misses | queries | |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---|\n", confidence(r))
	for _, line := range alone(r) {
		fmt.Fprintf(&tail, "\n`%s`\n", code(line))
	}
	if text := advice(r); text != "" {
		fmt.Fprintf(&tail, "\n%s\n", text)
	}
	left := 0
	for i := range rows {
		row := &rows[i]
		line := fmt.Sprintf("| `%s` | `%s` | %s | %s | %s |\n", code(row.Trace), code(both(row)), sizeOf(row), strings.Join(figures(row), " | "), verdictMarks[row.Verdict])
		depth := depthLines(row)
		if head.Len()+depths.Len()+tail.Len()+len(line)+len(depth) > markdownMost-500 { // the headings
			left++
			continue
		}
		head.WriteString(line)
		depths.WriteString(depth)
	}
	if left > 0 {
		fmt.Fprintf(&head, "\n%d more rows are in the JSON.\n", left)
	}
	if depths.Len() > 0 {
		fmt.Fprintf(&head, "\n<details><summary>By page depth</summary>\n\n| trace | policy | size | pages | base %% | head %% | points |\n|---|---|---:|---|---:|---:|---:|\n%s\n</details>\n", depths.String())
	}
	_, err := io.WriteString(w, head.String()+tail.String())
	return err
}

// headline is the verdict, after what fails a comparison whatever that is.
func headline(r *compare.Result) string {
	var fails []string
	if r.Lacks() {
		fails = append(fails, "rows are missing")
	}
	if text := failed(r.Claims); text != "" {
		fails = append(fails, text)
	}
	if len(fails) == 0 {
		return verdictMarks[r.Verdict]
	}
	return "🔴 " + strings.Join(append(fails, string(r.Verdict)), "; ")
}

// gravity puts what is worse first.
func gravity(v compare.Verdict) int {
	return slices.Index([]compare.Verdict{compare.Worse, compare.Undecided, compare.Better, compare.Same}, v)
}

// code keeps a text within a code span of a table's cell.
var code = strings.NewReplacer("|", `\|`, "`", "'", "\n", " ", "\r", " ").Replace

// depthLines are the depth classes of a row that differs.
func depthLines(row *compare.Row) string {
	var b strings.Builder
	for _, d := range sim.Depths {
		if c, ok := row.Classes[d]; ok && row.Verdict != compare.Same {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %.2f | %.2f | %+.2f |\n", code(row.Trace), code(both(row)), sizeOf(row), d, percent(c.From, c.Requests), percent(c.To, c.HeadRequests), c.Points)
		}
	}
	return b.String()
}

func percent(part, whole int64) float64 { return 100 * float64(part) / float64(max(1, whole)) }
