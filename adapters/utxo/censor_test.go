package utxo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
)

// A censor is a node that shows its blocks otherwise than they are.
type censor struct {
	*fake
	turn func(*wire.MsgBlock)
}

func (c censor) Block(_ context.Context, hash chainhash.Hash) (*Block, error) {
	b := c.blocks[hash]
	if b == nil {
		return nil, ErrMissing
	}
	shown := &wire.MsgBlock{Header: b.Header}
	for _, tx := range b.Transactions {
		shown.Transactions = append(shown.Transactions, tx.Copy())
	}
	c.turn(shown)
	var raw bytes.Buffer
	if err := shown.Serialize(&raw); err != nil {
		return nil, err
	}
	read, err := decodeBlock(raw.Bytes(), hash)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDown, err) // as rpcNode says it
	}
	return read, nil
}

// F20: the node that is asked first shows the block of the redeem without it, or
// without what it shows. It is found out and the next node is asked; with no
// other node, the block is not taken for looked through.
func TestHiddenTransaction(t *testing.T) {
	remake := func(b *wire.MsgBlock) {
		b.Transactions[0].TxOut = b.Transactions[0].TxOut[:1]
		made := block(b.Header.PrevBlock, 0, b.Transactions...)
		b.Header.MerkleRoot = made.Header.MerkleRoot
	}
	for _, r := range []struct {
		name string
		turn func(*wire.MsgBlock)
	}{
		{"left out", func(b *wire.MsgBlock) { b.Transactions = b.Transactions[:1] }},
		{"left out, in a block made anew", func(b *wire.MsgBlock) { b.Transactions = b.Transactions[:1]; remake(b) }},
		{"another in its place", func(b *wire.MsgBlock) { b.Transactions[1].TxOut[0].Value-- }},
		{"without its witness", func(b *wire.MsgBlock) { b.Transactions[1].TxIn[0].Witness = nil }},
		{"with another secret", func(b *wire.MsgBlock) { b.Transactions[1].TxIn[0].Witness[1][0] ^= 1 }},
		{"no witness at all", func(b *wire.MsgBlock) {
			for _, tx := range b.Transactions {
				tx.TxIn[0].Witness = nil
			}
		}},
	} {
		t.Run(r.name, func(t *testing.T) {
			for _, alone := range []bool{true, false} {
				f := newFake(t)
				hides := false
				liar := censor{f, func(b *wire.MsgBlock) {
					if hides && len(b.Transactions) > 1 {
						r.turn(b)
					}
				}}
				b := benchOn(t, f, testCoin(contracts.BTC, f), func(c *Config) {
					if c.Nodes = []Node{liar, f}; alone {
						c.Nodes = c.Nodes[:1]
					}
				})
				f.mineEmpty(10)
				w := b.leg(1)
				b.watch(w)
				lock := b.funding(outputOf(t, w.Terms), 1_000_000)
				f.mine(opTrue, lock)
				b.sees(w, "lock@11")
				f.mine(opTrue, b.bobTakes(w, first(lock), 1_000_000))
				hides = true
				if alone {
					if _, _, err := b.look(t.Context()); !errors.Is(err, ErrDown) || !errors.Is(err, errDecode) {
						t.Fatalf("alone: %v", err)
					}
					if got := sketch(b.told[w.ID]); got != "lock@11" || b.tip() != 11 {
						t.Fatalf("alone: told %q at block %d", got, b.tip())
					}
					continue
				}
				b.sees(w, "lock@11 secret@12")
				if e := b.told[w.ID].End; *e.Secret != goodSecret {
					t.Fatalf("the end is %+v", e)
				}
			}
		})
	}
}

// F20: a node lists the redeem among what waits, without its witness. The block
// tells the secret.
func TestHiddenWitness(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	lock := b.funding(outputOf(t, w.Terms), 1_000_000)
	b.node.mine(opTrue, lock)
	b.sees(w, "lock@11")
	redeem := b.bobTakes(w, first(lock), 1_000_000)
	bare := redeem.Copy()
	bare.TxIn[0].Witness = nil
	b.node.pool = append(b.node.pool, bare)
	b.sees(w, "lock@11 both@0")
	b.node.mine(opTrue, redeem)
	b.sees(w, "lock@11 secret@12")
	if e := b.told[w.ID].End; e.Secret == nil || *e.Secret != goodSecret || e.Fee != contracts.Units(1000) {
		t.Fatalf("the end is %+v", e)
	}
}

