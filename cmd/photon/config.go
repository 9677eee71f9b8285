package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"photon/swap"
	"photon/swap/trade"
)

// A config is all that a node can be told: by flags, then the environment
// (PHOTON_… in capitals, lists with commas), then a YAML file (--config or
// PHOTON_CONFIG), then these defaults. What holds a secret (rpc endpoints with a
// password) is best kept in the file, mode 0600: flags are seen in the process
// list.
type config struct {
	Data       string   `koanf:"data"`        // folder of keys, store and token; default ~/.photon
	Realm      string   `koanf:"realm"`       // which networks: main, test or dev; default main
	Profile    string   `koanf:"profile"`     // times of swaps: safe, fast or, on dev, dev:SECONDS; default safe
	Listen     string   `koanf:"listen"`      // address of the API; default 127.0.0.1:8645
	Hosts      []string `koanf:"hosts"`       // names beside loopback's under which the API may be asked
	PeerListen []string `koanf:"peer_listen"` // multiaddrs for other nodes; default /ip4/0.0.0.0/tcp/8646 on main and test, loopback on dev
	LAN        bool     `koanf:"lan"`         // find other nodes on the local network; default off
	Boards     []string `koanf:"boards"`      // addresses (http or https) of boards where our offers are shown and others' are read; default none
	Database   string   `koanf:"database"`    // sqlite:PATH or postgres://…; default sqlite in data
	Password   string   `koanf:"password"`    // file with the key file's password; default data/password
	RefundOnly bool     `koanf:"refund_only"` // take no new swaps, finish those under way
	AtOnce     uint64   `koanf:"at_once"`     // swaps that another node may have open by taking our offers before it has completed one; as many again for each that it has; default 4
	FastUnlock bool     `koanf:"fast_unlock"` // a weak password hash, on dev only
	Debug      bool     `koanf:"debug"`       // log more

	Relay     bool   `koanf:"relay"`      // pass on payments of others; default on
	FeePPM    uint64 `koanf:"fee_ppm"`    // of what is passed on, in millionths, in channels where nothing else is set; default 100
	Reveal    uint64 `koanf:"reveal"`     // blocks that we need to bring a secret to a chain; default 30
	StaleSecs uint64 `koanf:"stale_secs"` // age of a chain's newest block from which nothing is promised on it; default 300
	AloneSecs uint64 `koanf:"alone_secs"` // the same, from which no direct payment is made or taken; default 3600

	Tokens []string `koanf:"tokens"` // assets shown beside the coins, such as ETH:0x…

	BTCRPC           []string `koanf:"btc_rpc"`           // http://user:password@host:port, most trusted first; none: no BTC
	BTCNetwork       string   `koanf:"btc_network"`       // main, test, regtest, simnet; default that of the realm
	BTCConfirmations uint64   `koanf:"btc_confirmations"` // asked at least; default 3
	BTCFrom          uint64   `koanf:"btc_from"`          // height of the wallet's first block; default 0
	BTCWallet        string   `koanf:"btc_wallet"`        // whose wallet pays and is paid: node or node:NAME, Bitcoin Core's at the first of btc_rpc; default our own
	LTCRPC           []string `koanf:"ltc_rpc"`
	LTCNetwork       string   `koanf:"ltc_network"`
	LTCConfirmations uint64   `koanf:"ltc_confirmations"` // default 6
	LTCFrom          uint64   `koanf:"ltc_from"`
	LTCWallet        string   `koanf:"ltc_wallet"`        // as btc_wallet, Litecoin Core's
	ETHRPC           []string `koanf:"eth_rpc"`           // http(s) or ws(s) URLs
	ETHChain         uint64   `koanf:"eth_chain"`         // chain id; default 1
	ETHContract      string   `koanf:"eth_contract"`      // address of HashLock
	ETHChannels      string   `koanf:"eth_channels"`      // address of Channels; none: no channels on this chain
	ETHSecrets       string   `koanf:"eth_secrets"`       // address of the SecretRegistry of Channels
	ETHBlock         uint64   `koanf:"eth_block"`         // seconds from one block to the next, as a rule; default 12
	ETHConfirmations uint64   `koanf:"eth_confirmations"` // default 12
	SMTRPC           []string `koanf:"smt_rpc"`
	SMTChain         uint64   `koanf:"smt_chain"` // default 20180430
	SMTContract      string   `koanf:"smt_contract"`
	SMTChannels      string   `koanf:"smt_channels"`
	SMTSecrets       string   `koanf:"smt_secrets"`
	SMTBlock         uint64   `koanf:"smt_block"`         // seconds from one block to the next, as a rule; default 14
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
		"eth_chain": 1, "smt_chain": 20180430, "poll_millis": 1000, "at_once": swap.DefaultAtOnce,
		"eth_block": 12, "smt_block": 14, "relay": true, "fee_ppm": 100, "reveal": 30, "stale_secs": 300, "alone_secs": 3600,
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

// readConfig gathers a config and checks all of it. On a fault the config is what
// could be read, with defaults where it could not.
func readConfig(f *pflag.FlagSet) (config, error) {
	var faults []string
	k := koanf.New(".")
	load := func(from string, p koanf.Provider, parser koanf.Parser) {
		one := koanf.New(".")
		if err := one.Load(p, parser); err != nil {
			faults = append(faults, from+": "+unreadable(err))
			return
		}
		faults = append(faults, unknownKeys(from, one)...)
		if err := k.Merge(one); err != nil {
			faults = append(faults, from+": "+err.Error())
		}
	}
	load("defaults", confmap.Provider(defaults(), ""), nil)
	if path := configFile(f); path != "" {
		load("config file", file.Provider(path), yaml.Parser())
	}
	load("environment", env.Provider(".", env.Opt{Prefix: envPrefix, TransformFunc: func(key, value string) (string, any) {
		if key == envFile || value == "" {
			return "", nil // says where the file is, or nothing
		}
		return strings.ToLower(strings.TrimPrefix(key, envPrefix)), value
	}}), nil)
	load("flags", posflag.ProviderWithFlag(f, ".", nil, func(flag *pflag.Flag) (string, any) {
		key := strings.ReplaceAll(flag.Name, "-", "_")
		if _, setting := settings()[key]; !setting || !flag.Changed {
			return "", nil // of the command, such as --json, or not said
		}
		return key, posflag.FlagVal(f, flag)
	}), nil)
	c, wrong := decodeConfig(k)
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, "photon.db")
	}
	if c.Password == "" {
		c.Password = filepath.Join(c.Data, "password")
	}
	faults = append(append(faults, wrong...), c.faults()...)
	if len(faults) > 0 {
		return c, fmt.Errorf("%w: config: %s", errUsage, strings.Join(faults, "\n  "))
	}
	return c, nil
}

