package trade

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"photon/contracts"
)

// everyMessage is one of each kind, every field filled.
func everyMessage() []Message {
	whole := goodTake().First
	whole.Redeemer = bob.Theirs
	whole.Contract = contracts.Address{1}
	id := goodSecret.Hash()
	offer := goodOffer()
	offer.Signature = []byte{1, 2}
	return []Message{
		Take{Offer: id, Start: start, First: whole, Second: whole},
		Accept{ID: id, Redeemer: bob.Theirs, Refunder: bob.Ours},
		Refuse{ID: id, Reason: "no, \"thanks\"\n"},
		Abandon{ID: id},
		CosignRequest{
			ID: id, Chain: contracts.BTC, Purpose: Redeem, TxID: id, Index: 1<<32 - 1, To: []byte{0, 20}, Fee: contracts.Units(1),
			Nonce: bytes.Repeat([]byte{2}, 66), Secret: goodSecret.Reveal(),
		},
		CosignAnswer{Nonce: bytes.Repeat([]byte{3}, 66), Partial: bytes.Repeat([]byte{4}, 32)},
		OffersRequest{},
		OffersAnswer{Offers: []Offer{offer, offer}},
	}
}

// A full page of the longest offers that a maker of ours makes fits into one
// message.
func TestPageFits(t *testing.T) {
	token := contracts.Address(bytes.Repeat([]byte{0xff}, 20))
	o := Offer{
		Maker: strings.Repeat("m", 53), Realm: "test", Form: contracts.P2WSH, Signature: make([]byte, 72), Expires: 1 << 53,
		Give: contracts.Asset{Chain: contracts.ETH, Token: token}, Want: contracts.Asset{Chain: contracts.SMT, Token: token},
		Min: power(256, -1), Max: power(256, -1), GiveOf: power(256, -1), WantOf: power(256, -1),
		FirstTime: 1 << 20, SecondTime: 1 << 20, WantConfirmations: 1 << 53, GiveConfirmations: 1 << 53, GiveContract: token, WantContract: token,
		At: slices.Repeat([]string{"/" + strings.Repeat("x", MaxAtLetter-1)}, MaxAt),
	}
	if raw := Encode(OffersAnswer{Offers: slices.Repeat([]Offer{o}, OffersPage)}); len(raw) > MaxMessage {
		t.Errorf("%d bytes", len(raw))
	}
}

func TestMessagesComeBack(t *testing.T) {
	kinds := map[string]bool{}
	for _, m := range everyMessage() {
		raw := Encode(m)
		back, err := Decode(raw)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%+v\ncame back as %+v, %v", m, back, err)
		}
		if len(raw) > MaxMessage {
			t.Errorf("%T: %d bytes", m, len(raw))
		}
		kinds[m.kind()] = true
		kind, body, err := EncodeEffect(Tell{m})
		if err != nil {
			t.Fatal(err)
		}
		if e, err := DecodeEffect(kind, body); err != nil || !reflect.DeepEqual(e, Tell{m}) {
			t.Errorf("effect %+v came back as %+v, %v", m, e, err)
		}
	}
	if len(kinds) != len(readers) {
		t.Errorf("%d kinds are tested, %d can be read", len(kinds), len(readers))
	}
}

