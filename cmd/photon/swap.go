package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/web"
	"photon/web/api"
)

func swapCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "swap", Short: "Offers, quotes and swaps"}
	var a asker
	a.flags(cmd)
	cmd.AddCommand(a.offerCommand(), a.offersCommand(), a.takeCommand(), a.listCommand(), a.showCommand(), a.watchCommand(), a.refundCommand(), rescueCommand())
	return cmd
}

func (a *asker) offerCommand() *cobra.Command {
	var least string
	var lasts time.Duration
	var form string
	cmd := &cobra.Command{
		Use: "offer GIVE WANT", Short: "offers up to GIVE at the rate GIVE for WANT",
		Example: "  photon swap offer 0.5btc 12eth --for 24h", Args: exactly(2, "what you give and what you want for it, such as 0.5btc 12eth"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			give, err := readSum(args[0])
			if err != nil {
				return err
			}
			want, err := readSum(args[1])
			if err != nil {
				return err
			}
			lowest := give
			if least != "" {
				if lowest, err = readSum(least); err != nil {
					return err
				}
				if lowest.Asset != give.Asset {
					return fmt.Errorf("%w: --min is of %s, the offer gives %s", errUsage, lowest.Asset, give.Asset)
				}
			}
			o, err := c.Offer(cmd.Context(), api.Draft{
				Give: give.Asset, Want: want.Asset, Min: lowest.Amount, Max: give.Amount, GiveOf: give.Amount, WantOf: want.Amount,
				Expires: uint64(time.Now().Add(lasts).Unix()), Form: contracts.Form(form),
			})
			if err != nil {
				return err
			}
			return a.print(cmd, o, func(w io.Writer) {
				fmt.Fprintf(w, "offer\t%s\ngive\t%s to %s\nwant\t%s for all of it\nexpires\t%s\n", o.Id,
					sum(o.Give, o.Min), sum(o.Give, o.Max), sum(o.Want, want.Amount), when(o.Expires))
				fmt.Fprintf(w, "pass on\t%s\n", o.Text)
			})
		}),
	}
	cmd.Flags().StringVar(&least, "min", "", "least that one swap may give (default: all)")
	cmd.Flags().DurationVar(&lasts, "for", 24*time.Hour, "how long the offer stands")
	cmd.Flags().StringVar(&form, "form", "", "how legs lie on BTC and LTC: p2tr or p2wsh")
	return cmd
}

func (a *asker) offersCommand() *cobra.Command {
	var from, text, drop string
	cmd := &cobra.Command{
		Use: "offers", Short: "lists offers: ours and those we know of others", Args: exactly(0, "no arguments"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			if from != "" {
				identity := from
				if strings.Contains(from, "/") {
					var err error
					if identity, err = c.Connect(cmd.Context(), from); err != nil {
						return err
					}
				}
				if _, err := c.Fetch(cmd.Context(), identity); err != nil {
					return err
				}
			}
			if text != "" {
				if _, err := c.Import(cmd.Context(), text); err != nil {
					return err
				}
			}
			if drop != "" {
				id, err := readID(drop)
				if err != nil {
					return err
				}
				if err := c.Withdraw(cmd.Context(), id); err != nil {
					return err
				}
			}
			offers, err := c.Offers(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(cmd, offers, func(w io.Writer) {
				fmt.Fprintln(w, "OFFER\tGIVES\tAT LEAST\tWANTS FOR IT\tEXPIRES\tMAKER")
				for _, o := range offers {
					maker := o.Maker
					if o.Ours {
						maker = "you"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s for %s\t%s\t%s\n", o.Id, sum(o.Give, o.Max), sum(o.Give, o.Min),
						sum(o.Want, o.WantOf), sum(o.Give, o.GiveOf), when(o.Expires), maker)
				}
			})
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "ask this node (its address or identity) for its offers first")
	cmd.Flags().StringVar(&text, "import", "", "take in an offer that was passed on as a text first")
	cmd.Flags().StringVar(&drop, "withdraw", "", "withdraw the offer with this id first")
	return cmd
}

func (a *asker) takeCommand() *cobra.Command {
	var get string
	var watch bool
	cmd := &cobra.Command{
		Use: "take OFFER", Short: "takes an offer, after a quote and your word", Args: exactly(1, "an offer's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			id, err := readID(args[0])
			if err != nil {
				return err
			}
			want, err := a.wanted(cmd, c, id, get)
			if err != nil {
				return err
			}
			q, err := c.Quote(cmd.Context(), id, want)
			if err != nil {
				return err
			}
			if !a.json {
				fmt.Fprintf(cmd.ErrOrStderr(), "You pay      %s\nYou get      %s\nNetwork fees about %s to lock, %s to redeem (%s to refund, if it comes to that)\n"+
					"If the other stops, you can take your coin back from %s on.\n",
					sum(q.Pay, q.PayAmount), sum(q.Get, q.GetAmount), sum(contracts.Native(q.Pay.Chain), q.LockFee),
					sum(contracts.Native(q.Get.Chain), q.RedeemFee), sum(contracts.Native(q.Pay.Chain), q.RefundFee), when(q.RefundFrom))
			}
			if err := a.confirm(cmd, "Swap?"); err != nil {
				return err
			}
			s, err := c.Take(cmd.Context(), web.NewKey(), q.Id)
			if err != nil {
				return err
			}
			if watch {
				return a.watch(cmd, c, s.Id)
			}
			return a.print(cmd, s, func(w io.Writer) { printSwap(w, s) })
		}),
	}
	cmd.Flags().StringVar(&get, "get", "", "how much of what the offer gives (default: all)")
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the swap to its end")
	return cmd
}

// wanted is how much of an offer is taken: what was said, or all.
func (a *asker) wanted(cmd *cobra.Command, c *web.Client, id contracts.Hash, get string) (contracts.Amount, error) {
	if get != "" {
		s, err := readSum(get)
		return s.Amount, err
	}
	offers, err := c.Offers(cmd.Context())
	if err != nil {
		return contracts.Amount{}, err
	}
	for _, o := range offers {
		if o.Id == id {
			return o.Max, nil
		}
	}
	return contracts.Amount{}, fmt.Errorf("%w: no offer %s is known", errUsage, id)
}

func (a *asker) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "lists swaps, newest first", Args: exactly(0, "no arguments"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			var swaps []api.Swap
			for q := (web.Query{}); ; {
				page, err := c.Swaps(cmd.Context(), q)
				if err != nil {
					return err
				}
				swaps = append(swaps, page.Swaps...)
				if page.Next == "" {
					break
				}
				q.Cursor = page.Next
			}
			return a.print(cmd, swaps, func(w io.Writer) {
				fmt.Fprintln(w, "SWAP\tPAY\tGET\tSTATUS\tNEXT\tUNTIL")
				for _, s := range swaps {
					actor, until := "", ""
					if s.Next != nil {
						actor, until = string(s.Next.Actor)+" "+words(string(s.Next.Step)), when(max(s.Next.DeadlineAt, s.Next.OpensAt))
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Id, sum(s.Pay.Asset, s.Pay.Amount), sum(s.Get.Asset, s.Get.Amount), s.Status, actor, until)
				}
			})
		}),
	}
	return cmd
}

