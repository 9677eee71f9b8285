package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm/schema"

	"photon/migrations"
	"photon/swap/trade"
)

func TestOpenRefusesOtherURLs(t *testing.T) {
	for _, url := range []string{"", "sqlite:", "sqlite", "photon.db", "mysql://localhost/photon", "sqlite:a\x00b", "postgres://user:hunter2@localhost:port/photon"} {
		s, err := Open(t.Context(), url)
		if !errors.Is(err, ErrURL) || s != nil {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

// Every column of a row type is in the migrated database, and the other way
// round.
func TestRowsAreTheSchema(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		tables := []string{}
		for _, row := range []any{tradeRow{}, effectRow{}, txRow{}, offerRow{}, noteRow{},
			channelRow{}, saidRow{}, paymentRow{}, transferRow{}, demandRow{}, positionRow{}, feeRow{}, datedRow{}, callTxRow{}} {
			parsed, err := schema.Parse(row, &sync.Map{}, schema.NamingStrategy{})
			must(t, err)
			columns, err := s.read.Migrator().ColumnTypes(parsed.Table)
			must(t, err)
			var has []string
			for _, c := range columns {
				has = append(has, c.Name())
			}
			want := slices.Clone(parsed.DBNames)
			slices.Sort(has)
			slices.Sort(want)
			if !slices.Equal(has, want) {
				t.Errorf("table %s has %v, its row %v", parsed.Table, has, want)
			}
			tables = append(tables, parsed.Table)
		}
		has, err := s.read.Migrator().GetTables()
		must(t, err)
		has = slices.DeleteFunc(has, func(n string) bool { return n == "goose_db_version" || strings.HasPrefix(n, "sqlite_") })
		slices.Sort(has)
		slices.Sort(tables)
		if !slices.Equal(has, tables) {
			t.Errorf("tables %v, rows of %v", has, tables)
		}
	})
}

// goose keeps the numbers of the files that it has run.
func versions(t *testing.T, s *Store) (all []int64) {
	t.Helper()
	must(t, s.write.Table("goose_db_version").Where("version_id > 0").Order("id").Pluck("version_id", &all).Error)
	return all
}

func TestMigrationsRunOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		want := versions(t, s)
		set, err := migrations.Of(s.write.Name())
		must(t, err)
		files, err := set.(interface {
			ReadDir(string) ([]os.DirEntry, error)
		}).ReadDir(".")
		must(t, err)
		if len(want) != len(files) || len(files) == 0 {
			t.Errorf("%d files, run %v", len(files), want)
		}
		must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
		must(t, s.Close())
		s = open(t, url)
		if got := versions(t, s); !slices.Equal(got, want) {
			t.Errorf("run %v, then %v", want, got)
		}
		same(t, "trades", trades(t, s, false), []trade.Trade{swap(1)})
	})
}

// backToFirst makes of a schema what it was with its first file.
var backToFirst = []string{
	"DROP TABLE channels", "DROP TABLE said", "DROP TABLE payments", "DROP TABLE transfers", "DROP TABLE demands", "DROP TABLE positions", "DROP TABLE fees", "DROP TABLE dated",
	"DROP TABLE call_txs", "DROP TABLE notes", "DROP TABLE offers", "DELETE FROM goose_db_version WHERE version_id > 1",
}

// An older schema with a trade under way is brought up to date with the trade.
func TestMigrationKeepsTrades(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}, Effects: []trade.Pending{tell(1)}}))
		for _, undo := range backToFirst {
			must(t, s.write.Exec(undo).Error)
		}
		must(t, s.Close())
		s = open(t, url)
		same(t, "trades", trades(t, s, false), []trade.Trade{swap(1)})
		if got := pending(t, s); len(got) != 1 {
			t.Errorf("%d effects", len(got))
		}
		must(t, s.SaveOffer(t.Context(), offer(1)))
	})
}

func TestOpenRefusesANewerSchema(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		must(t, s.write.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, TRUE)").Error)
		must(t, s.Close())
		_, err := Open(t.Context(), url)
		if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "schema 9001, this program knows up to 4") {
			t.Errorf("%v", err)
		}
	})
}

