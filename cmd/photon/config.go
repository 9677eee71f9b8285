package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"photon/contracts"
	"photon/swap/trade"
)

// A config is all that a node can be told: by flags, then the environment
// (PHOTON_… in capitals), then a YAML file, then these defaults. What holds a
// secret (rpc endpoints with a password) is best kept in the file, mode 0600:
// flags are seen in the process list.
type config struct {
	Data       string   `koanf:"data"`        // folder of keys, store and token; default ~/.photon
	Realm      string   `koanf:"realm"`       // which networks: main, test or dev; default main
	Profile    string   `koanf:"profile"`     // times of swaps: safe, fast or, on dev, dev:SECONDS; default safe
	Listen     string   `koanf:"listen"`      // address of the API; default 127.0.0.1:8645
	Hosts      []string `koanf:"hosts"`       // names beside loopback's under which the API may be asked
	PeerListen []string `koanf:"peer_listen"` // multiaddrs for other nodes; default /ip4/0.0.0.0/tcp/8646 on main and test, loopback on dev
	LAN        bool     `koanf:"lan"`         // find other nodes on the local network; default off
	Database   string   `koanf:"database"`    // sqlite:PATH or postgres://…; default sqlite in data
	Password   string   `koanf:"password"`    // file with the key file's password; default data/password
	RefundOnly bool     `koanf:"refund_only"` // take no new swaps, finish those under way
	FastUnlock bool     `koanf:"fast_unlock"` // a weak password hash, on dev only
	Debug      bool     `koanf:"debug"`       // log more

	Tokens []string `koanf:"tokens"` // assets shown beside the coins, such as ETH:0x…

	BTCRPC           []string `koanf:"btc_rpc"`           // http://user:password@host:port, most trusted first; none: no BTC
	BTCNetwork       string   `koanf:"btc_network"`       // main, test, regtest, simnet; default that of the realm
	BTCConfirmations uint64   `koanf:"btc_confirmations"` // asked at least; default 3
	BTCFrom          uint64   `koanf:"btc_from"`          // height of the wallet's first block; default 0
	LTCRPC           []string `koanf:"ltc_rpc"`
	LTCNetwork       string   `koanf:"ltc_network"`
	LTCConfirmations uint64   `koanf:"ltc_confirmations"` // default 6
	LTCFrom          uint64   `koanf:"ltc_from"`
	ETHRPC           []string `koanf:"eth_rpc"`           // http(s) or ws(s) URLs
	ETHChain         uint64   `koanf:"eth_chain"`         // chain id; default 1
	ETHContract      string   `koanf:"eth_contract"`      // address of HashLock
	ETHConfirmations uint64   `koanf:"eth_confirmations"` // default 12
	SMTRPC           []string `koanf:"smt_rpc"`
	SMTChain         uint64   `koanf:"smt_chain"` // default 20180430
	SMTContract      string   `koanf:"smt_contract"`
	SMTConfirmations uint64   `koanf:"smt_confirmations"` // default 17
	PollMillis       uint64   `koanf:"poll_millis"`       // between two questions for a new block; default 1000
}

// defaults are those of the main networks.
func defaults() map[string]any {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "." // then data is asked for by whoever has no home
	}
	return map[string]any{
		"data": filepath.Join(home, ".photon"), "realm": "main", "profile": "safe", "listen": "127.0.0.1:8645",
		"btc_confirmations": 3, "ltc_confirmations": 6, "eth_confirmations": 12, "smt_confirmations": 17,
		"eth_chain": 1, "smt_chain": 20180430, "poll_millis": 1000,
	}
}

// configFlags adds what may be said on the command line.
func configFlags(f *pflag.FlagSet) {
	f.String("config", "", "YAML file with any of these settings")
	f.String("data", "", "folder of keys, store and token (default ~/.photon)")
	f.String("realm", "", "which networks: main, test or dev")
	f.String("profile", "", "times of swaps: safe, fast or dev:SECONDS")
	f.String("listen", "", "address of the API")
	f.Bool("refund-only", false, "take no new swaps, finish those under way")
	f.Bool("lan", false, "find other nodes on the local network")
	f.Bool("debug", false, "log more")
}

