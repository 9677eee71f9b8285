package evm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"photon/adapters/devnet"
	"photon/adapters/evm"
	"photon/contracts"
	"photon/node/channel"
	"photon/swap/trade"
)

// A street is a real chain with Channels on it, and two people who live there.
type street struct {
	*testing.T
	net        *devnet.Net
	chain      contracts.Chain
	at         devnet.EVM
	channels   contracts.Address
	registry   contracts.Address
	alice, bob *neighbour
	orders     byte
}

// A neighbour is an account, and all that its chain has told it.
type neighbour struct {
	*person
	mu      sync.Mutex
	events  []channel.Happened
	secrets []channel.Registered
	through uint64
}

func (n *neighbour) hear(_ context.Context, news channel.News) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if news.Through < n.through {
		return fmt.Errorf("told through %d after %d", news.Through, n.through)
	}
	for _, e := range news.Events {
		if e.Block <= n.through || e.Block > news.Through {
			return fmt.Errorf("event of %d in news of %d to %d", e.Block, n.through+1, news.Through)
		}
	}
	n.events, n.secrets, n.through = append(n.events, news.Events...), append(n.secrets, news.Secrets...), news.Through
	return nil
}

// listen follows from a block on until the test ends.
func (s *street) listen(n *neighbour, from uint64) {
	s.Helper()
	n.through = from
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.FollowChannels(ctx, from, n.hear) }()
	s.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			s.Errorf("FollowChannels ended with %v", err)
		}
	})
}

func (s *street) neighbour(p *person) *neighbour {
	return &neighbour{person: newPerson(s.T, s.chain, evm.Config{
		ChainID: s.at.ChainID, Endpoints: []string{s.at.HTTP}, Channels: s.channels, Registry: s.registry, Key: p.key,
		Poll: 20 * time.Millisecond, LogRange: 7, Depth: 3,
	})}
}

// until waits for something, making a block at each look.
func (s *street) until(what string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(end) {
			s.Fatalf("%s: never", what)
		}
		if err := s.net.Mine(s.Context(), s.chain, 1); err != nil {
			s.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// told waits until a neighbour has heard of an event, and returns it.
func (s *street) told(n *neighbour, kind contracts.ChannelKind) (found channel.Happened) {
	s.Helper()
	s.until(string(kind), func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		i := slices.IndexFunc(n.events, func(e channel.Happened) bool { return e.Kind == kind })
		if i >= 0 {
			found = n.events[i]
		}
		return i >= 0
	})
	return found
}

// do has an order carried out.
func (s *street) do(n *neighbour, to contracts.Address, data []byte, value contracts.Amount) {
	s.Helper()
	s.orders++
	o := channel.Order{ID: contracts.Hash{s.orders}, To: to, Data: data, Value: value}
	var txs []channel.Tx
	s.until("an order that can be made", func() bool { // not in the block of the opening, and so on
		var err error
		if txs, err = n.PrepareCall(s.Context(), o); err != nil && !strings.Contains(err.Error(), "TooSoon") {
			s.Fatal(err)
		}
		return err == nil
	})
	for _, tx := range txs {
		if err := n.SendCall(s.Context(), tx); err != nil {
			s.Fatal(err)
		}
	}
	s.until("an order that is done", func() bool {
		depth, done, err := n.CallBuried(s.Context(), txs[len(txs)-1])
		if err != nil || depth > 0 && !done {
			s.Fatalf("depth %d, done %t, %v", depth, done, err)
		}
		return done
	})
}

// say signs a word of a neighbour's.
func (s *street) say(n *neighbour, w contracts.Word) contracts.Signature {
	s.Helper()
	digest := contracts.Channels{ChainID: s.at.ChainID, At: s.channels}.Digest(w)
	raw, err := crypto.Sign(digest[:], n.key)
	if err != nil {
		s.Fatal(err)
	}
	sig, err := contracts.ParseSignature(raw)
	if err != nil {
		s.Fatal(err)
	}
	return sig
}

// seen is a neighbour of a world whose blocks are made by hand, that listens.
func (w *world) seen(p *person) *neighbour {
	n := &neighbour{person: p}
	(&street{T: w.t}).listen(n, 0)
	return n
}

// await mines until a neighbour has heard of an opening, and returns its block.
func (w *world) await(n *neighbour) uint64 {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		n.mu.Lock()
		heard := slices.Clone(n.events)
		n.mu.Unlock()
		if len(heard) > 0 {
			if heard[0].Kind != contracts.ChannelOpened {
				w.t.Errorf("heard %+v first", heard[0])
			}
			return heard[0].Block
		}
		if time.Now().After(end) {
			w.t.Fatal("no opening was heard of")
		}
		w.sim.Commit()
	}
}

