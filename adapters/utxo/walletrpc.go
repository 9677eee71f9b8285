package utxo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// A walletRPC speaks to a wallet of Bitcoin Core or Litecoin Core. Errors of
// every method: ErrDown, ErrNoWallet, ErrWallet, ErrLocked.
//
// Source: Litecoin Core 0.21, wallet/rpcwallet.cpp; recorded from it.
type walletRPC struct {
	coin Coin
	node *rpcNode
}

// maxName is the most bytes of a wallet's name: a folder's.
const maxName = 200

// newWalletRPC speaks to the wallet of this name at e; "" is the only one that
// is loaded there.
func newWalletRPC(coin Coin, e Endpoint, name string) (*walletRPC, error) {
	if len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return nil, fmt.Errorf("%s: %w: no wallet is called %.60q", coin.Chain, ErrWallet, name)
	}
	if name != "" {
		e.URL = strings.TrimSuffix(e.URL, "/") + "/wallet/" + url.PathEscape(name)
	}
	n, err := newRPCNode(e)
	return &walletRPC{coin, n}, err
}

// Codes of wallets.
//
// Source: Bitcoin Core, rpc/protocol.h; btcd, btcjson, ErrRPCNoWallet.
const (
	codeInvalid  = -8  // no such output, spent, already locked, not locked
	codeKeypool  = -12 // no address left
	codeLocked   = -13
	codeUnloaded = -18
	codeWhich    = -19 // several are loaded, none was named
)

// ask asks the wallet.
func (w *walletRPC) ask(ctx context.Context, into any, method string, params ...any) error {
	err := w.node.call(ctx, into, method, params...)
	var no *rpcError
	if err == nil || !errors.As(err, &no) || errors.Is(err, ErrDown) {
		return err
	}
	reason := ErrWallet
	switch {
	case no.Code == codeNoMethod, no.Code == codeMisc && strings.Contains(no.Message, "does not implement wallet"):
		reason = ErrNoWallet
	case no.Code == codeLocked, no.Code == codeKeypool:
		reason = ErrLocked
	case no.Code == codeUnloaded:
		err = fmt.Errorf("load it with loadwallet: %w", err)
	case no.Code == codeWhich:
		err = fmt.Errorf("several are loaded, name one: %w", err)
	}
	return fmt.Errorf("%s: %w: %w", w.coin.Chain, reason, err)
}

// A heldOutput is an output as wallets name it.
type heldOutput struct {
	TxID string `json:"txid"`
	Vout uint32 `json:"vout"`
}

func heldAs(out wire.OutPoint) heldOutput { return heldOutput{out.Hash.String(), out.Index} }

func (h heldOutput) outpoint() (wire.OutPoint, error) {
	hash, err := parseHash(h.TxID)
	return wire.OutPoint{Hash: hash, Index: h.Vout}, err
}

// A listed is an entry of listunspent. One of the extension block has neither
// index nor script.
type listed struct {
	TxID          string
	Vout          *uint32
	ScriptPubKey  string
	Amount        json.Number
	Confirmations int64
	Spendable     bool
	Solvable      *bool
}

// money is l as a coin of height 1 when it is mined; nil when it cannot fund a
// lock: its script is not P2WPKH or P2TR, so that the id of what spends it could
// be changed by others, or it lies in the extension block. Errors: ErrDown.
func (l listed) money() (m *money, value int64, err error) {
	value, exact, ok := parseCoins(l.Amount.String())
	if !ok || !exact || value > maxMoney || l.Confirmations < 0 || l.Confirmations > maxHeight {
		return nil, 0, fmt.Errorf("%w: a coin %.70q of %.30q with %d confirmations", ErrDown, l.TxID, l.Amount.String(), l.Confirmations)
	}
	if !l.Spendable || (l.Solvable != nil && !*l.Solvable) {
		return nil, 0, nil
	}
	if l.Vout == nil {
		return nil, value, nil
	}
	out, err := heldOutput{l.TxID, *l.Vout}.outpoint()
	if err != nil {
		return nil, 0, err
	}
	script, err := hex.DecodeString(l.ScriptPubKey)
	if err != nil || len(script) == 0 {
		return nil, 0, fmt.Errorf("%w: coin %v with script %.100q", ErrDown, out, l.ScriptPubKey)
	}
	if !txscript.IsPayToWitnessPubKeyHash(script) && !txscript.IsPayToTaproot(script) {
		return nil, value, nil
	}
	return &money{out: out, value: value, script: script, height: min(l.Confirmations, 1)}, value, nil
}

