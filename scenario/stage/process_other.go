//go:build !linux

package stage

import "syscall"

// dieWithParent is for Linux only; elsewhere the demo's own end stops its nodes.
func dieWithParent() *syscall.SysProcAttr { return nil }
