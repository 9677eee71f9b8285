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

// tools are the programs that can be built, by name: tool lines of this module's
// go.mod, or of one nested in it.
var tools = map[string]struct{ folder, pkg string }{
	"btcd":    {".", "github.com/btcsuite/btcd"},
	"ltcd":    {".", "github.com/ltcsuite/ltcd"},
	"geth":    {".", "github.com/ethereum/go-ethereum/cmd/geth"},
	"smtnode": {"adapters/devnet/smtnode", "photon/adapters/devnet/smtnode"},
}

// slowBuild is when a build is worth a word: one that was done before takes about
// a second.
const slowBuild = 5 * time.Second

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
	// `go tool -n` builds into Go's own cache and prints the path there.
	return goCommand(ctx, filepath.Join(root, filepath.FromSlash(tools[name].folder)), "tool", "-n", tools[name].pkg)
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
