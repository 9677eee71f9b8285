package utxo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// Keys are our private keys. In the house: adapters/keys.
type Keys interface {
	// SwapKey is ours in the trade with this number.
	SwapKey(chain contracts.Chain, number uint64) *btcec.PrivateKey
	// Wallet is the account m/84'/coin'/0' (BIP-84), private.
	Wallet(chain contracts.Chain) *hdkeychain.ExtendedKey
}

// A Book keeps a few values between runs. In the house: adapters/store.
type Book interface {
	// Get returns nothing, and no error, for a key that was never put.
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
}

// A Config is all that a chain can be told.
type Config struct {
	Coin      Coin
	Endpoints []Endpoint // nodes; all are asked to agree before a lock counts
	Nodes     []Node     // in place of Endpoints
	Keys      Keys
	Funds     Funds            // whose wallet pays; default OwnWallet
	Wallet    string           // of NodeWallet: its name; "": the only one that the node has loaded
	Poll      time.Duration    // between looks at the tip; default 5 s
	From      int64            // height of the first block that can pay the wallet
	Book      Book             // nil: each run begins at From
	Log       *slog.Logger     // nil: nothing is logged
	Now       func() time.Time // the wall clock; nil: the machine's
}

// A Chain fills the ports of the swap room for one coin: the fates of legs, the
// transactions that make them, joint signatures, and the wallet. It is safe for
// concurrent use; [Chain.Follow] runs once at a time.
type Chain struct {
	coin  Coin
	nodes *pool
	keys  Keys
	poll  time.Duration
	from  int64
	book  Book
	log   *slog.Logger
	now   func() time.Time
	wake  chan struct{} // there is something to look at before the next poll
	purse purse

	funding sync.Mutex // held from the choice of coins until they are reserved; before mu

	mu      sync.Mutex
	blocks  []mined // the newest that were looked through, oldest first
	index   *index
	wallet  *wallet
	unread  []*leg // watched, but the blocks before were not looked through
	waiting waiting
	payees  map[payee][]byte // output scripts given to orders
	rate    int64            // last good estimate
	behind  int              // looks in a row in which the node was below our tip
	still   int              // looks in a row in which it had nothing new
	stored  int64            // height at the last snapshot
	current bool             // the tip was reached once
	shaken  bool             // what waits must be looked through again: a watch or a reorganisation came between
	lost    bool             // a reorganisation went below all that is remembered: the snapshot is worthless
}

// A mined is a block that was looked through.
type mined struct {
	Hash   chainhash.Hash `json:"hash"`
	Height int64          `json:"height"`
	Time   int64          `json:"time"` // Unix seconds, of its header
	Bits   uint32         `json:"bits"` // the work that it asks for; 0: not known
}

// A payee is what an output script of ours was given to: asked again, the same
// order gets the same.
type payee struct {
	leg     legKey
	purpose trade.Purpose
}

// New returns a chain of cfg.Coin. Nothing is asked of any node yet.
// Errors: contracts.ErrChain, and every other fault of cfg in words.
func New(cfg Config) (*Chain, error) {
	if err := cfg.Coin.check(); err != nil {
		return nil, err
	}
	nodes := cfg.Nodes
	for _, e := range cfg.Endpoints {
		n, err := newRPCNode(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.Coin.Chain, err)
		}
		nodes = append(nodes, n)
	}
	if len(nodes) == 0 || cfg.Keys == nil || cfg.From < 0 {
		return nil, fmt.Errorf("%s: %d nodes, keys %t, first height %d: not enough to begin", cfg.Coin.Chain, len(nodes), cfg.Keys != nil, cfg.From)
	}
	if cfg.Poll <= 0 {
		cfg.Poll = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	account := cfg.Keys.Wallet(cfg.Coin.Chain)
	if account == nil || !account.IsPrivate() {
		return nil, fmt.Errorf("%s: no private account for the wallet", cfg.Coin.Chain)
	}
	w, err := newWallet(cfg.Coin, account)
	if err != nil {
		return nil, err
	}
	c := &Chain{
		coin: cfg.Coin, nodes: newPool(cfg.Coin, nodes, cfg.Log), keys: cfg.Keys, poll: cfg.Poll, from: cfg.From, book: cfg.Book,
		log: cfg.Log, now: cfg.Now, wake: make(chan struct{}, 1), index: newIndex(cfg.Coin, w.value), wallet: w,
		waiting: newWaiting(), payees: map[payee][]byte{},
	}
	c.purse, err = c.open(cfg)
	return c, err
}

