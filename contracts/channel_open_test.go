package contracts_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
)

// A row is one change to a good call, and the error by which it is then refused;
// none when it is still good.
type row[Call any] struct {
	name   string
	change func(*hall, *Call)
	want   string
}

// tried tries each row in a hall of its own, under both rules. A call that is
// refused changes nothing.
func tried[Call any](t *testing.T, good func(*hall) Call, send func(*hall, Call) receipt, rows []row[Call]) {
	t.Helper()
	for _, row := range append([]row[Call]{{"good", func(*hall, *Call) {}, ""}}, rows...) {
		t.Run(row.name, func(t *testing.T) {
			inHall(t, func(t *testing.T, h *hall) {
				c := good(h)
				row.change(h, &c)
				before := h.picture()
				h.refused(send(h, c), row.want)
				if (h.picture() == before) != (row.want != "") {
					t.Error("a refused call changed something, or a good one nothing")
				}
			})
		})
	}
}

// early makes the last block of a word the one before the next.
func early(h *hall) uint64 { return h.height - 1 }

type openCall struct {
	from, token, partner contracts.Address
	window, amount       uint64
	coins                uint64
}

func TestOpenRefuses(t *testing.T) {
	good := func(h *hall) openCall { return openCall{alice, h.token, bob, 90, 10, 0} }
	send := func(h *hall, c openCall) receipt {
		data, _ := contracts.OpenCall(c.token, c.partner, c.window, units(c.amount))
		return h.send(c.from, h.lock, units(c.coins), data)
	}
	tried(t, good, send, []row[openCall]{
		{"with nobody", func(h *hall, c *openCall) { c.partner = nobody }, "BadParties"},
		{"with oneself", func(h *hall, c *openCall) { c.partner = alice }, "BadParties"},
		{"window too short", func(h *hall, c *openCall) { c.window = 89 }, "BadWindow"},
		{"longest window", func(h *hall, c *openCall) { c.window = 100800 }, ""},
		{"window too long", func(h *hall, c *openCall) { c.window = 100801 }, "BadWindow"},
		{"window beyond 32 bits", func(h *hall, c *openCall) { c.window = 1<<32 + 90 }, "BadWindow"},
		{"nothing put in", func(h *hall, c *openCall) { c.amount = 0 }, ""},
		{"more than she has", func(h *hall, c *openCall) { c.amount = 901 }, "BadToken"},
		{"all she has", func(h *hall, c *openCall) { c.amount = 900 }, ""},
		{"coins with a token", func(h *hall, c *openCall) { c.coins = 10 }, "BadAmount"},
		{"coins", func(h *hall, c *openCall) { c.token, c.coins = nobody, 10 }, ""},
		{"too few coins", func(h *hall, c *openCall) { c.token, c.coins = nobody, 9 }, "BadAmount"},
		{"too many coins", func(h *hall, c *openCall) { c.token, c.coins = nobody, 11 }, "BadAmount"},
		{"token without code", func(h *hall, c *openCall) { c.token = carol }, "BadToken"},
		{"token that is a precompile", func(h *hall, c *openCall) { c.token = contracts.Address{19: 4} }, "BadToken"},
		{"token that is the contract", func(h *hall, c *openCall) { c.token = h.lock }, "BadToken"},
		{"not approved", func(h *hall, c *openCall) {
			h.must(h.send(alice, h.token, noCoins, contracts.ApproveCall(h.lock, units(9))))
		}, "BadToken"},
	})
}

// A pair has one channel of a token a block, whoever of them opens it, and in the
// next block another.
func TestOpenTwice(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		data, _ := contracts.OpenCall(h.token, bob, window, units(1))
		his, _ := contracts.OpenCall(h.token, alice, window, units(1))
		h.must(h.do(alice, data))
		h.refused(h.again(bob, h.lock, noCoins, his), "AlreadyOpen")
		hers, value := contracts.OpenCall(nobody, bob, window, units(1))
		h.must(h.again(alice, h.lock, value, hers))
		h.must(h.do(bob, his))
	})
}

