package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"photon/adapters/btc"
	"photon/adapters/eth"
	"photon/adapters/evm"
	"photon/adapters/keys"
	"photon/adapters/ltc"
	"photon/adapters/peer"
	"photon/adapters/smt"
	"photon/adapters/store"
	"photon/adapters/utxo"
	"photon/contracts"
	"photon/node"
	"photon/swap"
	"photon/web"
)

// What fills which port.
var (
	_ swap.Ledger   = (*utxo.Chain)(nil)
	_ swap.Cosigner = (*utxo.Chain)(nil)
	_ swap.Ledger   = (*evm.Chain)(nil)
	_ swap.Store    = (*store.Store)(nil)
	_ swap.Offers   = (*store.Store)(nil)
	_ swap.Secrets  = (*keys.Keyring)(nil)
	_ swap.Journal  = (*keys.Journal)(nil)
	_ swap.Peer     = (*peer.Node)(nil)
	_ node.Peer     = (*peer.Lines)(nil)
	_ node.Ledger   = (*evm.Chain)(nil)
	_ node.Store    = (*store.Store)(nil)
	_ node.Secrets  = (*keys.Keyring)(nil)
	_ web.Channels  = (*node.Node)(nil)
	_ web.Payer     = (*node.Node)(nil)
	_ web.Archive   = (*store.Store)(nil)
	_ utxo.Keys     = (*keys.Keyring)(nil)
	_ utxo.Book     = (*store.Store)(nil)
	_ peer.Book     = (*store.Store)(nil)
	_ node.Store    = (*store.Store)(nil)
	_ web.Maker     = (*swap.Desk)(nil)
	_ web.Taker     = (*swap.Desk)(nil)
	_ web.Book      = (*swap.Desk)(nil)
	_ web.Wallet    = (*utxo.Chain)(nil)
	_ web.Wallet    = (*evm.Chain)(nil)
	_ web.Peers     = (*peer.Node)(nil)
)

// A checker says whether its endpoints are of the network that was configured.
type checker interface {
	Check(ctx context.Context) error
}

// openLedgers makes the chains that cfg names. A node of another network is
// refused at once; one that is down is waited for.
func openLedgers(ctx context.Context, cfg config, ring *keys.Keyring, book utxo.Book, log *slog.Logger) (map[contracts.Chain]swap.Ledger, error) {
	ledgers := map[contracts.Chain]swap.Ledger{}
	for _, c := range contracts.Chains {
		if len(cfg.rpc(c)) == 0 {
			continue
		}
		var l swap.Ledger
		var err error
		if c.EVM() {
			l, err = openContracts(cfg, c, ring, log)
		} else {
			l, err = openOutputs(cfg, c, ring, book, log)
		}
		if err != nil {
			return nil, err
		}
		if err := l.(checker).Check(ctx); wrongNetwork(err) {
			return nil, err
		} else if err != nil {
			log.Warn("chain does not answer yet", "chain", c, "err", err)
		}
		ledgers[c] = l
	}
	return ledgers, nil
}

// wrongNetwork reports whether waiting would not help.
func wrongNetwork(err error) bool {
	return errors.Is(err, utxo.ErrNetwork) || errors.Is(err, utxo.ErrNoWallet) || errors.Is(err, evm.ErrNetwork) || errors.Is(err, evm.ErrCode)
}

