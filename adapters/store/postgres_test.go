package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A cluster is a PostgreSQL server of the tests, on a socket in a folder of its
// own. It is started when a test first needs it and stopped after the last.
type cluster struct {
	start     sync.Once
	folder    string
	bin       string
	err       error
	databases atomic.Int64
}

var server cluster

// errNoPostgres means that the programs are not installed.
var errNoPostgres = errors.New("initdb and pg_ctl are not installed (Debian: postgresql)")

func TestMain(m *testing.M) {
	if url := os.Getenv(otherProcess); url != "" {
		hold(url)
	}
	// Fewer than rapid would run by itself: every step is stored for good, twice.
	// -rapid.checks on the command line overrides it.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := server.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		code = 1
	}
	os.Exit(code)
}

// database makes an empty database and returns its URL.
func database(t testing.TB) string {
	t.Helper()
	server.start.Do(func() { server.err = server.run() })
	if errors.Is(server.err, errNoPostgres) {
		t.Skip(server.err)
	}
	if server.err != nil {
		t.Fatal(server.err)
	}
	name := "t" + strconv.FormatInt(server.databases.Add(1), 10)
	exec1(t, server.url("postgres"), "CREATE DATABASE "+name)
	return server.url(name)
}

// exec1 runs one statement on a connection of its own.
func exec1(t testing.TB, url, statement string, args ...any) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	must(t, err)
	_, err = c.Exec(t.Context(), statement, args...)
	must(t, errors.Join(err, c.Close(t.Context())))
}

func (c *cluster) url(name string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", name, c.folder)
}

func (c *cluster) run() error {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return err
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		return errNoPostgres
	}
	c.bin = filepath.Dir(found[len(found)-1])
	if c.folder, err = os.MkdirTemp("", "photon-pg"); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		if err := give(c.folder, "postgres"); err != nil {
			return err
		}
	}
	if err := c.do("initdb", "-D", c.folder+"/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return err
	}
	sync := "off"
	if f := flag.Lookup("test.bench"); f != nil && f.Value.String() != "" {
		sync = "on" // a benchmark without it would flatter
	}
	options := fmt.Sprintf("-c listen_addresses='' -c unix_socket_directories=%s -c fsync=%s", c.folder, sync)
	return c.do("pg_ctl", "-D", c.folder+"/data", "-l", c.folder+"/log", "-o", options, "-w", "start")
}

func (c *cluster) stop() error {
	if c.folder == "" {
		return nil
	}
	return errors.Join(c.do("pg_ctl", "-D", c.folder+"/data", "-m", "immediate", "-w", "stop"), os.RemoveAll(c.folder))
}

// do runs a program of PostgreSQL, never as root, which it would refuse.
func (c *cluster) do(program string, args ...string) error {
	args = append([]string{filepath.Join(c.bin, program)}, args...)
	if os.Getuid() == 0 {
		args = append([]string{"runuser", "-u", "postgres", "--"}, args...)
	}
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Dir = c.folder
	// A file and not a pipe: the server keeps it open, and a pipe would be waited for.
	out, err := os.CreateTemp("", "photon-pg-out")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	cmd.Stdout, cmd.Stderr = out, out
	err = errors.Join(cmd.Run(), out.Close())
	if err != nil {
		text, _ := os.ReadFile(out.Name())
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(text)))
	}
	return nil
}

// give makes a user the owner of a folder.
func give(folder, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(folder, uid, gid)
}
