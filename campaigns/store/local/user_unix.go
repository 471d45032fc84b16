//go:build unix

package local

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// serverUser is whom PostgreSQL runs as when we are root; ok is false when we are not.
func serverUser() (uid, gid int, ok bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, err1 := strconv.Atoi(u.Uid)
			gid, err2 := strconv.Atoi(u.Gid)
			if err1 == nil && err2 == nil {
				return uid, gid, true
			}
		}
	}
	return 65534, 65534, true
}

// isOurs says whether a file belongs to us or to the user that PostgreSQL runs as.
func isOurs(stat os.FileInfo) bool {
	is, known := stat.Sys().(*syscall.Stat_t)
	uid, _, asRoot := serverUser()
	return known && (int(is.Uid) == os.Geteuid() || asRoot && int(is.Uid) == uid)
}

// giveToServer hands a folder to the user that PostgreSQL runs as.
func giveToServer(folder string) error {
	uid, gid, ok := serverUser()
	if !ok {
		return nil
	}
	if err := os.Chown(folder, uid, gid); err != nil {
		return fmt.Errorf("giving %s to PostgreSQL's user: %w", folder, err)
	}
	return nil
}

// reachable says whether PostgreSQL's user can enter a folder by the permissions of all folders above it.
func reachable(folder string) bool {
	if _, _, asRoot := serverUser(); !asRoot {
		return true
	}
	for dir := folder; ; dir = filepath.Dir(dir) {
		stat, err := os.Stat(dir)
		if err != nil || stat.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

func credential() *syscall.Credential {
	uid, gid, ok := serverUser()
	if !ok {
		return nil
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
