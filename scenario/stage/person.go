package stage

import (
	"context"
	"crypto/rand"
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

	"photon/adapters/keys"
	"photon/contracts"
	"photon/web"
)

// The files of a node's data folder, as the program names them.
const (
	keyFile     = "keys.age"
	tokenFile   = "token"
	addressFile = "api"
	JournalFile = "journal"
)

// A Person is a node process, and how it is asked.
type Person struct {
	Name    string
	Data    string // folder
	Config  string // file
	Words   string // the mnemonic, which a real person has on paper
	program string
	process *exec.Cmd
	log     *os.File

	Base     string // of its API
	Client   *web.Client
	Identity string
	Address  string // where other nodes reach it
}

// Person makes a data folder with new keys and a config for these times of swaps
// (such as "dev:60") and with more lines, and starts the node.
func (s *Stage) Person(ctx context.Context, name, profile string, more ...string) (*Person, error) {
	p := &Person{Name: name, program: s.program, Data: filepath.Join(s.dir, name)}
	if err := os.MkdirAll(p.Data, 0o700); err != nil {
		return nil, fmt.Errorf("%s's folder: %w", name, err)
	}
	mnemonic, err := keys.New()
	if err != nil {
		return nil, err
	}
	p.Words = mnemonic
	password := rand.Text()
	if _, err := keys.Create(filepath.Join(p.Data, keyFile), mnemonic, password, keys.FastUnlock()); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(p.Data, "password"), []byte(password), 0o600); err != nil {
		return nil, fmt.Errorf("%s's password: %w", name, err)
	}
	text, err := s.configText(p, append([]string{"profile: " + profile}, more...))
	if err != nil {
		return nil, err
	}
	p.Config = filepath.Join(p.Data, "config.yaml")
	if err := os.WriteFile(p.Config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("%s's config: %w", name, err)
	}
	s.mu.Lock()
	s.people = append(s.people, p)
	s.mu.Unlock()
	return p, p.Start(ctx)
}

// Lose is a broken disk: everything but the words and the config is gone.
func (p *Person) Lose() error {
	for _, name := range []string{keyFile, tokenFile, addressFile, JournalFile, "photon.db", "photon.db-wal", "photon.db-shm"} {
		if err := os.Remove(filepath.Join(p.Data, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("lose %s: %w", name, err)
		}
	}
	return nil
}

// Photon runs the program with these arguments, and with text as its standard
// input, to its end, and returns what it printed.
func (p *Person) Photon(ctx context.Context, text string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.program, args...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("photon %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// configText is a node's whole config. It holds passwords of chain nodes, so it
// is a file of mode 0600 and nothing of it is on a command line.
func (s *Stage) configText(p *Person, more []string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	outputs := func(host, user, password string) string {
		return (&url.URL{Scheme: "http", Host: host, User: url.UserPassword(user, password)}).String()
	}
	lines := []string{
		"realm: dev", "data: " + p.Data, "listen: 127.0.0.1:0", "fast_unlock: true", "at_once: 100", "poll_millis: 200",
		fmt.Sprintf("peer_listen: [/ip4/127.0.0.1/tcp/%d]", port),
		fmt.Sprintf("btc_rpc: [%q]", outputs(s.Net.BTC.Host, s.Net.BTC.User, s.Net.BTC.Password)), "btc_network: " + s.Net.BTC.Network, "btc_confirmations: 2",
		fmt.Sprintf("ltc_rpc: [%q]", outputs(s.Net.LTC.Host, s.Net.LTC.User, s.Net.LTC.Password)), "ltc_network: " + s.Net.LTC.Network, "ltc_confirmations: 2",
		fmt.Sprintf("eth_rpc: [%q]", s.Net.ETH.HTTP), fmt.Sprintf("eth_chain: %d", s.Net.ETH.ChainID), fmt.Sprintf("eth_contract: %q", s.Locks[contracts.ETH]), "eth_confirmations: 2",
		fmt.Sprintf("smt_rpc: [%q]", s.Net.SMT.HTTP), fmt.Sprintf("smt_chain: %d", s.Net.SMT.ChainID), fmt.Sprintf("smt_contract: %q", s.Locks[contracts.SMT]), "smt_confirmations: 2", "reveal: 10",
		fmt.Sprintf("tokens: [%q, %q]", s.Tokens[contracts.ETH], s.Tokens[contracts.SMT]),
	}
	for name, c := range map[string]contracts.Chain{"eth": contracts.ETH, "smt": contracts.SMT} {
		lines = append(lines, fmt.Sprintf("%s_channels: %q", name, s.Laws[c].Channels), fmt.Sprintf("%s_secrets: %q", name, s.Laws[c].Secrets), name+"_block: 1")
	}
	return strings.Join(append(lines, more...), "\n"), nil
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

// Start runs the node and waits until it serves.
func (p *Person) Start(ctx context.Context) error {
	if err := os.Remove(filepath.Join(p.Data, addressFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget the old address: %w", err)
	}
	var err error
	if p.log, err = os.OpenFile(filepath.Join(p.Data, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("%s's log: %w", p.Name, err)
	}
	p.process = exec.Command(p.program, "node", "--config", p.Config)
	p.process.Stdout, p.process.Stderr, p.process.SysProcAttr = p.log, p.log, dieWithParent()
	if err := p.process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	return p.await(ctx)
}

// awaitWithin is how long a node may take to serve.
const awaitWithin = 90 * time.Second

// await polls until the node is ready, or says why it is not.
func (p *Person) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, awaitWithin)
	defer cancel()
	var last error
	for {
		if last = p.meet(ctx); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not come up: %w; its log ends: %s", p.Name, last, p.lastWords())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// meet asks the node who it is and whether it is ready.
func (p *Person) meet(ctx context.Context) error {
	base, err := os.ReadFile(filepath.Join(p.Data, addressFile))
	if err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(p.Data, tokenFile))
	if err != nil {
		return err
	}
	p.Base = strings.TrimSpace(string(base))
	if p.Client, err = web.NewClient(p.Base, strings.TrimSpace(string(token))); err != nil {
		return err
	}
	if err := p.Client.Ready(ctx); err != nil {
		return err
	}
	info, err := p.Client.Info(ctx)
	if err != nil {
		return err
	}
	if len(info.Addresses) == 0 {
		return errors.New("it listens nowhere")
	}
	p.Identity, p.Address = info.Identity, info.Addresses[0]
	return nil
}

// lastWords is the end of the node's log.
func (p *Person) lastWords() string {
	raw, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-2000):])
}

// Running reports whether the node was started and neither killed nor stopped.
func (p *Person) Running() bool { return p.process != nil }

// Kill is SIGKILL: the node has no time for anything.
func (p *Person) Kill() { p.end(syscall.SIGKILL) }

// Stop asks the node to end, and waits.
func (p *Person) Stop() { p.end(syscall.SIGTERM) }

func (p *Person) end(s syscall.Signal) {
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
