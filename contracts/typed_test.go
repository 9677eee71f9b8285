package contracts_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"photon/contracts"
)

// Each row is one change to a good signed claim: bob, who has no gas, signs that
// carol gets half a coin less a hundredth for whom brings it.
func TestSignedClaim(t *testing.T) {
	rows := []struct {
		name   string
		sent   func(*contracts.SignedClaim) // what is sent, after bob has signed
		signed func(*contracts.SignedClaim) // what bob signs
		chain  uint64                       // added to the chain that he signs for
		signer byte
		want   string
	}{
		{"good", nil, nil, 0, 2, ""},
		{"other destination", func(c *contracts.SignedClaim) { c.To = miner }, nil, 0, 2, "BadSignature"},
		{"other fee", func(c *contracts.SignedClaim) { c.Fee = ether("0.02") }, nil, 0, 2, "BadSignature"},
		{"other one to get it", func(c *contracts.SignedClaim) { c.FeeTo = alice }, nil, 0, 2, "BadSignature"},
		{"sender to get it", func(c *contracts.SignedClaim) { c.FeeTo = nobody }, nil, 0, 2, "BadSignature"},
		{"later deadline", func(c *contracts.SignedClaim) { c.Deadline++ }, nil, 0, 2, "BadSignature"},
		{"other chain", nil, nil, 1, 2, "BadSignature"},
		{"other contract", nil, func(c *contracts.SignedClaim) { c.Swap = otherContract(c.Swap) }, 0, 2, "BadSignature"},
		{"other leg", nil, func(c *contracts.SignedClaim) { c.Swap = otherLeg(c.Swap) }, 0, 2, "BadSignature"},
		{"signed by alice", nil, nil, 0, 1, "BadSignature"},
		{"in the last second", nil, func(c *contracts.SignedClaim) { c.Deadline = start + 24 }, 0, 2, ""},
		{"a second late", nil, func(c *contracts.SignedClaim) { c.Deadline = start + 23 }, 0, 2, "TooLate"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, g *ground) {
				s := g.locked(g.sample(1))
				good := contracts.SignedClaim{Swap: s, To: carol, Fee: ether("0.01"), FeeTo: miner, Deadline: expiry}
				if row.signed != nil {
					row.signed(&good)
				}
				signature := sign(row.signer, good.Digest(g.chainID+row.chain))
				good.Swap = s
				if row.sent != nil {
					row.sent(&good)
				}
				data, err := good.Call(secret(1), signature)
				if err != nil {
					t.Fatal(err)
				}
				g.time = start + 24
				before, paid, fee := g.picture(), g.coins(carol), g.coins(miner)
				g.refused(g.send(alice, g.lock, noCoins, data), row.want)
				if row.want != "" {
					if g.picture() != before {
						t.Error("a refused claim changed something")
					}
					return
				}
				paid, fee = g.coins(carol).Minus(paid), g.coins(miner).Minus(fee)
				if paid != ether("0.49") || fee != ether("0.01") {
					t.Errorf("carol got %s, the miner %s", paid, fee)
				}
				g.time = start + 24
				g.refused(g.send(alice, g.lock, noCoins, data), "NotLocked")
			})
		})
	}
}

func otherContract(s contracts.Swap) contracts.Swap {
	t := s.Terms()
	t.Contract[0]++
	return must(contracts.NewSwap(t))
}

func otherLeg(s contracts.Swap) contracts.Swap {
	t := s.Terms()
	t.Expiry++
	return must(contracts.NewSwap(t))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Whoever copies a signed call brings the fee to whom it names; only when it
// names nobody, to himself. The destination is paid the same.
func TestFrontRunner(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		for _, feeTo := range []contracts.Address{alice, nobody} {
			c := contracts.SignedClaim{Swap: g.locked(g.sample(1)), To: bob, Fee: ether("0.01"), FeeTo: feeTo, Deadline: expiry}
			data := must(c.Call(secret(1), sign(2, c.Digest(g.chainID))))
			thief, relayer, paid := g.coins(carol), g.coins(alice), g.coins(bob)
			g.must(g.send(carol, g.lock, noCoins, data))
			want := map[contracts.Address]contracts.Amount{alice: ether("0"), nobody: ether("0.01")}[feeTo]
			if got := g.coins(carol).Minus(thief); got != want {
				t.Errorf("the copier got %s, want %s", got, want)
			}
			if got := g.coins(alice).Minus(relayer); got != ether("0.01").Minus(want) {
				t.Errorf("the relayer got %s", got)
			}
			if got := g.coins(bob).Minus(paid); got != ether("0.49") {
				t.Errorf("bob got %s", got)
			}
		}
	})
}

