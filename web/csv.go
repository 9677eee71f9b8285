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

// swapColumns are the columns of a list of swaps as CSV. A column is never
// renamed or moved; new ones come at the end.
var swapColumns = []struct {
	name  string
	value func(api.Swap) string
}{
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

// swapsCSV writes swaps as a table with a line of names.
func swapsCSV(swaps []api.Swap) ([]byte, error) {
	var table bytes.Buffer
	w := csv.NewWriter(&table)
	w.UseCRLF = true // RFC 4180
	line := make([]string, len(swapColumns))
	for i, c := range swapColumns {
		line[i] = c.name
	}
	lines := [][]string{line}
	for _, s := range swaps {
		line := make([]string, len(swapColumns))
		for i, c := range swapColumns {
			line[i] = harmless(c.value(s))
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