// yamlLine is where an error of the YAML reader says that the fault is.
var yamlLine = regexp.MustCompile(`line (\d+): `)

// unreadable says why a source cannot be read. What the YAML reader says beyond
// the line may repeat what stands there, which may be a password.
func unreadable(err error) string {
	var file *fs.PathError
	if errors.As(err, &file) {
		return err.Error()
	}
	if at := yamlLine.FindStringSubmatch(err.Error()); at != nil {
		return "it is not YAML, or says something twice, at line " + at[1]
	}
	return "it is not YAML with one setting a line"
}

// What the environment says begins with envPrefix; envFile is where the file is.
const (
	envPrefix = "PHOTON_"
	envFile   = "PHOTON_CONFIG"
)

// configFile is the file that was named, or "".
func configFile(f *pflag.FlagSet) string {
	if flag := f.Lookup("config"); flag != nil && flag.Changed {
		return flag.Value.String()
	}
	return os.Getenv(envFile)
}

// dataFolder is where a node's files are, unless --data says otherwise.
func dataFolder() string {
	if said := os.Getenv(envPrefix + "DATA"); said != "" {
		return said
	}
	return defaults()["data"].(string)
}

// settings are the fields of a config by their names.
func settings() map[string]int {
	all := map[string]int{}
	for i, t := 0, reflect.TypeFor[config](); i < t.NumField(); i++ {
		all[t.Field(i).Tag.Get("koanf")] = i
	}
	return all
}

