package sim

import (
	"errors"
	"fmt"
	"testing"

	"photon/contracts"
	"photon/node/channel"
)

// A bench is a court in which alice and bob have a channel: she has 100 in it, he 50.
type bench struct {
	court
	asset  contracts.Asset
	name   contracts.ChannelName
	epoch  uint64
	orders byte
}

const (
	window = 90
	depth  = 3 // blocks that confirm
)

// onBench runs a test with a channel of coins, and with one of tokens.
func onBench(t *testing.T, test func(b *bench)) {
	for _, token := range []bool{false, true} {
		t.Run(fmt.Sprintf("token %v", token), func(t *testing.T) {
			inCourt(t, func(c court) {
				c.chain.Confirm(depth)
				b := &bench{court: c, asset: contracts.Native(contracts.ETH)}
				if token {
					b.asset = c.usd
				}
				test(b)
			})
		})
	}
}

// paid is an order of a call, which takes an amount of the channel's asset.
func (b *bench) paid(data []byte, value, amount contracts.Amount) channel.Order {
	b.orders++
	at, _ := b.chain.Channels()
	o := channel.Order{ID: contracts.Hash{b.orders}, To: at.At, Data: data, Value: value}
	if !b.asset.IsNative() {
		o.Token, o.Spends = b.asset.Token, amount
	}
	return o
}

func (b *bench) order(data []byte) channel.Order {
	o := b.paid(data, contracts.Amount{}, contracts.Amount{})
	o.Token = contracts.Address{}
	return o
}

func (b *bench) opening() channel.Order {
	data, value := contracts.OpenCall(b.asset.Token, b.bob.address(), window, contracts.Units(100))
	return b.paid(data, value, contracts.Units(100))
}

// sent prepares and sends an order.
func (b *bench) sent(who *Account, o channel.Order) []channel.Tx {
	b.Helper()
	txs, err := who.PrepareCall(b.Context(), o)
	for _, tx := range txs {
		err = errors.Join(err, who.SendCall(b.Context(), tx))
	}
	if err != nil {
		b.Fatal(err)
	}
	return txs
}

// done has an order mined, and holds that it did what it should.
func (b *bench) done(who *Account, o channel.Order) {
	b.Helper()
	txs := b.sent(who, o)
	b.chain.Mine()
	for i, tx := range txs {
		if buried, done, err := who.CallBuried(b.Context(), tx); buried != 1 || !done || err != nil {
			b.Fatalf("transaction %d of %d: %d blocks, done %v: %v", i+1, len(txs), buried, done, err)
		}
		if (tx.Step == 0) != (i == len(txs)-1) || tx.Order != o.ID || tx.Chain != contracts.ETH {
			b.Errorf("transaction %d of %d is %+v", i+1, len(txs), tx)
		}
	}
}

// open opens the channel and puts bob's share into it.
func (b *bench) open() {
	b.Helper()
	b.done(b.alice, b.opening())
	b.name = contracts.NameChannel(b.asset.Token, b.alice.address(), b.bob.address(), b.chain.Height())
	data, value := contracts.DepositCall(b.name, b.first(b.bob), contracts.Units(50))
	b.done(b.bob, b.paid(data, value, contracts.Units(50)))
}

func (b *bench) first(who *Account) bool { return b.name.First == who.address() }

// signed is a word of somebody's.
func (b *bench) signed(who *Account, w contracts.Word) contracts.Signature {
	b.Helper()
	at, _ := b.chain.Channels()
	s, err := who.keys.SignDigest(at.Digest(w))
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// inOrder are two values, that of the channel's first party first.
func inOrder[T any](b *bench, alices, bobs T) (first, second T) {
	if b.first(b.alice) {
		return alices, bobs
	}
	return bobs, alices
}

func (b *bench) withdraw() {
	b.Helper()
	w := contracts.Withdrawal{Until: b.chain.Height() + 5}
	w.FirstBalance, w.SecondBalance = inOrder(b, contracts.Units(90), contracts.Units(60))
	w.FirstTakes, w.SecondTakes = inOrder(b, contracts.Units(30), contracts.Units(0))
	word := contracts.WithdrawWord(b.name.ID(), b.epoch, w)
	first, second := inOrder(b, b.signed(b.alice, word), b.signed(b.bob, word))
	b.done(b.bob, b.order(contracts.WithdrawCall(b.name, w, first, second)))
	b.epoch++
}

// together ends the channel: alice gets 50 of the 120 that are left.
func (b *bench) together() {
	b.Helper()
	e := contracts.Ending{Until: b.chain.Height() + 5}
	e.FirstBalance, e.SecondBalance = inOrder(b, contracts.Units(50), contracts.Units(70))
	word := contracts.CloseTogetherWord(b.name.ID(), b.epoch, e)
	first, second := inOrder(b, b.signed(b.alice, word), b.signed(b.bob, word))
	b.done(b.alice, b.order(contracts.CloseTogetherCall(b.name, e, first, second)))
}

// alone closes with what bob has said, 5, updates with what alice has, 20 and a lock
// of 7, and unlocks that. It returns what both have said and what alice had locked.
func (b *bench) alone() (alices, bobs contracts.Claim, locks []contracts.Lock) {
	b.Helper()
	locks = []contracts.Lock{{Amount: contracts.Units(7), Expiry: b.chain.Height() + 50, Hash: goodSecret.Hash()}}
	his := contracts.BalanceProof{Nonce: 1, Transferred: contracts.Units(5)}
	hers := contracts.BalanceProof{Nonce: 2, Transferred: contracts.Units(20), Locks: contracts.LocksRoot(locks)}
	b.done(b.alice, b.order(contracts.CloseCall(b.name, his, b.signed(b.bob, contracts.ProofWord(b.name.ID(), b.epoch, his)))))
	b.done(b.bob, b.order(contracts.UpdateCall(b.name, hers, b.signed(b.alice, contracts.ProofWord(b.name.ID(), b.epoch, hers)), contracts.Signature{})))
	register := b.order(contracts.RegisterCall(goodSecret))
	_, register.To = b.chain.Channels()
	b.done(b.bob, register)
	alices, bobs = contracts.Claim{Transferred: hers.Transferred, Locks: hers.Locks}, contracts.Claim{Transferred: his.Transferred}
	b.done(b.bob, b.order(contracts.UnlockCall(b.name, b.first(b.alice), alices, locks, contracts.BitsOf(0), contracts.Signature{})))
	alices.Unlocked, alices.Taken = contracts.Units(7), contracts.BitsOf(0)
	return alices, bobs, locks
}

// settle waits until the time for it has come.
func (b *bench) settle() {
	b.Helper()
	alices, bobs, _ := b.alone()
	first, second := inOrder(b, alices, bobs)
	settle := b.order(contracts.SettleCall(b.name, first, second))
	if _, err := b.alice.PrepareCall(b.Context(), settle); !errors.Is(err, ErrRefused) {
		b.Errorf("settled before its time: %v", err)
	}
	b.mine(window + PunishBlocks)
	b.done(b.alice, settle)
}

// punish has bob lose all: he unlocked what he had disposed of.
func (b *bench) punish() {
	b.Helper()
	alices, _, locks := b.alone()
	disposed := b.signed(b.bob, contracts.DisposeWord(b.name.ID(), b.epoch, locks[0]))
	b.mine(window)
	b.done(b.alice, b.order(contracts.PunishCall(b.name, b.first(b.alice), alices, locks, 0, disposed)))
}

func (b *bench) mine(blocks int) {
	for range blocks {
		b.chain.Mine()
	}
}
