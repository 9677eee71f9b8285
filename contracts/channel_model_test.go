package contracts_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"photon/contracts"
)

// A channelModel is what Channels should know and everybody should have, in plain
// numbers. Alice, bob and carol have channels in a token and in coins; mallory has
// none and signs what is not hers to sign.
type channelModel struct {
	*hall
	t      *rapid.T
	all    []*modelChannel // also those that ended
	since  map[contracts.Hash]uint64
	has    map[[2]contracts.Address]contracts.Amount // person, asset
	owes   map[[2]contracts.Address]uint64           // person, asset
	frozen contracts.Address                         // the token does not serve him
	mined  bool                                      // the last step was a call, so the next may be in its block
}

// A modelChannel is one channel. Index 0 is its first party, 1 its second.
type modelChannel struct {
	n              contracts.ChannelName
	gone           bool
	window, end    uint64
	epoch, nonce   uint64
	closedBy       int
	deposit        [2]uint64
	said           [2]bool
	sent, unlocked [2]uint64
	locks          [2][]contracts.Lock
	taken          [2][]int
}

var (
	mallory      = person(4)
	modelParties = []contracts.Address{alice, bob, carol}
	modelPeople  = append(modelParties, mallory)
)

// Random calls of all kinds, right and wrong, early and late, signed and forged,
// agree with the model on success, events, states and balances.
func TestRandomCallsOfChannelsAgreeWithModel(t *testing.T) {
	for _, r := range bothRules {
		t.Run(r.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) { newChannelModel(t, rt, r).run() })
		})
	}
}

func newChannelModel(t *testing.T, rt *rapid.T, r rules) *channelModel {
	m := &channelModel{
		hall: newHall(t, newGround(t, r)), t: rt,
		since: map[contracts.Hash]uint64{}, has: map[[2]contracts.Address]contracts.Amount{}, owes: map[[2]contracts.Address]uint64{},
	}
	m.all = []*modelChannel{{n: m.n, window: window, deposit: [2]uint64{50, 100}}}
	for _, p := range append(modelPeople, m.lock) {
		m.has[[2]contracts.Address{p, nobody}] = m.coins(p)
		m.has[[2]contracts.Address{p, m.token}] = m.tokens(m.token, p)
	}
	return m
}

// run makes fifty calls. Which, is thrown with coins: what rapid draws from a list
// is most often its beginning.
func (m *channelModel) run() {
	steps := [16]func(*rapid.T){
		m.stepOpen, m.stepDeposit, m.stepCall, m.stepWithdraw, m.stepTogether, m.stepClose, m.stepUpdate, m.stepUpdate,
		m.stepUnlock, m.stepUnlock, m.stepUnlock, m.stepPunish, m.stepSettle, m.stepCollect, m.stepRegister, m.stepTime,
	}
	for range 50 {
		steps[throw(m.t, 4)](m.t)
		m.check()
	}
}

// throw is a number of so many bits.
func throw(t *rapid.T, coins int) (n int) {
	for range coins {
		n *= 2
		if rapid.Bool().Draw(t, "coin") {
			n++
		}
	}
	return n
}

// sometimes is true one time in 2^coins.
func sometimes(t *rapid.T, coins int) bool { return throw(t, coins) == 1<<coins-1 }

// stepTime waits, or goes back into the last call's block, or freezes somebody.
func (m *channelModel) stepTime(t *rapid.T) {
	switch throw(t, 2) {
	case 0:
		m.frozen = append(modelParties, nobody)[throw(t, 2)]
		for _, p := range modelParties {
			m.tell(m.token, "setBlocked", p, p == m.frozen)
		}
	case 1:
		if m.mined {
			m.height, m.mined = m.height-1, false
		}
	default:
		m.height += []uint64{1, 40, 160, 160}[throw(t, 2)]
		m.mined = false
	}
}

