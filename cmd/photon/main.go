// Package main joins the rooms into one binary.
//
//	photon node …      a node: its desk, channels, chains, store, peers and API (node.go, wire.go, paying.go)
//	photon swap …      offers, quotes, trades       asks a node over its API (swap.go)
//	photon channel …   channels of the node         as swap (channel.go)
//	photon pay …       payments and invoices        as swap (pay.go, invoice.go)
//	photon board       offers of many makers for everybody to see (board.go)
//	photon wallet …    balances, addresses, sends   as swap (wallet.go)
//	photon keys …      one mnemonic, encrypted at rest (keys.go)
//	photon config …    what a node would be told (config.go, config_show.go)
//	photon doctor      is everything in order here? (doctor.go)
//	photon demo        every swap on real chain nodes on this machine (demo.go)
//	photon bench …     the numbers, as JSON (bench.go, bench_pay.go)
//
// The one rule: nothing is decided here. A command reads what a person says,
// hands it to a room, and prints the answer. Answers go to standard output,
// everything else to standard error.
//
// Exit codes: 0 done, 1 failed, 2 not understood, 3 refused or not enough, 4 took
// too long, 5 the node does not answer.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitTimeout     = 4
	exitUnreachable = 5
)

// errUsage marks what a person must say otherwise, errRefused what was understood
// and is not done.
var (
	errUsage   = errors.New("usage")
	errRefused = errors.New("refused")
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once, as the system does it
	if code := run(ctx, rootCommand()); code != 0 {
		stop()
		os.Exit(code)
	}
}

// run carries out what root was told, says how that failed, and returns the exit
// code.
func run(ctx context.Context, root *cobra.Command) int {
	strict(root)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	said := err.Error()
	if errors.Is(err, context.Canceled) && said == context.Canceled.Error() {
		said = "interrupted"
	}
	fmt.Fprintln(root.ErrOrStderr(), "photon:", said)
	return exitCode(err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "photon",
		Short:         "Atomic swaps between BTC, LTC, ETH and SMT, and payment channels on ETH and SMT",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(flagFault)
	root.AddCommand(nodeCommand(), swapCommand(), walletCommand(), demoCommand(), keysCommand(), benchCommand(), doctorCommand(), versionCommand())
	root.AddCommand(configCommand(), boardCommand(), channelCommand(), payCommand(), paymentsCommand(), invoiceCommand())
	return root
}

// exactly is cobra.ExactArgs with an error of ours.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%w: %s: want %s", errUsage, cmd.CommandPath(), what)
		}
		return nil
	}
}

// atMost is cobra.MaximumNArgs with an error of ours.
func atMost(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("%w: %s: want %s", errUsage, cmd.CommandPath(), what)
		}
		return nil
	}
}
