package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"photon/adapters/store"
	"photon/contracts"
	"photon/swap/trade"
)

// drawer is a store that holds these trades, or fails.
type drawer struct {
	open []trade.Trade
	err  error
}

func (d drawer) Trades(context.Context, bool) ([]trade.Trade, error) { return d.open, d.err }

// Each row is what is under way as a node stops at noon.
func TestFarewell(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	of := func(n byte, s trade.Status, theirs time.Duration) trade.Trade {
		swap := someTrade(s, 2)
		swap.ID, swap.Theirs.Terms.Expiry = contracts.Hash{n}, uint64(noon.Add(theirs).Unix())
		return swap
	}
	one, two := contracts.Hash{1}.String(), contracts.Hash{2}.String()
	for _, row := range []struct {
		name string
		open []trade.Trade
		says string // "": nothing
		log  string
	}{
		{"nothing", nil, "", ""},
		{"nothing at stake", []trade.Trade{of(1, trade.Proposed, time.Hour)}, "under way: 1; they are kept, and go on when the node runs again. Nothing of yours is locked in them.", "open=1 at_stake=0"},
		{"one", []trade.Trade{of(1, trade.Locking, 100*time.Hour)}, "under way: 1; they are kept, and go on when the node runs again. It must be back well before 2026-01-06 16:00, or swap " + one, "open=1 at_stake=1 back_by=1767715200"},
		{"the earliest counts", []trade.Trade{of(1, trade.Locking, 101*time.Hour), of(2, trade.Redeeming, 100*time.Hour), of(3, trade.Proposed, time.Hour)}, "under way: 3; they are kept, and go on when the node runs again. It must be back well before 2026-01-06 16:00, or swap " + two, "open=3 at_stake=2 back_by=1767715200"},
		{"a second left", []trade.Trade{of(1, trade.Locking, time.Second)}, "back well before 2026-01-02 12:00", "at_stake=1"},
		{"no time left", []trade.Trade{of(1, trade.Locking, 0)}, "Start it again at once: swap " + one, "at_stake=1"},
		{"none that can be helped", []trade.Trade{of(1, trade.Stranded, time.Hour), {ID: contracts.Hash{2}, Protocol: 2}}, "", ""},
		{"refunding", []trade.Trade{of(2, trade.Refunding, time.Hour)}, "What you take back waits for it.", "at_stake=1"},
		{"refunding, and another", []trade.Trade{of(2, trade.Refunding, time.Hour), of(1, trade.Locking, time.Hour)}, "back well before 2026-01-02 13:00, or swap " + one, "at_stake=2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var said, logged bytes.Buffer
			must(t, farewell(drawer{open: row.open}, noon, &said, slog.New(slog.NewTextHandler(&logged, nil))))
			if lines := strings.Count(said.String(), "\n"); lines != min(len(row.says), 1) || !strings.Contains(said.String(), row.says) {
				t.Errorf("said %q, want %q", said.String(), row.says)
			}
			if !strings.Contains(logged.String(), row.log) || strings.Contains(logged.String(), "level=WARN") != (row.log != "") {
				t.Errorf("logged %q, want %q", logged.String(), row.log)
			}
		})
	}
	full := errors.New("disk failed")
	if err := farewell(drawer{err: full}, noon, &bytes.Buffer{}, slog.New(slog.DiscardHandler)); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

// asPhoton names the variable that makes this test program be photon.
const asPhoton = "TEST_IS_PHOTON"

// underWay stores a swap that the node of data has locked for, and returns it.
func underWay(t *testing.T, data string) trade.Trade {
	t.Helper()
	key := func(name string) contracts.Party {
		digest := sha256.Sum256([]byte(name))
		_, public := btcec.PrivKeyFromBytes(digest[:])
		return public.SerializeCompressed()
	}
	swap := someTrade(trade.Locking, 2)
	swap.Theirs.Terms.Expiry = uint64(time.Now().Add(100 * time.Hour).Unix())
	swap.Ours.Terms.Expiry = uint64(time.Now().Add(200 * time.Hour).Unix())
	swap.Ours.Terms.Redeemer, swap.Ours.Terms.Refunder, swap.Version = key("bob"), key("alice"), 1
	kept, err := store.Open(t.Context(), "sqlite:"+filepath.Join(data, "photon.db"))
	must(t, err)
	must(t, errors.Join(kept.Save(t.Context(), trade.Change{Trades: []trade.Trade{swap}}), kept.Close()))
	return swap
}

