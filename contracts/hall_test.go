package contracts_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
)

// punishBlocks is the time after a window in which an unlock can be punished.
const punishBlocks = 50

// A hall is a ground with Channels on it, a token that alice, bob and carol have
// 1000 of, and a channel of alice and bob in which alice has 100 and bob 50.
type hall struct {
	*ground
	c        contracts.Channels
	registry contracts.Address
	token    contracts.Address
	n        contracts.ChannelName // bob is its first
	epoch    uint64
}

const window = 100

// newHall opens the channel with this token, or with one of its own.
func newHall(t *testing.T, g *ground, token ...contracts.Address) *hall {
	t.Helper()
	h := &hall{ground: g, registry: g.deploy(contracts.SecretRegistryDeploy())}
	h.lock = g.deploy(contracts.ChannelsDeploy(g.chainID, h.registry, punishBlocks))
	h.c = contracts.Channels{ChainID: g.chainID, At: h.lock}
	if h.token = g.deploy(artifact(t, "CallingToken").pack(t, "", units(0).Uint256().ToBig(), units(g.chainID).Uint256().ToBig())); len(token) > 0 {
		h.token = token[0]
	}
	for _, who := range []contracts.Address{alice, bob, carol} {
		if h.token != nobody {
			g.must(g.send(who, h.token, noCoins, contracts.MintCall(who, units(1000))))
			g.must(g.send(who, h.token, noCoins, contracts.ApproveCall(h.lock, endless)))
		}
	}
	h.n = h.opened(alice, bob, 100)
	h.deposited(h.n, bob, 50)
	return h
}

// inHall runs a test under both rules.
func inHall(t *testing.T, test func(*testing.T, *hall)) {
	t.Helper()
	onBoth(t, func(t *testing.T, g *ground) { test(t, newHall(t, g)) })
}

func units(n uint64) contracts.Amount { return contracts.Units(n) }

// opened is a new channel of a party with a partner.
func (h *hall) opened(by, partner contracts.Address, amount uint64) contracts.ChannelName {
	h.Helper()
	n := contracts.NameChannel(h.token, by, partner, h.height)
	data, value := contracts.OpenCall(h.token, partner, window, units(amount))
	h.must(h.send(by, h.lock, value, data))
	return n
}

func (h *hall) deposited(n contracts.ChannelName, by contracts.Address, amount uint64) {
	h.Helper()
	data, value := contracts.DepositCall(n, by == n.First, units(amount))
	h.must(h.send(by, h.lock, value, data))
}

// do is a call of Channels that carries no coins.
func (h *hall) do(from contracts.Address, data []byte) receipt {
	h.Helper()
	return h.send(from, h.lock, noCoins, data)
}

// signed is a word that someone signed for this contract.
func (h *hall) signed(by contracts.Address, w contracts.Word) contracts.Signature {
	h.Helper()
	return signedFor(h.TB, h.c, by, w)
}

