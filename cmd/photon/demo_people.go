package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"

	"photon/adapters/eth"
	"photon/adapters/evm"
	"photon/adapters/keys"
	"photon/adapters/smt"
	"photon/contracts"
	"photon/swap/trade"
	"photon/web"
)

// A person is a node process, and how it is asked.
type person struct {
	name    string
	data    string
	config  string
	process *exec.Cmd
	log     *os.File

	base     string
	client   *web.Client
	identity string
	address  string // where other nodes reach it
}

// person makes a data folder with keys and config, and starts the node.
func (d *demo) person(ctx context.Context, name, profile string) (*person, error) {
	p := &person{name: name, data: filepath.Join(d.dir, name)}
	if err := os.MkdirAll(p.data, 0o700); err != nil {
		return nil, fmt.Errorf("%s's folder: %w", name, err)
	}
	mnemonic, err := keys.New()
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if _, err := keys.Create(filepath.Join(p.data, keyFile), mnemonic, password, keys.FastUnlock()); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(p.data, "password"), password); err != nil {
		return nil, err
	}
	text, err := d.configText(p, profile)
	if err != nil {
		return nil, err
	}
	p.config = filepath.Join(p.data, "config.yaml")
	if err := writeFile(p.config, text); err != nil {
		return nil, err
	}
	return p, p.start(ctx)
}

// configText is a node's whole config. It holds passwords of chain nodes, so it
// is a file of mode 0600 and nothing of it is on a command line.
func (d *demo) configText(p *person, profile string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	outputs := func(host, user, password string) string {
		return (&url.URL{Scheme: "http", Host: host, User: url.UserPassword(user, password)}).String()
	}
	lines := []string{
		"realm: dev", "profile: " + profile, "data: " + p.data, "listen: 127.0.0.1:0", "fast_unlock: true", "poll_millis: 200",
		fmt.Sprintf("peer_listen: [/ip4/127.0.0.1/tcp/%d]", port),
		fmt.Sprintf("btc_rpc: [%q]", outputs(d.net.BTC.Host, d.net.BTC.User, d.net.BTC.Password)), "btc_network: " + d.net.BTC.Network, "btc_confirmations: 2",
		fmt.Sprintf("ltc_rpc: [%q]", outputs(d.net.LTC.Host, d.net.LTC.User, d.net.LTC.Password)), "ltc_network: " + d.net.LTC.Network, "ltc_confirmations: 2",
		fmt.Sprintf("eth_rpc: [%q]", d.net.ETH.HTTP), fmt.Sprintf("eth_chain: %d", d.net.ETH.ChainID), fmt.Sprintf("eth_contract: %q", d.locks[contracts.ETH]), "eth_confirmations: 2",
		fmt.Sprintf("smt_rpc: [%q]", d.net.SMT.HTTP), fmt.Sprintf("smt_chain: %d", d.net.SMT.ChainID), fmt.Sprintf("smt_contract: %q", d.locks[contracts.SMT]), "smt_confirmations: 2",
		fmt.Sprintf("tokens: [%q, %q]", d.tokens[contracts.ETH], d.tokens[contracts.SMT]),
	}
	return strings.Join(lines, "\n"), nil
}

// freePort is a loopback port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// start runs the node and waits until it serves.
func (p *person) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find myself: %w", err)
	}
	if err := os.Remove(filepath.Join(p.data, addressFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget the old address: %w", err)
	}
	if p.log, err = os.OpenFile(filepath.Join(p.data, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("%s's log: %w", p.name, err)
	}
	p.process = exec.Command(self, "node", "--config", p.config)
	p.process.Stdout, p.process.Stderr, p.process.SysProcAttr = p.log, p.log, dieWithParent()
	if err := p.process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	return p.await(ctx)
}

// awaitWithin is how long a node may take to serve.
const awaitWithin = 90 * time.Second

// await polls until the node is ready, or says why it is not.
func (p *person) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, awaitWithin)
	defer cancel()
	var last error
	for {
		if last = p.meet(ctx); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not come up: %w; its log ends: %s", p.name, last, p.lastWords())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// meet asks the node who it is and whether it is ready.
func (p *person) meet(ctx context.Context) error {
	base, err := os.ReadFile(filepath.Join(p.data, addressFile))
	if err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(p.data, tokenFile))
	if err != nil {
		return err
	}
	p.base = strings.TrimSpace(string(base))
	if p.client, err = web.NewClient(p.base, strings.TrimSpace(string(token))); err != nil {
		return err
	}
	if err := p.client.Ready(ctx); err != nil {
		return err
	}
	info, err := p.client.Info(ctx)
	if err != nil {
		return err
	}
	if len(info.Addresses) == 0 {
		return errors.New("it listens nowhere")
	}
	p.identity, p.address = info.Identity, info.Addresses[0]
	return nil
}

// lastWords is the end of the node's log.
func (p *person) lastWords() string {
	raw, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-2000):])
}

// kill is SIGKILL: the node has no time for anything.
func (p *person) kill() { p.end(syscall.SIGKILL) }

// stop asks the node to end, and waits.
func (p *person) stop() { p.end(syscall.SIGTERM) }

