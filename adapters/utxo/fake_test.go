package utxo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcutil/v2/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// A fake is a node in memory: real blocks, scripts run, time locks held.
type fake struct {
	t       testing.TB
	blocks  map[chainhash.Hash]*wire.MsgBlock
	active  []chainhash.Hash // by height
	pool    []*wire.MsgTx    // what waits, in the order of Waiting
	salt    uint32           // makes every block another
	rates   []int64          // answers of Rate, the last one again and again; none: it cannot say
	down    error            // answer to everything
	lie     func(Tip) Tip    // of Tip
	fetched int              // blocks asked for
}

// epoch is the time of block 0; blocks are a minute apart.
const epoch = 1_700_000_000

func newFake(t testing.TB) *fake {
	f := &fake{t: t, blocks: map[chainhash.Hash]*wire.MsgBlock{}}
	f.put(chainhash.Hash{}, 0, coinbase(0, 0, opTrue))
	return f
}

// opTrue is a script that anyone can spend.
var opTrue = []byte{txscript.OP_TRUE}

func coinbase(height int64, salt uint32, to []byte) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	in := wire.NewTxIn(&wire.OutPoint{Index: wire.MaxPrevOutIndex}, fmt.Appendf(nil, "%d %d", height, salt), nil)
	tx.AddTxIn(in)
	tx.AddTxOut(wire.NewTxOut(50e8, to))
	return tx
}

// put appends a block of txs to the active chain, with the work and the witnesses
// that it says.
func (f *fake) put(prev chainhash.Hash, height int64, txs ...*wire.MsgTx) {
	b := block(prev, height, txs...)
	for testWork.proven(b.Header) != nil {
		b.Header.Nonce++
	}
	f.blocks[b.BlockHash()] = b
	f.active = append(f.active, b.BlockHash())
}

// testWork is how much work blocks of the fake need: every second one has it.
var testWork = Coin{Easiest: 0x207fffff}

// block is one that nobody has worked on.
func block(prev chainhash.Hash, height int64, txs ...*wire.MsgTx) *wire.MsgBlock {
	ids := []chainhash.Hash{{}}
	for _, tx := range txs[1:] {
		ids = append(ids, tx.WitnessHash())
	}
	if root, _ := merkleRoot(ids); slices.ContainsFunc(txs[1:], (*wire.MsgTx).HasWitness) {
		txs[0].TxIn[0].Witness = wire.TxWitness{make([]byte, 32)}
		said := chainhash.DoubleHashB(append(root[:], make([]byte, 32)...))
		txs[0].AddTxOut(wire.NewTxOut(0, append(bytes.Clone(commits), said...)))
	}
	ids = nil
	for _, tx := range txs {
		ids = append(ids, tx.TxHash())
	}
	root, _ := merkleRoot(ids)
	return &wire.MsgBlock{Header: wire.BlockHeader{Version: 1, PrevBlock: prev, MerkleRoot: root, Timestamp: time.Unix(epoch+60*height, 0), Bits: testWork.Easiest}, Transactions: txs}
}

// mine makes a block that pays its reward to a script, of txs or of all that waits.
func (f *fake) mine(to []byte, txs ...*wire.MsgTx) {
	if txs == nil {
		txs, f.pool = f.pool, nil
	}
	for _, tx := range txs {
		f.unpool(tx.TxHash())
	}
	height := int64(len(f.active))
	f.salt++
	f.put(f.active[height-1], height, append([]*wire.MsgTx{coinbase(height, f.salt, to)}, txs...)...)
}

func (f *fake) mineEmpty(n int) {
	for range n {
		f.mine(opTrue, []*wire.MsgTx{}...)
	}
}

func (f *fake) unpool(id chainhash.Hash) {
	var rest []*wire.MsgTx
	for _, tx := range f.pool {
		if tx.TxHash() != id {
			rest = append(rest, tx)
		}
	}
	f.pool = rest
}

