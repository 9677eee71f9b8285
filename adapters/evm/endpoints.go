package evm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// answerTime is how long one endpoint may take for one request.
const answerTime = 15 * time.Second

// batchSize is how many questions go into one request.
const batchSize = 100

// restMin and restMax bound how long an endpoint that failed is passed over
// while another answers.
const (
	restMin = time.Second
	restMax = time.Minute
)

// A pool is the endpoints of one chain. One of them is asked until it fails.
type pool struct {
	all []*endpoint
	mu  sync.Mutex
	at  int // asked first
}

// An endpoint is one URL. Its errors name the host only, because paths often
// hold a key.
type endpoint struct {
	url     string
	host    string
	chainID uint64
	proofs  []proof

	mu     sync.Mutex
	client *rpc.Client
	proven bool      // its network and contracts are the right ones
	fails  int       // in a row
	until  time.Time // passed over before
}

// A question is one call of JSON-RPC and, after it was asked, its answer.
type question struct {
	method string
	args   []any
	answer json.RawMessage
	err    error
}

func newPool(cfg Config) (*pool, error) {
	p := &pool{}
	for _, raw := range cfg.Endpoints {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return nil, errors.New("an endpoint is not a URL")
		}
		switch u.Scheme {
		case "http", "https", "ws", "wss":
		default:
			return nil, fmt.Errorf("endpoint %s is not http, https, ws or wss", u.Host)
		}
		p.all = append(p.all, &endpoint{url: raw, host: u.Host, chainID: cfg.ChainID, proofs: proofs(cfg)})
	}
	return p, nil
}

func (p *pool) close() {
	for _, e := range p.all {
		e.mu.Lock()
		if e.client != nil {
			e.client.Close()
		}
		e.client, e.proven = nil, false
		e.mu.Unlock()
	}
}

// order lists the endpoints as they should be asked: those that rest come last.
func (p *pool) order(now time.Time) []int {
	p.mu.Lock()
	at := p.at
	p.mu.Unlock()
	var ready, resting []int
	for i := range p.all {
		n := (at + i) % len(p.all)
		if p.all[n].resting(now) {
			resting = append(resting, n)
		} else {
			ready = append(ready, n)
		}
	}
	return append(ready, resting...)
}

// after lists the endpoints as they should be asked for what was told by n: it
// comes last of those that do not rest.
func (p *pool) after(n int, now time.Time) []int {
	var ready, resting []int
	for k := range p.all {
		i := (n + 1 + k) % len(p.all)
		if p.all[i].resting(now) {
			resting = append(resting, i)
		} else {
			ready = append(ready, i)
		}
	}
	return append(ready, resting...)
}

// pass goes on to the endpoint after n, when n is the one in use.
func (p *pool) pass(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == n {
		p.at = (n + 1) % len(p.all)
	}
}

// use asks endpoint n first from now on.
func (p *pool) use(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = n
}

// ask puts all questions to one endpoint, and to the next when one of them is
// not answered there. It returns which endpoint answered. A refusal that the
// next endpoint would repeat is an answer: it stands in the question's err.
// Errors: ErrDown, ErrRefused.
func (p *pool) ask(ctx context.Context, qs ...*question) (by int, err error) {
	var failed []error
	for _, n := range p.order(time.Now()) {
		err := p.all[n].ask(ctx, qs)
		if err == nil {
			p.use(n)
			return n, nil
		}
		if ctx.Err() != nil {
			return -1, ctx.Err()
		}
		failed = append(failed, err)
	}
	return -1, fmt.Errorf("%w: %w", reason(failed), errors.Join(failed...))
}

// reason is ErrRefused when every endpoint answered, with an error that we do not
// know, and ErrDown otherwise.
func reason(failed []error) error {
	for _, err := range failed {
		var said rpc.Error
		if !errors.As(err, &said) {
			return ErrDown
		}
	}
	return ErrRefused
}

// one asks one question. Errors: ErrDown, ErrRefused and what [refusal] says.
func (p *pool) one(ctx context.Context, method string, args ...any) (json.RawMessage, error) {
	q := &question{method: method, args: args}
	if _, err := p.ask(ctx, q); err != nil {
		return nil, err
	}
	return q.answer, q.err
}

func (e *endpoint) resting(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return now.Before(e.until)
}

