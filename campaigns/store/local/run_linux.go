package local

import (
	"os/exec"
	"runtime"
	"syscall"
)

// capDACReadSearch lets a process pass through folders that are closed to its user.
const capDACReadSearch = 2

// asServer makes a command run as PostgreSQL's user in a session of its own, so that a Ctrl-C meant for us does not reach
// it, and end in order when we are killed.
func asServer(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: credential(), Pdeathsig: syscall.SIGINT}
	if cmd.SysProcAttr.Credential != nil && !reachable(cmd.Args[2]) {
		cmd.SysProcAttr.AmbientCaps = []uintptr{capDACReadSearch}
	}
}

// superviseOn starts a command and waits for it on one thread that lives as long as the command: Linux sends the
// parent-death signal when the thread that forked ends.
func superviseOn(cmd *exec.Cmd, started, exited chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err == nil {
		exited <- cmd.Wait()
		close(exited)
	}
}
