package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"photon/adapters/evm"
	"photon/adapters/keys"
	"photon/adapters/utxo"
	"photon/contracts"
	"photon/swap"
	"photon/swap/trade"
)

// A sight is what one chain node said.
type sight struct {
	chain contracts.Chain
	host  string
	head  trade.Head
	err   error // of the check, or of the head
	wrong error // it is of another network, or without our contract
}

// chains asks every chain node by itself. The keys are new and own nothing.
func (d *doctor) chains(ctx context.Context) {
	mnemonic, err := keys.New()
	if err != nil {
		d.find("chains", isBad, err.Error(), "")
		return
	}
	ring, err := keys.Restore(mnemonic)
	if err != nil {
		d.find("chains", isBad, err.Error(), "")
		return
	}
	for _, c := range contracts.Chains {
		sights := make([]sight, len(d.cfg.rpc(c)))
		var group sync.WaitGroup
		for i, endpoint := range d.cfg.rpc(c) {
			group.Go(func() { sights[i] = d.look(ctx, ring, c, endpoint) })
		}
		group.Wait()
		d.judge(c, sights)
	}
}

// look asks one chain node.
func (d *doctor) look(ctx context.Context, ring *keys.Keyring, c contracts.Chain, endpoint string) sight {
	ctx, cancel := context.WithTimeout(ctx, doctorWaits)
	defer cancel()
	s := sight{chain: c, host: "a node"}
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		s.host = u.Host
	}
	l, err := d.cfg.only(c, endpoint).open(c, ring)
	if err != nil {
		s.wrong = clean(err, endpoint)
		return s
	}
	if closer, is := l.(interface{ Close() }); is {
		defer closer.Close()
	}
	if err := l.(checker).Check(ctx); wrongNetwork(err) {
		s.wrong = clean(err, endpoint)
		return s
	} else if err != nil {
		s.err = clean(err, endpoint)
		return s
	}
	s.head, err = l.Head(ctx)
	s.err = clean(err, endpoint)
	return s
}

// only is the config with one node of one chain. The first has the wallet that
// pays.
func (c config) only(chain contracts.Chain, endpoint string) config {
	one := []string{endpoint}
	if endpoint != c.rpc(chain)[0] {
		c.BTCWallet, c.LTCWallet = "", ""
	}
	switch chain {
	case contracts.BTC:
		c.BTCRPC = one
	case contracts.LTC:
		c.LTCRPC = one
	case contracts.ETH:
		c.ETHRPC = one
	case contracts.SMT:
		c.SMTRPC = one
	}
	return c
}

// open makes a chain that logs nothing and keeps nothing.
func (c config) open(chain contracts.Chain, ring *keys.Keyring) (swap.Ledger, error) {
	if chain.EVM() {
		return openContracts(c, chain, ring, slog.New(slog.DiscardHandler))
	}
	return openOutputs(c, chain, ring, nil, slog.New(slog.DiscardHandler))
}

// clean is err without what its endpoint may hold beside the host: user,
// password, and a path or query with a key.
func clean(err error, endpoint string) error {
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(err.Error(), endpoint, mask)
	if u, parsed := url.Parse(endpoint); parsed == nil {
		password, _ := u.User.Password()
		if name := u.User.Username(); name != "" {
			text = strings.NewReplacer(name+":", mask+":", name+"@", mask+"@").Replace(text)
		}
		for _, secret := range []string{password, u.RawQuery, strings.Trim(u.Path, "/"), strings.Trim(u.EscapedPath(), "/")} {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, mask)
			}
		}
	}
	return errors.New(text)
}

