package stage

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"

	"photon/adapters/eth"
	"photon/adapters/evm"
	"photon/adapters/smt"
	"photon/contracts"
	"photon/swap/trade"
)

// punishBlocks is how long Channels waits after a window: on chains of a block a
// second, long enough to punish and short enough to watch.
const punishBlocks = 10

// deploy puts HashLock, Channels with its SecretRegistry, and a token on each EVM
// chain.
func (s *Stage) deploy(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		if err := s.Net.StartMining(c, time.Second); err != nil {
			return err
		}
	}
	type deployed struct {
		lock, token contracts.Address
		law         Law
	}
	made := map[contracts.Chain]*deployed{contracts.ETH: {}, contracts.SMT: {}}
	for c, to := range made {
		g.Go(func() error {
			rich, err := s.rich(c, contracts.Address{})
			if err != nil {
				return err
			}
			defer rich.Close()
			if to.lock, err = rich.Deploy(ctx, contracts.HashLockDeploy(s.at(c).ChainID)); err != nil {
				return fmt.Errorf("deploy HashLock on %s: %w", c, err)
			}
			if to.law.Channels, to.law.Secrets, err = rich.DeployChannels(ctx, punishBlocks); err != nil {
				return fmt.Errorf("on %s: %w", c, err)
			}
			supply, err := contracts.ParseDecimal("1000000", 18)
			if err != nil {
				return err
			}
			if to.token, err = rich.Deploy(ctx, contracts.TestTokenDeploy("Demo "+string(c), "DEMO", 18, supply)); err != nil {
				return fmt.Errorf("deploy a token on %s: %w", c, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for c, m := range made {
		s.Locks[c], s.Laws[c], s.Tokens[c] = m.lock, m.law, contracts.Asset{Chain: c, Token: m.token}
		if err := s.Net.StopMining(c); err != nil {
			return err
		}
	}
	return nil
}

// at is where an EVM chain's node is.
func (s *Stage) at(c contracts.Chain) endpoint {
	if c == contracts.ETH {
		return endpoint{s.Net.ETH.HTTP, s.Net.ETH.ChainID, s.Net.ETH.Key}
	}
	return endpoint{s.Net.SMT.HTTP, s.Net.SMT.ChainID, s.Net.SMT.Key}
}

type endpoint struct {
	HTTP    string
	ChainID uint64
	Key     string
}

// rich is the account that owns everything on a fresh EVM chain.
func (s *Stage) rich(c contracts.Chain, lock contracts.Address) (*evm.Chain, error) {
	at := s.at(c)
	key, err := crypto.HexToECDSA(strings.TrimPrefix(at.Key, "0x"))
	if err != nil {
		return nil, fmt.Errorf("rich key of %s: %w", c, err)
	}
	cfg := evm.Config{ChainID: at.ChainID, Endpoints: []string{at.HTTP}, Contract: lock, Key: key, Poll: 200 * time.Millisecond}
	if c == contracts.ETH {
		return eth.New(cfg)
	}
	return smt.New(cfg)
}

// What everybody begins with, in whole coins: BTC and LTC in several outputs, so
// that one swap need not wait for the change of another.
var purse = map[contracts.Chain]struct {
	coins  string
	pieces int
}{contracts.BTC: {"0.5", 4}, contracts.LTC: {"20", 4}, contracts.ETH: {"20", 1}, contracts.SMT: {"2000", 1}}

// tokensEach is what everybody begins with of each token, in whole tokens.
const tokensEach = "1000"

// Fund gives everybody tokens and coins and waits until all have arrived.
func (s *Stage) Fund(ctx context.Context) error { return s.Give(ctx, s.people...) }

// Give gives people tokens and coins and waits until all have arrived. Tokens
// come first and are mined before the coins are sent: both are paid from one
// account, whose nonces only the chain counts for the two who use it. Blocks must
// be made meanwhile.
func (s *Stage) Give(ctx context.Context, people ...*Person) error {
	s.giving.Lock()
	defer s.giving.Unlock()
	for _, c := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		if err := s.giveTokens(ctx, c, people); err != nil {
			return err
		}
	}
	for _, p := range people {
		if err := s.giveCoins(ctx, p); err != nil {
			return err
		}
	}
	for _, p := range people {
		if err := p.awaitMoney(ctx); err != nil {
			return err
		}
	}
	return nil
}

// giveCoins pays somebody on every chain from its node's own account.
func (s *Stage) giveCoins(ctx context.Context, p *Person) error {
	for _, c := range contracts.Chains {
		amount, err := contracts.ParseDecimal(purse[c].coins, c.Decimals())
		if err != nil {
			return err
		}
		address, err := p.Client.Address(ctx, c)
		if err != nil {
			return fmt.Errorf("%s's address on %s: %w", p.Name, c, err)
		}
		for range purse[c].pieces {
			if _, err := s.Net.Fund(ctx, c, address, amount); err != nil {
				return fmt.Errorf("fund %s on %s: %w", p.Name, c, err)
			}
		}
	}
	return nil
}

// giveTokens sends people tokens from the account that made them.
func (s *Stage) giveTokens(ctx context.Context, c contracts.Chain, people []*Person) error {
	rich, err := s.rich(c, s.Locks[c])
	if err != nil {
		return err
	}
	defer rich.Close()
	amount, err := contracts.ParseDecimal(tokensEach, 18)
	if err != nil {
		return err
	}
	var last contracts.Hash
	for _, p := range people {
		address, err := p.Client.Address(ctx, c)
		if err != nil {
			return fmt.Errorf("%s's address on %s: %w", p.Name, c, err)
		}
		txs, err := rich.Prepare(ctx, trade.Order{
			ID: sha256.Sum256([]byte("tokens for " + p.Name)), Purpose: trade.Send, To: address,
			Terms: contracts.Terms{Asset: s.Tokens[c], Amount: amount}, Deadline: uint64(time.Now().Add(time.Minute).Unix()),
		})
		if err != nil {
			return fmt.Errorf("tokens for %s: %w", p.Name, err)
		}
		if err := rich.Send(ctx, txs[0]); err != nil {
			return fmt.Errorf("tokens for %s: %w", p.Name, err)
		}
		last = txs[0].TxID
	}
	return rich.Mined(ctx, last)
}

// awaitMoney waits until the wallet can spend something of every asset.
func (p *Person) awaitMoney(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, awaitWithin)
	defer cancel()
	for {
		balances, err := p.Client.Balances(ctx)
		if err != nil {
			return fmt.Errorf("%s's balances: %w", p.Name, err)
		}
		missing := ""
		for _, b := range balances {
			if b.Confirmed == nil || b.Confirmed.IsZero() || b.Pending == nil || !b.Pending.IsZero() {
				missing = b.Asset.String()
			}
		}
		if missing == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s has no %s: %w", p.Name, missing, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