// Each row is one change to a good message.
func TestDecodeIsStrict(t *testing.T) {
	good := string(Encode(Abandon{ID: goodSecret.Hash()}))
	if _, err := Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	id := goodSecret.Hash().String()
	nested := strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000)
	rows := []struct{ name, raw string }{
		{"nothing", ""},
		{"not JSON", "abandon"},
		{"null", "null"},
		{"a list", "[" + good + "]"},
		{"cut short", good[:len(good)-1]},
		{"a byte behind it", good + "}"},
		{"a message behind it", good + good},
		{"an unknown field", strings.Replace(good, `{"v":1`, `{"x":0,"v":1`, 1)},
		{"an unknown field in the body", strings.Replace(good, `{"id"`, `{"x":0,"id"`, 1)},
		{"version 0", strings.Replace(good, `"v":1`, `"v":0`, 1)},
		{"version 2", strings.Replace(good, `"v":1`, `"v":2`, 1)},
		{"version as text", strings.Replace(good, `"v":1`, `"v":"1"`, 1)},
		{"no version", strings.Replace(good, `"v":1,`, ``, 1)},
		{"an unknown kind", strings.Replace(good, `"abandon"`, `"give up"`, 1)},
		{"no kind", strings.Replace(good, `"kind":"abandon",`, ``, 1)},
		{"no body", `{"v":1,"kind":"abandon"}`},
		{"the body is a list", `{"v":1,"kind":"abandon","body":[]}`},
		{"an id too short", strings.Replace(good, id, id[2:], 1)},
		{"an id too long", strings.Replace(good, id, id+"00", 1)},
		{"an id that is a number", strings.Replace(good, `"`+id+`"`, "5", 1)},
		{"nested deeply", strings.Replace(good, `"`+id+`"`, nested, 1)},
		{"nested deeply in the reason", `{"v":1,"kind":"refuse","body":{"reason":` + nested + `}}`},
		{"a negative amount", `{"v":1,"kind":"cosign","body":{"fee":"-1"}}`},
		{"an amount that is a number", `{"v":1,"kind":"cosign","body":{"fee":1}}`},
		{"an index above 32 bits", `{"v":1,"kind":"cosign","body":{"index":4294967296}}`},
		{"a party too long", `{"v":1,"kind":"accept","body":{"redeemer":"` + strings.Repeat("00", 34) + `"}}`},
		{"an asset of no chain", `{"v":1,"kind":"take","body":{"first":{"Asset":"DOGE"}}}`},
		{"one byte too large", good + strings.Repeat(" ", MaxMessage-len(good)+1)},
	}
	for _, row := range rows {
		if m, err := Decode([]byte(row.raw)); !errors.Is(err, ErrMessage) || m != nil {
			t.Errorf("%s: %+v, %v", row.name, m, err)
		}
	}
	if _, err := Decode([]byte(strings.Replace(good, `"v":1`, `"v":2`, 1))); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), "version 2, ours is 1") {
		t.Errorf("another version: %v", err)
	}
	if _, err := Decode([]byte(good + strings.Repeat(" ", MaxMessage-len(good)))); err != nil {
		t.Errorf("the largest: %v", err)
	}
}

func TestDecodeEffectRefuses(t *testing.T) {
	for _, row := range []struct{ name, kind, body string }{
		{"another kind", "shout", string(Encode(Abandon{}))},
		{"no kind", "", string(Encode(Abandon{}))},
		{"no body", "tell", ""},
		{"another version of the message", "tell", `{"v":2,"kind":"abandon","body":{}}`},
		{"bytes behind it", "tell", string(Encode(Abandon{})) + "x"},
	} {
		if e, err := DecodeEffect(row.kind, []byte(row.body)); err == nil {
			t.Errorf("%s: %+v", row.name, e)
		}
	}
}

// FuzzDecode: what can be read is written and read again as the same, and never
// panics the trade that gets it.
func FuzzDecode(f *testing.F) {
	for _, m := range everyMessage() {
		f.Add(Encode(m))
	}
	f.Add([]byte(`{"v":1,"kind":"offers","body":{"offers":[{}]}}`))
	f.Add([]byte(`{"v":1,"kind":"take","body":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Decode(raw)
		if err != nil {
			if m != nil || !errors.Is(err, ErrMessage) {
				t.Fatalf("%+v, %v", m, err)
			}
			return
		}
		if q, is := m.(Take); is {
			if b, _, err := Consider(goodOffer(), q, "alice", 8, bob, start, Safe); err == nil && b.Ours.Terms.Check() != nil {
				t.Fatalf("agreed to %+v", b)
			}
		}
		if a, is := m.(Accept); is {
			if n, _, err := proposed().Apply(Accepted{a.Redeemer, a.Refunder}); err == nil && n.Ours.Terms.Check() != nil {
				t.Fatalf("locks under %+v", n)
			}
		}
		body, err := json.Marshal(m)
		if err != nil {
			return // an asset that was never given has no text
		}
		back, err := Decode(Encode(m))
		if err != nil {
			return // an empty asset
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, body) {
			t.Fatalf("%s\ncame back as %s, %v", body, again, err)
		}
	})
}

// FuzzDecodeEffect reads what a store gives back.
func FuzzDecodeEffect(f *testing.F) {
	for _, m := range everyMessage() {
		f.Add("tell", Encode(m))
	}
	f.Add("", []byte("{}"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		e, err := DecodeEffect(kind, body)
		if err == nil && (e.(Tell).Message == nil || kind != "tell") {
			t.Fatalf("%q gives %+v", kind, e)
		}
	})
}
