package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// ErrUnknown is the answer to whoever asks for a payment that never was.
var ErrUnknown = errors.New("nothing known under this id")

// The contract's bounds of a settle window, in blocks.
const (
	minWindow = 90
	maxWindow = 100800
)

// Open opens a channel with partner and puts amount into it, by one transaction. The
// same id never makes another. It returns once that is stored and on its way; the
// channel is there when the chain has confirmed it. Errors: contracts.ErrChain,
// channel.ErrPartner, channel.ErrWindow, ledger.ErrStale, ledger.ErrReused,
// channel.ErrShort, why the contract would refuse it.
func (n *Node) Open(ctx context.Context, id contracts.Hash, asset contracts.Asset, partner contracts.Address, window uint64, amount contracts.Amount) ([]channel.Tx, error) {
	c, err := n.fresh(ctx, asset.Chain)
	if err != nil {
		return nil, err
	}
	if partner == n.Ledger.Self || partner == (contracts.Address{}) {
		return nil, fmt.Errorf("%w: %s", channel.ErrPartner, partner)
	}
	if window < minWindow || window > maxWindow {
		return nil, fmt.Errorf("%w: %d blocks, from %d to %d", channel.ErrWindow, window, minWindow, maxWindow)
	}
	at, _ := c.at.Channels()
	data, value := contracts.OpenCall(asset.Token, partner, window, amount)
	n.Peer.Trust(partner, true) // he may have much to say before the chain has told of the channel
	return c.order(ctx, payInto(id, at, asset.Token, amount, data, value))
}

// Deposit adds amount to what we have in a channel. Errors: as Open, and
// ledger.ErrChannel, channel.ErrStatus, channel.ErrAmount.
func (n *Node) Deposit(ctx context.Context, id, key contracts.Hash, amount contracts.Amount) ([]channel.Tx, error) {
	v, err := n.Channel(ctx, key)
	if err != nil {
		return nil, err
	}
	if v.Status != channel.Open {
		return nil, fmt.Errorf("channel %s: %w: %s", key, channel.ErrStatus, v.Status)
	}
	if amount.IsZero() {
		return nil, fmt.Errorf("channel %s: %w", key, channel.ErrAmount)
	}
	c, err := n.fresh(ctx, v.Chain)
	if err != nil {
		return nil, err
	}
	at, _ := c.at.Channels()
	data, value := contracts.DepositCall(v.Name, v.First, amount)
	return c.order(ctx, payInto(id, at, v.Name.Token, amount, data, value))
}

// payInto is an order that puts amount of a token, or of the coin, into a channel.
func payInto(id contracts.Hash, at contracts.Channels, token contracts.Address, amount contracts.Amount, data []byte, value contracts.Amount) channel.Order {
	o := channel.Order{ID: id, To: at.At, Data: data, Value: value}
	if token != (contracts.Address{}) {
		o.Token, o.Spends = token, amount
	}
	return o
}

// fresh is the carrier of a chain whose newest block is not old. Errors:
// contracts.ErrChain, ledger.ErrStale.
func (n *Node) fresh(ctx context.Context, chain contracts.Chain) (*carrier, error) {
	c := n.carries[chain]
	if c == nil {
		return nil, fmt.Errorf("%w: %s has no channels here", contracts.ErrChain, chain)
	}
	var old error
	if err := n.Look(ctx, func(l *ledger.Ledger) { old = l.Fresh(chain) }); err != nil {
		return nil, err
	}
	return c, old
}

// Withdraw asks the partner to let us take amount out of a channel, and takes it.
// When he has not agreed within so many blocks it is given up. Errors: those of
// ledger.Want.
func (n *Node) Withdraw(ctx context.Context, id, key contracts.Hash, amount contracts.Amount, within uint64) error {
	return n.wish(ctx, key, within, channel.Wish{ID: id, Kind: channel.Withdrawing, Take: amount})
}

// Close asks the partner to close a channel together; when he has not agreed within
// so many blocks, or at once with alone, we close it without him and wait for the
// window to pass. Errors: those of ledger.Want.
func (n *Node) Close(ctx context.Context, id, key contracts.Hash, within uint64, alone bool) error {
	return n.wish(ctx, key, within, channel.Wish{ID: id, Kind: channel.Ending, Alone: alone})
}

