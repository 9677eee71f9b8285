package store

import (
	"bytes"
	"testing"

	"photon/contracts"
	"photon/swap/trade"
)

func offer(n uint64) trade.Offer {
	return trade.Offer{
		Maker: "maker", Realm: "dev", Give: contracts.Native(contracts.BTC), Want: contracts.Native(contracts.ETH),
		Min: contracts.Units(1), Max: contracts.Units(1000 + n), GiveOf: contracts.Units(1), WantOf: contracts.Units(20),
		Expires: 1_900_000_000, Form: contracts.P2TR, Signature: []byte{1, 2, byte(n)},
	}
}

func TestOffers(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		all := func() []trade.Offer {
			got, err := s.Offers(t.Context())
			must(t, err)
			return got
		}
		same(t, "none", all(), []trade.Offer{})
		for _, n := range []uint64{1, 2, 1} {
			must(t, s.SaveOffer(t.Context(), offer(n)))
		}
		if got := all(); len(got) != 2 || got[0].Digest().String() > got[1].Digest().String() {
			t.Errorf("offers %s", printed(got))
		}
		must(t, s.DropOffer(t.Context(), offer(1).Digest()))
		must(t, s.DropOffer(t.Context(), offer(1).Digest()))
		must(t, s.DropOffer(t.Context(), contracts.Hash{}))
		same(t, "one left", all(), []trade.Offer{offer(2)})
		if got := all()[0]; got.Digest() != offer(2).Digest() {
			t.Errorf("digest %s changed to %s", offer(2).Digest(), got.Digest())
		}
	})
}

func TestNotes(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		for _, value := range [][]byte{[]byte("first"), {0, 0xff, '\'', 0}, {}, bytes.Repeat([]byte{7}, 1<<20)} {
			must(t, s.Put(t.Context(), "btc/'tip'", value))
			got, err := s.Get(t.Context(), "btc/'tip'")
			if err != nil || !bytes.Equal(got, value) || got == nil {
				t.Errorf("%.20x came back as %.20x, %v", value, got, err)
			}
		}
		must(t, s.Put(t.Context(), "nothing", nil))
		if got, err := s.Get(t.Context(), "nothing"); err != nil || got == nil || len(got) != 0 {
			t.Errorf("nothing came back as %v, %v", got, err)
		}
		if got, err := s.Get(t.Context(), "missing"); err != nil || got != nil {
			t.Errorf("a missing note is %v, %v", got, err)
		}
	})
}
