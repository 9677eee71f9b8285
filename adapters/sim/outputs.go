package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// minRate is the least fee that nodes relay, in smallest units for 1,000 vB.
const minRate = 1000

// medianOf is how many blocks the median time past looks back.
//
// Source: BIP-113.
const medianOf = 11

// Outputs is a chain of outputs, BTC or LTC: blocks, transactions that wait, and
// the rules of what is relayed and mined. It is shared by all nodes.
type Outputs struct {
	mu        sync.Mutex
	chain     contracts.Chain
	replaces  bool  // nodes replace a transaction by one that pays more
	rate      int64 // that miners ask, in smallest units for 1,000 vB
	idle      bool  // miners take no transactions
	blocks    []block
	pool      []*wire.MsgTx // in order of arrival
	serial    uint64        // of blocks, so that no two are equal
	floor     int           // height below which no reorganisation reaches
	endpoints map[string]*Endpoint

	// What follows is derived from blocks and pool by index.
	made  map[wire.OutPoint]made
	spent map[wire.OutPoint]placed
	paid  map[string][]wire.OutPoint // by output script
}

type block struct {
	hash contracts.Hash
	time int64 // Unix seconds
	txs  []*wire.MsgTx
}

// placed is a transaction and where it is; height 0 while it waits.
type placed struct {
	msg    *wire.MsgTx
	height uint64
}

type made struct {
	placed
	out *wire.TxOut
}

// NewOutputs starts a chain with a past, so that its median time is settled. each
// is the time of a block, rate the fee that miners ask for 1,000 vB.
func NewOutputs(c contracts.Chain, each time.Duration, rate int64) *Outputs {
	o := &Outputs{chain: c, replaces: c == contracts.BTC, rate: rate, endpoints: map[string]*Endpoint{}}
	now := time.Now()
	for i := range 100 {
		o.append(now.Add(-each*time.Duration(100-i)).Unix(), nil)
	}
	o.index()
	return o
}

func (o *Outputs) name() contracts.Chain { return o.chain }

// Endpoint is a node's way to this chain.
func (o *Outputs) Endpoint(node string) *Endpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.endpoints[node] == nil {
		o.endpoints[node] = newEndpoint()
	}
	return o.endpoints[node]
}

// pokeAll tells every node that something changed. o.mu is held.
func (o *Outputs) pokeAll() {
	for _, e := range o.endpoints {
		e.poke()
	}
}

// append adds a block. o.mu is held.
func (o *Outputs) append(at int64, txs []*wire.MsgTx) {
	o.serial++
	raw := binary.BigEndian.AppendUint64([]byte(o.chain), o.serial)
	o.blocks = append(o.blocks, block{sha256.Sum256(raw), at, txs})
}

// Give pays a person's wallet from nowhere, in coins of this size.
func (o *Outputs) Give(k Keys, each contracts.Amount, coins int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	value, _ := each.Uint64()
	tx := wire.NewMsgTx(2)
	tx.LockTime = uint32(o.serial + 1) // makes it one of its kind
	for range coins {
		tx.AddTxOut(wire.NewTxOut(int64(value), walletScript(k.walletKey(o.chain))))
	}
	o.append(time.Now().Unix(), []*wire.MsgTx{tx})
	o.floor = len(o.blocks)
	o.index()
	o.pokeAll()
}

// index derives what is made and spent. o.mu is held.
func (o *Outputs) index() {
	o.made, o.spent, o.paid = map[wire.OutPoint]made{}, map[wire.OutPoint]placed{}, map[string][]wire.OutPoint{}
	for height, b := range o.blocks {
		for _, tx := range b.txs {
			o.add(tx, uint64(height))
		}
	}
	for _, tx := range o.pool {
		o.add(tx, 0)
	}
}

func (o *Outputs) add(tx *wire.MsgTx, height uint64) {
	id := tx.TxHash()
	for i, out := range tx.TxOut {
		at := wire.OutPoint{Hash: id, Index: uint32(i)}
		o.made[at] = made{placed{tx, height}, out}
		o.paid[string(out.PkScript)] = append(o.paid[string(out.PkScript)], at)
	}
	for _, in := range tx.TxIn {
		if s, is := o.spent[in.PreviousOutPoint]; !is || s.height == 0 {
			o.spent[in.PreviousOutPoint] = placed{tx, height}
		}
	}
}

// median is the median time past of the block at this height. o.mu is held.
func (o *Outputs) median(height int) int64 {
	times := []int64{}
	for i := max(0, height-medianOf+1); i <= height; i++ {
		times = append(times, o.blocks[i].time)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

func (o *Outputs) tip() int { return len(o.blocks) - 1 }

func (o *Outputs) head(upTo uint64) trade.Head {
	o.mu.Lock()
	defer o.mu.Unlock()
	height := min(o.tip(), int(upTo))
	return trade.Head{Height: uint64(height), Hash: o.blocks[height].hash, Time: uint64(o.median(height))}
}

// Height is that of the newest block.
func (o *Outputs) Height() uint64 { return o.head(1 << 62).Height }

// Ask sets the fee that miners ask, in smallest units for 1,000 vB.
func (o *Outputs) Ask(rate int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rate = rate
}

// Rate is the fee that miners ask.
func (o *Outputs) Rate() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rate
}

// Idle makes miners take no transactions, until it is called with false.
func (o *Outputs) Idle(idle bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.idle = idle
}

// Mine makes a block of all that waits and pays enough.
func (o *Outputs) Mine() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mine()
}