// F20: the node that is asked first keeps the newest blocks to itself, makes up
// others, or tells of a height that it cannot show. The best of the others is
// followed.
func TestWithheldBlocks(t *testing.T) {
	for _, r := range []struct {
		name string
		turn func(liar *fake)
	}{
		{"withheld", func(*fake) {}},
		{"another branch without work", func(f *fake) {
			for height := int64(12); height < 20; height++ {
				b := block(f.active[height-1], height, coinbase(height, 9, opTrue))
				for testWork.proven(b.Header) == nil {
					b.Header.Nonce++
				}
				f.blocks[b.BlockHash()] = b
				f.active = append(f.active, b.BlockHash())
			}
		}},
		{"a height that it does not stand by", func(f *fake) {
			f.lie = func(tip Tip) Tip { return Tip{tip.Hash, 90} }
		}},
		{"a tip that it cannot show", func(f *fake) {
			for height := 12; height < 20; height++ {
				f.active = append(f.active, chainhash.Hash{byte(height)})
			}
		}},
	} {
		t.Run(r.name, func(t *testing.T) {
			good, liar := newFake(t), new(fake)
			b := benchOn(t, good, testCoin(contracts.BTC, good), func(c *Config) { c.Nodes = []Node{liar, good} })
			good.mineEmpty(10)
			w := b.leg(1)
			b.watch(w)
			lock := b.funding(outputOf(t, w.Terms), 1_000_000)
			good.mine(opTrue, lock)
			*liar = *good
			liar.blocks = map[chainhash.Hash]*wire.MsgBlock{}
			for h, x := range good.blocks {
				liar.blocks[h] = x
			}
			liar.active = append([]chainhash.Hash(nil), good.active...)
			b.sees(w, "lock@11")
			r.turn(liar)
			good.mine(opTrue, b.bobTakes(w, first(lock), 1_000_000))
			looks := 0
			for looks < 2*maxStill && sketch(b.told[w.ID]) != "lock@11 secret@12" {
				looks++
				news, _, err := b.look(t.Context())
				for _, s := range news.Sightings {
					b.told[s.ID] = s.Fate
				}
				t.Logf("look %d: %v", looks, err)
			}
			if got := sketch(b.told[w.ID]); got != "lock@11 secret@12" {
				t.Fatalf("told %q", got)
			}
			good.mineEmpty(3)
			for range 2 * maxStill {
				if _, _, err := b.look(t.Context()); err != nil {
					t.Logf("later: %v", err)
				}
			}
			if b.tip() != 15 {
				t.Errorf("at block %d, want 15", b.tip())
			}
		})
	}
}

// F20: a watch looks back behind what is remembered. A node that names another
// block for the height of the redeem hides nothing.
func TestHiddenPast(t *testing.T) {
	b := newBench(t, contracts.BTC)
	b.node.mineEmpty(10)
	w := b.leg(1)
	lock := b.funding(outputOf(t, w.Terms), 1_000_000)
	b.node.mine(opTrue, lock)
	b.node.mine(opTrue, b.bobTakes(w, first(lock), 1_000_000))
	b.node.mineEmpty(10)
	b.step()
	b.blocks = b.blocks[len(b.blocks)-3:]
	b.node.active = append([]chainhash.Hash(nil), b.node.active...)
	b.node.active[11], b.node.active[12] = b.node.active[10], b.node.active[9]
	b.watch(w)
	b.sees(w, "lock@11 secret@12")
}

// The work that a block asks for is made less only where and as far as the rules
// let it.
func TestEased(t *testing.T) {
	main := Coin{Retarget: 2016}
	for _, r := range []struct {
		name     string
		coin     Coin
		from, to uint32
		height   int64
		want     error
	}{
		{"as before", main, 0x1e01ffff, 0x1e01ffff, 2017, nil},
		{"four times easier", main, 0x1e01ffff, 0x1e07fffc, 4032, nil},
		{"more than four times easier", main, 0x1e01ffff, 0x1e07fffd, 4032, errWork},
		{"easier at another height", main, 0x1e01ffff, 0x1e020000, 4033, errWork},
		{"much harder", main, 0x1e01ffff, 0x1b01ffff, 4032, nil},
		{"harder at another height", main, 0x1e01ffff, 0x1e01fffe, 4031, errWork},
		{"the block before is not known", main, 0, 0x1e01ffff, 4031, nil},
		{"a network without rules", Coin{}, 0x1e01ffff, 0x207fffff, 4031, nil},
	} {
		err := r.coin.eased(mined{Bits: r.from}, wire.BlockHeader{Bits: r.to}, r.height)
		if !errors.Is(err, r.want) || (r.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", r.name, err, r.want)
		}
	}
}

// A block must have the work that it asks for, and ask for enough.
func TestProven(t *testing.T) {
	h := wire.BlockHeader{Version: 1, Bits: 0x1f7fffff} // every five hundredth has it
	coin := Coin{Easiest: 0x1f7fffff}
	for coin.proven(h) != nil {
		h.Nonce++
	}
	lazy := h
	for lazy.Nonce++; coin.proven(lazy) == nil; {
		lazy.Nonce++
	}
	constant := func(last byte) func(wire.BlockHeader) chainhash.Hash {
		return func(wire.BlockHeader) chainhash.Hash { return chainhash.Hash{31: 0, 30: last, 29: 0xff, 28: 0xff} }
	}
	for _, r := range []struct {
		name string
		coin Coin
		h    wire.BlockHeader
		good bool
	}{
		{"good", coin, h, true},
		{"another nonce", coin, lazy, false},
		{"asks for less than the network", Coin{Easiest: 0x1f7ffffe}, h, false},
		{"the first block", Coin{Easiest: 0x1f7fffff, Genesis: lazy.BlockHash()}, lazy, true},
		{"work by another hash", Coin{Easiest: 0x1f7fffff, Work: constant(0x7f)}, lazy, true},
		{"one too many by another hash", Coin{Easiest: 0x1f7fffff, Work: constant(0x80)}, h, false},
		{"asks for a negative number", coin, wire.BlockHeader{Bits: 0x1f800001}, false},
		{"asks for nothing", coin, wire.BlockHeader{Bits: 0x1f000000}, false},
		{"asks for more than a hash can be", coin, wire.BlockHeader{Bits: 0x217fffff}, false},
		{"asks for less than one", coin, wire.BlockHeader{Bits: 0x0000ffff}, false},
	} {
		err := r.coin.proven(r.h)
		if (err == nil) != r.good || (err != nil && !(errors.Is(err, errWork) && errors.Is(err, ErrDown))) {
			t.Errorf("%s: %v", r.name, err)
		}
	}
}