// The contract itself refuses a fee that leaves nothing and a destination that is
// nobody, although they are signed; a claim without a fee pays all.
func TestSignedClaimBounds(t *testing.T) {
	onBoth(t, func(t *testing.T, g *ground) {
		token := g.token("10")
		for _, asset := range []contracts.Address{nobody, token} {
			s := g.locked(g.sample(1, of(asset)))
			amount := s.Terms().Amount
			for _, row := range []struct {
				to   contracts.Address
				fee  contracts.Amount
				want string
			}{
				{carol, amount.Plus(contracts.Units(1)), "BadFee"},
				{carol, amount, "BadFee"},
				{nobody, noCoins, "BadParty"},
				{carol, amount.Minus(contracts.Units(1)), ""},
			} {
				c := contracts.SignedClaim{Swap: s, To: row.to, Fee: row.fee, FeeTo: bob, Deadline: expiry}
				signature := sign(2, c.Digest(g.chainID))
				_, err := c.Call(secret(1), signature)
				if (err != nil) != (row.want != "") || err != nil && !errors.Is(err, contracts.ErrTerms) {
					t.Errorf("the twin says %v to fee %s", err, row.fee)
				}
				g.refused(g.send(carol, g.lock, noCoins, rawSigned(t, c, signature)), row.want)
			}
			s = g.locked(g.sample(1, of(asset)))
			free := contracts.SignedClaim{Swap: s, To: carol, Deadline: expiry}
			g.must(g.send(bob, g.lock, noCoins, must(free.Call(secret(1), sign(2, free.Digest(g.chainID))))))
		}
		if got := g.tokens(token, carol); got != ether("0.5").Plus(contracts.Units(1)) {
			t.Errorf("carol has %s tokens", got)
		}
	})
}

// rawSigned encodes a claim that the Go twin would refuse.
func rawSigned(t *testing.T, c contracts.SignedClaim, signature []byte) []byte {
	t.Helper()
	s := c.Swap.Terms()
	leg := struct {
		Secret   [32]byte
		Amount   *big.Int
		Token    contracts.Address
		Refunder contracts.Address
		Time     *big.Int
		Redeemer contracts.Address
	}{secret(1), s.Amount.Uint256().ToBig(), s.Asset.Token, contracts.Address(s.Refunder), contracts.Units(s.Expiry).Uint256().ToBig(), contracts.Address(s.Redeemer)}
	return artifact(t, "HashLock").pack(t, "redeemSigned", leg, c.To, c.Fee.Uint256().ToBig(), c.FeeTo,
		contracts.Units(c.Deadline).Uint256().ToBig(), signature[64]+27, [32]byte(signature[:32]), [32]byte(signature[32:64]))
}

func TestSignatureLength(t *testing.T) {
	g := newGround(t, osaka)
	c := contracts.SignedClaim{Swap: g.sample(1), To: carol, Deadline: expiry}
	for _, n := range []int{0, 64, 66} {
		if _, err := c.Call(secret(1), make([]byte, n)); !errors.Is(err, contracts.ErrTerms) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	with := sign(2, c.Digest(1))
	a := must(c.Call(secret(1), with))
	with[64] += 27
	if b := must(c.Call(secret(1), with)); string(a) != string(b) {
		t.Error("v 27 is not v 0")
	}
}

// Wallets that know EIP-712 compute the same digest.
func TestDigestIsEIP712(t *testing.T) {
	g := newGround(t, osaka)
	c := contracts.SignedClaim{Swap: g.sample(1), To: carol, Fee: ether("0.01"), FeeTo: alice, Deadline: expiry}
	want, _, err := apitypes.TypedDataAndHash(apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {{Name: "name", Type: "string"}, {Name: "version", Type: "string"}, {Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"}},
			"Redeem":       {{Name: "key", Type: "bytes32"}, {Name: "to", Type: "address"}, {Name: "fee", Type: "uint256"}, {Name: "feeTo", Type: "address"}, {Name: "deadline", Type: "uint256"}},
		},
		PrimaryType: "Redeem",
		Domain:      apitypes.TypedDataDomain{Name: "Photon HashLock", Version: "1", ChainId: math.NewHexOrDecimal256(1), VerifyingContract: g.lock.Hex()},
		Message: apitypes.TypedDataMessage{
			"key": "0x" + c.Swap.Key().String(), "to": carol.Hex(), "fee": c.Fee.String(), "feeTo": alice.Hex(), "deadline": contracts.Units(expiry).String(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Digest(1); string(got[:]) != string(want) {
		t.Errorf("digest %s, want %x", got, want)
	}
}