type openSignedCall struct {
	from   contracts.Address
	o      contracts.Opening
	s      contracts.Signature
	amount uint64
}

func TestOpenSignedRefuses(t *testing.T) {
	good := func(h *hall) openSignedCall {
		o := contracts.Opening{Token: h.token, By: alice, Partner: bob, Window: 90, Opener: carol, Until: h.height}
		return openSignedCall{carol, o, h.signed(alice, contracts.OpenWord(o)), 10}
	}
	send := func(h *hall, c openSignedCall) receipt {
		data, value := contracts.OpenSignedCall(c.o, c.s, units(c.amount))
		return h.send(c.from, h.lock, value, data)
	}
	again := func(h *hall, c *openSignedCall) { c.s = h.signed(alice, contracts.OpenWord(c.o)) }
	tried(t, good, send, []row[openSignedCall]{
		{"nothing put in", func(h *hall, c *openSignedCall) { c.amount = 0 }, ""},
		{"a block late", func(h *hall, c *openSignedCall) { c.o.Until = early(h); again(h, c) }, "TooLate"},
		{"by another", func(h *hall, c *openSignedCall) { c.from = bob }, "BadSender"},
		{"by anyone", func(h *hall, c *openSignedCall) { c.o.Opener = nobody; again(h, c) }, ""},
		{"signed by the partner", func(h *hall, c *openSignedCall) { c.s = h.signed(bob, contracts.OpenWord(c.o)) }, "BadSignature"},
		{"unsigned, for nobody", func(h *hall, c *openSignedCall) { c.o.By, c.s = nobody, contracts.Signature{} }, "BadParties"},
		{"other token", func(h *hall, c *openSignedCall) { c.o.Token = nobody }, "BadSignature"},
		{"for another", func(h *hall, c *openSignedCall) { c.o.By = carol }, "BadSignature"},
		{"other partner", func(h *hall, c *openSignedCall) { c.o.Partner = carol }, "BadSignature"},
		{"other window", func(h *hall, c *openSignedCall) { c.o.Window++ }, "BadSignature"},
		{"other opener", func(h *hall, c *openSignedCall) { c.o.Opener = nobody }, "BadSignature"},
		{"other until", func(h *hall, c *openSignedCall) { c.o.Until++ }, "BadSignature"},
		{"window too short", func(h *hall, c *openSignedCall) { c.o.Window = 89; again(h, c) }, "BadWindow"},
	})
}

type depositCall struct {
	from    contracts.Address
	n       contracts.ChannelName
	byFirst bool
	amount  contracts.Amount
	coins   uint64
}

func TestDepositRefuses(t *testing.T) {
	good := func(h *hall) depositCall { return depositCall{alice, h.n, false, units(10), 0} }
	send := func(h *hall, c depositCall) receipt {
		data, _ := contracts.DepositCall(c.n, c.byFirst, c.amount)
		return h.send(c.from, h.lock, units(c.coins), data)
	}
	most := units(0)
	for range 128 {
		most = most.Plus(most).Plus(units(1))
	}
	rich := func(h *hall, c *depositCall) {
		h.must(h.send(alice, h.token, noCoins, contracts.MintCall(alice, most)))
	}
	tried(t, good, send, []row[depositCall]{
		{"of a third", func(h *hall, c *depositCall) { c.from = carol }, ""},
		{"to the partner's side", func(h *hall, c *depositCall) { c.byFirst = true }, ""},
		{"nothing", func(h *hall, c *depositCall) { c.amount = units(0) }, "BadAmount"},
		{"coins with it", func(h *hall, c *depositCall) { c.coins = 10 }, "BadAmount"},
		{"more than she has", func(h *hall, c *depositCall) { c.amount = units(901) }, "BadToken"},
		{"no such channel", func(h *hall, c *depositCall) { c.n.Opened++ }, "NoChannel"},
		{"parties the wrong way round", func(h *hall, c *depositCall) { c.n.First, c.n.Second = alice, bob }, "NoChannel"},
		{"channel of another", func(h *hall, c *depositCall) { c.n.First = carol }, "NoChannel"},
		{"closed", func(h *hall, c *depositCall) { h.closed(bob, contracts.BalanceProof{}) }, "AlreadyClosed"},
		{"ended", func(h *hall, c *depositCall) { h.together(0) }, "NoChannel"},
		{"all that fits", func(h *hall, c *depositCall) { rich(h, c); c.amount = most.Minus(units(150)) }, ""},
		{"one more than fits", func(h *hall, c *depositCall) { rich(h, c); c.amount = most.Minus(units(149)) }, "BadAmount"},
		{"more than fits, to the other side", func(h *hall, c *depositCall) { rich(h, c); c.byFirst, c.amount = true, most }, "BadAmount"},
	})
}

