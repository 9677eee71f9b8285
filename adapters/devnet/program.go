package devnet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The programs that can be built, by name: packages of go.mod's tool lines.
var tools = map[string]string{
	"btcd": "github.com/btcsuite/btcd",
	"ltcd": "github.com/ltcsuite/ltcd",
	"geth": "github.com/ethereum/go-ethereum/cmd/geth",
}

// slowBuild is when a build is worth a word: one that was done before is quicker.
const slowBuild = 1500 * time.Millisecond

// program returns the path of a node's binary: from cfg.Programs, or built from
// the versions that go.mod pins. Errors: ErrProgram.
func (c Config) program(ctx context.Context, name string) (string, error) {
	if c.Programs != "" {
		path, err := filepath.Abs(filepath.Join(c.Programs, name))
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrProgram, err)
		}
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	word := time.AfterFunc(slowBuild, func() {
		c.Progress(fmt.Sprintf("building %s; the first time this takes a minute or two", name))
	})
	defer word.Stop()
	root, err := c.module(ctx)
	if err != nil {
		return "", err
	}
	if name == "smtnode" {
		return c.buildNested(ctx, root)
	}
	// `go tool -n` builds into Go's own cache and prints the path there.
	return goCommand(ctx, root, "tool", "-n", tools[name])
}

// buildNested builds the SMT node, which has a go.mod of its own.
func (c Config) buildNested(ctx context.Context, root string) (string, error) {
	cache := c.Cache
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrProgram, err)
		}
		cache = filepath.Join(user, "photon")
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrProgram, err)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("%w: %w", ErrProgram, err)
	}
	// Built beside and renamed: another process may be running the old one.
	fresh, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrProgram, err)
	}
	defer os.RemoveAll(fresh)
	made, path := filepath.Join(fresh, "smtnode"), filepath.Join(cache, "smtnode")
	nested := filepath.Join(root, "adapters", "devnet", "smtnode")
	if _, err := goCommand(ctx, nested, "build", "-o", made, "."); err != nil {
		return "", err
	}
	if err := os.Rename(made, path); err != nil {
		return "", fmt.Errorf("%w: %w", ErrProgram, err)
	}
	return path, nil
}

// module is the folder of this module's go.mod.
func (c Config) module(ctx context.Context) (string, error) {
	if c.Module != "" {
		return filepath.Abs(c.Module)
	}
	file, err := goCommand(ctx, "", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	if file == "" || file == os.DevNull {
		return "", fmt.Errorf("%w: not inside the source tree, and no folder of programs named", ErrProgram)
	}
	return filepath.Dir(file), nil
}

// goCommand runs the go command and returns the last line that it prints.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(complaint.String())
		return "", fmt.Errorf("%w: go %s: %w: %s", ErrProgram, strings.Join(args, " "), err, said[max(0, len(said)-500):])
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}
