package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"photon/adapters/keys"
	"photon/adapters/store"
)

// aNode is the data folder and the config of a node that could run, on a chain
// node that answers nothing.
func aNode(t *testing.T) (data, path string) {
	t.Helper()
	chain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "still loading", http.StatusServiceUnavailable)
	}))
	t.Cleanup(chain.Close)
	path = configFileOf(t, "")
	data = filepath.Join(filepath.Dir(path), "data")
	must(t, os.Mkdir(data, 0o700))
	must(t, os.WriteFile(filepath.Join(data, "password"), []byte("correct horse"), 0o600))
	_, err := keys.Create(filepath.Join(data, keyFile), about, "correct horse", keys.FastUnlock())
	must(t, err)
	endpoint := strings.Replace(chain.URL, "http://", "http://alice:hunter2@", 1)
	must(t, os.WriteFile(path, fmt.Appendf(nil, "data: %s\nrealm: dev\nprofile: dev:60\nlisten: 127.0.0.1:0\npeer_listen: [/ip4/127.0.0.1/tcp/0]\nbtc_rpc: [%q]\n", data, endpoint), 0o600))
	return data, path
}

// Each row is one change to a folder in which a node could run.
func TestNodeRefuses(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(t *testing.T, data string) (more []string)
		code   int
		says   string
	}{
		{"no keys", func(t *testing.T, data string) []string {
			must(t, os.Remove(filepath.Join(data, keyFile)))
			return nil
		}, 3, "refused: no keys in "},
		{"wrong password", func(t *testing.T, data string) []string {
			must(t, os.WriteFile(filepath.Join(data, "password"), []byte("wrong"), 0o600))
			return nil
		}, 3, "wrong passphrase"},
		{"keys others can read", func(t *testing.T, data string) []string {
			must(t, os.Chmod(filepath.Join(data, keyFile), 0o644))
			return nil
		}, 3, "readable by other users of this machine"},
		{"password others can read", func(t *testing.T, data string) []string {
			must(t, os.Chmod(filepath.Join(data, "password"), 0o604))
			return nil
		}, 3, "can be read by others"},
		{"keys are none", func(t *testing.T, data string) []string {
			must(t, os.WriteFile(filepath.Join(data, keyFile), []byte("none"), 0o600))
			return nil
		}, 1, "not a file of keys"},
		{"another node on the folder", func(t *testing.T, data string) []string {
			lock, err := lockData(data)
			must(t, err)
			t.Cleanup(func() { must(t, lock.Close()) })
			return nil
		}, 3, "refused: another process runs a node on "},
		{"listens where somebody else does", func(t *testing.T, _ string) []string {
			return []string{"--listen", strings.TrimPrefix(httpServer(t), "http://")}
		}, 1, "listen for the API: "},
		{"fast unlock elsewhere", func(t *testing.T, _ string) []string { return []string{"--realm", "test"} }, 2, `profile "dev:60" is for realm dev`},
	} {
		t.Run(row.name, func(t *testing.T) {
			data, path := aNode(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			e := photon(ctx, "", append([]string{"node", "--config", path}, row.change(t, data)...)...)
			if e.code != row.code || !strings.Contains(e.err, row.says) {
				t.Errorf("exit %d, %q, want %d, %q", e.code, e.err, row.code, row.says)
			}
			for _, secret := range []string{"hunter2", "horse", "abandon"} {
				if strings.Contains(e.err, secret) {
					t.Errorf("tells a secret: %s", e.err)
				}
			}
		})
	}
}

