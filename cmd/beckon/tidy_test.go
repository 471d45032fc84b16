package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The house and its style as a test: who may import whom, how long things may be, and which names and constructs are not
// ours. A change of the table below is a change of the architecture.

// mayImport names, for each folder, our packages and the guarded libraries that its files may import. "*" at the end of a
// name stands for everything below it. Tests may import storetest and what their package is tested with.
func mayImport() map[string][]string {
	nouns := []string{"campaigns"}
	return map[string][]string{
		"cmd/beckon":                {"api", "engine", "engine/bench", "engine/shop", "campaigns", "campaigns/store", "campaigns/store/local", "kong"},
		"api":                       {"engine", "engine/rules", "engine/offers", "engine/points", "engine/lift", "campaigns/store", "campaigns", "templates", "api/console", "api/guide", "echo", "huma"},
		"api/console":               {},
		"api/guide":                 {},
		"engine":                    {"engine/rules", "engine/audience", "engine/offers", "engine/points", "engine/lift", "engine/channel", "campaigns/store", "campaigns", "templates"},
		"engine/rules":              {"campaigns", "expr"},
		"engine/audience":           {"engine/rules", "campaigns/store", "campaigns", "expr"},
		"engine/offers":             {"engine/rules", "campaigns"},
		"engine/points":             nouns,
		"engine/lift":               nouns,
		"engine/channel":            {"campaigns", "templates", "go-mail"},
		"engine/channel/smsctest":   {}, // an SMSC, for tests and the bench
		"engine/shop":               {"engine", "campaigns"},
		"engine/bench":              {"engine", "engine/*", "campaigns/store", "campaigns/store/local", "campaigns", "templates", "pgx", "go-mail"},
		"templates":                 nouns,
		"campaigns":                 {"cron"},
		"campaigns/store":           {"campaigns", "pgx"},
		"campaigns/store/storetest": {"campaigns", "campaigns/store", "campaigns/store/local", "pgx"},
		"campaigns/store/local":     {},
	}
}

// guarded are the libraries that only some packages may touch.
func guarded() map[string]string {
	return map[string]string{
		"github.com/jackc/pgx/": "pgx", "github.com/labstack/echo/": "echo", "github.com/danielgtaylor/huma/": "huma", "github.com/expr-lang/expr": "expr",
		"github.com/wneessen/go-mail": "go-mail", "github.com/robfig/cron/": "cron", "github.com/alecthomas/kong": "kong",
	}
}

// A source is one parsed file.
type source struct {
	path string // from the repository's root, with slashes
	file *ast.File
	set  *token.FileSet
}

func (s source) folder() string { return filepath.ToSlash(filepath.Dir(s.path)) }
func (s source) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }
func (s source) lines(n ast.Node) int {
	return s.set.Position(n.End()).Line - s.set.Position(n.Pos()).Line + 1
}

func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && entry.Name() != "." && entry.Name() != "..") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(relative), file, set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNobodyImportsWhomTheHouseDoesNotAllow(t *testing.T) {
	table := mayImport()
	for _, s := range sources(t) {
		allowed, known := table[s.folder()]
		if !known {
			t.Errorf("%s: the folder %s is not part of the house: add it to the table if it is meant", s.path, s.folder())
			continue
		}
		if s.isTest() {
			continue
		}
		for _, spec := range s.file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			name := ""
			if ours, is := strings.CutPrefix(path, "beckon/"); is {
				name = ours
			}
			for prefix, library := range guarded() {
				if strings.HasPrefix(path, prefix) {
					name = library
				}
			}
			if name != "" && !covers(allowed, name) {
				t.Errorf("%s imports %s: %s may import %v", s.path, path, s.folder(), allowed)
			}
		}
	}
}

func covers(allowed []string, name string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		prefix, all := strings.CutSuffix(a, "*")
		return a == name || (all && strings.HasPrefix(name, prefix))
	})
}

func TestFunctionsAndFilesStayReadable(t *testing.T) {
	for _, s := range sources(t) {
		limit := 400
		if s.isTest() {
			limit = 800
		}
		if n := s.set.Position(s.file.End()).Line; n > limit {
			t.Errorf("%s has %d lines, the most is %d", s.path, n, limit)
		}
		for _, d := range s.file.Decls {
			if f, is := d.(*ast.FuncDecl); is && s.lines(f) > 70 {
				t.Errorf("%s: %s has %d lines, the most is 70", s.path, f.Name.Name, s.lines(f))
			}
		}
	}
}