// pick is a channel and one of its sides: most often one of those that fit, the
// newest or the one before.
func (m *channelModel) pick(t *rapid.T, fits func(*modelChannel, int) bool) (*modelChannel, int) {
	type place struct {
		c    *modelChannel
		side int
	}
	var all, fitting []place
	for _, c := range m.all {
		for side := range 2 {
			all = append(all, place{c, side})
			if fits(c, side) {
				fitting = append(fitting, place{c, side})
			}
		}
	}
	if len(fitting) == 0 || sometimes(t, 3) {
		fitting = all
	}
	p := fitting[max(0, len(fitting)-1-throw(t, 2))]
	return p.c, p.side
}

// What a step most often wants.
func isOpen(c *modelChannel, _ int) bool   { return c.open() }
func isClosed(c *modelChannel, _ int) bool { return !c.gone && c.end != 0 }
func hasLocks(c *modelChannel, side int) bool {
	return isClosed(c, side) && len(c.locks[side]) > len(c.taken[side])
}
func hasTaken(c *modelChannel, side int) bool { return isClosed(c, side) && len(c.taken[side]) > 0 }

func (c *modelChannel) party(side int) contracts.Address {
	return []contracts.Address{c.n.First, c.n.Second}[side]
}

func (c *modelChannel) open() bool    { return !c.gone && c.end == 0 }
func (c *modelChannel) total() uint64 { return c.deposit[0] + c.deposit[1] }

func (c *modelChannel) claim(side int) contracts.Claim {
	return contracts.Claim{
		Transferred: units(c.sent[side]), Locks: contracts.LocksRoot(c.locks[side]),
		Unlocked: units(c.unlocked[side]), Taken: contracts.BitsOf(c.taken[side]...),
	}
}

func (c *modelChannel) event(kind contracts.ChannelKind) contracts.ChannelEvent {
	return contracts.ChannelEvent{Kind: kind, ID: c.n.ID(), First: c.n.First, Second: c.n.Second, Epoch: c.epoch}
}

// sign signs a word of a party, or forges it: as mallory, or of the next epoch.
func (m *channelModel) sign(t *rapid.T, by contracts.Address, epoch uint64, word func(uint64) contracts.Word) (contracts.Signature, bool) {
	switch throw(t, 4) {
	case 14:
		return m.signed(mallory, word(epoch)), false
	case 15:
		return m.signed(by, word(epoch+1)), false
	}
	return m.signed(by, word(epoch)), true
}

// move moves an amount in the model.
func (m *channelModel) move(asset, from, to contracts.Address, amount uint64) {
	a, b := [2]contracts.Address{from, asset}, [2]contracts.Address{to, asset}
	m.has[a] = m.has[a].Minus(units(amount))
	m.has[b] = m.has[b].Plus(units(amount))
}

// pays says whether the token moves anything of this one.
func (m *channelModel) pays(asset, who contracts.Address) bool {
	return asset == nobody || who != m.frozen
}

func (m *channelModel) pay(asset, to contracts.Address, amount uint64) {
	if m.pays(asset, to) {
		m.move(asset, m.lock, to, amount)
		return
	}
	m.owes[[2]contracts.Address{to, asset}] += amount
}

// agree compares what became of a call with what the model says of it.
func (m *channelModel) agree(r receipt, want bool, events ...contracts.ChannelEvent) {
	m.mined = true
	if (r.err == nil) != want {
		m.t.Fatalf("refused: %q; the model says possible: %v", r.refusal(), want)
	}
	if !want {
		events = nil
	}
	if got := m.events(r); !reflect.DeepEqual(got, events) {
		m.t.Fatalf("events %+v; the model says %+v", got, events)
	}
}