// rewind takes the newest n blocks out of the active chain; what they held waits
// again when it is to return.
func (f *fake) rewind(n int, back bool) {
	cut := len(f.active) - n
	for _, h := range f.active[cut:] {
		if back {
			f.pool = append(f.pool, f.blocks[h].Transactions[1:]...)
		}
	}
	f.active = f.active[:cut]
}

func (f *fake) Tip(context.Context) (Tip, error) {
	tip := Tip{f.active[len(f.active)-1], int64(len(f.active) - 1)}
	if f.lie != nil {
		tip = f.lie(tip)
	}
	return tip, f.down
}

func (f *fake) HashAt(_ context.Context, height int64) (chainhash.Hash, error) {
	switch {
	case f.down != nil:
		return chainhash.Hash{}, f.down
	case height < 0 || height >= int64(len(f.active)):
		return chainhash.Hash{}, fmt.Errorf("%w: height %d", ErrMissing, height)
	}
	return f.active[height], nil
}

func (f *fake) Header(_ context.Context, hash chainhash.Hash) (wire.BlockHeader, error) {
	if b := f.blocks[hash]; b != nil && f.down == nil {
		return b.Header, nil
	}
	return wire.BlockHeader{}, errors.Join(f.down, ErrMissing)
}

// Block gives the bytes that a node would, decoded as a node's would be.
func (f *fake) Block(_ context.Context, hash chainhash.Hash) (*Block, error) {
	b := f.blocks[hash]
	if b == nil || f.down != nil {
		return nil, errors.Join(f.down, ErrMissing)
	}
	f.fetched++
	var raw bytes.Buffer
	if err := b.Serialize(&raw); err != nil {
		return nil, err
	}
	return decodeBlock(raw.Bytes(), hash)
}

func (f *fake) Waiting(context.Context) (ids []chainhash.Hash, err error) {
	for _, tx := range f.pool {
		ids = append(ids, tx.TxHash())
	}
	return ids, f.down
}

func (f *fake) Tx(_ context.Context, id chainhash.Hash) (*wire.MsgTx, error) {
	for _, tx := range f.pool {
		if tx.TxHash() == id {
			return tx.Copy(), f.down
		}
	}
	return nil, fmt.Errorf("%w: transaction %s", ErrMissing, id)
}

// outputs are those of the active chain, and of what waits, that are not spent.
func (f *fake) outputs(waiting bool) map[wire.OutPoint]*wire.TxOut {
	var txs []*wire.MsgTx
	for _, h := range f.active {
		txs = append(txs, f.blocks[h].Transactions...)
	}
	if waiting {
		txs = append(txs, f.pool...) // a child may stand before its parent
	}
	outs := map[wire.OutPoint]*wire.TxOut{}
	for _, tx := range txs {
		for i, out := range tx.TxOut {
			outs[wire.OutPoint{Hash: tx.TxHash(), Index: uint32(i)}] = out
		}
	}
	for _, tx := range txs {
		for _, in := range tx.TxIn {
			delete(outs, in.PreviousOutPoint)
		}
	}
	return outs
}

func (f *fake) Unspent(_ context.Context, out wire.OutPoint) (bool, error) {
	return f.outputs(false)[out] != nil, f.down
}

// Send checks as a node does: what it spends, its scripts, its time.
func (f *fake) Send(_ context.Context, tx *wire.MsgTx) error {
	if f.down != nil {
		return f.down
	}
	for _, w := range f.pool {
		if w.TxHash() == tx.TxHash() {
			return nil
		}
	}
	outs, prevs := f.outputs(true), txscript.NewMultiPrevOutFetcher(nil)
	for _, in := range tx.TxIn {
		out := outs[in.PreviousOutPoint]
		if out == nil {
			return fmt.Errorf("%w: bad-txns-inputs-missingorspent", trade.ErrSpent)
		}
		prevs.AddPrevOut(in.PreviousOutPoint, out)
	}
	var times []int64
	for _, h := range f.active[max(0, len(f.active)-medianOf):] {
		times = append(times, f.blocks[h].Header.Timestamp.Unix())
	}
	if uint64(tx.LockTime) >= median(times) {
		return fmt.Errorf("%w: non-final", trade.ErrNotYet)
	}
	if err := execute(tx, prevs); err != nil {
		return fmt.Errorf("%w: %v", ErrRefused, err)
	}
	f.pool = append(f.pool, tx.Copy())
	return nil
}

