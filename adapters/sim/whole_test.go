package sim

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// A sitter is one party of the bench's channel: its core, with all that a node's life
// has around it.
type sitter struct {
	*bench
	account *Account
	courier *Courier
	vault   *Vault

	mu   sync.Mutex
	now  channel.Now
	core channel.Channel
	mute bool // tells nothing
}

func (b *bench) sit(board *Board, who *Account) *sitter {
	p := &sitter{bench: b, account: who, vault: NewDisk().Vault(who.life)}
	p.courier = board.Courier(who.life, func(_ context.Context, _ contracts.Address, body []byte) ([]byte, error) {
		all, err := message.Decode(body)
		for _, m := range all {
			p.apply(channel.Heard{Message: m})
		}
		return nil, err
	})
	go func() { _ = who.FollowChannels(b.Context(), 0, p.news) }()
	synctest.Wait()
	return p
}

// news applies what the chain tells, and sends what the core then wants.
func (p *sitter) news(ctx context.Context, n channel.News) error {
	p.mu.Lock()
	p.now = channel.Now{Height: n.Head.Height, Through: n.Through}
	p.mu.Unlock()
	for _, e := range n.Events {
		if e.Kind == contracts.ChannelOpened {
			at, _ := p.account.Channels()
			c, err := channel.New(at, contracts.ETH, channel.Rules{Reveal: 30, Punish: PunishBlocks, Grace: 5}, p.account.address(), e)
			if err == nil {
				err = p.vault.SaveLedger(ctx, ledger.Change{Channels: []channel.Channel{c}})
			}
			p.core = c
			if err != nil {
				p.Error(err)
			}
			continue
		}
		p.apply(e)
	}
	for _, s := range n.Secrets {
		p.apply(s)
	}
	if p.core.Name.Opened > 0 {
		p.apply(channel.Tick{})
		for _, k := range p.core.Wants(p.now) {
			p.call(ctx, k)
		}
	}
	return nil
}

// call carries out what the core wants, once its time has come.
func (p *sitter) call(ctx context.Context, k channel.Call) {
	if k.At > p.now.Height+1 {
		return
	}
	at, registry := p.account.Channels()
	var own contracts.Signature
	var err error
	if k.Word != nil {
		own, err = p.account.keys.SignDigest(at.Digest(*k.Word))
	}
	o := channel.Order{ID: k.ID, To: at.At, Data: k.Data(own)}
	if k.Kind == channel.CallRegister {
		o.To = registry
	}
	o.Gas, _ = contracts.ChannelGas(o.Data)
	if err != nil {
		p.Error(err)
	}
	txs, err := p.account.PrepareCall(ctx, o)
	if err == nil {
		err = p.vault.SaveCallTxs(ctx, txs...)
	}
	for _, tx := range txs {
		if err == nil {
			err = p.account.SendCall(ctx, tx)
		}
	}
	if settled := k.Kind == channel.CallSettle && errors.Is(err, ErrRefused); err != nil && !settled { // by the other, not confirmed
		p.Errorf("%s in block %d: %v", k.Kind, p.now.Height+1, err)
	}
}

// apply lets something happen, stores it, and says what comes of it.
func (p *sitter) apply(e channel.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, effects, err := p.core.Apply(p.now, e)
	if err != nil {
		p.Errorf("%T: %v", e, err)
		return
	}
	if c.Version == p.core.Version && len(effects) == 0 {
		return
	}
	if c.Version != p.core.Version {
		c.Version = p.core.Version + 1
		if err := p.vault.SaveLedger(p.Context(), ledger.Change{Channels: []channel.Channel{c}}); err != nil {
			p.Error(err)
		}
	}
	p.core = c
	for _, f := range effects {
		t, is := f.(channel.Tell)
		if !is || p.mute {
			continue
		}
		if word, signs := c.Word(t.Message); signs {
			s, err := p.account.keys.SignDigest(c.Contract.Digest(word))
			if err != nil {
				p.Error(err)
			}
			t.Message = channel.Signed(t.Message, s)
		}
		go func() { _ = p.courier.Tell(p.Context(), c.Partner(), message.Encode([]message.Message{t.Message})) }()
	}
}

// A channel's core, its messages, its store and the contract fit each other: alice
// pays bob, promises him more, and closes alone; he registers the secret that she does
// not hear of, brings her word, is paid the lock, and one of them settles.
func TestWholeChannel(t *testing.T) {
	onBench(t, func(b *bench) {
		board := NewBoard()
		alice, bob := b.sit(board, b.alice), b.sit(board, b.bob)
		b.open()
		b.mine(depth)
		synctest.Wait()
		say := func(p *sitter, c message.Change) {
			p.apply(channel.Say{Change: c})
			p.apply(channel.Flush{})
			time.Sleep(time.Second)
			synctest.Wait()
		}
		say(alice, message.Change{Pay: &message.Pay{ID: contracts.Hash{1}, Amount: contracts.Units(20)}})
		say(bob, message.Change{Pay: &message.Pay{ID: contracts.Hash{2}, Amount: contracts.Units(5)}})
		lock := contracts.Lock{Amount: contracts.Units(7), Expiry: b.chain.Height() + 50, Hash: goodSecret.Hash()}
		say(alice, message.Change{Promise: &message.Promise{Lock: lock}})
		if alice.core.Balance() != contracts.Units(85) || bob.core.Balance() != contracts.Units(65) || len(bob.core.Them.Locks) != 1 {
			b.Fatalf("alice has %s, bob %s and %d promises", alice.core.Balance(), bob.core.Balance(), len(bob.core.Them.Locks))
		}
		bob.mute = true
		bob.apply(channel.Know{Secret: goodSecret})
		alice.apply(channel.Ask{Wish: channel.Wish{ID: contracts.Hash{3}, Kind: channel.Ending, Alone: true}})
		for range window + PunishBlocks + 3*depth {
			b.chain.Mine()
			synctest.Wait()
		}
		for who, p := range map[string]*sitter{"alice": alice, "bob": bob} {
			want := [2]contracts.Amount{contracts.Units(78), contracts.Units(72)}
			if who == "bob" {
				want[0], want[1] = want[1], want[0]
			}
			if p.core.Status != channel.Settled || p.core.Paid != want || p.core.Frozen != "" {
				b.Errorf("%s: %s, paid %v, want %v; frozen %q", who, p.core.Status, p.core.Paid, want, p.core.Frozen)
			}
			all, err := p.vault.disk.Channels()
			if err != nil || len(all) != 1 || all[0].Paid != want {
				b.Errorf("%s has stored %d channels, %v: %v", who, len(all), all[0].Paid, err)
			}
		}
	})
}
