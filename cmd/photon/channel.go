package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"photon/contracts"
	"photon/node/channel"
	"photon/node/message"
	"photon/web"
	"photon/web/api"
)

func channelCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "channel", Short: "Payment channels: open, fill, draw on, close"}
	var a asker
	a.flags(cmd)
	cmd.AddCommand(a.openCommand(), a.depositCommand(), a.withdrawCommand(), a.closeCommand(), a.channelsCommand(), a.channelCommand(), a.feeCommand())
	return cmd
}

// partner is the account that said names: itself, or that which the node at an
// address has proved to speak for.
func (a *asker) partner(ctx context.Context, c *web.Client, said string) (contracts.Address, error) {
	if strings.HasPrefix(said, "/") {
		peer, err := ask(ctx, a, func(ctx context.Context) (api.Peer, error) { return c.Peer(ctx, said) })
		if err != nil {
			return contracts.Address{}, err
		}
		return contracts.ParseAddress(peer.Account)
	}
	account, err := contracts.ParseAddress(said)
	if err != nil {
		return account, fmt.Errorf("%w: %w", errUsage, err)
	}
	return account, nil
}

func (a *asker) openCommand() *cobra.Command {
	var window uint64
	cmd := &cobra.Command{
		Use: "open PARTNER AMOUNT", Short: "opens a channel and puts AMOUNT into it",
		Example: "  photon channel open /ip4/203.0.113.5/tcp/8646/p2p/16Uiu2… 100smt\n  photon channel open 0x5aAe… 0smt --window 1200",
		Args:    exactly(2, "a partner (an account, or where its node listens) and an amount with its unit"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			amount, err := readSum(args[1])
			if err != nil {
				return err
			}
			partner, err := a.partner(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Open a channel with %s and put %s into it, with a window of %d blocks?", partner, amount, window)
			if err := a.confirm(cmd, question); err != nil {
				return err
			}
			asked := api.Open{Asset: amount.Asset, Partner: partner.Hex(), Amount: amount.Amount, Window: window}
			made, err := once(cmd.Context(), a, "photon channel list", func(ctx context.Context, key string) (api.Order, error) { return c.OpenChannel(ctx, key, asked) })
			if err != nil {
				return err
			}
			return a.print(cmd, made, func(w io.Writer) {
				printOrder(w, made, "photon channel list shows the channel once the chain has confirmed it")
			})
		}),
	}
	cmd.Flags().Uint64Var(&window, "window", 600, "blocks that the partner has to answer when you close alone (90 to 100800)")
	return cmd
}

// printOrder shows what is on its way, and where it will be seen.
func printOrder(w io.Writer, o api.Order, look string) {
	for _, id := range o.Transactions {
		fmt.Fprintf(w, "sent\t%s\n", id)
	}
	fmt.Fprintf(w, "next\t%s\n", look)
}

// ofChannel asks for the channel that the first argument names, and reads the second
// as an amount of its asset.
func (a *asker) ofChannel(ctx context.Context, c *web.Client, args []string) (v api.Channel, amount contracts.Sum, err error) {
	id, err := readID(args[0])
	if err != nil {
		return v, amount, err
	}
	if len(args) > 1 {
		if amount, err = readSum(args[1]); err != nil {
			return v, amount, err
		}
		if amount.Amount.IsZero() {
			return v, amount, fmt.Errorf("%w: %s is nothing", errUsage, amount)
		}
	}
	v, err = ask(ctx, a, func(ctx context.Context) (api.Channel, error) { return c.Channel(ctx, id) })
	if err == nil && len(args) > 1 && amount.Asset != v.Asset {
		err = fmt.Errorf("%w: the channel holds %s, not %s", errUsage, v.Asset, amount.Asset)
	}
	return v, amount, err
}

func (a *asker) depositCommand() *cobra.Command {
	return &cobra.Command{
		Use: "deposit CHANNEL AMOUNT", Short: "adds to what you have in a channel", Args: exactly(2, "a channel's id and an amount with its unit"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			v, amount, err := a.ofChannel(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			if err := a.confirm(cmd, fmt.Sprintf("Put %s into the channel with %s?", amount, v.Partner)); err != nil {
				return err
			}
			look := "photon channel show " + v.Id.String()
			made, err := once(cmd.Context(), a, look, func(ctx context.Context, key string) (api.Order, error) {
				return c.Deposit(ctx, key, v.Id, amount.Amount)
			})
			if err != nil {
				return err
			}
			return a.print(cmd, made, func(w io.Writer) { printOrder(w, made, look+" counts it once the chain has confirmed it") })
		}),
	}
}

