package devnet

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"
)

// ethChainID is what wallets know as a local chain.
const ethChainID = 1337

// startETH starts geth on a genesis of ours. It is not geth's `--dev`: there the
// node decides when a block is made and which forks are on. Here geth waits to
// be told, through its `testing` calls, as it waits for a beacon node on the main
// network.
func startETH(ctx context.Context, cfg Config, n *Net) (*running, error) {
	path, err := cfg.program(ctx, "geth")
	if err != nil {
		return nil, err
	}
	dir, err := cfg.folder("geth")
	if err != nil {
		return nil, err
	}
	w, err := newAccount("ETH", ethChainID)
	if err != nil {
		return nil, err
	}
	config, err := gethFiles(ctx, path, dir, w.address.Hex())
	if err != nil {
		return nil, err
	}
	g := &evm{account: w}
	p, _, err := launch(ctx, 2, func(ports []int) (*process, node) {
		host := fmt.Sprintf("127.0.0.1:%d", ports[0])
		n.ETH = EVM{HTTP: "http://" + host, WS: "ws://" + host, ChainID: ethChainID, Key: w.hex}
		g.endpoint = newEndpoint(n.ETH.HTTP, "", "")
		g.seal = g.commit
		port := fmt.Sprint(ports[0])
		return &process{path: path, log: filepath.Join(dir, "geth.log"), args: []string{
			"--config", config, "--datadir", dir, "--networkid", fmt.Sprint(ethChainID),
			"--nodiscover", "--maxpeers", "0", "--nat", "none", "--ipcdisable",
			// Every block's state is written, so that the chain can be set back to any
			// block; and by leveldb, because pebble keeps the newest blocks in memory
			// and kill -9 would lose them.
			"--syncmode", "full", "--gcmode", "archive", "--state.scheme", "hash", "--db.engine", "leveldb",
			"--cache", "128",
			"--http", "--http.addr", "127.0.0.1", "--http.port", port, "--http.api", "eth,net,web3,txpool,debug,testing",
			"--ws", "--ws.addr", "127.0.0.1", "--ws.port", port, "--ws.api", "eth,net,web3",
			"--authrpc.addr", "127.0.0.1", "--authrpc.port", fmt.Sprint(ports[1]),
			"--rpc.txfeecap", "0", "--verbosity", "3",
		}}, g
	})
	if err != nil {
		return nil, err
	}
	r := &running{node: g, process: p}
	return r, g.mine(ctx, 1) // a chain with nothing but its genesis confuses clients
}

// gethFiles writes the genesis and the config file, and makes the database.
func gethFiles(ctx context.Context, path, dir, rich string) (config string, err error) {
	genesis, err := json.Marshal(ethGenesis(rich, time.Now().Unix()-60))
	if err != nil {
		return "", fmt.Errorf("genesis: %w", err)
	}
	file := filepath.Join(dir, "genesis.json")
	if err := os.WriteFile(file, genesis, 0o600); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNode, err)
	}
	// Without this geth listens for peers on every interface; no flag says so.
	config = filepath.Join(dir, "geth.toml")
	if err := os.WriteFile(config, []byte("[Node.P2P]\nListenAddr = \"\"\nNoDiscovery = true\n"), 0o600); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNode, err)
	}
	out, err := exec.CommandContext(ctx, path, "init", "--datadir", dir, "--state.scheme", "hash", "--db.engine", "leveldb", file).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: geth init: %w: %s", ErrNode, err, out[max(0, len(out)-500):])
	}
	return config, nil
}

// ethGenesis is a chain with the forks that the main network has, Osaka and its
// blob schedule the last, and one rich account.
func ethGenesis(rich string, at int64) map[string]any {
	forks := map[string]any{
		"chainId": ethChainID, "terminalTotalDifficulty": 0,
		"shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0, "bpo1Time": 0, "bpo2Time": 0,
		"depositContractAddress": "0x00000000219ab540356cBB839Cbe05303d7705Fa",
		"blobSchedule": map[string]any{
			"cancun": blobs(3, 6, 3338477), "prague": blobs(6, 9, 5007716), "osaka": blobs(6, 9, 5007716),
			"bpo1": blobs(10, 15, 8346193), "bpo2": blobs(14, 21, 11684671),
		},
	}
	for _, f := range []string{"homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg",
		"istanbul", "muirGlacier", "berlin", "london", "arrowGlacier", "grayGlacier", "mergeNetsplit"} {
		forks[f+"Block"] = 0
	}
	return map[string]any{
		"config": forks, "timestamp": hexutil.Uint64(at), "gasLimit": hexutil.Uint64(30_000_000),
		"difficulty": "0x0", "baseFeePerGas": hexutil.Uint64(1_000_000_000), "extraData": "0x",
		"alloc": map[string]any{
			rich: map[string]string{"balance": "0x" + richBalance},
			// Contracts that every block calls since Cancun and Prague.
			params.BeaconRootsAddress.Hex():        systemContract(params.BeaconRootsCode),
			params.HistoryStorageAddress.Hex():     systemContract(params.HistoryStorageCode),
			params.WithdrawalQueueAddress.Hex():    systemContract(params.WithdrawalQueueCode),
			params.ConsolidationQueueAddress.Hex(): systemContract(params.ConsolidationQueueCode),
		},
	}
}

func systemContract(code []byte) map[string]any {
	return map[string]any{"balance": "0x0", "nonce": "0x1", "code": hexutil.Encode(code)}
}

func blobs(target, most, fraction int) map[string]int {
	return map[string]int{"target": target, "max": most, "baseFeeUpdateFraction": fraction}
}

// commit makes one block of what waits in the pool, stamped at unix second at.
func (g *evm) commit(ctx context.Context, at int64, empty bool) error {
	attributes := map[string]any{
		"timestamp": hexutil.Uint64(at), "prevRandao": hash32(at), "parentBeaconBlockRoot": hash32(at + 1),
		"suggestedFeeRecipient": "0x00000000000000000000000000000000000000fe", "withdrawals": []any{},
	}
	if empty {
		return g.call(ctx, nil, "testing_commitBlockV1", attributes, []string{})
	}
	return g.call(ctx, nil, "testing_commitBlockV1", attributes)
}

// hash32 spells a number as a 32-byte hash.
func hash32(n int64) string { return fmt.Sprintf("0x%064x", n) }
