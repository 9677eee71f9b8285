package swap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"photon/contracts"
	"photon/swap/trade"
)

// A slate is a board in memory, which does as its fields say.
type slate struct {
	mu      sync.Mutex
	up      []trade.Offer
	lies    []trade.Offer // shown whatever is asked
	down    error         // the answer to everything
	refuses error         // the answer to Post
	hangs   bool          // nothing is answered
	asked   int
	posts   int
	signed  []string // signatures of withdrawals
}

func (*slate) Name() string { return "http://board.example" }

func (s *slate) answer(ctx context.Context) error {
	s.mu.Lock()
	s.asked++
	down, hangs := s.down, s.hangs
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return down
}

func (s *slate) Offers(ctx context.Context, _ string, give, want contracts.Asset) ([]trade.Offer, error) {
	return s.shown(ctx, func(o trade.Offer) bool { return o.Give == give && o.Want == want })
}

func (s *slate) Of(ctx context.Context, _, maker string) ([]trade.Offer, error) {
	return s.shown(ctx, func(o trade.Offer) bool { return o.Maker == maker })
}

func (s *slate) shown(ctx context.Context, wanted func(trade.Offer) bool) (all []trade.Offer, err error) {
	if err := s.answer(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.up {
		if wanted(o) {
			all = append(all, o)
		}
	}
	return append(all, s.lies...), nil
}

func (s *slate) Post(ctx context.Context, o trade.Offer) error {
	if err := s.answer(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts++
	if s.refuses != nil {
		return s.refuses
	}
	s.up = append(slices.DeleteFunc(s.up, func(up trade.Offer) bool { return up.Digest() == o.Digest() }), o)
	return nil
}

func (s *slate) Withdraw(ctx context.Context, id contracts.Hash, signature []byte) error {
	if err := s.answer(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed = append(s.signed, string(signature))
	s.up = slices.DeleteFunc(s.up, func(up trade.Offer) bool { return up.Digest() == id })
	return nil
}

// counts are offers that are up, posts, and questions so far.
func (s *slate) counts() (up, posts, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.up), s.posts, s.asked
}

// set changes what the slate does.
func (s *slate) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// on has a kit follow a board.
func (s *slate) on(k *kit) {
	k.Boards, k.boards = []Board{s}, []chan struct{}{make(chan struct{}, 1)}
	k.Assets = []contracts.Asset{contracts.Native(contracts.BTC), contracts.Native(contracts.LTC)}
}

// draft is of Alice's offer of LTC for as much BTC.
func draft(most uint64, lasts time.Duration) trade.Draft {
	return trade.Draft{
		Give: contracts.Native(contracts.LTC), Want: contracts.Native(contracts.BTC), Min: contracts.Units(100_000), Max: contracts.Units(most),
		GiveOf: contracts.Units(1), WantOf: contracts.Units(1), Expires: unix(time.Now().Add(lasts)),
	}
}

func (k *kit) offers(most uint64, lasts time.Duration) trade.Offer {
	k.t.Helper()
	o, err := k.Offer(k.t.Context(), draft(most, lasts))
	if err != nil {
		k.t.Fatal(err)
	}
	return o
}

func (k *kit) shows() []trade.Posted {
	k.t.Helper()
	all, err := k.Posted(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	return all
}

// An offer of ours is put up at once, says where we are, stays up as long as it
// stands, is taken down when it is withdrawn, and comes back when the board has
// forgotten it.
func TestOffersArePosted(t *testing.T) {
	s := &slate{}
	run(t, s.on, func(k *kit) {
		o := k.offers(1_000_000, 2*time.Hour)
		k.after(tickEvery)
		if up, posts, _ := s.counts(); up != 1 || posts != 1 || !slices.Equal(s.up[0].At, k.bob.Reach()) {
			t.Fatalf("%d up after %d posts: %+v", up, posts, s.up)
		}
		k.after(postEvery - 2*time.Second)
		if _, posts, _ := s.counts(); posts != 1 {
			t.Errorf("posted %d times before it was time", posts)
		}
		k.after(boardEvery + 2*time.Second)
		if _, posts, _ := s.counts(); posts != 2 {
			t.Errorf("posted %d times, want 2: boards let go of what nobody renews", posts)
		}
		s.set(func() { s.up = nil })
		k.after(boardEvery + tickEvery)
		if up, posts, _ := s.counts(); up != 1 || posts != 3 {
			t.Errorf("the board forgot: %d up after %d posts", up, posts)
		}
		if err := k.Withdraw(k.t.Context(), o.Digest()); err != nil {
			t.Fatal(err)
		}
		k.after(tickEvery)
		if up, _, _ := s.counts(); up != 0 || !slices.Equal(s.signed, []string{"signed"}) {
			t.Errorf("withdrawn: %d up, signed %q", up, s.signed)
		}
		k.offers(1_000_001, time.Minute)
		k.after(2 * time.Minute)
		if _, posts, _ := s.counts(); posts != 4 {
			t.Errorf("posted %d times, want 4: what has expired is not renewed", posts)
		}
	})
}

// What was withdrawn while the node was down, or the board, is taken down later;
// so is everything when no new swaps are taken.
func TestOffersAreTakenDown(t *testing.T) {
	for name, prepare := range map[string]func(k *kit, o trade.Offer){
		"withdrawn": func(k *kit, o trade.Offer) {
			if err := k.disk.DropOffer(k.t.Context(), o.Digest()); err != nil {
				t.Fatal(err)
			}
		},
		"no new swaps": func(k *kit, _ trade.Offer) { k.RefundOnly = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := &slate{}
			run(t, s.on, func(k *kit) {
				o := k.offers(1_000_000, time.Hour)
				k.after(tickEvery)
				k.again(func(k *kit) { s.on(k); prepare(k, o) }).end()
				if up, _, _ := s.counts(); up != 0 {
					t.Errorf("%d are up", up)
				}
			})
		})
	}
}

// A14: a board that is down, or that never answers, is asked ever more seldom, and
// nothing waits for it: offers are made and fetched, a trade begins and is carried
// out. When it is back, our offer is up at once.
func TestBoardIsDown(t *testing.T) {
	for name, fail := range map[string]func(s *slate){
		"down":  func(s *slate) { s.down = errors.New("nobody listens there") },
		"hangs": func(s *slate) { s.hangs = true },
	} {
		t.Run(name, func(t *testing.T) {
			s := &slate{}
			run(t, func(k *kit) {
				s.on(k)
				fail(s)
				k.bob.answer = func(m trade.Message) ([]byte, error) {
					if _, is := m.(trade.OffersRequest); is {
						return trade.Encode(trade.OffersAnswer{Offers: []trade.Offer{offerOf("bob")}}), nil
					}
					return nil, nil
				}
			}, func(k *kit) {
				<-k.Ready()
				began := time.Now()
				k.offers(1_000_000, 3*time.Hour)
				if offers, err := k.Fetch(k.t.Context(), "bob"); err != nil || len(offers) != 1 {
					t.Fatalf("from node to node: %d offers, %v", len(offers), err)
				}
				q, err := k.Quote(k.t.Context(), offerOf("bob").Digest(), contracts.Units(500_000), false)
				if err != nil {
					t.Fatal(err)
				}
				tr, err := k.Take(k.t.Context(), q.ID)
				if err != nil {
					t.Fatal(err)
				}
				a := trade.Accept{ID: tr.ID, Redeemer: party("bob btc"), Refunder: party("bob ltc")}
				if _, err := k.Receive(k.t.Context(), "bob", trade.Encode(a)); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began); waited > time.Second {
					t.Errorf("waited %s for a board", waited)
				}
				k.btc.mine()
				k.after(5 * time.Second)
				if locks := k.btc.did(trade.Lock); len(locks) != 1 {
					t.Errorf("%d locks were sent", len(locks))
				}
				k.after(time.Hour)
				if _, _, asked := s.counts(); asked > 260 {
					t.Errorf("asked %d times in an hour", asked)
				}
				s.set(func() { s.down, s.hangs = nil, false })
				k.after(time.Minute)
				if up, _, _ := s.counts(); up != 1 {
					t.Errorf("back again: %d up", up)
				}
			})
		})
	}
}

// What a board refuses is not posted again and again, and holds up no other.
func TestRefusedPostIsLeft(t *testing.T) {
	s := &slate{refuses: fmt.Errorf("%w: no", trade.ErrOffer)}
	run(t, s.on, func(k *kit) {
		k.offers(1_000_000, time.Hour)
		k.offers(1_000_001, time.Hour)
		k.after(postEvery - time.Minute)
		if _, posts, _ := s.counts(); posts != 2 {
			t.Errorf("posted %d times, want each once", posts)
		}
	})
}

// Only so many offers of ours are put up: those that stand longest.
func TestPostsAreBounded(t *testing.T) {
	s := &slate{}
	run(t, s.on, func(k *kit) {
		for i := range maxPosts + 5 {
			k.offers(uint64(1_000_000+i), time.Hour+time.Duration(i)*time.Second)
		}
		k.after(5 * boardEvery)
		up, posts, _ := s.counts()
		if up > maxPosts+5 || posts > 2*maxPosts {
			t.Errorf("%d up after %d posts", up, posts)
		}
		before := posts
		k.after(5 * boardEvery)
		if _, posts, _ := s.counts(); posts != before {
			t.Errorf("posted %d times more with nothing new", posts-before)
		}
	})
}

// Each row is what a board shows beside Bob's good offer, which it may not.
func TestBoardLies(t *testing.T) {
	for name, lie := range map[string]func(o *trade.Offer){
		"forged":                func(o *trade.Offer) { o.Signature = []byte("forged") },
		"ours":                  func(o *trade.Offer) { o.Maker, o.Signature = "alice", []byte("forged") },
		"expired":               func(o *trade.Offer) { o.Expires = unix(time.Now()) - 1 },
		"another pair":          func(o *trade.Offer) { o.Give, o.Want = o.Want, contracts.Asset{Chain: contracts.ETH} },
		"another realm":         func(o *trade.Offer) { o.Realm = "main" },
		"no amount":             func(o *trade.Offer) { o.Min = contracts.Amount{} },
		"times that are no use": func(o *trade.Offer) { o.SecondTime = o.FirstTime },
		"no address":            func(o *trade.Offer) { o.At = []string{"bob's"} },
	} {
		t.Run(name, func(t *testing.T) {
			s := &slate{}
			var good contracts.Hash
			run(t, func(k *kit) {
				s.on(k)
				k.Verify = func(_ string, _ contracts.Hash, signature []byte) error {
					if string(signature) == "forged" {
						return errors.New("forged")
					}
					return nil
				}
				bad := offerOf("bob")
				good, s.lies = bad.Digest(), []trade.Offer{bad}
				bad.Max = bad.Max.Plus(contracts.Units(1))
				lie(&bad)
				s.lies = append(s.lies, bad)
			}, func(k *kit) {
				k.after(boardEvery)
				shown := k.shows()
				if len(shown) != 1 || shown[0].Offer.Digest() != good || shown[0].Board != s.Name() {
					t.Errorf("shown: %+v", shown)
				}
				if len(s.signed) != 0 {
					t.Errorf("a lie had us sign %q", s.signed)
				}
			})
		})
	}
}

// An offer that only a board shows can be taken: its maker is learned, and asked
// himself. What we know otherwise is not shown a second time; what a board shows
// no longer, or what has run out, not at all.
func TestTakeFromABoard(t *testing.T) {
	bobs := func() trade.Offer {
		o := offerOf("bob")
		o.At = []string{"/ip4/192.0.2.7/tcp/8646"}
		return o
	}
	s := &slate{}
	run(t, func(k *kit) {
		s.on(k)
		s.up = []trade.Offer{bobs()}
	}, func(k *kit) {
		k.after(time.Second)
		id := k.shows()[0].Offer.Digest()
		q, err := k.Quote(k.t.Context(), id, contracts.Units(500_000), false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Take(k.t.Context(), q.ID); err != nil {
			t.Fatal(err)
		}
		k.after(time.Second)
		if want := []string{"bob at /ip4/192.0.2.7/tcp/8646"}; !slices.Equal(k.bob.learned, want) {
			t.Errorf("learned %q, want %q", k.bob.learned, want)
		}
		if _, is := k.bob.heard[0].(trade.Take); !is {
			t.Errorf("Bob heard %T", k.bob.heard[0])
		}
		if err := k.Import(k.t.Context(), k.shows()[0].Offer); err != nil || len(k.shows()) != 0 {
			t.Errorf("%v; known and shown: %+v", err, k.shows())
		}
		k.disk.offers = nil
		if len(k.shows()) != 1 {
			t.Error("not shown")
		}
		s.set(func() { s.up = nil })
		k.after(boardEvery)
		if _, err := k.Quote(k.t.Context(), id, contracts.Units(500_000), false); !errors.Is(err, trade.ErrUnknown) || len(k.shows()) != 0 {
			t.Errorf("shown no longer: %v, %+v", err, k.shows())
		}
	})
}

// A board that goes away leaves what it showed, until that runs out.
func TestShownByABoardThatWentAway(t *testing.T) {
	s := &slate{}
	run(t, func(k *kit) {
		s.on(k)
		s.up = []trade.Offer{offerOf("bob")}
	}, func(k *kit) {
		k.after(time.Second)
		s.set(func() { s.down = errors.New("nobody listens there") })
		k.after(50 * time.Minute)
		if len(k.shows()) != 1 {
			t.Errorf("shown: %+v", k.shows())
		}
		k.after(11 * time.Minute)
		if len(k.shows()) != 0 {
			t.Errorf("run out, and shown: %+v", k.shows())
		}
	})
}
