package contracts_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"photon/contracts"
)

// A model is what HashLock should know and everybody should have, in plain words.
type model struct {
	*ground
	t      *rapid.T
	legs   []contracts.Swap
	secret []contracts.Secret
	since  []uint64 // block of the lock; 0 when not held
	assets []contracts.Address
	people []contracts.Address
	has    map[[2]contracts.Address]contracts.Amount // person, asset
}

// Random calls, right and wrong, early and late, alone and in batches, move
// exactly what the model moves.
func TestRandomCallsAgreeWithModel(t *testing.T) {
	for _, r := range bothRules {
		t.Run(r.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) { newModel(t, rt, r).run() })
		})
	}
}

// newModel locks nothing yet: a dozen legs between three people, in coins and two
// tokens, under eight secrets (so some share one), with near and far times.
func newModel(t *testing.T, rt *rapid.T, r rules) *model {
	g := newGround(t, r)
	m := &model{ground: g, t: rt, people: []contracts.Address{alice, bob, carol}, has: map[[2]contracts.Address]contracts.Amount{}}
	m.assets = []contracts.Address{nobody, g.token("100"), g.token("100")}
	for _, token := range m.assets[1:] {
		for _, p := range []contracts.Address{bob, carol} {
			g.must(g.send(alice, token, noCoins, contracts.TransferCall(p, ether("30"))))
			g.must(g.send(p, token, noCoins, contracts.ApproveCall(g.lock, endless)))
		}
	}
	for _, p := range append(m.people, g.lock) {
		m.has[[2]contracts.Address{p, nobody}] = g.coins(p)
		for _, token := range m.assets[1:] {
			m.has[[2]contracts.Address{p, token}] = g.tokens(token, p)
		}
	}
	for n := range byte(12) {
		refunder := int(n) % 3
		m.secret = append(m.secret, secret(n%8))
		m.legs = append(m.legs, g.sample(n%8, from(m.people[refunder]), to(m.people[(refunder+1+int(n)%2)%3]), of(m.assets[int(n/2)%3]),
			func(t *contracts.Terms) {
				t.Amount = contracts.Units(uint64(n) + 1)
				t.Expiry = start + 400 + uint64(n%5)*60
			}))
	}
	m.since = make([]uint64, len(m.legs))
	return m
}

func (m *model) run() {
	m.t.Repeat(map[string]func(*rapid.T){
		"wait":   func(t *rapid.T) { m.ground.time += uint64(rapid.IntRange(0, 40).Draw(t, "seconds")) },
		"lock":   func(t *rapid.T) { m.lockOne(m.pick(t), m.sender(t)) },
		"redeem": func(t *rapid.T) { m.redeemOne(m.pick(t), m.sender(t), rapid.IntRange(0, 3).Draw(t, "wrong") == 0) },
		"refund": func(t *rapid.T) { m.refundOne(m.pick(t), m.sender(t)) },
		"lock batch": func(t *rapid.T) {
			m.lockBatch(rapid.SliceOfN(rapid.IntRange(0, len(m.legs)-1), 1, 4).Draw(t, "legs"), m.sender(t))
		},
		"end batch": func(t *rapid.T) {
			m.endBatch(rapid.SliceOfN(rapid.IntRange(0, len(m.legs)-1), 0, 8).Draw(t, "legs"), m.sender(t), rapid.Bool().Draw(t, "redeem"))
		},
		"": func(*rapid.T) { m.checkStates() },
	})
	m.checkSums()
}

func (m *model) pick(t *rapid.T) int { return rapid.IntRange(0, len(m.legs)-1).Draw(t, "leg") }

func (m *model) sender(t *rapid.T) contracts.Address {
	return rapid.SampledFrom(m.people).Draw(t, "sender")
}

// move moves a leg's amount in the model.
func (m *model) move(i int, from, to contracts.Address) {
	t := m.legs[i].Terms()
	a, b := [2]contracts.Address{from, t.Asset.Token}, [2]contracts.Address{to, t.Asset.Token}
	m.has[a] = m.has[a].Minus(t.Amount)
	m.has[b] = m.has[b].Plus(t.Amount)
}

func (m *model) party(p contracts.Party) contracts.Address { return contracts.Address(p) }

// lockable reports whether the refunder may lock the leg in the next block.
func (m *model) lockable(i int) bool {
	return m.since[i] == 0 && m.legs[i].Terms().Expiry > m.ground.time
}

func (m *model) redeemable(i int) bool {
	return m.since[i] != 0 && m.legs[i].Terms().Expiry > m.ground.time
}

