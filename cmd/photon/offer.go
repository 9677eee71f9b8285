package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/web"
	"photon/web/api"
)

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
			if give.Amount.Less(lowest.Amount) {
				return fmt.Errorf("%w: --min %s is more than all of it, %s", errUsage, lowest, give)
			}
			if lasts < time.Second {
				return fmt.Errorf("%w: --for %s is over at once", errUsage, lasts)
			}
			if form != "" && form != string(contracts.P2TR) && form != string(contracts.P2WSH) {
				return fmt.Errorf("%w: --form %.20q is not %s or %s", errUsage, form, contracts.P2TR, contracts.P2WSH)
			}
			draft := api.Draft{
				Give: give.Asset, Want: want.Asset, Min: lowest.Amount, Max: give.Amount, GiveOf: give.Amount, WantOf: want.Amount,
				Expires: uint64(time.Now().Add(lasts).Unix()), Form: contracts.Form(form),
			}
			o, err := once(cmd.Context(), a, "photon swap offers", func(ctx context.Context, key string) (api.Offer, error) { return c.Offer(ctx, key, draft) })
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
		Use: "offers", Short: "lists offers: ours, those we know of others, and those that boards show", Args: exactly(0, "no arguments"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			for _, do := range []struct {
				said string
				f    func(context.Context, *web.Client, string) error
			}{{from, fetchFrom}, {text, importText}, {drop, withdraw}} {
				if do.said == "" {
					continue
				}
				_, err := ask(cmd.Context(), a, func(ctx context.Context) (struct{}, error) { return struct{}{}, do.f(ctx, c, do.said) })
				if err != nil {
					return err
				}
			}
			offers, err := ask(cmd.Context(), a, c.Offers)
			if err != nil {
				return err
			}
			return printAll(a, cmd, offers, func(w io.Writer) {
				fmt.Fprintln(w, "OFFER\tGIVES\tAT LEAST\tWANTS FOR IT\tEXPIRES\tMAKER\tSHOWN BY")
				for _, o := range offers {
					maker := o.Maker
					if o.Ours {
						maker = "you"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s for %s\t%s\t%s\t%s\n", o.Id, sum(o.Give, o.Max), sum(o.Give, o.Min),
						sum(o.Want, o.WantOf), sum(o.Give, o.GiveOf), when(o.Expires), maker, o.Board)
				}
			})
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "ask this node (its address or identity) for its offers first")
	cmd.Flags().StringVar(&text, "import", "", "take in an offer that was passed on as a text first")
	cmd.Flags().StringVar(&drop, "withdraw", "", "withdraw the offer with this id first")
	return cmd
}

// fetchFrom asks a node, named by address or identity, for its offers.
func fetchFrom(ctx context.Context, c *web.Client, node string) error {
	if strings.Contains(node, "/") {
		var err error
		if node, err = c.Connect(ctx, node); err != nil {
			return err
		}
	}
	_, err := c.Fetch(ctx, node)
	return err
}

func importText(ctx context.Context, c *web.Client, text string) error {
	_, err := c.Import(ctx, text)
	return err
}

func withdraw(ctx context.Context, c *web.Client, text string) error {
	id, err := readID(text)
	if err != nil {
		return err
	}
	return c.Withdraw(ctx, id)
}