func TestFilesAreOursAlone(t *testing.T) {
	if !permissions() {
		t.Skip("a mode does not say here who can read a file")
	}
	url := file(t)
	path := strings.TrimPrefix(url, "sqlite:")
	folder := filepath.Dir(path)
	s := open(t, url)
	must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
	for name, want := range map[string]os.FileMode{folder: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, filepath.Join(folder, "LOCK"): 0o600} {
		info, err := os.Stat(name)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(name), got, want)
		}
	}
	must(t, s.Close())
	for _, row := range []struct {
		name string
		mode os.FileMode
		want error
	}{
		{path, 0o640, ErrPermissions},
		{path, 0o602, ErrPermissions},
		{path, 0o600, nil},
		{folder, 0o777, ErrPermissions},
		{folder, 0o1777, ErrPermissions},
		{folder, 0o775, nil},
	} {
		must(t, os.Chmod(row.name, row.mode))
		s, err := Open(t.Context(), url)
		if !errors.Is(err, row.want) {
			t.Errorf("%s with mode %o: %v, want %v", filepath.Base(row.name), row.mode, err, row.want)
		}
		if err == nil {
			must(t, s.Close())
		}
	}
}

func TestPathsOfEveryKind(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a b.db", "100%25.db", "what?.db", "a#b&c=d.db", "ü☂.db", "'\".db", "_pragma=x"} {
		if runtime.GOOS == "windows" && strings.ContainsAny(name, `?"`) {
			continue
		}
		s, err := Open(t.Context(), "sqlite:"+filepath.Join(folder, name))
		must(t, err)
		must(t, s.Close())
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
		info, err := os.Stat(filepath.Join(folder, name))
		must(t, err)
		if info.Size() == 0 {
			t.Errorf("%q is empty: the database is elsewhere", name)
		}
	}
	for _, bad := range []string{folder, filepath.Join(folder, "a b.db", "x")} {
		if s, err := Open(t.Context(), "sqlite:"+bad); err == nil {
			must(t, s.Close())
			t.Errorf("%s was opened", bad)
		}
	}
}

func TestSQLiteIsSetForSafety(t *testing.T) {
	s := open(t, file(t))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "wal_autocheckpoint": "8192"} {
		var got string
		must(t, s.write.Raw("PRAGMA "+pragma).Scan(&got).Error)
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
}

func TestReadingNeverWrites(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		if err := open(t, url).read.Exec("DELETE FROM trades").Error; err == nil {
			t.Error("a connection for reading wrote")
		}
	})
}

func TestAServerThatIsNotThere(t *testing.T) {
	_, err := Open(t.Context(), "postgres://photon:hunter2@/photon?host="+t.TempDir())
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	onBoth(t, func(t *testing.T, url string) {
		if s, err := Open(ctx, url); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", s, err)
		}
		must(t, open(t, url).Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
	})
}

// otherProcess names the variable that makes this test program hold a database
// open in place of testing.
const otherProcess = "PHOTON_STORE_TEST_HOLDS"

// hold opens url, stores a trade, says so and waits to be killed.
func hold(url string) {
	s, err := Open(context.Background(), url)
	if err == nil {
		err = s.Save(context.Background(), trade.Change{Trades: []trade.Trade{swap(1)}})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("holds")
	select {}
}

func TestOnlyOneProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		other := exec.Command(os.Args[0])
		other.Env = append(os.Environ(), otherProcess+"="+url)
		out, err := other.StdoutPipe()
		must(t, err)
		must(t, other.Start())
		killed := sync.OnceFunc(func() {
			must(t, other.Process.Kill())
			if err := other.Wait(); err == nil {
				t.Error("the other process ended by itself")
			}
		})
		t.Cleanup(killed)
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "holds\n" {
			t.Fatalf("%q, %v", line, err)
		}

		_, err = Open(t.Context(), url)
		if !errors.Is(err, ErrLocked) {
			t.Fatalf("%v", err)
		}
		if strings.HasPrefix(url, "sqlite:") && !strings.Contains(err.Error(), "process "+strconv.Itoa(other.Process.Pid)) {
			t.Errorf("%v does not name process %d", err, other.Process.Pid)
		}
		if strings.HasPrefix(url, "postgres:") && !strings.Contains(err.Error(), "database session") {
			t.Errorf("%v names no session", err)
		}

		// Killed as by kill -9, it leaves its lock to the next and what it stored.
		killed()
		same(t, "trades", trades(t, eventually(t, url), false), []trade.Trade{swap(1)})
	})
}

// eventually opens url once a server has noticed that a process is gone.
func eventually(t *testing.T, url string) *Store {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		s, err := Open(t.Context(), url)
		if errors.Is(err, ErrLocked) && time.Now().Before(deadline) {
			runtime.Gosched()
			continue
		}
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	}
}

func TestTwoStoresInOneProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		if _, err := Open(t.Context(), url); !errors.Is(err, ErrLocked) {
			t.Errorf("%v", err)
		}
		must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap(1)}}))
		must(t, s.Close())
		must(t, s.Close())
		open(t, url)
	})
}
