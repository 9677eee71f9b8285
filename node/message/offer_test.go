package message_test

import (
	"bytes"
	"errors"
	"testing"

	"photon/contracts"
	"photon/node/message"
)

func goodOffer() message.Offer {
	return message.Offer{
		Hash: contracts.Hash{1}, Maker: contracts.Address{2}, Taker: contracts.Address{3}, Expiry: 101,
		Give: message.Sum{Asset: contracts.Native(contracts.SMT), Amount: contracts.Units(1)},
		Get:  message.Sum{Asset: contracts.Asset{Chain: contracts.ETH, Token: contracts.Address{9}}, Amount: contracts.Units(1)},
	}
}

// Each row is one change to a good offer, at second 100.
func TestOfferCheck(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*message.Offer)
		want   error
	}{
		{"good", func(*message.Offer) {}, nil},
		{"two tokens of one chain", func(q *message.Offer) { q.Get.Asset.Chain = contracts.SMT }, nil},
		{"one asset", func(q *message.Offer) { q.Get.Asset = q.Give.Asset }, message.ErrOffer},
		{"on a chain without channels", func(q *message.Offer) { q.Get.Asset = contracts.Native(contracts.BTC) }, message.ErrOffer},
		{"from one without channels", func(q *message.Offer) { q.Give.Asset = contracts.Native(contracts.LTC) }, message.ErrOffer},
		{"for nothing", func(q *message.Offer) { q.Give.Amount = contracts.Amount{} }, message.ErrOffer},
		{"of nothing", func(q *message.Offer) { q.Get.Amount = contracts.Amount{} }, message.ErrOffer},
		{"with oneself", func(q *message.Offer) { q.Maker = q.Taker }, message.ErrOffer},
		{"by nobody", func(q *message.Offer) { q.Maker = contracts.Address{} }, message.ErrOffer},
		{"to nobody", func(q *message.Offer) { q.Taker = contracts.Address{} }, message.ErrOffer},
		{"expired", func(q *message.Offer) { q.Expiry = 100 }, message.ErrOffer},
		{"without a hash", func(q *message.Offer) { q.Hash = contracts.Hash{} }, message.ErrOffer},
		{"that anybody can open", func(q *message.Offer) { q.Hash = contracts.Secret{}.Hash() }, message.ErrOffer},
	} {
		q := goodOffer()
		row.change(&q)
		if err := q.Check(100); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

// What is read is what would be written, and nothing else.
func FuzzDecodeOffer(f *testing.F) {
	good, err := goodOffer().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(append([]byte(" "), good...))
	f.Add(bytes.Replace(good, []byte(`"expiry":101`), []byte(`"expiry":1e2`), 1))
	f.Add(bytes.Replace(good, []byte(`"expiry":101`), []byte(`"expiry":101,"more":1`), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := message.DecodeOffer(b)
		if err != nil {
			if !errors.Is(err, message.ErrEncoding) {
				t.Fatalf("%v is no reason", err)
			}
			return
		}
		if again, err := q.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q is read as %q, %v", b, again, err)
		}
	})
}

func TestDecodeOffer(t *testing.T) {
	good, err := goodOffer().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if q, err := message.DecodeOffer(good); err != nil || q != goodOffer() {
		t.Errorf("%+v, %v", q, err)
	}
	for _, bad := range [][]byte{nil, []byte("{}"), append(bytes.Clone(good), ' '), make([]byte, 1025)} {
		if _, err := message.DecodeOffer(bad); !errors.Is(err, message.ErrEncoding) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}
