package local_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns/store/local"
)

func TestAServerStartsBelowAClosedFolderAndKeepsWhatWasWritten(t *testing.T) {
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(closed, "it's my data")
	for round := range 2 {
		server := start(t, data)
		conn, err := pgx.Connect(context.Background(), server.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(context.Background(), "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := conn.QueryRow(context.Background(), "SELECT count(*) FROM kept").Scan(&n); err != nil || n != round+1 {
			t.Fatalf("round %d: %d rows, %v", round, n, err)
		}
		conn.Close(context.Background())
		if err := server.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASecondBeckonOnTheFolderIsToldSo(t *testing.T) {
	data := t.TempDir()
	server := start(t, data)
	defer server.Stop()
	_, err := local.Start(context.Background(), data, local.Options{Scratch: true})
	if err == nil || !strings.Contains(err.Error(), "in use by another beckon") {
		t.Fatalf("got %v", err)
	}
}

func TestAFolderThatCannotBeMadeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Start(context.Background(), filepath.Join(file, "data"), local.Options{}); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Fatalf("got %v", err)
	}
}

func TestAServerThatIsKilledIsStartedAgain(t *testing.T) {
	data := t.TempDir()
	server := start(t, data)
	ctx, cancel := context.WithCancel(context.Background())
	kept := make(chan struct{})
	go func() { defer close(kept); server.Keep(ctx, t.Logf) }()
	defer func() { cancel(); <-kept; server.Stop() }()
	content, err := os.ReadFile(filepath.Join(data, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	for {
		again, _ := os.ReadFile(filepath.Join(data, "postgres", "postmaster.pid"))
		if line, _, _ := strings.Cut(string(again), "\n"); line != "" && line != first {
			if conn, err := pgx.Connect(context.Background(), server.URL("postgres")); err == nil {
				conn.Close(context.Background())
				return
			}
		}
		select {
		case <-deadline:
			t.Fatal("PostgreSQL did not come back")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestASocketFolderThatSomebodyElseMadeIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a folder for somebody else")
	}
	data := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
	sum := sha256.Sum256([]byte(data))
	folder := filepath.Join("/tmp", "beckon-"+hex.EncodeToString(sum[:6]))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	if err := errors.Join(os.Chown(folder, 54321, 54321), os.Chmod(folder, 0o777)); err != nil {
		t.Fatal(err)
	}
	server, err := local.Start(context.Background(), data, local.Options{Scratch: true})
	if err == nil {
		_ = server.Stop()
	}
	if err == nil || !strings.Contains(err.Error(), folder) {
		t.Errorf("the folder was used: %v", err)
	}
}

func start(t *testing.T, data string) *local.Server {
	t.Helper()
	if err := local.Install(t.Logf); err != nil {
		t.Fatal(err)
	}
	server, err := local.Start(context.Background(), data, local.Options{Scratch: true})
	if err != nil {
		t.Fatal(err)
	}
	return server
}
