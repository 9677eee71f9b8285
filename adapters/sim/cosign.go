package sim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
	"photon/swap/trade"
)

// A session is our half of one joint signature.
type session struct {
	purse *Purse
	order trade.Order
	keys  *contracts.KeySession
	msg   *wire.MsgTx
	prevs txscript.PrevOutputFetcher
	fee   int64
	ask   trade.CosignRequest
}

// begin makes a key session with randomness that no other has.
func (p *Purse) begin(o trade.Order) (contracts.Script, *contracts.KeySession, error) {
	script, err := contracts.NewScript(o.Terms)
	if err != nil {
		return contracts.Script{}, nil, err
	}
	p.mu.Lock()
	p.nonces++
	random := sha256.Sum256(fmt.Append(nil, p.life.Node, p.chain.chain, p.nonces, time.Now().UnixNano()))
	p.mu.Unlock()
	keys, err := script.NewSession(p.keys.SwapKey(p.chain.chain, o.Number), random)
	return script, keys, err
}

// Propose begins a session that spends o's lock to our wallet.
// Errors: trade.ErrStatus, trade.ErrSecret, contracts.ErrTerms, contracts.ErrDust.
func (p *Purse) Propose(_ context.Context, o trade.Order) (trade.CosignSession, error) {
	if err := p.ask(); err != nil {
		return nil, err
	}
	value, err := p.worth(o)
	if err != nil {
		return nil, err
	}
	script, keys, err := p.begin(o)
	if err != nil {
		return nil, err
	}
	fee, nonce := min(p.price(contracts.TogetherVSize), value/2), keys.Nonce()
	if err := contracts.CheckPayout(p.chain.chain, value, p.script(), fee); err != nil {
		return nil, err
	}
	s := &session{purse: p, order: o, keys: keys, fee: fee,
		msg:   script.Together(outpoint(o), value, p.script(), fee),
		prevs: txscript.NewCannedPrevOutputFetcher(script.Output(), value),
		ask: trade.CosignRequest{ID: o.ID, Chain: p.chain.chain, Purpose: o.Purpose, TxID: o.Spot.TxID, Index: o.Spot.Index,
			To: p.script(), Fee: contracts.Units(uint64(fee)), Nonce: nonce[:]}}
	if o.Purpose == trade.Redeem {
		if o.Secret == nil || o.Secret.Hash() != o.Terms.Hash {
			return nil, fmt.Errorf("%w: %s: redeem without it", trade.ErrSecret, p.chain.chain)
		}
		s.ask.Secret = o.Secret.Reveal()
	}
	return s, nil
}

// Request is what the partner needs to sign.
func (s *session) Request() trade.CosignRequest { return s.ask }

// Finish checks the partner's half and returns the whole transaction.
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
	return s.purse.record(s.order, s.msg, s.fee), nil
}

func nonceOf(b []byte) (nonce [66]byte, err error) {
	if len(b) != len(nonce) {
		return nonce, fmt.Errorf("%w: %d bytes", contracts.ErrNonce, len(b))
	}
	return [66]byte(b), nil
}

// Cosign signs our half of a transaction that we build ourselves. A redeem must
// show the secret.
// Errors: trade.ErrStatus when it is about another lock, trade.ErrSecret,
// contracts.ErrOutput, ErrDust, ErrNonce, ErrTerms.
func (p *Purse) Cosign(_ context.Context, o trade.Order, q trade.CosignRequest) (none trade.CosignAnswer, err error) {
	if err := p.ask(); err != nil {
		return none, err
	}
	value, err := p.worth(o)
	if err != nil {
		return none, err
	}
	if q.ID != o.ID || q.Chain != p.chain.chain || q.TxID != o.Spot.TxID || q.Index != o.Spot.Index {
		return none, fmt.Errorf("%w: asked about another lock", trade.ErrStatus)
	}
	switch q.Purpose {
	case trade.Redeem:
		if s, err := contracts.ParseSecret(q.Secret); err != nil || s.Hash() != o.Terms.Hash {
			return none, fmt.Errorf("%w: %s: asked for half of a redeem", trade.ErrSecret, p.chain.chain)
		}
	case trade.Refund:
	default:
		return none, fmt.Errorf("%w: asked to sign a %.20q", trade.ErrStatus, string(q.Purpose))
	}
	fee, ok := q.Fee.Uint64()
	if !ok || fee > uint64(value) {
		return none, fmt.Errorf("%w: fee %s of %d", contracts.ErrDust, q.Fee, value)
	}
	if err := contracts.CheckPayout(p.chain.chain, value, q.To, int64(fee)); err != nil {
		return none, err
	}
	theirs, err := nonceOf(q.Nonce)
	if err != nil {
		return none, err
	}
	script, keys, err := p.begin(o)
	if err != nil {
		return none, err
	}
	msg := script.Together(outpoint(o), value, q.To, int64(fee))
	half, err := keys.Sign(msg, 0, txscript.NewCannedPrevOutputFetcher(script.Output(), value), theirs)
	if err != nil {
		return none, err
	}
	ours := keys.Nonce()
	return trade.CosignAnswer{Nonce: ours[:], Partial: half[:]}, nil
}
