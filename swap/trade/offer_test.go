package trade

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holiman/uint256"
	"pgregory.net/rapid"

	"photon/contracts"
)

// Each row is one change to bob's good offer.
func TestOfferCheck(t *testing.T) {
	token := contracts.Address{19: 1}
	onEVM := func(o *Offer) {
		o.Give, o.GiveContract = contracts.Asset{Chain: contracts.ETH, Token: token}, contracts.Address{19: 2}
		o.Want, o.WantContract = contracts.Native(contracts.ETH), contracts.Address{19: 2}
	}
	rows := []struct {
		name string
		of   func(*Offer)
		good bool
	}{
		{"good", func(*Offer) {}, true},
		{"two assets of one EVM chain", onEVM, true},
		{"an asset for itself", func(o *Offer) { onEVM(o); o.Give = o.Want }, false},
		{"the coin of one chain for itself", func(o *Offer) { o.Give = o.Want }, false},
		{"both legs on one chain of outputs", func(o *Offer) { o.Give = contracts.Asset{Chain: contracts.BTC, Token: token} }, false},
		{"least is zero", func(o *Offer) { o.Min = contracts.Amount{} }, false},
		{"least is one", func(o *Offer) { o.Min = contracts.Units(1) }, true},
		{"least is most", func(o *Offer) { o.Min = o.Max }, true},
		{"least is above most", func(o *Offer) { o.Min = o.Max.Plus(contracts.Units(1)) }, false},
		{"rate gives nothing", func(o *Offer) { o.GiveOf = contracts.Amount{} }, false},
		{"rate wants nothing", func(o *Offer) { o.WantOf = contracts.Amount{} }, false},
		{"no confirmations of want", func(o *Offer) { o.WantConfirmations = 0 }, false},
		{"no confirmations of give", func(o *Offer) { o.GiveConfirmations = 0 }, false},
		{"one confirmation", func(o *Offer) { o.WantConfirmations, o.GiveConfirmations = 1, 1 }, true},
		{"the other form", func(o *Offer) { o.Form = contracts.P2WSH }, true},
		{"form of EVM", func(o *Offer) { o.Form = contracts.Contract }, false},
		{"no form", func(o *Offer) { o.Form = "" }, false},
		{"contract on give's chain of outputs", func(o *Offer) { o.GiveContract = token }, false},
		{"contract on want's chain of outputs", func(o *Offer) { o.WantContract = token }, false},
		{"no contract on give's EVM chain", func(o *Offer) { onEVM(o); o.GiveContract = contracts.Address{} }, false},
		{"no contract on want's EVM chain", func(o *Offer) { onEVM(o); o.WantContract = contracts.Address{} }, false},
		{"as many addresses as may be", func(o *Offer) { o.At = slices.Repeat([]string{"/ip4/192.0.2.1/tcp/8646"}, MaxAt) }, true},
		{"one address more", func(o *Offer) { o.At = slices.Repeat([]string{"/ip4/192.0.2.1/tcp/8646"}, MaxAt+1) }, false},
		{"an address as long as may be", func(o *Offer) { o.At = []string{"/" + strings.Repeat("x", MaxAtLetter-1)} }, true},
		{"an address one letter longer", func(o *Offer) { o.At = []string{"/" + strings.Repeat("x", MaxAtLetter)} }, false},
		{"an empty address", func(o *Offer) { o.At = []string{""} }, false},
		{"no multiaddr", func(o *Offer) { o.At = []string{"192.0.2.1:8646"} }, false},
		{"an address of somebody", func(o *Offer) { o.At = []string{"/ip4/192.0.2.1/tcp/8646/p2p/16Uiu"} }, false},
		{"an address with a blank", func(o *Offer) { o.At = []string{"/dns4/a b/tcp/1"} }, false},
		{"an address that grows in JSON", func(o *Offer) { o.At = []string{"/dns4/a<b/tcp/1"} }, false},
		{"an address that is not ASCII", func(o *Offer) { o.At = []string{"/dns4/é/tcp/1"} }, false},
		{"a cost beyond all numbers", func(o *Offer) { o.WantOf = power(256, -1) }, false},
	}
	for _, row := range rows {
		o := goodOffer()
		row.of(&o)
		if err := o.Check(); (err == nil) != row.good || (err != nil && !errors.Is(err, ErrOffer)) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// power is 2^n plus a little.
func power(n uint, more int64) contracts.Amount {
	b := new(big.Int).Lsh(big.NewInt(1), n)
	v, over := uint256.FromBig(b.Add(b, big.NewInt(more)))
	if over {
		panic("above 2^256-1")
	}
	return contracts.AmountOf(v)
}

func TestCost(t *testing.T) {
	units := contracts.Units
	rows := []struct {
		name                       string
		give, giveOf, wantOf, want contracts.Amount
		refused                    bool
	}{
		{name: "exact", give: units(5_000_000), giveOf: units(100), wantOf: units(1), want: units(50_000)},
		{name: "one above", give: units(5_000_001), giveOf: units(100), wantOf: units(1), want: units(50_001)},
		{name: "one below", give: units(4_999_999), giveOf: units(100), wantOf: units(1), want: units(50_000)},
		{name: "less than a unit costs one", give: units(1), giveOf: power(200, 0), wantOf: units(1), want: units(1)},
		{name: "satoshi for wei", give: units(3), giveOf: units(7), wantOf: units(1_000_000_000_000_000_000), want: units(428_571_428_571_428_572)},
		{name: "wei for satoshi", give: units(1_000_000_000_000_000_001), giveOf: units(1_000_000_000_000_000_000), wantOf: units(3_000_000), want: units(3_000_001)},
		{name: "usdt for btc", give: units(1_000_001), giveOf: units(60_000_000_000), wantOf: units(100_000_000), want: units(1_667)},
		{name: "less than the least", give: units(0), giveOf: units(1), wantOf: units(1), refused: true},
		{name: "more than the most", give: power(255, 1), giveOf: units(1), wantOf: units(1), refused: true},
		{name: "the product needs 512 bits", give: power(254, 0), giveOf: power(254, 0), wantOf: power(254, 1), want: power(254, 1)},
		{name: "largest", give: units(1), giveOf: units(1), wantOf: power(255, -1), want: power(255, -1)},
		{name: "one too large", give: units(1), giveOf: units(1), wantOf: power(255, 0), refused: true},
		{name: "rounds up to too large", give: units(3), giveOf: units(2), wantOf: power(255, 0), refused: true},
	}
	for _, row := range rows {
		o := Offer{Min: units(1), Max: power(255, 0), GiveOf: row.giveOf, WantOf: row.wantOf}
		got, err := o.Cost(row.give)
		if (err != nil) != row.refused || (err != nil && !errors.Is(err, ErrOffer)) || got != row.want {
			t.Errorf("%s: %s, %v; want %s", row.name, got, err, row.want)
		}
	}
}

// A hostile maker chose a rate whose cost, rounded up, is 2^256: 2 (2^256-1) + 1
// has these factors.
func TestCostAtTheTop(t *testing.T) {
	give, _ := contracts.ParseAmount("535006138814359")
	a, _ := new(big.Int).SetString("1155685395246619182673033", 10)
	b, _ := new(big.Int).SetString("374550598501810936581776630096313181393", 10)
	wantOf, over := uint256.FromBig(a.Mul(a, b))
	if over {
		t.Fatal("the factor is too large")
	}
	o := goodOffer()
	o.Min, o.Max, o.GiveOf, o.WantOf = contracts.Units(1), give, contracts.Units(2), contracts.AmountOf(wantOf)
	if err := o.Check(); !errors.Is(err, ErrOffer) {
		t.Errorf("%v", err)
	}
}

// The maker never gets less than his rate, and never a whole unit more than that.
func TestCostRounding(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		coin := rapid.SampledFrom([]uint64{1, 1_000_000, 100_000_000, 1_000_000_000_000_000_000}) // decimals 0, 6, 8, 18
		sum := func(name string) contracts.Amount {
			a, ok := contracts.Units(rapid.Uint64Range(1, 1<<40).Draw(r, name)).Times(contracts.Units(coin.Draw(r, name+" coin")), contracts.Units(rapid.Uint64Range(1, 1000).Draw(r, name+" part")))
			if !ok || a.IsZero() {
				return contracts.Units(1)
			}
			return a
		}
		o := Offer{Min: contracts.Units(1), Max: power(200, 0), GiveOf: sum("giveOf"), WantOf: sum("wantOf")}
		give := sum("give")
		cost, err := o.Cost(give)
		if err != nil {
			r.Fatal(err)
		}
		exact := product(give, o.WantOf) // of 1/GiveOf units
		if paid := product(cost, o.GiveOf); paid.Cmp(exact) < 0 || new(big.Int).Sub(paid, exact).Cmp(o.GiveOf.Uint256().ToBig()) >= 0 {
			r.Fatalf("%s of give for %s at %s for %s", give, cost, o.GiveOf, o.WantOf)
		}
	})
}

