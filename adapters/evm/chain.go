package evm

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"photon/contracts"
	"photon/swap/trade"
)

// Why a Chain refuses or cannot answer. Each is wrapped with the figures.
var (
	ErrConfig   = errors.New("config of an EVM chain")
	ErrDown     = errors.New("no endpoint answers")
	ErrNetwork  = errors.New("endpoint of another network")
	ErrCode     = errors.New("not the code of our contract")
	ErrHead     = errors.New("head that cannot be believed")
	ErrForked   = errors.New("chain changed while it was read")
	ErrAnswer   = errors.New("answer that cannot be read")
	ErrRefused  = errors.New("refused by the chain")
	ErrLeg      = errors.New("not a leg of this chain")
	ErrDear     = errors.New("costs more than is at stake")
	ErrDisagree = errors.New("endpoints do not see the same lock")
)

// A Config is all that a Chain can be told.
type Config struct {
	Chain     contracts.Chain   // ETH or SMT
	ChainID   uint64            // EIP-155
	Endpoints []string          // URLs of JSON-RPC (http, https, ws, wss), most trusted first
	Contract  contracts.Address // HashLock; zero while there is none, and then only the wallet works
	Channels  contracts.Address // Channels; zero while there is none
	Registry  contracts.Address // SecretRegistry that dates secrets for Channels
	Key       *ecdsa.PrivateKey // of the account that pays and is paid
	Poll      time.Duration     // between two questions for a new head; 0: one second
	Policy    Policy            // what is particular to the chain
	Depth     uint64            // confirmations until an event of Channels is told; 0: the policy's
	LogRange  uint64            // most blocks in one question for logs; 0: 2,000
	Log       *slog.Logger      // nil: no log
}

// A Policy is what is particular to one chain.
type Policy struct {
	Depth uint64        // confirmations that are asked for by default
	Block time.Duration // usual time between two blocks

	// Price asks what gas costs now.
	Price func(ctx context.Context, ask Ask) (Price, error)
}

// An Ask puts one question of JSON-RPC to the endpoints and returns the first
// answer. Errors: ErrDown, ErrRefused.
type Ask func(ctx context.Context, method string, args ...any) (json.RawMessage, error)

// A Chain is one EVM chain and our one account on it. It may be used by many
// goroutines; only one may Follow.
type Chain struct {
	cfg     Config
	account contracts.Address
	log     *slog.Logger
	pool    *pool
	now     func() time.Time

	turn   chan struct{} // held by whoever prepares a transaction
	lane   lane
	prices prices

	wake chan struct{} // Follow has something to say without a new head
	page uint64        // blocks in one question for logs; only Follow's goroutine uses it

	swaps, channels stem

	mu       sync.Mutex // guards what is below, and the stems
	book     book
	decimals map[contracts.Address]int
}

// New returns the chain that cfg describes. It asks nothing yet: an endpoint
// that is down is waited for. Errors: ErrConfig.
func New(cfg Config) (*Chain, error) {
	bad := func(format string, args ...any) (*Chain, error) {
		return nil, fmt.Errorf("%w: %s: %s", ErrConfig, cfg.Chain, fmt.Sprintf(format, args...))
	}
	if !cfg.Chain.EVM() {
		return bad("not an EVM chain")
	}
	if cfg.ChainID == 0 || cfg.Key == nil || len(cfg.Endpoints) == 0 || cfg.Policy.Price == nil {
		return bad("chain id, key, endpoints and price policy are all required")
	}
	if (cfg.Channels == contracts.Address{}) != (cfg.Registry == contracts.Address{}) {
		return bad("Channels at %s with SecretRegistry at %s: there are both or none", cfg.Channels, cfg.Registry)
	}
	if cfg.Depth == 0 {
		cfg.Depth = max(1, cfg.Policy.Depth)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.LogRange == 0 {
		cfg.LogRange = 2000
	}
	p, err := newPool(cfg)
	if err != nil {
		return bad("%v", err)
	}
	return &Chain{
		cfg: cfg, pool: p, page: cfg.LogRange, now: time.Now,
		account:  crypto.PubkeyToAddress(cfg.Key.PublicKey),
		log:      cfg.Log.With("chain", cfg.Chain),
		turn:     make(chan struct{}, 1),
		wake:     make(chan struct{}, 1),
		lane:     lane{held: map[uint64]*slot{}},
		book:     newBook(),
		swaps:    stem{leader: -1},
		channels: stem{leader: -1},
		decimals: map[contracts.Address]int{},
	}, nil
}

// Close gives back the connections.
func (c *Chain) Close() { c.pool.close() }

// Check asks every endpoint whether it is of our network and holds our contracts, so
// that a wrong config is found at the start. Endpoints that do not answer are
// passed over, unless none answers. Errors: ErrNetwork, ErrCode, ErrDown.
func (c *Chain) Check(ctx context.Context) error {
	var down []error
	for _, e := range c.pool.all {
		err := e.prove(ctx)
		if errors.Is(err, ErrNetwork) || errors.Is(err, ErrCode) {
			return err
		}
		if err != nil {
			down = append(down, err)
		}
	}
	if len(down) == len(c.pool.all) {
		return fmt.Errorf("%w: %w", ErrDown, errors.Join(down...))
	}
	return nil
}

// Depth is the confirmations that are asked for on this chain by default.
func (c *Chain) Depth() uint64 { return c.cfg.Policy.Depth }

// Account is our address.
func (c *Chain) Account() contracts.Address { return c.account }

// Contract is the HashLock that we use.
func (c *Chain) Contract() contracts.Address { return c.cfg.Contract }

// Party is our account, whatever the trade's number.
func (c *Chain) Party(context.Context, uint64) (contracts.Party, error) {
	return contracts.Party(c.account.Bytes()), nil
}

// Head returns the newest block: Follow's when it runs, otherwise the
// endpoints'. Errors: ErrDown, ErrHead.
func (c *Chain) Head(ctx context.Context) (trade.Head, error) {
	h, err := c.newest(ctx, &c.swaps)
	if err != nil {
		return trade.Head{}, err
	}
	return h.head(), nil
}

// newest is the tip of a stem while it is followed, otherwise the endpoints' word.
func (c *Chain) newest(ctx context.Context, s *stem) (header, error) {
	if !s.following.TryLock() {
		c.mu.Lock()
		tip, ok := s.branch.tip()
		c.mu.Unlock()
		if ok {
			return tip, nil
		}
	} else {
		s.following.Unlock()
	}
	h, by, err := c.latest(ctx)
	if err != nil {
		return header{}, err
	}
	return h, c.believe(ctx, h, by)
}

// poke makes Follow look again without waiting for its time.
func (c *Chain) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// head is h as the trade knows it.
func (h header) head() trade.Head {
	return trade.Head{Height: h.Number, Hash: contracts.Hash(h.Hash), Time: h.Time}
}

func hash(h contracts.Hash) common.Hash { return common.Hash(h) }
