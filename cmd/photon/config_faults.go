package main

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"photon/adapters/btc"
	"photon/adapters/ltc"
	"photon/contracts"
	"photon/web"
)

// maxBoards is how many boards a node follows.
const maxBoards = 8

// faults is everything that is wrong with the config, not only the first, in the
// order of its fields. None repeats what may hold a password.
func (c config) faults() []string {
	var all []string
	bad := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if c.Data == "" {
		bad("data is empty")
	}
	if _, known := realmNetworks[c.Realm]; !known {
		bad("realm %.40q is not main, test or dev", c.Realm)
	}
	if _, err := c.times(); err != nil {
		bad("%v", err)
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen %.60q is not HOST:PORT", c.Listen)
	}
	for _, host := range c.Hosts {
		if host == "" || strings.ContainsAny(host, "/: ") {
			bad("hosts: %.60q is not a name without port", host)
		}
	}
	for _, address := range c.PeerListen {
		if !strings.HasPrefix(address, "/") {
			bad("peer_listen: %.60q is not such as /ip4/0.0.0.0/tcp/8646", address)
		}
	}
	if len(c.Boards) > maxBoards {
		bad("boards: %d are more than %d", len(c.Boards), maxBoards)
	}
	for i, board := range c.Boards {
		if _, err := web.ParseBoard(board); err != nil {
			bad("boards: number %d is not http(s):// and a host, without password and query", i+1)
		} else if slices.Contains(c.Boards[:i], board) {
			bad("boards: %s is named twice", board)
		}
	}
	if scheme, rest, _ := strings.Cut(c.Database, ":"); rest == "" || !slices.Contains([]string{"sqlite", "postgres", "postgresql"}, scheme) {
		bad("database is not sqlite:PATH or postgres://…")
	}
	if c.AtOnce == 0 || c.AtOnce > 1_000_000 {
		bad("at_once %d is not 1 to 1000000", c.AtOnce)
	}
	if c.FastUnlock && c.Realm != "dev" {
		bad("fast_unlock is for realm dev")
	}
	if c.FeePPM >= 1_000_000 {
		bad("fee_ppm %d is the whole payment or more", c.FeePPM)
	}
	if c.Reveal == 0 || c.Reveal > maxReveal || c.Reveal < usualReveal && c.Realm != "dev" {
		bad("reveal %d is not %d to %d", c.Reveal, usualReveal, maxReveal)
	}
	if c.StaleSecs < 10 || c.AloneSecs < c.StaleSecs || c.AloneSecs > 86_400 {
		bad("stale_secs %d and alone_secs %d are not 10 or more, one after the other, up to a day", c.StaleSecs, c.AloneSecs)
	}
	for _, token := range c.Tokens {
		switch a, err := contracts.ParseAsset(token); {
		case err != nil:
			bad("tokens: %v", err)
		case a.IsNative():
			bad("tokens: %s is a coin, which is shown in any case", a)
		}
	}
	if c.PollMillis < 10 || c.PollMillis > 600_000 {
		bad("poll_millis %d is not 10 to 600000", c.PollMillis)
	}
	return append(all, c.chainFaults()...)
}

// chainFaults is what is wrong with the chains that the config names.
func (c config) chainFaults() []string {
	var all []string
	bad := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	some := false
	for _, chain := range contracts.Chains {
		endpoints, name := c.rpc(chain), strings.ToLower(string(chain))
		if len(endpoints) == 0 {
			continue
		}
		some = true
		for i, endpoint := range endpoints {
			if !isEndpoint(chain, endpoint) {
				bad("%s_rpc: number %d is not %s", name, i+1, endpointForm(chain))
			}
		}
		if c.confirmations()[chain] == 0 {
			bad("%s_confirmations is 0: what no block holds can be taken back", name)
		}
		if _, _, err := c.funds(chain); err != nil {
			bad("%v", err)
		}
		if chain.EVM() {
			if text := c.contractTexts()[chain]; text == "" {
				bad("%s_contract is missing: the address of HashLock on %s", name, chain)
			} else if _, err := contracts.ParseAddress(text); err != nil {
				bad("%s_contract: %v", name, err)
			}
			if _, err := c.channels(chain); err != nil {
				bad("%v", err)
			}
			if c.blockSeconds(chain) == 0 {
				bad("%s_block is 0 seconds", name)
			}
		}
		if _, known := realmNetworks[c.Realm]; known {
			if err := c.foreign(chain); err != nil {
				bad("%v", err)
			}
		}
	}
	if !some {
		bad("no chain: set btc_rpc, ltc_rpc, eth_rpc or smt_rpc")
	}
	return all
}

// isEndpoint reports whether a chain's node can be asked at text.
func isEndpoint(chain contracts.Chain, text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return false
	}
	web := u.Scheme == "http" || u.Scheme == "https"
	return web || (chain.EVM() && (u.Scheme == "ws" || u.Scheme == "wss"))
}

func endpointForm(chain contracts.Chain) string {
	if chain.EVM() {
		return "http(s):// or ws(s):// and a host"
	}
	return "http(s)://USER:PASSWORD@HOST:PORT"
}

// mainIDs are the chain ids of the main networks.
var mainIDs = map[contracts.Chain]uint64{contracts.ETH: 1, contracts.SMT: 20180430}

// realmNetworks are the networks of BTC and LTC in each realm.
var realmNetworks = map[string][]string{"main": {"main"}, "test": {"test", "signet"}, "dev": {"regtest", "simnet"}}

// foreign says why the network of a chain is none of the realm: a coin of a test
// network must never be swapped for one of a main network.
func (c config) foreign(chain contracts.Chain) error {
	if chain.EVM() {
		id, main := c.chainID(chain), mainIDs[chain]
		// A dev chain may have any id: Spectrum's rules go with its own.
		if (c.Realm == "main" && id != main) || (c.Realm == "test" && id == main) || id == 0 {
			return fmt.Errorf("%s_chain %d is no chain of realm %s (main is %d)", strings.ToLower(string(chain)), id, c.Realm, main)
		}
		return nil
	}
	named := c.BTCNetwork
	if chain == contracts.LTC {
		named = c.LTCNetwork
	}
	network := c.network(named)
	_, err := btc.Coin(network)
	if chain == contracts.LTC {
		_, err = ltc.Coin(network)
	}
	if allowed := realmNetworks[c.Realm]; err == nil && !slices.Contains(allowed, network) {
		return fmt.Errorf("%s_network %q is not of realm %s: %s", strings.ToLower(string(chain)), network, c.Realm, strings.Join(allowed, ", "))
	}
	return err
}
