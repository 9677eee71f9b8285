package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/glebarez/sqlite"
	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
)

// openSQLite opens the file at path. Beside it lies LOCK, held for as long as
// the store is open.
func openSQLite(ctx context.Context, path string) (_ *Store, err error) {
	if path, err = place(path); err != nil {
		return nil, err
	}
	s := &Store{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	s.close = []io.Closer{lock}
	if err := makeFile(path); err != nil {
		return nil, err
	}
	// The log goes into the file once it has 32 MB, not 4: a page of an index that is
	// written to at random is then brought over once for many rows.
	writer, err := sql.Open(sqlite.DriverName, fileURL(path, "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)",
		"wal_autocheckpoint(8192)", "cache_size(-32768)"))
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	s.close = []io.Closer{writer, lock}
	if err := migrate(ctx, writer, goose.DialectSQLite3, "sqlite"); err != nil {
		return nil, err
	}
	reader, err := sql.Open(sqlite.DriverName, fileURL(path, "query_only(1)"))
	if err != nil {
		return nil, err
	}
	reader.SetMaxOpenConns(4)
	s.close = []io.Closer{reader, writer, lock}
	if s.write, err = wrap(sqlite.Dialector{Conn: writer}); err != nil {
		return nil, err
	}
	s.read, err = wrap(sqlite.Dialector{Conn: reader})
	return s, err
}

// place is where the file at path lies. Errors: ErrURL.
func place(path string) (string, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("%w: sqlite: without a path", ErrURL)
	}
	return filepath.Abs(path)
}

// fileURL names the file at path for the driver, whatever characters path has.
func fileURL(path string, pragmas ...string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/…
	}
	options := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: slashed, RawQuery: options.Encode()}).String()
}

// makeFolder makes the folder of the database, for us alone, or checks that not
// everybody can put files into it. Errors: ErrPermissions.
func makeFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return checkFolder(folder)
}

// checkFolder refuses a folder into which everybody can put files. Errors:
// ErrPermissions.
func checkFolder(folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o002 != 0 && permissions() {
		return fmt.Errorf("%w: folder %s has mode %03o: run chmod o-w on it", ErrPermissions, folder, mode)
	}
	return nil
}

// makeFile makes the file of the database, for us alone, or checks that it is.
// SQLite gives the files beside it the same mode. Errors: ErrPermissions.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkFile(path)
}

// checkFile refuses what is not a file for us alone. Errors: ErrPermissions,
// ErrURL.
func checkFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a file", ErrURL, path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && permissions() {
		return fmt.Errorf("%w: %s has mode %03o: run chmod 600 on it", ErrPermissions, path, mode)
	}
	return nil
}

// permissions reports whether a file's mode says who can read it.
func permissions() bool { return runtime.GOOS != "windows" }

// A folderLock keeps other processes out of a folder for as long as it is held;
// the system lets go of it when the process ends, however it ends.
type folderLock struct{ *flock.Flock }

// lockFile is the name of the lock in a folder.
const lockFile = "LOCK"

// lockFolder takes the lock and leaves our process id in it for whoever comes
// second. Errors: ErrLocked.
func lockFolder(folder string) (folderLock, error) {
	path := filepath.Join(folder, lockFile)
	lock := flock.New(path, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	got, err := lock.TryLock()
	if err != nil {
		return folderLock{}, fmt.Errorf("lock %s: %w", path, err)
	}
	if !got {
		return folderLock{}, fmt.Errorf("%w: folder %s is held by %s", ErrLocked, folder, holder(path))
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return folderLock{}, errors.Join(fmt.Errorf("write %s: %w", path, err), lock.Close())
	}
	return folderLock{lock}, nil
}

// holder names the process that wrote its id into the lock at path.
func holder(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "an unknown process: " + err.Error()
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return "a process that is just starting"
	}
	return fmt.Sprintf("process %d", pid)
}