// readConfig gathers a config and checks all of it.
func readConfig(f *pflag.FlagSet) (config, error) {
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(defaults(), ""), nil); err != nil {
		return config{}, fmt.Errorf("defaults: %w", err)
	}
	if path, _ := f.GetString("config"); path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return config{}, fmt.Errorf("%w: config file: %w", errUsage, err)
		}
	}
	fromEnv := env.Provider(".", env.Opt{Prefix: "PHOTON_", TransformFunc: func(key, value string) (string, any) {
		key = strings.ToLower(strings.TrimPrefix(key, "PHOTON_"))
		if strings.HasSuffix(key, "_rpc") || key == "hosts" || key == "peer_listen" || key == "tokens" {
			return key, strings.Split(value, ",")
		}
		return key, value
	}})
	if err := k.Load(fromEnv, nil); err != nil {
		return config{}, fmt.Errorf("%w: environment: %w", errUsage, err)
	}
	said := posflag.ProviderWithFlag(f, ".", k, func(flag *pflag.Flag) (string, any) {
		if !flag.Changed || flag.Name == "config" {
			return "", nil
		}
		return strings.ReplaceAll(flag.Name, "-", "_"), posflag.FlagVal(f, flag)
	})
	if err := k.Load(said, nil); err != nil {
		return config{}, fmt.Errorf("%w: flags: %w", errUsage, err)
	}
	var c config
	if err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{Tag: "koanf"}); err != nil {
		return config{}, fmt.Errorf("%w: config: %w", errUsage, err)
	}
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "photon.db")
	}
	if c.Password == "" {
		c.Password = filepath.Join(c.Data, "password")
	}
	return c, c.validate()
}

// validate reports everything that is wrong with the config, not only the first.
func (c config) validate() error {
	var faults []error
	bad := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{errUsage}, args...)...))
	}
	if c.Realm != "main" && c.Realm != "test" && c.Realm != "dev" {
		bad("realm %q is not main, test or dev", c.Realm)
	}
	if _, err := c.times(); err != nil {
		bad("%w", err)
	}
	if c.FastUnlock && c.Realm != "dev" {
		bad("fast_unlock is for realm dev")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen: %w", err)
	}
	rpc := map[contracts.Chain][]string{contracts.BTC: c.BTCRPC, contracts.LTC: c.LTCRPC, contracts.ETH: c.ETHRPC, contracts.SMT: c.SMTRPC}
	some := false
	for _, chain := range contracts.Chains {
		for _, endpoint := range rpc[chain] {
			some = true
			// The URL may hold a password: it is not repeated.
			if u, err := url.Parse(endpoint); err != nil || u.Host == "" {
				bad("an endpoint of %s is not a URL with a host", chain)
			}
		}
	}
	if !some {
		bad("no chain: set btc_rpc, ltc_rpc, eth_rpc or smt_rpc")
	}
	for chain, address := range map[contracts.Chain]string{contracts.ETH: c.ETHContract, contracts.SMT: c.SMTContract} {
		if len(rpc[chain]) == 0 {
			continue
		}
		if _, err := contracts.ParseAddress(address); err != nil {
			bad("contract of %s: %w", chain, err)
		}
	}
	for _, token := range c.Tokens {
		if _, err := contracts.ParseAsset(token); err != nil {
			bad("token: %w", err)
		}
	}
	return errors.Join(faults...)
}

// times is the profile that was named.
func (c config) times() (trade.Profile, error) {
	switch c.Profile {
	case trade.Safe.Name:
		return trade.Safe, nil
	case trade.Fast.Name:
		return trade.Fast, nil
	}
	var seconds uint64
	if n, err := fmt.Sscanf(c.Profile, "dev:%d", &seconds); err != nil || n != 1 || seconds < 10 || seconds > 86_400 {
		return trade.Profile{}, fmt.Errorf("profile %q is not safe, fast or dev:SECONDS", c.Profile)
	}
	if c.Realm != "dev" {
		return trade.Profile{}, fmt.Errorf("profile %q is for realm dev", c.Profile)
	}
	return trade.Dev(seconds), nil
}

// logger writes to standard error.
func (c config) logger() *slog.Logger {
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