func (a *asker) withdrawCommand() *cobra.Command {
	var within uint64
	cmd := &cobra.Command{
		Use: "withdraw CHANNEL AMOUNT", Short: "takes out of a channel, once the partner has agreed", Args: exactly(2, "a channel's id and an amount with its unit"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			v, amount, err := a.ofChannel(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			if err := a.confirm(cmd, fmt.Sprintf("Take %s out of the channel with %s?", amount, v.Partner)); err != nil {
				return err
			}
			asked := api.Withdrawal{Amount: amount.Amount, Within: within}
			made, err := once(cmd.Context(), a, "photon channel show "+v.Id.String(), func(ctx context.Context, key string) (api.Channel, error) {
				return c.WithdrawChannel(ctx, key, v.Id, asked)
			})
			if err != nil {
				return err
			}
			return a.print(cmd, made, func(w io.Writer) { printChannel(w, made) })
		}),
	}
	cmd.Flags().Uint64Var(&within, "within", 100, "blocks after which it is given up")
	return cmd
}

func (a *asker) closeCommand() *cobra.Command {
	var within uint64
	var alone bool
	cmd := &cobra.Command{
		Use: "close CHANNEL", Short: "closes a channel together with the partner, or alone", Args: exactly(1, "a channel's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			v, _, err := a.ofChannel(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Close the channel with %s together? You have %s in it. Without an answer within %d blocks it is closed alone.", v.Partner, sum(v.Asset, v.Ours), within)
			if alone {
				question = fmt.Sprintf("Close the channel with %s alone? Your %s are paid after its window of %d blocks and the time for punishment.", v.Partner, sum(v.Asset, v.Ours), v.Window)
			}
			if err := a.confirm(cmd, question); err != nil {
				return err
			}
			made, err := once(cmd.Context(), a, "photon channel show "+v.Id.String(), func(ctx context.Context, key string) (api.Channel, error) {
				return c.CloseChannel(ctx, key, v.Id, api.Close{Within: within, Alone: alone})
			})
			if err != nil {
				return err
			}
			return a.print(cmd, made, func(w io.Writer) { printChannel(w, made) })
		}),
	}
	cmd.Flags().Uint64Var(&within, "within", 100, "blocks after which it is closed alone if the partner has not agreed")
	cmd.Flags().BoolVar(&alone, "alone", false, "do not ask the partner; wait for the window")
	return cmd
}

func (a *asker) channelsCommand() *cobra.Command {
	var state, partner string
	cmd := &cobra.Command{
		Use: "list", Short: "lists channels, oldest first", Args: exactly(0, "no arguments"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			if s := channel.Status(state); s != "" && s != channel.Open && s != channel.Closed && s != channel.Settled {
				return fmt.Errorf("%w: --state %.20q is not %s, %s or %s", errUsage, state, channel.Open, channel.Closed, channel.Settled)
			}
			if partner != "" {
				if _, err := contracts.ParseAddress(partner); err != nil {
					return fmt.Errorf("%w: --partner: %w", errUsage, err)
				}
			}
			all, err := ask(cmd.Context(), a, func(ctx context.Context) ([]api.Channel, error) { return c.Channels(ctx, state, partner) })
			if err != nil {
				return err
			}
			return printAll(a, cmd, all, func(w io.Writer) {
				fmt.Fprintln(w, "CHANNEL\tPARTNER\tSTATUS\tCAN SEND\tCAN RECEIVE\tNEXT")
				for _, v := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Id, v.Partner, chipOf(v), sum(v.Asset, v.Sendable), sum(v.Asset, v.Receivable), moveText(v))
				}
			})
		}),
	}
	cmd.Flags().StringVar(&state, "state", "", "open, closed or settled (default: all that are not settled)")
	cmd.Flags().StringVar(&partner, "partner", "", "only those with this account")
	return cmd
}

// chipOf is how a channel is, in a word or two.
func chipOf(v api.Channel) string {
	switch {
	case v.Frozen != "":
		return string(v.Status) + ", FROZEN"
	case v.Status == channel.Open && v.Wish != nil && v.Wish.Kind == api.WishKindEnd:
		return "closing"
	case v.Status == channel.Open && !v.There:
		return "open, partner away"
	}
	return string(v.Status)
}

// moveText is who moves next, with what, and by when.
func moveText(v api.Channel) string {
	if v.Next == nil {
		return ""
	}
	text := string(v.Next.Actor) + " " + words(string(v.Next.Step))
	switch n := v.Next; {
	case n.From > v.Height:
		text += fmt.Sprintf(" from block %d, in %d", n.From, n.From-v.Height)
	case n.By > 0:
		text += fmt.Sprintf(" by block %d, in %d", n.By, n.By-min(n.By, v.Height))
	}
	return text
}

