package evm_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"photon/adapters/evm"
	"photon/contracts"
	"photon/node/channel"
	"photon/swap/trade"
)

// withChannels is a new world with Channels in it.
func withChannels(t *testing.T, kind contracts.Chain) *world {
	t.Helper()
	w := newWorld(t, kind)
	w.dates = w.deploy(w.alice, contracts.SecretRegistryDeploy())
	w.at = contracts.Channels{ChainID: simID, At: w.deploy(w.alice, contracts.ChannelsDeploy(simID, w.dates, 50))}
	w.alice, w.bob = w.person(w.alice.key, w.gate.URL), w.person(w.bob.key, w.gate.URL)
	return w
}

// onEach runs a story on each kind of chain.
func onEach(t *testing.T, story func(*testing.T, *world)) {
	for _, kind := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := withChannels(t, kind)
			w.t = t
			story(t, w)
		})
	}
}

// open is Alice's order number n to open a channel with Bob and so many units.
func (w *world) open(n byte, token contracts.Address, amount uint64) channel.Order {
	o := channel.Order{ID: contracts.Hash{n, 1}, To: w.at.At}
	o.Data, o.Value = contracts.OpenCall(token, w.bob.Account(), 100, contracts.Units(amount))
	if token != (contracts.Address{}) {
		o.Token, o.Spends = token, contracts.Units(amount)
	}
	return o
}

// register is an order to register secret number n.
func (w *world) register(n byte) channel.Order {
	return channel.Order{ID: contracts.Hash{n, 2}, To: w.dates, Data: contracts.RegisterCall(contracts.Secret{n, 8})}
}

// channelAt is the channel that Alice opened in this block.
func (w *world) channelAt(token contracts.Address, block uint64) contracts.ChannelName {
	return contracts.NameChannel(token, w.alice.Account(), w.bob.Account(), block)
}

// order prepares an order; all of it is sent when send.
func (p *person) order(t *testing.T, o channel.Order, send bool) []channel.Tx {
	t.Helper()
	txs, err := p.PrepareCall(bg, o)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	for _, tx := range txs {
		if tx.Order != o.ID {
			t.Errorf("made for %s, not %s", tx.Order, o.ID)
		}
		if !send {
			continue
		}
		if err := p.SendCall(bg, tx); err != nil {
			t.Fatalf("send step %d: %v", tx.Step, err)
		}
	}
	return txs
}

// read is a transaction of a channel, read.
func read(t *testing.T, tx channel.Tx) *types.Transaction {
	t.Helper()
	return decode(t, trade.Tx{Raw: tx.Raw})
}

// buried checks how deep tx lies and whether it is done.
func (p *person) buried(t *testing.T, tx channel.Tx, depth uint64, done bool) {
	t.Helper()
	if d, ok, err := p.CallBuried(bg, tx); err != nil || d != depth || ok != done {
		t.Errorf("depth %d, done %t, %v; want %d, %t", d, ok, err, depth, done)
	}
}

func same(a, b []channel.Tx) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].Step != b[i].Step || a[i].Order != b[i].Order {
			return false
		}
	}
	return true
}

