package utxo

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// sketch is a fate in a few letters: where the lock lies, how it ended and where.
func sketch(f trade.Fate) string {
	if f.Lock == nil {
		return "none"
	}
	s := fmt.Sprintf("lock@%d", f.Lock.Height)
	if f.End != nil {
		s += fmt.Sprintf(" %s@%d", f.End.Kind, f.End.Height)
	}
	return s
}

func (b *bench) sees(w trade.Watch, want string) {
	b.t.Helper()
	b.step()
	if got := sketch(b.told[w.ID]); got != want {
		b.t.Fatalf("told %q, want %q", got, want)
	}
}

func first(tx *wire.MsgTx) wire.OutPoint { return wire.OutPoint{Hash: tx.TxHash()} }

// begun is a chain of 10 blocks, followed, with one leg watched.
func begun(t testing.TB, chain contracts.Chain) (*bench, trade.Watch) {
	b := newBench(t, chain)
	b.node.mineEmpty(10)
	w := b.leg(1)
	b.watch(w)
	b.step()
	return b, w
}

// A lock is seen waiting, then mined; so is its redeem, with the secret at once.
func TestLifeOfALock(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	if _, told := b.told[w.ID]; !told {
		t.Fatal("not told that there is no lock")
	}
	lock := b.funding(outputOf(t, w.Terms), 1_000_000)
	b.node.pool = append(b.node.pool, lock)
	b.sees(w, "lock@0")
	b.node.mine(opTrue)
	b.sees(w, "lock@11")
	redeem := b.bobTakes(w, first(lock), 1_000_000)
	b.node.pool = append(b.node.pool, redeem)
	b.sees(w, "lock@11 secret@0")
	if e := b.told[w.ID].End; *e.Secret != goodSecret || e.Fee != contracts.Units(1000) {
		t.Fatalf("the end is %+v", e)
	}
	b.node.mine(opTrue)
	b.sees(w, "lock@11 secret@12")
	before := b.news
	if b.step(); b.news != before {
		t.Fatal("news though nothing happened")
	}
	b.node.mineEmpty(1)
	if n := b.step(); b.news != before+1 || n.Head.Height != 13 || len(n.Sightings) != 0 {
		t.Fatalf("a new head told %+v", n)
	}
}

// H1, B1–B3: what counts as the lock. Each row is the outputs of one block.
func TestWhatCounts(t *testing.T) {
	for _, r := range []struct {
		name   string
		values []int64
		want   int64 // 0: none
		strays int
	}{
		{"exact", []int64{1_000_000}, 1_000_000, 0},
		{"one less", []int64{999_999}, 0, 1},
		{"twice", []int64{2_000_000}, 2_000_000, 0},
		{"more than twice", []int64{2_000_001}, 0, 1},
		{"split", []int64{500_000, 500_000}, 0, 2},
		{"funded twice", []int64{1_000_000, 1_500_000}, 1_000_000, 1},
		{"less, then right", []int64{1, 1_000_000}, 1_000_000, 1},
	} {
		t.Run(r.name, func(t *testing.T) {
			b, w := begun(t, contracts.BTC)
			b.node.mine(opTrue, b.funding(outputOf(t, w.Terms), r.values...))
			b.step()
			got := int64(0)
			if l := b.told[w.ID].Lock; l != nil {
				got = sum(l.Amount)
			}
			if strays := b.Strays(w); got != r.want || len(strays) != r.strays {
				t.Fatalf("counts %d, want %d; strays %v, want %d", got, r.want, strays, r.strays)
			}
		})
	}
}

// The first that is mined counts, though another waited before it.
func TestFirstMinedCounts(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	one := b.funding(outputOf(t, w.Terms), 1_000_000)
	b.node.pool = append(b.node.pool, one)
	b.sees(w, "lock@0")
	two := b.funding(outputOf(t, w.Terms), 1_100_000)
	b.node.mine(opTrue, two)
	b.sees(w, "lock@11")
	if l := b.told[w.ID].Lock; l.TxID != display(two.TxHash()) {
		t.Fatalf("counts %+v", l)
	}
}

// K2: each row is a leg like the good one in all but one thing.
func TestLookAlikes(t *testing.T) {
	for name, change := range map[string]func(*contracts.Terms){
		"other form":   func(x *contracts.Terms) { x.Form = contracts.P2WSH },
		"other hash":   func(x *contracts.Terms) { x.Hash[0] ^= 1 },
		"a day later":  func(x *contracts.Terms) { x.Expiry += 86400 },
		"sides turned": func(x *contracts.Terms) { x.Redeemer, x.Refunder = x.Refunder, x.Redeemer },
	} {
		t.Run(name, func(t *testing.T) {
			b, w := begun(t, contracts.BTC)
			other := w.Terms
			change(&other)
			b.node.mine(opTrue, b.funding(outputOf(t, other), 1_000_000))
			b.sees(w, "none")
		})
	}
}