func product(a, b contracts.Amount) *big.Int {
	return new(big.Int).Mul(a.Uint256().ToBig(), b.Uint256().ToBig())
}

// Whatever a maker signed: any other field makes it another offer.
func TestDigestCoversEveryField(t *testing.T) {
	good := goodOffer().Digest()
	for i := range reflect.TypeFor[Offer]().NumField() {
		field := reflect.TypeFor[Offer]().Field(i)
		o := goodOffer()
		switch v := reflect.ValueOf(&o).Elem().Field(i).Addr().Interface().(type) {
		case *string:
			*v += "x"
		case *contracts.Form:
			*v += "x"
		case *uint64:
			*v++
		case *contracts.Amount:
			*v = v.Plus(contracts.Units(1))
		case *contracts.Address:
			v[0]++
		case *contracts.Asset:
			*v = contracts.Native(contracts.SMT)
		case *[]byte:
			*v = append(*v, 1)
		case *[]string:
			*v = append(*v, "/x")
		default:
			t.Fatalf("no change for %s", field.Type)
		}
		if same := o.Digest() == good; same != (field.Name == "Signature") {
			t.Errorf("%s: same digest: %v", field.Name, same)
		}
	}
}

// Each row is one change to what alice asks of bob's good offer.
func TestConsider(t *testing.T) {
	rows := []struct {
		name string
		of   func(*Offer, *Take)
		now  uint64
		err  error
	}{
		{"good", func(*Offer, *Take) {}, start, nil},
		{"last second of the offer", func(o *Offer, q *Take) { o.Expires = start }, start, nil},
		{"one second late", func(o *Offer, q *Take) { o.Expires = start - 1 }, start, ErrOffer},
		{"her clock is as far ahead as may be", func(*Offer, *Take) {}, start - Safe.Skew, nil},
		{"further ahead", func(*Offer, *Take) {}, start - Safe.Skew - 1, ErrOffer},
		{"her clock is as far behind as may be", func(*Offer, *Take) {}, start + Safe.Skew, nil},
		{"further behind", func(*Offer, *Take) {}, start + Safe.Skew + 1, ErrOffer},
		{"starts at the end of time", func(o *Offer, q *Take) { q.Start = 1<<64 - 1 }, start, ErrOffer},
		{"takes the least", func(o *Offer, q *Take) { o.Min = q.Second.Amount }, start, nil},
		{"takes less", func(o *Offer, q *Take) { o.Min = q.Second.Amount.Plus(contracts.Units(1)) }, start, ErrOffer},
		{"takes the most", func(o *Offer, q *Take) { o.Max = q.Second.Amount }, start, nil},
		{"takes more", func(o *Offer, q *Take) { o.Max = q.Second.Amount.Minus(contracts.Units(1)) }, start, ErrOffer},
		{"pays one less", func(o *Offer, q *Take) { q.First.Amount = q.First.Amount.Minus(contracts.Units(1)) }, start, ErrOffer},
		{"pays one more", func(o *Offer, q *Take) { q.First.Amount = q.First.Amount.Plus(contracts.Units(1)) }, start, ErrOffer},
		{"pays another coin", func(o *Offer, q *Take) { q.First.Asset = contracts.Native(contracts.LTC) }, start, ErrOffer},
		{"wants another coin", func(o *Offer, q *Take) { q.Second.Asset = contracts.Native(contracts.BTC) }, start, ErrOffer},
		{"her lock ends earlier", func(o *Offer, q *Take) { q.First.Expiry-- }, start, ErrOffer},
		{"our lock ends later", func(o *Offer, q *Take) { q.Second.Expiry++ }, start, ErrOffer},
		{"another hash on our lock", func(o *Offer, q *Take) { q.Second.Hash[0]++ }, start, ErrOffer},
		{"another form", func(o *Offer, q *Take) { q.First.Form = contracts.P2WSH }, start, ErrOffer},
		{"a contract", func(o *Offer, q *Take) { q.Second.Contract = contracts.Address{1} }, start, ErrOffer},
		{"names our redeemer", func(o *Offer, q *Take) { q.First.Redeemer = keyOf("mallory") }, start, ErrOffer},
		{"names our refunder", func(o *Offer, q *Take) { q.Second.Refunder = keyOf("mallory") }, start, ErrOffer},
		{"no refunder of hers", func(o *Offer, q *Take) { q.First.Refunder = nil }, start, contracts.ErrTerms},
		{"no redeemer of hers", func(o *Offer, q *Take) { q.Second.Redeemer = nil }, start, contracts.ErrTerms},
		{"our key as hers", func(o *Offer, q *Take) { q.Second.Redeemer = bob.Ours }, start, contracts.ErrTerms},
		{"the zero hash", func(o *Offer, q *Take) { q.First.Hash, q.Second.Hash = contracts.Hash{}, contracts.Hash{} }, start, contracts.ErrTerms},
		{"the hash of the zero secret", func(o *Offer, q *Take) {
			q.First.Hash = contracts.Secret{}.Hash()
			q.Second.Hash = q.First.Hash
		}, start, contracts.ErrTerms},
	}
	for _, row := range rows {
		o, q := goodOffer(), goodTake()
		row.of(&o, &q)
		b, effects, err := Consider(o, q, "alice", 8, bob, row.now, Safe)
		if !errors.Is(err, row.err) || (err != nil) != (row.err != nil) {
			t.Errorf("%s: %v, want %v", row.name, err, row.err)
		}
		if err != nil {
			unchanged(t, Trade{}, b, effects)
			continue
		}
		want := []Effect{Tell{Accept{ID: goodSecret.Hash(), Redeemer: bob.Theirs, Refunder: bob.Ours}}}
		if b.Status != Agreed || b.Role != Second || b.Partner != "alice" || b.Version != 1 || !reflect.DeepEqual(effects, want) {
			t.Errorf("%s: %+v tells %v", row.name, b, effects)
		}
	}
}

