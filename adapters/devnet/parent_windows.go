package devnet

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }

// Windows has no such signals: Pause is refused there and Close kills at once.
const (
	hang = syscall.Signal(-1)
	goOn = syscall.Signal(-1)
)

func hung(int) bool { return true }