// The first endpoint fails in some way; the second is asked instead, and what Bob
// must hear of he hears of, once, with its block.
func TestListensPastFailures(t *testing.T) {
	for _, row := range failing {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := withChannels(t, contracts.ETH)
			w.t = t
			bad := newGate(t, w.back, false)
			bad.set(row.down, row.fault)
			bob := w.seen(w.person(w.bob.key, bad.URL, w.gate.URL))
			w.alice.order(t, w.open(1, contracts.Address{}, 5), true)
			w.sim.Commit()
			at := w.height()
			if got := w.await(bob); got != at {
				t.Errorf("opened in %d, heard of in %d", at, got)
			}
		})
	}
}

// An endpoint that answers for few blocks at a time is asked for fewer.
func TestListensByFewBlocks(t *testing.T) {
	w := withChannels(t, contracts.SMT)
	w.alice.order(t, w.open(1, contracts.Address{}, 5), true)
	w.sim.Commit()
	at := w.height()
	for range 30 {
		w.sim.Commit()
	}
	var refused atomic.Int64
	w.gate.set(false, func(m string, args []json.RawMessage) (any, error, bool) {
		var q struct{ FromBlock, ToBlock hexutil.Uint64 }
		if m != "eth_getLogs" || json.Unmarshal(args[0], &q) != nil || q.ToBlock-q.FromBlock < 3 {
			return nil, nil, false
		}
		refused.Add(1)
		return nil, saying{Code: -32000, Message: "exceed maximum block range: 3"}, true
	})
	if got := w.await(w.seen(w.bob)); got != at || refused.Load() == 0 {
		t.Errorf("opened in %d, heard of in %d; %d pages were too wide", at, got, refused.Load())
	}
}

// Swaps and channels are followed at a time, by one account on one chain.
func TestBothAreFollowed(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		o := w.lockOrder(w.native(), 1)
		w.follow(o.Terms)
		bob := w.seen(w.bob)
		w.alice.make(t, o)
		w.alice.order(t, w.open(1, contracts.Address{}, 5), true)
		w.sim.Commit()
		at := w.height()
		if got := w.await(bob); got != at {
			t.Errorf("opened in %d, heard of in %d", at, got)
		}
		w.bob.await(t, trade.Theirs, "lock", lockedAt(at))
	})
}

// Alice and Bob open, deposit, close, register, unlock and settle on a real chain,
// which reorganises meanwhile. Both are told everything once, in order and with the
// blocks in which it is, and so is who comes later.
func TestChannelsForReal(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real nodes")
	}
	net, err := devnet.Start(t.Context(), devnet.Config{Dir: t.TempDir(), Chains: []contracts.Chain{contracts.ETH, contracts.SMT}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
	})
	for c, at := range map[contracts.Chain]devnet.EVM{contracts.ETH: net.ETH, contracts.SMT: net.SMT} {
		t.Run(string(c), func(t *testing.T) {
			s := &street{T: t, net: net, chain: c, at: at}
			s.moveIn()
			s.story()
		})
	}
}

// moveIn deploys the contracts and gives Alice and Bob money.
func (s *street) moveIn() {
	s.Helper()
	rich, err := crypto.HexToECDSA(strings.TrimPrefix(s.at.Key, "0x"))
	if err != nil {
		s.Fatal(err)
	}
	bank := s.neighbour(&person{key: rich})
	done := make(chan error, 1)
	go func() {
		var err error
		s.channels, s.registry, err = bank.DeployChannels(s.Context(), 20)
		done <- err
	}()
	s.until("contracts", func() bool {
		select {
		case err := <-done:
			if err != nil {
				s.Fatal(err)
			}
			return true
		default:
			return false
		}
	})
	s.alice, s.bob = s.neighbour(&person{key: newKey(s.T)}), s.neighbour(&person{key: newKey(s.T)})
	for _, n := range []*neighbour{s.alice, s.bob} {
		if err := n.Check(s.Context()); err != nil {
			s.Fatal(err)
		}
		if _, err := s.net.Fund(s.Context(), s.chain, n.Account().Hex(), contracts.Units(5_000_000_000_000_000_000)); err != nil {
			s.Fatal(err)
		}
		s.until("money", func() bool { return !n.holds(s.T, contracts.Native(s.chain)).IsZero() })
	}
	if n, err := s.bob.PunishBlocks(s.Context()); n != 20 || err != nil {
		s.Errorf("punish time %d, %v", n, err)
	}
}

