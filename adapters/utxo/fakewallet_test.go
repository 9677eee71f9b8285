package utxo

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/txscript/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"photon/contracts"
)

// A keeper is the wallet of a fake node, spoken to over HTTP as Core's is.
type keeper struct {
	t       testing.TB
	node    *fake
	coin    Coin
	keys    map[string]*btcec.PrivateKey // by output script
	reserve map[heldOutput]bool
	lazy    bool              // it says that it has signed, and has not
	locked  bool              // it has a passphrase and waits for it
	left    int               // addresses until it must be unlocked
	says    map[string]string // answers in place of its own, by method
	calls   []string
	paths   []string // of the URLs
}

func newKeeper(t testing.TB, f *fake, coin Coin) (*keeper, Endpoint) {
	k := &keeper{t: t, node: f, coin: coin, keys: map[string]*btcec.PrivateKey{}, reserve: map[heldOutput]bool{}, left: 1000, says: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(server.Close)
	return k, Endpoint{URL: server.URL, User: "u", Pass: "p"}
}

// A no is an error of the keeper.
type no struct {
	code int
	text string
}

func (k *keeper) serve(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Method string
		Params []json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		k.t.Error(err)
	}
	for h := range k.reserve { // what is spent is reserved no longer
		if out, err := h.outpoint(); err != nil || k.node.outputs(true)[out] == nil {
			delete(k.reserve, h)
		}
	}
	k.calls, k.paths = append(k.calls, q.Method), append(k.paths, r.URL.Path)
	if said, ok := k.says[q.Method]; ok {
		fmt.Fprintln(w, said)
		return
	}
	result, refusal := k.answer(q.Method, q.Params)
	if refusal != nil {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintln(w, refused(refusal.code, refusal.text))
		return
	}
	if err := json.NewEncoder(w).Encode(map[string]any{"result": result, "error": nil, "id": 1}); err != nil {
		k.t.Error(err)
	}
}

func (k *keeper) answer(method string, params []json.RawMessage) (any, *no) {
	switch method {
	case "listunspent":
		var unsafe bool
		k.read(params[3], &unsafe)
		return k.unspent(unsafe), nil
	case "listlockunspent":
		all := []heldOutput{}
		for h := range k.reserve {
			all = append(all, h)
		}
		return all, nil
	case "lockunspent":
		return k.lock(params)
	case "getnewaddress", "getrawchangeaddress":
		if k.left--; k.left < 0 {
			return nil, &no{codeKeypool, "Error: Keypool ran out, please call keypoolrefill first"}
		}
		return k.address(), nil
	case "getreceivedbyaddress":
		return k.received(params)
	case "getwalletinfo":
		info := map[string]any{"private_keys_enabled": true}
		if k.locked {
			info["unlocked_until"] = 0
		}
		return info, nil
	case "getbalances":
		return map[string]any{"mine": map[string]any{"trusted": json.Number("0.00000000"), "immature": json.Number("0.00000007")}}, nil
	case "gettxout":
		return k.txout(params), nil
	case "signrawtransactionwithwallet":
		if k.locked {
			return nil, &no{codeLocked, "Error: Please enter the wallet passphrase with walletpassphrase first."}
		}
		return k.sign(params), nil
	}
	return nil, &no{codeNoMethod, "Method not found"}
}

func (k *keeper) read(raw json.RawMessage, into any) {
	if err := json.Unmarshal(raw, into); err != nil {
		k.t.Errorf("%s: %v", raw, err)
	}
}

// key makes a key whose output has the script that form gives.
func (k *keeper) key(form func(*btcec.PrivateKey) []byte) []byte {
	key := named("keeper").SwapKey(k.coin.Chain, uint64(len(k.keys)))
	script := form(key)
	k.keys[string(script)] = key
	return script
}

func witnessScript(key *btcec.PrivateKey) []byte { return keyScript(hash160(key)) }

func taprootScript(key *btcec.PrivateKey) []byte {
	script, err := txscript.PayToTaprootScript(txscript.ComputeTaprootKeyNoScript(key.PubKey()))
	if err != nil {
		panic(err) // a key
	}
	return script
}

func legacyScript(key *btcec.PrivateKey) []byte {
	return slices.Concat([]byte{txscript.OP_DUP, txscript.OP_HASH160, 20}, hash160(key), []byte{txscript.OP_EQUALVERIFY, txscript.OP_CHECKSIG})
}

func (k *keeper) address() string { return k.coin.keyAddress(k.key(witnessScript)[2:]) }

// coins is what units are as JSON.
func coins(units int64) json.Number { return json.Number(fmt.Sprintf("%d.%08d", units/1e8, units%1e8)) }

func (k *keeper) unspent(unsafe bool) []map[string]any {
	all := []map[string]any{}
	mined := k.node.outputs(false)
	for out, txOut := range k.node.outputs(true) {
		if k.keys[string(txOut.PkScript)] == nil || k.reserve[heldAs(out)] || (mined[out] == nil && !unsafe && !k.trusts(out.Hash)) {
			continue
		}
		confirmations := 0
		if mined[out] != nil {
			confirmations = 1
		}
		all = append(all, map[string]any{"txid": out.Hash.String(), "vout": out.Index, "scriptPubKey": hex.EncodeToString(txOut.PkScript),
			"amount": coins(txOut.Value), "confirmations": confirmations, "spendable": true, "solvable": true, "safe": confirmations > 0})
	}
	return all
}

