//go:build unix && !linux

package devnet

import "syscall"

// dieWithParent: only Linux ends a child with its parent. Elsewhere nodes are
// stopped by Close alone.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

const (
	hang = syscall.SIGSTOP
	goOn = syscall.SIGCONT
)

// hung cannot be seen here; the signal takes a moment.
func hung(int) bool { return true }