func (a *asker) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show SWAP", Short: "shows a swap: both legs, steps, deadlines, fees", Args: exactly(1, "a swap's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			id, err := readID(args[0])
			if err != nil {
				return err
			}
			s, err := c.Swap(cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.print(cmd, s, func(w io.Writer) { printSwap(w, s) })
		}),
	}
}

func (a *asker) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "watch SWAP", Short: "follows a swap to its end", Args: exactly(1, "a swap's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			id, err := readID(args[0])
			if err != nil {
				return err
			}
			return a.watch(cmd, c, id)
		}),
	}
}

// watch prints a line whenever something about the swap changes, until it is at
// rest. An interruption stops the watching, not the swap.
func (a *asker) watch(cmd *cobra.Command, c *web.Client, id contracts.Hash) error {
	last := ""
	for {
		s, err := c.Swap(cmd.Context(), id)
		if err != nil {
			return err
		}
		if line := progress(s); line != last {
			last = line
			if err := a.print(cmd, s, func(w io.Writer) { fmt.Fprintln(w, line) }); err != nil {
				return err
			}
		}
		if s.Status.AtRest() {
			return nil
		}
		select {
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		case <-time.After(time.Second):
		}
	}
}

func (a *asker) refundCommand() *cobra.Command {
	return &cobra.Command{
		Use: "refund SWAP", Short: "goes no further with a swap: cancels it, or takes the coin back as soon as that is possible", Args: exactly(1, "a swap's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			id, err := readID(args[0])
			if err != nil {
				return err
			}
			s, err := c.Leave(cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.print(cmd, s, func(w io.Writer) { printSwap(w, s) })
		}),
	}
}

// printSwap shows a swap as a timeline.
func printSwap(w io.Writer, s api.Swap) {
	fmt.Fprintf(w, "swap\t%s\n\t%s → %s\t%s\n", s.Id, sum(s.Pay.Asset, s.Pay.Amount), sum(s.Get.Asset, s.Get.Amount), s.Status)
	for _, step := range s.Steps {
		if step.State == "skipped" {
			continue
		}
		line := fmt.Sprintf("  %s\t%s\t%s", mark(step.State), step.Actor, words(step.Name))
		if step.Required > 0 {
			line += fmt.Sprintf("\t%d/%d", step.Confirmations, step.Required)
		} else {
			line += "\t"
		}
		if step.TxID != nil {
			line += "\t" + step.TxID.String()
		} else if at := max(step.OpensAt, step.DeadlineAt); at > 0 && step.State != "done" {
			line += "\tuntil " + when(at)
			if step.OpensAt == at {
				line = strings.Replace(line, "until", "from", 1)
			}
		}
		fmt.Fprintln(w, line)
	}
	for _, f := range s.Fees {
		fmt.Fprintf(w, "fee\t%s\n", sum(contracts.Native(f.Chain), f.Amount))
	}
	if s.Reason != "" {
		fmt.Fprintf(w, "because\t%s\n", s.Reason)
	}
	if s.Frozen != "" {
		fmt.Fprintf(w, "FROZEN\t%s\n", s.Frozen)
	}
}

// progress is where a swap is, in one line.
func progress(s api.Swap) string {
	line := fmt.Sprintf("%s → %s  %s", sum(s.Pay.Asset, s.Pay.Amount), sum(s.Get.Asset, s.Get.Amount), s.Status)
	if s.Next == nil {
		return line
	}
	for _, step := range s.Steps {
		if step.Name == string(s.Next.Step) && step.Required > 0 {
			return fmt.Sprintf("%s  %s: %s %d/%d  until %s", line, step.Actor, words(step.Name), step.Confirmations, step.Required, when(max(step.DeadlineAt, step.OpensAt)))
		}
	}
	return line
}

// words is a step's name as people say it.
func words(step string) string { return strings.ReplaceAll(step, "_", " ") }

func mark(state string) string {
	switch state {
	case "done":
		return "✓"
	case "doing":
		return "▶"
	}
	return "·"
}

// when is a time of day, with the date unless it is today.
func when(unix uint64) string {
	t := time.Unix(int64(unix), 0)
	if time.Until(t) < 12*time.Hour && time.Since(t) < 12*time.Hour {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}
