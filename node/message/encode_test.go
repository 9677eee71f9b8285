package message

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"
	"pgregory.net/rapid"

	"photon/contracts"
)

func anyHash(r *rapid.T) contracts.Hash {
	return contracts.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(r, "hash"))
}

func anySignature(r *rapid.T) contracts.Signature {
	return contracts.Signature(rapid.SliceOfN(rapid.Byte(), 65, 65).Draw(r, "signature"))
}

func anyAmount(r *rapid.T) contracts.Amount { return amount(r, "amount", power2(256, 1)) }

func anyNumber(r *rapid.T) uint64 {
	return rapid.Uint64().Draw(r, "number") >> rapid.IntRange(0, 64).Draw(r, "shift")
}

func anyReason(r *rapid.T) Reason { return rapid.SampledFrom(reasons[:]).Draw(r, "reason") }

func anyLock(r *rapid.T) contracts.Lock {
	return contracts.Lock{Amount: anyAmount(r), Expiry: anyNumber(r), Hash: anyHash(r)}
}

func anyProof(r *rapid.T) contracts.BalanceProof {
	return contracts.BalanceProof{Nonce: anyNumber(r), Transferred: anyAmount(r), Locks: anyHash(r)}
}

// some draws up to most, and nil for none.
func some[T any](r *rapid.T, most int, one func(*rapid.T) T) (all []T) {
	for range rapid.IntRange(0, most).Draw(r, "how many") {
		all = append(all, one(r))
	}
	return all
}

func anyChange(r *rapid.T) Change {
	switch rapid.IntRange(0, 3).Draw(r, "change") {
	case 0:
		return Change{Pay: &Pay{anyHash(r), anyAmount(r), anyHash(r), rapid.StringN(-1, -1, MaxText).Draw(r, "text")}}
	case 1:
		return Change{Promise: &Promise{anyLock(r), some(r, MaxRoute, func(r *rapid.T) contracts.Address {
			return contracts.Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(r, "address"))
		})}}
	case 2:
		return Change{Unlock: &Unlock{anyHash(r), contracts.Secret(anyHash(r))}}
	default:
		return Change{Drop: &Drop{anyHash(r)}}
	}
}

func anyAnswer(r *rapid.T) Answer {
	reason := rapid.SampledFrom(append(reasons[:], "")).Draw(r, "reason or none")
	return Answer{anyHash(r), anyNumber(r), anyNumber(r), anyNumber(r), reason, anyHash(r), anySignature(r)}
}

func anySaid(r *rapid.T) Said { return Said{anyProof(r), some(r, 4, anyLock), anySignature(r)} }

func anyMessage(r *rapid.T) Message {
	switch rapid.IntRange(0, 8).Draw(r, "message") {
	case 0:
		return Update{anyHash(r), anyNumber(r), anyNumber(r), some(r, 8, anyChange), anyProof(r), anySignature(r)}
	case 1:
		return anyAnswer(r)
	case 2:
		return Reveal{anyHash(r), contracts.Secret(anyHash(r))}
	case 3:
		return Dispose{anyHash(r), anyNumber(r), anyLock(r), anyReason(r), anySignature(r)}
	case 4:
		return Sync{anyHash(r), anyNumber(r), anyNumber(r), anyAnswer(r), rapid.Bool().Draw(r, "echo")}
	case 5:
		return State{anyHash(r), anyNumber(r), anySaid(r), anySaid(r), anyNumber(r), anyNumber(r)}
	case 6:
		w := contracts.Withdrawal{Until: anyNumber(r), FirstBalance: anyAmount(r), SecondBalance: anyAmount(r), FirstTakes: anyAmount(r), SecondTakes: anyAmount(r)}
		return Withdraw{anyHash(r), anyNumber(r), w, rapid.Bool().Draw(r, "agreed"), anySignature(r)}
	case 7:
		e := contracts.Ending{Until: anyNumber(r), FirstBalance: anyAmount(r), SecondBalance: anyAmount(r)}
		return End{anyHash(r), anyNumber(r), e, rapid.Bool().Draw(r, "agreed"), anySignature(r)}
	default:
		return Decline{anyHash(r), anyNumber(r), anyNumber(r), anyReason(r)}
	}
}

