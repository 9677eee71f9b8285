package evm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"photon/contracts"
)

const (
	someHash    = `"0x1111111111111111111111111111111111111111111111111111111111111111"`
	otherHash   = `"0x2222222222222222222222222222222222222222222222222222222222222222"`
	someAddress = `"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"`
)

// with returns the JSON of fields, one of them changed; a change to "" drops it.
func with(fields map[string]string, name, value string) json.RawMessage {
	out := map[string]json.RawMessage{}
	for k, v := range fields {
		out[k] = json.RawMessage(v)
	}
	if name != "" {
		delete(out, name)
	}
	if value != "" {
		out[name] = json.RawMessage(value)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return raw
}

var goodHeader = map[string]string{
	"number": `"0x10"`, "hash": someHash, "parentHash": otherHash, "timestamp": `"0x65000000"`, "baseFeePerGas": `"0x7"`,
}

func TestReadHeader(t *testing.T) {
	for _, row := range []struct {
		name, field, value string
		ok                 bool
	}{
		{"good", "", "", true},
		{"of Spectrum", "baseFeePerGas", "", true},
		{"highest", "number", `"0x1000000000000"`, true},
		{"one higher", "number", `"0x1000000000001"`, false},
		{"no number", "number", "", false},
		{"pending", "number", "null", false},
		{"negative", "number", `"-0x1"`, false},
		{"decimal", "number", `16`, false},
		{"above 64 bits", "number", `"0x10000000000000000"`, false},
		{"zero hash", "hash", `"0x0000000000000000000000000000000000000000000000000000000000000000"`, false},
		{"short hash", "hash", `"0x11"`, false},
		{"no parent", "parentHash", "", false},
		{"no time", "timestamp", "", false},
		{"absurd time", "timestamp", `"0xffffffffffffffff"`, false},
		{"base fee of text", "baseFeePerGas", `"much"`, false},
	} {
		h, err := readHeader(with(goodHeader, row.field, row.value))
		if (err == nil) != row.ok || (err != nil && !errors.Is(err, ErrAnswer)) {
			t.Errorf("%s: %+v, %v", row.name, h, err)
		}
	}
	for _, raw := range []string{``, `null`, `[]`, `7`, `{`} {
		if _, err := readHeader(json.RawMessage(raw)); !errors.Is(err, ErrAnswer) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

var goodLog = map[string]string{
	"address": someAddress, "topics": `[` + someHash + `]`, "data": `"0x"`, "blockNumber": `"0x5"`,
	"blockHash": someHash, "transactionHash": otherHash, "logIndex": `"0x1"`,
}

func TestReadLogs(t *testing.T) {
	for _, row := range []struct {
		name, field, value string
		ok                 bool
	}{
		{"good", "", "", true},
		{"no topics", "topics", `[]`, true},
		{"five topics", "topics", `[` + strings.Repeat(someHash+",", 4) + someHash + `]`, false},
		{"removed", "removed", `true`, false},
		{"not removed", "removed", `false`, true},
		{"not mined", "blockHash", `null`, false},
		{"no height", "blockNumber", ``, false},
		{"absurd height", "blockNumber", `"0xffffffffffffffff"`, false},
		{"no transaction", "transactionHash", ``, false},
		{"no place in its block", "logIndex", ``, false},
		{"half a byte", "data", `"0x1"`, false},
	} {
		raw := append(append([]byte{'['}, with(goodLog, row.field, row.value)...), ']')
		logs, err := readLogs(raw)
		if (err == nil) != row.ok || (row.ok && len(logs) != 1) {
			t.Errorf("%s: %+v, %v", row.name, logs, err)
		}
	}
	if logs, err := readLogs(json.RawMessage(`[]`)); err != nil || len(logs) != 0 {
		t.Errorf("none: %v, %v", logs, err)
	}
	if _, err := readLogs(nil); !errors.Is(err, ErrAnswer) {
		t.Errorf("null: %v", err)
	}
}

var goodReceipt = map[string]string{
	"transactionHash": otherHash, "from": someAddress, "status": `"0x1"`, "blockNumber": `"0x5"`, "blockHash": someHash,
	"gasUsed": `"0x5208"`, "effectiveGasPrice": `"0x3"`, "logs": `[]`, "contractAddress": `null`,
}

func TestReadReceipt(t *testing.T) {
	for _, row := range []struct {
		name, field, value string
		mined, ok          bool
	}{
		{"good", "", "", true, true},
		{"of Spectrum", "effectiveGasPrice", "", true, true},
		{"reverted", "status", `"0x0"`, true, true},
		{"made a contract", "contractAddress", someAddress, true, true},
		{"not mined", "blockNumber", `null`, false, true},
		{"before Byzantium", "status", ``, false, false},
		{"no sender", "from", ``, false, false},
		{"bad log", "logs", `[{}]`, false, false},
		{"no gas", "gasUsed", ``, false, false},
	} {
		r, mined, err := readReceipt(with(goodReceipt, row.field, row.value))
		if (err == nil) != row.ok || mined != row.mined {
			t.Errorf("%s: %+v, %t, %v", row.name, r, mined, err)
		}
		if mined && r.Failed != (row.name == "reverted") {
			t.Errorf("%s: failed %t", row.name, r.Failed)
		}
	}
	if _, mined, err := readReceipt(json.RawMessage(`null`)); mined || err != nil {
		t.Errorf("null: %t, %v", mined, err)
	}
}

func TestReadNumbers(t *testing.T) {
	most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for _, row := range []struct {
		raw  string
		want string // "" is refused
	}{
		{`"0x0"`, "0"}, {`"0x10"`, "16"}, {fmt.Sprintf(`"0x%x"`, most), most.String()},
		{`"0x"`, ""}, {`"10"`, ""}, {`10`, ""}, {`null`, ""}, {``, ""}, {`"-0x1"`, ""}, {fmt.Sprintf(`"0x1%064x"`, 0), ""},
	} {
		a, err := readAmount(json.RawMessage(row.raw))
		if (err == nil) != (row.want != "") || (err == nil && a.String() != row.want) {
			t.Errorf("%s: %s, %v", row.raw, a, err)
		}
	}
	if n, err := readDecimal(json.RawMessage(`"20180430"`)); n != 20180430 || err != nil {
		t.Errorf("net_version: %d, %v", n, err)
	}
	if _, err := readDecimal(json.RawMessage(`"-1"`)); !errors.Is(err, ErrAnswer) {
		t.Errorf("negative net_version: %v", err)
	}
	if amountOf(new(big.Int).Lsh(big.NewInt(1), 300)).String() != most.String() {
		t.Error("an amount above 2^256-1 did not become the largest")
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(with(goodHeader, "", "")))
	f.Add([]byte(with(goodHeader, "number", `"-0x1"`)))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if h, err := readHeader(raw); err == nil && (h.Number > maxHeight || h.Time > maxHeight) {
			t.Errorf("read %+v", h)
		}
	})
}

func FuzzLogs(f *testing.F) {
	f.Add([]byte(`[` + string(with(goodLog, "", "")) + `]`))
	f.Add([]byte(`[{"topics":[]}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		logs, err := readLogs(raw)
		if err != nil {
			return
		}
		for _, l := range logs {
			if l.Height > maxHeight || len(l.Topics) > 4 {
				t.Errorf("read %+v", l)
			}
			if e, err := contracts.ReadHashLockLog(l.Topics, l.Data); err == nil && e.Kind == "" {
				t.Errorf("event without a kind: %+v", e)
			}
		}
	})
}

func FuzzReceipt(f *testing.F) {
	f.Add([]byte(with(goodReceipt, "", "")))
	f.Add([]byte(with(goodReceipt, "logs", `[`+string(with(goodLog, "", ""))+`]`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, mined, err := readReceipt(raw); err != nil && mined {
			t.Errorf("mined and unreadable: %+v", r)
		}
		if p, err := readPrice(raw); err == nil && p == nil {
			t.Error("no price and no error")
		}
	})
}

func FuzzNumbers(f *testing.F) {
	f.Add([]byte(`"0x10"`))
	f.Add([]byte(`"20180430"`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if n, err := readNumber(raw); err == nil && n > maxHeight {
			t.Errorf("read %d", n)
		}
		if a, err := readAmount(raw); err == nil {
			if b, err := contracts.ParseAmount(a.String()); err != nil || a.Cmp(b) != 0 {
				t.Errorf("%s reads back as %s, %v", a, b, err)
			}
		}
		if b, err := readBytes(raw); err == nil && len(b) > len(raw) {
			t.Errorf("%d bytes out of %d", len(b), len(raw))
		}
		_, _ = readDecimal(raw) // must not panic
	})
}

func FuzzCalls(f *testing.F) {
	secret := contracts.Secret{7}
	f.Add([]byte(`{"transactions":[{"hash":"0x0000000000000000000000000000000000000000000000000000000000000001","input":"0x01020304"}]}`), secret[:])
	f.Add([]byte(`{"transactions":["0x00"]}`), append([]byte{1, 2, 3, 4}, secret[:]...))
	f.Add([]byte(`null`), append(make([]byte, 4+32), secret[:]...))
	f.Fuzz(func(t *testing.T, raw, input []byte) {
		if txs, err := readCalls(raw); err == nil && len(txs) > len(raw) {
			t.Errorf("%d transactions out of %d bytes", len(txs), len(raw))
		}
		s, ok := findSecret(input, secret.Hash())
		if ok && s != secret {
			t.Errorf("found %x", s[:])
		}
		if want := len(input) >= 36 && bytes.Equal(input[4:36], secret[:]); want && !ok {
			t.Error("the first word is passed over")
		}
	})
}
