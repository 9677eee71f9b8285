package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"photon/adapters/evm"
	"photon/adapters/keys"
	"photon/adapters/store"
	"photon/adapters/utxo"
	"photon/web"
)

// strict makes every command of the tree, and those that cobra adds, say what
// they did not understand. Left alone, cobra prints help for an unknown verb and
// ends well. Where root prints must be settled before.
func strict(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	strictly(root)
}

func strictly(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		strictly(sub)
	}
	switch check := cmd.Args; {
	case !cmd.Runnable():
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		}
	case cmd.Name() == "help":
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if about, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 {
				return unknownCommand(about, strings.Join(rest, " "))
			}
			return nil
		}
	case check != nil:
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil && !errors.Is(err, errUsage) {
				return fmt.Errorf("%w: %w", errUsage, err)
			} else if err != nil {
				return err
			}
			return nil
		}
	}
}

// unknownCommand says that cmd has no such verb, and which is near.
func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	near := ""
	if all := cmd.SuggestionsFor(name); len(all) > 0 {
		near = ", did you mean " + strings.Join(all, " or ") + "?"
	}
	return fmt.Errorf("%w: %s has no command %.60q%s", errUsage, cmd.CommandPath(), name, near)
}

// flagFault is why a flag was not understood. A negative amount looks like one.
func flagFault(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if errors.As(err, &missing) && strings.IndexAny(missing.GetSpecifiedShortnames(), "0123456789.") == 0 {
		return fmt.Errorf("%w: -%s: an amount is never negative", errUsage, missing.GetSpecifiedShortnames())
	}
	return fmt.Errorf("%w: %s: %w", errUsage, cmd.CommandPath(), err)
}

// codes gives each reason its exit code; the first that matches counts. What is
// not here and not the node's refusal is exitFailed.
var codes = []struct {
	err  error
	code int
}{
	{errUsage, exitUsage}, {keys.ErrWords, exitUsage}, {keys.ErrWord, exitUsage}, {keys.ErrChecksum, exitUsage}, {keys.ErrLog, exitUsage},
	{errRefused, exitRefused}, {fs.ErrExist, exitRefused}, {keys.ErrPassphrase, exitRefused}, {keys.ErrPermissions, exitRefused},
	{keys.ErrNotYours, exitRefused}, {store.ErrLocked, exitRefused}, {store.ErrPermissions, exitRefused}, {store.ErrNewer, exitRefused},
	{utxo.ErrNetwork, exitRefused}, {evm.ErrNetwork, exitRefused}, {evm.ErrCode, exitRefused},
	{web.ErrUnreachable, exitUnreachable}, {context.DeadlineExceeded, exitTimeout},
}

// exitCode tells programs how a command ended.
func exitCode(err error) int {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	var problem *web.Problem
	switch {
	case !errors.As(err, &problem):
		return exitFailed
	case problem.Status == http.StatusGatewayTimeout:
		return exitTimeout
	case problem.Status >= http.StatusInternalServerError:
		return exitFailed
	}
	return exitRefused
}
