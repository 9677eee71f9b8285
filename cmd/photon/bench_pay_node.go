package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"

	"photon/adapters/peer"
	"photon/adapters/store"
	"photon/contracts"
	"photon/node"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

var (
	_ node.Store = (*store.Store)(nil)
	_ node.Peer  = (*peer.Lines)(nil)
)

// A payNodeConfig is what a node process of the bench is told first.
type payNodeConfig struct {
	Name    string   `json:"name"` // its keys follow from it
	Folder  string   `json:"folder"`
	Listen  string   `json:"listen"` // multiaddr
	With    []string `json:"with"`   // names of those it has a channel with
	Idle    int      `json:"idle"`   // channels beside, with nodes that are not there
	Profile string   `json:"profile"`
}

// An order is what the bench asks of a node process, a line of JSON; an outcome is
// its answer, with the same number. They may cross.
type order struct {
	Number   int               `json:"number"`
	Do       string            `json:"do"`
	At       string            `json:"at,omitempty"`
	To       string            `json:"to,omitempty"`
	Via      string            `json:"via,omitempty"`
	Count    int               `json:"count,omitempty"`
	Callers  int               `json:"callers,omitempty"`
	For      time.Duration     `json:"for,omitempty"`
	Tell     bool              `json:"tell,omitempty"` // of every payment that is done, at once
	Invoices []message.Invoice `json:"invoices,omitempty"`
}

type outcome struct {
	Number   int               `json:"number"`
	Error    string            `json:"error,omitempty"`
	At       string            `json:"at,omitempty"`
	Took     []time.Duration   `json:"took,omitempty"` // of each payment, or of a block
	Done     []contracts.Hash  `json:"done,omitempty"` // number is 0: more have come to their end
	Invoices []message.Invoice `json:"invoices,omitempty"`
	Counts   payCounts         `json:"counts"`
	Rest     bool              `json:"rest,omitempty"`
}