// trusts reports whether a waiting transaction spends the keeper's coins only.
func (k *keeper) trusts(id chainhash.Hash) bool {
	everything := *k.node
	for _, tx := range k.node.pool {
		if tx.TxHash() != id {
			continue
		}
		everything.pool = slices.DeleteFunc(slices.Clone(k.node.pool), func(o *wire.MsgTx) bool { return o == tx })
		outs := everything.outputs(true)
		for _, in := range tx.TxIn {
			if out := outs[in.PreviousOutPoint]; out == nil || k.keys[string(out.PkScript)] == nil {
				return false
			}
		}
		return true
	}
	return false
}

func (k *keeper) lock(params []json.RawMessage) (any, *no) {
	var back bool
	var list []heldOutput
	k.read(params[0], &back)
	k.read(params[1], &list)
	for _, h := range list {
		out, err := h.outpoint()
		if err != nil {
			k.t.Error(err)
		}
		switch {
		case k.node.outputs(true)[out] == nil:
			return nil, &no{codeInvalid, "Invalid parameter, expected unspent output"}
		case back && !k.reserve[h]:
			return nil, &no{codeInvalid, "Invalid parameter, expected locked output"}
		case !back && k.reserve[h]:
			return nil, &no{codeInvalid, "Invalid parameter, output already locked"}
		case back:
			delete(k.reserve, h)
		default:
			k.reserve[h] = true
		}
	}
	return true, nil
}

func (k *keeper) received(params []json.RawMessage) (any, *no) {
	var address string
	k.read(params[0], &address)
	script, err := k.coin.Script(address)
	if err != nil {
		return nil, &no{codeNotFound, "Invalid address"}
	}
	var sum int64
	for _, out := range k.node.outputs(true) {
		if bytes.Equal(out.PkScript, script) {
			sum += out.Value
		}
	}
	return coins(sum), nil
}

func (k *keeper) txout(params []json.RawMessage) any {
	var h heldOutput
	k.read(params[0], &h.TxID)
	k.read(params[1], &h.Vout)
	out, err := h.outpoint()
	if err != nil {
		k.t.Error(err)
	}
	txOut := k.node.outputs(true)[out]
	if txOut == nil {
		return nil
	}
	confirmations := 0
	if k.node.outputs(false)[out] != nil {
		confirmations = 1
	}
	return map[string]any{"confirmations": confirmations, "value": coins(txOut.Value)}
}

func (k *keeper) sign(params []json.RawMessage) any {
	var text string
	k.read(params[0], &text)
	raw, err := hex.DecodeString(text)
	if err != nil {
		k.t.Error(err)
	}
	tx, err := decodeTx(raw)
	if err != nil {
		k.t.Error(err)
	}
	if k.lazy {
		return map[string]any{"hex": text, "complete": true}
	}
	outs, prevs := k.node.outputs(true), txscript.NewMultiPrevOutFetcher(nil)
	for _, in := range tx.TxIn {
		prevs.AddPrevOut(in.PreviousOutPoint, outs[in.PreviousOutPoint])
	}
	sums := txscript.NewTxSigHashes(tx, prevs)
	for i, in := range tx.TxIn {
		out := outs[in.PreviousOutPoint]
		key := k.keys[string(out.PkScript)]
		if txscript.IsPayToTaproot(out.PkScript) {
			in.Witness, err = txscript.TaprootWitnessSignature(tx, sums, i, out.Value, out.PkScript, txscript.SigHashDefault, key)
		} else {
			in.Witness, err = txscript.WitnessSignature(tx, sums, i, out.Value, out.PkScript, txscript.SigHashAll, key, true)
		}
		if err != nil {
			k.t.Error(err)
		}
	}
	var signed bytes.Buffer
	if err := tx.Serialize(&signed); err != nil {
		k.t.Error(err)
	}
	return map[string]any{"hex": hex.EncodeToString(signed.Bytes()), "complete": true}
}

// nodeBench is a bench whose purse is a keeper that was paid values, mined.
func nodeBench(t testing.TB, chain contracts.Chain, values ...int64) (*bench, *keeper) {
	t.Helper()
	f := newFake(t)
	coin := testCoin(chain, f)
	f.mineEmpty(20)
	k, e := newKeeper(t, f, coin)
	b := k.bench(e)
	for _, v := range values {
		k.paid(b, witnessScript, v)
	}
	b.step()
	return b, k
}

// bench is a new run on the same node.
func (k *keeper) bench(e Endpoint, change ...func(*Config)) *bench {
	k.t.Helper()
	b := benchOn(k.t, k.node, k.coin, change...)
	purse, err := newNodeWallet(b.Chain, e, "savings")
	if err != nil {
		k.t.Fatal(err)
	}
	b.purse = purse
	return b
}

// paid gives the keeper a mined coin.
func (k *keeper) paid(b *bench, form func(*btcec.PrivateKey) []byte, value int64) {
	k.node.mine(opTrue, b.funding(k.key(form), value))
}