// process starts a node as a process of its own and returns it with the address of
// its API.
func process(t *testing.T, data, path string) (node *exec.Cmd, said *bytes.Buffer, address string) {
	t.Helper()
	node, said = exec.Command(os.Args[0], "node", "--config", path), &bytes.Buffer{}
	node.Env = append(os.Environ(), asPhoton+"=1")
	node.Stderr = said
	must(t, node.Start())
	t.Cleanup(func() {
		if node.ProcessState == nil {
			node.Process.Kill()
			node.Wait()
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(data, addressFile))
		if address = strings.TrimPrefix(strings.TrimSpace(string(text)), "http://"); err != nil || !listens(address) {
			continue
		}
		return node, said, address
	}
	t.Fatalf("the node does not listen: %s", said)
	return nil, nil, ""
}

func listens(address string) bool {
	line, err := net.Dial("tcp", address)
	if err == nil {
		line.Close()
	}
	return err == nil
}

// A node that is told to stop while a swap is under way says so, keeps it, and
// ends well.
func TestStoppedWithASwapUnderWay(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			data, path := aNode(t)
			swap := underWay(t, data)
			node, said, _ := process(t, data, path)
			must(t, node.Process.Signal(signal))
			if err := node.Wait(); err != nil {
				t.Errorf("ended with %v", err)
			}
			line := fmt.Sprintf("photon: swaps under way: 1; they are kept, and go on when the node runs again. It must be back well before %s, or swap %s",
				when(swap.Theirs.Terms.Expiry), swap.ID)
			if text := said.String(); !strings.Contains(text, line) || !strings.Contains(text, `level=WARN msg="stopped with swaps under way" open=1 at_stake=1`) {
				t.Errorf("said\n%s", text)
			}
			kept, err := store.Open(t.Context(), "sqlite:"+filepath.Join(data, "photon.db"))
			must(t, err)
			open, err := kept.Trades(t.Context(), false)
			if must(t, errors.Join(err, kept.Close())); len(open) != 1 || open[0].ID != swap.ID {
				t.Errorf("kept %+v", open)
			}
		})
	}
}

// Somebody holds a request to the API open, which a node waits for a while. A
// second signal ends it at once; without one it ends by itself, and well.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	for _, twice := range []bool{true, false} {
		t.Run(fmt.Sprintf("twice %t", twice), func(t *testing.T) {
			data, path := aNode(t)
			node, said, address := process(t, data, path)
			token, err := os.ReadFile(filepath.Join(data, tokenFile))
			must(t, err)
			held, err := net.Dial("tcp", address)
			must(t, err)
			t.Cleanup(func() { held.Close() })
			_, err = fmt.Fprintf(held, "POST /v1/quotes HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
				address, strings.TrimSpace(string(token)))
			must(t, err)
			begun := make([]byte, len("HTTP/1.1 100"))
			if _, err := held.Read(begun); err != nil || string(begun) != "HTTP/1.1 100" {
				t.Fatalf("the request is not held: %q, %v", begun, err)
			}
			must(t, node.Process.Signal(syscall.SIGTERM))
			for deadline := time.Now().Add(time.Minute); listens(address) && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			if twice {
				must(t, node.Process.Signal(syscall.SIGTERM))
			}
			err = node.Wait()
			status, is := node.ProcessState.Sys().(syscall.WaitStatus)
			if killed := is && status.Signaled() && status.Signal() == syscall.SIGTERM; killed != twice || (!twice && err != nil) {
				t.Errorf("ended with %v, said\n%s", err, said)
			}
		})
	}
}