// payNodeCommand is a node process of the bench: it lives as long as its input.
func payNodeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "pay-node", Short: "is one node of bench pay", Hidden: true, Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runPayNode(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// payKey is the key of a node of the bench, for its account and its identity.
func payKey(name string) *btcec.PrivateKey { return benchKey("pay " + name) }

// payAccount is its account.
func payAccount(name string) contracts.Address {
	return crypto.PubkeyToAddress(payKey(name).ToECDSA().PublicKey)
}

// paySecrets signs with a real key, and derives secrets of it.
type paySecrets struct{ key *ecdsa.PrivateKey }

func (s paySecrets) InvoiceSecret(number uint64) contracts.Secret {
	return sha256.Sum256(binary.BigEndian.AppendUint64(crypto.FromECDSA(s.key), number))
}

func (s paySecrets) SignDigest(digest contracts.Hash) (contracts.Signature, error) {
	raw, err := crypto.Sign(digest[:], s.key)
	if err != nil {
		return contracts.Signature{}, err
	}
	return contracts.ParseSignature(raw)
}

// A payNode is a node process of the bench from within.
type payNode struct {
	cfg   payNodeConfig
	node  *node.Node
	peer  *peer.Node
	chain *payChain
	store *countingStore

	mu  sync.Mutex // guards out
	out *json.Encoder
}

// runPayNode runs a node, real but for its chain, and does what it is told on in.
func runPayNode(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	orders := json.NewDecoder(bufio.NewReader(in))
	p := &payNode{out: json.NewEncoder(out)}
	if err := orders.Decode(&p.cfg); err != nil {
		return fmt.Errorf("read the config: %w", err)
	}
	if p.cfg.Profile != "" {
		stop, err := profile(p.cfg.Profile, p.cfg.Name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	kept, err := store.Open(ctx, "sqlite:"+filepath.Join(p.cfg.Folder, "photon.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	log := slog.New(slog.DiscardHandler)
	peer.LogLibrary(log.Handler())
	key := payKey(p.cfg.Name)
	p.peer, err = peer.New(peer.Config{Identity: key.Serialize(), Account: key.ToECDSA(), Realm: "dev", Listen: []string{p.cfg.Listen}, Book: kept, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.peer.Close()) }()
	p.store, p.chain = &countingStore{Store: kept}, newPayChain(p.cfg.history())
	p.node = node.New(node.Config{
		Ledger: payLedger(p.cfg.Name), Chains: map[contracts.Chain]node.Ledger{payAsset.Chain: p.chain},
		Peer: p.peer.Lines(), Store: p.store, Secrets: paySecrets{key.ToECDSA()}, Log: log,
	})
	p.peer.Lines().Handle(p.node.Deliver)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.node.Run(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-ended)
	}()
	select {
	case <-p.node.Ready():
	case err := <-ended:
		ended <- nil
		return fmt.Errorf("ended before it was ready: %w", err)
	}
	p.tell(outcome{At: p.peer.Addresses()[0]})
	return p.obey(ctx, orders)
}

// profile writes where the time of this process goes into a file of the folder.
func profile(folder, name string) (stop func() error, err error) {
	f, err := os.CreateTemp(folder, "pay-"+name+"-*.pprof")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}

// payLedger are the rules of a node.
func payLedger(name string) ledger.Config {
	return ledger.Config{
		Self: payAccount(name), Relay: true, Limits: ledger.Limits{Locks: message.MaxLocks, Share: 1_000_000, Open: 1_000_000},
		Chains: map[contracts.Chain]ledger.Terms{payAsset.Chain: {
			Contract: payContract, Rules: channel.Rules{Reveal: 30, Punish: 60, Grace: 2}, StaleAfter: 300, DirectFor: 3600,
		}},
	}
}

// payDeposit is what each party has put into each channel.
func payDeposit() contracts.Amount { return contracts.Units(1 << 50) }

// history is what the chain tells of the node's channels.
func (c payNodeConfig) history() (all []channel.Happened) {
	for _, name := range c.With {
		all = append(all, opened(payAccount(c.Name), payAccount(name), payDeposit())...)
	}
	for i := range c.Idle {
		all = append(all, opened(payAccount(c.Name), idlePartner(i), payDeposit())...)
	}
	return all
}

func idlePartner(i int) contracts.Address { return gasAccount(fmt.Sprint("idle partner ", i)) }

// obey carries out orders, many at a time, until there are no more.
func (p *payNode) obey(ctx context.Context, orders *json.Decoder) error {
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		work.Go(func() {
			result, err := p.do(ctx, o)
			if err != nil {
				result.Error = err.Error()
			}
			result.Number, result.Counts = o.Number, p.store.counts()
			p.tell(result)
		})
	}
}

// tell prints an outcome. When nobody reads it any more, the input ends as well.
func (p *payNode) tell(o outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.out.Encode(o)
}

func (p *payNode) do(ctx context.Context, o order) (outcome, error) {
	switch o.Do {
	case "connect":
		_, err := p.peer.Connect(ctx, o.At)
		return outcome{}, err
	case "pay":
		return p.pay(ctx, o)
	case "invoice":
		return p.invoice(ctx, o)
	case "settle":
		return p.settle(ctx, o)
	case "mine":
		return p.mine(ctx, o)
	case "rest":
		return p.rests(ctx)
	case "count":
		return outcome{}, nil
	}
	return outcome{}, fmt.Errorf("%w: no order %q", errUsage, o.Do)
}

// mine has one deposit made in each of so many idle channels, by one block.
func (p *payNode) mine(ctx context.Context, o order) (outcome, error) {
	events := make([]channel.Happened, o.Count)
	self := payAccount(p.cfg.Name)
	for i := range events {
		name := contracts.NameChannel(payAsset.Token, self, idlePartner(i), payBlock)
		events[i] = deposited(name, name.First == self, payDeposit().Plus(contracts.Units(1)), 0)
	}
	took, err := p.chain.mine(ctx, events)
	return outcome{Took: []time.Duration{took}}, err
}

// rests reports whether nothing is on its way in any channel.
func (p *payNode) rests(ctx context.Context) (outcome, error) {
	all, err := p.node.Channels(ctx)
	rest := true
	for _, c := range all {
		rest = rest && len(c.Us.Queue) == 0 && len(c.Us.Flight) == 0 && len(c.Us.Locks) == 0 && len(c.Them.Locks) == 0
	}
	return outcome{Rest: rest}, err
}
