package web

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"photon/contracts"
	"photon/web/api"
)

// A column of a table has a name, and a cell for each thing.
type column[T any] struct {
	name  string
	value func(T) string
}

// swapColumns are the columns of a list of swaps as CSV. A column is never
// renamed or moved; new ones come at the end.
var swapColumns = []column[api.Swap]{
	{"id", func(s api.Swap) string { return s.Id.String() }},
	{"start", func(s api.Swap) string { return strconv.FormatUint(s.Start, 10) }},
	{"role", func(s api.Swap) string { return string(s.Role) }},
	{"status", func(s api.Swap) string { return string(s.Status) }},
	{"partner", func(s api.Swap) string { return s.Partner }},
	{"pay", func(s api.Swap) string { return s.Pay.Asset.String() }},
	{"pay_amount", func(s api.Swap) string { return s.Pay.Amount.String() }},
	{"get", func(s api.Swap) string { return s.Get.Asset.String() }},
	{"get_amount", func(s api.Swap) string { return s.Get.Amount.String() }},
	{"pay_fee", func(s api.Swap) string { return feeOn(s, s.Pay.Asset.Chain) }},
	{"get_fee", func(s api.Swap) string { return feeOn(s, s.Get.Asset.Chain) }},
	{"pay_lock", func(s api.Swap) string { return lockOf(s.Pay) }},
	{"pay_end", func(s api.Swap) string { return endOf(s.Pay) }},
	{"get_lock", func(s api.Swap) string { return lockOf(s.Get) }},
	{"get_end", func(s api.Swap) string { return endOf(s.Get) }},
	{"reason", func(s api.Swap) string { return s.Reason }},
}

// paymentColumns are those of a list of payments, under the same rule.
var paymentColumns = []column[api.Payment]{
	{"id", func(p api.Payment) string { return p.Id.String() }},
	{"made", func(p api.Payment) string { return strconv.FormatUint(p.Made, 10) }},
	{"ended", func(p api.Payment) string { return strconv.FormatUint(p.Ended, 10) }},
	{"way", func(p api.Payment) string { return string(p.Way) }},
	{"status", func(p api.Payment) string { return string(p.Status) }},
	{"partner", func(p api.Payment) string { return p.Partner }},
	{"asset", func(p api.Payment) string { return p.Asset.String() }},
	{"amount", func(p api.Payment) string { return p.Amount.String() }},
	{"fee", func(p api.Payment) string { return p.Fee.String() }},
	{"reason", func(p api.Payment) string { return p.Reason }},
	{"text", func(p api.Payment) string { return p.Text }},
}

// asCSV writes things as a table with a line of names.
func asCSV[T any](columns []column[T], all []T) ([]byte, error) {
	var table bytes.Buffer
	w := csv.NewWriter(&table)
	w.UseCRLF = true // RFC 4180
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = c.name
	}
	lines := [][]string{line}
	for _, v := range all {
		line := make([]string, len(columns))
		for i, c := range columns {
			line[i] = harmless(c.value(v))
		}
		lines = append(lines, line)
	}
	if err := w.WriteAll(lines); err != nil {
		return nil, fmt.Errorf("write csv: %w", err)
	}
	return table.Bytes(), nil
}

// harmless keeps a spreadsheet from taking a partner's words for a formula.
func harmless(cell string) string {
	if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "+") || strings.HasPrefix(cell, "-") ||
		strings.HasPrefix(cell, "@") || strings.HasPrefix(cell, "\t") || strings.HasPrefix(cell, "\r") {
		return "'" + cell
	}
	return cell
}

// feeOn is the sum of our network fees on a chain.
func feeOn(s api.Swap, chain contracts.Chain) string {
	for _, f := range s.Fees {
		if f.Chain == chain {
			return f.Amount.String()
		}
	}
	return ""
}

func lockOf(l api.Leg) string {
	if l.Lock == nil {
		return ""
	}
	return l.Lock.Txid.String()
}

func endOf(l api.Leg) string {
	if l.End == nil {
		return ""
	}
	return l.End.Txid.String()
}
