// Package storetest gives each test a database of its own on a real PostgreSQL that lives as long as the test program.
//
// Why real and private: what decides races here are statements of PostgreSQL, and a copy of a migrated template costs a
// twentieth of a second. A machine without PostgreSQL's programs gets them installed (as root on Debian) or a failing test
// with the line to type, never a silent skip.
package storetest

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
)

const serverVariable = "BECKON_TEST_SERVER"

// Main runs a package's tests with a PostgreSQL beside them; call it as os.Exit(storetest.Main(m)) in TestMain.
func Main(m *testing.M) int {
	say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	if err := local.Install(say); err != nil {
		say("the tests need a real PostgreSQL: %v", err)
		return 1
	}
	InMemory()
	folder, err := os.MkdirTemp("", "beckon-test-")
	if err != nil {
		say("%v", err)
		return 1
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o755); err != nil {
		say("%v", err)
		return 1
	}
	server, err := local.Start(context.Background(), folder, local.Options{Scratch: true})
	if err != nil {
		say("%v", err)
		return 1
	}
	defer server.Stop()
	if err := makeTemplate(server); err != nil {
		say("%v", err)
		return 1
	}
	os.Setenv(serverVariable, server.URL("postgres"))
	return m.Run()
}

func makeTemplate(server *local.Server) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE template_beckon"); err != nil {
		return err
	}
	s, err := store.Open(ctx, server.URL("template_beckon"), func() time.Time { return time.Unix(0, 0) }, store.Options{Connections: 2})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Prepare(ctx, campaigns.FreshWorkspace())
}

// Key seals the secrets of channels in tests.
func Key() []byte { return []byte("thirty-two bytes, only for tests") }

// Clock is a time that a test moves. The zero value is not ready: use NewClock.
type Clock struct{ now chan time.Time }

// NewClock begins at an RFC 3339 time.
func NewClock(t testing.TB, start string) *Clock {
	at, err := time.Parse(time.RFC3339, start)
	if err != nil {
		t.Fatal(err)
	}
	c := &Clock{now: make(chan time.Time, 1)}
	c.now <- at
	return c
}

// Now reads the clock.
func (c *Clock) Now() time.Time {
	at := <-c.now
	c.now <- at
	return at
}

// Advance moves the clock ahead.
func (c *Clock) Advance(by time.Duration) { c.now <- (<-c.now).Add(by) }

// Set moves the clock to an instant.
func (c *Clock) Set(at time.Time) { <-c.now; c.now <- at }

// URL makes a fresh database, migrated and prepared, dropped when the test ends, and gives its address.
func URL(t testing.TB) string {
	t.Helper()
	return urlOn(t, "")
}

// urlOn makes a database in a tablespace, the default one when it is empty.
func urlOn(t testing.TB, tablespace string) string {
	t.Helper()
	ctx := context.Background()
	server := os.Getenv(serverVariable)
	if server == "" {
		t.Fatal("this package's TestMain should call storetest.Main")
	}
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	name := "test_" + hex.EncodeToString(campaigns.Secret(8))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template_beckon STRATEGY FILE_COPY"+tablespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { drop(t, server, name) })
	return strings.Replace(server, "dbname=postgres", "dbname="+name, 1)
}

func drop(t testing.TB, server, name string) {
	conn, err := pgx.Connect(context.Background(), server)
	if err != nil {
		t.Errorf("dropping %s: %v", name, err)
		return
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
		t.Errorf("dropping %s: %v", name, err)
	}
}

// OpenOnSmallDisk is a Store whose tables lie on a disk of so many MiB, so that it can be filled. It needs the right to
// mount; the test is skipped with the reason where that is missing.
func OpenOnSmallDisk(t testing.TB, clock func() time.Time, size int) *store.Store {
	t.Helper()
	folder, err := os.MkdirTemp("", "beckon-small-") // not the test's own folder: PostgreSQL's user could not enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(folder) })
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0777", size), "beckon-test", folder).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be made here (mounting needs root): %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", folder).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %v: %s", err, out)
		}
	})
	conn, err := pgx.Connect(context.Background(), os.Getenv(serverVariable))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	giveLike(t, conn, folder)
	name := "small_" + hex.EncodeToString(campaigns.Secret(8))
	if _, err := conn.Exec(context.Background(), fmt.Sprintf("CREATE TABLESPACE %s LOCATION '%s'", name, folder)); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), urlOn(t, " TABLESPACE "+name), clock, store.Options{Connections: 12, Key: Key()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// giveLike gives a folder to the user that PostgreSQL runs as.
func giveLike(t testing.TB, conn *pgx.Conn, folder string) {
	t.Helper()
	var data string
	if err := conn.QueryRow(context.Background(), "SELECT current_setting('data_directory')").Scan(&data); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(data)
	if err != nil {
		t.Fatal(err)
	}
	owner, is := stat.Sys().(*syscall.Stat_t)
	if !is {
		t.Skip("a small disk cannot be given to PostgreSQL on this system")
	}
	if err := os.Chown(folder, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
}

// Open is a Store on a fresh database with the given clock, closed when the test ends.
func Open(t testing.TB, clock func() time.Time) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), URL(t), clock, store.Options{Connections: 12, Key: Key()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.EnsureMonths(context.Background(), "audit", clock(), clock().AddDate(0, 1, 0)); err != nil {
		t.Fatal(err)
	}
	return s
}
