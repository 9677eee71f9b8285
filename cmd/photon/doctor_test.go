package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"photon/adapters/store"
	"photon/contracts"
	"photon/swap/trade"
)

// doctorNow is the time in every test, in Unix seconds.
const doctorNow = 1_800_000_000

// healthy is a node's surroundings in which nothing is amiss: a folder, and one
// node of ETH.
func healthy(t *testing.T) *doctor {
	t.Helper()
	data := t.TempDir()
	if err := os.Chmod(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{keyFile, "password", tokenFile, journalFile} {
		writeMode(t, filepath.Join(data, name), "x\n", 0o600)
	}
	return &doctor{
		now: func() time.Time { return time.Unix(doctorNow, 0) },
		cfg: config{
			Data: data, Realm: "main", Profile: "safe", Listen: "127.0.0.1:0", Database: "sqlite:" + filepath.Join(data, "photon.db"),
			Password: filepath.Join(data, "password"), PeerListen: []string{"/ip4/127.0.0.1/tcp/0"}, PollMillis: 1000,
			ETHChain: 1, ETHContract: common.Address{1}.Hex(), ETHRPC: []string{evmNode(t, goodEVM())},
			BTCConfirmations: 3, LTCConfirmations: 6, ETHConfirmations: 12, SMTConfirmations: 17, SMTChain: 20180430,
		},
	}
}

func writeMode(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// An evmEnd answers as a node of an EVM chain.
type evmEnd struct {
	id     uint64
	code   []byte
	height uint64
	time   uint64
	fork   byte
}

func goodEVM() evmEnd {
	return evmEnd{id: 1, code: contracts.HashLockRuntime(1), height: 100, time: doctorNow - 12}
}

func (e evmEnd) ChainId() hexutil.Uint64                      { return hexutil.Uint64(e.id) }
func (e evmEnd) GetCode(common.Address, string) hexutil.Bytes { return e.code }

func (e evmEnd) GetBlockByNumber(tag string, _ bool) (map[string]any, error) {
	height := e.height
	if tag != "latest" {
		n, err := hexutil.DecodeUint64(tag)
		if err != nil {
			return nil, err
		}
		height = n
	}
	hash := func(n uint64) common.Hash { return common.BytesToHash([]byte{e.fork, 1, byte(n)}) }
	return map[string]any{
		"number": hexutil.Uint64(height), "hash": hash(height), "parentHash": hash(height - 1), "timestamp": hexutil.Uint64(e.time),
	}, nil
}

// evmNode serves e on loopback and returns a URL with a user, a key in the path,
// and one in the query, none of which may be shown.
func evmNode(t *testing.T, e evmEnd) string {
	t.Helper()
	server := rpc.NewServer()
	if err := server.RegisterName("eth", e); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() { web.Close(); server.Stop() })
	return strings.Replace(web.URL, "http://", "http://hiddenuser:hiddenpass@", 1) + "/hiddenpath?key=hiddenkey"
}

// outputNode serves the first block of a network of BTC or LTC, and nothing more.
func outputNode(t *testing.T, params *chaincfg.Params) string {
	t.Helper()
	var header bytes.Buffer
	if err := params.GenesisBlock.Header.Serialize(&header); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, pass, _ := r.BasicAuth(); user != "hiddenuser" || pass != "hiddenpass" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var q struct {
			Method string `json:"method"`
			Params []any  `json:"params"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var result any = params.GenesisHash.String()
		if q.Method == "getblockheader" {
			result = hex.EncodeToString(header.Bytes())
			if len(q.Params) > 1 && q.Params[1] == true {
				result = map[string]any{"height": 0}
			}
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"result": result, "error": nil, "id": 1}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(web.Close)
	return strings.Replace(web.URL, "http://", "http://hiddenuser:hiddenpass@", 1)
}

// deadNode is a URL at which nothing listens.
func deadNode(t *testing.T) string {
	t.Helper()
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close()
	return strings.Replace(web.URL, "http://", "http://hiddenuser:hiddenpass@", 1) + "/hiddenpath?key=hiddenkey"
}

// taken is an address at which somebody listens.
func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Each row is one change to surroundings in which nothing is amiss, and the one
// row that becomes warn or bad by it.
func TestDoctor(t *testing.T) {
	remove := func(name string) func(*testing.T, *doctor) {
		return func(t *testing.T, d *doctor) {
			if err := os.Remove(filepath.Join(d.cfg.Data, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod := func(name string, mode os.FileMode) func(*testing.T, *doctor) {
		return func(t *testing.T, d *doctor) {
			if err := os.Chmod(filepath.Join(d.cfg.Data, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	eth := func(change func(*evmEnd)) func(*testing.T, *doctor) {
		return func(t *testing.T, d *doctor) {
			e := goodEVM()
			change(&e)
			d.cfg.ETHRPC = []string{evmNode(t, e)}
		}
	}
	second := func(change func(*evmEnd)) func(*testing.T, *doctor) {
		return func(t *testing.T, d *doctor) {
			e := goodEVM()
			change(&e)
			d.cfg.ETHRPC = append(d.cfg.ETHRPC, evmNode(t, e))
		}
	}
	for _, row := range []struct {
		name   string
		change func(*testing.T, *doctor)
		state  health // isOK: nothing is amiss
		check  string
		says   string
	}{
		{"good", func(*testing.T, *doctor) {}, isOK, "", ""},
		{"others look in", chmod(".", 0o755), isWarn, "data folder", "mode 755"},
		{"others write", chmod(".", 0o770), isBad, "data folder", "others can put files"},
		{"no keys", remove(keyFile), isBad, "key file", "there is no"},
		{"keys open to others", chmod(keyFile, 0o640), isBad, "key file", "others can read"},
		{"no password", remove("password"), isWarn, "password file", "asks for the password"},
		{"password open to others", chmod("password", 0o604), isBad, "password file", "others can read"},
		{"token open to others", chmod(tokenFile, 0o644), isBad, "API token", "others can read"},
		{"no token yet", remove(tokenFile), isOK, "", ""},
		{"journal open to others", chmod(journalFile, 0o644), isBad, "journal", "others can read"},
		{"no journal yet", remove(journalFile), isOK, "", ""},
		{"store that is none", func(t *testing.T, d *doctor) {
			writeMode(t, filepath.Join(d.cfg.Data, "photon.db"), strings.Repeat("not a database ", 100), 0o600)
		}, isBad, "store", "database"},
		{"API for all", func(t *testing.T, d *doctor) { d.cfg.Listen = "0.0.0.0:0" }, isWarn, "API", "other machines"},
		{"API by name", func(t *testing.T, d *doctor) { d.cfg.Listen = "localhost:0" }, isOK, "", ""},
		{"API's port taken", func(t *testing.T, d *doctor) { d.cfg.Listen = taken(t) }, isBad, "API", "in use"},
		{"peers' port taken", func(t *testing.T, d *doctor) {
			_, port, err := net.SplitHostPort(taken(t))
			if err != nil {
				t.Fatal(err)
			}
			d.cfg.PeerListen = []string{"/ip4/127.0.0.1/tcp/" + port}
		}, isBad, "peers", "in use"},
		{"peers elsewhere", func(t *testing.T, d *doctor) { d.cfg.PeerListen = []string{"/ip4/127.0.0.1/udp/1/quic-v1"} }, isOK, "", ""},

		{"node down", func(t *testing.T, d *doctor) { d.cfg.ETHRPC = []string{deadNode(t)} }, isBad, "ETH", "gives no answer"},
		{"one of two down", func(t *testing.T, d *doctor) { d.cfg.ETHRPC = append(d.cfg.ETHRPC, deadNode(t)) }, isWarn, "ETH", "gives no answer"},
		{"other chain", eth(func(e *evmEnd) { e.id = 5 }), isBad, "ETH", "chain id 5"},
		{"no contract", eth(func(e *evmEnd) { e.code = nil }), isBad, "ETH", "not the code"},
		{"old block", eth(func(e *evmEnd) { e.time = doctorNow - 301 }), isWarn, "ETH", "5m1s ago"},
		{"oldest good block", eth(func(e *evmEnd) { e.time = doctorNow - 300 }), isOK, "", ""},
		{"block just ahead", eth(func(e *evmEnd) { e.time = doctorNow + 15 }), isOK, "", ""},
		{"clock behind", eth(func(e *evmEnd) { e.time = doctorNow + 16 }), isWarn, "ETH", "16s ahead"},
		{"clock far behind", eth(func(e *evmEnd) { e.time = doctorNow + 601 }), isBad, "ETH", "10m1s ahead"},
		{"two agree", second(func(*evmEnd) {}), isOK, "", ""},
		{"one a little behind", second(func(e *evmEnd) { e.height -= apart }), isOK, "", ""},
		{"one behind", second(func(e *evmEnd) { e.height -= apart + 1 }), isWarn, "ETH nodes", "3 blocks behind"},
		{"one on a fork", second(func(e *evmEnd) { e.fork = 1 }), isWarn, "ETH nodes", "different blocks"},
		{"LTC where BTC should be", func(t *testing.T, d *doctor) { d.cfg.BTCRPC = []string{outputNode(t, &chaincfg.RegressionNetParams)} }, isBad, "BTC", "another network"},
		{"BTC of the main network, silent since 2009", func(t *testing.T, d *doctor) { d.cfg.BTCRPC = []string{outputNode(t, &chaincfg.MainNetParams)} }, isWarn, "BTC", "block 0"},
		{"wrong password of BTC", func(t *testing.T, d *doctor) {
			d.cfg.BTCRPC = []string{strings.Replace(outputNode(t, &chaincfg.MainNetParams), "hiddenpass", "hiddenwrong", 1)}
		}, isBad, "BTC", "does not take our user and password"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := healthy(t)
			row.change(t, d)
			d.examine(t.Context())
			if shown := fmt.Sprint(d.findings); strings.Contains(shown, "hidden") {
				t.Errorf("a secret is shown: %s", shown)
			}
			var amiss []finding
			for _, f := range d.findings {
				if f.State != isOK && f.Check != "disk" { // which is the machine's
					amiss = append(amiss, f)
				}
			}
			if row.state == isOK {
				if len(amiss) > 0 {
					t.Fatalf("amiss: %+v", amiss)
				}
				return
			}
			if len(amiss) != 1 {
				t.Fatalf("amiss: %+v, want one", amiss)
			}
			f := amiss[0]
			if f.State != row.state || !strings.HasPrefix(f.Check, row.check) || !strings.Contains(f.Text, row.says) || f.Do == "" {
				t.Errorf("%+v, want %s of %s: …%s…", f, row.state, row.check, row.says)
			}
		})
	}
}

// On dev chains blocks come when somebody wants them.
func TestDoctorOnDev(t *testing.T) {
	d := healthy(t)
	d.cfg.Realm, d.cfg.Profile, d.cfg.ETHRPC, d.cfg.PeerListen = "dev", "dev:60", nil, nil
	d.cfg.BTCRPC = []string{outputNode(t, &chaincfg.RegressionNetParams)}
	d.examine(t.Context())
	if d.count(isBad)+d.count(isWarn) > 0 {
		t.Errorf("amiss: %+v", d.findings)
	}
}

// A store that another has is his, and a doctor asks him.
func TestDoctorBesideNode(t *testing.T) {
	d := healthy(t)
	kept, err := store.Open(t.Context(), d.cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	d.cfg.Listen = taken(t) // by the node
	answers := map[string]string{
		"/v1/info": `{"addresses":[],"features":["swap"],"heads":[],"identity":"us","mode":"normal","realm":"main","version":"v9"}`,
		"/readyz":  `{"status":"ok"}`,
	}
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, answers[r.URL.Path])
	}))
	t.Cleanup(node.Close)
	for _, row := range []struct {
		name, address string
		state         health
		says          string
	}{
		{"no address", "", isWarn, "no address"},
		{"silent", deadNode(t), isWarn, "does not answer"},
		{"ready", node.URL, isOK, "version v9"},
	} {
		d.findings = nil
		if row.address != "" {
			address, _, _ := strings.Cut(strings.Replace(row.address, "hiddenuser:hiddenpass@", "", 1), "/hiddenpath")
			writeMode(t, filepath.Join(d.cfg.Data, addressFile), address, 0o600)
			writeMode(t, filepath.Join(d.cfg.Data, tokenFile), strings.Repeat("a", 64), 0o600)
		}
		d.examine(t.Context())
		if f := d.row(t, "store"); f.State != isOK || !strings.Contains(f.Text, fmt.Sprintf("process %d", os.Getpid())) {
			t.Errorf("%s: %+v", row.name, f)
		}
		if f := d.row(t, "node"); f.State != row.state || !strings.Contains(f.Text, row.says) {
			t.Errorf("%s: %+v, want %s: …%s…", row.name, f, row.state, row.says)
		}
		if f := d.row(t, "API"); f.State != isOK {
			t.Errorf("%s: %+v", row.name, f)
		}
	}
}

func (d *doctor) row(t *testing.T, check string) finding {
	t.Helper()
	for _, f := range d.findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("nothing is said of %s: %+v", check, d.findings)
	return finding{}
}

// Open swaps and no node: time locks do not wait. Whoever looks changes nothing.
func TestDoctorWithOpenSwaps(t *testing.T) {
	d := healthy(t)
	kept, err := store.Open(t.Context(), d.cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	leg := trade.Leg{Terms: contracts.Terms{Asset: contracts.Native(contracts.BTC)}}
	err = kept.Save(t.Context(), trade.Change{Trades: []trade.Trade{{ID: contracts.Hash{1}, Status: trade.Locking, Ours: leg, Theirs: leg, Version: 1}}})
	if err := errors.Join(err, kept.Close()); err != nil {
		t.Fatal(err)
	}
	before := lying(t, d.cfg.Data)
	d.examine(t.Context())
	if f := d.row(t, "node"); f.State != isWarn || !strings.Contains(f.Text, "1 swaps are open") {
		t.Errorf("%+v", f)
	}
	if f := d.row(t, "store"); f.State != isOK || !strings.HasPrefix(f.Text, "schema 4; 1 swaps are open") {
		t.Errorf("%+v", f)
	}
	if after := lying(t, d.cfg.Data); !maps.Equal(before, after) {
		t.Errorf("what lies in the folder changed: %q, then %q", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
}

// lying are the files of a folder: when each was changed, and its bytes.
func lying(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(folder)
	must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		must(t, err)
		all[e.Name()] = info.ModTime().String() + string(text)
	}
	return all
}

func TestSpaceHealth(t *testing.T) {
	for free, want := range map[uint64]health{0: isBad, spaceNone - 1: isBad, spaceNone: isWarn, spaceLow - 1: isWarn, spaceLow: isOK} {
		if got := spaceHealth(free); got != want {
			t.Errorf("%d bytes: %s, want %s", free, got, want)
		}
	}
}

// The command itself: a faulty config is told row by row, and the rest is still
// looked at.
func TestDoctorCommand(t *testing.T) {
	for _, row := range []struct {
		name string
		file string
		want error
		says []string
	}{
		{"faulty", "realm: moon\neth_rpc: [http://hiddenuser:hiddenpass@127.0.0.1:1]\n", errSick, []string{`"config"`, "moon", `"data folder"`, `"key file"`, `"ETH 127.0.0.1:1"`}},
		{"no chain", "realm: main\n", errSick, []string{"no chain"}},
		{"not YAML", "realm: [", errSick, []string{"config file"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "photon.yaml")
			writeMode(t, path, row.file, 0o600)
			var out bytes.Buffer
			root := rootCommand()
			root.SetOut(&out)
			root.SetArgs([]string{"doctor", "--json", "--config", path, "--data", filepath.Join(folder, "data"), "--listen", "127.0.0.1:0"})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := root.ExecuteContext(ctx); !errors.Is(err, row.want) {
				t.Errorf("%v, want %v", err, row.want)
			}
			for _, text := range row.says {
				if !strings.Contains(out.String(), text) {
					t.Errorf("nothing of %s in\n%s", text, &out)
				}
			}
			if strings.Contains(out.String(), "hidden") {
				t.Errorf("a secret is shown:\n%s", &out)
			}
			for decode := json.NewDecoder(&out); decode.More(); {
				var f finding
				if err := decode.Decode(&f); err != nil || f.Check == "" || f.Text == "" {
					t.Fatalf("%+v: %v", f, err)
				}
			}
		})
	}
}
