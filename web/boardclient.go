package web

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"photon/contracts"
	"photon/swap/trade"
	"photon/web/api"
)

// A BoardClient asks one board. A board is a hint: what it answers is read
// strictly and checked by nobody here.
type BoardClient struct {
	base string
	api  *api.Client
}

// The bounds of what a board is believed to answer.
const (
	boardPage  = 200     // offers of one page
	boardPages = 5       // of one maker
	maxPage    = 4 << 20 // bytes of one page
)

// ParseBoard reads the address of a board: http:// or https://, a host, perhaps a
// path. It is shown to people, so nothing secret may be in it.
func ParseBoard(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(base) > 200 {
		return nil, errors.New("web: the address of a board is http:// or https:// and a host, with no password and no query")
	}
	return u, nil
}

// NewBoardClient returns a client of the board at base. via carries its requests;
// nil is the network.
func NewBoardClient(base string, via http.RoundTripper) (*BoardClient, error) {
	if _, err := ParseBoard(base); err != nil {
		return nil, err
	}
	client := &http.Client{Transport: via, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c, err := api.NewClient(base, api.WithHTTPClient(client))
	if err != nil {
		return nil, fmt.Errorf("web: client of a board: %w", err)
	}
	return &BoardClient{base, c}, nil
}

// Name is the board's address.
func (c *BoardClient) Name() string { return c.base }

// Offers returns the offers that give and want these assets, best rate first: one
// page of them.
func (c *BoardClient) Offers(ctx context.Context, realm string, give, want contracts.Asset) ([]trade.Offer, error) {
	gives, wants := give.String(), want.String()
	offers, _, err := c.page(ctx, api.ListBoardParams{Give: &gives, Want: &wants, Realm: &realm})
	return offers, err
}

// Of returns what the board shows of a maker.
func (c *BoardClient) Of(ctx context.Context, realm, maker string) (all []trade.Offer, err error) {
	q := api.ListBoardParams{Realm: &realm, Maker: &maker}
	for range boardPages {
		offers, next, err := c.page(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, offers...)
		if next == "" {
			break
		}
		q.After = &next
	}
	return all, nil
}

// page reads one page. Only the texts in it count; one that is no offer is left
// out.
func (c *BoardClient) page(ctx context.Context, q api.ListBoardParams) (offers []trade.Offer, next string, err error) {
	limit := int32(boardPage)
	q.Limit = &limit
	a, err := answerWithin[api.BoardPage](maxPage)(c.api.ListBoard(ctx, &q))
	if err != nil {
		return nil, "", ofBoard(err)
	}
	for _, shown := range a.Offers[:min(len(a.Offers), boardPage)] {
		if o, err := ParseOffer(shown.Text); err == nil {
			offers = append(offers, o)
		}
	}
	return offers, a.Next, nil
}

// Post puts an offer up. Errors: trade.ErrOffer when the board will never take it.
func (c *BoardClient) Post(ctx context.Context, o trade.Offer) error {
	err := nothing(c.api.PostOffer(ctx, api.Import{Text: OfferText(o)}))
	if p := (*Problem)(nil); errors.As(err, &p) && slices.Contains([]string{"offer", "message", "invalid"}, p.Code) {
		return fmt.Errorf("%w: %w", trade.ErrOffer, ofBoard(err))
	}
	return ofBoard(err)
}

// Withdraw takes an offer down. One that is not up is no error.
func (c *BoardClient) Withdraw(ctx context.Context, id contracts.Hash, signature []byte) error {
	err := nothing(c.api.TakeDown(ctx, id, &api.TakeDownParams{PhotonSignature: base64.RawURLEncoding.EncodeToString(signature)}))
	if p := (*Problem)(nil); errors.As(err, &p) && p.Code == "unknown" {
		return nil
	}
	return ofBoard(err)
}

// ofBoard names the code of a board's refusal, and none of its words: it could
// write anything into our log.
func ofBoard(err error) error {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return fmt.Errorf("board answers %d %.20q", p.Status, p.Code)
	}
	return err
}
