package scenario

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"photon/adapters/sim"
	"photon/contracts"
	paying "photon/node"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
)

// Channels in this world: blocks to register a secret in, and seconds after which a
// view of the chain is old.
const (
	revealBlocks = 30
	staleAfter   = 300
	directFor    = 1800
)

// payer makes somebody's payment node, over the accounts that his desk has, too.
func (w *simulated) payer(n *node, life *sim.Life, accounts map[contracts.Chain]*sim.Account, log *slog.Logger) *paying.Node {
	keys := sim.Keys(n.name)
	w.atlas.Add(keys.Account(), n.disk)
	cfg := paying.Config{
		Ledger: ledger.Config{Self: keys.Account(), Chains: map[contracts.Chain]ledger.Terms{}, Relay: true, Limits: ledger.Limits{Locks: 120, Share: 1_000_000, Open: 10_000}},
		Chains: map[contracts.Chain]paying.Ledger{}, Store: n.disk.Vault(life), Secrets: keys, Routes: w.atlas.Guide(life), Log: log.With("part", "channels"),
	}
	for c, a := range accounts {
		at, _ := a.Channels()
		cfg.Chains[c] = a
		cfg.Ledger.Chains[c] = ledger.Terms{
			Contract: at, Rules: channel.Rules{Reveal: revealBlocks, Punish: sim.PunishBlocks, Grace: 3}, StaleAfter: staleAfter, DirectFor: directFor,
			Block: uint64(w.pace.every[c] / time.Second),
		}
	}
	courier := w.board.Courier(life, nil)
	cfg.Peer = courier
	payer := paying.New(cfg)
	courier.Answer(payer.Deliver)
	return payer
}

// Payer returns who sits at a payment node that runs.
func (w *simulated) Payer(name string) (Payer, error) {
	n, err := w.person(name)
	if err != nil {
		return nil, err
	}
	if n.payer == nil {
		return nil, fmt.Errorf("%s: %w", name, sim.ErrStopped)
	}
	return purse{n.payer, bound{n.desk, n.life}}, nil
}

// Account is somebody's account.
func (w *simulated) Account(name string) (contracts.Address, error) {
	_, err := w.person(name)
	return sim.Keys(name).Account(), err
}

// Stored are the channels that a node has stored.
func (w *simulated) Stored(name string) ([]channel.Channel, error) {
	n, err := w.person(name)
	if err != nil {
		return nil, err
	}
	return n.disk.Channels()
}

// isDown reports whether somebody's node does not run.
func isDown(err error) bool { return errors.Is(err, sim.ErrStopped) }

// A purse is a payment node whose every call ends when its node does.
type purse struct {
	*paying.Node
	bound bound
}

func (u purse) Self() contracts.Address { return u.Ledger.Self }

// run does one call that has no answer.
func (u purse) run(ctx context.Context, call func(context.Context) error) error {
	_, err := bind(u.bound, ctx, func(ctx context.Context) (any, error) { return nil, call(ctx) })
	return err
}

func (u purse) Open(ctx context.Context, id contracts.Hash, asset contracts.Asset, partner contracts.Address, window uint64, amount contracts.Amount) error {
	return u.run(ctx, func(ctx context.Context) error {
		_, err := u.Node.Open(ctx, id, asset, partner, window, amount)
		return err
	})
}

func (u purse) Deposit(ctx context.Context, id, key contracts.Hash, amount contracts.Amount) error {
	return u.run(ctx, func(ctx context.Context) error {
		_, err := u.Node.Deposit(ctx, id, key, amount)
		return err
	})
}

func (u purse) Withdraw(ctx context.Context, id, key contracts.Hash, amount contracts.Amount, within uint64) error {
	return u.run(ctx, func(ctx context.Context) error { return u.Node.Withdraw(ctx, id, key, amount, within) })
}

func (u purse) Close(ctx context.Context, id, key contracts.Hash, within uint64, alone bool) error {
	return u.run(ctx, func(ctx context.Context) error { return u.Node.Close(ctx, id, key, within, alone) })
}

func (u purse) Channels(ctx context.Context) ([]channel.Channel, error) {
	return bind(u.bound, ctx, u.Node.Channels)
}

func (u purse) Invoice(ctx context.Context, asset contracts.Asset, amount contracts.Amount, text string, expiry uint64, hold bool, hash contracts.Hash) (message.Invoice, error) {
	return bind(u.bound, ctx, func(ctx context.Context) (message.Invoice, error) {
		return u.Node.Invoice(ctx, asset, amount, text, expiry, hold, hash)
	})
}

func (u purse) Pay(ctx context.Context, p ledger.Pay) error {
	return u.run(ctx, func(ctx context.Context) error { return u.Node.Pay(ctx, p) })
}

func (u purse) Payment(ctx context.Context, id contracts.Hash) (ledger.Payment, error) {
	return bind(u.bound, ctx, func(ctx context.Context) (ledger.Payment, error) { return u.Node.Payment(ctx, id) })
}

func (u purse) ReleaseOwn(ctx context.Context, hash contracts.Hash) error {
	return u.run(ctx, func(ctx context.Context) error { return u.Node.ReleaseOwn(ctx, hash) })
}

func (u purse) Cancel(ctx context.Context, hash contracts.Hash) error {
	return u.run(ctx, func(ctx context.Context) error { return u.Node.Cancel(ctx, hash) })
}

func (u purse) SetFee(ctx context.Context, f ledger.Fee) error {
	return u.run(ctx, func(ctx context.Context) error { return u.Node.SetFee(ctx, f) })
}
