//go:build unix && !linux

package local

import (
	"os/exec"
	"syscall"
)

// asServer makes a command run as PostgreSQL's user in a session of its own.
func asServer(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: credential()}
}

func superviseOn(cmd *exec.Cmd, started, exited chan<- error) {
	err := cmd.Start()
	started <- err
	if err == nil {
		exited <- cmd.Wait()
		close(exited)
	}
}