// D1, D2, D10, D27: what a reorganisation or the mempool takes back.
func TestTakenBack(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	lock := b.funding(outputOf(t, w.Terms), 1_000_000)
	b.node.mine(opTrue, lock)
	b.sees(w, "lock@11")
	b.node.rewind(1, true) // D1: it waits again
	b.node.mineEmpty(2)
	b.sees(w, "lock@0")
	b.node.mine(opTrue)
	b.sees(w, "lock@13")
	redeem := b.bobTakes(w, first(lock), 1_000_000)
	b.node.mine(opTrue, redeem)
	b.sees(w, "lock@13 secret@14")
	b.node.rewind(2, true) // both wait, the child listed before its parent
	b.node.pool = []*wire.MsgTx{redeem, lock}
	b.node.mineEmpty(3)
	b.sees(w, "lock@0 secret@0")
	b.node.mine(opTrue, lock)
	b.sees(w, "lock@16 secret@0")
	b.node.pool = nil // evicted
	b.sees(w, "lock@16")
	refund := b.aliceTakes(w, first(lock), 1_000_000)
	b.node.pool = append(b.node.pool, refund, redeem)
	b.sees(w, "lock@16 secret@0") // both wait: the secret is out
	b.node.mine(opTrue, refund)
	b.sees(w, "lock@16 time@17")
	b.node.rewind(5, false) // D2: spent elsewhere in the new branch
	b.node.pool = nil
	b.node.mineEmpty(6)
	b.sees(w, "none")
}

// A child that is listed before its parent, and one that waits while its parent
// moves to another branch.
func TestChildOfAWaitingLock(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	lock := b.funding(outputOf(t, w.Terms), 1_000_000)
	b.node.pool = append(b.node.pool, lock)
	redeem := b.bobTakes(w, first(lock), 1_000_000)
	b.node.pool = []*wire.MsgTx{redeem, lock}
	b.sees(w, "lock@0 secret@0")
	b.node.mine(opTrue, lock)
	b.sees(w, "lock@11 secret@0")
	b.node.rewind(1, false)
	b.node.mineEmpty(1)
	b.node.mine(opTrue, lock)
	b.sees(w, "lock@12 secret@0")
}

// A watch is told of what lies before it, for many of them in one pass.
func TestLooksBack(t *testing.T) {
	b := newBench(t, contracts.BTC)
	b.node.mineEmpty(10)
	var lock *wire.MsgTx
	for i := range uint64(100) {
		lock = b.funding(outputOf(t, b.leg(i+1).Terms), 1_000_000)
		b.node.mine(opTrue, lock)
	}
	b.node.mineEmpty(20)
	waits := b.funding(outputOf(t, b.leg(101).Terms), 1_000_000)
	b.node.pool = append(b.node.pool, waits)
	b.step()
	b.node.fetched = 0
	var all []trade.Watch
	for i := range uint64(101) {
		w := b.leg(i + 1)
		w.From = 5
		all = append(all, w)
	}
	if err := b.Watch(t.Context(), append(all, all[0])...); err != nil {
		t.Fatal(err)
	}
	n := b.step()
	if b.node.fetched != 126 || len(n.Sightings) != 101 {
		t.Fatalf("%d blocks read for %d fates, want 126 for 101", b.node.fetched, len(n.Sightings))
	}
	for i, w := range all[:100] {
		if got, want := sketch(b.told[w.ID]), fmt.Sprintf("lock@%d", 11+i); got != want {
			t.Fatalf("leg %d: told %q, want %q", i, got, want)
		}
	}
	if got := sketch(b.told[all[100].ID]); got != "lock@0" {
		t.Fatalf("waiting lock: told %q", got)
	}
	b.Forget(all...)
	if len(b.index.legs)+len(b.index.targets)+len(b.index.locks)+len(b.index.dirty) != 0 {
		t.Fatalf("something is left: %+v", b.index)
	}
}

// Two sides of one node watch one leg: each is told (H6).
func TestBothSidesHere(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	other := w
	other.Side = trade.Theirs
	b.watch(other)
	b.node.mine(opTrue, b.funding(outputOf(t, w.Terms), 1_000_000))
	if n := b.step(); len(n.Sightings) != 2 {
		t.Fatalf("told %+v", n.Sightings)
	}
	b.Forget(other)
	if b.index.legs[legKey{w.ID, w.Side}] == nil || len(b.index.targets) != 1 {
		t.Fatal("forgetting one side forgot the other")
	}
}

