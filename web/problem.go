package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/ledger"
	"photon/node/message"
	"photon/swap/trade"
	"photon/web/api"
)

// Why the API itself refuses a request. Each is wrapped with the figures that
// decided it.
var (
	errInvalid     = errors.New("the request is not as the document says")
	errToken       = errors.New("no token, or not this node's")
	errHost        = errors.New("not asked under this name")
	errOrigin      = errors.New("not asked from a page of another host")
	errRoute       = errors.New("nothing is here")
	errMethod      = errors.New("not with this method")
	errLarge       = errors.New("the body is too large")
	errMedia       = errors.New("the body is not plain JSON")
	errNoChain     = errors.New("this node has no such chain")
	errKeyReused   = errors.New("the key was used for another request")
	errBusy        = errors.New("too many at once")
	errNotReady    = errors.New("not ready")
	errPeer        = errors.New("the other node does not answer")
	errWrongSecret = errors.New("not the secret of this invoice")
	errChain       = errors.New("the chain refuses it or does not answer")
)

// refusals gives every error that a caller can cause its status, code and
// title; the first that matches counts. What is not here is our fault: 500,
// logged, and its text kept from the caller.
var refusals = []struct {
	err    error
	status int
	code   string
	title  string
}{
	{errInvalid, http.StatusBadRequest, "invalid", "The request is not valid"},
	{errToken, http.StatusUnauthorized, "token", "A token is needed"},
	{errSigner, http.StatusForbidden, "signature", "Not signed by the maker"},
	{errOrigin, http.StatusForbidden, "origin", "Pages of other hosts may not ask"},
	{errRoute, http.StatusNotFound, "no_such_route", "Nothing is here"},
	{errMethod, http.StatusMethodNotAllowed, "method", "Not with this method"},
	{errLarge, http.StatusRequestEntityTooLarge, "too_large", "The body is too large"},
	{errMedia, http.StatusUnsupportedMediaType, "media", "The body must be JSON"},
	{errHost, http.StatusMisdirectedRequest, "host", "Not asked under this name"},
	{errKeyReused, http.StatusConflict, "key_reused", "The key was used for another request"},
	{errRate, http.StatusTooManyRequests, "rate", "Too many from this address"},
	{errFull, http.StatusServiceUnavailable, "full", "No place is left"},
	{errBusy, http.StatusServiceUnavailable, "busy", "Too many at once"},
	{errNotReady, http.StatusServiceUnavailable, "not_ready", "The node is not ready"},
	{errNoChain, http.StatusUnprocessableEntity, "no_such_chain", "This node has no such chain"},

	{contracts.ErrAmount, http.StatusUnprocessableEntity, "amount", "Not an amount"},
	{contracts.ErrDecimals, http.StatusUnprocessableEntity, "decimals", "More decimals than the asset has"},
	{contracts.ErrChain, http.StatusUnprocessableEntity, "chain", "Not a chain"},
	{contracts.ErrAddress, http.StatusUnprocessableEntity, "address", "Not an address of this chain"},
	{contracts.ErrHash, http.StatusUnprocessableEntity, "hash", "Not 32 bytes in hex"},
	{contracts.ErrDust, http.StatusUnprocessableEntity, "dust", "Too small for its network"},
	{contracts.ErrTerms, http.StatusUnprocessableEntity, "terms", "The terms are refused"},
	{trade.ErrUnknown, http.StatusNotFound, "unknown", "There is no such thing"},
	{trade.ErrClosed, http.StatusConflict, "closed", "No new swaps are taken"},
	{trade.ErrStanding, http.StatusConflict, "standing", "The partner has let you down too often"},
	{trade.ErrProtocol, http.StatusConflict, "protocol", "Of another version of the program"},
	{trade.ErrOffer, http.StatusUnprocessableEntity, "offer", "The offer is refused"},
	{trade.ErrMessage, http.StatusUnprocessableEntity, "message", "Not a message"},
	{trade.ErrShort, http.StatusConflict, "not_enough", "Not enough funds"},
	{trade.ErrStatus, http.StatusConflict, "status", "Not possible in this status"},
	{trade.ErrTooLate, http.StatusConflict, "too_late", "Too late"},
	{trade.ErrNotYet, http.StatusConflict, "not_yet", "Not yet"},
	{trade.ErrSpent, http.StatusConflict, "spent", "Already spent"},
	{trade.ErrRefunded, http.StatusConflict, "refunded", "Already taken back"},
	{trade.ErrRevealed, http.StatusConflict, "revealed", "The secret is out"},
	{trade.ErrNoLock, http.StatusConflict, "no_lock", "Nothing of ours is locked"},
	{trade.ErrConflict, http.StatusConflict, "conflict", "Changed by another"},
	{trade.ErrSecret, http.StatusConflict, "secret", "Not the secret of this swap"},

	{ledger.ErrChannel, http.StatusNotFound, "no_such_channel", "There is no such channel"},
	{ledger.ErrPayment, http.StatusUnprocessableEntity, "payment", "Not a payment that can be made"},
	{ledger.ErrReused, http.StatusConflict, "id_reused", "The same id stands for another payment"},
	{ledger.ErrNoRoute, http.StatusConflict, "no_route", "There is no way to the payee"},
	{ledger.ErrFee, http.StatusConflict, "max_fee", "Every way costs more than the limit"},
	{ledger.ErrStale, http.StatusConflict, "stale", "The node's view of the chain is too old"},
	{ledger.ErrOffline, http.StatusConflict, "offline", "The partner is not there"},
	{ledger.ErrFull, http.StatusConflict, "payments_full", "Too many payments or invoices are under way"},
	{message.ErrInvoice, http.StatusUnprocessableEntity, "invoice", "Not an invoice that can be paid"},
	{channel.ErrPartner, http.StatusUnprocessableEntity, "partner", "Not a partner for a channel"},
	{channel.ErrWindow, http.StatusUnprocessableEntity, "window", "The settle window is too short or too long"},
	{channel.ErrAmount, http.StatusUnprocessableEntity, "no_amount", "Nothing is no amount"},
	{channel.ErrStatus, http.StatusConflict, "channel_status", "Not possible in the channel's status"},
	{channel.ErrShort, http.StatusConflict, "channel_short", "Not enough in the channel"},
	{channel.ErrBusy, http.StatusConflict, "channel_busy", "A withdrawal or a closing is under way"},
	{channel.ErrFrozen, http.StatusConflict, "channel_frozen", "The channel is frozen"},
	{message.ErrPoints, http.StatusUnprocessableEntity, "curve_points", "A curve has 2 to 64 points"},
	{message.ErrUnsorted, http.StatusUnprocessableEntity, "curve_order", "The balances of a curve must rise"},
	{message.ErrTooLarge, http.StatusUnprocessableEntity, "fee_too_large", "A fee is beyond 128 bits"},
	{message.ErrImbalance, http.StatusUnprocessableEntity, "fee_imbalance", "The imbalance fee is too high"},

	{errWrongSecret, http.StatusUnprocessableEntity, "wrong_secret", "Not the secret of this invoice"},
	{errChain, http.StatusBadGateway, "chain_refuses", "The chain refuses it or does not answer"},
	{errPeer, http.StatusBadGateway, "peer", "The other node does not answer"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout", "It took too long"},
}

// A Problem is a refusal as a caller sees it, by RFC 9457. The client returns
// every refusal as one.
type Problem struct {
	Status int               // of HTTP
	Code   string            // stable; what to translate and to compare with
	Title  string            // the code in English
	Detail string            // the figures that decided; may be empty
	Params map[string]string // figures for a translation
}

// Error is the detail, or the title when there is none.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	if p.Title != "" {
		return p.Title
	}
	return fmt.Sprintf("status %d", p.Status)
}