// settingName is how the names of settings look.
var settingName = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{1,30}$`)

// unknownKeys says which names are no settings: a name that is mistyped would
// otherwise change nothing, in silence.
func unknownKeys(from string, k *koanf.Koanf) []string {
	var faults []string
	for _, key := range slices.Sorted(maps.Keys(k.Raw())) {
		switch _, known := settings()[key]; {
		case known:
		case settingName.MatchString(key):
			faults = append(faults, fmt.Sprintf("%s: there is no setting %s", from, key))
		default: // not repeated: it may be a value that lost its name
			faults = append(faults, from+": something stands where the name of a setting should")
		}
	}
	return faults
}

// decodeConfig reads each setting as what its field is. A fault names the
// setting and never repeats its value, which may be a password.
func decodeConfig(k *koanf.Koanf) (c config, faults []string) {
	fields, first := reflect.ValueOf(&c).Elem(), defaults()
	for i, t := 0, fields.Type(); i < t.NumField(); i++ {
		key := t.Field(i).Tag.Get("koanf")
		value, ok := decodeSetting(t.Field(i).Type, k.Get(key))
		if !ok {
			faults = append(faults, key+" must be "+settingKinds[t.Field(i).Type.Kind()])
			value, _ = decodeSetting(t.Field(i).Type, first[key])
		}
		fields.Field(i).Set(value)
	}
	return c, faults
}

// settingKinds says what a setting is to a person.
var settingKinds = map[reflect.Kind]string{
	reflect.String: "a text (in quotes, if it looks like a number)",
	reflect.Bool:   "true or false",
	reflect.Uint64: "a whole number, not below 0",
	reflect.Slice:  "a list of texts",
}

// decodeSetting reads what a file, the environment or a flag gave as what the
// field is; nothing said is the zero value.
func decodeSetting(field reflect.Type, raw any) (reflect.Value, bool) {
	zero := reflect.Zero(field)
	text, isText := raw.(string)
	switch {
	case raw == nil:
		return zero, true
	case field.Kind() == reflect.String:
		return reflect.ValueOf(text), isText
	case field.Kind() == reflect.Bool:
		v, is := raw.(bool)
		if isText {
			var err error
			v, err = strconv.ParseBool(text)
			is = err == nil
		}
		return reflect.ValueOf(v), is
	case field.Kind() == reflect.Uint64:
		n, err := strconv.ParseUint(fmt.Sprint(raw), 10, 64)
		return reflect.ValueOf(n), err == nil
	case isText:
		return reflect.ValueOf(strings.Split(text, ",")), true
	}
	list, is := raw.([]any)
	texts := make([]string, len(list))
	for i, item := range list {
		text, isText := item.(string)
		texts[i], is = text, is && isText
	}
	return reflect.ValueOf(texts), is
}

// times is the profile that was named.
func (c config) times() (trade.Profile, error) {
	switch c.Profile {
	case trade.Safe.Name:
		return trade.Safe, nil
	case trade.Fast.Name:
		return trade.Fast, nil
	}
	text, dev := strings.CutPrefix(c.Profile, "dev:")
	seconds, err := strconv.ParseUint(text, 10, 64)
	if !dev || err != nil || seconds < 10 || seconds > 86_400 {
		return trade.Profile{}, fmt.Errorf("profile %.40q is not safe, fast or dev:SECONDS (10 to 86400)", c.Profile)
	}
	if c.Realm != "dev" {
		return trade.Profile{}, fmt.Errorf("profile %.40q is for realm dev", c.Profile)
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
