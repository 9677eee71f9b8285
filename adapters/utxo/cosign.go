package utxo

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// A session is our half of one joint signature. It lives in memory and is used
// once.
type session struct {
	chain   *Chain
	order   trade.Order
	keys    *contracts.KeySession
	msg     *wire.MsgTx
	prevs   txscript.PrevOutputFetcher
	fee     int64
	request trade.CosignRequest
}

// Propose begins a session that spends o's lock to our wallet.
// Errors: contracts.ErrTerms when the form has no joint signature; as Prepare.
func (c *Chain) Propose(ctx context.Context, o trade.Order) (trade.CosignSession, error) {
	value, err := c.worth(o)
	if err != nil {
		return nil, err
	}
	script, keys, err := c.keySession(o)
	if err != nil {
		return nil, err
	}
	fee, err := c.coin.payout(c.price(ctx, o.Deadline), contracts.TogetherVSize, value, keyScript(make([]byte, 20)))
	if err != nil {
		return nil, err
	}
	to, err := c.payee(ctx, o)
	if err != nil {
		return nil, err
	}
	nonce := keys.Nonce()
	s := &session{chain: c, order: o, keys: keys, fee: fee,
		msg:   script.Together(c.outpoint(o), value, to, fee),
		prevs: txscript.NewCannedPrevOutputFetcher(script.Output(), value),
		request: trade.CosignRequest{ID: o.ID, Chain: c.coin.Chain, Purpose: o.Purpose, TxID: o.Spot.TxID, Index: o.Spot.Index,
			To: to, Fee: contracts.Units(uint64(fee)), Nonce: nonce[:]},
	}
	if o.Purpose == trade.Redeem {
		if o.Secret == nil || o.Secret.Hash() != o.Terms.Hash {
			return nil, fmt.Errorf("%w: %s: redeem without it", trade.ErrSecret, c.coin.Chain)
		}
		s.request.Secret = o.Secret.Reveal()
	}
	return s, nil
}

// keySession begins a use of our key with fresh randomness.
func (c *Chain) keySession(o trade.Order) (contracts.Script, *contracts.KeySession, error) {
	script, err := contracts.NewScript(o.Terms)
	if err != nil {
		return contracts.Script{}, nil, err
	}
	var random [32]byte
	rand.Read(random[:]) // never fails: it ends the program instead
	keys, err := script.NewSession(c.key(o), random)
	if err != nil {
		return contracts.Script{}, nil, fmt.Errorf("%s: %w", c.coin.Chain, err)
	}
	return script, keys, nil
}

// Request is what the partner needs to sign.
func (s *session) Request() trade.CosignRequest { return s.request }

// Finish checks the partner's half and returns the whole transaction.
// Errors: contracts.ErrNonce, ErrPartial, ErrUsed.
func (s *session) Finish(a trade.CosignAnswer) (trade.Tx, error) {
	nonce, err := nonceOf(a.Nonce)
	if err != nil {
		return trade.Tx{}, err
	}
	if len(a.Partial) != 32 {
		return trade.Tx{}, fmt.Errorf("%w: %d bytes", contracts.ErrPartial, len(a.Partial))
	}
	if _, err := s.keys.Sign(s.msg, 0, s.prevs, nonce); err != nil {
		return trade.Tx{}, err
	}
	if s.msg.TxIn[0].Witness, err = s.keys.Combine([32]byte(a.Partial)); err != nil {
		return trade.Tx{}, err
	}
	if err := execute(s.msg, s.prevs); err != nil {
		return trade.Tx{}, fmt.Errorf("%s: %w", s.chain.coin.Chain, err)
	}
	return s.chain.record(s.order, s.msg, s.fee), nil
}

func nonceOf(b []byte) (nonce [66]byte, err error) {
	if len(b) != len(nonce) {
		return nonce, fmt.Errorf("%w: %d bytes", contracts.ErrNonce, len(b))
	}
	return [66]byte(b), nil
}

// Cosign signs our half for the partner. The transaction is built here, from our
// own terms and the lock that we see; of the partner's are the destination and
// the fee only, which he pays. A redeem must show the secret.
// Errors: trade.ErrStatus when it is about another lock, trade.ErrSecret,
// contracts.ErrOutput, ErrDust, ErrNonce, ErrTerms.
func (c *Chain) Cosign(_ context.Context, o trade.Order, q trade.CosignRequest) (trade.CosignAnswer, error) {
	none := trade.CosignAnswer{}
	value, err := c.worth(o)
	if err != nil {
		return none, err
	}
	if q.ID != o.ID || q.Chain != c.coin.Chain || q.TxID != o.Spot.TxID || q.Index != o.Spot.Index {
		return none, fmt.Errorf("%w: asked about %s:%d on %.10q, ours is %s:%d on %s", trade.ErrStatus, q.TxID, q.Index, string(q.Chain), o.Spot.TxID, o.Spot.Index, c.coin.Chain)
	}
	switch q.Purpose {
	case trade.Redeem:
		if s, err := contracts.ParseSecret(q.Secret); err != nil || s.Hash() != o.Terms.Hash {
			return none, fmt.Errorf("%w: %s: asked for half of a redeem", trade.ErrSecret, c.coin.Chain)
		}
	case trade.Refund:
	default:
		return none, fmt.Errorf("%w: asked to sign a %.20q", trade.ErrStatus, string(q.Purpose))
	}
	fee, ok := q.Fee.Uint64()
	if !ok || fee > uint64(value) {
		return none, fmt.Errorf("%w: %s: fee %s of %d", contracts.ErrDust, c.coin.Chain, q.Fee, value)
	}
	if err := contracts.CheckPayout(c.coin.Chain, value, q.To, int64(fee)); err != nil {
		return none, err
	}
	nonce, err := nonceOf(q.Nonce)
	if err != nil {
		return none, err
	}
	script, keys, err := c.keySession(o)
	if err != nil {
		return none, err
	}
	prevs := txscript.NewCannedPrevOutputFetcher(script.Output(), value)
	half, err := keys.Sign(script.Together(c.outpoint(o), value, q.To, int64(fee)), 0, prevs, nonce)
	if err != nil {
		return none, err
	}
	ours := keys.Nonce()
	return trade.CosignAnswer{Nonce: ours[:], Partial: half[:]}, nil
}
