package keys

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestLogKeepsRecords(t *testing.T) {
	k := ring(t, about)
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 5).Draw(t, "records")
		var log []byte
		for _, r := range records {
			sealed, err := k.SealLog(r)
			if err != nil {
				t.Fatal(err)
			}
			log = append(log, sealed...)
		}
		got, err := k.OpenLog(log)
		if err != nil || len(got) != len(records) {
			t.Fatalf("%d records, %v; want %d", len(got), err, len(records))
		}
		for i := range got {
			if !bytes.Equal(got[i], records[i]) {
				t.Fatalf("record %d is %x, want %x", i, got[i], records[i])
			}
		}
	})
}

// Each row is one change to a log of the three records one, two, three.
func TestLogsThatAreNotWhole(t *testing.T) {
	k, other := ring(t, about), ring(t, "test test test test test test test test test test test junk")
	record := func(k *Keyring, text string) string {
		sealed, err := k.SealLog([]byte(text))
		must(t, err)
		return string(sealed)
	}
	one, two, three := record(k, "one"), record(k, "two"), record(k, "three")
	for _, row := range []struct {
		name, log string
		want      string
		err       error
		says      string
	}{
		{"whole", one + two + three, "one two three", nil, ""},
		{"empty", "", "", nil, ""},
		{"with the line ends of another system", strings.ReplaceAll(one+two+three, "\n", "\r\n"), "one two three", nil, ""},
		{"without its last line end", strings.TrimSuffix(one+two+three, "\n"), "one two three", nil, ""},
		{"last one cut off", one + two + three[:len(three)-3], "one two", ErrLog, "line 6"},
		{"last one barely begun", one + two + three[:4], "one two", ErrLog, "line 6"},
		{"cut off by a crash, then continued", one + two[:40] + three, "one three", ErrLog, "line 4"},
		{"of another wallet", record(other, "one") + record(other, "two"), "", ErrNotYours, "line 2"},
		{"one of another wallet", one + record(other, "two") + three, "one three", ErrNotYours, "line 4"},
		{"cut off, then of another wallet", one[:40] + record(other, "two") + record(other, "two") + three, "three", ErrNotYours, "line 3"},
		{"a letter changed", one + two[:30] + flip(two[30]) + two[31:] + three, "one three", ErrLog, "line 4"},
		{"something else", "photon\n", "", ErrLog, "line 1"},
		{"a huge line", one + strings.Repeat("A", 2<<20) + "\n", "one", ErrLog, "line 3"},
	} {
		records, err := k.OpenLog([]byte(row.log))
		if got := string(bytes.Join(records, []byte(" "))); got != row.want {
			t.Errorf("%s: records %q, want %q", row.name, got, row.want)
		}
		if !errors.Is(err, row.err) || (err != nil && !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%s: %v, want %v with %q", row.name, err, row.err, row.says)
		}
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestLogRecordSize(t *testing.T) {
	k := ring(t, about)
	most := make([]byte, maxRecord)
	sealed, err := k.SealLog(most)
	must(t, err)
	if got, err := k.OpenLog(sealed); err != nil || len(got) != 1 || !bytes.Equal(got[0], most) {
		t.Errorf("the longest record: %d records, %v", len(got), err)
	}
	if _, err := k.SealLog(make([]byte, maxRecord+1)); !errors.Is(err, ErrLog) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestEqualRecordsAreSealedDifferently(t *testing.T) {
	k := ring(t, about)
	a, err := k.SealLog([]byte("same"))
	must(t, err)
	b, err := k.SealLog([]byte("same"))
	must(t, err)
	if bytes.Equal(a, b) {
		t.Error("a nonce was used twice")
	}
}

func FuzzLog(f *testing.F) {
	k := ring(f, about)
	for _, text := range []string{"", "one", strings.Repeat("x", 100)} {
		sealed, err := k.SealLog([]byte(text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
		f.Add(sealed[:len(sealed)/2])
	}
	f.Add([]byte("AAAA\n\n====\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		_, err := k.OpenLog(log)
		if err != nil && !errors.Is(err, ErrLog) && !errors.Is(err, ErrNotYours) {
			t.Errorf("unnamed error %v", err)
		}
	})
}
