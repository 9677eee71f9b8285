package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"photon/adapters/keys"
	"photon/adapters/peer"
	"photon/adapters/store"
	"photon/contracts"
	"photon/node"
	"photon/swap"
	"photon/swap/trade"
	"photon/web"
)

func nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "node", Short: "runs a node until it is told to stop", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := readConfig(cmd.Flags())
			if err != nil {
				return err
			}
			return runNode(cmd.Context(), cfg, cmd.ErrOrStderr(), nil)
		},
	}
	configFlags(cmd.Flags())
	return cmd
}

// runNode opens what a node is made of, joins it, and runs it until ctx ends; then
// it warns on say of swaps under way. What was opened is closed in reverse. before,
// which may be nil, is called when the journal is open and nothing runs yet.
func runNode(ctx context.Context, cfg config, say io.Writer, before func(*keys.Journal) error) error {
	log := cfg.logger()
	peer.LogLibrary(log.Handler())
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockData(cfg.Data)
	if err != nil {
		return err
	}
	defer closing(log, "lock", lock.Close)
	password, err := readPassword(cfg.Data, cfg.Password)
	if err != nil {
		return err
	}
	ring, err := unlock(filepath.Join(cfg.Data, keyFile), password)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: no keys in %s yet: make some with photon keys new, or photon keys restore", errRefused, cfg.Data)
	}
	if err != nil {
		return err
	}
	kept, err := store.Open(ctx, cfg.Database)
	if err != nil {
		return err
	}
	defer closing(log, "store", kept.Close)
	journal, err := ring.OpenJournal(filepath.Join(cfg.Data, journalFile))
	if err != nil {
		return err
	}
	defer closing(log, "journal", journal.Close)
	if before != nil {
		if err := before(journal); err != nil {
			return err
		}
	}
	ledgers, err := openLedgers(ctx, cfg, ring, kept, log)
	if err != nil {
		return err
	}
	listen := cfg.PeerListen
	if len(listen) == 0 && cfg.Realm != "dev" {
		listen = []string{"/ip4/0.0.0.0/tcp/8646"}
	}
	peers, err := peer.New(peer.Config{
		Identity: ring.Identity(), Account: ring.Account(contracts.ETH), Realm: cfg.Realm, Log: log,
		Listen: listen, MDNS: cfg.LAN, Book: kept,
	})
	if err != nil {
		return err
	}
	defer closing(log, "peer", peers.Close)
	times, err := cfg.times()
	if err != nil {
		return err
	}
	boards, err := cfg.boardClients()
	if err != nil {
		return err
	}
	feed := web.NewFeed(4096)
	desk := swap.New(swap.Config{
		Ledgers: ledgers, Contracts: cfg.contracts(), Confirmations: cfg.confirmations(), Peer: peers, Store: kept, Offers: kept, Journal: journal,
		Secrets: ring, Verify: peer.Verify, Profile: times, Boards: boards, Assets: cfg.assets(), Realm: cfg.Realm, RefundOnly: cfg.RefundOnly, AtOnce: cfg.AtOnce, Notify: feed.Publish, Log: log,
	})
	peers.Handle(desk.Receive)
	paying, err := openPaying(ctx, cfg, ledgers, ring, kept, peers.Lines(), feed, log)
	if err != nil {
		return err
	}
	r := rooms{desk: desk, paying: paying, peers: peers, ledgers: ledgers, kept: kept, feed: feed}
	if err := r.serve(ctx, cfg, log); err != nil {
		return err
	}
	return farewell(kept, time.Now(), say, log)
}

// The rooms of a node that run side by side, and what they are asked through.
type rooms struct {
	desk    *swap.Desk
	paying  *node.Node
	peers   *peer.Node
	ledgers map[contracts.Chain]swap.Ledger
	kept    *store.Store
	feed    *web.Feed
}

// serve runs the desk, the payment node and their API; the end of one ends all.
func (r rooms) serve(ctx context.Context, cfg config, log *slog.Logger) error {
	token, err := apiToken(cfg.Data)
	if err != nil {
		return err
	}
	wallets := map[contracts.Chain]web.Wallet{}
	for c, l := range r.ledgers {
		wallets[c] = l.(web.Wallet)
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler, err := web.New(web.Config{
		Maker: r.desk, Taker: r.desk, Book: r.desk, Wallets: wallets, Status: status{r.desk, r.paying, cfg.RefundOnly}, Peers: r.peers, Feed: r.feed,
		Channels: r.paying, Payer: r.paying, Archive: r.kept,
		Tokens: cfg.tokens(), Version: version(), Realm: cfg.Realm, Features: r.features(),
		Token: token, Hosts: cfg.Hosts, Metrics: metrics, Log: log,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for the API: %w", err)
	}
	if err := writeFile(filepath.Join(cfg.Data, addressFile), "http://"+listener.Addr().String()); err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.desk.Run(ctx) })
	g.Go(func() error { return r.paying.Run(ctx) })
	g.Go(func() error { return serveUntil(ctx, server, listener, r.feed.Close) })
	log.Info("started", "identity", r.peers.Self(), "api", listener.Addr(), "peers", r.peers.Addresses())
	return g.Wait()
}

// features are what the node can do.
func (r rooms) features() []string {
	if len(r.paying.Chains) == 0 {
		return []string{"swap"}
	}
	return []string{"swap", "channels"}
}

// closing closes what was opened and says so when that fails.
func closing(log *slog.Logger, what string, closer func() error) {
	if err := closer(); err != nil {
		log.Error("could not close", "what", what, "err", err)
	}
}

// The files of a data folder beside the key file and the store. By the first two
// commands on this machine find a node.
const (
	tokenFile   = "token"
	addressFile = "api"
	journalFile = "journal" // keep a copy elsewhere: with the mnemonic it rescues swaps
)

// lockData keeps a second node off the data folder for as long as the lock is
// open, whatever database either uses: they would write one journal. Errors:
// errRefused.
func lockData(data string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(data, "node.lock"), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if !held {
		return nil, fmt.Errorf("%w: another process runs a node on %s", errRefused, data)
	}
	return lock, nil
}

// apiToken reads the token that callers must show, or makes one.
func apiToken(data string) (string, error) {
	path := filepath.Join(data, tokenFile)
	raw, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("token file: %w", err)
	}
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	token := hex.EncodeToString(b[:])
	return token, writeFile(path, token)
}

// writeFile writes a small file for our own eyes, whole or not at all.
func writeFile(path, text string) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, []byte(text+"\n"), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// A status is how a node is, in the API's words.
type status struct {
	desk       *swap.Desk
	paying     *node.Node
	refundOnly bool
}

// Ready says why the node cannot serve.
func (s status) Ready(ctx context.Context) error {
	select {
	case <-s.desk.Ready():
	default:
		heads, err := s.desk.Heads(ctx)
		if err != nil {
			return err
		}
		var silent []string
		for c := range s.desk.Ledgers {
			if _, told := heads[c]; !told {
				silent = append(silent, string(c))
			}
		}
		return fmt.Errorf("no block yet of %s", strings.Join(silent, ", "))
	}
	if len(s.paying.Chains) == 0 {
		return nil
	}
	select {
	case <-s.paying.Ready():
		return nil
	default:
		return errors.New("a chain with channels has not told its newest block yet")
	}
}

// Heads returns the newest block of each chain.
func (s status) Heads(ctx context.Context) (map[contracts.Chain]trade.Head, error) {
	return s.desk.Heads(ctx)
}

// Mode is "normal" or "refund-only".
func (s status) Mode() string {
	if s.refundOnly {
		return "refund-only"
	}
	return "normal"
}
