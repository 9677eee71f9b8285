package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// errMissed is why bench fails: a number is not within its limit.
var errMissed = errors.New("not every number is within its limit")

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "The numbers that are promised, measured on this machine"}
	cmd.AddCommand(benchSwapCommand(), benchPayCommand(), payNodeCommand())
	return cmd
}

func benchSwapCommand() *cobra.Command {
	var asJSON bool
	var swaps int
	var folder string
	cmd := &cobra.Command{
		Use: "swap", Short: "sizes, gas, and a node with many open swaps, beside limits and anchors",
		Long: "Sizes and gas are of transactions that are built and executed. The node with open swaps is a real desk,\n" +
			"store, journal and key file; its chains are stand-ins that answer at once, so that the node alone is measured.",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if swaps < 1 || swaps > 1_000_000 {
				return fmt.Errorf("%w: --swaps %d is not 1 to 1000000", errUsage, swaps)
			}
			p := newFigurePrinter(cmd.OutOrStdout(), asJSON)
			for _, chapter := range []func() ([]figure, error){
				sizeFigures, gasFigures, func() ([]figure, error) { return openFigures(cmd.Context(), folder, swaps) },
			} {
				figures, err := chapter()
				if err != nil {
					return err
				}
				if err := p.print(figures); err != nil {
					return err
				}
			}
			if p.missed > 0 {
				return fmt.Errorf("%w: %d are above it", errMissed, p.missed)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	f.IntVar(&swaps, "swaps", 10_000, "open swaps in the node")
	f.StringVar(&folder, "folder", os.TempDir(), "where the node's data folder is made, and removed; on the disk that is to be measured")
	return cmd
}

// A figure is one number that was measured.
type figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Limit  float64 `json:"limit,omitempty"`  // promised at most; 0: nothing is promised
	Least  float64 `json:"least,omitempty"`  // promised at least; 0: nothing is promised
	Anchor float64 `json:"anchor,omitempty"` // the best of the field; 0: none is known
	Ratio  float64 `json:"ratio,omitempty"`  // value to limit, least to value, or value to anchor when nothing is promised
	Good   bool    `json:"good"`             // not above the limit, and not below the least
	Note   string  `json:"note,omitempty"`
}

// judged is f with its ratio and whether it is good.
func (f figure) judged() figure {
	f.Good = (f.Limit == 0 || f.Value <= f.Limit) && f.Value >= f.Least
	switch {
	case f.Limit > 0:
		f.Ratio = round(f.Value / f.Limit)
	case f.Least > 0 && f.Value > 0:
		f.Ratio = round(f.Least / f.Value)
	case f.Anchor > 0:
		f.Ratio = round(f.Value / f.Anchor)
	}
	f.Value = round(f.Value)
	return f
}

func round(x float64) float64 { return math.Round(x*1000) / 1000 }

// A figurePrinter prints figures as they come and counts those that are not good.
type figurePrinter struct {
	encode *json.Encoder // nil: a table
	table  *tabwriter.Writer
	missed int
}

func newFigurePrinter(w io.Writer, asJSON bool) *figurePrinter {
	if asJSON {
		return &figurePrinter{encode: json.NewEncoder(w)}
	}
	return &figurePrinter{table: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
}

func (p *figurePrinter) print(figures []figure) error {
	if p.table != nil {
		fmt.Fprintln(p.table, "what\tmeasured\tlimit\tanchor\tratio\t")
	}
	for _, f := range figures {
		f = f.judged()
		if !f.Good {
			p.missed++
		}
		if p.encode != nil {
			if err := p.encode.Encode(f); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			continue
		}
		if !f.Good {
			f.Note = strings.TrimSpace("MISSED " + f.Note)
		}
		fmt.Fprintf(p.table, "%s\t%s %s\t%s\t%s\t%s\t%s\n", f.Name, decimal(f.Value), f.Unit, f.promise(), decimal(f.Anchor), decimal(f.Ratio), f.Note)
	}
	if p.table == nil {
		return nil
	}
	return p.table.Flush()
}

// promise is the limit that f is held to, in words.
func (f figure) promise() string {
	if f.Least > 0 {
		return "from " + decimal(f.Least)
	}
	return decimal(f.Limit)
}

// decimal prints x without trailing zeros, and nothing for 0.
func decimal(x float64) string {
	if x == 0 {
		return ""
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}