// A permit that is none, without approval, moves nothing.
func TestDepositPermitRefuses(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.must(h.send(alice, h.token, noCoins, contracts.ApproveCall(h.lock, noCoins)))
		before, good := h.picture(), h.permit(30)
		h.refused(h.do(alice, contracts.DepositPermitCall(h.n, false, units(0), start+99999, good)), "BadAmount")
		h.refused(h.do(alice, contracts.DepositPermitCall(h.n, false, units(31), start+99999, good)), "BadToken")
		h.refused(h.do(alice, contracts.DepositPermitCall(h.n, false, units(30), start+99998, good)), "BadToken")
		coins := contracts.ChannelName{First: bob, Second: alice, Opened: h.n.Opened}
		h.refused(h.do(alice, contracts.DepositPermitCall(coins, false, units(30), start+99999, good)), "BadAmount")
		if h.picture() != before {
			t.Error("a refused permit changed something")
		}
		h.must(h.do(alice, contracts.DepositPermitCall(h.n, false, units(30), start+99999, good)))
	})
}

type withdrawCall struct {
	n             contracts.ChannelName
	w             contracts.Withdrawal
	first, second contracts.Signature
}

func (c *withdrawCall) sign(h *hall) {
	w := contracts.WithdrawWord(h.n.ID(), h.epoch, c.w)
	c.first, c.second = h.signed(bob, w), h.signed(alice, w)
}

// Bob has 70 of 150 and takes 20; alice takes 30 of her 80.
func TestWithdrawRefuses(t *testing.T) {
	good := func(h *hall) (c withdrawCall) {
		c.n, c.w = h.n, contracts.Withdrawal{Until: h.height, FirstBalance: units(70), SecondBalance: units(80), FirstTakes: units(20), SecondTakes: units(30)}
		c.sign(h)
		return c
	}
	send := func(h *hall, c withdrawCall) receipt {
		return h.do(carol, contracts.WithdrawCall(c.n, c.w, c.first, c.second))
	}
	signed := func(change func(*hall, *contracts.Withdrawal)) func(*hall, *withdrawCall) {
		return func(h *hall, c *withdrawCall) { change(h, &c.w); c.sign(h) }
	}
	after := func(change func(*contracts.Withdrawal)) func(*hall, *withdrawCall) {
		return func(h *hall, c *withdrawCall) { change(&c.w) }
	}
	tried(t, good, send, []row[withdrawCall]{
		{"a block late", signed(func(h *hall, w *contracts.Withdrawal) { w.Until = early(h) }), "TooLate"},
		{"all that bob has", signed(func(h *hall, w *contracts.Withdrawal) { w.FirstTakes = units(70) }), ""},
		{"more than bob has", signed(func(h *hall, w *contracts.Withdrawal) { w.FirstTakes = units(71) }), "BadSum"},
		{"all that alice has", signed(func(h *hall, w *contracts.Withdrawal) { w.SecondTakes = units(80) }), ""},
		{"more than alice has", signed(func(h *hall, w *contracts.Withdrawal) { w.SecondTakes = units(81) }), "BadSum"},
		{"less than there is", signed(func(h *hall, w *contracts.Withdrawal) { w.FirstBalance = units(69) }), "BadSum"},
		{"more than there is", signed(func(h *hall, w *contracts.Withdrawal) { w.SecondBalance = units(81) }), "BadSum"},
		{"more than a word holds", signed(func(h *hall, w *contracts.Withdrawal) { w.SecondBalance = endless }), "BadSum"},
		{"nothing taken", signed(func(h *hall, w *contracts.Withdrawal) { w.FirstTakes, w.SecondTakes = noCoins, noCoins }), ""},
		{"signed by one for both", func(h *hall, c *withdrawCall) { c.second = c.first }, "BadSignature"},
		{"signatures the wrong way round", func(h *hall, c *withdrawCall) { c.first, c.second = c.second, c.first }, "BadSignature"},
		{"other until", after(func(w *contracts.Withdrawal) { w.Until++ }), "BadSignature"},
		{"other balances", after(func(w *contracts.Withdrawal) { w.FirstBalance, w.SecondBalance = units(71), units(79) }), "BadSignature"},
		{"bob takes more", after(func(w *contracts.Withdrawal) { w.FirstTakes = units(21) }), "BadSignature"},
		{"alice takes less", after(func(w *contracts.Withdrawal) { w.SecondTakes = units(29) }), "BadSignature"},
		{"other epoch", func(h *hall, c *withdrawCall) { h.epoch = 1; c.sign(h) }, "BadSignature"},
		{"no such channel", func(h *hall, c *withdrawCall) { c.n.Opened-- }, "NoChannel"},
		{"closed", func(h *hall, c *withdrawCall) { h.closed(bob, contracts.BalanceProof{}); c.w.Until += 2; c.sign(h) }, "AlreadyClosed"},
		{"ended", func(h *hall, c *withdrawCall) { h.together(0) }, "NoChannel"},
	})
}