// What is said arrives as it was said, in no more bytes than Size gives, and a byte
// that is changed on the way is refused or makes another packet.
func TestPackets(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		ms := some(r, 4, anyMessage)
		b := Encode(ms)
		if got, err := Decode(b); err != nil || !reflect.DeepEqual(got, ms) {
			r.Fatalf("%+v, %v, want %+v", got, err, ms)
		}
		most := 1
		for _, m := range ms {
			most += Size(m)
		}
		if len(b) > most {
			r.Fatalf("%d bytes, at most %d were said", len(b), most)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(r, "place")] ^= rapid.ByteRange(1, 255).Draw(r, "flip")
		if got, err := Decode(b); err == nil && !bytes.Equal(Encode(got), b) {
			r.Fatalf("%x is also a packet of %+v", b, got)
		} else if err != nil && (got != nil || !errors.Is(err, ErrEncoding)) {
			r.Fatalf("%+v, %v", got, err)
		}
	})
}

// A tree is a packet's message as RLP has it: numbers, bytes and lists.
type tree = []any

// at returns the place of a tree at the end of a path.
func at(t tree, path ...int) *any {
	place := &t[path[0]]
	if len(path) > 1 {
		return at((*place).(tree), path[1:]...)
	}
	return place
}

func packet(t testing.TB, m any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(m)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{version}, b...)
}

func zeros(n int) []byte { return make([]byte, n) }

func times(n int, item any) (list tree) {
	for range n {
		list = append(list, item)
	}
	return list
}

var (
	lockTree  = tree{uint64(5), uint64(1000), zeros(32)}
	proofTree = tree{uint64(8), uint64(40), zeros(32)}
	dropTree  = tree{kindDrop, tree{zeros(32)}}
	saidTree  = tree{proofTree, tree{lockTree}, zeros(65)}
)

// trees returns a good message of each kind that has a rule of its own.
func trees() map[string]tree {
	return map[string]tree{
		"update": {kindUpdate, tree{zeros(32), uint64(3), uint64(7), tree{
			tree{kindPay, tree{zeros(32), uint64(5), zeros(32), "rent"}},
			tree{kindPromise, tree{slices.Clone(lockTree), tree{zeros(20), zeros(20)}}},
			tree{kindUnlock, tree{zeros(32), zeros(32)}},
			slices.Clone(dropTree),
		}, proofTree, zeros(65)}},
		"answer":  {kindAnswer, tree{zeros(32), uint64(3), uint64(7), uint64(7), "", zeros(32), zeros(65)}},
		"decline": {kindDecline, tree{zeros(32), uint64(3), uint64(1000), "busy"}},
		"state":   {kindState, tree{zeros(32), uint64(3), slices.Clone(saidTree), saidTree, uint64(8), uint64(9)}},
		"end":     {kindEnd, tree{zeros(32), uint64(3), tree{uint64(1000), uint64(60), uint64(40)}, uint64(1), zeros(65)}},
	}
}

