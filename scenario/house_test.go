package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A room is one row of the README's table.
type room struct {
	ring string
	may  []string // rooms that it may import; "*" is any
}

// A pack is a package as the go command lists it.
type pack struct {
	ImportPath, Dir                                       string
	Imports, TestImports, XTestImports, GoFiles, CgoFiles []string
	TestGoFiles, XTestGoFiles                             []string
}

const module = "photon"

// readRooms reads the table under "## Rooms" of a README.
func readRooms(t *testing.T, path string) map[string]room {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## Rooms\n")
	if !found {
		t.Fatal("README has no table of rooms")
	}
	table, _, _ := strings.Cut(after, "\n## ")
	name := regexp.MustCompile("`([^`]+)`|\\*")
	rooms := map[string]room{}
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		r := room{ring: strings.TrimSpace(cells[2])}
		for _, m := range name.FindAllStringSubmatch(cells[3], -1) {
			if m[1] == "" {
				m[1] = "*"
			}
			r.may = append(r.may, m[1])
		}
		rooms[strings.Trim(strings.TrimSpace(cells[1]), "`")] = r
	}
	if len(rooms) == 0 {
		t.Fatal("README's table of rooms is empty")
	}
	return rooms
}

// packs are all packages of the module.
func packs(t *testing.T) (all []pack) {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pack
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// roomOf is the row that a package belongs to: its own, or the nearest above it.
// Generated and private parts of a room need no row of their own.
func roomOf(rooms map[string]room, path string) (string, bool) {
	name := strings.TrimPrefix(path, module+"/")
	for ; name != "."; name = filepath.Dir(name) {
		if _, is := rooms[name]; is {
			return name, true
		}
	}
	return "", false
}

// Every package is in the table, and imports of the house what its row says.
func TestRooms(t *testing.T) {
	rooms := readRooms(t, "../README.md")
	seen := map[string]bool{}
	for _, p := range packs(t) {
		name, is := roomOf(rooms, p.ImportPath)
		if !is {
			t.Errorf("%s is not in the table of rooms", p.ImportPath)
			continue
		}
		seen[name] = true
		for _, i := range p.Imports {
			if !strings.HasPrefix(i, module+"/") {
				continue
			}
			target, is := roomOf(rooms, i)
			if may := rooms[name].may; !is || (target != name && !slices.Contains(may, "*") && !slices.Contains(may, target)) {
				t.Errorf("%s imports %s, and its row allows %q", p.ImportPath, i, may)
			}
		}
	}
	for name := range rooms {
		if !seen[name] {
			t.Errorf("the table has a room %s, and there is no such package", name)
		}
	}
}

// Rows hold to their rings: core imports core; shells and edges import core, and
// an edge only what it is a special case of beside it; plugs import anything.
func TestRings(t *testing.T) {
	rooms := readRooms(t, "../README.md")
	for name, r := range rooms {
		for _, i := range r.may {
			target := rooms[i]
			switch {
			case i == "*" && r.ring != "plug":
				t.Errorf("%s is %s and may import anything", name, r.ring)
			case i == "*":
			case target.ring == "":
				t.Errorf("%s may import %s, which is no room", name, i)
			case target.ring == "core":
			case r.ring == "plug":
			case r.ring == "edge" && target.ring == "edge" && (i == "migrations" || strings.HasPrefix(i, name+"/") || slices.Contains([]string{"adapters/utxo", "adapters/evm"}, i)):
			default:
				t.Errorf("%s, %s, may import %s, which is %s", name, r.ring, i, target.ring)
			}
		}
		if !slices.Contains([]string{"core", "shell", "edge", "plug"}, r.ring) {
			t.Errorf("%s is of no ring: %q", name, r.ring)
		}
	}
}

// outside is what the core does not import: time and chance come in with events.
var outside = []string{"time", "context", "sync", "sync/atomic", "os", "os/exec", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "database/sql"}

// The core is pure: it imports nothing of the world and starts no goroutine.
func TestCoreIsPure(t *testing.T) {
	rooms := readRooms(t, "../README.md")
	for _, p := range packs(t) {
		name, is := roomOf(rooms, p.ImportPath)
		if !is || rooms[name].ring != "core" {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(outside, i) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
		for _, f := range p.GoFiles {
			ast.Inspect(parsed(t, filepath.Join(p.Dir, f)), func(n ast.Node) bool {
				if _, is := n.(*ast.GoStmt); is {
					t.Errorf("%s: %s starts a goroutine", p.ImportPath, f)
				}
				return true
			})
		}
	}
}

// heavy libraries live in one room each; plugs may join them.
var heavy = map[string][]string{
	"github.com/gin-gonic/gin":                  {"web", "web/api"},
	"gorm.io/":                                  {"adapters/store"},
	"github.com/libp2p/go-libp2p":               {"adapters/peer"},
	"modernc.org/sqlite":                        {"adapters/store"},
	"github.com/jackc/pgx":                      {"adapters/store"},
	"github.com/pressly/goose":                  {"adapters/store"},
	"filippo.io/age":                            {"adapters/keys"},
	"github.com/tyler-smith/go-bip39":           {"adapters/keys"},
	"github.com/ltcsuite/":                      {"adapters/ltc", "adapters/utxo", "adapters/devnet"},
	"github.com/ethereum/go-ethereum/core/vm":   {"adapters/sim"},
	"github.com/ethereum/go-ethereum/ethclient": {"adapters/evm", "adapters/devnet"},
	"github.com/ethereum/go-ethereum/node":      {"adapters/devnet"},
}

func TestHeavyLibrariesLiveInOneRoom(t *testing.T) {
	rooms := readRooms(t, "../README.md")
	for _, p := range packs(t) {
		name, is := roomOf(rooms, p.ImportPath)
		if !is || rooms[name].ring == "plug" {
			continue
		}
		for _, i := range p.Imports {
			for library, lives := range heavy {
				if strings.HasPrefix(i, library) && !slices.Contains(lives, name) {
					t.Errorf("%s imports %s, which lives in %v", p.ImportPath, i, lives)
				}
			}
		}
	}
}

// readsOutside is how what reads outside bytes is named. A function of this name
// that takes bytes or text must be called by a fuzz target, in whatever package.
var readsOutside = regexp.MustCompile(`^(Parse|Decode|Read|Import)([A-Z]|$)`)

// plain are readers of which there is nothing to fuzz, and why.
var plain = map[string]string{
	"photon/contracts.ParseChain":   "one of four names",
	"photon/contracts.ReadState":    "one word of 32 bytes: TestReadAnswers has every length",
	"photon/contracts.ReadTokens":   "one word of 32 bytes: TestReadAnswers has every length",
	"photon/contracts.ReadDecimals": "one word of 32 bytes: TestReadAnswers has every length",
	"photon/contracts.ReadRevert":   "one of the contract's own errors by its 4 bytes",
	"photon/contracts.ReadSpend":    "calls of our own",
}

// A decoder of outside bytes without a fuzz target fails.
func TestDecodersAreFuzzed(t *testing.T) {
	rooms, all, fuzzed := readRooms(t, "../README.md"), packs(t), map[string]bool{}
	for _, p := range all {
		fuzzTargets(t, p, fuzzed)
	}
	for _, p := range all {
		name, is := roomOf(rooms, p.ImportPath)
		if !is || rooms[name].ring == "plug" || rooms[name].ring == "shell" || strings.HasSuffix(p.ImportPath, "/api") {
			continue
		}
		for _, f := range p.GoFiles {
			for _, d := range parsed(t, filepath.Join(p.Dir, f)).Decls {
				fn, is := d.(*ast.FuncDecl)
				if !is || fn.Recv != nil || !fn.Name.IsExported() || !readsOutside.MatchString(fn.Name.Name) || !takesBytes(fn) {
					continue
				}
				if !fuzzed[fn.Name.Name] && plain[p.ImportPath+"."+fn.Name.Name] == "" {
					t.Errorf("%s.%s reads outside bytes, and no fuzz target calls it", p.ImportPath, fn.Name.Name)
				}
			}
		}
	}
}

// takesBytes reports whether a function has a parameter of bytes or text alone.
func takesBytes(fn *ast.FuncDecl) bool {
	for _, p := range fn.Type.Params.List {
		switch t := p.Type.(type) {
		case *ast.Ident:
			if t.Name == "string" {
				return true
			}
		case *ast.ArrayType:
			if e, is := t.Elt.(*ast.Ident); is && e.Name == "byte" && t.Len == nil {
				return true
			}
		}
	}
	return false
}

// fuzzTargets adds the names that the fuzz targets of a package speak of.
func fuzzTargets(t *testing.T, p pack, named map[string]bool) {
	t.Helper()
	for _, f := range append(slices.Clone(p.TestGoFiles), p.XTestGoFiles...) {
		for _, d := range parsed(t, filepath.Join(p.Dir, f)).Decls {
			fn, is := d.(*ast.FuncDecl)
			if !is || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if id, is := n.(*ast.Ident); is {
					named[id.Name] = true
				}
				return true
			})
		}
	}
}

func parsed(t *testing.T, path string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
