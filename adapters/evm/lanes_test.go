package evm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"

	"photon/contracts"
	"photon/node/channel"
	"photon/swap/trade"
)

// A rush is Alice, who locks, registers and deposits in any order, sends late and is
// stopped and begun again. What is stored is all that was made.
type rush struct {
	*world
	by      *rand.Rand
	n       byte // orders so far
	channel contracts.ChannelName
	locks   []trade.Tx
	calls   []channel.Tx
	orders  []channel.Order
	unsent  []func() error
}

// do makes one random move.
func (r *rush) do() {
	r.t.Helper()
	r.n++
	asset := []contracts.Asset{r.native(), r.tokens()}[r.by.IntN(2)]
	switch r.by.IntN(7) {
	case 0, 1:
		txs, err := r.alice.Prepare(bg, r.lockOrder(asset, r.n))
		r.must(err)
		r.locks = append(r.locks, txs...)
		for _, tx := range txs {
			r.later(func() error { return r.alice.Send(bg, tx) })
		}
	case 2:
		r.call(r.register(r.n))
	case 3, 4:
		o := channel.Order{ID: contracts.Hash{r.n, 3}, To: r.at.At, Token: r.token, Spends: contracts.Units(uint64(r.n))}
		o.Data, o.Value = contracts.DepositCall(r.channel, true, o.Spends)
		r.call(o)
	case 5:
		r.mine()
	case 6:
		r.alice = r.person(r.alice.key, r.gate.URL)
		r.must(r.alice.Resume(bg, r.locks))
		r.must(r.alice.ResumeCalls(bg, r.calls))
	}
	if len(r.orders) > 0 && r.by.IntN(3) == 0 { // one order again: nothing new
		made := len(r.calls)
		if r.call(r.orders[r.by.IntN(len(r.orders))]); len(r.calls) != made {
			r.t.Error("an order was made twice")
		}
	}
}

// call has an order prepared and stores what is new.
func (r *rush) call(o channel.Order) {
	r.t.Helper()
	txs, err := r.alice.PrepareCall(bg, o)
	r.must(err)
	r.orders = append(r.orders, o)
	known := map[contracts.Hash]bool{}
	for _, tx := range r.calls {
		known[tx.ID] = true
	}
	for _, tx := range txs {
		if !known[tx.ID] {
			r.calls = append(r.calls, tx)
			r.later(func() error { return r.alice.SendCall(bg, tx) })
		}
	}
}

// later sends at once, or before the next block.
func (r *rush) later(send func() error) {
	r.t.Helper()
	if r.unsent = append(r.unsent, send); r.by.IntN(2) == 0 {
		r.send()
	}
}

func (r *rush) send() {
	r.t.Helper()
	r.by.Shuffle(len(r.unsent), func(i, j int) { r.unsent[i], r.unsent[j] = r.unsent[j], r.unsent[i] })
	for _, send := range r.unsent {
		r.must(send())
	}
	r.unsent = nil
}

func (r *rush) mine() {
	r.t.Helper()
	r.send()
	r.sim.Commit()
}

func (r *rush) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// Whatever swaps and channels order at a time, and wherever Alice is stopped: no
// nonce is given out twice, none is left out, and all that was made does what it
// should, each order once.
func TestOneLaneForAll(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := withChannels(t, []contracts.Chain{contracts.ETH, contracts.SMT}[seed%2])
			w.t = t
			w.alice.order(t, w.open(200, w.token, 1), true)
			w.sim.Commit()
			r := &rush{world: w, by: rand.New(rand.NewPCG(seed, 7)), channel: w.channelAt(w.token, w.height())}
			first, err := w.sim.Client().PendingNonceAt(bg, w.alice.Account())
			r.must(err)
			for range 40 {
				r.do()
			}
			r.mine()
			r.mine() // what waited in the pool for what was sent after it
			used := map[uint64]bool{}
			for _, tx := range append(decoded(t, r.locks), decodedCalls(t, r.calls)...) {
				if n := tx.Nonce(); used[n] {
					t.Errorf("nonce %d is used twice", n)
				}
				used[tx.Nonce()] = true
				if got, err := w.sim.Client().TransactionReceipt(bg, tx.Hash()); err != nil || got.Status != types.ReceiptStatusSuccessful {
					t.Errorf("nonce %d: %v", tx.Nonce(), errors.Join(err, fmt.Errorf("receipt %+v", got)))
				}
			}
			next, err := w.sim.Client().PendingNonceAt(bg, w.alice.Account())
			r.must(err)
			if uint64(len(used)) != next-first || len(used) < 10 {
				t.Errorf("%d nonces used of %d", len(used), next-first)
			}
		})
	}
}

func decoded(t *testing.T, txs []trade.Tx) (all []*types.Transaction) {
	for _, tx := range txs {
		all = append(all, decode(t, tx))
	}
	return all
}

func decodedCalls(t *testing.T, txs []channel.Tx) (all []*types.Transaction) {
	for _, tx := range txs {
		all = append(all, read(t, tx))
	}
	return all
}
