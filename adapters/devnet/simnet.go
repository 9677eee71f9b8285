package devnet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/btcsuite/btcd/address/v2"
	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
	ltcparams "github.com/ltcsuite/ltcd/chaincfg"
	"github.com/ltcsuite/ltcd/ltcutil"
	ltcscript "github.com/ltcsuite/ltcd/txscript"
	"golang.org/x/crypto/scrypt"
)

const (
	rpcUser     = "devnet"
	rpcPassword = "devnet"

	// premined blocks: soft forks are active from 300 on simnet, and the coins of
	// the first 350 are ripe.
	premined = 450
	// halving is the number of blocks after which the reward halves on simnet.
	halving = 210_000
	// medianOf is how many blocks median time past looks at.
	medianOf = 11
	// ahead is how far a block may be before the wall clock, in seconds.
	ahead = 2 * 60 * 60
)

// A simnet is btcd or ltcd. Blocks are made here and not by the node's own
// `generate`, because it can neither choose a block's time nor pay an address it
// was not started with, and because ltcd cannot invalidate a block: a branch of
// ours is a true reorganisation on both.
//
// On time: `generate` stamps blocks with the wall clock, but a block must be
// later than the median of the eleven before it, so 450 blocks in a row drive
// the median 75 seconds ahead. The blocks mined at the start are therefore
// stamped one second apart and end at the wall clock; the median is five seconds
// behind it then, and stays behind as long as blocks are not made faster than
// six a second.
type simnet struct {
	endpoint
	key    *btcec.PrivateKey
	script []byte                               // pays key, P2WPKH
	pay    func(address string) ([]byte, error) // an address's script
	work   func(header []byte) ([32]byte, error)
	coins  []coin
	made   int64    // blocks built
	past   []string // every block submitted, in hex
	paid   []string // every payment made, in hex
}

func startBTC(ctx context.Context, cfg Config, n *Net) (*running, error) {
	return startSimnet(ctx, cfg, "btcd", &n.BTC, &simnet{
		pay: func(s string) ([]byte, error) {
			a, err := address.DecodeAddress(s, &chaincfg.SimNetParams)
			if err != nil {
				return nil, err
			}
			if !a.IsForNet(&chaincfg.SimNetParams) {
				return nil, fmt.Errorf("of another network")
			}
			return txscript.PayToAddrScript(a)
		},
		work: func(h []byte) ([32]byte, error) {
			once := sha256.Sum256(h)
			return sha256.Sum256(once[:]), nil
		},
	})
}

func startLTC(ctx context.Context, cfg Config, n *Net) (*running, error) {
	if path, err := exec.LookPath("litecoind"); err == nil && !cfg.Ltcd {
		return startLitecoind(ctx, cfg, path, &n.LTC)
	}
	return startSimnet(ctx, cfg, "ltcd", &n.LTC, &simnet{
		pay: func(s string) ([]byte, error) {
			a, err := ltcutil.DecodeAddress(s, &ltcparams.SimNetParams)
			if err != nil {
				return nil, err
			}
			if !a.IsForNet(&ltcparams.SimNetParams) {
				return nil, fmt.Errorf("of another network")
			}
			return ltcscript.PayToAddrScript(a)
		},
		work: func(h []byte) (hash [32]byte, err error) {
			raw, err := scrypt.Key(h, h, 1024, 1, 1, 32)
			copy(hash[:], raw)
			return hash, err
		},
	})
}

