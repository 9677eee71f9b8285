package contracts_test

import (
	"fmt"
	"strings"
	"testing"

	"photon/contracts"
)

// channelUsage is the gas of each call of a channel's life, a fee of 21,000 a
// transaction included.
type channelUsage struct {
	openDeposit, open, openSigned, deposit, withdraw uint64
	together, close, closeSilent                     uint64
	update, updateFor, unlockOne, unlockSix          uint64
	unlockSixFor, settle, punish                     uint64
	register, registerSix                            uint64
	coinOpen, coinSettle, deploy                     uint64
}

// TestGasOfChannels prints our gas beside what was published or measured of the
// contracts before, on the gas schedule before 2019, which Byzantium's is, and holds
// what we promise. A row that is above its anchor says why.
func TestGasOfChannels(t *testing.T) {
	now, old := measureChannels(t, osaka), measureChannels(t, byzantium)
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-30s %9s %9s %9s %9s %9s\n", "Channels, with a token", "Osaka", "at most", "Byzantium", "at most", "anchor")
	for _, row := range []struct {
		what         string
		now, nowMost uint64
		old, oldMost uint64
		anchor       uint64
		above        string
	}{
		{"open and deposit", now.openDeposit, 98_500, old.openDeposit, 95_000, 92_261, "what has come is measured, and what is held kept: 7,000"},
		{"open", now.open, 49_000, old.open, 49_500, 0, ""},
		{"open and deposit for another", now.openSigned, 104_500, old.openSigned, 107_000, 0, ""},
		{"deposit", now.deposit, 58_500, old.deposit, 58_000, 70_764, ""},
		{"close", now.close, 60_500, old.close, 66_500, 67_929, ""},
		{"close, in silence", now.closeSilent, 33_500, old.closeSilent, 37_000, 0, ""},
		{"update", now.update, 62_000, old.update, 69_500, 63_160, "a whole hash and its nonce are two slots: 5,000"},
		{"update, by the delegate", now.updateFor, 67_000, old.updateFor, 78_500, 76_705, "as before"},
		{"unlock, one lock", now.unlockOne, 44_500, old.unlockOne, 48_000, 68_585, ""},
		{"unlock, six locks", now.unlockSix, 65_000, old.unlockSix, 70_500, 83_852, ""},
		{"unlock, six, by the delegate", now.unlockSixFor, 69_500, old.unlockSixFor, 79_500, 0, ""},
		{"settle", now.settle, 62_500, old.settle, 47_000, 51_352, "since 2021 a chain gives back a fifth at most for the four slots that are cleared"},
		{"punish", now.punish, 66_500, old.punish, 51_500, 0, ""},
		{"close together", now.together, 71_000, old.together, 78_000, 78_174, ""},
		{"withdraw", now.withdraw, 69_000, old.withdraw, 85_000, 83_213, "what is held of the token is kept: 5,000"},
		{"register a secret", now.register, 46_000, old.register, 46_500, 45_603, "SHA-256, which every chain has, is a call, and Keccak is not"},
		{"register six, each", now.registerSix, 28_500, old.registerSix, 29_000, 0, ""},
		{"coins: open and deposit", now.coinOpen, 75_000, old.coinOpen, 73_000, 0, ""},
		{"coins: settle", now.coinSettle, 52_000, old.coinSettle, 34_000, 0, ""},
		{"deploy", now.deploy, 3_400_000, old.deploy, 4_100_000, 0, ""},
	} {
		fmt.Fprintf(&table, "%-30s %9s %9s %9s %9s %9s  %s\n", row.what, figure(row.now), figure(row.nowMost), figure(row.old), figure(row.oldMost), figure(row.anchor), row.above)
		if row.now > row.nowMost || row.old > row.oldMost {
			t.Errorf("%s: %d and %d gas, at most %d and %d", row.what, row.now, row.old, row.nowMost, row.oldMost)
		}
		if above := row.anchor != 0 && max(row.now, row.old) > row.anchor; above != (row.above != "") {
			t.Errorf("%s: above the anchor %v, for the reason %q", row.what, above, row.above)
		}
	}
	t.Log(table.String())
}