func (m *model) refundable(i int) bool {
	return m.since[i] != 0 && m.legs[i].Terms().Expiry <= m.ground.time
}

// lockOne locks as the refunder: a lock of another sender would be another leg.
func (m *model) lockOne(i int, _ contracts.Address) {
	want, height := m.lockable(i), m.ground.height
	from := m.party(m.legs[i].Terms().Refunder)
	data, value := m.legs[i].LockCall()
	m.agree(m.send(from, m.ground.lock, value, data), want)
	if want {
		m.since[i] = height
		m.move(i, from, m.ground.lock)
	}
}

func (m *model) redeemOne(i int, sender contracts.Address, wrong bool) {
	want, s := m.redeemable(i) && !wrong, m.secret[i]
	if wrong {
		s[0]++
	}
	m.agree(m.send(sender, m.ground.lock, noCoins, m.legs[i].RedeemCallFrom(sender, s)), want)
	if want {
		m.redeemed(i)
	}
}

func (m *model) redeemed(i int) {
	m.since[i] = 0
	m.move(i, m.ground.lock, m.party(m.legs[i].Terms().Redeemer))
}

func (m *model) refundOne(i int, sender contracts.Address) {
	want := m.refundable(i)
	m.agree(m.send(sender, m.ground.lock, noCoins, m.legs[i].RefundCall()), want)
	if want {
		m.refunded(i)
	}
}

func (m *model) refunded(i int) {
	m.since[i] = 0
	m.move(i, m.ground.lock, m.party(m.legs[i].Terms().Refunder))
}

// lockBatch locks those of the legs that are the sender's: all, or none when one
// cannot be locked or a hash is there twice.
func (m *model) lockBatch(picked []int, sender contracts.Address) {
	var mine []int
	var swaps []contracts.Swap
	want, hashes := true, map[contracts.Hash]bool{}
	for _, i := range picked {
		t := m.legs[i].Terms()
		if m.party(t.Refunder) != sender {
			continue
		}
		want = want && m.lockable(i) && !hashes[t.Hash]
		hashes[t.Hash] = true
		mine, swaps = append(mine, i), append(swaps, m.legs[i])
	}
	height := m.ground.height
	data, value := contracts.LockBatchCall(swaps)
	m.agree(m.send(sender, m.ground.lock, value, data), want)
	if !want {
		return
	}
	for _, i := range mine {
		m.since[i] = height
		m.move(i, sender, m.ground.lock)
	}
}

// endBatch redeems or refunds what of the legs can be, each once.
func (m *model) endBatch(picked []int, sender contracts.Address, redeem bool) {
	var swaps []contracts.Swap
	var secrets []contracts.Secret
	var ended []int
	seen := map[int]bool{}
	for _, i := range picked {
		swaps, secrets = append(swaps, m.legs[i]), append(secrets, m.secret[i])
		if can := redeem && m.redeemable(i) || !redeem && m.refundable(i); can && !seen[i] {
			ended = append(ended, i)
		}
		seen[i] = true
	}
	data := contracts.RefundBatchCall(swaps)
	if redeem {
		data = contracts.RedeemBatchCall(swaps, secrets)
	}
	m.agree(m.send(sender, m.ground.lock, noCoins, data), len(ended) > 0)
	for _, i := range ended {
		if redeem {
			m.redeemed(i)
		} else {
			m.refunded(i)
		}
	}
}

func (m *model) agree(r receipt, want bool) {
	if (r.err == nil) != want {
		m.t.Fatalf("refused: %q; the model says possible: %v", r.refusal(), want)
	}
}

// checkStates compares which legs the chain and the model hold. It reads the
// storage as it lies: a leg's key is its slot.
func (m *model) checkStates() {
	for i, s := range m.legs {
		got := m.state.GetState(m.ground.lock, common.Hash(s.Key()))
		if got.Big().Uint64() != m.since[i] {
			m.t.Fatalf("leg %d: locked in block %s; the model says %d", i, got.Big(), m.since[i])
		}
	}
}

// checkSums compares what everybody has.
func (m *model) checkSums() {
	for _, p := range append(m.people, m.ground.lock) {
		for _, asset := range m.assets {
			got := m.coins(p)
			if asset != nobody {
				got = m.tokens(asset, p)
			}
			if want := m.has[[2]contracts.Address{p, asset}]; got != want {
				m.t.Fatalf("%s has %s of %s; the model says %s", p, got, asset, want)
			}
		}
	}
}
