package contracts_test

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"photon/contracts"
)

// What a limit has room for that a call need not use.
const (
	tokenRoom   = 150_000 // a token's own work
	paymentRoom = 245_000 // all that a payment may use
	slotRoom    = 25_000  // what was said, when nothing was
)

// A limited hall sends calls with the limits that ChannelGas gives them, and notes
// what they use.
type limited struct {
	*hall
	table *strings.Builder
}

// within sends a call with just its limit. It must succeed, and the limit, but for
// the room, be less than twice the least with which it would.
func (l limited) within(what string, room uint64, from contracts.Address, value contracts.Amount, data []byte) receipt {
	l.Helper()
	to := l.lock
	if strings.HasPrefix(what, "register") {
		to = l.registry
	}
	limit, ok := contracts.ChannelGas(data)
	if !ok {
		l.Fatalf("%s: no limit", what)
	}
	defer func(before uint64) { l.gas = before }(l.gas)
	run := func(gas uint64) (r receipt) {
		l.meanwhile(func() {
			l.gas = gas
			r = l.send(from, to, value, data)
		})
		return r
	}
	used := run(limit)
	if used.err != nil {
		l.Errorf("%s: %s within %d gas", what, used.refusal(), limit)
	}
	least := used.gas + uint64(sort.Search(int(limit-used.gas), func(more int) bool { return run(used.gas+uint64(more)).err == nil }))
	fmt.Fprintf(l.table, "%-36s %9s %9s %9s\n", what, figure(limit), figure(least), figure(used.gas))
	if limit-room >= 2*least {
		l.Errorf("%s: a limit of %d, %d is enough", what, limit, least)
	}
	l.gas = limit
	return l.send(from, to, value, data)
}

// Every call succeeds with just the gas that it is given, whoever sends it, to people
// and with a token that are new on the chain; and it is given no more than it may
// want.
func TestGasLimitsOfChannels(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		l := limited{newHall(t, g), &strings.Builder{}}
		l.permits()
		tokens := l.hostileToken()
		for _, token := range []contracts.Address{nobody, tokens} {
			what := "tokens"
			if l.token = token; token == nobody {
				what = "coins"
			}
			fmt.Fprintf(l.table, "\n%-36s %9s %9s %9s\n", g.name+", "+what, "limit", "enough", "used")
			l.meanwhile(l.opens)
			l.meanwhile(l.payments)
			l.meanwhile(func() { l.ends(1) })
			l.meanwhile(func() { l.ends(256) })
		}
		l.token = nobody
		l.parties()
		t.Log(l.table.String())
	})
}

// in is the room of what the token does when it is taken in.
func (l limited) in() uint64 {
	if l.token == nobody {
		return 0
	}
	return tokenRoom
}

// permits deposits by the first permit that alice gives, and approves.
func (l limited) permits() {
	l.Helper()
	l.must(l.send(alice, l.token, noCoins, contracts.ApproveCall(l.lock, noCoins)))
	l.within("deposit by permit", 2*tokenRoom, alice, noCoins, contracts.DepositPermitCall(l.n, false, units(30), start+99999, l.permit(30)))
	defer func(before uint64) { l.gas = before }(l.gas)
	l.gas = contracts.ApproveGas
	l.must(l.send(miner, l.token, noCoins, contracts.ApproveCall(l.lock, endless)))
}

// fresh are two parties who are nowhere on the chain, the lower first.
func fresh() (first, second contracts.Address) {
	first, second = person(5), person(6)
	if n := contracts.NameChannel(nobody, first, second, 0); n.First != first {
		return second, first
	}
	return first, second
}

