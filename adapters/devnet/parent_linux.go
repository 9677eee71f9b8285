package devnet

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// dieWithParent asks the kernel to kill the child when this process dies, and
// keeps it out of the terminal's group, so that an interrupt there reaches us
// alone and we stop the nodes in order.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

const (
	hang = syscall.SIGSTOP
	goOn = syscall.SIGCONT
)

// hung reports whether every thread of a process has stopped: the kernel takes a
// moment to reach them all.
func hung(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, t := range threads {
		stat, err := os.ReadFile(t) // pid (name) state …
		if err != nil {
			return false
		}
		if end := bytes.LastIndex(stat, []byte(") ")); end < 0 || stat[end+2] != 'T' {
			return false
		}
	}
	return true
}
