package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"photon/contracts"
)

// aConfig is a good config of the main networks, without secrets.
const aConfig = `data: /somewhere
btc_rpc: ["http://127.0.0.1:8332"]
ltc_rpc: ["http://127.0.0.1:9332"]
eth_rpc: ["wss://eth.example"]
eth_contract: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
smt_rpc: ["http://127.0.0.1:8545"]
smt_contract: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
tokens: ["ETH:0xdD00000000000000000000000000000000000000"]
`

// configFileOf writes a config file and returns its path. No setting comes from
// the environment of whoever runs the test.
func configFileOf(t *testing.T, text string) string {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, envPrefix) {
			t.Setenv(name, "") // put back after the test
		}
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func readArgs(args ...string) (config, error) {
	f := pflag.NewFlagSet("test", pflag.ContinueOnError)
	configFlags(f)
	if err := f.Parse(args); err != nil {
		return config{}, err
	}
	return readConfig(f)
}

// Each source is stronger than the one before: defaults, file, environment,
// flags.
func TestConfigPrecedence(t *testing.T) {
	path := configFileOf(t, aConfig)
	listen := func(args ...string) string {
		t.Helper()
		c, err := readArgs(args...)
		must(t, err)
		return c.Listen
	}
	if got := listen("--config", path); got != "127.0.0.1:8645" {
		t.Errorf("default: %s", got)
	}
	must(t, os.WriteFile(path, []byte(aConfig+"listen: 127.0.0.1:1\n"), 0o600))
	if got := listen("--config", path); got != "127.0.0.1:1" {
		t.Errorf("file over default: %s", got)
	}
	t.Setenv("PHOTON_LISTEN", "127.0.0.1:2")
	if got := listen("--config", path); got != "127.0.0.1:2" {
		t.Errorf("environment over file: %s", got)
	}
	if got := listen("--config", path, "--listen", "127.0.0.1:3"); got != "127.0.0.1:3" {
		t.Errorf("flag over environment: %s", got)
	}
	t.Setenv("PHOTON_CONFIG", path)
	t.Setenv("PHOTON_LISTEN", "")
	if got := listen(); got != "127.0.0.1:1" {
		t.Errorf("file named by the environment: %s", got)
	}
	if got := listen("--config", configFileOf(t, aConfig)); got != "127.0.0.1:8645" {
		t.Errorf("file named by a flag over one named by the environment: %s", got)
	}
}

func TestConfigOfEverySource(t *testing.T) {
	path := configFileOf(t, aConfig+"lan: true\nbtc_from: 800000\n")
	t.Setenv("PHOTON_BTC_RPC", "http://127.0.0.1:1,http://127.0.0.1:2")
	t.Setenv("PHOTON_ETH_CONFIRMATIONS", "32")
	t.Setenv("PHOTON_DEBUG", "true")
	c, err := readArgs("--config", path, "--refund-only", "--data", "/elsewhere")
	must(t, err)
	if !c.LAN || c.BTCFrom != 800_000 || !slices.Equal(c.BTCRPC, []string{"http://127.0.0.1:1", "http://127.0.0.1:2"}) ||
		c.ETHConfirmations != 32 || !c.Debug || !c.RefundOnly || c.Data != "/elsewhere" ||
		c.Database != "sqlite:"+filepath.Join("/elsewhere", "photon.db") || c.Password != filepath.Join("/elsewhere", "password") {
		t.Errorf("%+v", c)
	}
	if c.contracts()[contracts.SMT].Hex() != ethAddress || len(c.tokens()) != 1 {
		t.Errorf("contracts %v, tokens %v", c.contracts(), c.tokens())
	}
}