// openOutputs makes BTC or LTC.
func openOutputs(cfg config, c contracts.Chain, ring *keys.Keyring, book utxo.Book, log *slog.Logger) (swap.Ledger, error) {
	var endpoints []utxo.Endpoint
	for _, text := range cfg.rpc(c) {
		u, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("an endpoint of %s is not a URL", c) // it may hold a password: not repeated
		}
		password, _ := u.User.Password()
		e := utxo.Endpoint{User: u.User.Username(), Pass: password}
		u.User = nil
		e.URL = u.String()
		endpoints = append(endpoints, e)
	}
	made := utxo.Config{Endpoints: endpoints, Keys: ring, Poll: cfg.poll(), Book: book, Log: log, Now: time.Now}
	var err error
	if made.Funds, made.Wallet, err = cfg.funds(c); err != nil {
		return nil, err
	}
	if c == contracts.BTC {
		made.From = int64(cfg.BTCFrom)
		return btc.New(cfg.network(cfg.BTCNetwork), made)
	}
	made.From = int64(cfg.LTCFrom)
	return ltc.New(cfg.network(cfg.LTCNetwork), made)
}

// funds is whose wallet pays on BTC or LTC.
func (c config) funds(chain contracts.Chain) (utxo.Funds, string, error) {
	said := map[contracts.Chain]string{contracts.BTC: c.BTCWallet, contracts.LTC: c.LTCWallet}[chain]
	whose, name, named := strings.Cut(said, ":")
	switch {
	case said == "":
		return utxo.OwnWallet, "", nil
	case whose != "node" || (named && name == ""):
		return 0, "", fmt.Errorf("%s_wallet %.60q is not node or node:NAME; leave it out for our own wallet", strings.ToLower(string(chain)), said)
	}
	return utxo.NodeWallet, name, nil
}

// openContracts makes ETH or SMT.
func openContracts(cfg config, c contracts.Chain, ring *keys.Keyring, log *slog.Logger) (swap.Ledger, error) {
	law, err := cfg.channels(c)
	if err != nil {
		return nil, err
	}
	made := evm.Config{
		ChainID: cfg.chainID(c), Endpoints: cfg.rpc(c), Contract: cfg.contracts()[c], Key: ring.Account(c), Poll: cfg.poll(), Log: log,
		Channels: law.channels, Registry: law.secrets, Depth: cfg.confirmations()[c],
	}
	if c == contracts.ETH {
		return eth.New(made)
	}
	return smt.New(made)
}

func (c config) rpc(chain contracts.Chain) []string {
	return map[contracts.Chain][]string{contracts.BTC: c.BTCRPC, contracts.LTC: c.LTCRPC, contracts.ETH: c.ETHRPC, contracts.SMT: c.SMTRPC}[chain]
}

func (c config) poll() time.Duration { return time.Duration(c.PollMillis) * time.Millisecond }

// network is the one named, or the realm's.
func (c config) network(named string) string {
	switch {
	case named != "":
		return named
	case c.Realm == "dev":
		return "regtest"
	}
	return c.Realm
}

// chainID is that of ETH or SMT.
func (c config) chainID(chain contracts.Chain) uint64 {
	if chain == contracts.SMT {
		return c.SMTChain
	}
	return c.ETHChain
}

// contractTexts are the HashLocks as they were written.
func (c config) contractTexts() map[contracts.Chain]string {
	return map[contracts.Chain]string{contracts.ETH: c.ETHContract, contracts.SMT: c.SMTContract}
}

// contracts are the HashLocks. readConfig has checked them before.
func (c config) contracts() map[contracts.Chain]contracts.Address {
	all := map[contracts.Chain]contracts.Address{}
	for chain, text := range c.contractTexts() {
		if a, err := contracts.ParseAddress(text); err == nil {
			all[chain] = a
		}
	}
	return all
}

func (c config) confirmations() map[contracts.Chain]uint64 {
	return map[contracts.Chain]uint64{
		contracts.BTC: c.BTCConfirmations, contracts.LTC: c.LTCConfirmations, contracts.ETH: c.ETHConfirmations, contracts.SMT: c.SMTConfirmations,
	}
}

// tokens are those shown beside the coins. readConfig has checked them before.
func (c config) tokens() []contracts.Asset {
	var all []contracts.Asset
	for _, text := range c.Tokens {
		if a, err := contracts.ParseAsset(text); err == nil {
			all = append(all, a)
		}
	}
	return all
}
