package store

import (
	"errors"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

func TestTransactionsComeBackInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var want []trade.Tx
		for n := range uint64(250) { // more than two batches, all of one second
			tx := signed(hash(1), 1000-n)
			tx.Made = 1_800_000_000
			want = append(want, tx)
		}
		must(t, s.SaveTxs(t.Context(), want...))
		must(t, s.SaveTxs(t.Context(), signed(hash(2), 1000))) // the same txid, of another trade
		must(t, s.SaveTxs(t.Context()))
		same(t, "of trade 1", txs(t, s, hash(1)), want)
		same(t, "of trade 2", txs(t, s, hash(2)), []trade.Tx{signed(hash(2), 1000)})
		same(t, "of trade 3", txs(t, s, hash(3)), []trade.Tx{})
	})
}

func TestTransactionsAreStoredOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		a, b, c := signed(hash(1), 1), signed(hash(1), 2), signed(hash(1), 3)
		must(t, s.SaveTxs(t.Context(), a, b))
		again := a
		again.Fee = contracts.Units(1)
		must(t, s.SaveTxs(t.Context(), again, c, c)) // the first one stays as it is
		same(t, "stored", txs(t, s, hash(1)), []trade.Tx{a, b, c})

		for name, raw := range map[string][]byte{"one byte more": {0, 0xff, 1, 0}, "one less": {0, 0xff}, "none": nil} {
			other := a
			other.Raw = raw
			if err := s.SaveTxs(t.Context(), signed(hash(1), 4), other); !errors.Is(err, ErrDiffers) {
				t.Errorf("%s: %v", name, err)
			}
		}
		two := signed(hash(1), 5)
		two.Raw = []byte("another")
		if err := s.SaveTxs(t.Context(), signed(hash(1), 5), two); !errors.Is(err, ErrDiffers) {
			t.Errorf("two of one name at once: %v", err)
		}
		same(t, "still stored", txs(t, s, hash(1)), []trade.Tx{a, b, c})
	})
}

// A refund that was held is let go once, and never held again.
func TestHeldTransactionIsLetGo(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		held, other := signed(hash(1), 1), signed(hash(2), 1)
		free := held
		free.Held = false
		must(t, s.SaveTxs(t.Context(), held, other))
		must(t, s.SaveTxs(t.Context(), held))
		same(t, "held", txs(t, s, hash(1)), []trade.Tx{held})
		must(t, s.SaveTxs(t.Context(), free, signed(hash(1), 3)))
		same(t, "let go", txs(t, s, hash(1)), []trade.Tx{free, signed(hash(1), 3)})
		must(t, s.SaveTxs(t.Context(), held))
		same(t, "held again", txs(t, s, hash(1))[:1], []trade.Tx{free})
		same(t, "of another trade", txs(t, s, hash(2)), []trade.Tx{other})
		foreign := free
		foreign.Raw = []byte("another")
		if err := s.SaveTxs(t.Context(), foreign); !errors.Is(err, ErrDiffers) {
			t.Errorf("let go with other bytes: %v", err)
		}
	})
}

func TestTransactionsThatMayNeedCare(t *testing.T) {
	now := time.Now()
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		rest, under, stranded := swap(1), swap(2), swap(3)
		rest.Status, under.Status, stranded.Status = trade.Refunded, trade.Locking, trade.Stranded
		must(t, s.Save(t.Context(), trade.Change{Trades: []trade.Trade{rest, under, stranded}}))
		send := func(n uint64, age time.Duration) trade.Tx {
			tx := signed(hash(n), n)
			tx.Purpose, tx.Made = trade.Send, uint64(now.Add(-age).Unix())
			return tx
		}
		ofOpen, ofStranded, ofNone := signed(under.ID, 11), signed(stranded.ID, 12), signed(hash(4), 13)
		must(t, s.SaveTxs(t.Context(), signed(rest.ID, 10), ofOpen, ofStranded, ofNone))
		last, late := send(5, sendsFor), send(6, sendsFor+time.Second)
		must(t, s.SaveTxs(t.Context(), last, late, send(7, 0)))

		got, err := s.txs(t.Context(), contracts.Hash{}, now.Add(-sendsFor))
		must(t, err)
		same(t, "open", got, []trade.Tx{ofOpen, ofStranded, ofNone, last, send(7, 0)})
		same(t, "of a trade at rest", txs(t, s, rest.ID), []trade.Tx{signed(rest.ID, 10)})
		same(t, "an old send", txs(t, s, late.ID), []trade.Tx{late})

		// By the clock: one made now is there, one of a month ago is not.
		must(t, s.SaveTxs(t.Context(), send(8, 30*24*time.Hour)))
		there := map[contracts.Hash]bool{}
		for _, x := range txs(t, s, contracts.Hash{}) {
			there[x.ID] = true
		}
		if !there[hash(7)] || there[hash(8)] {
			t.Errorf("by the clock: one made now %t, one of a month ago %t", there[hash(7)], there[hash(8)])
		}
	})
}
