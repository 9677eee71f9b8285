package trade

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"

	"photon/contracts"
)

// start is when the good trade begins; its legs last as Safe says: the second
// leg's 10 h make LockBy 2.5 h, RevealBy 6 h and AloneBy 7 h after it.
const (
	start    = 1_800_000_000
	lockBy   = start + 9_000
	revealBy = start + 21_600
	aloneBy  = start + 25_200
	secondT  = start + 36_000
	firstT   = start + 86_400
)

// goodSecret is alice's: she is First.
var goodSecret = contracts.Secret(sha256.Sum256([]byte("alice's secret")))

// keyOf is a public key by name, so that a test reads like a story.
func keyOf(name string) contracts.Party {
	digest := sha256.Sum256([]byte(name))
	_, public := btcec.PrivKeyFromBytes(digest[:])
	return public.SerializeCompressed()
}

// goodOffer is bob's: he gives LTC for BTC, 100 litoshi for 1 satoshi.
func goodOffer() Offer {
	return Offer{
		Maker: "bob", Realm: "dev", Give: contracts.Native(contracts.LTC), Want: contracts.Native(contracts.BTC),
		Min: contracts.Units(1_000_000), Max: contracts.Units(100_000_000), GiveOf: contracts.Units(100), WantOf: contracts.Units(1),
		Expires: start + 3600, FirstTime: Safe.First, SecondTime: Safe.Second, WantConfirmations: 3, GiveConfirmations: 6, Form: contracts.P2TR,
	}
}

// Who alice and bob are on the two legs.
var (
	alice = Parties{Ours: keyOf("alice on btc"), Theirs: keyOf("alice on ltc"), OursFrom: 90, TheirsFrom: 90}
	bob   = Parties{Ours: keyOf("bob on ltc"), Theirs: keyOf("bob on btc"), OursFrom: 90, TheirsFrom: 90}
)

// proposed is alice's trade as she asks for it.
func proposed() Trade {
	t, _, err := Propose(goodOffer(), contracts.Units(5_000_000), 7, goodSecret.Hash(), alice, start, Safe)
	if err != nil {
		panic(err)
	}
	return t
}

// goodTake is what alice asks bob.
func goodTake() Take {
	_, effects, err := Propose(goodOffer(), contracts.Units(5_000_000), 7, goodSecret.Hash(), alice, start, Safe)
	if err != nil {
		panic(err)
	}
	return effects[0].(Tell).Message.(Take)
}

// agreed is bob's trade as he answers.
func agreed() Trade {
	t, _, err := Consider(goodOffer(), goodTake(), "alice", 8, bob, start, Safe)
	if err != nil {
		panic(err)
	}
	return t
}

// in is a good trade of a role in a status, an hour after its start: both chains
// are at block 100, both legs lie locked in block 90, unless the status comes
// before that.
func in(r Role, s Status) Trade {
	t := agreed()
	if r == First {
		t = proposed()
		if s != Proposed {
			t = after(t, Accepted{bob.Theirs, bob.Ours})
		}
	}
	t.Status, t.Now = s, start+3600
	t.Ours.Head = Head{Height: 100, Time: start + 3600}
	t.Theirs.Head = Head{Height: 100, Time: start + 3600}
	if s == Proposed || s == Agreed {
		return t
	}
	t.Ours.Fate.Lock, t.Theirs.Fate.Lock = spot(1, 90), spot(2, 90)
	if r == Second && s == Redeeming {
		secret := goodSecret
		t.Secret = &secret
	}
	return t
}

// after is t after events that it must not refuse.
func after(t Trade, events ...Event) Trade {
	for _, e := range events {
		n, _, err := t.Apply(e)
		if err != nil {
			panic(err)
		}
		t = n
	}
	return t
}

func spot(n byte, height uint64) *Spot {
	return &Spot{TxID: contracts.Hash{n}, Amount: contracts.Units(1), Height: height}
}

// end is how a lock ended in a block; 0 while it waits to be mined.
func end(k Kind, height uint64) *End {
	e := &End{Kind: k, TxID: contracts.Hash{9, byte(height)}, Height: height}
	if k == BySecret {
		secret := goodSecret
		e.Secret = &secret
	}
	return e
}

// at is the head of a chain at block 100, at this time.
func at(time uint64) Head { return Head{Height: 100, Time: time} }

// ended is a leg that ended so, deep in its chain.
func ended(l Leg, k Kind) Leg {
	l.Fate.End = end(k, 91)
	return l
}

// restarted is t as a store gives it back.
func restarted(t interface {
	Helper()
	Fatal(...any)
}, of Trade) (back Trade) {
	t.Helper()
	raw, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// unchanged fails when a refusal has changed the trade or asked for anything.
func unchanged(t *testing.T, before, now Trade, effects []Effect) {
	t.Helper()
	if !reflect.DeepEqual(before, now) || len(effects) > 0 {
		t.Errorf("a refused event changed %+v\nto %+v and asks for %v", before, now, effects)
	}
}

// tick says the time again: the trade decides on what it holds.
func tick(t Trade) Event { return Ticked{t.Now} }