// same compares what the contract knows of a channel with what the model does.
func (m *channelModel) same(c *modelChannel) {
	want := contracts.ChannelState{}
	if !c.gone {
		want = contracts.ChannelState{
			Window: c.window, End: c.end, Epoch: c.epoch, Nonce: c.nonce, ClosedByFirst: c.end != 0 && c.closedBy == 0,
			FirstDeposit: units(c.deposit[0]), SecondDeposit: units(c.deposit[1]),
		}
		if c.said[0] {
			want.FirstClaim = c.claim(0).ID()
		}
		if c.said[1] {
			want.SecondClaim = c.claim(1).ID()
		}
	}
	if got := m.channelOf(c.n); got != want {
		m.t.Fatalf("state %+v; the model says %+v", got, want)
	}
}

// check compares the newest channels, and what everybody has and is owed.
func (m *channelModel) check() {
	for _, c := range m.all[max(0, len(m.all)-2):] {
		m.same(c)
	}
	m.meanwhile(func() {
		ask := func(to contracts.Address, data []byte) contracts.Amount {
			a, err := contracts.ReadTokens(m.must(m.send(carol, to, noCoins, data)).answer)
			if err != nil {
				m.t.Fatal(err)
			}
			return a
		}
		for _, p := range append(modelPeople, m.lock) {
			key := [2]contracts.Address{p, m.token}
			if got, want := m.coins(p), m.has[[2]contracts.Address{p, nobody}]; got != want {
				m.t.Fatalf("%s has %s coins; the model says %s", p, got, want)
			}
			if got, want := ask(m.token, contracts.BalanceCall(p)), m.has[key]; got != want {
				m.t.Fatalf("%s has %s tokens; the model says %s", p, got, want)
			}
			if got, want := ask(m.lock, contracts.OwedCall(m.token, p)), units(m.owes[key]); got != want {
				m.t.Fatalf("%s is owed %s; the model says %s", p, got, want)
			}
		}
	})
}

func (m *channelModel) stepOpen(t *rapid.T) {
	by, partner := rapid.SampledFrom(modelParties).Draw(t, "by"), rapid.SampledFrom(modelParties).Draw(t, "partner")
	asset := rapid.SampledFrom([]contracts.Address{nobody, m.token}).Draw(t, "asset")
	blocks, amount := rapid.Uint64Range(89, 92).Draw(t, "window"), rapid.Uint64Range(0, 9).Draw(t, "amount")
	sender, good := by, by != partner && blocks >= 90
	data, value := contracts.OpenCall(asset, partner, blocks, units(amount))
	if sometimes(t, 1) {
		sender = []contracts.Address{carol, carol, alice, bob}[throw(t, 2)]
		o := contracts.Opening{Token: asset, By: by, Partner: partner, Window: blocks, Opener: carol, Until: m.height + rapid.Uint64Range(0, 2).Draw(t, "until") - 1}
		s, signed := m.sign(t, by, 0, func(epoch uint64) contracts.Word { o := o; o.Window += epoch; return contracts.OpenWord(o) })
		good = good && signed && sender == carol && o.Until >= m.height
		data, value = contracts.OpenSignedCall(o, s, units(amount))
	}
	c := &modelChannel{n: contracts.NameChannel(asset, by, partner, m.height), window: blocks}
	for _, other := range m.all {
		good = good && other.n != c.n
	}
	good = good && (amount == 0 || m.pays(asset, sender))
	events := m.opening(c, by, amount)
	m.agree(m.send(sender, m.lock, value, data), good, events...)
	if good {
		m.all = append(m.all, c)
		m.move(asset, sender, m.lock, amount)
	}
}

// opening is what opening and paying in changes and tells.
func (m *channelModel) opening(c *modelChannel, by contracts.Address, amount uint64) []contracts.ChannelEvent {
	opened := c.event(contracts.ChannelOpened)
	opened.Token, opened.Window = c.n.Token, c.window
	if amount == 0 {
		return []contracts.ChannelEvent{opened}
	}
	side := 1
	if by == c.n.First {
		side = 0
	}
	return []contracts.ChannelEvent{opened, c.depositing(side, amount)}
}