// ask proves the endpoint if need be and asks it all questions.
func (e *endpoint) ask(ctx context.Context, qs []*question) error {
	err := e.prove(ctx)
	if err == nil {
		err = e.put(ctx, qs)
	}
	if ctx.Err() != nil {
		return err // we gave up, not the endpoint
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.fails = 0
		e.until = time.Time{}
		return nil
	}
	e.until = time.Now().Add(min(restMin<<min(e.fails, 10), restMax))
	e.fails++
	return err
}

// questions is ask, as an [asker].
func (e *endpoint) questions(ctx context.Context, qs ...*question) error { return e.ask(ctx, qs) }

// put sends the questions, many in one request.
func (e *endpoint) put(ctx context.Context, qs []*question) error {
	client, err := e.dial(ctx)
	if err != nil {
		return err
	}
	for len(qs) > 0 {
		n := min(len(qs), batchSize)
		if err := e.send(ctx, client, qs[:n]); err != nil {
			return err
		}
		qs = qs[n:]
	}
	return nil
}

func (e *endpoint) send(ctx context.Context, client *rpc.Client, qs []*question) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if len(qs) == 1 {
		q := qs[0]
		q.answer = nil
		q.err = client.CallContext(ctx, &q.answer, q.method, q.args...)
		return e.sort(q)
	}
	batch := make([]rpc.BatchElem, len(qs))
	for i, q := range qs {
		q.answer = nil
		batch[i] = rpc.BatchElem{Method: q.method, Args: q.args, Result: &q.answer}
	}
	if err := client.BatchCallContext(ctx, batch); err != nil {
		return fmt.Errorf("%s: %w", e.host, redact(err))
	}
	for i, q := range qs {
		q.err = batch[i].Error
		if err := e.sort(q); err != nil {
			return err
		}
	}
	return nil
}

// sort decides whether a question was answered. An error that another endpoint
// may not have is the endpoint's failure.
func (e *endpoint) sort(q *question) error {
	if q.err == nil {
		return nil
	}
	k := classify(q.err)
	q.err = redact(q.err)
	if k == failure {
		return fmt.Errorf("%s: %s: %w", e.host, q.method, q.err)
	}
	q.err = refusal{k, q.method, q.err}
	return nil
}

func (e *endpoint) dial(ctx context.Context) (*rpc.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.client != nil {
		return e.client, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client, err := rpc.DialOptions(ctx, e.url, rpc.WithHTTPClient(&http.Client{Timeout: answerTime, Transport: bounded{}}))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.host, redact(err))
	}
	e.client = client
	return client, nil
}

// answerMax is how many bytes of one answer are read.
const answerMax = 64 << 20

// A bounded transport reads no answer without end.
type bounded struct{}

func (bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	a, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		a.Body = boundedBody{io.LimitReader(a.Body, answerMax), a.Body}
	}
	return a, err
}

type boundedBody struct {
	io.Reader
	io.Closer
}

// redact drops the URL from a transport's error.
func redact(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// prove asks an endpoint once whether it is of our network and holds our contracts.
// Errors: ErrNetwork, ErrCode, and the endpoint's.
func (e *endpoint) prove(ctx context.Context) error {
	e.mu.Lock()
	proven := e.proven
	e.mu.Unlock()
	if proven {
		return nil
	}
	id, err := e.network(ctx)
	if err != nil {
		return err
	}
	if id != e.chainID {
		return fmt.Errorf("%w: %s has chain id %d, want %d", ErrNetwork, e.host, id, e.chainID)
	}
	for _, p := range e.proofs {
		q := codeAt(p.at)
		if err := e.put(ctx, []*question{q}); err != nil {
			return err
		}
		code, err := readBytes(q.answer)
		if q.err != nil || err != nil {
			return fmt.Errorf("%s: code of %s: %w", e.host, p.at, errors.Join(q.err, err))
		}
		if err := p.check(code); err != nil {
			return fmt.Errorf("%s: %s at %s: %w", e.host, p.name, p.at, err)
		}
	}
	e.mu.Lock()
	e.proven = true
	e.mu.Unlock()
	return nil
}

// network is the endpoint's chain id; of a node that knows no eth_chainId, its
// network id.
func (e *endpoint) network(ctx context.Context) (uint64, error) {
	id := &question{method: "eth_chainId"}
	if err := e.put(ctx, []*question{id}); err != nil {
		return 0, err
	}
	if id.err == nil {
		return readNumber(id.answer)
	}
	version := &question{method: "net_version"}
	if err := e.put(ctx, []*question{version}); err != nil {
		return 0, err
	}
	if version.err != nil {
		return 0, fmt.Errorf("%s: %w", e.host, version.err)
	}
	return readDecimal(version.answer)
}
