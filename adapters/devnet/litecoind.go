package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"photon/contracts"
)

const (
	// Litecoin Core's regtest activates MWEB at mwebHeight, in a block that cannot
	// be made before something was pegged in, and makes CLTV a rule at cltvHeight.
	mwebHeight = 432
	cltvHeight = 1351
)

// A litecoind is Litecoin Core on regtest. Its wallet owns the miner's coins.
//
// On time: regtest's own miner stamps blocks as btcd's does, so 1361 at once
// drive the median four minutes ahead. They are made under a mock clock that
// much behind, which ends when they are made.
type litecoind struct {
	endpoint
	to    string // the miner's address
	ahead int64  // seconds that the node's clock is before the wall; 0: not mocked
}

func startLitecoind(ctx context.Context, cfg Config, path string, to *UTXO) (*running, error) {
	dir, err := cfg.folder("litecoind")
	if err != nil {
		return nil, err
	}
	l := &litecoind{}
	p, _, err := launch(ctx, 1, func(ports []int) (*process, node) {
		host := fmt.Sprintf("127.0.0.1:%d", ports[0])
		*to = UTXO{Host: host, URL: "http://" + host, User: rpcUser, Password: rpcPassword, Network: "regtest", Core: true}
		l.endpoint = newEndpoint(to.URL, rpcUser, rpcPassword)
		return &process{path: path, log: filepath.Join(dir, "litecoind.log"), args: []string{
			"-regtest", "-datadir=" + dir, "-server", "-listen=0", "-dnsseed=0", "-txindex=1", "-fallbackfee=0.0001",
			"-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", fmt.Sprintf("-rpcport=%d", ports[0]),
			"-rpcuser=" + rpcUser, "-rpcpassword=" + rpcPassword, "-rpcworkqueue=256",
			"-printtoconsole=1", "-dbcache=32", "-keypool=10",
		}}, l
	})
	if err != nil {
		return nil, err
	}
	return &running{node: l, process: p}, l.prepare(ctx)
}

// prepare makes wallets and mines past every soft fork.
func (l *litecoind) prepare(ctx context.Context) error {
	const blocks = cltvHeight + 10
	var veiled, other string
	behind := time.Now().Unix() - blocks/6 - medianOf
	for _, step := range []func() error{
		// The coin pegged in belongs to a wallet of its own, which is put away:
		// else the miner's payments might come out of MWEB. It also takes the
		// rewards of most blocks, so that the miner's wallet stays quick.
		func() error { return l.call(ctx, nil, "createwallet", "other") },
		func() error { return l.call(ctx, &veiled, "getnewaddress", "", "mweb") },
		func() error { return l.call(ctx, &other, "getnewaddress", "", "bech32") },
		func() error { return l.call(ctx, nil, "unloadwallet", "other") },
		func() error { return l.call(ctx, nil, "createwallet", "miner", false, false, "", false, false, true) },
		func() error { return l.call(ctx, &l.to, "getnewaddress", "", "bech32") },
		func() error { return l.call(ctx, nil, "setmocktime", behind) },
		func() error { return l.generate(ctx, 300, l.to) },
		func() error { return l.generate(ctx, mwebHeight-1-300, other) },
		func() error { return l.call(ctx, nil, "sendtoaddress", veiled, 1) },
		func() error { return l.generate(ctx, blocks-mwebHeight+1, other) },
		func() error { return l.call(ctx, nil, "setmocktime", 0) },
		func() error { return l.keep(ctx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *litecoind) generate(ctx context.Context, n int, to string) error {
	return l.call(ctx, nil, "generatetoaddress", n, to)
}

// keep makes the node write what it holds in memory, as this question does by
// the way: else kill -9 would lose every block since the start.
func (l *litecoind) keep(ctx context.Context) error { return l.call(ctx, nil, "gettxoutsetinfo") }

func (l *litecoind) ready(ctx context.Context) error {
	_, err := l.height(ctx)
	return err
}

func (l *litecoind) height(ctx context.Context) (h uint64, err error) {
	err = l.call(ctx, &h, "getblockcount")
	return h, err
}

// clock moves a mocked clock on, which stands still by itself.
func (l *litecoind) clock(ctx context.Context) error {
	if l.ahead == 0 {
		return nil
	}
	return l.call(ctx, nil, "setmocktime", time.Now().Unix()+l.ahead)
}

func (l *litecoind) mine(ctx context.Context, n int) error {
	return errors.Join(l.clock(ctx), l.generate(ctx, n, l.to), l.keep(ctx))
}

// fund pays from the miner's wallet; people may have others at the node.
func (l *litecoind) fund(ctx context.Context, address string, amount contracts.Amount) (id string, err error) {
	miner := l.endpoint
	miner.url += "/wallet/miner"
	err = miner.call(ctx, &id, "sendtoaddress", address, json.Number(amount.Decimal(contracts.LTC.Decimals())))
	var r refusal
	if errors.As(err, &r) && (r.Code == -6 || r.Code == -3) { // short; not an amount
		return "", fmt.Errorf("%w: %w", ErrFunds, err)
	}
	return id, err
}

func (l *litecoind) reorg(ctx context.Context, depth int) error {
	top, err := l.height(ctx)
	if err != nil {
		return err
	}
	var old string
	if err := l.call(ctx, &old, "getblockhash", top-uint64(depth)+1); err != nil {
		return err
	}
	if err := errors.Join(l.clock(ctx), l.call(ctx, nil, "invalidateblock", old)); err != nil {
		return err
	}
	var waiting []string
	if err := l.call(ctx, &waiting, "getrawmempool"); err != nil {
		return err
	}
	// generateblock could make an empty block, but not one that MWEB accepts. So
	// what waits is worth less than nothing to the miner for a while.
	if err := l.weigh(ctx, waiting, -worthless); err != nil {
		return err
	}
	return errors.Join(l.generate(ctx, depth+1, l.to), l.weigh(ctx, waiting, worthless), l.keep(ctx))
}

// worthless is more than any fee, in litoshi.
const worthless = 1e12

// weigh adds to what the miner believes transactions pay.
func (l *litecoind) weigh(ctx context.Context, ids []string, litoshi int64) error {
	for _, id := range ids {
		if err := l.call(ctx, nil, "prioritisetransaction", id, 0, litoshi); err != nil {
			return err
		}
	}
	return nil
}

// revive mocks the clock again.
func (l *litecoind) revive(ctx context.Context) error { return l.clock(ctx) }

// setTime moves the node's clock, unless it is there, and makes the six blocks
// that take the median along.
func (l *litecoind) setTime(ctx context.Context, t int64) error {
	var q struct {
		MedianTime int64 `json:"mediantime"`
	}
	if err := l.call(ctx, &q, "getblockchaininfo"); err != nil || q.MedianTime > t {
		return err
	}
	l.ahead = max(l.ahead, t+1-time.Now().Unix(), 0)
	return l.mine(ctx, medianOf/2+1)
}