func (s *street) story() {
	start := s.head()
	s.listen(s.alice, start)
	s.listen(s.bob, start)
	data, value := contracts.OpenCall(contracts.Address{}, s.bob.Account(), 90, contracts.Units(100))
	s.do(s.alice, s.channels, data, value)
	if err := s.net.Reorg(s.Context(), s.chain, 1); err != nil {
		s.Fatal(err)
	}
	opened := s.told(s.bob, contracts.ChannelOpened)
	n := contracts.NameChannel(contracts.Address{}, s.alice.Account(), s.bob.Account(), opened.Block)
	if n.ID() != opened.ID {
		s.Fatalf("told of %s in block %d, which is not its name", opened.ID, opened.Block)
	}
	data, value = contracts.DepositCall(n, n.First == s.bob.Account(), contracts.Units(50))
	s.do(s.bob, s.channels, data, value)

	secret := contracts.Secret{1, 2, 3}
	locks := []contracts.Lock{{Amount: contracts.Units(7), Expiry: s.head() + 1000, Hash: secret.Hash()}}
	p := contracts.BalanceProof{Nonce: 1, Transferred: contracts.Units(10), Locks: contracts.LocksRoot(locks)}
	s.do(s.bob, s.channels, contracts.CloseCall(n, p, s.say(s.alice, contracts.ProofWord(n.ID(), 0, p))), contracts.Amount{})
	s.do(s.bob, s.registry, contracts.RegisterCall(secret), contracts.Amount{})
	aliceFirst, one := n.First == s.alice.Account(), contracts.BitsOf(0)
	claim := contracts.Claim{Transferred: p.Transferred, Locks: p.Locks}
	s.do(s.bob, s.channels, contracts.UnlockCall(n, aliceFirst, claim, locks, one, contracts.Signature{}), contracts.Amount{})
	claim.Unlocked, claim.Taken = contracts.Units(7), one
	first, second := claim, contracts.Claim{}
	if !aliceFirst {
		first, second = second, first
	}
	if err := s.net.Mine(s.Context(), s.chain, 110); err != nil {
		s.Fatal(err)
	}
	s.do(s.alice, s.channels, contracts.SettleCall(n, first, second), contracts.Amount{})

	settled := s.told(s.alice, contracts.ChannelSettled)
	s.told(s.bob, contracts.ChannelSettled)
	alices, bobs := settled.FirstAmount, settled.SecondAmount
	if !aliceFirst {
		alices, bobs = bobs, alices
	}
	if alices != contracts.Units(83) || bobs != contracts.Units(67) {
		s.Errorf("Alice got %s and Bob %s", alices, bobs)
	}
	s.asOne(n, start, secret)
}

func (s *street) head() uint64 {
	s.Helper()
	tip, err := s.alice.Tip(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return tip.Height
}

// asOne checks that all have heard the same, and that the chain says so as well.
func (s *street) asOne(n contracts.ChannelName, start uint64, secret contracts.Secret) {
	s.Helper()
	late := s.neighbour(s.bob.person)
	s.listen(late, start)
	s.told(late, contracts.ChannelSettled)
	kinds := []contracts.ChannelKind{
		contracts.ChannelOpened, contracts.ChannelDeposited, contracts.ChannelDeposited, contracts.ChannelClosed,
		contracts.ChannelUnlocked, contracts.ChannelSettled,
	}
	var heard [3][]channel.Happened
	for i, who := range []*neighbour{s.alice, s.bob, late} {
		who.mu.Lock()
		heard[i] = slices.Clone(who.events)
		secrets := slices.Clone(who.secrets)
		who.mu.Unlock()
		var got []contracts.ChannelKind
		for _, e := range heard[i] {
			got = append(got, e.Kind)
		}
		if !slices.Equal(got, kinds) {
			s.Errorf("heard %v, want %v", got, kinds)
		}
		if len(secrets) != 1 || secrets[0].Secret != secret {
			s.Errorf("heard of %d secrets", len(secrets))
		}
	}
	if !slices.Equal(heard[0], heard[1]) || !slices.Equal(heard[0], heard[2]) {
		s.Error("not all have heard the same")
	}
	for _, row := range []struct {
		after uint64
		want  contracts.ChannelState
	}{
		{heard[0][0].Block - 1, contracts.ChannelState{}},
		{heard[0][5].Block, contracts.ChannelState{}},
	} {
		if got, err := s.bob.ReadChannel(s.Context(), n.ID(), row.after); err != nil || got != row.want {
			s.Errorf("after block %d: %+v, %v", row.after, got, err)
		}
	}
	got, err := s.bob.ReadChannel(s.Context(), n.ID(), heard[0][3].Block)
	if err != nil || got.End != heard[0][3].Block+90 || got.FirstDeposit.Plus(got.SecondDeposit) != contracts.Units(150) {
		s.Errorf("after it was closed: %+v, %v", got, err)
	}
}
