package contracts_test

import (
	"fmt"
	"strings"
	"testing"

	"photon/contracts"
)

// usage is the gas of one swap, alone and as one of twenty, a fee of 21,000 a
// transaction included.
type usage struct {
	lock, redeem, redeemFor, refund              uint64
	batchLock, batchRedeem, batchRefund          uint64
	tokenLock, tokenRedeem, tokenRefund, approve uint64
	tokenBatchLock, tokenBatchRedeem             uint64
	signed, deploy                               uint64
}

// TestGas prints our gas beside that of the best contracts of the field and holds
// what we promise. The anchors were measured in go-ethereum's EVM: V1 is dcrdex
// ETHSwapV1, Boltz are EtherSwap and ERC20Swap.
//
// Where ours is above the anchor, its call says more: the token, because one
// contract serves coins and tokens, and who is paid, because anybody may send it
// and each gets his own. A sender who is not the payee adds 2,500 on Ethereum,
// where the payee's account is then cold.
func TestGas(t *testing.T) {
	now, old := measure(t, osaka), measure(t, byzantium)
	var table strings.Builder
	row := func(what string, ours, anchor uint64, whose string, limit uint64) {
		fmt.Fprintf(&table, "%-34s %9s %9s  %-14s %9s\n", what, figure(ours), figure(anchor), whose, figure(limit))
		if ours > limit {
			t.Errorf("%s: %d gas, at most %d", strings.TrimSpace(what), ours, limit)
		}
	}
	head := func(title string) {
		fmt.Fprintf(&table, "\n%-34s %9s %9s  %-14s %9s\n", title, "ours", "anchor", "of", "at most")
	}
	head("Ethereum (Osaka)")
	row("lock", now.lock, 47_393, "Boltz", 47_393)
	row("redeem, by the redeemer", now.redeem, 32_256, "Boltz", 32_256)
	row("lock + redeem", now.lock+now.redeem, 79_649, "Boltz", 79_649)
	row("redeem, anyone's call", now.redeemFor, 44_628, "V1", 44_628)
	row("lock + redeem, anyone's call", now.lock+now.redeemFor, 79_700, "promise", 79_700)
	row("refund", now.refund, 31_379, "Boltz", 32_000)
	row("redeem signed, to a new account", now.signed, 85_304, "V1", 85_304)
	row("lock, of 20", now.batchLock, 30_624, "V1", 30_624)
	row("redeem, of 20", now.batchRedeem, 8_388, "Boltz", 9_000)
	row("refund, of 20", now.batchRefund, 0, "", 9_000)
	row("lock + redeem, of 20", now.batchLock+now.batchRedeem, 45_290, "V1", 45_000)
	row("token: approve", now.approve, 48_885, "V1", 48_885)
	row("token: lock", now.tokenLock, 69_772, "Boltz", 69_772)
	row("token: redeem", now.tokenRedeem, 41_607, "Boltz", 41_607)
	row("token: lock + redeem", now.tokenLock+now.tokenRedeem, 111_379, "Boltz", 111_379)
	row("token: refund", now.tokenRefund, 40_763, "Boltz", 40_763)
	row("token: lock, of 20", now.tokenBatchLock, 29_730, "V1 (further)", 30_000)
	row("token: redeem, of 20", now.tokenBatchRedeem, 13_417, "V1 (further)", 13_417)
	row("deploy", now.deploy, 1_378_321, "Boltz", 1_400_000)
	head("Spectrum (Byzantium)")
	row("lock", old.lock, 47_732, "Boltz", 47_732)
	row("redeem, by the redeemer", old.redeem, 26_202, "Boltz", 26_400)
	row("lock + redeem", old.lock+old.redeem, 73_934, "Boltz", 73_900)
	row("redeem, anyone's call", old.redeemFor, 59_652, "V1", 59_652)
	row("refund", old.refund, 24_481, "Boltz", 27_000)
	row("redeem signed, to a new account", old.signed, 0, "", 75_000)
	row("lock, of 20", old.batchLock, 32_869, "V1", 32_869)
	row("redeem, of 20", old.batchRedeem, 6_939, "Boltz", 8_300)
	row("refund, of 20", old.batchRefund, 0, "", 8_300)
	row("token: lock", old.tokenLock, 70_527, "Boltz", 70_527)
	row("token: redeem", old.tokenRedeem, 34_728, "Boltz", 34_728)
	row("token: refund", old.tokenRefund, 33_040, "Boltz", 35_000)
	row("deploy", old.deploy, 1_710_813, "Boltz", 1_700_000)
	t.Log(table.String())
}