// A channel's calls and a swap's lock take their nonces from one lane, also after a
// restart, and all are mined.
func TestCallsShareTheLane(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		open := w.alice.order(t, w.open(1, contracts.Address{}, 70), false)
		lock := w.alice.prepare(t, w.lockOrder(w.native(), 1))
		secret := w.alice.order(t, w.register(1), false)
		first := read(t, open[0]).Nonce()
		if a, b := decode(t, lock).Nonce(), read(t, secret[0]).Nonce(); a != first+1 || b != first+2 {
			t.Fatalf("nonces %d, %d, %d", first, a, b)
		}
		again := w.person(w.alice.key, w.gate.URL)
		if err := again.ResumeCalls(bg, []channel.Tx{secret[0], open[0]}); err != nil {
			t.Fatal(err)
		}
		if got := decode(t, again.prepare(t, w.lockOrder(w.native(), 2))).Nonce(); got != first+1 {
			t.Errorf("after a restart: nonce %d, want %d, which was never stored", got, first+1)
		}
		if err := w.bob.ResumeCalls(bg, open); err == nil {
			t.Error("Bob resumed Alice's transactions")
		}
		for _, tx := range []channel.Tx{secret[0], open[0]} {
			if err := w.alice.SendCall(bg, tx); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.alice.Send(bg, lock); err != nil {
			t.Fatal(err)
		}
		w.sim.Commit()
		w.mined(lock)
		for _, tx := range []channel.Tx{open[0], secret[0]} {
			w.alice.buried(t, tx, 1, true)
		}
		n := w.channelAt(contracts.Address{}, w.height())
		s, err := w.bob.ReadChannel(bg, n.ID(), w.height())
		if err != nil || s.Window != 100 || s.FirstDeposit.Plus(s.SecondDeposit) != contracts.Units(70) {
			t.Errorf("%+v, %v", s, err)
		}
		if s, err := w.bob.ReadChannel(bg, n.ID(), w.height()-1); err != nil || s != (contracts.ChannelState{}) {
			t.Errorf("before: %+v, %v", s, err)
		}
		if owed, err := w.alice.Owed(bg, contracts.Address{}); err != nil || !owed.IsZero() {
			t.Errorf("owed %s, %v", owed, err)
		}
	})
}

// One order is made once: while it waits, when it is mined, after a restart.
func TestOrderIsMadeOnce(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		o := w.open(1, w.token, 30)
		txs := w.alice.order(t, o, true)
		if len(txs) != 2 || txs[0].Step != 1 || txs[1].Step != 0 {
			t.Fatalf("made %+v", txs)
		}
		if again := w.alice.order(t, o, true); !same(again, txs) {
			t.Errorf("made again while it waits: %+v", again)
		}
		p := w.person(w.alice.key, w.gate.URL)
		if err := p.ResumeCalls(bg, txs); err != nil {
			t.Fatal(err)
		}
		if again := p.order(t, o, true); !same(again, txs) {
			t.Errorf("made again after a restart: %+v", again)
		}
		p.buried(t, txs[1], 0, false)
		w.sim.Commit()
		for _, who := range []*person{w.alice, p} {
			if again := who.order(t, o, true); !same(again, txs[1:]) {
				t.Errorf("made again when mined: %+v", again)
			}
			who.buried(t, txs[0], 1, true)
		}
		w.sim.Commit()
		p.buried(t, txs[1], 2, true)
	})
}

// Tokens are approved before a channel takes them: what is promised to other calls
// and to swaps is counted, and an allowance is for one spender.
func TestCallsOfTokens(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		var all []channel.Tx
		for n := range byte(2) {
			txs := w.alice.order(t, w.open(n+1, w.token, 300), true)
			if len(txs) != 2 {
				t.Fatalf("opening %d: %d transactions", n, len(txs))
			}
			all = append(all, txs...)
			lock := w.alice.make(t, w.lockOrder(w.tokens(), n+1)) // another spender
			if len(lock) != 2 {
				t.Fatalf("lock %d: %d transactions", n, len(lock))
			}
			if n == 0 { // in one block there is one channel between two
				w.sim.Commit()
			}
		}
		w.sim.Commit()
		for _, tx := range all {
			if d, done, err := w.alice.CallBuried(bg, tx); d == 0 || !done || err != nil {
				t.Errorf("step %d: depth %d, done %t, %v", tx.Step, d, done, err)
			}
		}
		if got := w.alice.holds(t, w.tokens()); got != contracts.Units(1_000_000-2*300-2*1000) {
			t.Errorf("Alice has %s", got)
		}
		w.call(w.alice, w.token, contracts.ApproveCall(w.at.At, contracts.Units(350)))
		w.sim.Commit()
		if txs := w.alice.order(t, w.open(3, w.token, 300), true); len(txs) != 1 {
			t.Errorf("enough is allowed: %d transactions", len(txs))
		}
		if txs := w.alice.order(t, w.open(4, w.token, 51), false); len(txs) != 3 {
			t.Errorf("50 are left of the allowance: %d transactions", len(txs))
		}
		if _, err := w.alice.PrepareCall(bg, w.open(5, w.token, 997_050)); !errors.Is(err, channel.ErrShort) {
			t.Errorf("one more than is left: %v", err)
		}
		if txs := w.alice.order(t, w.open(6, w.token, 997_049), false); len(txs) != 2 {
			t.Errorf("all that is left: %d transactions", len(txs))
		}
	})
}