// A reorganisation below all that is remembered: everything is looked through
// again.
func TestDeepReorganisation(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	b.node.mine(opTrue, b.funding(outputOf(t, w.Terms), 1_000_000))
	b.sees(w, "lock@11")
	b.blocks = b.blocks[len(b.blocks)-1:] // remembers one block
	b.node.rewind(3, false)
	b.node.mineEmpty(5)
	if _, _, err := b.look(t.Context()); !errors.Is(err, ErrDown) {
		t.Fatalf("look: %v", err)
	}
	b.node.mine(opTrue, b.funding(outputOf(t, w.Terms), 1_200_000))
	b.sees(w, "lock@14")
}

// F1–F3, B32: nodes that are down, behind, or lie about the height.
func TestBadNodes(t *testing.T) {
	good, bad := newFake(t), &fake{}
	b := benchOn(t, good, testCoin(contracts.BTC, good), func(c *Config) { c.Nodes = []Node{bad, good} })
	good.mineEmpty(10)
	*bad = *good
	behind := *good
	for _, r := range []struct {
		name string
		make func() fake
	}{
		{"down", func() fake { x := *good; x.down = fmt.Errorf("%w: refused", ErrDown); return x }},
		{"behind", func() fake { return behind }},
		{"height -1", func() fake { x := *good; x.lie = func(t Tip) Tip { return Tip{t.Hash, -1} }; return x }},
		{"height huge", func() fake { x := *good; x.lie = func(t Tip) Tip { return Tip{t.Hash, 1 << 40} }; return x }},
		{"another tip", func() fake { x := *good; x.lie = func(t Tip) Tip { return Tip{chainhash.Hash{1}, t.Height} }; return x }},
	} {
		t.Run(r.name, func(t *testing.T) {
			good.mineEmpty(2)
			*bad = r.make()
			b.nodes.prefer(0)
			want := uint64(len(good.active) - 1)
			var errs []error
			for range 3 {
				_, _, err := b.look(t.Context())
				errs = append(errs, err)
			}
			if head, err := b.Head(t.Context()); err != nil || head.Height != want {
				t.Fatalf("head %d, want %d: %v %v", head.Height, want, err, errs)
			}
		})
	}
}

// A single node that falls below our tip is waited for, and then believed.
func TestNodeFallsBehind(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	b.node.mine(opTrue, b.funding(outputOf(t, w.Terms), 1_000_000))
	b.sees(w, "lock@11")
	b.node.rewind(1, false)
	for range maxBehind - 1 {
		b.sees(w, "lock@11")
	}
	b.sees(w, "none")
}

// A node of another network is refused, by Check at once and by every question.
func TestOtherNetwork(t *testing.T) {
	f := newFake(t)
	coin := testCoin(contracts.BTC, f)
	coin.Genesis[0] ^= 1
	b := benchOn(t, f, coin)
	if err := b.Check(t.Context()); !errors.Is(err, ErrNetwork) {
		t.Fatalf("check: %v", err)
	}
	if _, _, err := b.look(t.Context()); !errors.Is(err, ErrNetwork) {
		t.Fatalf("look: %v", err)
	}
}

