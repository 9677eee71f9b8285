package store

import (
	"testing"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// busy is the nth channel, new, whose update 1 stands, with so many locks of ours.
func busy(n uint64, locks int) channel.Channel {
	a, b := contracts.Address{1}, contracts.Address{2}
	name := contracts.NameChannel(contracts.Address{}, a, b, n)
	at := contracts.Channels{ChainID: 20180430, At: contracts.Address{3}}
	c := channel.Channel{
		Key: at.Key(name.ID()), Contract: at, Chain: contracts.SMT, Name: name, First: true, Window: 600,
		Rules: channel.Rules{Reveal: 30, Punish: 60, Grace: 10}, Status: channel.Open, Version: 1,
		Us:   channel.Ours{Deposit: contracts.Units(1 << 60), Proof: contracts.BalanceProof{Nonce: 1, Transferred: contracts.Units(1 << 50)}, Used: 3, Answered: 1},
		Them: channel.Theirs{Party: b, Deposit: contracts.Units(1 << 60), Signature: contracts.Signature{1, 2, 3, 63: 1, 64: 27}},
	}
	for i := range uint64(locks) {
		l := contracts.Lock{Amount: contracts.Units(1 << 40), Expiry: 1_000_000 + i, Hash: hash(n + i)}
		c.Us.Locks = append(c.Us.Locks, l)
		c.Us.Notes = append(c.Us.Notes, channel.Note{Lock: l, ID: l.ID()})
	}
	return c
}

// after is c after one more change, in which its update nonce came to stand.
func after(c channel.Channel, nonce uint64) channel.Channel {
	c.Version++
	c.Us.Proof.Nonce = nonce
	return c
}

// direct is the nth direct payment of ours, which went out in an update of c.
func direct(n uint64, c channel.Channel, nonce uint64) ledger.Payment {
	return ledger.Payment{
		ID: hash(n), Ours: true, Asset: c.Asset(), Partner: c.Partner(), Amount: contracts.Units(1_000_000 + n), Status: ledger.Done,
		Channel: c.Key, Epoch: c.Epoch, Nonce: nonce, Made: 1_800_000_000, Ended: 1_800_000_000,
	}
}

// got is the nth payment to us, with everything in it that a payment can have.
func got(n uint64) ledger.Payment {
	secret, i := contracts.Secret(hash(n+1<<32)), invoice(n).Invoice
	return ledger.Payment{
		ID: hash(n), Asset: contracts.Asset{Chain: contracts.ETH, Token: contracts.Address{7}}, Amount: contracts.Units(n), Invoice: &i,
		Text: "it's a ☂ \x00", Status: ledger.Done, Secret: &secret, Made: n,
		Parts:  []ledger.Part{{Link: ledger.Link{Channel: hash(1), Lock: contracts.Lock{Amount: contracts.Units(n), Expiry: 9, Hash: hash(n)}}, Status: ledger.Done}},
		Routes: []ledger.Route{{Nodes: []contracts.Address{{1}, {2}}, Sent: contracts.Units(3), Amount: contracts.Units(2)}},
	}
}

// passed is the nth transfer, which came in through c.
func passed(n uint64, c channel.Channel) ledger.Transfer {
	in := contracts.Lock{Amount: contracts.Units(10 + n), Expiry: 1000, Hash: hash(n)}
	out := contracts.Lock{Amount: contracts.Units(9 + n), Expiry: 900, Hash: hash(n)}
	return ledger.Transfer{
		ID: in.ID(), In: ledger.Link{Channel: c.Key, Lock: in}, Out: ledger.Link{Channel: hash(7), Lock: out},
		Status: ledger.Pending, Fee: contracts.Units(1), Made: n,
	}
}

// invoice is the nth invoice of ours.
func invoice(n uint64) ledger.Demand {
	return ledger.Demand{
		Invoice: message.Invoice{
			Asset: contracts.Native(contracts.SMT), Payee: contracts.Address{1}, Amount: contracts.Units(n), Hash: hash(n),
			Expiry: 1_900_000_000, Text: "'); DROP TABLE demands; --", Signature: contracts.Signature{5, 63: 1, 64: 28},
		},
		Number: n, Hold: n%2 == 1, Status: ledger.Asked, Links: []ledger.Link{{Channel: hash(n)}}, Made: n,
	}
}

// record is what was said in an update of c.
func record(c channel.Channel, nonce uint64) ledger.Said {
	secret := contracts.Secret(hash(nonce))
	return ledger.Said{Channel: c.Key, Epoch: c.Epoch, Record: channel.Record{Nonce: nonce, Changes: []message.Change{
		{Promise: &message.Promise{Lock: contracts.Lock{Amount: contracts.Units(nonce), Expiry: 5, Hash: hash(nonce)}, Route: []contracts.Address{{9}}}},
		{Unlock: &message.Unlock{Lock: hash(nonce), Secret: secret}},
		{Drop: &message.Drop{Lock: hash(nonce)}},
	}}}
}

// called is the nth transaction of an order.
func called(order, n uint64) channel.Tx {
	return channel.Tx{
		Order: hash(order), Chain: contracts.SMT, ID: hash(n), Raw: []byte{0, 0xff, byte(n)}, Fee: contracts.Units(21_000), Made: 1_800_000_000 + n, Step: int(n % 2),
	}
}

func loaded(t testing.TB, s *Store) ledger.Loaded {
	t.Helper()
	l, err := s.LoadLedger(t.Context())
	must(t, err)
	return l
}

// all reads every page of a list, so many at a time.
func all[T any](t testing.TB, limit int, read func(ledger.Filter) ([]T, int64, error), f ledger.Filter) (list []T) {
	t.Helper()
	for f.Limit = limit; ; {
		page, next, err := read(f)
		must(t, err)
		if list = append(list, page...); next == 0 {
			return list
		}
		if f.After = next; len(page) != limit {
			t.Fatalf("a page of %d that is not the last, want %d", len(page), limit)
		}
	}
}
