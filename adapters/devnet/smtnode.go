package devnet

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// smtChainID is Spectrum's own, because contracts and signatures contain it.
const smtChainID = 20180430

// startSMT starts smtnode and the strict proxy before it. Clients get the
// proxy's address only; the node itself is asked for blocks.
func startSMT(ctx context.Context, cfg Config, n *Net) (*running, error) {
	path, err := cfg.program(ctx, "smtnode")
	if err != nil {
		return nil, err
	}
	dir, err := cfg.folder("smtnode")
	if err != nil {
		return nil, err
	}
	w, err := newAccount("SMT", smtChainID)
	if err != nil {
		return nil, err
	}
	signer, err := newAccount("SMT's producer", smtChainID)
	if err != nil {
		return nil, err
	}
	g := &evm{account: w, producer: signer.address}
	began := time.Now().Unix() - 60
	p, _, err := launch(ctx, 1, func(ports []int) (*process, node) {
		g.endpoint = newEndpoint(fmt.Sprintf("http://127.0.0.1:%d", ports[0]), "", "")
		g.seal = g.produce
		return &process{path: path, log: filepath.Join(dir, "smtnode.log"), args: []string{
			"-datadir", dir, "-port", fmt.Sprint(ports[0]), "-began", fmt.Sprint(began),
			"-rich", w.address.Hex(), "-balance", richBalance, "-signer", signer.hex,
		}}, g
	})
	if err != nil {
		return nil, err
	}
	r := &running{node: g, process: p}
	url, end, err := serveStrict(g.endpoint.url, g.producer)
	if err != nil {
		return r, err
	}
	r.after = end
	n.SMT = EVM{HTTP: url, ChainID: smtChainID, Key: w.hex}
	return r, g.mine(ctx, 1)
}

// produce makes one block of what waits in the pool, stamped at unix second at.
func (g *evm) produce(ctx context.Context, at int64, empty bool) error {
	return g.call(ctx, nil, "dev_mine", hexutil.Uint64(at), empty)
}