type togetherCall struct {
	n             contracts.ChannelName
	e             contracts.Ending
	first, second contracts.Signature
}

func (c *togetherCall) sign(h *hall) {
	w := contracts.CloseTogetherWord(c.n.ID(), h.epoch, c.e)
	c.first, c.second = h.signed(bob, w), h.signed(alice, w)
}

func TestCloseTogetherRefuses(t *testing.T) {
	good := func(h *hall) (c togetherCall) {
		c.n, c.e = h.n, contracts.Ending{Until: h.height, FirstBalance: units(70), SecondBalance: units(80)}
		c.sign(h)
		return c
	}
	send := func(h *hall, c togetherCall) receipt {
		return h.do(carol, contracts.CloseTogetherCall(c.n, c.e, c.first, c.second))
	}
	signed := func(change func(*hall, *contracts.Ending)) func(*hall, *togetherCall) {
		return func(h *hall, c *togetherCall) { change(h, &c.e); c.sign(h) }
	}
	tried(t, good, send, []row[togetherCall]{
		{"a block late", signed(func(h *hall, e *contracts.Ending) { e.Until = early(h) }), "TooLate"},
		{"all to bob", signed(func(h *hall, e *contracts.Ending) { e.FirstBalance, e.SecondBalance = units(150), units(0) }), ""},
		{"all to alice", signed(func(h *hall, e *contracts.Ending) { e.FirstBalance, e.SecondBalance = units(0), units(150) }), ""},
		{"one less", signed(func(h *hall, e *contracts.Ending) { e.FirstBalance = units(69) }), "BadSum"},
		{"one more", signed(func(h *hall, e *contracts.Ending) { e.SecondBalance = units(81) }), "BadSum"},
		{"signed by one for both", func(h *hall, c *togetherCall) { c.first = c.second }, "BadSignature"},
		{"not signed by alice", func(h *hall, c *togetherCall) { c.second = contracts.Signature{} }, "BadSignature"},
		{"other balances", func(h *hall, c *togetherCall) { c.e.FirstBalance, c.e.SecondBalance = units(71), units(79) }, "BadSignature"},
		{"other until", func(h *hall, c *togetherCall) { c.e.Until++ }, "BadSignature"},
		{"other epoch", func(h *hall, c *togetherCall) { h.epoch = 1; c.sign(h) }, "BadSignature"},
		{"no such channel", func(h *hall, c *togetherCall) { c.n.Opened-- }, "NoChannel"},
		{"ended", func(h *hall, c *togetherCall) { h.together(0) }, "NoChannel"},
	})
}

