package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/skip2/go-qrcode"
	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/web"
	"photon/web/api"
)

// invoiceCommand makes an invoice; its verbs are about those that were made.
func invoiceCommand() *cobra.Command {
	var a asker
	var text, hash string
	var hold, code bool
	var lasts time.Duration
	cmd := &cobra.Command{
		Use: "invoice AMOUNT", Short: "Asks for a payment; lists, shows, releases, cancels what was asked",
		Example: "  photon invoice 5smt --text lunch\n  photon invoice 5smt --hold --expires 24h\n  photon invoice list",
		Args:    atMost(1, "an amount with its unit, or a verb"),
	}
	make := a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
		amount, err := readSum(args[0])
		if err != nil {
			return err
		}
		if amount.Amount.IsZero() || lasts < time.Second {
			return fmt.Errorf("%w: %s within %s: nothing, or no time", errUsage, amount, lasts)
		}
		b := api.Bill{Asset: amount.Asset, Amount: amount.Amount, Text: text, Hold: hold, Expires: uint64(time.Now().Add(lasts).Unix())}
		if hash != "" {
			h, err := readID(hash)
			if err != nil {
				return err
			}
			b.Hash = &h
		}
		made, err := once(cmd.Context(), &a, "photon invoice list", func(ctx context.Context, key string) (api.Invoice, error) { return c.Bill(ctx, key, b) })
		if err != nil {
			return err
		}
		drawn := ""
		if code {
			q, err := qrcode.New(strings.ToUpper(made.Text), qrcode.Medium)
			if err != nil {
				return fmt.Errorf("draw invoice: %w", err)
			}
			drawn = q.ToSmallString(false)
		}
		return a.print(cmd, made, func(w io.Writer) { printInvoice(w, made); fmt.Fprint(w, drawn) })
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return make(cmd, args)
	}
	a.flags(cmd)
	cmd.Flags().StringVar(&text, "text", "", "what the payer is told")
	cmd.Flags().DurationVar(&lasts, "expires", time.Hour, "how long it can be paid")
	cmd.Flags().BoolVar(&hold, "hold", false, "take the money only when you say so, with photon invoice release")
	cmd.Flags().StringVar(&hash, "hash", "", "of a secret that somebody else has")
	cmd.Flags().BoolVar(&code, "qr", false, "draw it as a QR code too")
	cmd.AddCommand(a.invoicesCommand(), a.billCommand("show INVOICE", "shows an invoice", "", nil),
		a.releaseCommand(), a.billCommand("cancel INVOICE", "withdraws an invoice, and gives up what is locked for it", "Cancel", (*web.Client).CancelInvoice))
	return cmd
}

func (a *asker) invoicesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "lists invoices, newest first", Args: exactly(0, "no arguments"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			var all []api.Invoice
			for q := (web.PaymentQuery{}); ; {
				page, err := ask(cmd.Context(), a, func(ctx context.Context) (api.Invoices, error) { return c.Invoices(ctx, q) })
				if err != nil {
					return err
				}
				all = append(all, page.Invoices...)
				if q.Cursor = page.Next; q.Cursor == "" {
					break
				}
			}
			return printAll(a, cmd, all, func(w io.Writer) {
				fmt.Fprintln(w, "INVOICE\tAMOUNT\tSTATUS\tEXPIRES\tTEXT")
				for _, i := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.Id, sum(i.Asset, i.Amount), i.Status, when(i.Expires), i.Says)
				}
			})
		}),
	}
}

// billCommand does something to an invoice, if anything, and shows it.
func (a *asker) billCommand(use, short, question string, do func(*web.Client, context.Context, contracts.Hash) (api.Invoice, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: exactly(1, "an invoice's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			id, err := readID(args[0])
			if err != nil {
				return err
			}
			i, err := ask(cmd.Context(), a, func(ctx context.Context) (api.Invoice, error) { return c.Invoice(ctx, id) })
			if err != nil {
				return err
			}
			if do != nil {
				if err := a.confirm(cmd, fmt.Sprintf("%s this invoice of %s?", question, sum(i.Asset, i.Amount))); err != nil {
					return err
				}
				if i, err = ask(cmd.Context(), a, func(ctx context.Context) (api.Invoice, error) { return do(c, ctx, id) }); err != nil {
					return err
				}
			}
			return a.print(cmd, i, func(w io.Writer) { printInvoice(w, i) })
		}),
	}
}

func (a *asker) releaseCommand() *cobra.Command {
	var secret string
	cmd := a.billCommand("release INVOICE", "takes the money of an invoice that was held", "Take the money of",
		func(c *web.Client, ctx context.Context, id contracts.Hash) (api.Invoice, error) {
			if secret == "" {
				return c.ReleaseInvoice(ctx, id, nil)
			}
			s, err := readID(secret)
			if err != nil {
				return api.Invoice{}, err
			}
			return c.ReleaseInvoice(ctx, id, &s)
		})
	cmd.Flags().StringVar(&secret, "secret", "", "where it is not your own")
	return cmd
}

func printInvoice(w io.Writer, i api.Invoice) {
	fmt.Fprintf(w, "invoice\t%s\namount\t%s\nstatus\t%s\nexpires\t%s\n", i.Id, sum(i.Asset, i.Amount), i.Status, when(i.Expires))
	if i.Says != "" {
		fmt.Fprintf(w, "text\t%s\n", i.Says)
	}
	if !i.Got.IsZero() {
		fmt.Fprintf(w, "got\t%s\n", sum(i.Asset, i.Got))
	}
	fmt.Fprintf(w, "pass on\t%s\n", i.Text)
}
