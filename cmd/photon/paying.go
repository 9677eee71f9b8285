package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"photon/adapters/evm"
	"photon/adapters/keys"
	"photon/adapters/peer"
	"photon/adapters/store"
	"photon/contracts"
	"photon/node"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
	"photon/swap"
	"photon/web"
)

// Rules of channels that are not settings, or the bounds of those that are.
const (
	usualReveal = 30     // blocks
	maxReveal   = 10_000 // blocks
	graceBlocks = 10     // a partner's view of a chain may be so much behind ours
	mostLocks   = 80     // pending for one partner in one channel: half of what that holds
	mostShare   = 500_000
	mostOpen    = 10_000 // payments of ours at a time, and invoices
)

// A law is where the contracts of channels are on a chain; zero is nowhere.
type law struct{ channels, secrets contracts.Address }

// channels is the law of a chain, as it was configured.
func (c config) channels(chain contracts.Chain) (l law, err error) {
	name := strings.ToLower(string(chain))
	at, dates := c.ETHChannels, c.ETHSecrets
	if chain == contracts.SMT {
		at, dates = c.SMTChannels, c.SMTSecrets
	}
	if at == "" && dates == "" {
		return l, nil
	}
	if at == "" || dates == "" {
		return l, fmt.Errorf("%s_channels and %s_secrets are said both or neither", name, name)
	}
	if l.channels, err = contracts.ParseAddress(at); err != nil {
		return law{}, fmt.Errorf("%s_channels: %w", name, err)
	}
	if l.secrets, err = contracts.ParseAddress(dates); err != nil {
		return law{}, fmt.Errorf("%s_secrets: %w", name, err)
	}
	return l, nil
}

// blockSeconds is how fast a chain's blocks come, as a rule.
func (c config) blockSeconds(chain contracts.Chain) uint64 {
	if chain == contracts.SMT {
		return c.SMTBlock
	}
	return c.ETHBlock
}

// openPaying makes the payment node, with the chains of ledgers that have channels.
func openPaying(ctx context.Context, cfg config, ledgers map[contracts.Chain]swap.Ledger, ring *keys.Keyring, kept *store.Store, lines *peer.Lines, feed *web.Feed, log *slog.Logger) (*node.Node, error) {
	chains, terms := map[contracts.Chain]node.Ledger{}, map[contracts.Chain]ledger.Terms{}
	for _, c := range contracts.Chains {
		l, is := ledgers[c].(*evm.Chain)
		if !is {
			continue
		}
		at, _ := l.Channels()
		if at.At == (contracts.Address{}) {
			continue
		}
		punish, err := punishBlocks(ctx, c, l, kept)
		if err != nil {
			return nil, err
		}
		chains[c] = l
		terms[c] = ledger.Terms{
			Contract: at, Rules: channel.Rules{Reveal: cfg.Reveal, Punish: punish, Grace: graceBlocks},
			Block: cfg.blockSeconds(c), StaleAfter: cfg.StaleSecs, DirectFor: cfg.AloneSecs, Fee: &message.Schedule{Proportional: uint32(cfg.FeePPM)},
		}
	}
	n := node.New(node.Config{
		Ledger: ledger.Config{
			Self: crypto.PubkeyToAddress(ring.Account(contracts.ETH).PublicKey), Chains: terms, Relay: cfg.Relay,
			Limits: ledger.Limits{Locks: mostLocks, Share: mostShare, Open: mostOpen},
		},
		Chains: chains, Peer: lines, Store: kept, Secrets: ring, Notify: feed.PublishPayment, Log: log,
	})
	lines.Handle(n.Deliver)
	return n, nil
}

// punishBlocks is what Channels says of itself. It never changes, and so is kept for
// starts at which the chain is away; the first needs it. Errors: evm.ErrCode,
// evm.ErrDown.
func punishBlocks(ctx context.Context, c contracts.Chain, l *evm.Chain, kept *store.Store) (uint64, error) {
	at, _ := l.Channels()
	note := fmt.Sprintf("punish/%d/%s", at.ChainID, at.At)
	raw, err := kept.Get(ctx, note)
	if err != nil {
		return 0, err
	}
	if len(raw) == 8 {
		return binary.BigEndian.Uint64(raw), nil
	}
	n, err := l.PunishBlocks(ctx)
	if err != nil {
		return 0, fmt.Errorf("the rules of Channels on %s, which a first start must see: %w", c, err)
	}
	return n, kept.Put(ctx, note, binary.BigEndian.AppendUint64(nil, n))
}