// open makes the purse that cfg asks for.
func (c *Chain) open(cfg Config) (purse, error) {
	switch {
	case cfg.Funds == NodeWallet && len(cfg.Endpoints) > 0:
		return newNodeWallet(c, cfg.Endpoints[0], cfg.Wallet)
	case cfg.Funds != OwnWallet || cfg.Wallet != "":
		return nil, fmt.Errorf("%s: %w: %q of funds %d at %d endpoints", c.coin.Chain, ErrWallet, cfg.Wallet, cfg.Funds, len(cfg.Endpoints))
	}
	return own{c}, nil
}

// Check asks every node for its first block. Errors: ErrNetwork when one is of
// another network, ErrDown when none answers; ErrNoWallet, ErrWallet when the
// node's wallet that pays cannot be used.
func (c *Chain) Check(ctx context.Context) error {
	_, errs := each(ctx, c.nodes, func(Node) (struct{}, error) { return struct{}{}, nil })
	down := 0
	for _, err := range errs {
		if errors.Is(err, ErrNetwork) {
			return err
		}
		if err != nil {
			down++
		}
	}
	if down == len(errs) {
		return errors.Join(errs...)
	}
	return c.purse.check(ctx)
}

// Party is our public key in the trade with this number, compressed.
func (c *Chain) Party(_ context.Context, number uint64) (contracts.Party, error) {
	return c.keys.SwapKey(c.coin.Chain, number).PubKey().SerializeCompressed(), nil
}

// Head is the newest block that Follow has looked through; before the first, the
// newest that a node knows.
func (c *Chain) Head(ctx context.Context) (trade.Head, error) {
	c.mu.Lock()
	if c.current {
		defer c.mu.Unlock()
		return c.head(), nil
	}
	c.mu.Unlock()
	tip, err := c.nodes.tip(ctx)
	if err != nil {
		return trade.Head{}, err
	}
	var times []int64
	for hash := tip.Hash; len(times) < medianOf && hash != (chainhash.Hash{}); {
		h, err := c.nodes.header(ctx, hash)
		if err != nil {
			return trade.Head{}, err
		}
		times, hash = append(times, h.Timestamp.Unix()), h.PrevBlock
	}
	return trade.Head{Height: uint64(tip.Height), Hash: display(tip.Hash), Time: median(times)}, nil
}

// medianOf is how many blocks the median time past looks at (BIP-113).
const medianOf = 11

func median(times []int64) uint64 {
	if len(times) == 0 {
		return 0
	}
	times = slices.Sorted(slices.Values(times))
	return uint64(times[len(times)/2])
}

// head is the newest of c.blocks. c.mu is held.
func (c *Chain) head() trade.Head {
	if len(c.blocks) == 0 {
		return trade.Head{}
	}
	var times []int64
	for _, b := range c.blocks[max(0, len(c.blocks)-medianOf):] {
		times = append(times, b.Time)
	}
	b := c.blocks[len(c.blocks)-1]
	return trade.Head{Height: uint64(b.Height), Hash: display(b.Hash), Time: median(times)}
}

// Watch adds legs to those whose fates Follow delivers. The blocks from each
// leg's first on are looked through once for all of them.
// Errors: contracts.ErrTerms; then none is added.
func (c *Chain) Watch(_ context.Context, legs ...trade.Watch) error {
	scripts, err := c.scripts(legs)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range legs {
		if l := c.index.add(w, scripts[i]); l != nil {
			c.unread = append(c.unread, l)
		}
	}
	c.poke()
	return nil
}

