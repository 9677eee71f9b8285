package keys

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
)

func TestFileKeepsTheKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	made, err := Create(path, strings.ToUpper(about), "correct horse", FastUnlock())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("abandon")) || bytes.Contains(raw, []byte("horse")) {
		t.Error("the file shows its mnemonic or passphrase")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %o", mode)
	}
	opened, err := Open(path, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(opened.Identity(), made.Identity()) || !bytes.Equal(opened.Identity(), ring(t, about).Identity()) {
		t.Error("other keys came back")
	}
}

func TestCreateRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	for _, row := range []struct {
		name, path, mnemonic, passphrase string
		want                             error
	}{
		{"good", path, about, "p", nil},
		{"a file is there", path, about, "p", fs.ErrExist},
		{"no folder", filepath.Join(path+"x", "keys"), about, "p", fs.ErrNotExist},
		{"empty passphrase", path + "2", about, "", ErrPassphrase},
		{"wrong mnemonic", path + "2", about + " about", "p", ErrWords},
	} {
		if _, err := Create(row.path, row.mnemonic, row.passphrase, FastUnlock()); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	if _, err := Open(path, "p"); err != nil {
		t.Errorf("the file that was there: %v", err)
	}
	if _, err := os.Stat(path + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused file is there: %v", err)
	}
}

// Each row is one change to a good file with the passphrase p.
func TestOpenRefuses(t *testing.T) {
	other := func(t *testing.T, plain, passphrase string, logN int) []byte {
		t.Helper()
		r, err := age.NewScryptRecipient(passphrase)
		if err != nil {
			t.Fatal(err)
		}
		r.SetWorkFactor(logN)
		return seal(t, plain, r)
	}
	for _, row := range []struct {
		name   string
		change func(t *testing.T, path string, raw []byte) (passphrase string)
		want   error
		says   string
	}{
		{"good", func(t *testing.T, path string, raw []byte) string { return "p" }, nil, ""},
		{"wrong passphrase", func(t *testing.T, path string, raw []byte) string { return "q" }, ErrPassphrase, ""},
		{"empty passphrase", func(t *testing.T, path string, raw []byte) string { return "" }, ErrPassphrase, "empty"},
		{"no file", func(t *testing.T, path string, raw []byte) string { must(t, os.Remove(path)); return "p" }, fs.ErrNotExist, ""},
		{"a folder", func(t *testing.T, path string, raw []byte) string {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
			return "p"
		}, ErrFile, ""},
		{"readable by the group", func(t *testing.T, path string, raw []byte) string { must(t, os.Chmod(path, 0o640)); return "p" }, ErrPermissions, "mode 640"},
		{"readable by others", func(t *testing.T, path string, raw []byte) string { must(t, os.Chmod(path, 0o604)); return "p" }, ErrPermissions, "mode 604"},
		{"readable by us alone", func(t *testing.T, path string, raw []byte) string { must(t, os.Chmod(path, 0o400)); return "p" }, nil, ""},
		{"empty", func(t *testing.T, path string, raw []byte) string { write(t, path, nil); return "p" }, ErrFile, ""},
		{"text", func(t *testing.T, path string, raw []byte) string { write(t, path, []byte(about)); return "p" }, ErrFile, ""},
		{"too long", func(t *testing.T, path string, raw []byte) string {
			write(t, path, make([]byte, maxFile+1))
			return "p"
		}, ErrFile, ""},
		{"cut off", func(t *testing.T, path string, raw []byte) string { write(t, path, raw[:len(raw)-1]); return "p" }, ErrFile, "damaged"},
		{"last byte changed", func(t *testing.T, path string, raw []byte) string {
			raw[len(raw)-1] ^= 1
			write(t, path, raw)
			return "p"
		}, ErrFile, "damaged"},
		{"for a key, not a passphrase", func(t *testing.T, path string, raw []byte) string {
			id, err := age.GenerateX25519Identity()
			must(t, err)
			write(t, path, seal(t, heading+about+"\n", id.Recipient()))
			return "p"
		}, ErrFile, ""},
		{"another heading", func(t *testing.T, path string, raw []byte) string {
			write(t, path, other(t, "photon keys 2\n"+about+"\n", "p", workFast))
			return "p"
		}, ErrFile, "first line"},
		{"another mnemonic inside", func(t *testing.T, path string, raw []byte) string {
			write(t, path, other(t, heading+"abandon\n", "p", workFast))
			return "p"
		}, ErrWords, ""},
		{"asks for more work than ours", func(t *testing.T, path string, raw []byte) string {
			write(t, path, bytes.Replace(raw, []byte(" 10\n"), []byte(" 21\n"), 1))
			return "p"
		}, ErrFile, "work factor too large"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && row.want == ErrPermissions {
				t.Skip("a mode does not say there who can read a file")
			}
			path := filepath.Join(t.TempDir(), "keys")
			_, err := Create(path, about, "p", FastUnlock())
			must(t, err)
			raw, err := os.ReadFile(path)
			must(t, err)
			k, err := Open(path, row.change(t, path, raw))
			if !errors.Is(err, row.want) || (err != nil && !strings.Contains(err.Error(), row.says)) {
				t.Errorf("%v, want %v with %q", err, row.want, row.says)
			}
			if (k == nil) != (err != nil) {
				t.Errorf("keyring %v with error %v", k, err)
			}
		})
	}
}

// The work that each guess of a passphrase costs, unless asked otherwise.
func TestPassphraseIsSlowToGuess(t *testing.T) {
	for _, row := range []struct {
		options []Option
		want    string
	}{
		{nil, " 18\n"},
		{[]Option{FastUnlock()}, " 10\n"},
	} {
		raw, err := encrypt(about, "p", row.options...)
		must(t, err)
		if stanza, _, _ := bytes.Cut(raw, []byte("---")); !bytes.Contains(stanza, []byte(row.want)) {
			t.Errorf("%d options: no work factor %q in %q", len(row.options), row.want, stanza)
		}
	}
}

func FuzzFile(f *testing.F) {
	good, err := encrypt(about, "p", FastUnlock())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 1\n"))
	f.Add([]byte(about))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if bytes.Contains(raw, []byte("-> scrypt")) && !bytes.Contains(raw, []byte(" 10\n")) {
			t.Skip("work that would slow the search down")
		}
		m, err := decrypt(raw, "p")
		if err != nil && !errors.Is(err, ErrFile) && !errors.Is(err, ErrPassphrase) {
			t.Errorf("unnamed error %v", err)
		}
		if err == nil && m != about {
			t.Errorf("decrypted another mnemonic than was ever encrypted")
		}
	})
}

func seal(t *testing.T, plain string, r age.Recipient) []byte {
	t.Helper()
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, r)
	must(t, err)
	_, err = w.Write([]byte(plain))
	must(t, err)
	must(t, w.Close())
	return sealed.Bytes()
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	must(t, os.WriteFile(path, raw, 0o600))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