func TestNamesSayWhatThingsAre(t *testing.T) {
	packages := []string{"util", "utils", "common", "helper", "helpers", "models", "types", "service", "services", "manager", "handlers", "repository", "misc", "shared", "base"}
	named := []string{"GetStatus", "GetHeaders"} // methods that a library's interface asks for
	endings := []string{"Manager", "Service", "Repository", "Impl", "Helper", "Info", "Data", "Handler"}
	for _, s := range sources(t) {
		if slices.Contains(packages, s.file.Name.Name) {
			t.Errorf("%s: a package called %s says nothing", s.path, s.file.Name.Name)
		}
		for _, d := range s.file.Decls {
			for _, name := range declared(d) {
				if strings.HasPrefix(name, "Get") && len(name) > 3 && name[3] >= 'A' && name[3] <= 'Z' && !slices.Contains(named, name) {
					t.Errorf("%s: %s: Go leaves out Get", s.path, name)
				}
				for _, ending := range endings {
					if _, isType := d.(*ast.GenDecl); isType && strings.HasSuffix(name, ending) {
						t.Errorf("%s: %s: the ending %s says nothing", s.path, name, ending)
					}
				}
			}
		}
	}
}

// declared are the names of functions and types that a declaration makes.
func declared(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return []string{d.Name.Name}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			if t, is := spec.(*ast.TypeSpec); is {
				names = append(names, t.Name.Name)
			}
		}
		return names
	}
	return nil
}

func TestTimeStateAndStartHaveOnePlace(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					t.Errorf("%s has an init: make it a function that main calls", s.path)
				}
			case *ast.GenDecl:
				checkVariables(t, s, d)
			}
		}
		if !strings.HasPrefix(s.path, "cmd/") {
			ast.Inspect(s.file, func(n ast.Node) bool {
				if call, is := n.(*ast.SelectorExpr); is {
					if from, is := call.X.(*ast.Ident); is && from.Name == "time" && (call.Sel.Name == "Now" || call.Sel.Name == "Since" || call.Sel.Name == "Until") {
						t.Errorf("%s:%d: time.%s: the clock comes from cmd", s.path, s.set.Position(n.Pos()).Line, call.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// checkVariables lets through package variables that cannot change what the program does: errors, embedded files, blank
// ones, and functions that run once.
func checkVariables(t *testing.T, s source, d *ast.GenDecl) {
	if d.Tok != token.VAR || (d.Doc != nil && strings.Contains(comments(d.Doc), "go:embed")) {
		return
	}
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		fine := len(v.Values) == 0 && isEmbedded(v)
		for _, value := range v.Values {
			call, is := value.(*ast.CallExpr)
			if !is {
				continue
			}
			if f, is := call.Fun.(*ast.SelectorExpr); is {
				from, _ := f.X.(*ast.Ident)
				fine = from != nil && (from.Name == "errors" && f.Sel.Name == "New" || from.Name == "fmt" && f.Sel.Name == "Errorf" || from.Name == "sync" && strings.HasPrefix(f.Sel.Name, "Once"))
			}
		}
		if !fine && v.Names[0].Name != "_" {
			t.Errorf("%s:%d: the package variable %s can change: make it a constant, a function or a field", s.path, s.set.Position(v.Pos()).Line, v.Names[0].Name)
		}
	}
}

func isEmbedded(v *ast.ValueSpec) bool {
	return v.Doc != nil && strings.Contains(comments(v.Doc), "go:embed")
}

func comments(group *ast.CommentGroup) string {
	var text strings.Builder
	for _, c := range group.List {
		text.WriteString(c.Text)
	}
	return text.String()
}

func TestWhatIsExportedIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	folders := map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		folders[s.folder()] = true
		if s.file.Doc != nil {
			documented[s.folder()] = true
		}
		for _, d := range s.file.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Name.IsExported() && f.Doc == nil && !isMethodOfHidden(f) {
				t.Errorf("%s: %s has no comment", s.path, f.Name.Name)
			}
			if g, is := d.(*ast.GenDecl); is && g.Tok == token.TYPE {
				for _, spec := range g.Specs {
					if ts := spec.(*ast.TypeSpec); ts.Name.IsExported() && g.Doc == nil && ts.Doc == nil {
						t.Errorf("%s: %s has no comment", s.path, ts.Name.Name)
					}
				}
			}
		}
	}
	for folder := range folders {
		if !documented[folder] {
			t.Errorf("the package in %s has no comment", folder)
		}
	}
}

// isMethodOfHidden says whether a method belongs to a type that nobody outside can name.
func isMethodOfHidden(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return false
	}
	of := f.Recv.List[0].Type
	if star, is := of.(*ast.StarExpr); is {
		of = star.X
	}
	if index, is := of.(*ast.IndexExpr); is {
		of = index.X
	}
	name, is := of.(*ast.Ident)
	return is && !name.IsExported()
}

func TestTheTopLevelHoldsNothingElse(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	fixed := []string{"cmd", "engine", "campaigns", "templates", "api", "go.mod", "go.sum", "README.md", "LICENSE", "CHANGELOG.md", "beckon-data", "beckon"} // the last two are what README's commands make
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") && !slices.Contains(fixed, entry.Name()) {
			t.Errorf("%s does not belong at the top level", entry.Name())
		}
	}
}
