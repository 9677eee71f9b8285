package sim

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// A Purse is a node's hold on a chain of outputs: its keys, its coins, its legs.
type Purse struct {
	*lookout
	chain *Outputs
	keys  Keys

	mu     sync.Mutex
	held   map[wire.OutPoint]chainhash.Hash
	nonces uint64
}

// Purse opens the chain for one life.
func (o *Outputs) Purse(l *Life) *Purse {
	return &Purse{lookout: newLookout(o, o.Endpoint(l.Node), l), chain: o, keys: Keys(l.Node), held: map[wire.OutPoint]chainhash.Hash{}}
}

// walletScript is P2WPKH of key.
func walletScript(key *btcec.PrivateKey) []byte {
	script, err := txscript.NewScriptBuilder().AddOp(txscript.OP_0).AddData(address.Hash160(key.PubKey().SerializeCompressed())).Script()
	if err != nil {
		panic(fmt.Sprintf("sim: script: %v", err)) // two small pushes
	}
	return script
}

func (p *Purse) script() []byte { return walletScript(p.keys.walletKey(p.chain.chain)) }

// Party returns who we are in the trade with this number.
func (p *Purse) Party(_ context.Context, number uint64) (contracts.Party, error) {
	if err := p.ask(); err != nil {
		return nil, err
	}
	return p.keys.SwapKey(p.chain.chain, number).PubKey().SerializeCompressed(), nil
}

