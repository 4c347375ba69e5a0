// Package tidy holds the house style as tests: who may import whom, what the pure packages may
// use, how long files and functions may be, and that exported things are documented.
package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/foliocache/folio"

// imports says which packages of the module each package may import. A package that is not
// listed is an error: whoever adds one says here where it stands.
var imports = map[string][]string{
	".":         {"arena", "internal/board", "internal/core", "internal/tracking", "internal/snapshot", "internal/store", "tier", "tier/tiertest"},
	"foliotest": {"."},
	"folioprom": {".", "foliotest", "internal/meter"},
	"httpcache": {".", "internal/tracking"},
	"behind":    {"."},
	"slo":       {},

	"tier":                {"tier/internal/local", "tier/tiertest"},
	"tier/disk":           {".", "internal/snapshot", "tier", "tier/internal/local", "tier/tiertest"},
	"tier/internal/local": {},
	"tier/memcached":      {"tier", "tier/tiertest"},
	"tier/redis":          {"tier", "tier/tiertest"},
	"tier/tiertest":       {".", "tier"},

	"web":        {".", "folioprom", "foliotest", "internal/meter", "record", "slo"},
	"cmd/server": {".", "httpcache", "cmd/server/internal/conns", "cmd/server/internal/tickets", "internal/meter", "record", "slo", "tier", "tier/disk", "tier/memcached", "tier/redis", "tier/tiertest", "web"},
	"record":     {".", "sim", "workloads"},

	"cmd/server/internal/conns":   {},
	"cmd/server/internal/tickets": {"."},

	"strategy":          {},
	"internal/board":    {},
	"internal/chunked":  {},
	"arena":             {"strategy", "internal/board", "internal/chunked"},
	"internal/core":     {"arena", "strategy", "internal/board", "internal/chunked"},
	"internal/snapshot": {},
	"internal/store":    {"arena", "internal/board"},
	"internal/nearest":  {},
	"internal/tracking": {},
	"internal/meter":    {},
	"internal/seed":     {},
	"internal/tidy":     {},
	"workloads":         {"internal/nearest"},
	"sim/baseline":      {},
	"sim":               {"strategy", "arena", "internal/core", "internal/nearest", "workloads", "sim/baseline"},
	"sim/compare":       {"sim"},
	"sim/tune":          {"sim", "sim/compare", "strategy", "arena"},
	"sim/whatif":        {"sim"},
	"sim/report":        {"sim", "sim/compare", "sim/tune", "sim/whatif"},
	"sim/verify":        {"sim", "workloads"},
	"cmd/simulate":      {"sim", "sim/compare", "sim/report", "sim/tune", "sim/verify", "sim/whatif", "workloads", "strategy", "arena", "slo"},
}

// pure lists the packages that are deterministic state machines, and all they may import from
// outside the module: nothing with a clock, a lock, a log or I/O.
var pure = []string{"strategy", "arena", "internal/core"}
var pureImports = []string{"cmp", "errors", "fmt", "maps", "math", "math/bits", "math/rand/v2", "slices", "sort", "strconv", "strings", "unsafe"}

var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "pkg", "misc"}

const (
	maxFileLines     = 500
	maxFunctionLines = 70
)

// source is one parsed Go file of the module.
type source struct {
	name, pkg string // path from the module's root, and its folder
	test      bool
	file      *ast.File
	set       *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	set := token.NewFileSet()
	var all []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || d.Name() == "testdata" || otherModule(name, rel)) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{rel, path.Dir(rel), strings.HasSuffix(rel, "_test.go"), f, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found only %d files: is the root wrong?", len(all))
	}
	return all
}

// otherModule reports whether a folder below the root is a module of its own: the server's has the same rules.
func otherModule(name, rel string) bool {
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return rel != "." && rel != "cmd/server" && err == nil
}

func importsOf(s source) []string {
	var all []string
	for _, i := range s.file.Imports {
		all = append(all, strings.Trim(i.Path.Value, `"`))
	}
	return all
}

func TestImportsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		allowed, known := imports[s.pkg]
		if !known {
			t.Errorf("%s: package %s is not in the import table", s.name, s.pkg)
		}
		for _, i := range importsOf(s) {
			own, ok := strings.CutPrefix(i, module+"/")
			if ok && !s.test && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s: the table does not allow it", s.name, own)
			}
		}
	}
}

func TestPurePackagesHaveNoClockLockOrIO(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !slices.Contains(pure, s.pkg) {
			continue
		}
		for _, i := range importsOf(s) {
			if !strings.HasPrefix(i, module+"/") && !slices.Contains(pureImports, i) {
				t.Errorf("%s imports %s: %s is pure", s.name, i, s.pkg)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n.(type) {
			case *ast.GoStmt, *ast.SendStmt, *ast.SelectStmt, *ast.ChanType:
				t.Errorf("%s: goroutines and channels have no place in %s", s.set.Position(n.Pos()), s.pkg)
			}
			return true
		})
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		lines := s.set.File(s.file.Pos()).LineCount()
		if lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", s.name, lines, maxFileLines)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1
			if n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, more than %d", s.set.Position(f.Pos()), f.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

func TestExportsAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		documented[s.pkg] = documented[s.pkg] || s.file.Doc != nil
		for _, d := range s.file.Decls {
			checkDoc(t, s, d)
		}
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

func checkDoc(t *testing.T, s source, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			t.Errorf("%s: %s has no doc comment", s.set.Position(d.Pos()), d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil {
				t.Errorf("%s: %s has no doc comment", s.set.Position(ts.Pos()), ts.Name.Name)
			}
		}
	}
}

// exportedReceiver reports whether a function, or the type of a method, can be seen outside.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func TestPackagesHaveNames(t *testing.T) {
	for _, s := range sources(t) {
		if slices.Contains(vagueNames, path.Base(s.pkg)) || slices.Contains(vagueNames, strings.TrimSuffix(path.Base(s.name), ".go")) {
			t.Errorf("%s: a name that says nothing", s.name)
		}
	}
}