// Each row is one change to a good config; what is said is said of it alone.
func TestConfigFaults(t *testing.T) {
	for _, row := range []struct{ from, to, says string }{
		{"", "", ""},
		{"", "btc_rcp: []\n", "config file: there is no setting btc_rcp"},
		{"", "btc: {rpc: []}\n", "config file: there is no setting btc"},
		{"", "Realm: main\n", "config file: there is no setting Realm"},
		{"", "data: /twice\n", "config file: it is not YAML, or says something twice, at line 9"},
		{"", "listen: [\n", "config file: it is not YAML, or says something twice, at line 9"},
		{"", "http://u:hunter2@host: yes\n", "config file: something stands where the name of a setting should"},
		{"", "hosts: *hunter2\n", "config file: it is not YAML"},
		{"", "- hunter2\n", "config file: it is not YAML"},
		{"data: /somewhere", `data: ""`, "data is empty"},
		{"data: /somewhere", "data: 5", "data must be a text (in quotes, if it looks like a number)"},
		{"", "realm: moon\n", `realm "moon" is not main, test or dev`},
		{"", "profile: slow\n", `profile "slow" is not safe, fast or dev:SECONDS (10 to 86400)`},
		{"", "profile: dev:10\n", `profile "dev:10" is for realm dev`},
		{"", "profile: dev:9\n", `profile "dev:9" is not safe, fast or dev:SECONDS (10 to 86400)`},
		{"", "profile: dev:10x\n", `profile "dev:10x" is not safe, fast or dev:SECONDS (10 to 86400)`},
		{"", "profile: fast\n", ""},
		{"", "listen: localhost\n", `listen "localhost" is not HOST:PORT`},
		{"", "listen: ':0'\n", ""},
		{"", "hosts: ['photon.example:80']\n", `hosts: "photon.example:80" is not a name without port`},
		{"", "hosts: [photon.example]\n", ""},
		{"", "peer_listen: ['0.0.0.0:8646']\n", `peer_listen: "0.0.0.0:8646" is not such as /ip4/0.0.0.0/tcp/8646`},
		{"", "boards: ['https://board.example', 'http://127.0.0.1:8647']\n", ""},
		{"", "boards: ['board.example']\n", "boards: number 1 is not http(s):// and a host, without password and query"},
		{"", "boards: ['https://u:hunter2@board.example']\n", "boards: number 1 is not http(s):// and a host, without password and query"},
		{"", "boards: ['https://b.example', 'https://b.example']\n", "boards: https://b.example is named twice"},
		{"", "boards: [" + strings.Repeat("'http://b.example', ", 9) + "]\n", "boards: 9 are more than 8"},
		{"", "lan: perhaps\n", "lan must be true or false"},
		{"", "lan: 1\n", "lan must be true or false"},
		{"", "database: mysql://u:hunter2@db\n", "database is not sqlite:PATH or postgres://…"},
		{"", "database: 'sqlite:'\n", "database is not sqlite:PATH or postgres://…"},
		{"", "database: postgres://u:hunter2@db/photon\n", ""},
		{"", "fast_unlock: true\n", "fast_unlock is for realm dev"},
		{"", "relay: 1\n", "relay must be true or false"},
		{"", "fee_ppm: 1000000\n", "fee_ppm 1000000 is the whole payment or more"},
		{"", "fee_ppm: 999999\n", ""},
		{"", "reveal: 29\n", "reveal 29 is not 30 to 10000"},
		{"", "reveal: 30\n", ""},
		{"", "stale_secs: 9\n", "stale_secs 9 and alone_secs 3600 are not 10 or more, one after the other, up to a day"},
		{"", "stale_secs: 3601\n", "stale_secs 3601 and alone_secs 3600 are not 10 or more, one after the other, up to a day"},
		{"", "alone_secs: 86401\n", "stale_secs 300 and alone_secs 86401 are not 10 or more, one after the other, up to a day"},
		{"", "eth_channels: \"" + ethAddress + "\"\n", "eth_channels and eth_secrets are said both or neither"},
		{"", "eth_channels: \"" + ethAddress + "\"\neth_secrets: \"" + ethAddress + "\"\n", ""},
		{"", "smt_channels: \"" + ethAddress + "\"\nsmt_secrets: \"0x12\"\n", "smt_secrets: not an address of this chain: "},
		{"", "smt_block: 0\n", "smt_block is 0 seconds"},
		{"", "poll_millis: 9\n", "poll_millis 9 is not 10 to 600000"},
		{"", "poll_millis: 10\n", ""},
		{"", "poll_millis: -1\n", "poll_millis must be a whole number, not below 0"},
		{"", "poll_millis: 99999999999999999999\n", "poll_millis must be a whole number, not below 0"},
		{"tokens: [\"ETH:0xdD", "tokens: [\"ETH:0xDd", "tokens: not an address of this chain: "},
		{"ETH:0xdD00000000000000000000000000000000000000", "ETH", "tokens: ETH is a coin, which is shown in any case"},
		{`["http://127.0.0.1:8332"]`, `["http://u:hunter2@:port"]`, "btc_rpc: number 1 is not http(s)://USER:PASSWORD@HOST:PORT"},
		{`["http://127.0.0.1:8332"]`, `["http://127.0.0.1:1", "u:hunter2@127.0.0.1"]`, "btc_rpc: number 2 is not http(s)://USER:PASSWORD@HOST:PORT"},
		{`["http://127.0.0.1:8332"]`, `["wss://hunter2.example"]`, "btc_rpc: number 1 is not http(s)://USER:PASSWORD@HOST:PORT"},
		{`["http://127.0.0.1:8332"]`, `[{user: hunter2}]`, "btc_rpc must be a list of texts"},
		{`["http://127.0.0.1:8332"]`, `{password: hunter2}`, "btc_rpc must be a list of texts"},
		{`["http://127.0.0.1:8332"]`, `http://127.0.0.1:1,http://127.0.0.1:2`, ""},
		{`["wss://eth.example"]`, `["ftp://eth.example/hunter2"]`, "eth_rpc: number 1 is not http(s):// or ws(s):// and a host"},
		{"", "btc_network: moonnet\n", `BTC: unknown network "moonnet": main, test, signet, regtest, simnet`},
		{"", "ltc_network: regtest\n", `ltc_network "regtest" is not of realm main: main`},
		{"", "btc_confirmations: 0\n", "btc_confirmations is 0: what no block holds can be taken back"},
		{"", "btc_wallet: node\n", ""},
		{"", "ltc_wallet: node:savings of alice\n", ""},
		{"", "btc_wallet: 'node:'\n", `btc_wallet "node:" is not node or node:NAME; leave it out for our own wallet`},
		{"", "ltc_wallet: savings\n", `ltc_wallet "savings" is not node or node:NAME; leave it out for our own wallet`},
		{"", "eth_chain: 11155111\n", "eth_chain 11155111 is no chain of realm main (main is 1)"},
		{"", "smt_chain: 0\n", "smt_chain 0 is no chain of realm main (main is 20180430)"},
		{"smt_contract: \"" + ethAddress + "\"\n", "", "smt_contract is missing: the address of HashLock on SMT"},
		{"eth_contract: \"0x5a", "eth_contract: \"0x5A", "eth_contract: not an address of this chain: "},
		{"eth_contract: \"" + ethAddress + "\"", "eth_contract: 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ""},
	} {
		text := strings.Replace(aConfig, row.from, row.to, 1)
		if row.from == "" {
			text = aConfig + row.to
		}
		_, err := readArgs("--config", configFileOf(t, text))
		switch {
		case row.says == "" && err != nil:
			t.Errorf("%s: %v", row.to, err)
		case row.says != "" && (err == nil || !strings.HasPrefix(err.Error(), "usage: config: "+row.says) || exitCode(err) != exitUsage):
			t.Errorf("%s: %v, want %s", row.to, err, row.says)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("tells a password: %v", err)
		}
	}
}

// Coins of another network never meet those of the realm.
func TestRealmsKeepApart(t *testing.T) {
	for _, row := range []struct {
		realm, btc, ltc, eth, smt string
		faults                    int
	}{
		{"main", "", "", "1", "20180430", 0},
		{"test", "", "", "11155111", "2022", 0},
		{"test", "signet", "test", "11155111", "2022", 0},
		{"dev", "", "", "1337", "4", 0},
		{"dev", "simnet", "simnet", "1337", "4", 0},
		{"main", "test", "simnet", "4", "2022", 4},
		{"test", "main", "main", "1", "20180430", 4},
		{"dev", "regtest", "regtest", "1", "20180430", 0},
		{"dev", "test", "main", "0", "0", 4},
	} {
		text := aConfig + "realm: " + row.realm + "\neth_chain: " + row.eth + "\nsmt_chain: " + row.smt + "\n"
		if row.btc != "" {
			text += "btc_network: " + row.btc + "\nltc_network: " + row.ltc + "\n"
		}
		c, err := readArgs("--config", configFileOf(t, text))
		if got := len(c.faults()); got != row.faults {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

func TestConfigFromNowhere(t *testing.T) {
	path := configFileOf(t, "")
	t.Setenv("PHOTON_BTC_RCP", "http://u:hunter2@127.0.0.1")
	t.Setenv("PHOTON_POLL_MILLIS", "hunter2")
	_, err := readArgs("--config", path+".gone", "--profile", "dev:hunter")
	want := `usage: config: config file: open ` + path + `.gone: no such file or directory
  environment: there is no setting btc_rcp
  poll_millis must be a whole number, not below 0
  profile "dev:hunter" is not safe, fast or dev:SECONDS (10 to 86400)
  no chain: set btc_rpc, ltc_rpc, eth_rpc or smt_rpc`
	if err == nil || err.Error() != want {
		t.Errorf("%v, want\n%s", err, want)
	}
}

// everythingWrong has a fault in every setting that can have one, and a password
// wherever one may stand.
const everythingWrong = `data: ""
realm: moon
profile: slow
listen: here
hosts: ["a/b"]
peer_listen: ["8646"]
lan: perhaps
boards: ["http://u:hunter2@b"]
database: "mysql://u:hunter2@db"
password: 5
refund_only: 2
at_once: 0
fast_unlock: true
debug: "often"
tokens: ["DOGE"]
btc_rpc: ["u:hunter2@host"]
btc_network: [main]
btc_confirmations: -1
btc_from: "the first"
ltc_rpc: ["http://"]
ltc_network: 1
ltc_confirmations: 0
ltc_from: 1.5
eth_rpc: ["gopher://u:hunter2@host"]
eth_chain: one
eth_contract: "0x12"
eth_confirmations: 0
smt_rpc: [1]
smt_chain: -2
smt_confirmations: many
smt_channels: "0x12"
eth_block: 0
relay: perhaps
fee_ppm: 1000000
reveal: 0
stale_secs: 1
poll_millis: 0
colour: green
`

func TestConfigSession(t *testing.T) {
	s := newSession(t)
	good := configFileOf(t, aConfig)
	secret := configFileOf(t, strings.NewReplacer(
		`["http://127.0.0.1:8332"]`, `["http://alice:hunter2@127.0.0.1:8332", "https://btc.example/hunter2?key=hunter2"]`,
		"wss://eth.example", "wss://eth.example/v3/hunter2").Replace(aConfig)+"database: postgres://alice:hunter2@db:5432/photon?sslpassword=hunter2\n")
	wrong := configFileOf(t, everythingWrong)
	t.Setenv("PHOTON_DATA", "")
	s.run("", "config", "check", "--config", good)
	s.run("", "config", "check", "--config", wrong)
	s.run("", "config", "show", "--config", secret)
	s.run("", "config", "show", "--config", secret, "--json")
	s.run("", "config", "show", "--config", wrong)
	if strings.Contains(s.text.String(), "hunter2") {
		t.Error("a password is shown")
	}
	for _, path := range []string{good, secret, wrong} {
		text := strings.ReplaceAll(s.text.String(), path, filepath.Base(path))
		s.text.Reset()
		s.text.WriteString(text)
	}
	s.compare("config")
}

// What is shown can be read back, and is the same again.
func TestShownConfigIsRead(t *testing.T) {
	path := configFileOf(t, aConfig)
	first := photon(t.Context(), "", "config", "show", "--config", path)
	must(t, os.WriteFile(path, []byte(first.out), 0o600))
	second := photon(t.Context(), "", "config", "show", "--config", path)
	if first.code != 0 || second != first {
		t.Errorf("%+v, then %+v", first, second)
	}
	e := photon(t.Context(), "", "config", "show", "--config", path, "--json")
	var shown map[string]any
	must(t, json.Unmarshal([]byte(e.out), &shown))
	if len(shown) != len(settings()) {
		t.Errorf("%d settings are shown of %d", len(shown), len(settings()))
	}
}

// Whatever a config file holds, reading it ends, and no fault repeats what may be a password.
func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{aConfig, everythingWrong, "btc_rpc: [", "btc_rpc: {a: b}\n", "? x\n", "btc_rpc: !!binary ", "&a [*a]", "listen: |\n ", "1: 2\n", "- ", "\x00", "a: &a\nb: *"} {
		f.Add(seed)
	}
	const secret = "correct-horse-battery"
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		for _, whole := range []string{text, "btc_rpc: [\"http://u:" + secret + "@h\"]\n" + text, "btc_rpc: *" + secret + "\n" + text, secret + ":" + text} {
			must(t, os.WriteFile(path, []byte(whole), 0o600))
			_, err := readArgs("--config", path)
			if err != nil && (exitCode(err) != exitUsage || strings.Contains(err.Error(), secret)) {
				t.Errorf("%q: %v", whole, err)
			}
		}
	})
}

func FuzzMaskURL(f *testing.F) {
	for _, seed := range []string{"http://u:p@h:1/x?y", "postgres://u:p@h/db", "u:p@h", "http://[::1", "//u:p@h", "http://u:p@", "\x7f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const secret = "correct-horse-battery"
		for _, url := range []string{"http://u:" + secret + "@h/" + text, "http://h/" + secret + text, text + "?" + secret, "http://h?" + text + secret} {
			if shown := maskURL(url, false); strings.Contains(shown, secret) {
				t.Errorf("%q is shown as %q", url, shown)
			}
		}
	})
}