// Balance is our money: what blocks hold and nothing spends, and what waits.
func (p *Purse) Balance(_ context.Context, a contracts.Asset) (confirmed, pending contracts.Amount, err error) {
	if err := p.ask(); err != nil {
		return confirmed, pending, err
	}
	if a != contracts.Native(p.chain.chain) {
		return confirmed, pending, fmt.Errorf("%w: %s", contracts.ErrChain, a)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.chain.coins(p.script()) {
		if _, held := p.held[c.at]; c.height > 0 && !held {
			confirmed = confirmed.Plus(contracts.Units(uint64(c.value)))
		} else if c.height == 0 {
			pending = pending.Plus(contracts.Units(uint64(c.value)))
		}
	}
	return confirmed, pending, nil
}

// Balance is what a person has, for those who tell the story.
func (o *Outputs) Balance(k Keys, _ contracts.Asset) (sum contracts.Amount) {
	for _, c := range o.coins(walletScript(k.walletKey(o.chain))) {
		sum = sum.Plus(contracts.Units(uint64(c.value)))
	}
	return sum
}

type coin struct {
	at     wire.OutPoint
	value  int64
	height uint64
}

// coins are the unspent outputs of a script, oldest first.
func (o *Outputs) coins(script []byte) (all []coin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, at := range o.paid[string(script)] {
		if _, spent := o.spent[at]; !spent {
			m := o.made[at]
			all = append(all, coin{at, m.out.Value, m.height})
		}
	}
	return all
}

// Fees estimates what each spend costs now.
func (p *Purse) Fees(context.Context, contracts.Asset) (lock, redeem, refund contracts.Amount, err error) {
	if err := p.ask(); err != nil {
		return lock, redeem, refund, err
	}
	return contracts.Units(uint64(p.price(contracts.LockVSize))), contracts.Units(uint64(p.price(contracts.RedeemVSize))),
		contracts.Units(uint64(p.price(contracts.RefundVSize))), nil
}

// price is a quarter more than miners ask for this size.
func (p *Purse) price(size int64) int64 { return (p.chain.Rate()*size*5/4 + 999) / 1000 }

// CheckAddress takes the name of a person with the chain behind it: "bob.btc".
func (p *Purse) CheckAddress(address string) error {
	name, is := strings.CutSuffix(address, "."+strings.ToLower(string(p.chain.chain)))
	if !is || name == "" {
		return fmt.Errorf("%w: %q", contracts.ErrAddress, address)
	}
	return nil
}

// Prepare makes and signs what o asks for.
// Errors: trade.ErrShort, trade.ErrNotYet, trade.ErrSecret, trade.ErrStatus,
// contracts.ErrTerms, contracts.ErrAddress, contracts.ErrDust, and what signing
// says.
func (p *Purse) Prepare(_ context.Context, o trade.Order) ([]trade.Tx, error) {
	if err := p.ask(); err != nil {
		return nil, err
	}
	if o.Terms.Asset != contracts.Native(p.chain.chain) {
		return nil, fmt.Errorf("%w: %s on %s", contracts.ErrTerms, o.Terms.Asset, p.chain.chain)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o.Purpose {
	case trade.Lock:
		return p.lock(o)
	case trade.Redeem, trade.Refund:
		if o.Purpose == trade.Refund && p.chain.head(1<<62).Time <= o.Terms.Expiry {
			return nil, fmt.Errorf("%w: %s: refund", trade.ErrNotYet, p.chain.chain)
		}
		tx, err := p.claim(o, 0)
		if err != nil {
			return nil, err
		}
		return []trade.Tx{tx}, nil
	case trade.Send:
		if err := p.CheckAddress(o.To); err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(o.To, ".")
		tx, err := p.pay(o, walletScript(Keys(name).walletKey(p.chain.chain)))
		return []trade.Tx{tx}, err
	}
	return nil, fmt.Errorf("%w: %s has no %q", trade.ErrStatus, p.chain.chain, o.Purpose)
}

// lock makes the lock and, held, the refund of it.
func (p *Purse) lock(o trade.Order) ([]trade.Tx, error) {
	script, err := contracts.NewScript(o.Terms)
	if err != nil {
		return nil, err
	}
	lock, err := p.pay(o, script.Output())
	if err != nil {
		return nil, err
	}
	back := o
	back.Purpose, back.Spot = trade.Refund, &trade.Spot{TxID: lock.TxID, Amount: o.Terms.Amount}
	refund, err := p.claim(back, 0)
	if err != nil {
		p.release(lock)
		return nil, err
	}
	refund.Held = true
	return []trade.Tx{lock, refund}, nil
}

// pay pays o's amount to a script: its first output; the second is the rest.
func (p *Purse) pay(o trade.Order, to []byte) (trade.Tx, error) {
	want, err := p.sum(o.Terms.Amount)
	if err != nil {
		return trade.Tx{}, err
	}
	if err := contracts.CheckPayout(p.chain.chain, want, to, 0); err != nil {
		return trade.Tx{}, err
	}
	have := int64(0)
	msg := wire.NewMsgTx(2)
	var ins []coin
	fee := p.price(contracts.LockVSize)
	for _, c := range p.chain.coins(p.script()) {
		if _, held := p.held[c.at]; held || c.height == 0 || have >= want+fee+10_000 {
			continue
		}
		msg.AddTxIn(&wire.TxIn{PreviousOutPoint: c.at, Sequence: wire.MaxTxInSequenceNum - 2})
		ins, have = append(ins, c), have+c.value
		fee = p.price(contracts.LockVSize + 68*int64(len(ins)-1))
	}
	if have < want+fee {
		return trade.Tx{}, fmt.Errorf("%w: %s: have %d, need %d and %d", trade.ErrShort, p.chain.chain, have, want, fee)
	}
	msg.AddTxOut(wire.NewTxOut(want, to))
	if rest := have - want - fee; rest >= 10_000 {
		msg.AddTxOut(wire.NewTxOut(rest, p.script()))
	} else {
		fee += rest
	}
	if err := p.signCoins(msg, ins); err != nil {
		return trade.Tx{}, err
	}
	for _, c := range ins {
		p.held[c.at] = msg.TxHash()
	}
	return p.record(o, msg, fee), nil
}

// signCoins signs inputs that are all coins of our wallet.
func (p *Purse) signCoins(msg *wire.MsgTx, ins []coin) (err error) {
	prevs := txscript.NewMultiPrevOutFetcher(nil)
	for _, c := range ins {
		prevs.AddPrevOut(c.at, wire.NewTxOut(c.value, p.script()))
	}
	sums := txscript.NewTxSigHashes(msg, prevs)
	for i, c := range ins {
		msg.TxIn[i].Witness, err = txscript.WitnessSignature(msg, sums, i, c.value, p.script(), txscript.SigHashAll, p.keys.walletKey(p.chain.chain), true)
		if err != nil {
			return fmt.Errorf("%s: sign: %w", p.chain.chain, err)
		}
	}
	return nil
}

// maxMoney is above the supply of both coins, in smallest units.
const maxMoney = 84e14

// sum is an amount below the supply. Errors: contracts.ErrTerms.
func (p *Purse) sum(a contracts.Amount) (int64, error) {
	n, ok := a.Uint64()
	if !ok || n > maxMoney {
		return 0, fmt.Errorf("%w: %s: %s is above the supply", contracts.ErrTerms, p.chain.chain, a)
	}
	return int64(n), nil
}

// worth is the value of o's lock. Errors: trade.ErrStatus when o names none.
func (p *Purse) worth(o trade.Order) (int64, error) {
	if o.Spot == nil {
		return 0, fmt.Errorf("%w: %s: %s of a lock that nobody named", trade.ErrStatus, p.chain.chain, o.Purpose)
	}
	return p.sum(o.Spot.Amount)
}

// outpoint is where o's lock lies.
func outpoint(o trade.Order) wire.OutPoint {
	return wire.OutPoint{Hash: onWire(o.Spot.TxID), Index: o.Spot.Index}
}

// claim redeems or refunds o's lock by its script, with this fee or the present
// price.
func (p *Purse) claim(o trade.Order, fee int64) (trade.Tx, error) {
	value, err := p.worth(o)
	if err != nil {
		return trade.Tx{}, err
	}
	script, err := contracts.NewScript(o.Terms)
	if err != nil {
		return trade.Tx{}, err
	}
	out, key := outpoint(o), p.keys.SwapKey(p.chain.chain, o.Number)
	prevs := txscript.NewCannedPrevOutputFetcher(script.Output(), value)
	if fee == 0 {
		fee = p.price(contracts.RedeemVSize)
	}
	fee = min(fee, value/2)
	if err := contracts.CheckPayout(p.chain.chain, value, p.script(), fee); err != nil {
		return trade.Tx{}, err
	}
	var msg *wire.MsgTx
	if o.Purpose == trade.Redeem {
		if o.Secret == nil {
			return trade.Tx{}, fmt.Errorf("%w: %s: redeem without it", trade.ErrSecret, p.chain.chain)
		}
		msg = script.Redeem(out, value, p.script(), fee)
		err = script.SignRedeem(msg, 0, prevs, key, *o.Secret)
	} else {
		msg = script.Refund(out, value, p.script(), fee)
		err = script.SignRefund(msg, 0, prevs, key)
	}
	if err != nil {
		return trade.Tx{}, fmt.Errorf("%s: sign %s: %w", p.chain.chain, o.Purpose, err)
	}
	return p.record(o, msg, fee), nil
}

func (p *Purse) record(o trade.Order, msg *wire.MsgTx, fee int64) trade.Tx {
	var raw bytes.Buffer
	if err := msg.Serialize(&raw); err != nil {
		panic(fmt.Sprintf("sim: write to memory: %v", err))
	}
	return trade.Tx{ID: o.ID, Chain: p.chain.chain, Side: o.Side, Purpose: o.Purpose, TxID: display(msg.TxHash()), Raw: raw.Bytes(),
		Fee: contracts.Units(uint64(fee)), Made: uint64(time.Now().Unix())}
}

// Send broadcasts tx.
func (p *Purse) Send(_ context.Context, tx trade.Tx) error {
	if err := p.ask(); err != nil {
		return err
	}
	return p.life.pass(Point{What: "send", Of: fmt.Sprintf("%s %s", tx.Chain, tx.Purpose), Txs: []trade.Tx{tx}}, func() error {
		if p.endpoint.loses() {
			return nil
		}
		return p.chain.Relay(tx.Raw)
	})
}

// Buried is how many blocks hold tx or stand on the one that does.
func (p *Purse) Buried(_ context.Context, tx trade.Tx) (uint64, error) {
	if err := p.ask(); err != nil {
		return 0, err
	}
	p.chain.mu.Lock()
	defer p.chain.mu.Unlock()
	for height, b := range p.chain.blocks {
		for _, msg := range b.txs {
			if display(msg.TxHash()) == tx.TxID {
				return uint64(p.chain.tip() - height + 1), nil
			}
		}
	}
	return 0, nil
}

// Hasten replaces tx where nodes do that and it spends a lock; otherwise a child
// pays for both.
func (p *Purse) Hasten(_ context.Context, o trade.Order, tx trade.Tx) (trade.Tx, error) {
	if err := p.ask(); err != nil {
		return trade.Tx{}, err
	}
	msg := wire.NewMsgTx(2)
	if err := msg.Deserialize(bytes.NewReader(tx.Raw)); err != nil {
		return trade.Tx{}, err
	}
	size := contracts.VSize(msg)
	paid, _ := tx.Fee.Uint64()
	want := p.price(size)
	p.chain.mu.Lock()
	here := p.chain.made[wire.OutPoint{Hash: msg.TxHash()}]
	p.chain.mu.Unlock()
	if here.msg == nil || here.height > 0 || want <= int64(paid)+int64(paid)/20 {
		return trade.Tx{}, fmt.Errorf("%w: %s: pays %d, the price is %d", trade.ErrNotYet, p.chain.chain, paid, want)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	spends := o.Spot != nil && len(msg.TxIn) == 1 && msg.TxIn[0].PreviousOutPoint == outpoint(o)
	open := o.Purpose == trade.Redeem || p.chain.head(1<<62).Time > o.Terms.Expiry
	if p.chain.replaces && spends && open { // a joint refund before its time has no script to fall back to
		return p.claim(o, max(p.price(contracts.RedeemVSize), int64(paid)*2))
	}
	return p.child(o, msg, here, max(0, want-int64(paid)))
}

// child spends an output of msg that is ours and pays more for it.
func (p *Purse) child(o trade.Order, msg *wire.MsgTx, _ made, more int64) (trade.Tx, error) {
	i := slices.IndexFunc(msg.TxOut, func(out *wire.TxOut) bool { return bytes.Equal(out.PkScript, p.script()) })
	at := wire.OutPoint{Hash: msg.TxHash(), Index: uint32(max(i, 0))}
	if _, held := p.held[at]; i < 0 || held {
		return trade.Tx{}, fmt.Errorf("%w: %s: nothing of ours in %s is free", trade.ErrNotYet, p.chain.chain, msg.TxHash())
	}
	const childSize = 111
	fee, value := more+p.price(childSize), msg.TxOut[i].Value
	if err := contracts.CheckPayout(p.chain.chain, value, p.script(), fee); err != nil {
		return trade.Tx{}, err
	}
	child := wire.NewMsgTx(2)
	child.AddTxIn(&wire.TxIn{PreviousOutPoint: at, Sequence: wire.MaxTxInSequenceNum - 2})
	child.AddTxOut(wire.NewTxOut(value-fee, p.script()))
	if err := p.signCoins(child, []coin{{at, value, 0}}); err != nil {
		return trade.Tx{}, err
	}
	p.held[at] = child.TxHash()
	return p.record(o, child, fee), nil
}

// Resume reserves what stored transactions spend.
func (p *Purse) Resume(_ context.Context, txs []trade.Tx) error {
	if err := p.life.Alive(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.each(txs, func(at wire.OutPoint, by chainhash.Hash) { p.held[at] = by })
}

// Release gives back what a transaction that was never sent had reserved.
func (p *Purse) Release(tx trade.Tx) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release(tx)
}

// release is Release while p.mu is held.
func (p *Purse) release(tx trade.Tx) {
	// What we made parses.
	_ = p.each([]trade.Tx{tx}, func(at wire.OutPoint, by chainhash.Hash) {
		if p.held[at] == by {
			delete(p.held, at)
		}
	})
}

// each does something to all that transactions spend. p.mu is held.
func (p *Purse) each(txs []trade.Tx, do func(wire.OutPoint, chainhash.Hash)) error {
	for _, tx := range txs {
		msg := wire.NewMsgTx(2)
		if err := msg.Deserialize(bytes.NewReader(tx.Raw)); err != nil {
			return fmt.Errorf("stored transaction %s: %w", tx.TxID, err)
		}
		for _, in := range msg.TxIn {
			do(in.PreviousOutPoint, msg.TxHash())
		}
	}
	return nil
}