// A call that fails now is refused by its reason, and takes no nonce.
func TestFailingCall(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		nobodys := w.channelAt(contracts.Address{}, 1)
		for _, row := range []struct {
			name   string
			change func(*channel.Order)
			want   error
			text   string
		}{
			{"good", func(*channel.Order) {}, nil, ""},
			{"good, with a limit", func(o *channel.Order) { o.Gas = 300_000 }, nil, ""},
			{"no such channel", func(o *channel.Order) {
				o.Value, o.Data = contracts.Amount{}, contracts.SettleCall(nobodys, contracts.Claim{}, contracts.Claim{})
			}, evm.ErrRefused, "NoChannel"},
			{"no such channel, with a limit", func(o *channel.Order) {
				o.Gas, o.Value, o.Data = 300_000, contracts.Amount{}, contracts.SettleCall(nobodys, contracts.Claim{}, contracts.Claim{})
			}, evm.ErrRefused, "NoChannel"},
			{"a window too short", func(o *channel.Order) {
				o.Data, o.Value = contracts.OpenCall(contracts.Address{}, w.bob.Account(), 89, contracts.Units(5))
			}, evm.ErrRefused, "BadWindow"},
			{"with ourselves", func(o *channel.Order) {
				o.Data, o.Value = contracts.OpenCall(contracts.Address{}, w.alice.Account(), 100, contracts.Units(5))
			}, evm.ErrRefused, "BadParties"},
			{"no secret", func(o *channel.Order) {
				o.Value, o.To, o.Data = contracts.Amount{}, w.dates, contracts.RegisterCall(contracts.Secret{})
			}, evm.ErrRefused, "BadSecret"},
			{"more than there is", func(o *channel.Order) {
				o.Data, o.Value = contracts.OpenCall(contracts.Address{}, w.bob.Account(), 100, contracts.AmountOf(contracts.Units(1<<63).Uint256()))
				o.Value = o.Value.Plus(o.Value).Plus(o.Value).Plus(o.Value).Plus(o.Value).Plus(o.Value).Plus(o.Value).Plus(o.Value).Plus(o.Value).Plus(o.Value).Plus(o.Value)
			}, channel.ErrShort, ""},
		} {
			before := decode(t, w.alice.prepare(t, w.lockOrder(w.native(), 77))).Nonce()
			w.alice = w.person(w.alice.key, w.gate.URL) // nothing of that is held
			o := w.open(1, contracts.Address{}, 5)
			row.change(&o)
			txs, err := w.alice.PrepareCall(bg, o)
			if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) || (err != nil && !strings.Contains(err.Error(), row.text)) {
				t.Errorf("%s: %v, want %v", row.name, err, row.want)
				continue
			}
			if err == nil && o.Gas != 0 && read(t, txs[0]).Gas() != o.Gas {
				t.Errorf("%s: %d gas", row.name, read(t, txs[0]).Gas())
			}
			want := before
			if err == nil {
				want++
			}
			if got := decode(t, w.alice.prepare(t, w.lockOrder(w.native(), 78))).Nonce(); got != want {
				t.Errorf("%s: next nonce is %d, want %d", row.name, got, want)
			}
			w.alice = w.person(w.alice.key, w.gate.URL)
		}
	})
}