// unspent lists what the wallet has and has not reserved, from so many
// confirmations on; with unsafe, what waits and comes from others too.
func (w *walletRPC) unspent(ctx context.Context, confirmations int, unsafe bool) (s stock, err error) {
	var all []listed
	if err := w.ask(ctx, &all, "listunspent", confirmations, maxHeight, []string{}, unsafe); err != nil {
		return s, err
	}
	return decodeUnspent(all)
}

// decodeUnspent reads an answer of listunspent. Errors: ErrDown.
func decodeUnspent(all []listed) (s stock, err error) {
	for _, l := range all {
		m, value, err := l.money()
		switch {
		case err != nil:
			return stock{}, err
		case m != nil:
			s.coins = append(s.coins, m)
		case value <= maxMoney-s.unfit:
			s.unfit += value
		}
	}
	return s, nil
}

// address is a new P2WPKH script of the wallet.
func (w *walletRPC) address(ctx context.Context, u use) ([]byte, error) {
	method, params := "getnewaddress", []any{addressLabel, "bech32"}
	if u == forChange {
		method, params = "getrawchangeaddress", params[1:]
	}
	var text string
	if err := w.ask(ctx, &text, method, params...); err != nil {
		return nil, err
	}
	script, err := w.coin.Script(text)
	if err != nil || !txscript.IsPayToWitnessPubKeyHash(script) {
		return nil, fmt.Errorf("%w: %s gives %.100q for an address: %w", ErrDown, w.node.endpoint, text, errors.Join(err, ErrWallet))
	}
	return script, nil
}

// addressLabel is under which people find our addresses in their wallet.
const addressLabel = "photon"

// paid reports whether anybody ever paid this P2WPKH script.
func (w *walletRPC) paid(ctx context.Context, script []byte) (bool, error) {
	var got json.Number
	if err := w.ask(ctx, &got, "getreceivedbyaddress", w.coin.keyAddress(script[2:]), 0); err != nil {
		return false, err
	}
	value, _, ok := parseCoins(got.String())
	if !ok {
		return false, fmt.Errorf("%w: received %.30q", ErrDown, got.String())
	}
	return value > 0, nil
}

// sign lets the wallet put a witness into every input of tx. What comes back must
// be the same transaction: only the witnesses are taken.
func (w *walletRPC) sign(ctx context.Context, tx *wire.MsgTx, ins []*money) error {
	type spent struct {
		heldOutput
		ScriptPubKey string      `json:"scriptPubKey"`
		Amount       json.Number `json:"amount"`
	}
	var prevs []spent
	for _, m := range ins {
		prevs = append(prevs, spent{heldAs(m.out), hex.EncodeToString(m.script), json.Number(fmt.Sprintf("%d.%08d", m.value/1e8, m.value%1e8))})
	}
	var raw bytes.Buffer
	if err := tx.Serialize(&raw); err != nil {
		return fmt.Errorf("sign %s: %w", tx.TxHash(), err)
	}
	var a signedAnswer
	if err := w.ask(ctx, &a, "signrawtransactionwithwallet", hex.EncodeToString(raw.Bytes()), prevs); err != nil {
		return err
	}
	return a.take(tx)
}

// A signedAnswer is that of signrawtransactionwithwallet.
type signedAnswer struct {
	Hex      string
	Complete bool
	Errors   []struct {
		TxID  string
		Vout  uint32
		Error string
	}
}

// take puts the witnesses of a into tx. Errors: ErrWallet when some are missing,
// ErrDown when a is of another transaction.
func (a signedAnswer) take(tx *wire.MsgTx) error {
	if !a.Complete {
		why := "it does not say why"
		if len(a.Errors) > 0 {
			why = fmt.Sprintf("input %.70q:%d: %.200q", a.Errors[0].TxID, a.Errors[0].Vout, a.Errors[0].Error)
		}
		return fmt.Errorf("%w: it signs only a part of %s: %s", ErrWallet, tx.TxHash(), why)
	}
	raw, err := hex.DecodeString(a.Hex)
	if err != nil {
		return fmt.Errorf("%w: a signed transaction that is not hex", ErrDown)
	}
	signed, err := decodeTx(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDown, err)
	}
	if signed.TxHash() != tx.TxHash() {
		return fmt.Errorf("%w: asked to sign %s, it signed %s", ErrDown, tx.TxHash(), signed.TxHash())
	}
	for i, in := range signed.TxIn {
		tx.TxIn[i].Witness = in.Witness
	}
	return nil
}

