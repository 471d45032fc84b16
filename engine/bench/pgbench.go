package bench

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// pgbenchScale and pgbenchSeconds are the size of pgbench's tables and how long it runs in a round.
const (
	pgbenchScale   = 10
	pgbenchSeconds = 4
)

// preparePgbench fills the tables of pgbench.
func (g *ground) preparePgbench(ctx context.Context) error {
	if err := g.do(ctx, "CREATE DATABASE pgbench"); err != nil {
		return err
	}
	scale := pgbenchScale
	if g.brief() {
		scale = 1
	}
	_, err := g.runPgbench(ctx, "-i", "-q", "-s", strconv.Itoa(scale))
	return err
}

// brief says that a run is too small for its rates to mean anything: only that everything works.
func (g *ground) brief() bool { return g.Rows > 0 && g.Rows < redeemRows/4 }

// pgbench runs its simple-update transactions by as many clients as ours and gives the transactions a second.
func (g *ground) pgbench(ctx context.Context, _ int) (float64, error) {
	seconds := pgbenchSeconds
	if g.brief() {
		seconds = 1
	}
	out, err := g.runPgbench(ctx, "-N", "-c", strconv.Itoa(redeemClients), "-j", "2", "-T", strconv.Itoa(seconds))
	if err != nil {
		return 0, err
	}
	return tps(out)
}

func (g *ground) runPgbench(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"-h", g.server.Socket(), "-p", "5432", "-U", "beckon"}, append(args, "pgbench")...)
	out, err := exec.CommandContext(ctx, filepath.Join(g.server.Bin(), "pgbench"), args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("pgbench failed: %w\n%s", err, out)
	}
	return string(out), nil
}

// tps reads "tps = 1234.5 (without initial connection time)".
func tps(out string) (float64, error) {
	_, rest, found := strings.Cut(out, "tps = ")
	number, _, _ := strings.Cut(rest, " ")
	rate, err := strconv.ParseFloat(number, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("pgbench said no tps:\n%s", out)
	}
	return rate, nil
}
