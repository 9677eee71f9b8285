package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"photon/adapters/keys"
)

// About is the mnemonic of everybody's tests.
const about = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

// newFolder is a data folder that is not there yet, with a password beside it.
func newFolder(t *testing.T) (data, password string) {
	t.Helper()
	dir := t.TempDir()
	password = filepath.Join(dir, "password")
	must(t, os.WriteFile(password, []byte("correct horse\r\n"), 0o600))
	return filepath.Join(dir, "data"), password
}

// The mnemonic, and nothing else, is on standard output, and it is the one from
// which the file's keys come.
func TestNewKeys(t *testing.T) {
	data, password := newFolder(t)
	e := photon(t.Context(), "", "keys", "new", "--data", data, "--password-file", password, "--fast-unlock")
	words := strings.Fields(e.out)
	if e.code != 0 || len(words) != 24 || e.out != strings.Join(words, " ")+"\n" {
		t.Fatalf("exit %d, %d words on standard output; %s", e.code, len(words), e.err)
	}
	if strings.Contains(e.err, words[0]+" "+words[1]) || !strings.Contains(e.err, "Write these words down") {
		t.Errorf("on standard error: %s", e.err)
	}
	ring, err := keys.Open(filepath.Join(data, keyFile), "correct horse")
	must(t, err)
	same, err := keys.Restore(e.out)
	must(t, err)
	if string(ring.Identity()) != string(same.Identity()) {
		t.Error("the file has other keys than the words")
	}
	for path, want := range map[string]os.FileMode{data: 0o700, filepath.Join(data, keyFile): 0o600} {
		info, err := os.Stat(path)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", filepath.Base(path), got, want)
		}
	}
}

func TestRestoreKeys(t *testing.T) {
	data, password := newFolder(t)
	e := photon(t.Context(), "  "+strings.ToUpper(about)+"  \n", "keys", "restore", "--data", data, "--password-file", password, "--fast-unlock")
	if want := "key file written to " + filepath.Join(data, keyFile) + "\n"; e != (ending{"", want, 0}) {
		t.Fatalf("%+v", e)
	}
	ring, err := keys.Open(filepath.Join(data, keyFile), "correct horse")
	must(t, err)
	same, err := keys.Restore(about)
	must(t, err)
	if string(ring.Identity()) != string(same.Identity()) {
		t.Error("the file has other keys than the words")
	}
}

// Each row is one change to a good restoring. What is refused leaves no key file,
// or the one that was there, and repeats no word of the mnemonic.
func TestRestoreRefuses(t *testing.T) {
	const typed = about + "\n"
	for _, row := range []struct {
		name   string
		typed  string
		change func(t *testing.T, data, password string)
		more   []string
		code   int
		says   string
	}{
		{"good", typed, nil, nil, 0, "key file written to"},
		{"nothing", "", nil, nil, 2, "photon: mnemonic: number of words: 0, want 12, 15, 18, 21 or 24"},
		{"eleven words", strings.TrimSuffix(typed, " about\n"), nil, nil, 2, "photon: mnemonic: number of words: 11, want"},
		{"no word", strings.Replace(typed, "about", "hunter", 1), nil, nil, 2, "photon: mnemonic: word 12 of 12: not a word of the English BIP-39 list"},
		{"wrong word", strings.Replace(typed, "about", "zoo", 1), nil, nil, 2, "photon: mnemonic: the words do not belong together"},
		{"words changed places", "about " + strings.TrimSuffix(typed, " about\n"), nil, nil, 2, "photon: mnemonic: the words do not belong together"},
		{"far too long", strings.Repeat(about+" ", 50), nil, nil, 2, "photon: mnemonic: number of words: far too many"},
		{"on the command line", "", nil, strings.Fields(about), 2, "photon: usage: give the mnemonic on standard input"},
		{"a file is there", typed, func(t *testing.T, data, _ string) {
			must(t, os.MkdirAll(data, 0o700))
			must(t, os.WriteFile(filepath.Join(data, keyFile), []byte("precious"), 0o600))
		}, nil, 3, "keys are never overwritten"},
		{"password others can read", typed, func(t *testing.T, _, password string) { must(t, os.Chmod(password, 0o640)) }, nil, 3, "password can be read by others: chmod 600 it"},
		{"no password", typed, func(t *testing.T, _, password string) { must(t, os.Remove(password)) }, nil, 2, "photon: usage: no password: put it in "},
		{"empty password", typed, func(t *testing.T, _, password string) { must(t, os.WriteFile(password, []byte("\n"), 0o600)) }, nil, 3, "photon: wrong passphrase: it is empty"},
		{"password is a folder", typed, func(t *testing.T, _, password string) {
			must(t, os.Remove(password))
			must(t, os.Mkdir(password, 0o700))
		}, nil, 1, "photon: password file: "},
		{"data is a file", typed, func(t *testing.T, data, _ string) { must(t, os.WriteFile(data, nil, 0o600)) }, nil, 1, "photon: data folder: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			data, password := newFolder(t)
			if row.change != nil {
				row.change(t, data, password)
			}
			path := filepath.Join(data, keyFile)
			before, _ := os.ReadFile(path)
			e := photon(t.Context(), row.typed, append([]string{"keys", "restore", "--data", data, "--password-file", password, "--fast-unlock"}, row.more...)...)
			if e.code != row.code || !strings.Contains(e.err, row.says) || e.out != "" {
				t.Errorf("exit %d, %q, want %d, %q; on standard output %q", e.code, e.err, row.code, row.says, e.out)
			}
			if strings.Contains(e.err, "abandon") || strings.Contains(e.err, "hunter") || strings.Contains(e.err, "horse") {
				t.Errorf("tells a secret: %s", e.err)
			}
			after, err := os.ReadFile(path)
			if row.code != 0 && string(after) != string(before) {
				t.Errorf("the key file is now %d bytes, was %d", len(after), len(before))
			}
			if row.code == 0 && err != nil {
				t.Error(err)
			}
		})
	}
}

// Words that cannot be shown are lost; then the file is of no use either.
func TestNewKeysCannotBeShown(t *testing.T) {
	data, password := newFolder(t)
	root := rootCommand()
	root.SetArgs([]string{"keys", "new", "--data", data, "--password-file", password, "--fast-unlock"})
	var said strings.Builder
	root.SetErr(&said)
	root.SetOut(broken{})
	if code := run(t.Context(), root); code != exitFailed || !strings.Contains(said.String(), "delete the key file and begin anew: line is cut") {
		t.Errorf("exit %d: %s", code, said.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("line is cut") }

// The password of a node is data/password unless it is named.
func TestPasswordBesideTheKeys(t *testing.T) {
	data, password := newFolder(t)
	must(t, os.Mkdir(data, 0o700))
	must(t, os.Rename(password, filepath.Join(data, "password")))
	t.Setenv("PHOTON_DATA", data)
	e := photon(t.Context(), about, "keys", "restore", "--fast-unlock")
	if e.code != 0 {
		t.Fatalf("exit %d: %s", e.code, e.err)
	}
	if _, err := keys.Open(filepath.Join(data, keyFile), "correct horse"); err != nil {
		t.Error(err)
	}
}