func (p *person) end(s syscall.Signal) {
	if p.process == nil || p.process.Process == nil {
		return
	}
	if err := p.process.Process.Signal(s); err == nil {
		stuck := time.AfterFunc(10*time.Second, func() { p.process.Process.Kill() })
		p.process.Wait()
		stuck.Stop()
	}
	p.log.Close()
	p.process = nil
}

// deploy puts HashLock and a token on each EVM chain.
func (d *demo) deploy(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		if err := d.net.StartMining(c, time.Second); err != nil {
			return err
		}
	}
	type deployed struct{ lock, token contracts.Address }
	made := map[contracts.Chain]*deployed{contracts.ETH: {}, contracts.SMT: {}}
	for c, to := range made {
		g.Go(func() error {
			rich, err := d.rich(c, contracts.Address{})
			if err != nil {
				return err
			}
			defer rich.Close()
			if to.lock, err = rich.Deploy(ctx, contracts.HashLockDeploy(d.at(c).ChainID)); err != nil {
				return fmt.Errorf("deploy HashLock on %s: %w", c, err)
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
		d.locks[c], d.tokens[c] = m.lock, contracts.Asset{Chain: c, Token: m.token}
		if err := d.net.StopMining(c); err != nil {
			return err
		}
	}
	return nil
}

// at is where an EVM chain's node is.
func (d *demo) at(c contracts.Chain) endpoint {
	if c == contracts.ETH {
		return endpoint{d.net.ETH.HTTP, d.net.ETH.ChainID, d.net.ETH.Key}
	}
	return endpoint{d.net.SMT.HTTP, d.net.SMT.ChainID, d.net.SMT.Key}
}

type endpoint struct {
	HTTP    string
	ChainID uint64
	Key     string
}

// rich is the account that owns everything on a fresh EVM chain.
func (d *demo) rich(c contracts.Chain, lock contracts.Address) (*evm.Chain, error) {
	at := d.at(c)
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

// fund gives everybody tokens and coins and waits until all have arrived. Tokens
// come first and are mined before the coins are sent: both are paid from one
// account, whose nonces only the chain counts for the two who use it.
func (d *demo) fund(ctx context.Context) error {
	for _, c := range []contracts.Chain{contracts.ETH, contracts.SMT} {
		if err := d.giveTokens(ctx, c); err != nil {
			return err
		}
	}
	for _, p := range d.people() {
		if err := d.giveCoins(ctx, p); err != nil {
			return err
		}
	}
	for _, p := range d.people() {
		if err := p.awaitMoney(ctx); err != nil {
			return err
		}
	}
	return nil
}

// giveCoins pays somebody on every chain from its node's own account.
func (d *demo) giveCoins(ctx context.Context, p *person) error {
	for _, c := range contracts.Chains {
		amount, err := contracts.ParseDecimal(purse[c].coins, c.Decimals())
		if err != nil {
			return err
		}
		address, err := p.client.Address(ctx, c)
		if err != nil {
			return fmt.Errorf("%s's address on %s: %w", p.name, c, err)
		}
		for range purse[c].pieces {
			if _, err := d.net.Fund(ctx, c, address, amount); err != nil {
				return fmt.Errorf("fund %s on %s: %w", p.name, c, err)
			}
		}
	}
	return nil
}

func (d *demo) people() []*person {
	all := []*person{d.alice, d.bob}
	if d.carol != nil && d.dave != nil {
		all = append(all, d.carol, d.dave)
	}
	return all
}

// giveTokens sends everybody tokens from the account that made them.
func (d *demo) giveTokens(ctx context.Context, c contracts.Chain) error {
	rich, err := d.rich(c, d.locks[c])
	if err != nil {
		return err
	}
	defer rich.Close()
	amount, err := contracts.ParseDecimal(tokensEach, 18)
	if err != nil {
		return err
	}
	var last contracts.Hash
	for _, p := range d.people() {
		address, err := p.client.Address(ctx, c)
		if err != nil {
			return fmt.Errorf("%s's address on %s: %w", p.name, c, err)
		}
		txs, err := rich.Prepare(ctx, trade.Order{
			ID: sha256.Sum256([]byte("tokens for " + p.name)), Purpose: trade.Send, To: address,
			Terms: contracts.Terms{Asset: d.tokens[c], Amount: amount}, Deadline: uint64(time.Now().Add(time.Minute).Unix()),
		})
		if err != nil {
			return fmt.Errorf("tokens for %s: %w", p.name, err)
		}
		if err := rich.Send(ctx, txs[0]); err != nil {
			return fmt.Errorf("tokens for %s: %w", p.name, err)
		}
		last = txs[0].TxID
	}
	return rich.Mined(ctx, last)
}

// awaitMoney waits until the wallet can spend something of every asset.
func (p *person) awaitMoney(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, awaitWithin)
	defer cancel()
	for {
		balances, err := p.client.Balances(ctx)
		if err != nil {
			return fmt.Errorf("%s's balances: %w", p.name, err)
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
			return fmt.Errorf("%s has no %s: %w", p.name, missing, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