// Both see the same legs, and each asks for the confirmations that he needs.
func TestBothSeeTheSameLegs(t *testing.T) {
	a, b := after(proposed(), Accepted{bob.Theirs, bob.Ours}), agreed()
	if !same(a.Ours.Terms, b.Theirs.Terms) || !same(a.Theirs.Terms, b.Ours.Terms) || a.ID != b.ID || a.Offer != b.Offer || a.Start != b.Start {
		t.Errorf("alice %+v\nbob   %+v", a, b)
	}
	if a.Ours.Terms.Expiry != firstT || b.Ours.Terms.Expiry != secondT || a.Ours.Terms.Amount != contracts.Units(50_000) {
		t.Errorf("%+v", a)
	}
	careful := alice
	careful.Confirmations = 12
	more, _, err := Propose(goodOffer(), contracts.Units(5_000_000), 7, goodSecret.Hash(), careful, start, Safe)
	if err != nil || more.Theirs.Confirmations != 12 || a.Theirs.Confirmations != 6 || more.Ours.Confirmations != 3 {
		t.Errorf("%+v, %v", more, err)
	}
	for now, good := range map[uint64]bool{start + 3600: true, start + 3601: false} {
		if _, _, err := Propose(goodOffer(), contracts.Units(5_000_000), 7, goodSecret.Hash(), alice, now, Safe); (err == nil) != good {
			t.Errorf("proposed at %d: %v", now, err)
		}
	}
}

