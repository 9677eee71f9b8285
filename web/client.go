package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// maxAnswer is the most that the client reads of one answer, in bytes.
const maxAnswer = 32 << 20

// A Client asks a node over its API. Every refusal is a [*Problem]; a node that
// cannot be reached is [ErrUnreachable]. It may be used by several at once.
type Client struct {
	api   *api.Client
	http  *http.Client
	token string
}

// ErrUnreachable is why a client has no answer: nothing listens there, or the
// line broke. What was asked may have happened; a POST that acts can be repeated
// with the same key.
var ErrUnreachable = errors.New("the node cannot be reached")

// NewClient returns a client of the node at base, such as
// http://127.0.0.1:8645, that shows token.
func NewClient(base, token string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, errors.New("web: the address of a node is http:// or https:// and a host")
	}
	c := &Client{token: token, http: &http.Client{
		// A token must not follow a redirect to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	c.api, err = api.NewClient(base, api.WithHTTPClient(c.http), api.WithRequestEditorFn(c.show))
	if err != nil {
		return nil, fmt.Errorf("web: client: %w", err)
	}
	return c, nil
}

// show puts the token into a request.
func (c *Client) show(_ context.Context, r *http.Request) error {
	r.Header.Set("Authorization", "Bearer "+c.token)
	return nil
}

// NewKey returns an Idempotency-Key that nobody has used. Keep it until the
// answer has come, to be able to ask again.
func NewKey() string { return rand.Text() }

// Offers returns every offer that the node knows.
func (c *Client) Offers(ctx context.Context) ([]api.Offer, error) {
	a, err := answer[api.Offers](c.api.ListOffers(ctx))
	return a.Offers, err
}

// Offer makes an offer, once a key.
func (c *Client) Offer(ctx context.Context, key string, d api.Draft) (api.Offer, error) {
	return answer[api.Offer](c.api.MakeOffer(ctx, &api.MakeOfferParams{IdempotencyKey: key}, d))
}

// Withdraw drops an offer.
func (c *Client) Withdraw(ctx context.Context, id contracts.Hash) error {
	return nothing(c.api.WithdrawOffer(ctx, id))
}

// Import adds an offer that was received as text.
func (c *Client) Import(ctx context.Context, text string) (api.Offer, error) {
	return answer[api.Offer](c.api.ImportOffer(ctx, api.Import{Text: text}))
}

// Connect lets the node reach another at an address, and returns who answered.
func (c *Client) Connect(ctx context.Context, address string) (identity string, err error) {
	a, err := answer[api.Peer](c.api.ConnectPeer(ctx, api.Connect{Address: address}))
	return a.Identity, err
}

// Fetch lets the node ask another for its offers.
func (c *Client) Fetch(ctx context.Context, identity string) ([]api.Offer, error) {
	a, err := answer[api.Offers](c.api.FetchOffers(ctx, identity))
	return a.Offers, err
}

// Quote says what taking an offer costs, to get this much of what it gives. A
// maker who has let us down too often is refused unless despite is set.
func (c *Client) Quote(ctx context.Context, offer contracts.Hash, get contracts.Amount, despite bool) (api.Quote, error) {
	return answer[api.Quote](c.api.MakeQuote(ctx, api.Ask{Offer: offer, Get: get, Despite: despite}))
}

// Take begins a swap on a quote, once a key.
func (c *Client) Take(ctx context.Context, key string, quote contracts.Hash) (api.Swap, error) {
	return answer[api.Swap](c.api.TakeQuote(ctx, &api.TakeQuoteParams{IdempotencyKey: key}, api.Take{Quote: quote}))
}

// Swaps returns one page of swaps; Next is the cursor of the next.
func (c *Client) Swaps(ctx context.Context, q Query) (api.Swaps, error) {
	return answer[api.Swaps](c.api.ListSwaps(ctx, q.params()))
}

// SwapsCSV writes one page of swaps as CSV.
func (c *Client) SwapsCSV(ctx context.Context, q Query, to io.Writer) error {
	return table(to)(c.api.ListSwaps(ctx, q.params(), inCSV))
}

// inCSV asks for a table.
func inCSV(_ context.Context, r *http.Request) error {
	r.Header.Set("Accept", "text/csv")
	return nil
}

// table writes a good answer as it came.
func table(to io.Writer) func(*http.Response, error) error {
	return func(r *http.Response, err error) error {
		body, err := opened(r, err)
		if err != nil {
			return err
		}
		defer body.Close()
		if _, err := io.Copy(to, body); err != nil {
			return fmt.Errorf("web: read csv: %w", err)
		}
		return nil
	}
}

// Swap returns one swap with its transactions.
func (c *Client) Swap(ctx context.Context, id contracts.Hash) (api.Swap, error) {
	return answer[api.Swap](c.api.ShowSwap(ctx, id))
}

// Partners returns how everybody stands with whom the node was in a swap, those
// whom it refuses first.
func (c *Client) Partners(ctx context.Context) ([]trade.Standing, error) {
	a, err := answer[api.Partners](c.api.ListPartners(ctx))
	return a.Partners, err
}

// Leave goes no further with a swap, once a key: it cancels or refunds.
func (c *Client) Leave(ctx context.Context, key string, id contracts.Hash) (api.Swap, error) {
	return answer[api.Swap](c.api.LeaveSwap(ctx, id, &api.LeaveSwapParams{IdempotencyKey: key}))
}

// Balances returns the balances of every asset.
func (c *Client) Balances(ctx context.Context) ([]api.Balance, error) {
	a, err := answer[api.Balances](c.api.ShowWallet(ctx))
	return a.Balances, err
}

// Address returns an address to be paid at.
func (c *Client) Address(ctx context.Context, chain contracts.Chain) (string, error) {
	a, err := answer[api.Address](c.api.MakeAddress(ctx, api.AddressAsk{Chain: chain}))
	return a.Address, err
}

// Send pays from the wallet, once a key.
func (c *Client) Send(ctx context.Context, key string, s api.Send) (api.Sent, error) {
	return answer[api.Sent](c.api.SendFunds(ctx, &api.SendFundsParams{IdempotencyKey: key}, s))
}

// Info says who the node is.
func (c *Client) Info(ctx context.Context) (api.Info, error) {
	return answer[api.Info](c.api.ShowInfo(ctx))
}

// Ready asks whether the node can serve.
func (c *Client) Ready(ctx context.Context) error { return nothing(c.api.ShowReady(ctx)) }

// opened is the body of a good answer, to be closed.
func opened(r *http.Response, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, unreachable(err)
	}
	if r.StatusCode/100 != 2 {
		defer r.Body.Close()
		return nil, readProblem(r)
	}
	return r.Body, nil
}

