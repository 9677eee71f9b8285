package stage

import "syscall"

// dieWithParent ends a process with this one, however this one ends.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
