package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/node/ledger"
	"photon/node/message"
	"photon/web"
	"photon/web/api"
)

// errUnpaid is how watching ends when a payment has failed.
var errUnpaid = errors.New("not paid")

func payCommand() *cobra.Command {
	var a asker
	var most, text string
	var route []string
	var watch, direct bool
	var v vigil
	cmd := &cobra.Command{
		Use: "pay TO|INVOICE [AMOUNT]", Short: "Pays through a channel: an account, or an invoice",
		Example: "  photon pay 0x5aAe… 5smt --text lunch\n  photon pay photon1… --max-fee 0.01smt --watch\n  photon pay photon1… --route 0xA1…,0xB2… --max-fee 0.01smt",
		Args:    payArgs,
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if err := v.check(); err != nil {
				return err
			}
			asked, amount, to, err := a.readPayment(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			asked.Text, asked.Direct = text, direct
			fee := contracts.Sum{Asset: amount.Asset}
			if most != "" {
				if fee, err = readSum(most); err != nil {
					return err
				}
				if fee.Asset != amount.Asset {
					return fmt.Errorf("%w: --max-fee is of %s, the payment of %s", errUsage, fee.Asset, amount.Asset)
				}
			}
			asked.MaxFee = fee.Amount
			for _, node := range route {
				account, err := contracts.ParseAddress(node)
				if err != nil {
					return fmt.Errorf("%w: --route: %w", errUsage, err)
				}
				asked.Route = append(asked.Route, account.Hex())
			}
			question := fmt.Sprintf("Pay %s to %s?", amount, to)
			if !fee.Amount.IsZero() {
				question = fmt.Sprintf("Pay %s to %s, and at most %s for the way?", amount, to, fee)
			}
			if err := a.confirm(cmd, question); err != nil {
				return err
			}
			made, err := once(cmd.Context(), &a, "photon payments", func(ctx context.Context, key string) (api.Payment, error) { return c.Pay(ctx, key, asked) })
			if err != nil {
				return err
			}
			if watch {
				return a.watchPayment(cmd, c, made, v)
			}
			return a.print(cmd, made, func(w io.Writer) { printPayment(w, made) })
		}),
	}
	a.flags(cmd)
	cmd.Flags().StringVar(&most, "max-fee", "", "the most for those who pass it on (default: nothing)")
	cmd.Flags().StringSliceVar(&route, "route", nil, "the accounts to go over, in order; all of --max-fee then enters the way")
	cmd.Flags().StringVar(&text, "text", "", "what the payee is told")
	cmd.Flags().BoolVar(&direct, "direct", false, "an invoice, too, at once through your channel with the payee, with no receipt")
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the payment to its end")
	v.flags(cmd.Flags())
	return cmd
}

// payArgs wants an invoice alone, or an account or address and an amount.
func payArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && isInvoice(args[0]) || len(args) == 2 && !isInvoice(args[0]) {
		return nil
	}
	return fmt.Errorf("%w: %s: want an invoice, or an account (or where its node listens) and an amount with its unit", errUsage, cmd.CommandPath())
}

// isInvoice reports whether said is meant as an invoice.
func isInvoice(said string) bool { return strings.HasPrefix(strings.ToLower(said), "photon1") }

// readPayment reads what is to be paid, and to whom.
func (a *asker) readPayment(ctx context.Context, c *web.Client, args []string) (asked api.Pay, amount contracts.Sum, to string, err error) {
	if isInvoice(args[0]) {
		i, err := message.ParseInvoice(args[0])
		if err != nil {
			return asked, amount, "", fmt.Errorf("%w: %w", errUsage, err)
		}
		to := i.Payee.Hex()
		if i.Text != "" {
			to += fmt.Sprintf(" for %q", i.Text)
		}
		return api.Pay{Invoice: args[0]}, contracts.Sum{Asset: i.Asset, Amount: i.Amount}, to, nil
	}
	if amount, err = readSum(args[1]); err != nil {
		return asked, amount, "", err
	}
	if amount.Amount.IsZero() {
		return asked, amount, "", fmt.Errorf("%w: %s is nothing to pay", errUsage, amount)
	}
	account, err := a.partner(ctx, c, args[0])
	if err != nil {
		return asked, amount, "", err
	}
	return api.Pay{To: account.Hex(), Asset: &amount.Asset, Amount: &amount.Amount}, amount, account.Hex(), nil
}