// FuzzOffer reads an offer as a board gives it. Whatever is read can be checked,
// has one digest, and says the same when it is written again.
func FuzzOffer(f *testing.F) {
	good := goodOffer()
	raw, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(bytes.ReplaceAll(raw, []byte(`"100"`), []byte(`"0"`)))
	f.Add(bytes.ReplaceAll(raw, []byte(`"LTC"`), []byte(`"SMT:0x0000000000000000000000000000000000000001"`)))
	f.Add([]byte(`{"max":"115792089237316195423570985008687907853269984665640564039457584007913129639935"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var o Offer
		if json.Unmarshal(raw, &o) != nil {
			return
		}
		if err := o.Check(); err != nil && !errors.Is(err, ErrOffer) {
			t.Fatal(err)
		} else if err == nil {
			for _, give := range []contracts.Amount{o.Min, o.Max} {
				if cost, err := o.Cost(give); err != nil || product(cost, o.GiveOf).Cmp(product(give, o.WantOf)) < 0 {
					t.Fatalf("%s for %s, %v", cost, give, err)
				}
			}
			if Safe.Check(o) == nil && o.FirstTime-o.SecondTime < Safe.Need(o.Want.Chain, o.Give.Chain) {
				t.Fatal("too short a margin passed")
			}
		}
		again, err := json.Marshal(o)
		if err != nil {
			return // an asset that was never given
		}
		var back Offer
		if err := json.Unmarshal(again, &back); err == nil && back.Digest() != o.Digest() {
			t.Fatalf("%s\nis not\n%s", again, raw)
		}
	})
}

// Each row is one change to an offer that bob signed and that stands.
func TestVet(t *testing.T) {
	good := goodOffer()
	signed := func(identity string, digest contracts.Hash, signature []byte) error {
		if identity != "bob" || digest != good.Digest() || string(signature) != "signed" {
			return errors.New("forged")
		}
		return nil
	}
	for _, row := range []struct {
		name string
		of   func(*Offer)
		now  uint64
		good bool
	}{
		{"good", func(*Offer) {}, good.Expires - 1, true},
		{"its last second", func(*Offer) {}, good.Expires, true},
		{"one second late", func(*Offer) {}, good.Expires + 1, false},
		{"another signature", func(o *Offer) { o.Signature = []byte("signed?") }, start, false},
		{"another maker", func(o *Offer) { o.Maker = "mallory" }, start, false},
		{"another address", func(o *Offer) { o.At = []string{"/ip4/192.0.2.1/tcp/1"} }, start, false},
		{"a better rate", func(o *Offer) { o.GiveOf = o.GiveOf.Plus(contracts.Units(1)) }, start, false},
		{"not an offer", func(o *Offer) { o.Min = contracts.Amount{} }, start, false},
	} {
		o := good
		o.Signature = []byte("signed")
		row.of(&o)
		if err := o.Vet(row.now, signed); (err == nil) != row.good || (err != nil && !errors.Is(err, ErrOffer)) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// A withdrawal is of one offer, and is no offer.
func TestWithdrawal(t *testing.T) {
	a, b := goodOffer(), goodOffer()
	b.Expires++
	if Withdrawal(a.Digest()) == Withdrawal(b.Digest()) || Withdrawal(a.Digest()) == a.Digest() {
		t.Error("one signature says two things")
	}
}

// Rates compare as fractions of whole numbers do, up to the largest.
func TestRateCmp(t *testing.T) {
	amounts := rapid.Custom(func(t *rapid.T) contracts.Amount {
		n := new(uint256.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 32).Draw(t, "bytes"))
		return contracts.AmountOf(n.Or(n, uint256.NewInt(1)))
	})
	fraction := func(r Rate) *big.Rat { return new(big.Rat).SetFrac(r.Give.Uint256().ToBig(), r.Want.Uint256().ToBig()) }
	rapid.Check(t, func(t *rapid.T) {
		a := Rate{amounts.Draw(t, "give"), amounts.Draw(t, "want")}
		b := Rate{amounts.Draw(t, "give"), amounts.Draw(t, "want")}
		if rapid.Bool().Draw(t, "same") {
			b.Give, b.Want = a.Give, a.Want
		}
		if got, want := a.Cmp(b), fraction(b).Cmp(fraction(a)); got != want || b.Cmp(a) != -want {
			t.Fatalf("%v and %v: %d, want %d", a, b, got, want)
		}
	})
	for _, row := range []struct{ give, want, give2, want2 uint64 }{{1, 2, 2, 4}, {6, 3, 2, 1}, {7, 3, 14, 6}} {
		a, b := Rate{contracts.Units(row.give), contracts.Units(row.want)}, Rate{contracts.Units(row.give2), contracts.Units(row.want2)}
		if a.Cmp(b) != 0 {
			t.Errorf("%v and %v are not as good", a, b)
		}
	}
	if (Rate{contracts.Units(3), contracts.Units(2)}).Cmp(Rate{contracts.Units(4), contracts.Units(3)}) != -1 {
		t.Error("one and a half for one is not better than one and a third")
	}
}