// measureChannels runs each call once, where all have been before: the contract
// holds the token, which all have some of, and may take of theirs without end.
func measureChannels(t *testing.T, r rules) (u channelUsage) {
	g := newGround(t, r)
	token := g.token("1000")
	h := newHall(t, g, token)
	u.deploy = h.must(h.apply(miner, nil, noCoins, contracts.ChannelsDeploy(r.chainID, h.registry, punishBlocks))).gas

	h.must(h.do(carol, call(contracts.OpenCall(token, alice, window, units(10)))))
	h.n = contracts.NameChannel(token, alice, bob, h.height)
	u.openDeposit = h.must(h.do(alice, call(contracts.OpenCall(token, bob, window, units(100))))).gas
	u.open = h.must(h.do(alice, call(contracts.OpenCall(token, bob, window, units(0))))).gas
	o := contracts.Opening{Token: token, By: alice, Partner: bob, Window: window, Opener: carol, Until: h.height}
	u.openSigned = h.must(h.do(carol, call(contracts.OpenSignedCall(o, h.signed(alice, contracts.OpenWord(o)), units(10))))).gas
	u.deposit = h.must(h.do(bob, call(contracts.DepositCall(h.n, true, units(50))))).gas
	h.meanwhile(func() {
		w := contracts.Withdrawal{Until: h.height, FirstBalance: units(70), SecondBalance: units(80), FirstTakes: units(30)}
		word := contracts.WithdrawWord(h.n.ID(), 0, w)
		u.withdraw = h.must(h.do(bob, contracts.WithdrawCall(h.n, w, h.signed(bob, word), h.signed(alice, word)))).gas
	})
	h.meanwhile(func() { u.together = h.together(80).gas })
	h.meanwhile(func() { u.closeSilent = h.closed(bob, contracts.BalanceProof{}).gas })
	h.measureEnd(&u)
	h.meanwhile(func() { u.register = h.registered(secret(99)).gas })
	var six []contracts.Secret
	for n := range byte(6) {
		six = append(six, secret(n+90))
	}
	h.meanwhile(func() { u.registerSix = h.registered(six...).gas / 6 })

	h.token = nobody
	h.opened(alice, carol, 10)
	h.n = contracts.NameChannel(nobody, alice, bob, h.height)
	data, value := contracts.OpenCall(nobody, bob, window, units(100))
	u.coinOpen = h.must(h.send(alice, h.lock, value, data)).gas
	h.deposited(h.n, bob, 50)
	h.closed(alice, pay(1, 10))
	u.coinSettle = h.settled(claim(pay(1, 10)), contracts.Claim{}).gas
	return u
}

func call(data []byte, _ contracts.Amount) []byte { return data }

// measureEnd closes with one word, updates with the other's, unlocks and settles.
func (h *hall) measureEnd(u *channelUsage) {
	h.Helper()
	var locks []contracts.Lock
	var secrets []contracts.Secret
	for n := range byte(6) {
		locks, secrets = append(locks, promise(n+1, 3, 1<<40)), append(secrets, secret(n+1))
	}
	h.registered(secrets...)
	his, one, six := pay(7, 12), pay(9, 40, locks[0]), pay(9, 40, locks...)
	u.close = h.closed(alice, his).gas
	h.meanwhile(func() {
		u.updateFor = h.must(h.do(carol, contracts.UpdateCall(h.n, six, h.said(alice, six), h.mandate(bob, six)))).gas
		m := h.signed(bob, contracts.UnlockWord(h.n.ID(), 0, six.Locks, all))
		u.unlockSixFor = h.must(h.do(carol, contracts.UnlockCall(h.n, false, claim(six), locks, all, m))).gas
	})
	unlock := func(p contracts.BalanceProof, locks []contracts.Lock) (uint64, contracts.Claim) {
		r := h.must(h.do(bob, contracts.UnlockCall(h.n, false, claim(p), locks, all, contracts.Signature{})))
		e, c := h.events(r)[0], claim(p)
		c.Unlocked, c.Taken = e.Unlocked, e.Taken
		return r.gas, c
	}
	h.meanwhile(func() {
		h.updated(one)
		u.unlockOne, _ = unlock(one, locks[:1])
	})
	u.update = h.updated(six).gas
	var c contracts.Claim
	u.unlockSix, c = unlock(six, locks)
	h.meanwhile(func() {
		s := h.signed(bob, contracts.DisposeWord(h.n.ID(), 0, locks[5]))
		h.height = h.channel().End + 1
		u.punish = h.must(h.do(alice, contracts.PunishCall(h.n, false, c, locks, 5, s))).gas
	})
	h.meanwhile(func() { u.settle = h.settled(claim(his), c).gas })
}