// Of what Channels says of itself a node must have heard once; then it runs with the
// chain away. A note in the store stands for that it was heard.
func TestFirstStartSeesTheLaw(t *testing.T) {
	data, path := aNode(t)
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, fmt.Appendf(text, "eth_rpc: [%q]\neth_contract: %q\neth_channels: %q\neth_secrets: %q\n", httpServer(t), ethAddress, ethAddress, ethAddress), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e := photon(ctx, "", "node", "--config", path)
	if e.code != exitFailed || !strings.Contains(e.err, "photon: the rules of Channels on ETH, which a first start must see: ") {
		t.Fatalf("exit %d, %q", e.code, e.err)
	}
	kept, err := store.Open(t.Context(), "sqlite:"+filepath.Join(data, "photon.db"))
	must(t, err)
	must(t, errors.Join(kept.Put(t.Context(), "punish/1/"+ethAddress, []byte{0, 0, 0, 0, 0, 0, 0, 100}), kept.Close()))
	running, stop := context.WithCancel(ctx)
	ended := make(chan ending, 1)
	go func() { ended <- photon(running, "", "node", "--config", path) }()
	e = photon(ctx, "", "channel", "list", "--data", data)
	for ; e.code == exitUnreachable && ctx.Err() == nil; e = photon(ctx, "", "channel", "list", "--data", data) {
		select {
		case early := <-ended:
			t.Fatalf("ended early: %+v", early)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if e.code != 0 {
		t.Errorf("channels: %+v", e)
	}
	e = photon(ctx, "", "channel", "open", charlie.Hex(), "1eth", "--yes", "--data", data)
	if e.code != exitRefused || !strings.Contains(e.err, "our view of the chain is too old") {
		t.Errorf("open: %+v", e)
	}
	stop()
	if e := <-ended; e.code != 0 {
		t.Errorf("ended with %+v", e)
	}
}

func httpServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return s.URL
}

// A node whose chain is down runs, says that it is not ready, is found by its
// data folder, lets nobody else in, and ends well when it is told to stop.
func TestNodeOfASilentChain(t *testing.T) {
	data, path := aNode(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan ending, 1)
	go func() { ended <- photon(ctx, "", "node", "--config", path) }()
	balance := func() ending { return photon(t.Context(), "", "wallet", "balance", "--data", data) }
	e := balance()
	for deadline := time.Now().Add(time.Minute); e.code != 0 && time.Now().Before(deadline); e = balance() {
		select {
		case early := <-ended:
			t.Fatalf("ended early: %+v", early)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if e.code != 0 || !strings.Contains(e.out, "the chain does not answer") {
		t.Errorf("balance: %+v", e)
	}
	for name, want := range map[string]os.FileMode{tokenFile: 0o600, addressFile: 0o600, journalFile: 0o600, keyFile: 0o600, "photon.db": 0o600, "node.lock": 0o600} {
		info, err := os.Stat(filepath.Join(data, name))
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	if second := photon(t.Context(), "", "node", "--config", path); second.code != exitRefused || !strings.Contains(second.err, "another process runs a node on "+data) {
		t.Errorf("a second node: %+v", second)
	}
	journal := filepath.Join(t.TempDir(), "journal")
	must(t, os.WriteFile(journal, nil, 0o600))
	if rescue := photon(t.Context(), "", "swap", "rescue", journal, "--config", path); rescue.code != exitRefused || !strings.Contains(rescue.err, "another process runs a node on "+data) {
		t.Errorf("a rescue beside it: %+v", rescue)
	}
	if e := balance(); e.code != 0 {
		t.Errorf("after the rescue was refused the node is not found any more: %+v", e)
	}
	stop()
	if e := <-ended; e.code != 0 || e.err != "" {
		t.Errorf("ended with %+v", e)
	}
	if e := balance(); e.code != exitUnreachable {
		t.Errorf("after its end: %+v", e)
	}
}

func TestToken(t *testing.T) {
	data := t.TempDir()
	made, err := apiToken(data)
	must(t, err)
	again, err := apiToken(data)
	must(t, err)
	other, err := apiToken(t.TempDir())
	must(t, err)
	if len(made) != 64 || made != again || made == other {
		t.Errorf("tokens %q, then %q; elsewhere %q", made, again, other)
	}
	must(t, os.Remove(filepath.Join(data, tokenFile)))
	must(t, os.Mkdir(filepath.Join(data, tokenFile), 0o700))
	if _, err := apiToken(data); err == nil {
		t.Error("a folder is no token")
	}
}

// Each row is a journal that no rescue can begin with.
func TestRescueRefuses(t *testing.T) {
	stranger, err := keys.Restore("legal winner thank year wave sausage worth useful legal winner thank yellow")
	must(t, err)
	theirs, err := stranger.SealLog([]byte("a record"))
	must(t, err)
	for _, row := range []struct {
		name string
		text []byte
		code int
		says string
	}{
		{"none", nil, 2, "photon: usage: journal: open "},
		{"another's", theirs, 3, "photon: journal: line 2: not yours: sealed by another mnemonic"},
		{"empty", []byte{}, 3, "photon: refused: the journal is empty: no swap of it came as far as a lock"},
		{"no journal", []byte("a letter to my bank\n"), 2, "photon: journal: line 1: not a whole record of a rescue log"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, path := aNode(t)
			journal := filepath.Join(t.TempDir(), "journal")
			if row.text != nil {
				must(t, os.WriteFile(journal, row.text, 0o600))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			e := photon(ctx, "", "swap", "rescue", journal, "--config", path)
			if e.code != row.code || !strings.Contains(e.err, row.says) || e.out != "" {
				t.Errorf("exit %d, %q, want %d, %q; on standard output %q", e.code, e.err, row.code, row.says, e.out)
			}
		})
	}
}