// figure prints 12345 as 12,345 and nothing for 0.
func figure(n uint64) string {
	switch {
	case n == 0:
		return ""
	case n < 1000:
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", figure(n/1000), n%1000)
}

// measure runs each call once, on a chain where everybody has been before, as the
// anchors were measured.
func measure(t *testing.T, r rules) (u usage) {
	g := newGround(t, r)
	u.deploy = g.must(g.apply(miner, nil, noCoins, contracts.HashLockDeploy(r.chainID))).gas
	token := g.token("1000000")
	g.must(g.send(alice, token, noCoins, contracts.TransferCall(bob, ether("1"))))
	g.must(g.send(alice, token, noCoins, contracts.TransferCall(g.lock, ether("1"))))

	coin := g.sample(1)
	u.lock, u.redeem = g.lockGas(coin), g.must(g.send(bob, g.lock, noCoins, coin.RedeemCallFrom(bob, secret(1)))).gas
	g.lockGas(coin)
	u.redeemFor = g.must(g.send(bob, g.lock, noCoins, coin.RedeemCall(secret(1)))).gas
	g.lockGas(coin)
	u.signed = g.signedGas(coin)
	u.batchLock, u.batchRedeem, u.batchRefund = g.batchGas(nobody)

	u.approve = g.must(g.send(carol, token, noCoins, contracts.ApproveCall(g.lock, ether("1")))).gas
	leg := g.sample(1, of(token))
	u.tokenLock = g.lockGas(leg)
	u.tokenRedeem = g.must(g.send(bob, g.lock, noCoins, leg.RedeemCallFrom(bob, secret(1)))).gas
	u.tokenBatchLock, u.tokenBatchRedeem, _ = g.batchGas(token)

	g.time = start + 1000
	g.lockGas(coin)
	g.lockGas(leg)
	g.time = expiry
	u.refund = g.must(g.send(alice, g.lock, noCoins, coin.RefundCall())).gas
	u.tokenRefund = g.must(g.send(alice, g.lock, noCoins, leg.RefundCall())).gas
	return u
}

// token deploys a test token and gives all of it to alice, who lets HashLock take
// from it without end.
func (g *ground) token(supply string) contracts.Address {
	g.Helper()
	token := g.deploy(contracts.TestTokenDeploy("Test", "TEST", 18, ether(supply)))
	g.must(g.send(miner, token, noCoins, contracts.TransferCall(alice, ether(supply))))
	g.must(g.send(alice, token, noCoins, contracts.ApproveCall(g.lock, endless)))
	return token
}

func (g *ground) lockGas(s contracts.Swap) uint64 {
	g.Helper()
	data, value := s.LockCall()
	return g.must(g.send(alice, g.lock, value, data)).gas
}

func (g *ground) signedGas(s contracts.Swap) uint64 {
	g.Helper()
	c := contracts.SignedClaim{Swap: s, To: person(77), Fee: ether("0.01"), FeeTo: carol, Deadline: expiry}
	data, err := c.Call(secret(1), sign(2, c.Digest(g.chainID)))
	if err != nil {
		g.Fatal(err)
	}
	return g.must(g.send(carol, g.lock, noCoins, data)).gas
}

// batchGas is the gas of one of twenty: lock and redeem, lock again and refund.
func (g *ground) batchGas(token contracts.Address) (lock, redeem, refund uint64) {
	g.Helper()
	swaps, secrets := g.twenty(token)
	data, value := contracts.LockBatchCall(swaps)
	lock = g.must(g.send(alice, g.lock, value, data)).gas / 20
	redeem = g.must(g.send(bob, g.lock, noCoins, contracts.RedeemBatchCall(swaps, secrets))).gas / 20
	g.must(g.send(alice, g.lock, value, data))
	g.time = expiry
	refund = g.must(g.send(alice, g.lock, noCoins, contracts.RefundBatchCall(swaps))).gas / 20
	g.time = start + 500
	return lock, redeem, refund
}

func (g *ground) twenty(token contracts.Address) (swaps []contracts.Swap, secrets []contracts.Secret) {
	g.Helper()
	for n := range byte(20) {
		swaps = append(swaps, g.sample(n+1, of(token)))
		secrets = append(secrets, secret(n+1))
	}
	return swaps, secrets
}

// TestGasLimits runs every call with exactly the limit that it is given, to a
// payee who is new on the chain.
func TestGasLimits(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		token := g.token("1000000")
		for _, asset := range []contracts.Address{nobody, token} {
			for n := range byte(3) {
				s := g.sample(n+1, of(asset), to(person(100+n)))
				data, value := s.LockCall()
				g.limit(s.LockGas(), alice, value, data)
				switch n {
				case 0:
					g.limit(s.RedeemGas(), carol, noCoins, s.RedeemCall(secret(n+1)))
				case 1:
					c := contracts.SignedClaim{Swap: s, To: person(110), FeeTo: person(111), Fee: ether("0.1"), Deadline: expiry}
					data, err := c.Call(secret(n+1), sign(100+n, c.Digest(g.chainID)))
					if err != nil {
						t.Fatal(err)
					}
					g.limit(c.Gas(), carol, noCoins, data)
				case 2:
					g.time = expiry
					g.limit(s.RefundGas(), alice, noCoins, s.RefundToCall(person(112)))
					g.time = start + 1000
				}
			}
			g.limitBatches(asset)
		}
		g.gas = contracts.HashLockDeployGas
		g.deploy(contracts.HashLockDeploy(g.chainID))
		g.gas = contracts.TestTokenDeployGas
		g.deploy(contracts.TestTokenDeploy("A token with a name of more than one word", "TEST", 18, ether("1")))
	})
}