func (c *modelChannel) depositing(side int, amount uint64) contracts.ChannelEvent {
	c.deposit[side] += amount
	e := c.event(contracts.ChannelDeposited)
	e.ByFirst, e.Total = side == 0, units(c.deposit[side])
	return e
}

func (m *channelModel) stepDeposit(t *rapid.T) {
	c, side := m.pick(t, isOpen)
	sender, amount := rapid.SampledFrom(modelParties).Draw(t, "sender"), rapid.Uint64Range(0, 20).Draw(t, "amount")
	data, value := contracts.DepositCall(c.n, side == 0, units(amount))
	good := c.open() && amount > 0 && m.pays(c.n.Token, sender)
	r := m.send(sender, m.lock, value, data)
	if !good {
		m.agree(r, false)
		return
	}
	m.agree(r, true, c.depositing(side, amount))
	m.move(c.n.Token, sender, m.lock, amount)
}

// stepCall pays in by a call of the token, to open or to add.
func (m *channelModel) stepCall(t *rapid.T) {
	way := rapid.SampledFrom([]string{"approveAndCall", "transferFallback", "transferReceived", "transferAndCall"}).Draw(t, "way")
	c, side := m.pick(t, isOpen)
	sender, amount := rapid.SampledFrom(modelParties).Draw(t, "sender"), rapid.Uint64Range(0, 9).Draw(t, "amount")
	good, order, opens := c.open() && c.n.Token == m.token, contracts.DepositOrder(c.n, side == 0), sometimes(t, 1)
	if opens {
		partner := rapid.SampledFrom(modelParties).Draw(t, "partner")
		c = &modelChannel{n: contracts.NameChannel(m.token, sender, partner, m.height), window: rapid.Uint64Range(89, 92).Draw(t, "window")}
		good, order = sender != partner && c.window >= 90, contracts.OpenOrder(partner, c.window)
		for _, other := range m.all {
			good = good && other.n != c.n
		}
	}
	good = good && amount > 0 && m.pays(m.token, sender)
	data := artifact(m, "CallingToken").pack(m, way, m.lock, units(amount).Uint256().ToBig(), order)
	r := m.send(sender, m.token, noCoins, data)
	if way == "approveAndCall" && r.err == nil {
		m.must(m.send(sender, m.token, noCoins, contracts.ApproveCall(m.lock, endless)))
		m.height-- // as if in the same block
	}
	switch {
	case !good:
		m.agree(r, false)
	case opens:
		m.agree(r, true, m.opening(c, sender, amount)...)
		m.all = append(m.all, c)
	default:
		m.agree(r, true, c.depositing(side, amount))
	}
	if good {
		m.move(m.token, sender, m.lock, amount)
	}
}

func (m *channelModel) stepCollect(t *rapid.T) {
	owner, sender := rapid.SampledFrom(modelParties).Draw(t, "owner"), modelPeople[throw(t, 2)]
	for _, p := range modelParties {
		if m.owes[[2]contracts.Address{p, m.token}] > 0 && !sometimes(t, 2) {
			owner = p
		}
	}
	to := []contracts.Address{owner, sender}[throw(t, 1)]
	key := [2]contracts.Address{owner, m.token}
	good := m.owes[key] > 0 && (to == owner || sender == owner) && m.pays(m.token, to)
	m.agree(m.do(sender, contracts.CollectCall(m.token, owner, to)), good)
	if good {
		m.move(m.token, m.lock, to, m.owes[key])
		m.owes[key] = 0
	}
}

func (m *channelModel) stepRegister(t *rapid.T) {
	secrets := [][]contracts.Secret{{secret(0), secret(1), secret(0)}, {secret(2)}, {secret(3), secret(1)}, {secret(1)}}[throw(t, 2)]
	height := m.height
	m.registered(secrets...)
	m.mined = true
	for _, s := range secrets {
		if m.since[s.Hash()] == 0 {
			m.since[s.Hash()] = height
		}
	}
}