func (f *fake) Rate(context.Context, int) (int64, error) {
	if f.down != nil || len(f.rates) == 0 {
		return 0, errors.Join(f.down, ErrMissing)
	}
	rate := f.rates[0]
	if len(f.rates) > 1 {
		f.rates = f.rates[1:]
	}
	return rate, nil
}

// named is whose keys these are.
type named string

func (n named) SwapKey(chain contracts.Chain, number uint64) *btcec.PrivateKey {
	digest := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", n, chain, number))
	key, _ := btcec.PrivKeyFromBytes(digest[:])
	return key
}

func (n named) Wallet(contracts.Chain) *hdkeychain.ExtendedKey {
	seed := sha256.Sum256([]byte(n))
	key, err := hdkeychain.NewMaster(seed[:], &chaincfg.MainNetParams)
	if err != nil {
		panic(err) // a fixed seed
	}
	return key
}

// memory is a book.
type memory map[string][]byte

func (m memory) Get(_ context.Context, key string) ([]byte, error) { return m[key], nil }

func (m memory) Put(_ context.Context, key string, value []byte) error {
	m[key] = bytes.Clone(value)
	return nil
}

// testCoin is Bitcoin or Litecoin on the fake's chain.
func testCoin(chain contracts.Chain, f *fake) Coin {
	c := Coin{Chain: chain, Network: "fake", Genesis: f.active[0], HRP: "bc", PubKeyHash: 0, ScriptHash: 5,
		Easiest: testWork.Easiest, Interval: 10 * time.Minute, Replace: true, MinRate: 1000, FallbackRate: 10_000, MaxRate: 2_000_000}
	if chain == contracts.LTC {
		c.HRP, c.PubKeyHash, c.ScriptHash, c.OldScriptHash, c.MWEB = "ltc", 0x30, 0x32, 5, "ltcmweb"
		c.Replace, c.HogEx, c.MinRate, c.FallbackRate = false, true, 10_000, 50_000
	}
	return c
}

// A bench is one chain on one node, moved by hand.
type bench struct {
	*Chain
	node *fake
	t    testing.TB
	told map[contracts.Hash]trade.Fate
	news int
}

func newBench(t testing.TB, chain contracts.Chain, change ...func(*Config)) *bench {
	t.Helper()
	f := newFake(t)
	return benchOn(t, f, testCoin(chain, f), change...)
}