func (a *asker) channelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show CHANNEL", Short: "shows a channel: balances, locks, what is under way", Args: exactly(1, "a channel's id"),
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			v, _, err := a.ofChannel(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			return a.print(cmd, v, func(w io.Writer) { printChannel(w, v) })
		}),
	}
}

func printChannel(w io.Writer, v api.Channel) {
	fmt.Fprintf(w, "channel\t%s\npartner\t%s\nstatus\t%s\n", v.Id, v.Partner, chipOf(v))
	fmt.Fprintf(w, "yours\t%s\ntheirs\t%s\n", sum(v.Asset, v.Ours), sum(v.Asset, v.Theirs))
	fmt.Fprintf(w, "can send\t%s\ncan receive\t%s\n", sum(v.Asset, v.Sendable), sum(v.Asset, v.Receivable))
	if !v.LockedOut.IsZero() || !v.LockedIn.IsZero() {
		fmt.Fprintf(w, "locked\t%s out, %s in\n", sum(v.Asset, v.LockedOut), sum(v.Asset, v.LockedIn))
	}
	fmt.Fprintf(w, "window\t%d blocks\n", v.Window)
	switch wish := v.Wish; {
	case wish == nil:
	case wish.Amount != nil:
		fmt.Fprintf(w, "under way\twithdrawal of %s\n", sum(v.Asset, *wish.Amount))
	default:
		fmt.Fprintln(w, "under way\tclosing")
	}
	if v.Accord != nil && v.Accord.Declined != "" {
		fmt.Fprintf(w, "declined\t%s\n", v.Accord.Declined)
	}
	if text := moveText(v); text != "" {
		fmt.Fprintf(w, "next\t%s\n", text)
	}
	if v.Behind {
		fmt.Fprintln(w, "BEHIND\tdata was lost; the partner must tell where you stood")
	}
	if v.Frozen != "" {
		fmt.Fprintf(w, "FROZEN\t%s\n", v.Frozen)
	}
}

func (a *asker) feeCommand() *cobra.Command {
	var flat string
	var ppm uint32
	var capped bool
	cmd := &cobra.Command{
		Use: "fee CHANNEL", Short: "shows or sets what you ask for payments of others through a channel", Args: exactly(1, "a channel's id"),
		Example: "  photon channel fee 5f… --flat 0.01smt --ppm 500",
		RunE: a.run(func(cmd *cobra.Command, c *web.Client, args []string) error {
			v, _, err := a.ofChannel(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			fee, err := ask(cmd.Context(), a, func(ctx context.Context) (message.Schedule, error) { return c.Fee(ctx, v.Id) })
			if err != nil {
				return err
			}
			if f := cmd.Flags(); f.Changed("flat") || f.Changed("ppm") || f.Changed("cap") {
				if flat != "" {
					s, err := readSum(flat)
					if err != nil {
						return err
					}
					if s.Asset != v.Asset {
						return fmt.Errorf("%w: --flat is of %s, the channel holds %s", errUsage, s.Asset, v.Asset)
					}
					fee.Flat = s.Amount
				}
				if f.Changed("ppm") {
					fee.Proportional = ppm
				}
				if f.Changed("cap") {
					fee.Cap = capped
				}
				if err := fee.Check(); err != nil {
					return fmt.Errorf("%w: %w", errUsage, err)
				}
				if fee, err = ask(cmd.Context(), a, func(ctx context.Context) (message.Schedule, error) { return c.SetFee(ctx, v.Id, fee) }); err != nil {
					return err
				}
			}
			return a.print(cmd, fee, func(w io.Writer) {
				fmt.Fprintf(w, "flat\t%s\nproportional\t%d of a million\n", sum(v.Asset, fee.Flat), fee.Proportional)
				for _, p := range fee.Imbalance.Points() {
					fmt.Fprintf(w, "at balance\t%s: %s\n", sum(v.Asset, p.Balance), sum(v.Asset, p.Penalty))
				}
				if fee.Cap {
					fmt.Fprintln(w, "capped\tnever below nothing")
				}
			})
		}),
	}
	cmd.Flags().StringVar(&flat, "flat", "", "of each payment, with its unit")
	cmd.Flags().Uint32Var(&ppm, "ppm", 0, "of a payment's amount, in millionths")
	cmd.Flags().BoolVar(&capped, "cap", false, "never let a curve make the fee less than nothing")
	return cmd
}