func (n *Node) wish(ctx context.Context, key contracts.Hash, within uint64, w channel.Wish) error {
	known := false
	if err := n.Look(ctx, func(l *ledger.Ledger) {
		var c channel.Channel
		if c, known = l.Channel(key); known {
			w.Until = l.Now(c.Chain).Height + within
		}
	}); err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("%w: %s", ledger.ErrChannel, key)
	}
	return n.do(ctx, ledger.Want{Channel: key, Wish: w})
}

// Look runs f in the loop, which owns the ledger: f must neither wait nor keep it.
func (n *Node) Look(ctx context.Context, f func(*ledger.Ledger)) error {
	return n.post(ctx, &call{look: f})
}

// Channel is the channel with this key. Errors: ledger.ErrChannel.
func (n *Node) Channel(ctx context.Context, key contracts.Hash) (c channel.Channel, err error) {
	known := false
	if err := n.Look(ctx, func(l *ledger.Ledger) { c, known = l.Channel(key) }); err != nil {
		return c, err
	}
	if !known {
		return c, fmt.Errorf("%w: %s", ledger.ErrChannel, key)
	}
	return c, nil
}

// Channels are all that are not settled, in the order of their opening.
func (n *Node) Channels(ctx context.Context) (all []channel.Channel, err error) {
	err = n.Look(ctx, func(l *ledger.Ledger) { all = l.Channels() })
	return all, err
}

// SetFee says what we ask for payments through a channel. Errors: those of
// ledger.SetFee.
func (n *Node) SetFee(ctx context.Context, f ledger.Fee) error {
	return n.do(ctx, ledger.SetFee{Fee: f})
}

// Pay begins a payment. The same one may be begun again: it is made once. Errors:
// those of ledger.Pay.
func (n *Node) Pay(ctx context.Context, p ledger.Pay) error {
	id := p.ID
	if p.Invoice != nil && id.IsZero() {
		id = p.Invoice.Hash
	}
	before, known, err := n.Store.Payment(ctx, id, true)
	if err != nil {
		return fmt.Errorf("payment %s: %w", id, err)
	}
	if known {
		p.Before = &before
	} else if p.Invoice != nil { // its signature is dear, so not first in the loop
		if err := p.Invoice.Check(unix(time.Now())); err != nil {
			return err
		}
	}
	return n.do(ctx, p)
}

// Await returns a payment of ours once it has ended. Errors: ErrUnknown.
func (n *Node) Await(ctx context.Context, id contracts.Hash) (ledger.Payment, error) {
	over := make(chan ledger.Payment, 1)
	n.mu.Lock()
	n.waits[id] = append(n.waits[id], over)
	n.mu.Unlock()
	defer n.unwait(id, over)
	p, err := n.Payment(ctx, id)
	if err != nil || p.Status != ledger.Pending {
		return p, err
	}
	select {
	case p = <-over:
		return p, nil
	case <-n.ended:
		return p, ErrEnded
	case <-ctx.Done():
		return p, ctx.Err()
	}
}

// wake tells all who wait for payments which have ended.
func (n *Node) wake(ends []ledger.Payment) {
	if len(ends) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range ends {
		for _, w := range n.waits[p.ID] {
			select {
			case w <- p:
			default:
			}
		}
	}
}

func (n *Node) unwait(id contracts.Hash, over chan ledger.Payment) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waits[id] = slices.DeleteFunc(n.waits[id], func(w chan ledger.Payment) bool { return w == over })
	if len(n.waits[id]) == 0 {
		delete(n.waits, id)
	}
}

// Payment is one of ours, at rest or not. Errors: ErrUnknown.
func (n *Node) Payment(ctx context.Context, id contracts.Hash) (p ledger.Payment, err error) {
	known := false
	if err := n.Look(ctx, func(l *ledger.Ledger) { p, known = underWay(l, id) }); err != nil {
		return p, err
	}
	if known {
		return p, nil
	}
	if p, known, err = n.Store.Payment(ctx, id, true); err != nil {
		return p, fmt.Errorf("payment %s: %w", id, err)
	}
	if !known {
		return p, fmt.Errorf("%w: payment %s", ErrUnknown, id)
	}
	return p, nil
}

// underWay is a payment of ours that is in the ledger, with the status that it has
// now: one that has flown is done only once the partner has it stored, too.
func underWay(l *ledger.Ledger, id contracts.Hash) (ledger.Payment, bool) {
	p, known := l.Payment(id)
	if known && p.Flown() {
		c, _ := l.Channel(p.Channel)
		p.Status = p.In(c.Epoch, c.Us.Proof.Nonce)
	}
	return p, known
}

