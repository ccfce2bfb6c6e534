package test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ftpsproxy/ftpsproxy"

// A layer is a row of the layer table. An import points from a higher rank to a
// lower one; equal ranks never meet.
type layer struct {
	folder string // with all folders below it, unless they have a row of their own
	rank   int
	never  []string // import paths, with all below them, that are forbidden besides
}

// layers is the table. The packages below proxy know nothing of sessions, so
// proxy stands above them.
func layers() []layer {
	const hcl = "github.com/hashicorp/hcl"
	const zap = "go.uber.org/zap"
	return []layer{
		{"ftpparse", 0, []string{thirdParty, "net", "os", "crypto/tls", "log"}},
		{"policy", 1, []string{"net", "os", "log", zap}},
		{"tlsterm", 1, []string{module + "/ftpparse", hcl}},
		{"proxy", 3, []string{"os", "flag", hcl}},
		{"proxy/upstream", 2, []string{"os", "flag", hcl}},
		{"proxy/telemetry", 2, []string{"os", "flag", hcl}},
		{"proxy/admin", 2, []string{"os", "flag", hcl}},
		{"configs", 4, []string{"os/exec", "flag"}},
		{"cmd", 5, []string{hcl}},
		{"test", 6, nil},
	}
}

// thirdParty stands for every import that is neither ours nor Go's.
const thirdParty = "third party"

// harmless are packages below a forbidden one that do nothing of what it is
// forbidden for: they are values.
var harmless = []string{"net/netip", "net/url", "net/mail"}

func TestImportsPointDown(t *testing.T) {
	for _, f := range parseAll(t) {
		for _, imported := range f.imports() {
			if why := breach(f.folder(), imported, f.isTest()); why != "" {
				t.Errorf("%s imports %s: %s", f.path, imported, why)
			}
		}
	}
}

func TestBreachesAreSeen(t *testing.T) {
	tests := []struct {
		folder, imported string
		test             bool
		breach           bool
	}{
		{"proxy", module + "/ftpparse", false, false},
		{"proxy", module + "/proxy/upstream", false, false},
		{"proxy", module + "/policy", false, false},
		{"cmd/ftpsproxy", module + "/configs", false, false},
		{"ftpparse", "net/netip", false, false},
		{"tlsterm", "os", false, false},
		{"tlsterm", module + "/policy", false, true},            // sideways
		{"policy", module + "/tlsterm", false, true},            // sideways
		{"tlsterm", module + "/ftpparse", false, true},          // forbidden besides
		{"ftpparse", module + "/tlsterm", false, true},          // up
		{"proxy/upstream", module + "/proxy", false, true},      // up
		{"proxy", module + "/configs", false, true},             // up
		{"configs", module + "/cmd/ftpsproxy", false, true},     // up
		{"proxy", "os", false, true},                            // forbidden
		{"proxy", "os/signal", false, true},                     // below a forbidden one
		{"proxy", "os", true, false},                            // tests may
		{"proxy", "github.com/hashicorp/hcl/v2", false, true},   // forbidden
		{"ftpparse", "net", false, true},                        // forbidden
		{"ftpparse", "go.uber.org/zap", false, true},            // third party
		{"proxy", module + "/test/conversation", false, true},   // up
		{"proxy", module + "/test/conversation", true, true},    // nor by tests
		{"elsewhere", module + "/ftpparse", false, true},        // no row
		{"proxy", module + "/elsewhere", false, true},           // no row
		{"test/interop", module + "/test/servers", true, false}, // among themselves
	}
	for _, tt := range tests {
		if got := breach(tt.folder, tt.imported, tt.test); (got != "") != tt.breach {
			t.Errorf("%s importing %s, test %t: %q", tt.folder, tt.imported, tt.test, got)
		}
	}
}

