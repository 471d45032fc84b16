package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// ErrMissing is what Find answers where PostgreSQL's programs are not installed.
var ErrMissing = errors.New("PostgreSQL's programs are missing (version 15 or later)")

// InstallLine is what a person types to get them.
const InstallLine = "apt-get install -y postgresql        (Debian, Ubuntu; macOS: brew install postgresql@17)"

// VersionMin is the oldest PostgreSQL that our SQL is written for.
const VersionMin = 15

// Find is the folder with initdb and postgres: from PATH, else the newest of the usual folders.
func Find() (string, error) {
	var folders []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/usr/local/pgsql/bin"} {
		found, _ := filepath.Glob(pattern)
		sort.Slice(found, func(i, j int) bool { return number(found[i]) > number(found[j]) })
		folders = append(folders, found...)
	}
	for _, folder := range folders {
		if executable(filepath.Join(folder, "initdb")) && executable(filepath.Join(folder, "postgres")) && major(folder) >= VersionMin {
			return folder, nil
		}
	}
	return "", fmt.Errorf("%w. Install them with\n  %s", ErrMissing, InstallLine)
}

// Install installs Debian's package when we are root on a machine with apt-get, saying so; elsewhere it answers with the
// line to type. The package's own cluster is not made: only its programs are wanted.
func Install(say func(format string, args ...any)) error {
	if _, err := Find(); err == nil {
		return nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		_, err := Find()
		return err
	}
	say("PostgreSQL's programs are missing: installing Debian's package with apt-get")
	if err := os.MkdirAll("/etc/postgresql-common", 0o755); err == nil {
		path := "/etc/postgresql-common/createcluster.conf"
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			_ = os.WriteFile(path, []byte("create_main_cluster = false\n"), 0o644)
		}
	}
	for _, args := range [][]string{{"update"}, {"install", "-y", "--no-install-recommends", "postgresql"}} {
		cmd := exec.Command(apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s failed: %w\n%s\nInstall PostgreSQL yourself with\n  %s", strings.Join(args, " "), err, lastLines(string(out), 5), InstallLine)
		}
	}
	_, err = Find()
	return err
}

func executable(path string) bool {
	stat, err := os.Stat(path)
	return err == nil && !stat.IsDir() && stat.Mode()&0o111 != 0
}

// number is the version in a folder's path, for sorting.
func number(folder string) float64 {
	digits := strings.FieldsFunc(folder, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.ParseFloat(digits[len(digits)-1], 64)
	return n
}

// major asks the program for its version: "postgres (PostgreSQL) 15.18 (Debian …)".
func major(folder string) int {
	out, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	for _, word := range strings.Fields(string(out)) {
		digits := word
		if i := strings.IndexFunc(word, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
			digits = word[:i]
		}
		if n, err := strconv.Atoi(digits); err == nil {
			return n
		}
	}
	return 0
}

// socketFolder is a folder for the unix socket that only the server's user and we may enter. It lies in the data folder
// unless that path is too long for a socket's name (107 bytes). Below /tmp anybody may have made the folder first, and who
// owns it could put a server of their own in the socket's place.
func socketFolder(data string) (string, error) {
	folder := filepath.Join(data, "socket")
	if len(folder)+len("/.s.PGSQL.5432.lock") > 100 || strings.ContainsAny(folder, ` '\`) || !reachable(data) {
		sum := sha256.Sum256([]byte(data))
		folder = filepath.Join("/tmp", "beckon-"+hex.EncodeToString(sum[:6]))
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("the socket's folder cannot be made: %w", err)
	}
	stat, err := os.Lstat(folder)
	if err != nil || !stat.IsDir() || !isOurs(stat) {
		return "", fmt.Errorf("%s should be a folder of ours for PostgreSQL's socket: remove what stands there", folder)
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		return "", fmt.Errorf("the socket's folder cannot be closed to others: %w", err)
	}
	return folder, giveToServer(folder)
}