// What an order may cost is bound by its stake, and what it offers grows as its last
// block nears.
func TestFeesOfCalls(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		offer := func(change func(*channel.Order)) *big.Int {
			o := w.register(1)
			o.Gas = 200_000
			change(&o)
			tx := read(t, w.person(w.alice.key, w.gate.URL).order(t, o, false)[0])
			return tx.GasFeeCap()
		}
		usual := offer(func(*channel.Order) {})
		for _, row := range []struct {
			name   string
			change func(*channel.Order)
			want   int64 // eighths of the usual price
		}{
			{"far", func(o *channel.Order) { o.Deadline = w.height() + 700 }, 8},
			{"in ten minutes", func(o *channel.Order) { o.Deadline = w.height() + 45 }, 16},
			{"in three blocks", func(o *channel.Order) { o.Deadline = w.height() + 3 }, 24},
			{"missed", func(o *channel.Order) { o.Deadline = 1 }, 32},
			{"missed, for little", func(o *channel.Order) {
				o.Deadline, o.Stake = 1, contracts.Units(usual.Uint64()*200_000*2)
			}, 16},
			{"missed, for just what it costs", func(o *channel.Order) { o.Deadline, o.Stake = 1, contracts.Units(usual.Uint64()*200_000) }, 8},
		} {
			want := new(big.Int).Div(new(big.Int).Mul(usual, big.NewInt(row.want)), big.NewInt(8))
			if got := offer(row.change); got.Cmp(want) != 0 {
				t.Errorf("%s: %s wei per gas, want %s", row.name, got, want)
			}
		}
		o := w.register(1)
		o.Gas, o.Stake = 200_000, contracts.Units(usual.Uint64()*200_000-1)
		if _, err := w.alice.PrepareCall(bg, o); !errors.Is(err, evm.ErrDear) {
			t.Errorf("for one wei less: %v", err)
		}
	})
}

// Fees rise while a call waits: HastenCall pays more for the same nonce, unless more
// than the stake would be paid.
func TestHastenCall(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		o := w.register(1)
		slow := w.alice.order(t, o, true)[0]
		if _, ok, err := w.alice.HastenCall(bg, o, slow); ok || err != nil {
			t.Fatalf("well paid: %t, %v", ok, err)
		}
		w.dear(5)
		p := w.person(w.alice.key, w.gate.URL)
		if err := p.ResumeCalls(bg, []channel.Tx{slow}); err != nil {
			t.Fatal(err)
		}
		poor := o
		poor.Stake = slow.Fee
		if faster, ok, err := p.HastenCall(bg, poor, slow); ok || err != nil {
			t.Fatalf("for more than the stake: %+v, %v", faster, err)
		}
		fast, ok, err := p.HastenCall(bg, o, slow)
		if !ok || err != nil || fast.Order != o.ID || fast.Step != 0 || read(t, fast).Nonce() != read(t, slow).Nonce() || !slow.Fee.Less(fast.Fee) {
			t.Fatalf("%+v, %t, %v", fast, ok, err)
		}
		for _, tx := range []channel.Tx{fast, slow} {
			if err := p.SendCall(bg, tx); err != nil {
				t.Fatal(err)
			}
		}
		w.sim.Commit()
		p.buried(t, slow, 1, true) // as its better paid version
		p.buried(t, fast, 1, true)
		if _, ok, err := p.HastenCall(bg, o, fast); ok || err != nil {
			t.Errorf("mined: %t, %v", ok, err)
		}
	})
}

// A call that was stored and never sent holds up no swap, and a swap's lock no call:
// each frees the nonce in its way, in its own name.
func TestUnsentHoldsUpNeither(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		unsent := w.alice.order(t, w.open(1, contracts.Address{}, 9), false)[0]
		o := w.lockOrder(w.native(), 1)
		lock := w.alice.make(t, o)[0]
		w.alice.later(61 * time.Second)
		made := w.free(w.alice, o, lock)
		if len(made) != 1 || made[0].ID != o.ID || made[0].Side != o.Side || made[0].Purpose != trade.Send ||
			decode(t, made[0]).Nonce() != read(t, unsent).Nonce() {
			t.Fatalf("made %+v", made)
		}
		w.mined(made[0], lock)
		if err := w.alice.SendCall(bg, unsent); err == nil {
			t.Error("sent what was given up")
		}
		w.alice.buried(t, unsent, 0, false)
		w.sim.Commit()
		w.sim.Commit()
		w.alice.buried(t, unsent, 3, false)
		if again := w.alice.order(t, w.open(1, contracts.Address{}, 9), true); again[0].ID == unsent.ID {
			t.Error("not made anew")
		}
		w.sim.Commit()

		never := w.alice.prepare(t, w.lockOrder(w.native(), 2))
		call := w.register(1)
		tx := w.alice.order(t, call, true)[0]
		w.alice.later(3 * time.Minute)
		fill, ok, err := w.alice.HastenCall(bg, call, tx)
		if !ok || err != nil || fill.Order != call.ID || fill.Step != 2 || read(t, fill).Nonce() != decode(t, never).Nonce() {
			t.Fatalf("%+v, %t, %v", fill, ok, err)
		}
		if err := w.alice.SendCall(bg, fill); err != nil {
			t.Fatal(err)
		}
		w.sim.Commit()
		w.alice.buried(t, tx, 1, true)
		w.alice.buried(t, fill, 1, true)
	})
}

