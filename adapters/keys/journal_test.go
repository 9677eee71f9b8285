package keys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func testRing(t *testing.T) *Keyring {
	t.Helper()
	mnemonic, err := New()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := Restore(mnemonic)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func open(t *testing.T, ring *Keyring, path string) *Journal {
	t.Helper()
	j, err := ring.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func wantRecords(t *testing.T, j *Journal, want ...string) {
	t.Helper()
	records, err := j.Records()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != len(want) {
		t.Fatalf("%d records, want %d", len(records), len(want))
	}
	for i, r := range records {
		if string(r) != want[i] {
			t.Errorf("record %d is %q, want %q", i, r, want[i])
		}
	}
}

func TestJournalKeepsRecordsInOrder(t *testing.T) {
	ring, path := testRing(t), filepath.Join(t.TempDir(), "journal")
	j := open(t, ring, path)
	wantRecords(t, j)
	if err := j.Append([]byte("one"), []byte("two")); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]byte("three")); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, j, "one", "two", "three")
	wantRecords(t, open(t, ring, path), "one", "two", "three")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o, want 600", mode)
	}
}

// A crash in the middle of Append cuts a record off: it is left out, and those
// before and after it are whole.
func TestJournalSurvivesARecordCutOff(t *testing.T) {
	ring, path := testRing(t), filepath.Join(t.TempDir(), "journal")
	j := open(t, ring, path)
	if err := j.Append([]byte("one"), []byte("two")); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw[:len(raw)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	j = open(t, ring, path)
	wantRecords(t, j, "one")
	if err := j.Append([]byte("three")); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, j, "one", "three")
}

func TestJournalRefusesWhatIsNotOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := open(t, testRing(t), path).Append([]byte("one")); err != nil {
		t.Fatal(err)
	}
	other := testRing(t)
	if _, err := open(t, other, path).Records(); !errors.Is(err, ErrNotYours) {
		t.Errorf("another's journal: %v, want %v", err, ErrNotYours)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	j := open(t, other, filepath.Join(t.TempDir(), "journal"))
	for name, text := range map[string][]byte{"another's": raw, "no journal": []byte("nothing sealed")} {
		if n, err := j.Join(text); err == nil || n != 0 {
			t.Errorf("join %s: %d records, %v", name, n, err)
		}
	}
	wantRecords(t, j)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := other.OpenJournal(path); !errors.Is(err, ErrPermissions) {
		t.Errorf("a journal that others read: %v, want %v", err, ErrPermissions)
	}
}

func TestJournalJoinsACopy(t *testing.T) {
	ring, folder := testRing(t), t.TempDir()
	j := open(t, ring, filepath.Join(folder, "old"))
	if err := j.Append([]byte("one"), []byte("two")); err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(filepath.Join(folder, "old"))
	if err != nil {
		t.Fatal(err)
	}
	fresh := open(t, ring, filepath.Join(folder, "new"))
	if n, err := fresh.Join(copied); err != nil || n != 2 {
		t.Fatalf("joined %d, %v", n, err)
	}
	wantRecords(t, fresh, "one", "two")
}