// opens opens in every way, and deposits.
func (l limited) opens() {
	l.Helper()
	first, second := fresh()
	data, value := contracts.OpenCall(l.token, first, window, units(1000))
	l.meanwhile(func() { l.within("open and deposit", l.in(), alice, value, data) })
	data, value = contracts.OpenCall(l.token, first, window, units(0))
	n := contracts.NameChannel(l.token, alice, first, l.height)
	l.within("open", 0, alice, value, data)
	data, value = contracts.DepositCall(n, true, units(10))
	l.within("deposit", l.in(), alice, value, data)
	data, value = contracts.DepositCall(n, false, units(10))
	l.within("deposit more", l.in(), alice, value, data)
	if l.token != nobody {
		l.meanwhile(func() {
			l.tell(l.token, "setMood", uint8(reenters))
			l.tell(l.token, "setCall", l.registry, contracts.RegisterCall(secret(1), secret(2), secret(3)))
			if l.within("deposit, token with work", tokenRoom, alice, value, data); l.entered(l.token) != 1 {
				l.Errorf("deposit: gas was withheld from the token")
			}
		})
	}
	o := contracts.Opening{Token: l.token, By: first, Partner: second, Window: window, Opener: alice, Until: l.height}
	data, value = contracts.OpenSignedCall(o, l.signed(first, contracts.OpenWord(o)), units(1000))
	l.within("open and deposit for another", l.in(), alice, value, data)
}

// between makes the hall's channel one of the fresh parties, with 1000 of each.
func (l limited) between() {
	l.Helper()
	first, second := fresh()
	o := contracts.Opening{Token: l.token, By: first, Partner: second, Window: window, Until: l.height}
	l.n = contracts.NameChannel(l.token, first, second, l.height)
	data, value := contracts.OpenSignedCall(o, l.signed(first, contracts.OpenWord(o)), units(1000))
	l.must(l.send(alice, l.lock, value, data))
	data, value = contracts.DepositCall(l.n, false, units(1000))
	l.must(l.send(alice, l.lock, value, data))
}

// payments withdraws and ends together, and collects what could not be paid.
func (l limited) payments() {
	l.Helper()
	l.between()
	w := contracts.Withdrawal{Until: l.height + 9, FirstBalance: units(900), SecondBalance: units(1100), FirstTakes: units(900), SecondTakes: units(1100)}
	word := contracts.WithdrawWord(l.n.ID(), 0, w)
	withdraw := contracts.WithdrawCall(l.n, w, l.signed(l.n.First, word), l.signed(l.n.Second, word))
	e := contracts.Ending{Until: l.height + 9, FirstBalance: units(900), SecondBalance: units(1100)}
	word = contracts.CloseTogetherWord(l.n.ID(), 0, e)
	together := contracts.CloseTogetherCall(l.n, e, l.signed(l.n.First, word), l.signed(l.n.Second, word))
	l.meanwhile(func() { l.within("withdraw", paymentRoom, carol, noCoins, withdraw) })
	l.meanwhile(func() { l.within("close together", paymentRoom, carol, noCoins, together) })
	if l.token == nobody {
		return
	}
	l.tell(l.token, "setMood", uint8(burnsGas))
	l.meanwhile(func() { l.within("withdraw, all gas burnt", 0, carol, noCoins, withdraw) })
	l.within("close together, all gas burnt", 0, carol, noCoins, together)
	l.tell(l.token, "setMood", uint8(honest))
	l.within("collect", paymentRoom, carol, noCoins, contracts.CollectCall(l.token, l.n.First, l.n.First))
}

// ends closes alone, with a list of so many locks in each.
func (l limited) ends(locks int) {
	l.Helper()
	l.between()
	first, second := l.n.First, l.n.Second
	list, secrets := make([]contracts.Lock, locks), make([]contracts.Secret, locks)
	for i := range list {
		list[i], secrets[i] = promise(byte(i), 3, 1<<63), secret(byte(i))
	}
	l.within(fmt.Sprintf("register %d", locks), 0, carol, noCoins, contracts.RegisterCall(secrets...))
	hers, his := pay(2, 100, list...), pay(3, 200)
	l.meanwhile(func() {
		l.within("close in silence", slotRoom, second, noCoins, contracts.CloseCall(l.n, contracts.BalanceProof{}, contracts.Signature{}))
	})
	l.within("close", 0, second, noCoins, contracts.CloseCall(l.n, hers, l.said(first, hers)))
	l.within("update", 0, carol, noCoins, contracts.UpdateCall(l.n, his, l.said(second, his), l.mandate(first, his)))
	m := l.signed(second, contracts.UnlockWord(l.n.ID(), 0, hers.Locks, all))
	r := l.within(fmt.Sprintf("unlock %d", locks), 0, carol, noCoins, contracts.UnlockCall(l.n, true, claim(hers), list, all, m))
	c, e := claim(hers), l.events(r)[0]
	c.Unlocked, c.Taken = e.Unlocked, e.Taken
	disposed := l.signed(second, contracts.DisposeWord(l.n.ID(), 0, list[locks-1]))
	punish := contracts.PunishCall(l.n, true, c, list, locks-1, disposed)
	settle := contracts.SettleCall(l.n, c, claim(his))
	pays := func(what string, room uint64, data []byte) {
		l.meanwhile(func() { l.within(what, room, carol, noCoins, data) })
		if l.token != nobody {
			l.meanwhile(func() {
				l.tell(l.token, "setMood", uint8(burnsGas))
				l.within(what+", all gas burnt", 0, carol, noCoins, data)
			})
		}
	}
	pays(fmt.Sprintf("punish, list of %d", locks), 0, punish)
	l.height = l.channel().End + punishBlocks + 1
	pays("settle", paymentRoom, settle)
}

