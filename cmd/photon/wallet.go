package main

import (
	"context"
	"fmt"
	"io"

	"github.com/skip2/go-qrcode"
	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/web"
	"photon/web/api"
)

func walletCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "wallet", Short: "Balances, addresses, payments"}
	var a asker
	a.flags(cmd)
	cmd.AddCommand(a.balanceCommand(), a.addressCommand(), a.sendCommand())
	return cmd
}

func (a *asker) balanceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "balance", Short: "shows what you have on each chain", Args: exactly(0, "no arguments"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			all, err := ask(cmd.Context(), a, c.Balances)
			if err != nil {
				return err
			}
			return printAll(a, cmd, all, func(w io.Writer) {
				fmt.Fprintln(w, "ASSET\tSPENDABLE\tON ITS WAY")
				for _, b := range all {
					if b.Confirmed == nil || b.Pending == nil {
						fmt.Fprintf(w, "%s\tthe chain does not answer\n", b.Asset)
						continue
					}
					fmt.Fprintf(w, "%s\t%s\t%s\n", b.Asset, sum(b.Asset, *b.Confirmed), sum(b.Asset, *b.Pending))
				}
			})
		}),
	}
}

func (a *asker) addressCommand() *cobra.Command {
	var code bool
	cmd := &cobra.Command{
		Use: "address CHAIN", Short: "gives an address to be paid at", Args: exactly(1, "a chain: btc, ltc, eth or smt"),
		ValidArgs: []string{"btc", "ltc", "eth", "smt"},
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			chain, err := contracts.ParseChain(args[0])
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			address, err := ask(cmd.Context(), a, func(ctx context.Context) (string, error) { return c.Address(ctx, chain) })
			if err != nil {
				return err
			}
			drawn := ""
			if code {
				q, err := qrcode.New(address, qrcode.Medium)
				if err != nil {
					return fmt.Errorf("draw address: %w", err)
				}
				drawn = q.ToSmallString(false)
			}
			return a.print(cmd, api.Address{Chain: chain, Address: address}, func(w io.Writer) { fmt.Fprintf(w, "%s\n%s", address, drawn) })
		}),
	}
	cmd.Flags().BoolVar(&code, "qr", false, "draw it as a QR code too")
	return cmd
}

func (a *asker) sendCommand() *cobra.Command {
	var most string
	cmd := &cobra.Command{
		Use: "send AMOUNT ADDRESS", Short: "pays from your wallet", Example: "  photon wallet send 0.1ltc ltc1q… --max-fee 0.001ltc",
		Args: exactly(2, "an amount with its unit and an address"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			amount, err := readSum(args[0])
			if err != nil {
				return err
			}
			fee, err := readMaxFee(most, amount.Asset.Chain)
			if err != nil {
				return err
			}
			if amount.Amount.IsZero() {
				return fmt.Errorf("%w: %s is nothing to pay", errUsage, amount)
			}
			if err := a.confirm(cmd, fmt.Sprintf("Pay %s to %s for a fee of at most %s?", amount, args[1], fee)); err != nil {
				return err
			}
			payment := api.Send{Asset: amount.Asset, To: args[1], Amount: amount.Amount, MaxFee: fee.Amount}
			sent, err := once(cmd.Context(), a, "photon wallet balance, and the address on its chain",
				func(ctx context.Context, key string) (api.Sent, error) { return c.Send(ctx, key, payment) })
			if err != nil {
				return err
			}
			return a.print(cmd, sent, func(w io.Writer) {
				fmt.Fprintf(w, "sent\t%s\nfee\t%s\n", sent.Txid, sum(contracts.Native(amount.Asset.Chain), sent.Fee))
			})
		}),
	}
	cmd.Flags().StringVar(&most, "max-fee", "", "the most network fee, such as 0.001ltc; required")
	return cmd
}

// readMaxFee reads the most that a payment on a chain may cost.
func readMaxFee(text string, chain contracts.Chain) (contracts.Sum, error) {
	if text == "" {
		return contracts.Sum{}, fmt.Errorf("%w: say with --max-fee what the network may cost at most, in %s", errUsage, chain)
	}
	fee, err := contracts.ParseSum(text)
	if err != nil {
		return fee, fmt.Errorf("%w: --max-fee: %w", errUsage, err)
	}
	if fee.Asset != contracts.Native(chain) {
		return fee, fmt.Errorf("%w: --max-fee must be in %s, not in %s", errUsage, chain, fee.Asset)
	}
	if fee.Amount.IsZero() {
		return fee, fmt.Errorf("%w: --max-fee is 0, and no network takes that", errUsage)
	}
	return fee, nil
}