// judge says how a chain's nodes are, each alone and beside the others.
func (d *doctor) judge(c contracts.Chain, sights []sight) {
	answered := 0
	for _, s := range sights {
		if s.err == nil && s.wrong == nil {
			answered++
		}
	}
	for _, s := range sights {
		check := fmt.Sprintf("%s %s", c, s.host)
		switch {
		case s.wrong != nil:
			d.find(check, isBad, s.wrong.Error(), remedy(c))
		case s.err != nil && answered > 0:
			d.find(check, isWarn, "gives no answer: "+s.err.Error(), "start it; until then the others are asked")
		case s.err != nil:
			d.find(check, isBad, "gives no answer: "+s.err.Error(), fmt.Sprintf("start it, or name another with %s_rpc; swaps on %s wait", strings.ToLower(string(c)), c))
		default:
			d.head(check, c, s.head)
		}
	}
	if answered > 1 {
		d.agreement(c, sights)
	}
}

// remedy is what to do about a chain node that is the wrong one.
func remedy(c contracts.Chain) string {
	name := strings.ToLower(string(c))
	if c.EVM() {
		return fmt.Sprintf("check %s_rpc, %s_chain and %s_contract", name, name, name)
	}
	return fmt.Sprintf("check %s_rpc, realm and %s_network", name, name)
}

// freshFor is how old the newest block's time may be before the node is taken to
// lag: on BTC and LTC that time is the median of eleven blocks.
func freshFor(c contracts.Chain) time.Duration {
	return map[contracts.Chain]time.Duration{
		contracts.BTC: 4 * time.Hour, contracts.LTC: 90 * time.Minute, contracts.ETH: 5 * time.Minute, contracts.SMT: 15 * time.Minute,
	}[c]
}

// clockSlack is how far a block's time may be ahead of our clock: chains allow
// their producers some of that.
const clockSlack = 15 * time.Second

// head judges a newest block by our clock. On dev chains, which are mined at
// will, an old block says nothing.
func (d *doctor) head(check string, c contracts.Chain, h trade.Head) {
	age := d.now().Sub(time.Unix(int64(h.Time), 0)).Round(time.Second)
	text := fmt.Sprintf("right network, block %d", h.Height)
	times, err := d.cfg.times()
	skew := time.Duration(times.Skew) * time.Second
	switch {
	case age < -clockSlack:
		state := isWarn
		if err == nil && -age > skew && d.cfg.Realm != "dev" {
			state = isBad
		}
		d.find(check, state, fmt.Sprintf("%s, whose time is %s ahead of this machine's clock", text, -age), "set this machine's clock: deadlines are reckoned by it")
	case age > freshFor(c) && d.cfg.Realm != "dev":
		d.find(check, isWarn, fmt.Sprintf("%s, whose time is %s ago", text, age), "let the node catch up, or set this machine's clock if that is ahead")
	default:
		d.find(check, isOK, fmt.Sprintf("%s, whose time is %s ago", text, age), "")
	}
}

// apart is how many blocks two nodes of one chain may differ while a block
// travels.
const apart = 2

// agreement compares the newest blocks of a chain's nodes.
func (d *doctor) agreement(c contracts.Chain, sights []sight) {
	var low, high *sight
	forked := false
	for i := range sights {
		s := &sights[i]
		if s.err != nil || s.wrong != nil {
			continue
		}
		if low == nil || s.head.Height < low.head.Height {
			low = s
		}
		if high == nil || s.head.Height > high.head.Height {
			high = s
		}
		for _, other := range sights[:i] {
			forked = forked || (other.err == nil && other.wrong == nil && other.head.Height == s.head.Height && other.head.Hash != s.head.Hash)
		}
	}
	check := string(c) + " nodes"
	switch behind := high.head.Height - low.head.Height; {
	case behind > apart:
		d.find(check, isWarn, fmt.Sprintf("%s is %d blocks behind %s", low.host, behind, high.host), "let it catch up: locks are answered only when the nodes agree on them")
	case forked:
		d.find(check, isWarn, "two nodes have different blocks at one height", "ask again in a while; if it stays so, one of them follows a fork")
	default:
		d.find(check, isOK, "agree", "")
	}
}

var (
	_ checker = (*utxo.Chain)(nil)
	_ checker = (*evm.Chain)(nil)
)