// A call that pays too little stands before a swap, and a lock before a call: the one
// behind pays more for the one in its way.
func TestRaisesTheOtherKind(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		old := w.alice.order(t, w.register(1), true)[0]
		w.dear(4)
		p := w.person(w.alice.key, w.gate.URL)
		if err := p.ResumeCalls(bg, []channel.Tx{old}); err != nil {
			t.Fatal(err)
		}
		o := w.lockOrder(w.native(), 1)
		lock := p.make(t, o)[0]
		faster, err := p.Hasten(bg, o, lock)
		if err != nil || faster.ID != o.ID || faster.Purpose != trade.Send || decode(t, faster).Nonce() != read(t, old).Nonce() ||
			string(decode(t, faster).Data()) != string(read(t, old).Data()) {
			t.Fatalf("%+v, %v", faster, err)
		}
		if err := p.Send(bg, faster); err != nil {
			t.Fatal(err)
		}
		w.sim.Commit()
		w.mined(lock, faster)
		p.buried(t, old, 1, true)

		cheap := p.make(t, w.lockOrder(w.native(), 2))[0]
		w.dear(16)
		q := w.person(w.alice.key, w.gate.URL)
		if err := q.Resume(bg, []trade.Tx{cheap}); err != nil {
			t.Fatal(err)
		}
		call := w.register(2)
		tx := q.order(t, call, true)[0]
		raised, ok, err := q.HastenCall(bg, call, tx)
		if !ok || err != nil || raised.Order != call.ID || raised.Step != 2 || read(t, raised).Nonce() != decode(t, cheap).Nonce() {
			t.Fatalf("%+v, %t, %v", raised, ok, err)
		}
		if err := q.SendCall(bg, raised); err != nil {
			t.Fatal(err)
		}
		w.sim.Commit()
		q.buried(t, tx, 1, true)
		if depth, err := q.Buried(bg, cheap); depth != 1 || err != nil {
			t.Errorf("the lock lies %d deep, %v", depth, err)
		}
	})
}

// A call whose nonce another transaction took is waited for until that is confirmed,
// and then failed; so is one that reverted.
func TestFailedCall(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.alice.order(t, w.open(1, contracts.Address{}, 9), true)
		w.sim.Commit()
		n := w.channelAt(contracts.Address{}, w.height())
		w.sim.Commit()
		closing := channel.Order{ID: contracts.Hash{7}, To: w.at.At, Data: contracts.CloseCall(n, contracts.BalanceProof{}, contracts.Signature{})}
		another := closing
		another.ID[0]++
		first, second := w.alice.order(t, closing, true)[0], w.alice.order(t, another, true)[0]
		w.sim.Commit()
		w.alice.buried(t, first, 1, true)
		w.alice.buried(t, second, 1, false)
		if _, err := w.alice.PrepareCall(bg, another); !errors.Is(err, evm.ErrRefused) || !strings.Contains(err.Error(), "AlreadyClosed") {
			t.Errorf("what reverted is made anew: %v", err)
		}

		o := w.register(3)
		lost := w.alice.order(t, o, false)[0]
		to := w.alice.Account()
		taking, err := types.SignNewTx(w.alice.key, types.NewEIP155Signer(big.NewInt(simID)), &types.LegacyTx{
			Nonce: read(t, lost).Nonce(), To: &to, Gas: 21_000, GasPrice: big.NewInt(100 * params.GWei),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.sim.Client().SendTransaction(bg, taking); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			w.sim.Commit()
			w.alice.buried(t, lost, 0, false)
		}
		w.sim.Commit()
		w.alice.buried(t, lost, 3, false)
		if _, ok, err := w.alice.HastenCall(bg, o, lost); ok || err != nil {
			t.Errorf("hasten what is lost: %t, %v", ok, err)
		}
		w.alice.order(t, o, true)
		w.sim.Commit()
	})
}
