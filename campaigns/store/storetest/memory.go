package storetest

import (
	"os"
	"syscall"
)

const (
	memoryFolder = "/dev/shm"
	memoryMin    = 4 << 30 // bytes free, for two packages at once
)

// InMemory lets the temporary folders of this process lie in memory where the machine has room there, else where they
// always do. For a TestMain.
//
// Why: a database is some 700 files, and a test has one of its own. A disk's file system takes ten times as long to make
// and to remove them as all that the test asks of PostgreSQL.
func InMemory() {
	var disk syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(memoryFolder, &disk) != nil || uint64(disk.Bavail)*uint64(disk.Bsize) < memoryMin {
		return
	}
	os.Setenv("TMPDIR", memoryFolder)
}
