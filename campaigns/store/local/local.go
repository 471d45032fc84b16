// Package local runs a private PostgreSQL of our own in a data folder, so that the service starts with no configuration.
//
// Why the machine's own programs: they are packaged, patched and known on every server, start in half a second, and a
// database kept by them can be opened by any tool. The server listens on a unix socket only, in a folder that nobody else
// may enter. PostgreSQL refuses to run as root; when we are root it runs as the user postgres (else nobody), which on
// Linux keeps the one right that it needs to reach a data folder below a closed home.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a running private PostgreSQL.
type Server struct {
	dir     string // the cluster's folder
	socket  string // the folder of the unix socket
	bin     string
	lock    *os.File
	options Options

	mu       sync.Mutex
	exited   chan error // gets the reason when the process ends, and is closed
	pid      int
	stopping bool
}

// Options of Start. Scratch gives up durability for speed: for tests and the demo only. Say gets a line for the person
// who waits.
type Options struct {
	Scratch bool
	Say     func(format string, args ...any)
}

// Start runs the cluster below a data folder, making both on the first start. It fails with a sentence for a person when
// another Beckon uses the folder, the folder cannot be written, or PostgreSQL's programs are missing.
func Start(ctx context.Context, data string, options Options) (*Server, error) {
	if options.Say == nil {
		options.Say = func(string, ...any) {}
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	s := &Server{dir: filepath.Join(data, "postgres"), options: options}
	if s.lock, err = lockFolder(data); err != nil {
		return nil, err
	}
	if err := s.start(ctx, data); err != nil {
		s.lock.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, data string) error {
	var err error
	if s.bin, err = Find(); err != nil {
		return err
	}
	if s.socket, err = socketFolder(data); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(s.dir, "PG_VERSION")); errors.Is(err, os.ErrNotExist) {
		s.options.Say("making a private PostgreSQL in %s", s.dir)
		if err := s.initdb(ctx); err != nil {
			return err
		}
	}
	if err := s.clearStale(ctx); err != nil {
		return err
	}
	return s.run(ctx)
}

// URL is the address for a client of a database in this server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("host=%s port=5432 user=beckon dbname=%s", s.socket, database)
}

// Socket is the folder of the unix socket: what psql and pgbench take as -h.
func (s *Server) Socket() string { return s.socket }

// Bin is the folder of PostgreSQL's programs.
func (s *Server) Bin() string { return s.bin }

// Stop ends the server: fast, so that what was committed is safe and what was not is rolled back.
func (s *Server) Stop() error {
	defer s.lock.Close()
	s.mu.Lock()
	s.stopping = true
	pid, exited := s.pid, s.exited
	s.mu.Unlock()
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return nil // ended already
	}
	select {
	case <-exited:
		return nil
	case <-time.After(20 * time.Second):
		return errors.Join(fmt.Errorf("PostgreSQL (process %d) did not stop in 20 s and was ended", pid), syscall.Kill(pid, syscall.SIGQUIT))
	}
}

// Keep starts the server again whenever it ends by itself, until ctx ends. What was committed is there again; statements
// that were under way fail, and those who sent them try again.
func (s *Server) Keep(ctx context.Context, say func(format string, args ...any)) {
	for {
		s.mu.Lock()
		exited, stopping := s.exited, s.stopping
		s.mu.Unlock()
		if stopping {
			return
		}
		select {
		case <-ctx.Done():
			return
		case err := <-exited:
			say("PostgreSQL ended by itself (%v): starting it again", err)
		}
		for {
			err := s.clearStale(ctx)
			if err == nil {
				err = s.run(ctx)
			}
			if err == nil || ctx.Err() != nil {
				break
			}
			say("PostgreSQL does not start, trying again in 2 s: %v", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(2 * time.Second):
			}
		}
	}
}

func lockFolder(data string) (*os.File, error) {
	path := filepath.Join(data, "beckon.lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be written: choose another with --data: %w", data, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := io.ReadAll(io.LimitReader(file, 20))
		file.Close()
		return nil, fmt.Errorf("the data folder %s is in use by another beckon (process %s): stop that one, or choose another folder with --data", data, strings.TrimSpace(string(pid)))
	}
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return file, nil
}

func (s *Server) initdb(ctx context.Context) error {
	fresh := s.dir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clearing an unfinished start: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("the data folder cannot be written: %w", err)
	}
	if err := giveToServer(fresh); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", fresh, "-U", "beckon", "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	cmd.Dir = "/"
	asServer(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb failed: %w\n%s", err, lastLines(string(out), 5))
	}
	return os.Rename(fresh, s.dir) // a start that was interrupted is begun again
}

// clearStale waits for the server of a Beckon that was killed: it ends by itself, and is asked to once more.
func (s *Server) clearStale(ctx context.Context) error {
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		pid := s.livePid()
		if pid == 0 {
			return nil
		}
		_ = syscall.Kill(pid, syscall.SIGINT)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("an older PostgreSQL (process %d) still runs in %s and does not stop: end it first", pid, s.dir)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// livePid is the process that postmaster.pid names, when it lives and is a PostgreSQL; else 0.
func (s *Server) livePid() int {
	content, err := os.ReadFile(filepath.Join(s.dir, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 || syscall.Kill(pid, 0) != nil {
		return 0
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && !strings.HasPrefix(string(name), "postgres") {
		return 0 // the number was given to another program since
	}
	return pid
}

func (s *Server) run(ctx context.Context) error {
	logPath := filepath.Join(filepath.Dir(s.dir), "postgres.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("the data folder cannot be written: %w", err)
	}
	defer logFile.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), append([]string{"-D", s.dir, "-k", s.socket}, settings(s.options.Scratch)...)...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = logFile, logFile
	asServer(cmd)
	started, exited := make(chan error, 1), make(chan error, 1)
	go superviseOn(cmd, started, exited)
	if err := <-started; err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	s.mu.Lock()
	s.exited, s.pid = exited, cmd.Process.Pid
	s.mu.Unlock()
	return s.await(ctx, logPath)
}

// await returns when the server takes connections.
func (s *Server) await(ctx context.Context, logPath string) error {
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	for {
		content, _ := os.ReadFile(filepath.Join(s.dir, "postmaster.pid"))
		if lines := strings.Split(string(content), "\n"); len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
		select {
		case <-ctx.Done():
			_ = syscall.Kill(s.pid, syscall.SIGINT)
			return ctx.Err()
		case err := <-s.exited:
			log, _ := os.ReadFile(logPath)
			return fmt.Errorf("PostgreSQL ended while starting (%v); the end of %s:\n%s", err, logPath, lastLines(string(log), 6))
		case <-deadline.C:
			_ = syscall.Kill(s.pid, syscall.SIGINT)
			return fmt.Errorf("PostgreSQL did not become ready in 60 s: look into %s", logPath)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// settings for a machine that the database shares with us; scratch ones give up durability.
func settings(scratch bool) []string {
	lines := []string{"listen_addresses=", "port=5432", "unix_socket_permissions=0700", "max_connections=100", "shared_buffers=256MB",
		"work_mem=16MB", "maintenance_work_mem=128MB", "max_wal_size=2GB", "jit=off", "wal_compression=on", "random_page_cost=1.1",
		"timezone=UTC", "log_timezone=UTC", "checkpoint_completion_target=0.9", "max_prepared_transactions=0",
		"wal_level=minimal", "max_wal_senders=0", "max_locks_per_transaction=256"}
	if scratch {
		lines = append(lines, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	var args []string
	for _, line := range lines {
		args = append(args, "-c", line)
	}
	return args
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