// problemOf finds err among the refusals; false when it is our fault, and then
// the problem says nothing of err.
func problemOf(err error) (*Problem, bool) {
	for _, r := range refusals {
		if !errors.Is(err, r.err) {
			continue
		}
		p := &Problem{Status: r.status, Code: r.code, Title: r.title, Detail: err.Error(), Params: paramsOf(err)}
		if hidden := (hidden{}); errors.As(err, &hidden) || r.err == context.DeadlineExceeded {
			p.Detail = ""
		}
		return p, true
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "internal", Title: "The node failed; its log says why"}, false
}

// document is the problem as it is sent.
func (p *Problem) document() api.Problem {
	return api.Problem{
		Type: "urn:photon:problem:" + p.Code, Title: p.Title, Status: int32(p.Status),
		Detail: p.Detail, Code: p.Code, Params: p.Params,
	}
}

// A told error carries figures for a translation.
type told struct {
	error
	params map[string]string
}

func (t told) Unwrap() error { return t.error }

// tell adds figures to err: names and values in turn. Of no error it makes none.
func tell(err error, pairs ...string) error {
	if err == nil {
		return nil
	}
	params := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		params[pairs[i]] = pairs[i+1]
	}
	return told{err, params}
}

// paramsOf joins what was told along the chain of err; the outer one counts.
func paramsOf(err error) map[string]string {
	var all map[string]string
	for t := (told{}); errors.As(err, &t); err = t.error {
		if all == nil {
			all = make(map[string]string)
		}
		inner := maps.Clone(t.params)
		maps.Copy(inner, all)
		all = inner
	}
	return all
}

// A hidden error is refused by its reason, and its own text is for the log only.
type hidden struct{ reason, cause error }

func (h hidden) Error() string { return fmt.Sprintf("%v: %v", h.reason, h.cause) }

// Unwrap gives the reason only, so that the cause decides nothing.
func (h hidden) Unwrap() error { return h.reason }