// Invoice asks for amount. Its secret is derived from our keys and shown when that
// much is locked for us; with hold, only after Release. With a hash, which is of
// somebody else's secret, it waits for that. Errors: those of ledger.Request,
// message.ErrInvoice.
func (n *Node) Invoice(ctx context.Context, asset contracts.Asset, amount contracts.Amount, text string, expiry uint64, hold bool, hash contracts.Hash) (message.Invoice, error) {
	i := message.Invoice{Asset: asset, Payee: n.Ledger.Self, Amount: amount, Hash: hash, Expiry: expiry, Text: text}
	number := uint64(0)
	if hash.IsZero() {
		number = n.number()
		i.Hash = n.Secrets.InvoiceSecret(number).Hash()
	}
	var err error
	if i.Signature, err = n.Secrets.SignDigest(i.Digest()); err != nil {
		return i, fmt.Errorf("sign an invoice: %w", err)
	}
	if err := i.Check(unix(time.Now())); err != nil {
		return i, err
	}
	return i, n.do(ctx, ledger.Request{Invoice: i, Number: number, Hold: hold})
}

// number is one that no invoice had before: Unix nanoseconds.
func (n *Node) number() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last = max(n.last+1, uint64(time.Now().UnixNano()))
	return n.last
}

// Release shows the secret of an invoice that was held, ours or learned elsewhere.
// Errors: those of ledger.Release.
func (n *Node) Release(ctx context.Context, s contracts.Secret) error {
	return n.do(ctx, ledger.Release{Secret: s})
}

// ReleaseOwn shows our own secret of an invoice that was held. Errors:
// message.ErrInvoice.
func (n *Node) ReleaseOwn(ctx context.Context, hash contracts.Hash) error {
	var d ledger.Demand
	known := false
	if err := n.Look(ctx, func(l *ledger.Ledger) { d, known = l.Demand(hash) }); err != nil {
		return err
	}
	if !known || d.Number == 0 {
		return fmt.Errorf("%w: %s has no secret of ours", message.ErrInvoice, hash)
	}
	return n.Release(ctx, n.Secrets.InvoiceSecret(d.Number))
}

// Cancel withdraws an invoice, and gives up what is locked for it. Errors: those of
// ledger.Cancel.
func (n *Node) Cancel(ctx context.Context, hash contracts.Hash) error {
	return n.do(ctx, ledger.Cancel{Hash: hash})
}

// news hands what a chain tells to the loop.
func (n *Node) news(chain contracts.Chain) func(context.Context, channel.News) error {
	first := true
	return func(ctx context.Context, news channel.News) error {
		if err := n.do(ctx, ledger.News{Chain: chain, News: news}); err != nil {
			return fmt.Errorf("news of %s: %w", chain, err)
		}
		if first {
			first = false
			n.heard(chain)
		}
		return nil
	}
}

// heard notes that a chain has told its head.
func (n *Node) heard(chain contracts.Chain) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.silent, chain)
	if len(n.silent) == 0 {
		close(n.ready)
	}
}

// findWithin is how long the path finder has for an answer.
const findWithin = 30 * time.Second

// find asks the path finder for a payment.
func (n *Node) find(ctx context.Context, e ledger.Find) error {
	var routes []ledger.Route
	if n.Routes != nil {
		within, cancel := context.WithTimeout(ctx, findWithin)
		defer cancel()
		var err error
		if routes, err = n.Routes.Find(within, e.Query); err != nil && !errors.Is(err, ledger.ErrNoRoute) {
			n.Log.Warn("path finder does not answer", "payment", e.ID, "err", err)
		}
	}
	return n.told(n.do(ctx, ledger.Routed{ID: e.ID, Routes: routes}))
}

// seek finds a list of locks in what was said.
func (n *Node) seek(ctx context.Context, e ledger.Seek) error {
	log, err := n.Store.Said(ctx, e.Channel, e.Epoch)
	if err != nil {
		return fmt.Errorf("what was said in channel %s: %w", e.Channel, err)
	}
	locks, found := channel.ListWith(log, e.Root)
	if !found {
		n.Log.Error("a list of locks that we never said", "channel", e.Channel, "root", e.Root)
		return nil
	}
	return n.told(n.do(ctx, ledger.Found{Channel: e.Channel, Locks: locks}))
}

// told passes over a refusal of the ledger: what was asked for is not wanted any
// more. That the node has ended ends who asks.
func (n *Node) told(err error) error {
	if err != nil && !errors.Is(err, ErrEnded) && !errors.Is(err, context.Canceled) {
		n.Log.Debug("passed over", "err", err)
		return nil
	}
	return err
}