// parties are two contracts that burn what they are paid with, and do much work when
// they collect.
func (l limited) parties() {
	l.Helper()
	p, q, run := l.hostileParty(), l.hostileParty(), artifact(l, "HostileParty")
	l.n = contracts.NameChannel(nobody, p, q, l.height)
	data, value := contracts.OpenCall(nobody, q, window, units(100))
	l.must(l.send(carol, p, value, run.pack(l, "run", l.lock, data)))
	data, value = contracts.DepositCall(l.n, q == l.n.First, units(60))
	l.must(l.send(carol, l.lock, value, data))
	l.must(l.send(carol, p, noCoins, run.pack(l, "run", l.lock, contracts.CloseCall(l.n, contracts.BalanceProof{}, contracts.Signature{}))))
	l.height = l.channel().End + punishBlocks + 1
	l.tell(p, "setMood", uint8(partyBurnsGas))
	l.tell(q, "setMood", uint8(partyBurnsGas))
	l.within("settle, all gas burnt", 0, carol, noCoins, contracts.SettleCall(l.n, contracts.Claim{}, contracts.Claim{}))
	if l.owed(p) != units(100) || l.owed(q) != units(60) {
		l.Errorf("owed %s and %s", l.owed(p), l.owed(q))
	}
	l.tell(p, "setMood", uint8(partyReenters))
	l.tell(p, "setCall", l.registry, contracts.RegisterCall(secret(1), secret(2), secret(3), secret(4), secret(5), secret(6)))
	l.within("collect, with work", 0, carol, noCoins, contracts.CollectCall(nobody, p, p))
	if l.entered(p) != 1 {
		l.Errorf("collect: gas was withheld from the payee")
	}
}

// What is no call of a channel's life has no limit, and nothing that is cut short is
// taken for what it is not.
func TestNoGasLimit(t *testing.T) {
	n := contracts.NameChannel(nobody, alice, bob, 5)
	deposit, _ := contracts.DepositCall(n, true, units(1))
	lock := promise(1, 1, 1)
	for what, data := range map[string][]byte{
		"nothing": nil, "no word": deposit[:4], "half a word": deposit[:20], "a byte more": append(slices.Clone(deposit), 0),
		"unknown": append([]byte{1, 2, 3, 4}, make([]byte, 64)...), "a question": contracts.ChannelCall(n.ID()),
		"a token's": contracts.ApproveCall(alice, units(1)), "of the other contract": hashLockCall(t),
	} {
		if gas, ok := contracts.ChannelGas(data); ok || gas != 0 {
			t.Errorf("%s: %d, %v", what, gas, ok)
		}
	}
	unlock := contracts.UnlockCall(n, true, contracts.Claim{}, []contracts.Lock{lock, lock}, all, contracts.Signature{})
	for _, data := range [][]byte{deposit, unlock, contracts.RegisterCall(secret(1), secret(2))} {
		whole, _ := contracts.ChannelGas(data)
		for size := 4 + 32; size < len(data); size += 32 {
			if gas, ok := contracts.ChannelGas(data[:size]); !ok || gas > whole {
				t.Errorf("%d of %d bytes: %d, %v; whole %d", size, len(data), gas, ok, whole)
			}
		}
	}
}

// hashLockCall is a call of HashLock.
func hashLockCall(t *testing.T) []byte {
	data, _ := newGround(t, osaka).sample(1).LockCall()
	return data
}