// In the block of its opening a channel does not end, so its name is not used
// twice.
func TestNoEndInTheBlockOfTheOpening(t *testing.T) {
	inHall(t, func(t *testing.T, h *hall) {
		h.n = h.opened(alice, bob, 10)
		c := togetherCall{n: h.n, e: contracts.Ending{Until: h.height, SecondBalance: units(10)}}
		c.sign(h)
		data := contracts.CloseTogetherCall(c.n, c.e, c.first, c.second)
		h.refused(h.again(carol, h.lock, noCoins, data), "TooSoon")
		h.refused(h.again(alice, h.lock, noCoins, contracts.CloseCall(h.n, contracts.BalanceProof{}, contracts.Signature{})), "TooSoon")
		h.must(h.do(carol, data))
	})
}

// What a token calls must be the token, and must be an order.
func TestTokenCallRefuses(t *testing.T) {
	type tokenCall struct {
		way    string
		amount uint64
		data   []byte
	}
	good := func(h *hall) tokenCall { return tokenCall{"transferReceived", 5, contracts.DepositOrder(h.n, false)} }
	token := artifact(t, "CallingToken")
	send := func(h *hall, c tokenCall) receipt {
		return h.send(alice, h.token, noCoins, token.pack(t, c.way, h.lock, units(c.amount).Uint256().ToBig(), c.data))
	}
	rows := []row[tokenCall]{}
	for _, way := range []string{"approveAndCall", "transferFallback", "transferReceived", "transferAndCall"} {
		in := func(change func(*hall, *tokenCall)) func(*hall, *tokenCall) {
			return func(h *hall, c *tokenCall) { c.way = way; change(h, c) }
		}
		rows = append(rows,
			row[tokenCall]{way + ": good", in(func(h *hall, c *tokenCall) {}), ""},
			row[tokenCall]{way + ": nothing", in(func(h *hall, c *tokenCall) { c.amount = 0 }), "BadToken"},
			row[tokenCall]{way + ": no order", in(func(h *hall, c *tokenCall) { c.data = nil }), "BadData"},
			row[tokenCall]{way + ": a byte more", in(func(h *hall, c *tokenCall) { c.data = append(c.data, 0) }), "BadData"},
			row[tokenCall]{way + ": of another token", in(func(h *hall, c *tokenCall) {
				n := h.n
				n.Token = nobody
				c.data = contracts.DepositOrder(n, false)
			}), "BadSender"},
			row[tokenCall]{way + ": no such channel", in(func(h *hall, c *tokenCall) {
				n := h.n
				n.Opened--
				c.data = contracts.DepositOrder(n, false)
			}), "NoChannel"},
			row[tokenCall]{way + ": open with oneself", in(func(h *hall, c *tokenCall) { c.data = contracts.OpenOrder(alice, window) }), "BadParties"},
			row[tokenCall]{way + ": open with a short window", in(func(h *hall, c *tokenCall) { c.data = contracts.OpenOrder(bob, 89) }), "BadWindow"},
			row[tokenCall]{way + ": closed", in(func(h *hall, c *tokenCall) { h.closed(bob, contracts.BalanceProof{}) }), "AlreadyClosed"},
		)
	}
	tried(t, good, send, rows)
}

// Code and creation are within what both chains take.
func TestChannelsFit(t *testing.T) {
	g := newGround(t, byzantium)
	at := g.deploy(contracts.ChannelsDeploy(g.chainID, crypto.CreateAddress(miner, 0), punishBlocks))
	if code, init := len(g.state.GetCode(at)), len(contracts.ChannelsDeploy(1, at, 1)); code == 0 || code > 24_576 || init > 32_000 {
		t.Errorf("%d bytes of code, %d to create it", code, init)
	}
}