// watchPayment prints a payment whenever it changes, to its end. What ends the
// watching does not end the payment.
func (a *asker) watchPayment(cmd *cobra.Command, c *web.Client, p api.Payment, v vigil) error {
	ctx := cmd.Context()
	if v.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, v.within)
		defer cancel()
	}
	shown := ""
	for {
		if look := fmt.Sprint(p.Status, len(p.Tries)); look != shown {
			shown = look
			if err := a.print(cmd, p, func(w io.Writer) { printPayment(w, p) }); err != nil {
				return err
			}
		}
		switch p.Status {
		case ledger.Done:
			return nil
		case ledger.Failed:
			return fmt.Errorf("%w: %s", errUnpaid, p.Reason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no longer watching (%w): the payment goes on as long as the node runs; look with: photon payments %s", ctx.Err(), p.Id)
		case <-time.After(v.every):
		}
		next, err := ask(ctx, a, func(ctx context.Context) (api.Payment, error) { return c.Payment(ctx, p.Id) })
		if err != nil {
			return err
		}
		p = next
	}
}

// paymentsCommand lists payments, or shows one.
func paymentsCommand() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use: "payments [PAYMENT]", Short: "Lists payments, newest first, or shows one", Args: atMost(1, "nothing, or a payment's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if len(args) == 1 {
				id, err := readID(args[0])
				if err != nil {
					return err
				}
				p, err := ask(cmd.Context(), &a, func(ctx context.Context) (api.Payment, error) { return c.Payment(ctx, id) })
				if err != nil {
					return err
				}
				return a.print(cmd, p, func(w io.Writer) { printPayment(w, p) })
			}
			var all []api.Payment
			for q := (web.PaymentQuery{}); ; {
				page, err := ask(cmd.Context(), &a, func(ctx context.Context) (api.Payments, error) { return c.Payments(ctx, q) })
				if err != nil {
					return err
				}
				all = append(all, page.Payments...)
				if q.Cursor = page.Next; q.Cursor == "" {
					break
				}
			}
			return printAll(&a, cmd, all, func(w io.Writer) {
				fmt.Fprintln(w, "PAYMENT\tWHEN\t\tAMOUNT\tFEE\tPARTNER\tSTATUS\tTEXT")
				for _, p := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Id, when(p.Made), p.Way, sum(p.Asset, p.Amount), sum(p.Asset, p.Fee), p.Partner, fateOf(p), p.Text)
				}
			})
		}),
	}
	a.flags(cmd)
	return cmd
}

// fateOf is how a payment ended, or that it has not.
func fateOf(p api.Payment) string {
	if p.Reason != "" {
		return string(p.Status) + ": " + p.Reason
	}
	return string(p.Status)
}

func printPayment(w io.Writer, p api.Payment) {
	fmt.Fprintf(w, "payment\t%s\n%s\t%s\n", p.Id, p.Way, sum(p.Asset, p.Amount))
	if p.Partner != "" {
		fmt.Fprintf(w, "partner\t%s\n", p.Partner)
	}
	if !p.Fee.IsZero() {
		fmt.Fprintf(w, "fee\t%s\n", sum(p.Asset, p.Fee))
	}
	if p.Text != "" {
		fmt.Fprintf(w, "text\t%s\n", p.Text)
	}
	for _, t := range p.Tries {
		fmt.Fprintf(w, "way\t%s: %s %s\n", strings.Join(t.Nodes, " → "), t.Status, t.Reason)
	}
	fmt.Fprintf(w, "status\t%s\n", fateOf(p))
	if p.Receipt != nil {
		fmt.Fprintf(w, "receipt\t%s\n", p.Receipt.Secret)
	}
}