// held lists what is reserved at the wallet, by anybody.
func (w *walletRPC) held(ctx context.Context) (map[wire.OutPoint]bool, error) {
	var all []heldOutput
	if err := w.ask(ctx, &all, "listlockunspent"); err != nil {
		return nil, err
	}
	set := make(map[wire.OutPoint]bool, len(all))
	for _, h := range all {
		out, err := h.outpoint()
		if err != nil {
			return nil, err
		}
		set[out] = true
	}
	return set, nil
}

// hold reserves out at the wallet, or gives it back. gone says that the wallet
// has no such output left: it is spent, or of another wallet.
func (w *walletRPC) hold(ctx context.Context, out wire.OutPoint, back bool) (gone bool, err error) {
	var done bool
	err = w.ask(ctx, &done, "lockunspent", back, []heldOutput{heldAs(out)})
	var no *rpcError
	if errors.As(err, &no) && no.Code == codeInvalid {
		return !strings.Contains(no.Message, "already locked"), nil
	}
	if err == nil && !done {
		err = fmt.Errorf("%s: %w: %v is not reserved", w.coin.Chain, ErrWallet, out)
	}
	return false, err
}

// worth is the value of an output that nothing spends, and whether it is mined;
// 0 when something does, if only in the mempool.
func (w *walletRPC) worth(ctx context.Context, out wire.OutPoint) (value int64, mined bool, err error) {
	var found *struct {
		Confirmations int64
		Value         json.Number
	}
	if err := w.ask(ctx, &found, "gettxout", out.Hash.String(), out.Index, true); err != nil || found == nil {
		return 0, false, err
	}
	value, exact, ok := parseCoins(found.Value.String())
	if !ok || !exact || value > maxMoney {
		return 0, false, fmt.Errorf("%w: output %v of %.30q", ErrDown, out, found.Value.String())
	}
	return value, found.Confirmations > 0, nil
}

// immature is the rewards of blocks that cannot be spent yet. Wallets before
// 0.19 say it elsewhere.
func (w *walletRPC) immature(ctx context.Context) (int64, error) {
	var now struct {
		Mine struct{ Immature json.Number }
	}
	err := w.ask(ctx, &now, "getbalances")
	text := now.Mine.Immature
	if errors.Is(err, ErrNoWallet) {
		var old struct {
			Immature json.Number `json:"immature_balance"`
		}
		err = w.ask(ctx, &old, "getwalletinfo")
		text = old.Immature
	}
	if err != nil {
		return 0, err
	}
	value, exact, ok := parseCoins(text.String())
	if !ok || !exact || value > maxMoney {
		return 0, fmt.Errorf("%w: immature %.30q", ErrDown, text.String())
	}
	return value, nil
}

// A walletState is what a wallet says of itself.
type walletState struct {
	Keys     *bool  `json:"private_keys_enabled"`
	Unlocked *int64 `json:"unlocked_until"` // Unix seconds; 0: locked; nil: it has no passphrase
}

// state asks a wallet about itself. Errors: ErrWallet when it only watches.
func (w *walletRPC) state(ctx context.Context) (s walletState, err error) {
	if err := w.ask(ctx, &s, "getwalletinfo"); err != nil {
		return s, err
	}
	if s.Keys != nil && !*s.Keys {
		return s, fmt.Errorf("%s: %w: it has no private keys", w.coin.Chain, ErrWallet)
	}
	return s, nil
}

// sortedOutputs is a set in a fixed order.
func sortedOutputs[T any](set map[wire.OutPoint]T) (outs []wire.OutPoint) {
	for out := range set {
		outs = append(outs, out)
	}
	slices.SortFunc(outs, func(a, b wire.OutPoint) int {
		return cmp.Or(bytes.Compare(a.Hash[:], b.Hash[:]), cmp.Compare(a.Index, b.Index))
	})
	return outs
}

// ofTx is those of coins that a transaction makes, largest first.
func ofTx(coins []*money, id chainhash.Hash) (some []*money) {
	for _, m := range coins {
		if m.out.Hash == id {
			some = append(some, m)
		}
	}
	slices.SortFunc(some, byUse)
	return some
}