// limitBatches locks, redeems, locks again and refunds twenty legs to payees who
// are all new.
func (g *ground) limitBatches(asset contracts.Address) {
	g.Helper()
	var swaps []contracts.Swap
	var secrets []contracts.Secret
	for n := range byte(20) {
		swaps = append(swaps, g.sample(n+1, of(asset), to(person(120+n))))
		secrets = append(secrets, secret(n+1))
	}
	data, value := contracts.LockBatchCall(swaps)
	g.limit(contracts.LockBatchGas(swaps), alice, value, data)
	if r := g.limit(contracts.RedeemBatchGas(swaps), carol, noCoins, contracts.RedeemBatchCall(swaps, secrets)); len(g.events(r)) != 20 {
		g.Fatalf("%d redeemed, want 20", len(g.events(r)))
	}
	g.limit(contracts.LockBatchGas(swaps), alice, value, data)
	g.time = expiry
	if r := g.limit(contracts.RefundBatchGas(swaps), carol, noCoins, contracts.RefundBatchCall(swaps)); len(g.events(r)) != 20 {
		g.Fatalf("%d refunded, want 20", len(g.events(r)))
	}
	g.time = start + 2000
}

// limit sends a call to HashLock with this gas limit, and it must succeed.
func (g *ground) limit(gas uint64, from contracts.Address, value contracts.Amount, data []byte) receipt {
	g.Helper()
	defer func(before uint64) { g.gas = before }(g.gas)
	g.gas = gas
	return g.must(g.send(from, g.lock, value, data))
}