// Favour makes a block of all that waits, whatever it pays.
func (o *Outputs) Favour() {
	o.mu.Lock()
	defer o.mu.Unlock()
	asked := o.rate
	o.rate = 0
	o.mine()
	o.rate = asked
}

// mine makes a block. o.mu is held.
func (o *Outputs) mine() {
	at := max(time.Now().Unix(), o.median(o.tip())+1)
	var take, keep []*wire.MsgTx
	chosen := o.chosen()
	for _, tx := range o.pool {
		if chosen[tx.TxHash()] {
			take = append(take, tx)
		} else {
			keep = append(keep, tx)
		}
	}
	o.pool = keep
	o.append(at, take)
	if len(take) > 0 {
		o.index()
	}
	o.pokeAll()
}

// chosen are the waiting transactions that pay enough, together with what waits
// before them. o.mu is held.
func (o *Outputs) chosen() map[chainhash.Hash]bool {
	chosen := map[chainhash.Hash]bool{}
	if o.idle {
		return chosen
	}
	waiting := map[chainhash.Hash]*wire.MsgTx{}
	for _, tx := range o.pool {
		waiting[tx.TxHash()] = tx
	}
	var ancestors func(tx *wire.MsgTx, all map[chainhash.Hash]*wire.MsgTx)
	ancestors = func(tx *wire.MsgTx, all map[chainhash.Hash]*wire.MsgTx) {
		all[tx.TxHash()] = tx
		for _, in := range tx.TxIn {
			if p := waiting[in.PreviousOutPoint.Hash]; p != nil && all[p.TxHash()] == nil && !chosen[p.TxHash()] {
				ancestors(p, all)
			}
		}
	}
	for again := true; again; {
		again = false
		for _, tx := range o.pool {
			if chosen[tx.TxHash()] {
				continue
			}
			all, fee, size := map[chainhash.Hash]*wire.MsgTx{}, int64(0), int64(0)
			ancestors(tx, all)
			for _, a := range all {
				fee, size = fee+o.fee(a), size+contracts.VSize(a)
			}
			if fee*1000 >= o.rate*size {
				for id := range all {
					chosen[id] = true
				}
				again = true
			}
		}
	}
	return chosen
}

// fee is what tx pays. o.mu is held.
func (o *Outputs) fee(tx *wire.MsgTx) (fee int64) {
	if len(tx.TxIn) == 0 {
		return 0 // given
	}
	for _, in := range tx.TxIn {
		fee += o.made[in.PreviousOutPoint].out.Value
	}
	for _, out := range tx.TxOut {
		fee -= out.Value
	}
	return fee
}

// Reorg takes back this many blocks and makes one more of none. What they held
// waits again, or with drop is forgotten.
func (o *Outputs) Reorg(depth int, drop bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	cut := max(o.floor, len(o.blocks)-depth)
	var back []*wire.MsgTx
	for _, b := range o.blocks[cut:] {
		if !drop {
			back = append(back, b.txs...)
		}
	}
	back = append(back, o.pool...)
	o.blocks, o.pool = o.blocks[:cut:cut], nil
	o.index()
	now := time.Now().Unix()
	for i := range depth + 1 {
		o.append(max(now-int64(depth-i), o.median(o.tip())+1), nil)
	}
	for _, tx := range back {
		if o.check(tx) == nil {
			o.pool = append(o.pool, tx)
			o.add(tx, 0)
		}
	}
	o.index()
	o.pokeAll()
}

// fate is what the blocks and the pool say of a leg.
func (o *Outputs) fate(w trade.Watch, upTo uint64) (f trade.Fate) {
	script, err := contracts.NewScript(w.Terms)
	if err != nil {
		return f
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	best, found := wire.OutPoint{}, false
	for _, at := range o.paid[string(script.Output())] {
		m := o.made[at]
		sum := contracts.Units(uint64(m.out.Value))
		if m.height > upTo || (m.height > 0 && m.height < w.From) || sum.Less(w.Terms.Amount) || w.Terms.Amount.Plus(w.Terms.Amount).Less(sum) {
			continue
		}
		if !found || (m.height > 0 && (o.made[best].height == 0 || m.height < o.made[best].height)) {
			best, found = at, true
		}
	}
	if !found {
		return f
	}
	m := o.made[best]
	f.Lock = &trade.Spot{TxID: display(best.Hash), Index: best.Index, Amount: contracts.Units(uint64(m.out.Value)), Height: m.height,
		Fee: contracts.Units(uint64(o.fee(m.msg)))}
	s, is := o.spent[best]
	if !is || s.height > upTo {
		return f
	}
	branch, ok := script.EndOf(s.msg, best)
	if !ok {
		panic(fmt.Sprintf("sim: %s: the engine passed a spend of %v that is none", o.chain, best))
	}
	f.End = &trade.End{Kind: trade.Kind(branch), TxID: display(s.msg.TxHash()), Height: s.height, Fee: contracts.Units(uint64(o.fee(s.msg)))}
	if secret, ok := contracts.FindSecret(s.msg, w.Terms.Hash); ok {
		f.End.Secret = &secret
	}
	return f
}

// Fate is the truth about a leg, for those who tell the story.
func (o *Outputs) Fate(w trade.Watch) trade.Fate { return o.fate(w, 1<<62) }

// display is a transaction's id as people see it.
func display(h chainhash.Hash) (id contracts.Hash) {
	for i := range h {
		id[i] = h[len(h)-1-i]
	}
	return id
}

func onWire(id contracts.Hash) chainhash.Hash { return chainhash.Hash(display(chainhash.Hash(id))) }