func signedFor(t testing.TB, c contracts.Channels, by contracts.Address, w contracts.Word) contracts.Signature {
	t.Helper()
	for n := range byte(10) {
		if person(n) == by {
			s, err := contracts.ParseSignature(sign(n, c.Digest(w)))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	t.Fatalf("%s signs nothing", by)
	return contracts.Signature{}
}

// said is a proof that its giver has signed.
func (h *hall) said(by contracts.Address, p contracts.BalanceProof) contracts.Signature {
	h.Helper()
	return h.signed(by, contracts.ProofWord(h.n.ID(), h.epoch, p))
}

// mandate is what lets others bring a proof.
func (h *hall) mandate(by contracts.Address, p contracts.BalanceProof) contracts.Signature {
	h.Helper()
	return h.signed(by, contracts.UpdateWord(h.n.ID(), h.epoch, p))
}

// closed is closing with a proof of the other.
func (h *hall) closed(by contracts.Address, p contracts.BalanceProof) receipt {
	h.Helper()
	if p == (contracts.BalanceProof{}) {
		return h.must(h.do(by, contracts.CloseCall(h.n, p, contracts.Signature{})))
	}
	return h.must(h.do(by, contracts.CloseCall(h.n, p, h.said(h.other(by), p))))
}

func (h *hall) updated(p contracts.BalanceProof) receipt {
	h.Helper()
	to := h.n.First
	if h.channel().ClosedByFirst {
		to = h.n.Second
	}
	return h.must(h.do(to, contracts.UpdateCall(h.n, p, h.said(h.other(to), p), contracts.Signature{})))
}

func (h *hall) other(who contracts.Address) contracts.Address {
	if who == h.n.First {
		return h.n.Second
	}
	return h.n.First
}

func (h *hall) registered(secrets ...contracts.Secret) receipt {
	h.Helper()
	return h.must(h.send(carol, h.registry, noCoins, contracts.RegisterCall(secrets...)))
}

// unlocked unlocks all that it can of someone's list, by who gets it.
func (h *hall) unlocked(of contracts.Address, c contracts.Claim, locks ...contracts.Lock) contracts.Claim {
	h.Helper()
	r := h.must(h.do(h.other(of), contracts.UnlockCall(h.n, of == h.n.First, c, locks, all, contracts.Signature{})))
	e := h.events(r)[0]
	c.Unlocked, c.Taken = e.Unlocked, e.Taken
	return c
}

// all are all places of a list.
var all = contracts.BitsOf(func() (places []int) {
	for i := range 256 {
		places = append(places, i)
	}
	return places
}()...)

// settled waits and settles.
func (h *hall) settled(first, second contracts.Claim) receipt {
	h.Helper()
	h.height = h.channel().End + punishBlocks + 1
	return h.must(h.do(carol, contracts.SettleCall(h.n, first, second)))
}

// together ends the channel with so much for alice.
func (h *hall) together(toAlice uint64) receipt {
	h.Helper()
	s := h.channel()
	total := s.FirstDeposit.Plus(s.SecondDeposit)
	e := contracts.Ending{Until: h.height, FirstBalance: total.Minus(units(toAlice)), SecondBalance: units(toAlice)}
	w := contracts.CloseTogetherWord(h.n.ID(), h.epoch, e)
	return h.must(h.do(carol, contracts.CloseTogetherCall(h.n, e, h.signed(bob, w), h.signed(alice, w))))
}

func (h *hall) channel() contracts.ChannelState {
	h.Helper()
	return h.channelOf(h.n)
}

func (h *hall) channelOf(n contracts.ChannelName) contracts.ChannelState {
	h.Helper()
	s, err := contracts.ReadChannel(h.call(h.lock, contracts.ChannelCall(n.ID())))
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// has is what someone has of the hall's token.
func (h *hall) has(who contracts.Address) contracts.Amount {
	h.Helper()
	if h.token == nobody {
		return h.coins(who)
	}
	return h.tokens(h.token, who)
}

// owed is what a failed payment has left to someone.
func (h *hall) owed(who contracts.Address) contracts.Amount {
	h.Helper()
	n, err := contracts.ReadTokens(h.call(h.lock, contracts.OwedCall(h.token, who)))
	if err != nil {
		h.Fatal(err)
	}
	return n
}

// events reads the events of channels in a receipt.
func (h *hall) events(r receipt) (events []contracts.ChannelEvent) {
	h.Helper()
	for _, l := range r.logs {
		if l.Address != h.lock || len(l.Topics) != 4 {
			continue // a token's, or of a claim
		}
		topics := make([]contracts.Hash, len(l.Topics))
		for i, topic := range l.Topics {
			topics[i] = contracts.Hash(topic)
		}
		e, err := contracts.ReadChannelLog(topics, l.Data)
		if err != nil {
			h.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// pay is a proof of what someone has sent, with locks beside it.
func pay(nonce, transferred uint64, locks ...contracts.Lock) contracts.BalanceProof {
	return contracts.BalanceProof{Nonce: nonce, Transferred: units(transferred), Locks: contracts.LocksRoot(locks)}
}

// claim is what the contract keeps of a proof.
func claim(p contracts.BalanceProof) contracts.Claim {
	return contracts.Claim{Transferred: p.Transferred, Locks: p.Locks}
}

// promise is a lock under secret n.
func promise(n byte, amount, expiry uint64) contracts.Lock {
	return contracts.Lock{Amount: units(amount), Expiry: expiry, Hash: secret(n).Hash()}
}

// wants fails the test unless someone has so much more than the rest of his 1000.
func (h *hall) wants(who contracts.Address, amount uint64) {
	h.Helper()
	if got := h.has(who); got != units(amount) {
		h.Errorf("has %s, want %d", got, amount)
	}
}

// permitDigest is what alice signs for the token, by EIP-2612.
func permitDigest(h *hall, amount uint64) contracts.Hash {
	word := func(b []byte) []byte { return common.LeftPadBytes(b, 32) }
	number := func(n uint64) []byte { return word(new(big.Int).SetUint64(n).Bytes()) }
	permit := crypto.Keccak256(
		crypto.Keccak256([]byte("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")),
		word(alice[:]), word(h.lock[:]), number(amount), number(0), number(start+99999))
	domain := h.call(h.token, artifact(h, "CallingToken").pack(h, "domain"))
	return contracts.Hash(crypto.Keccak256([]byte("\x19\x01"), domain, permit))
}