// Follow waits out a node that is down and tells again all that it told before.
func TestFollow(t *testing.T) {
	b, w := begun(t, contracts.BTC)
	b.poll = time.Millisecond
	stop := errors.New("stop")
	told := 0
	err := b.Follow(t.Context(), func(_ context.Context, n trade.News) error {
		if told += len(n.Sightings); told == 1 && n.Sightings[0].ID == w.ID {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	b.node.down = fmt.Errorf("%w: refused", ErrDown)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = b.Follow(ctx, func(context.Context, trade.News) error { return errors.New("news from nowhere") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// D16: a lock paid out of the extension block counts six blocks deep.
func TestHogExLock(t *testing.T) {
	b, w := begun(t, contracts.LTC)
	tx := b.funding(outputOf(t, w.Terms), 1, 1_000_000)
	tx.TxOut[0].PkScript = append([]byte{0x58, 0x20}, make([]byte, 32)...)
	b.node.mine(opTrue, tx)
	for range hogExDepth - 1 {
		b.sees(w, "none")
		b.node.mineEmpty(1)
	}
	b.sees(w, "lock@11")
}

func TestAgree(t *testing.T) {
	for _, r := range []struct {
		name  string
		nodes int
		turn  func(nodes []*fake, lock *wire.MsgTx, f *trade.Fate, w *trade.Watch)
		want  error
	}{
		{"good", 3, func([]*fake, *wire.MsgTx, *trade.Fate, *trade.Watch) {}, nil},
		{"one of three silent", 3, func(n []*fake, _ *wire.MsgTx, _ *trade.Fate, _ *trade.Watch) { n[2].down = ErrDown }, nil},
		{"two of three silent", 3, func(n []*fake, _ *wire.MsgTx, _ *trade.Fate, _ *trade.Watch) { n[1].down, n[2].down = ErrDown, ErrDown }, ErrDown},
		{"one of another chain", 3, func(n []*fake, _ *wire.MsgTx, _ *trade.Fate, _ *trade.Watch) {
			n[2].rewind(1, false)
			n[2].mineEmpty(2)
		}, ErrDisagree},
		{"one behind", 3, func(n []*fake, _ *wire.MsgTx, _ *trade.Fate, _ *trade.Watch) { n[2].rewind(1, false) }, ErrDisagree},
		{"one says spent", 3, func(n []*fake, l *wire.MsgTx, _ *trade.Fate, _ *trade.Watch) {
			tx := wire.NewMsgTx(2)
			out := first(l)
			tx.AddTxIn(wire.NewTxIn(&out, nil, nil))
			n[2].mine(opTrue, tx)
		}, ErrDisagree},
		{"waiting", 1, func(_ []*fake, _ *wire.MsgTx, f *trade.Fate, _ *trade.Watch) { f.Lock.Height = 0 }, trade.ErrNotYet},
		{"no lock", 1, func(_ []*fake, _ *wire.MsgTx, f *trade.Fate, _ *trade.Watch) { f.Lock = nil }, trade.ErrNotYet},
		{"another output", 1, func(_ []*fake, _ *wire.MsgTx, f *trade.Fate, _ *trade.Watch) { f.Lock.Index = 1 }, ErrDisagree},
		{"another transaction", 1, func(_ []*fake, _ *wire.MsgTx, f *trade.Fate, _ *trade.Watch) { f.Lock.TxID[0] ^= 1 }, ErrDisagree},
		{"other terms", 1, func(_ []*fake, _ *wire.MsgTx, _ *trade.Fate, w *trade.Watch) { w.Terms.Expiry++ }, ErrDisagree},
		{"more asked", 1, func(_ []*fake, _ *wire.MsgTx, _ *trade.Fate, w *trade.Watch) {
			w.Terms.Amount = contracts.Units(1_000_001)
		}, ErrDisagree},
	} {
		t.Run(r.name, func(t *testing.T) {
			f := newFake(t)
			fakes := []*fake{f}
			b := benchOn(t, f, testCoin(contracts.BTC, f), func(c *Config) {
				for len(fakes) < r.nodes {
					x := new(fake)
					fakes, c.Nodes = append(fakes, x), append(c.Nodes, x)
				}
			})
			f.mineEmpty(10)
			w := b.leg(1)
			lock := b.funding(outputOf(t, w.Terms), 1_000_000)
			f.mine(opTrue, lock)
			for i, x := range fakes[1:] {
				*x = *f
				x.salt += uint32(1000 * (i + 1))
				x.active = append([]chainhash.Hash(nil), f.active...)
			}
			b.watch(w)
			b.sees(w, "lock@11")
			fate, watch := b.told[w.ID], w
			spot := *fate.Lock
			fate.Lock = &spot
			r.turn(fakes, lock, &fate, &watch)
			if err := b.Agree(t.Context(), watch, fate); !errors.Is(err, r.want) || (r.want == nil) != (err == nil) {
				t.Fatalf("agree: %v, want %v", err, r.want)
			}
		})
	}
}

// BenchmarkBlock is one block of 2,500 transactions against 10,000 watches; each
// round takes it in and takes it back.
func BenchmarkBlock(b *testing.B) {
	f := newBench(b, contracts.BTC)
	f.node.mineEmpty(10)
	var legs []trade.Watch
	for i := range uint64(10_000) {
		legs = append(legs, f.leg(i+1))
	}
	if err := f.Watch(b.Context(), legs...); err != nil {
		b.Fatal(err)
	}
	f.step()
	block := &Block{}
	for i := range 2500 {
		tx := wire.NewMsgTx(2)
		tx.AddTxIn(wire.NewTxIn(&wire.OutPoint{Hash: chainhash.Hash{byte(i), byte(i >> 8)}}, nil, nil))
		tx.AddTxOut(wire.NewTxOut(int64(i), keyScript(make([]byte, 20))))
		tx.AddTxOut(wire.NewTxOut(int64(i), opTrue))
		block.Txs, block.IDs = append(block.Txs, tx), append(block.IDs, tx.TxHash())
	}
	for b.Loop() {
		if err := f.take(block, f.tip()+1); err != nil {
			b.Fatal(err)
		}
		if err := f.undo(); err != nil {
			b.Fatal(err)
		}
	}
}
