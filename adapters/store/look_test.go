package store

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorm.io/gorm"

	"photon/swap/trade"
)

// files are the bytes of all that lies in the folder of a database, with modes and
// times.
func files(t *testing.T, url string) map[string]string {
	t.Helper()
	all := map[string]string{}
	path, is := strings.CutPrefix(url, "sqlite:")
	if !is {
		return all
	}
	found, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	must(t, err)
	for _, f := range append(found, filepath.Dir(path)) {
		info, err := os.Stat(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		must(t, err)
		all[f] = info.Mode().String() + info.ModTime().String()
		if !info.IsDir() {
			text, err := os.ReadFile(f)
			must(t, err)
			all[f] += string(text)
		}
	}
	return all
}

// looked is what Look sees; it fails when looking has changed a file.
func looked(t *testing.T, url string) (Sight, error) {
	t.Helper()
	before := files(t, url)
	s, err := Look(t.Context(), url)
	if after := files(t, url); !maps.Equal(before, after) {
		t.Error("looking has changed the files")
	}
	return s, err
}

// Looking tells how old the schema is and leaves it so, whoever comes next.
func TestLook(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		sqlite := strings.HasPrefix(url, "sqlite:")
		if s, err := looked(t, url); sqlite != errors.Is(err, fs.ErrNotExist) || (!sqlite && (err != nil || s != Sight{Knows: 4})) {
			t.Errorf("nothing there: %+v, %v", s, err)
		}
		s := open(t, url)
		must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1), swap(2), next(swap(2), trade.Cancelled)}}))
		if _, err := Look(t.Context(), url); !errors.Is(err, ErrLocked) {
			t.Errorf("while it is open: %v", err)
		}
		must(t, s.Close())
		if s, err := looked(t, url); err != nil || s != (Sight{Schema: 4, Knows: 4, Open: 1}) {
			t.Errorf("up to date: %+v, %v", s, err)
		}
		change := func(statements ...string) {
			s := open(t, url)
			must(t, s.change(t.Context(), func(tx *gorm.DB) error {
				for _, statement := range statements {
					must(t, tx.Exec(statement).Error)
				}
				return nil
			}))
			must(t, s.Close())
		}
		change(backToFirst...)
		for range 2 {
			if s, err := looked(t, url); err != nil || s != (Sight{Schema: 1, Knows: 4, Open: 1}) {
				t.Errorf("behind: %+v, %v", s, err)
			}
		}
		change("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, TRUE)")
		if _, err := looked(t, url); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "schema 9001, this program knows up to 4") {
			t.Errorf("ahead: %v", err)
		}
	})
}

// A process that was killed leaves a log of what it has written beside the file.
func TestLookAfterAKill(t *testing.T) {
	url := file(t)
	s := open(t, url)
	must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
	path := strings.TrimPrefix(url, "sqlite:")
	left := filepath.Join(t.TempDir(), "left")
	must(t, os.Mkdir(left, 0o700))
	for _, end := range []string{"", "-wal", "-shm"} {
		text, err := os.ReadFile(path + end)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(left, "photon.db"+end), text, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(left, lockFile), []byte("1\n"), 0o600))
	before := files(t, "sqlite:"+filepath.Join(left, "photon.db"))
	if s, err := Look(t.Context(), "sqlite:"+filepath.Join(left, "photon.db")); err != nil || s != (Sight{Schema: 4, Knows: 4, Open: 1}) {
		t.Errorf("%+v, %v", s, err)
	}
	after := files(t, "sqlite:"+filepath.Join(left, "photon.db"))
	shared := filepath.Join(left, "photon.db-shm") // which is memory, and means nothing on disk
	if delete(before, shared); after[shared] == "" {
		t.Error("the shared memory is gone")
	}
	if delete(after, shared); !maps.Equal(before, after) {
		t.Error("looking has changed the files")
	}
}

// Each row is one reason not to look.
func TestLookRefuses(t *testing.T) {
	url := file(t)
	must(t, open(t, url).Close())
	path := strings.TrimPrefix(url, "sqlite:")
	for _, row := range []struct {
		name, url string
		change    func()
		err       error
	}{
		{"good", url, func() {}, nil},
		{"no URL", "mysql://localhost", func() {}, ErrURL},
		{"no path", "sqlite:", func() {}, ErrURL},
		{"no URL of PostgreSQL", "postgres://user:hunter2@localhost:port/photon", func() {}, ErrURL},
		{"a folder", "sqlite:" + filepath.Dir(path), func() {}, ErrURL},
		{"no folder", "sqlite:" + filepath.Join(filepath.Dir(path), "none", "photon.db"), func() {}, fs.ErrNotExist},
		{"others can read it", url, func() { must(t, os.Chmod(path, 0o640)) }, ErrPermissions},
	} {
		row.change()
		_, err := Look(t.Context(), row.url)
		if !errors.Is(err, row.err) || (err != nil && strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v, want %v", row.name, err, row.err)
		}
	}
	for _, made := range []string{"none", "none/photon.db"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), made)); err == nil {
			t.Errorf("looking has made %s", made)
		}
	}
}
