package scenario

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// What people write as a sum or a secret is read back as it is printed, or refused
// by name.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"0.5btc", "10eth", "1000wei", "250ETH:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "1.btc", ".5btc", "btc", "1e5btc", "-1btc",
		"00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sum, err := contracts.ParseSum(text)
		switch {
		case err == nil:
			if again, err := contracts.ParseSum(sum.String()); err != nil || again != sum {
				t.Errorf("%q is read as %s, and that as %s: %v", text, sum, again, err)
			}
		case !errors.Is(err, contracts.ErrAmount) && !errors.Is(err, contracts.ErrDecimals) && !errors.Is(err, contracts.ErrChain) && !errors.Is(err, contracts.ErrAddress):
			t.Errorf("%q is refused for no reason that is named: %v", text, err)
		}
		if secret, err := contracts.ParseSecret(text); err == nil {
			if again, err := contracts.ParseSecret(secret.Reveal()); err != nil || again != secret {
				t.Errorf("a secret is not read back: %v", err)
			}
		}
	})
}

// A story's text is read or refused, whatever it is.
func FuzzStory(f *testing.F) {
	f.Add("# A1. Title\noffer bob give=1eth want=2btc\ntake alice bob # after\nexpect alice#1 reason=\"no answer\"\n")
	f.Add("offer \"")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadStory("fuzz", text)
		if err != nil {
			return
		}
		for _, l := range s.Lines {
			if len(l.Words) == 0 || verbs[l.Words[0]] == nil {
				t.Errorf("line %d begins with no verb: %q", l.Number, l.Text)
			}
		}
	})
}

// Each row is a story that must fail, and the sentence with which it does: a
// player that lets everything pass holds nothing.
func TestFailureIsASentence(t *testing.T) {
	for _, c := range []struct{ story, want string }{
		{"# t\noffer bob give=10eth want=0.5btc\ntake alice bob\nexpect bob status=completed", "t: line 4: expect bob status=completed: status=agreed"},
		{"# t\noffer bob give=10eth want=0.5btc\ntake alice bob\npass 10m\nexpect alice btc=-0.4", "t: line 5: expect alice btc=-0.4: btc has 9.49999043, began with 10"},
		{"# t\noffer bob give=10eth want=0.5btc\nexpect refused no", "t: line 3: expect refused no: it was not refused"},
		{"# t\noffer bob give=10eth want=11btc\ntake alice bob", "t: line 3: take alice bob: not enough funds: have 1000000000 of BTC, need 1100000957 with 0 locks promised"},
		{"# t\noffer bob give=10eth want=0.5btc\ntake alice bob\nuntil 1m bob status=refunded", "t: line 4: until 1m bob status=refunded: not within 1m0s: status=locking"},
	} {
		s, err := ReadStory("t", c.story)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = told(t, s, false, nil); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// What a simulated node breaks is found: each row is one rule broken by hand.
func TestAuditorFinds(t *testing.T) {
	swapped, err := ReadStory("swapped", "# t\noffer bob give=10eth want=0.5btc\ntake alice bob\npass 10m\nexpect both completed")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(w *simulated)
	}{
		{"balance of one who lost", func(w *simulated) {
			n := w.nodes["alice"]
			n.began[contracts.Native(contracts.BTC)] = n.began[contracts.Native(contracts.BTC)].Plus(contracts.Units(1_000_000))
		}},
		{"balance of one who gained", func(w *simulated) {
			n := w.nodes["alice"]
			n.began[contracts.Native(contracts.BTC)] = n.began[contracts.Native(contracts.BTC)].Minus(contracts.Units(1_000_000))
		}},
		{"a send of what is not stored", func(w *simulated) {
			n := w.nodes["alice"]
			for _, tx := range n.disk.Txs() {
				tx.Raw = append(tx.Raw, 0)
				w.audit.sent(n, tx)
			}
		}},
		{"a status that goes back", func(w *simulated) {
			n := w.nodes["alice"]
			all, err := n.disk.Trades()
			if err != nil {
				t.Fatal(err)
			}
			all[0].Status = "locking"
			w.audit.saved(n, changeOf(all[0]))
		}},
	} {
		if err := spoiled(t, swapped, c.spoil); err == nil {
			t.Errorf("%s is not found", c.name)
		}
	}
}

func changeOf(t trade.Trade) trade.Change { return trade.Change{Trades: []trade.Trade{t}} }

// spoiled plays a story, spoils the world it leaves, and audits that.
func spoiled(t *testing.T, s Story, spoil func(*simulated)) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w, err2 := newSimulated(ctx, s.Chains())
		if err2 != nil {
			t.Fatal(err2)
		}
		if err := Play(ctx, s, w); err != nil {
			t.Fatal(err)
		}
		if err := w.rest(time.Hour); err != nil {
			t.Fatal(err)
		}
		spoil(w)
		err = errors.Join(w.audit.balances(), w.Check())
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	})
	return err
}