func TestEveryPackageHasItsMap(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range parseAll(t) {
		seen[f.folder()] = seen[f.folder()] || path.Base(f.path) == "doc.go" && f.syntax.Doc != nil
	}
	for folder, has := range seen {
		if !has {
			t.Errorf("%s has no doc.go with a package comment", folder)
		}
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	allowed := []string{
		"cmd", "proxy", "ftpparse", "tlsterm", "policy", "configs", "test",
		"go.mod", "go.sum", "README.md",
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) && !strings.HasPrefix(e.Name(), ".") && !ignored(t, e.Name()) {
			t.Errorf("%s does not belong at the top", e.Name())
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range parseAll(t) {
		for _, d := range f.syntax.Decls {
			if function, ok := d.(*ast.FuncDecl); ok && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s has an init function", f.path)
			}
		}
	}
}

// TestNoPackageVariableChanges looks for assignments to variables of a package
// outside of its tests. It goes by names: a function that declares the same name
// itself is taken to mean its own.
func TestNoPackageVariableChanges(t *testing.T) {
	files := parseAll(t)
	variables := map[string][]string{}
	for _, f := range files {
		if !f.isTest() {
			variables[f.folder()] = append(variables[f.folder()], packageVariables(f.syntax)...)
		}
	}
	for _, f := range files {
		if f.isTest() || strings.HasPrefix(f.folder(), "test") {
			continue
		}
		for _, name := range changed(f.syntax, variables[f.folder()]) {
			t.Errorf("%s changes the package variable %s", f.path, name)
		}
	}
}

func TestChangesAreSeen(t *testing.T) {
	const source = `package p
var a, b, c, d, e, untouched = 1, 1, []int{1}, struct{ f int }{1}, 1, 1
func f() { a = 2; b++; c[0] = 2; d.f = 2; _ = &e }
func g(untouched int) { untouched = 2 }
func h() { untouched := 1; untouched = 2; _ = untouched }
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := changed(file, packageVariables(file))
	if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(got, want) {
		t.Errorf("changed %q, want %q", got, want)
	}
}

// breach says why a file of the folder must not have the import, or "".
func breach(folder, imported string, isTest bool) string {
	from := row(folder)
	if from == nil {
		return folder + " has no row in the layer table"
	}
	own, ours := strings.CutPrefix(imported, module+"/")
	if ours {
		if why := breachBetween(*from, own, isTest); why != "" {
			return why
		}
	}
	if isTest {
		return ""
	}
	return forbidden(*from, imported, ours)
}

// breachBetween judges an import of one of our packages by another. Tests may
// reach where they need to, but not into the folder test.
func breachBetween(from layer, own string, isTest bool) string {
	to := row(own)
	switch {
	case to == nil:
		return own + " has no row in the layer table"
	case from.folder == to.folder: // cmd and test have several packages
		return ""
	case isTest && to.folder != "test":
		return ""
	case to.rank >= from.rank:
		return fmt.Sprintf("%s (layer %d) does not stand above %s (layer %d)", from.folder, from.rank, to.folder, to.rank)
	}
	return ""
}

func forbidden(from layer, imported string, ours bool) string {
	if slices.Contains(harmless, imported) {
		return ""
	}
	for _, never := range from.never {
		first, _, _ := strings.Cut(imported, "/")
		foreign := !ours && strings.Contains(first, ".")
		if never == thirdParty && foreign || imported == never || strings.HasPrefix(imported, never+"/") {
			return from.folder + " must never import " + never
		}
	}
	return ""
}

// row finds the row of the folder or of the nearest folder above it.
func row(folder string) *layer {
	for ; folder != "."; folder = path.Dir(folder) {
		for _, l := range layers() {
			if l.folder == folder {
				return &l
			}
		}
	}
	return nil
}

// A file is a parsed Go file; its path is relative to the repository.
type file struct {
	path   string
	syntax *ast.File
}

func (f file) folder() string { return path.Dir(f.path) }

func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f file) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, imported)
		}
	}
	return paths
}

// parseAll parses every Go file of the repository that go build would see.
func parseAll(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := len(entry.Name()) > 2 && strings.HasPrefix(entry.Name(), ".")
		if entry.IsDir() && (hidden || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		files = append(files, file{filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator))), syntax})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d Go files found", len(files))
	}
	return files
}

// ignored says whether the repository ignores the name at the top.
func ignored(t *testing.T, name string) bool {
	t.Helper()
	text, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if match, err := path.Match(strings.Trim(strings.TrimSpace(line), "/"), name); err == nil && match {
			return true
		}
	}
	return false
}

// packageVariables lists the names that the file declares with var at the top.
func packageVariables(syntax *ast.File) []string {
	var names []string
	for _, d := range syntax.Decls {
		general, ok := d.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// changed lists the variables that functions of the file assign to, or take the
// address of, in the order of the file.
func changed(syntax *ast.File, variables []string) []string {
	var names []string
	for _, d := range syntax.Decls {
		function, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		local := declared(function)
		for _, name := range assigned(function) {
			if name != "_" && slices.Contains(variables, name) && !local[name] {
				names = append(names, name)
			}
		}
	}
	return names
}

// declared collects the names that the function declares anywhere in itself.
func declared(function *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(function, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if name, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE {
					names[name.Name] = true
				}
			}
		case *ast.RangeStmt:
			for _, left := range []ast.Expr{n.Key, n.Value} {
				if name, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE {
					names[name.Name] = true
				}
			}
		}
		return true
	})
	return names
}

// assigned collects the names at the root of what the function assigns to.
func assigned(function *ast.FuncDecl) []string {
	var names []string
	add := func(e ast.Expr) {
		if name := root(e); name != "" {
			names = append(names, name)
		}
	}
	ast.Inspect(function, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				add(left)
			}
		case *ast.IncDecStmt:
			add(n.X)
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				add(n.X)
			}
		}
		return true
	})
	return names
}

// root is the variable in x, x.f, x[i], *x and so on.
func root(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return ""
}