func benchOn(t testing.TB, f *fake, coin Coin, change ...func(*Config)) *bench {
	t.Helper()
	cfg := Config{Coin: coin, Nodes: []Node{f}, Keys: named("alice"), Now: func() time.Time { return time.Unix(epoch, 0) }}
	for _, c := range change {
		c(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Chain: c, node: f, t: t, told: map[contracts.Hash]trade.Fate{}}
}

// step looks once and takes the news.
func (b *bench) step() trade.News {
	b.t.Helper()
	news, changed, err := b.look(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if changed {
		b.news++
	}
	for _, s := range news.Sightings {
		b.told[s.ID] = s.Fate
	}
	return news
}

// rich gives the wallet n mature coins of 50.
func (b *bench) rich(n int) *bench {
	b.t.Helper()
	script := b.receive()
	for range n {
		b.node.mine(script)
	}
	b.node.mineEmpty(coinbaseDepth)
	b.step()
	return b
}

// receive is the script of the wallet's next address.
func (b *bench) receive() []byte {
	b.t.Helper()
	a, err := b.Address(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	script, err := b.coin.Script(a)
	if err != nil {
		b.t.Fatal(err)
	}
	return script
}

// goodSecret opens goodLeg; alice refunds, bob redeems.
var goodSecret = contracts.Secret(sha256.Sum256([]byte("secret")))

// leg is a good leg of 1,000,000 that alice locks for bob.
func (b *bench) leg(number uint64) trade.Watch {
	secret := goodSecret
	if number != 1 {
		secret = sha256.Sum256(fmt.Appendf(nil, "%d", number))
	}
	chain := b.coin.Chain
	return trade.Watch{ID: secret.Hash(), Side: trade.Ours, From: 1, Terms: contracts.Terms{
		Asset: contracts.Native(chain), Amount: contracts.Units(1_000_000), Hash: secret.Hash(), Form: contracts.P2TR, Expiry: epoch + 1_000_000,
		Redeemer: named("bob").SwapKey(chain, number).PubKey().SerializeCompressed(),
		Refunder: named("alice").SwapKey(chain, number).PubKey().SerializeCompressed(),
	}}
}

func (b *bench) watch(w trade.Watch) {
	b.t.Helper()
	if err := b.Watch(b.t.Context(), w); err != nil {
		b.t.Fatal(err)
	}
}

// funding is a transaction that anyone could send: it spends an output of
// opTrue and pays values to script.
func (b *bench) funding(script []byte, values ...int64) *wire.MsgTx {
	b.t.Helper()
	for out, txOut := range b.node.outputs(true) {
		if bytes.Equal(txOut.PkScript, opTrue) && txOut.Value == 50e8 {
			tx := wire.NewMsgTx(2)
			tx.AddTxIn(wire.NewTxIn(&out, nil, nil))
			for _, v := range values {
				tx.AddTxOut(wire.NewTxOut(v, script))
			}
			return tx
		}
	}
	b.t.Fatal("no coin left")
	return nil
}

func outputOf(t testing.TB, terms contracts.Terms) []byte {
	t.Helper()
	s, err := contracts.NewScript(terms)
	if err != nil {
		t.Fatal(err)
	}
	return s.Output()
}

// bobTakes is bob's redeem of the lock at out.
func (b *bench) bobTakes(w trade.Watch, out wire.OutPoint, value int64) *wire.MsgTx {
	b.t.Helper()
	s, err := contracts.NewScript(w.Terms)
	if err != nil {
		b.t.Fatal(err)
	}
	tx := s.Redeem(out, value, keyScript(make([]byte, 20)), 1000)
	prevs := txscript.NewCannedPrevOutputFetcher(s.Output(), value)
	if err := s.SignRedeem(tx, 0, prevs, named("bob").SwapKey(b.coin.Chain, 1), goodSecret); err != nil {
		b.t.Fatal(err)
	}
	return tx
}

// aliceTakes is alice's refund of the lock at out, by the time.
func (b *bench) aliceTakes(w trade.Watch, out wire.OutPoint, value int64) *wire.MsgTx {
	b.t.Helper()
	s, err := contracts.NewScript(w.Terms)
	if err != nil {
		b.t.Fatal(err)
	}
	tx := s.Refund(out, value, keyScript(make([]byte, 20)), 1000)
	prevs := txscript.NewCannedPrevOutputFetcher(s.Output(), value)
	if err := s.SignRefund(tx, 0, prevs, named("alice").SwapKey(b.coin.Chain, 1)); err != nil {
		b.t.Fatal(err)
	}
	return tx
}

// A stingy node finds every fee too small.
type stingy struct{ *fake }

func (stingy) Send(context.Context, *wire.MsgTx) error {
	return fmt.Errorf("%w: min relay fee not met", trade.ErrShort)
}