func unreachable(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %v", ErrUnreachable, err)
}

// answer reads the JSON of a good answer.
func answer[T any](r *http.Response, err error) (T, error) { return answerWithin[T](maxAnswer)(r, err) }

// answerWithin is answer for one of at most so many bytes.
func answerWithin[T any](most int64) func(*http.Response, error) (T, error) {
	return func(r *http.Response, err error) (T, error) { return readAnswer[T](r, err, most) }
}

func readAnswer[T any](r *http.Response, err error, most int64) (T, error) {
	var a T
	body, err := opened(r, err)
	if err != nil {
		return a, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, most))
	if err != nil {
		return a, unreachable(err)
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, fmt.Errorf("web: read the answer: %w", err)
	}
	return a, nil
}

// nothing expects a good answer and no more.
func nothing(r *http.Response, err error) error {
	body, err := opened(r, err)
	if err != nil {
		return err
	}
	return body.Close()
}

// readProblem is the refusal in an answer; one that is no problem document, of a
// proxy perhaps, has no code.
func readProblem(r *http.Response) error {
	p := &Problem{Status: r.StatusCode, Title: r.Status}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/problem+json") {
		return p
	}
	var d api.Problem
	if json.Unmarshal(raw, &d) == nil {
		p.Code, p.Title, p.Detail, p.Params = d.Code, d.Title, d.Detail, d.Params
	}
	return p
}