// scripts makes the script of each leg, on all processors: a joint key takes most
// of a millisecond, and a node that starts watches thousands.
func (c *Chain) scripts(legs []trade.Watch) ([]contracts.Script, error) {
	scripts, errs := make([]contracts.Script, len(legs)), make([]error, len(legs))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(legs)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(legs)); i = next.Add(1) - 1 {
				if errs[i] = c.native(legs[i].Terms.Asset); errs[i] == nil {
					scripts[i], errs[i] = contracts.NewScript(legs[i].Terms)
				}
			}
		})
	}
	wait.Wait()
	return scripts, errors.Join(errs...)
}

// Forget ends the watch of legs.
func (c *Chain) Forget(legs ...trade.Watch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range legs {
		c.index.remove(w)
		key := legKey{w.ID, w.Side}
		for _, p := range []trade.Purpose{trade.Lock, trade.Redeem, trade.Refund} {
			delete(c.payees, payee{key, p})
		}
		c.unread = slices.DeleteFunc(c.unread, func(l *leg) bool { return l.watch.ID == w.ID && l.watch.Side == w.Side })
	}
}

// Strays are outputs that pay a watched leg's script and do not count as its
// lock: a second funding, another amount. Whoever locked them can refund them.
func (c *Chain) Strays(w trade.Watch) (spots []trade.Spot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.index.legs[legKey{w.ID, w.Side}]
	if l == nil {
		return nil
	}
	counts := c.index.counts(l, c.tip())
	for _, k := range l.target.locks {
		if k != counts && len(k.ends) == 0 {
			spots = append(spots, *k.spot())
		}
	}
	return spots
}

// tip is the height of the newest of c.blocks. c.mu is held.
func (c *Chain) tip() int64 {
	if len(c.blocks) == 0 {
		return 0
	}
	return c.blocks[len(c.blocks)-1].Height
}

// poke makes Follow look at once.
func (c *Chain) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Balance is the wallet's: what can be spent, and what is on its way. Coins of a
// node's wallet that cannot fund a lock are in neither.
// Errors: contracts.ErrTerms for another asset, trade.ErrNotYet until the chain
// was looked through; of a node's wallet ErrDown, ErrWallet, ErrNoWallet.
func (c *Chain) Balance(ctx context.Context, asset contracts.Asset) (confirmed, pending contracts.Amount, err error) {
	if err := c.native(asset); err != nil {
		return confirmed, pending, err
	}
	have, soon, err := c.purse.balance(ctx)
	if err != nil {
		return confirmed, pending, err
	}
	return contracts.Units(uint64(have)), contracts.Units(uint64(soon)), nil
}

// native refuses every asset but the coin itself. Errors: contracts.ErrTerms.
func (c *Chain) native(asset contracts.Asset) error {
	if asset != contracts.Native(c.coin.Chain) {
		return fmt.Errorf("%w: %s on %s", contracts.ErrTerms, asset, c.coin.Chain)
	}
	return nil
}

// Address is the wallet's, one that was never paid. Errors: of a node's wallet
// ErrDown, ErrLocked when it must be unlocked to make more, ErrWallet, ErrNoWallet.
func (c *Chain) Address(ctx context.Context) (string, error) {
	script, err := c.purse.script(ctx, forReceive)
	if err != nil {
		return "", err
	}
	return c.coin.keyAddress(script[2:]), nil
}

// CheckAddress reports why s is not an address that can be paid here.
// Errors: contracts.ErrAddress.
func (c *Chain) CheckAddress(s string) error {
	_, err := c.coin.Script(s)
	return err
}

// parse reads a transaction of ours that was stored.
func parse(tx trade.Tx) (*wire.MsgTx, error) {
	msg, err := decodeTx(tx.Raw)
	if err != nil {
		return nil, fmt.Errorf("stored transaction %s: %w", tx.TxID, err)
	}
	if got := display(msg.TxHash()); got != tx.TxID {
		return nil, fmt.Errorf("stored transaction %s: %w: its bytes are of %s", tx.TxID, errDecode, got)
	}
	return msg, nil
}