// startSimnet starts btcd or ltcd, which take the same flags.
func startSimnet(ctx context.Context, cfg Config, name string, to *UTXO, s *simnet) (*running, error) {
	path, err := cfg.program(ctx, name)
	if err != nil {
		return nil, err
	}
	dir, err := cfg.folder(name)
	if err != nil {
		return nil, err
	}
	seed := sha256.Sum256([]byte("photon devnet miner of " + name))
	s.key, _ = btcec.PrivKeyFromBytes(seed[:])
	own, err := address.NewAddressWitnessPubKeyHash(address.Hash160(s.key.PubKey().SerializeCompressed()), &chaincfg.SimNetParams)
	if err != nil {
		return nil, fmt.Errorf("miner's address: %w", err)
	}
	if s.script, err = txscript.PayToAddrScript(own); err != nil {
		return nil, fmt.Errorf("miner's address: %w", err)
	}
	p, _, err := launch(ctx, 2, func(ports []int) (*process, node) {
		host := fmt.Sprintf("127.0.0.1:%d", ports[0])
		*to = UTXO{Host: host, URL: "http://" + host, User: rpcUser, Password: rpcPassword, Network: "simnet"}
		s.endpoint = newEndpoint(to.URL, rpcUser, rpcPassword)
		return &process{path: path, log: filepath.Join(dir, name+".log"), args: []string{
			"--simnet", "--txindex", "--addrindex", "--notls", "--nodnsseed",
			"--rejectnonstd", // else the mempool takes a refund before its time
			"--rpclisten=" + host, fmt.Sprintf("--listen=127.0.0.1:%d", ports[1]),
			"--rpcuser=" + rpcUser, "--rpcpass=" + rpcPassword, "--rpcmaxclients=200", "--rpcmaxwebsockets=200",
			"--datadir=" + dir, "--logdir=" + filepath.Join(dir, "logs"),
			"--configfile=" + filepath.Join(dir, "none.conf"),
		}}, s
	})
	if err != nil {
		return nil, err
	}
	r := &running{node: s, process: p}
	for i := range int64(premined) {
		if err := s.mineAt(ctx, time.Now().Unix()-premined+i+1); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (s *simnet) ready(ctx context.Context) error {
	_, err := s.height(ctx)
	return err
}

func (s *simnet) height(ctx context.Context) (h uint64, err error) {
	err = s.call(ctx, &h, "getblockcount")
	return h, err
}

// revive submits every block again, as peers would: btcd and ltcd keep up to
// five minutes of blocks in memory, and lose them when killed. Then it sends our
// own payments again, because later ones spend their change.
func (s *simnet) revive(ctx context.Context) error {
	for _, raw := range s.past {
		reason, err := s.offer(ctx, raw)
		if err != nil {
			return err
		}
		if reason != "" && !strings.Contains(reason, "already have") {
			return fmt.Errorf("submitblock: %w: %s", ErrRPC, reason)
		}
	}
	for _, raw := range s.paid {
		if err := s.call(ctx, nil, "sendrawtransaction", raw); err != nil && !errors.As(err, new(refusal)) {
			return err // one that is mined is refused
		}
	}
	return nil
}

func (s *simnet) mine(ctx context.Context, n int) error {
	for range n {
		if err := s.mineAt(ctx, time.Now().Unix()); err != nil {
			return err
		}
	}
	return nil
}

// mineAt makes the next block, stamped at unix second at or as soon after as the
// rules allow.
func (s *simnet) mineAt(ctx context.Context, at int64) error {
	t, err := s.next(ctx)
	if err != nil {
		return err
	}
	return s.add(ctx, t, at)
}

// next asks what the next block is to be made of.
func (s *simnet) next(ctx context.Context) (t template, err error) {
	err = s.call(ctx, &t, "getblocktemplate", map[string]any{
		"capabilities": []string{"coinbasevalue"}, "rules": []string{"segwit"}})
	return t, err
}

// add builds a block, submits it, and remembers its reward.
func (s *simnet) add(ctx context.Context, t template, at int64) error {
	b, err := s.block(ctx, t, at)
	if err != nil {
		return err
	}
	if err := s.submit(ctx, b); err != nil {
		return err
	}
	out := wire.OutPoint{Hash: b.Transactions[0].TxHash()}
	s.coins = append(s.coins, coin{out, t.Value, uint64(t.Height)})
	return nil
}

// setTime needs six blocks: the median of eleven is then one of them. A time
// lock is open when the median is after it.
func (s *simnet) setTime(ctx context.Context, t int64) error {
	if most := time.Now().Unix() + ahead - 60; t+1 > most {
		return fmt.Errorf("%w: %d is more than two hours ahead, the most is %d", ErrTime, t, most)
	}
	if n, err := s.next(ctx); err != nil || n.MinTime-1 > t {
		return err
	}
	for range medianOf/2 + 1 {
		if err := s.mineAt(ctx, t+1); err != nil {
			return err
		}
	}
	return nil
}

// reorg grows a branch from below the newest blocks that is one longer than
// they are.
func (s *simnet) reorg(ctx context.Context, depth int) error {
	top, err := s.height(ctx)
	if err != nil {
		return err
	}
	fork := top - uint64(depth)
	var parent string
	if err := s.call(ctx, &parent, "getblockhash", fork); err != nil {
		return err
	}
	median, err := s.median(ctx, parent)
	if err != nil {
		return err
	}
	s.forget(fork)
	at := time.Now().Unix()
	for h := fork + 1; h <= top+1; h++ {
		b, err := s.block(ctx, template{
			Version: 0x20000000, Parent: parent, Bits: "207fffff", Height: int64(h),
			Value: 50e8 >> (h / halving), MinTime: median + int64(h-fork),
		}, at)
		if err != nil {
			return err
		}
		if err := s.submit(ctx, b); err != nil {
			return err
		}
		parent = b.Header.BlockHash().String()
		s.coins = append(s.coins, coin{wire.OutPoint{Hash: b.Transactions[0].TxHash()}, b.Transactions[0].TxOut[0].Value, h})
	}
	return nil
}

// forget drops rewards of blocks above height, which are being replaced.
func (s *simnet) forget(height uint64) {
	kept := s.coins[:0]
	for _, c := range s.coins {
		if c.height <= height {
			kept = append(kept, c)
		}
	}
	s.coins = kept
}

// median is the latest time among a block and the ten before it: not before
// their median, so a second later is late enough.
func (s *simnet) median(ctx context.Context, hash string) (latest int64, err error) {
	for range medianOf {
		var h struct {
			Time   int64  `json:"time"`
			Parent string `json:"previousblockhash"`
		}
		if err := s.call(ctx, &h, "getblockheader", hash, true); err != nil {
			return 0, err
		}
		if latest, hash = max(latest, h.Time), h.Parent; hash == "" {
			break
		}
	}
	return latest, nil
}