// Each row is one change to a good message: what is put at the end of a path.
func TestDecodeIsStrict(t *testing.T) {
	for _, row := range []struct {
		name string
		good string
		path []int
		put  any
		want string // in the error; "" is accepted
	}{
		{"good update", "update", []int{1, 1}, uint64(3), ""},
		{"good answer", "answer", []int{1, 1}, uint64(3), ""},
		{"good decline", "decline", []int{1, 1}, uint64(3), ""},
		{"good state", "state", []int{1, 1}, uint64(3), ""},
		{"good end", "end", []int{1, 1}, uint64(3), ""},

		{"kind 0", "update", []int{0}, uint64(0), "kind 0"},
		{"a kind beyond the last", "update", []int{0}, kindDecline + 1, "kind 10"},
		{"another's kind", "update", []int{0}, kindState, "message 0"},
		{"fields that are no list", "update", []int{1}, zeros(32), "expected List"},
		{"a field missing", "decline", []int{1}, tree{zeros(32), uint64(3), uint64(1000)}, "EOF"},
		{"a field more", "decline", []int{1}, tree{zeros(32), uint64(3), uint64(1000), "busy", ""}, "1 bytes more"},

		{"hash of 31 bytes", "update", []int{1, 0}, zeros(31), "31 bytes, want 32"},
		{"hash of 33 bytes", "update", []int{1, 0}, zeros(33), "33 bytes, want 32"},
		{"no hash", "update", []int{1, 0}, "", "0 bytes, want 32"},
		{"hash that is a list", "update", []int{1, 0}, tree{}, "expected String or Byte"},
		{"hash with a length of two bytes", "update", []int{1, 0}, rlp.RawValue(append([]byte{0xb8, 32}, zeros(32)...)), "non-canonical size"},
		{"signature of 64 bytes", "update", []int{1, 5}, zeros(64), "64 bytes, want 65"},
		{"signature of 66 bytes", "update", []int{1, 5}, zeros(66), "66 bytes, want 65"},

		{"greatest number", "update", []int{1, 1}, ^uint64(0), ""},
		{"number of 9 bytes", "update", []int{1, 1}, append([]byte{1}, zeros(8)...), "overflow"},
		{"zero as a byte", "update", []int{1, 1}, rlp.RawValue{0}, "non-canonical integer"},
		{"number with a zero before it", "update", []int{1, 1}, []byte{0, 200}, "non-canonical integer"},
		{"small number with a length", "update", []int{1, 1}, rlp.RawValue{0x81, 5}, "non-canonical size"},
		{"number that is a list", "update", []int{1, 1}, tree{}, "expected String or Byte"},

		{"greatest amount", "update", []int{1, 3, 0, 1, 1}, bytes.Repeat([]byte{255}, 32), ""},
		{"amount of 33 bytes", "update", []int{1, 3, 0, 1, 1}, append([]byte{1}, zeros(32)...), "amount of 33 bytes"},
		{"no amount", "update", []int{1, 3, 0, 1, 1}, "", ""},
		{"amount of a zero byte", "update", []int{1, 3, 0, 1, 1}, rlp.RawValue{0}, "with a zero before it"},
		{"amount with a zero before it", "update", []int{1, 3, 0, 1, 1}, []byte{0, 200}, "with a zero before it"},

		{"longest text", "update", []int{1, 3, 0, 1, 3}, strings.Repeat("é", MaxText/2), ""},
		{"text too long", "update", []int{1, 3, 0, 1, 3}, strings.Repeat("a", MaxText+1), "text of 257 bytes"},
		{"text that is no UTF-8", "update", []int{1, 3, 0, 1, 3}, "a\xff", "of UTF-8"},
		{"text that is a list", "update", []int{1, 3, 0, 1, 3}, tree{"a"}, "expected String or Byte"},

		{"change of kind 0", "update", []int{1, 3, 0, 0}, uint64(0), "item 0: not in its one encoding: kind 0"},
		{"change of a kind beyond the last", "update", []int{1, 3, 3, 0}, kindDrop + 1, "item 3: not in its one encoding: kind 5"},
		{"change of another's kind", "update", []int{1, 3, 3, 0}, kindUnlock, "item 3"},
		{"change that is a number", "update", []int{1, 3, 2}, uint64(3), "expected List"},
		{"two fields in a change", "update", []int{1, 3, 3}, tree{kindDrop, tree{zeros(32)}, tree{zeros(32)}}, "bytes more"},
		{"secret of 31 bytes", "update", []int{1, 3, 2, 1, 1}, zeros(31), "31 bytes, want 32"},
		{"no changes", "update", []int{1, 3}, tree{}, ""},
		{"most changes", "update", []int{1, 3}, times(MaxChanges, dropTree), ""},
		{"a change too many", "update", []int{1, 3}, times(MaxChanges+1, dropTree), "1025 in a list, at most 1024"},
		{"no route", "update", []int{1, 3, 1, 1, 1}, tree{}, ""},
		{"longest route", "update", []int{1, 3, 1, 1, 1}, times(MaxRoute, zeros(20)), ""},
		{"route too long", "update", []int{1, 3, 1, 1, 1}, times(MaxRoute+1, zeros(20)), "21 in a list, at most 20"},
		{"address of 21 bytes", "update", []int{1, 3, 1, 1, 1, 1}, zeros(21), "21 bytes, want 20"},
		{"lock without a hash", "update", []int{1, 3, 1, 1, 0}, tree{uint64(5), uint64(1000)}, "EOF"},
		{"proof with a field more", "update", []int{1, 4}, append(slices.Clone(proofTree), uint64(1)), "1 bytes more"},

		{"most locks", "state", []int{1, 2, 1}, times(MaxLocks, lockTree), ""},
		{"a lock too many", "state", []int{1, 2, 1}, times(MaxLocks+1, lockTree), "161 in a list, at most 160"},

		{"answer with a reason", "answer", []int{1, 4}, "capacity", ""},
		{"answer with an unknown reason", "answer", []int{1, 4}, "weather", "unknown word of 7 bytes"},
		{"another reason", "decline", []int{1, 3}, "no route", ""},
		{"unknown reason", "decline", []int{1, 3}, "weather", "unknown word of 7 bytes"},
		{"reason in upper case", "decline", []int{1, 3}, "Busy", "unknown word"},
		{"no reason", "decline", []int{1, 3}, "", "unknown word of 0 bytes"},

		{"no", "end", []int{1, 3}, uint64(0), ""},
		{"neither yes nor no", "end", []int{1, 3}, uint64(2), "2 for yes or no"},
	} {
		m := trees()[row.good]
		*at(m, row.path...) = row.put
		b := packet(t, m)
		got, err := Decode(b)
		switch {
		case row.want == "" && (err != nil || len(got) != 1 || !bytes.Equal(Encode(got), b)):
			t.Errorf("%s: %+v, %v", row.name, got, err)
		case row.want != "" && (got != nil || !errors.Is(err, ErrEncoding) || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %+v, %v, want %s", row.name, got, err, row.want)
		}
	}
}

// padded is a packet of so many bytes: payments with longer and longer texts.
func padded(t testing.TB, size int) []byte {
	t.Helper()
	u := Update{}
	for range 900 {
		u.Changes = append(u.Changes, Change{Pay: &Pay{Text: strings.Repeat("a", 200)}})
	}
	short := size - len(Encode([]Message{u}))
	for _, s := range u.Changes {
		more := min(short, 50)
		s.Pay.Text += strings.Repeat("a", more)
		short -= more
	}
	b := Encode([]Message{u})
	if len(b) != size {
		t.Fatalf("%d bytes, want %d", len(b), size)
	}
	return b
}

func TestWholePackets(t *testing.T) {
	one := packet(t, trees()["decline"])
	for _, row := range []struct {
		name string
		b    []byte
		n    int
		want string
	}{
		{"good", one, 1, ""},
		{"two", append(slices.Clone(one), one[1:]...), 2, ""},
		{"nothing said", []byte{version}, 0, ""},
		{"no byte", nil, 0, "0 bytes"},
		{"version 0", append([]byte{0}, one[1:]...), 0, "version 0, ours is 1"},
		{"version 2", append([]byte{2}, one[1:]...), 0, "version 2, ours is 1"},
		{"a byte too little", one[:len(one)-1], 0, "exceeds"},
		{"a byte more", append(slices.Clone(one), 0), 0, "message 1: "},
		{"bad after good", append(slices.Clone(one), 0xc0), 0, "message 1: "},
		{"most messages", append([]byte{version}, bytes.Repeat(one[1:], MaxMessages)...), MaxMessages, ""},
		{"a message too many", append([]byte{version}, bytes.Repeat(one[1:], MaxMessages+1)...), 0, "2049 in a list"},
		{"largest", padded(t, MaxPacket), 1, ""},
		{"too large", padded(t, MaxPacket+1), 0, "262145 bytes"},
		{"a length that is not there", []byte{version, 0xff, 1, 0, 0, 0, 0, 0, 0, 0}, 0, "exceeds"},
		{"the greatest length", append([]byte{version}, bytes.Repeat([]byte{255}, 20)...), 0, "exceeds"},
	} {
		ms, err := Decode(row.b)
		switch {
		case row.want == "" && (err != nil || len(ms) != row.n || !bytes.Equal(Encode(ms), row.b)):
			t.Errorf("%s: %d messages, %v", row.name, len(ms), err)
		case row.want != "" && (ms != nil || !errors.Is(err, ErrEncoding) || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %d messages, %v, want %s", row.name, len(ms), err, row.want)
		}
	}
}

// A packet costs its reader no more than a few times its size, and a fixed sum where
// a list is of things that are none.
func TestReadingIsBounded(t *testing.T) {
	empty := trees()["update"]
	*at(empty, 1, 3) = tree{}
	full, nothing := trees()["update"], trees()["update"]
	*at(full, 1, 3) = times(MaxChanges, dropTree)
	*at(nothing, 1, 3) = times(MaxChanges, uint64(1))
	locks := trees()["state"]
	*at(locks, 1, 2, 1) = times(MaxLocks, tree{uint64(0), uint64(0), zeros(32)})
	for name, b := range map[string][]byte{
		"messages":         append([]byte{version}, bytes.Repeat(packet(t, empty)[1:], 1700)...),
		"changes":          append([]byte{version}, bytes.Repeat(packet(t, full)[1:], 6)...),
		"changes of none":  packet(t, nothing),
		"locks":            append([]byte{version}, bytes.Repeat(packet(t, locks)[1:], 40)...),
		"bytes of nothing": append([]byte{version}, zeros(MaxPacket-1)...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(b)
		runtime.ReadMemStats(&after)
		if took, most := after.TotalAlloc-before.TotalAlloc, uint64(8*len(b)+64<<10); took > most {
			t.Errorf("%s: %d bytes are made of %d, %v", name, took, len(b), err)
		}
	}
}

// Each reason is on the list by which it is read.
func TestReasonsAreKnown(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "message.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	ast.Inspect(file, func(n ast.Node) bool {
		if s, is := n.(*ast.ValueSpec); is {
			if kind, is := s.Type.(*ast.Ident); is && kind.Name == "Reason" {
				want = append(want, strings.Trim(s.Values[0].(*ast.BasicLit).Value, `"`))
			}
		}
		return true
	})
	var got []string
	for _, r := range reasons {
		got = append(got, string(r))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(slices.Compact(want)) != len(reasons) {
		t.Errorf("%q are read, and %q are said", got, want)
	}
}

func TestEncodePanics(t *testing.T) {
	for _, row := range []struct {
		name string
		m    Message
	}{
		{"no message", nil},
		{"a pointer to one", &Decline{}},
		{"a change of nothing", Update{Changes: []Change{{}}}},
		{"a change of two", Update{Changes: []Change{{Pay: &Pay{}, Drop: &Drop{}}}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is encoded", row.name)
				}
			}()
			Encode([]Message{row.m})
		}()
	}
}

// A size is enough for the largest of its kind, and not much more.
func TestSizes(t *testing.T) {
	most, n := power2(256, 1), ^uint64(0)
	lock := contracts.Lock{Amount: most, Expiry: n}
	proof := contracts.BalanceProof{Nonce: n, Transferred: most}
	said := Said{Proof: proof, Locks: slices.Repeat([]contracts.Lock{lock}, MaxLocks)}
	update := func(s Change) Update {
		return Update{Epoch: n, After: n, Proof: proof, Changes: slices.Repeat([]Change{s}, 100)}
	}
	for _, row := range []struct {
		name  string
		m     Message
		spare int // bytes
	}{
		{"payments", update(Change{Pay: &Pay{Amount: most, Text: strings.Repeat("a", MaxText)}}), 100*4 + 20},
		{"promises", update(Change{Promise: &Promise{lock, make([]contracts.Address, MaxRoute)}}), 100*8 + 20},
		{"unlocks", update(Change{Unlock: &Unlock{}}), 100*8 + 20},
		{"state", State{Epoch: n, Mine: said, Yours: said, Sent: n, Heard: n}, 2*MaxLocks*2 + 20},
		{"sync", Sync{Epoch: n, Sent: n, Answer: Answer{Epoch: n, Nonce: n, Stands: n, Reason: Registered}, Echo: true}, sizeSmall},
		{"withdrawal", Withdraw{Epoch: n, Withdrawal: contracts.Withdrawal{Until: n, FirstBalance: most, SecondBalance: most, FirstTakes: most, SecondTakes: most}, Agreed: true}, sizeSmall},
		{"disposal", Dispose{Epoch: n, Lock: lock, Reason: Registered}, sizeSmall},
	} {
		if got, size := len(Encode([]Message{row.m}))-1, Size(row.m); got > size || got+row.spare < size {
			t.Errorf("%s: %d bytes, Size says %d", row.name, got, size)
		}
	}
}

// FuzzDecode: what can be read has no other encoding, and what cannot is nothing.
func FuzzDecode(f *testing.F) {
	sample := rapid.Custom(anyMessage)
	for kind, seed := kindUpdate, 0; kind <= kindDecline; seed++ {
		if m := sample.Example(seed); kindOf(m) == kind {
			f.Add(Encode([]Message{m}))
			f.Add(Encode([]Message{m, Decline{Reason: Busy}}))
			kind++
		}
	}
	for _, m := range trees() {
		f.Add(packet(f, m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ms, err := Decode(b)
		if err != nil {
			if ms != nil || !errors.Is(err, ErrEncoding) {
				t.Fatalf("%+v, %v", ms, err)
			}
			return
		}
		if again := Encode(ms); !bytes.Equal(again, b) {
			t.Fatalf("%x is written %x", b, again)
		}
		for _, m := range ms {
			if len(Encode([]Message{m}))-1 > Size(m) {
				t.Fatalf("%+v is larger than %d", m, Size(m))
			}
			if u, is := m.(Update); is {
				for _, s := range u.Changes {
					s.Subject()
				}
			}
		}
	})
}

// hundred is an update of 100 payments of one coin, each of an invoice.
func hundred() []Message {
	u := Update{Epoch: 1, After: 1000, Proof: contracts.BalanceProof{Nonce: 1001, Transferred: contracts.Units(1 << 60)}}
	for i := range byte(100) {
		u.Changes = append(u.Changes, Change{Pay: &Pay{ID: contracts.Hash{i, 1}, Amount: contracts.Units(1e18), Invoice: contracts.Hash{i, 2}}})
	}
	return []Message{u}
}

func BenchmarkEncode(b *testing.B) {
	ms := hundred()
	b.ReportAllocs()
	for b.Loop() {
		Encode(ms)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(100*b.N), "ns/pay")
}

func BenchmarkDecode(b *testing.B) {
	packet := Encode(hundred())
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(packet); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(100*b.N), "ns/pay")
}
