package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "What a node would be told"}
	var asJSON bool
	show := &cobra.Command{
		Use: "show", Short: "prints every setting as a node would read it, passwords masked", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, faulty := readConfig(cmd.Flags())
			if err := printConfig(cmd, c.masked(), asJSON); err != nil {
				return err
			}
			return faulty
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	check := &cobra.Command{
		Use: "check", Short: "says everything that is wrong with the settings", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := readConfig(cmd.Flags()); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is wrong with the config")
			return err
		},
	}
	for _, sub := range []*cobra.Command{show, check} {
		configFlags(sub.Flags())
		cmd.AddCommand(sub)
	}
	return cmd
}

// printConfig writes a config as YAML that can be read back, or as one JSON
// object.
func printConfig(cmd *cobra.Command, c config, asJSON bool) error {
	var lines []string
	fields, pattern, between := reflect.ValueOf(c), "%s: %s", "\n"
	if asJSON {
		pattern, between = "%q:%s", ","
	}
	for i := range fields.NumField() {
		value, err := json.Marshal(fields.Field(i).Interface()) // JSON is YAML
		if err != nil {
			return fmt.Errorf("print config: %w", err)
		}
		if string(value) == "null" {
			value = []byte("[]")
		}
		lines = append(lines, fmt.Sprintf(pattern, fields.Type().Field(i).Tag.Get("koanf"), value))
	}
	text := strings.Join(lines, between)
	if asJSON {
		text = "{" + text + "}"
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

// mask stands where something is not shown.
const mask = "***"

// masked is the config without what only its owner may see.
func (c config) masked() config {
	for _, endpoints := range []*[]string{&c.BTCRPC, &c.LTCRPC, &c.ETHRPC, &c.SMTRPC} {
		shown := make([]string, len(*endpoints))
		for i, endpoint := range *endpoints {
			shown[i] = maskURL(endpoint, false)
		}
		*endpoints = shown
	}
	boards := make([]string, len(c.Boards))
	for i, board := range c.Boards {
		boards[i] = maskURL(board, true)
	}
	c.Boards = boards
	if !strings.HasPrefix(c.Database, "sqlite:") {
		c.Database = maskURL(c.Database, true)
	}
	return c
}

// maskURL hides the password of a URL and its query, and its path too unless
// that is known to be no key: many a provider's URL ends with one.
func maskURL(text string, path bool) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return mask
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += u.User.Username()
		if _, has := u.User.Password(); has {
			shown += ":" + mask
		}
		shown += "@"
	}
	shown += u.Host
	switch {
	case path:
		shown += u.EscapedPath()
	case strings.Trim(u.Path, "/") != "":
		shown += "/" + mask
	}
	if u.RawQuery != "" {
		shown += "?" + mask
	}
	return shown
}
