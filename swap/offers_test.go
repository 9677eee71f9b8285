package swap

import (
	"testing"

	"photon/contracts"
	"photon/swap/trade"
)

// manyOffers are offers of one maker that differ.
func manyOffers(maker string, n int) (all []trade.Offer) {
	for i := range n {
		o := offerOf(maker)
		o.Max = contracts.Units(uint64(1_000_000 + i))
		all = append(all, o)
	}
	return all
}

// A maker with more offers than fit into one message shows all of them, page by
// page, also when the last page is full.
func TestEveryOfferIsShown(t *testing.T) {
	for _, n := range []int{0, 1, trade.OffersPage, trade.OffersPage + 1, 2*trade.OffersPage + 3} {
		run(t, func(k *kit) {
			for _, o := range append(manyOffers("alice", n), manyOffers("bob", 3)...) {
				if err := k.disk.SaveOffer(k.t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			k.bob.answer = func(m trade.Message) ([]byte, error) { return k.Receive(k.t.Context(), "bob", trade.Encode(m)) }
		}, func(k *kit) {
			seen := map[contracts.Hash]bool{}
			for skip := uint64(0); ; skip += trade.OffersPage {
				page, err := k.fetchPage(k.t.Context(), "alice", skip)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range page {
					seen[o.Digest()] = true
				}
				if len(page) < trade.OffersPage {
					break
				}
			}
			if len(seen) != n {
				t.Errorf("%d of %d offers were shown", len(seen), n)
			}
		})
	}
}

// A node that never runs out of pages is asked for a bounded number.
func TestOffersAreFetchedInBounds(t *testing.T) {
	asked := 0
	run(t, func(k *kit) {
		k.bob.answer = func(trade.Message) ([]byte, error) {
			asked++
			return trade.Encode(trade.OffersAnswer{Offers: manyOffers("bob", trade.OffersPage)}), nil
		}
	}, func(k *kit) {
		if _, err := k.Fetch(k.t.Context(), "bob"); err != nil {
			t.Fatal(err)
		}
		if asked != maxPages {
			t.Errorf("asked %d times, want %d", asked, maxPages)
		}
	})
}

// Two copies of one wish that are heard at once are one wish: nobody is refused.
func TestTakeHeardTwiceAtOnceIsOneTake(t *testing.T) {
	run(t, func(k *kit) {
		if err := k.disk.SaveOffer(k.t.Context(), offerOf("alice")); err != nil {
			t.Fatal(err)
		}
	}, func(k *kit) {
		<-k.Ready()
		raw := trade.Encode(takeOf(offerOf("alice"), 7))
		answers := make(chan []byte, 8)
		for range cap(answers) {
			go func() {
				answer, err := k.Receive(k.t.Context(), "bob", raw)
				if err != nil {
					answer = []byte(err.Error())
				}
				answers <- answer
			}()
		}
		for range cap(answers) {
			if answer := <-answers; answer != nil {
				t.Errorf("answered %s", answer)
			}
		}
		if all, err := k.Trades(k.t.Context(), true); err != nil || len(all) != 1 {
			t.Errorf("%d trades, %v", len(all), err)
		}
	})
}
