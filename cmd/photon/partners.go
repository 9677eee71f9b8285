package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"photon/swap/trade"
	"photon/web"
)

func (a *asker) partnersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "partners", Short: "lists whom you were in a swap with, and how they behaved", Args: exactly(0, "no arguments"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			partners, err := ask(cmd.Context(), a, c.Partners)
			if err != nil {
				return err
			}
			return printAll(a, cmd, partners, func(w io.Writer) {
				fmt.Fprintln(w, "PARTNER\tCOMPLETED\tLAST 30 DAYS\tFAULTS\tREFUSED")
				for _, s := range partners {
					refused := ""
					if s.Until != 0 {
						refused = "until " + when(s.Until)
					}
					fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", s.Partner, s.Completed, s.Lately, faults(s), refused)
				}
			})
		}),
	}
}

// faults are what a partner did wrong of late, as in "2 never locked, 1 late".
func faults(s trade.Standing) string {
	texts := make([]string, len(s.Faults))
	for i, f := range s.Faults {
		texts[i] = fmt.Sprintf("%d %s", f.Times, words(string(f.Fault)))
	}
	return strings.Join(texts, ", ")
}

// standingText is what a person should know of the other before he locks first.
func standingText(s trade.Standing) string {
	text := fmt.Sprintf("has completed %d swaps with you", s.Completed)
	switch s.Completed {
	case 0:
		text = "has completed no swap with you yet"
	case 1:
		text = "has completed 1 swap with you"
	}
	if len(s.Faults) > 0 {
		text += fmt.Sprintf("; of the last %d: %s", s.Lately, faults(s))
	}
	return text
}
