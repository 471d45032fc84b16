package bench

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
)

// A ground is what the measures stand on: a private, durable PostgreSQL in a temporary folder.
type ground struct {
	Options
	server  *local.Server
	folder  string
	admin   *pgx.Conn // of the database postgres
	key     []byte    // seals the secrets of channels
	several bool      // measures are run one after another
	chosen  bool      // somebody said how many rounds there are
	notes   []string
}

// note adds a sentence to the report, and says it.
func (g *ground) note(format string, args ...any) {
	g.notes = append(g.notes, fmt.Sprintf(format, args...))
	g.Say("%s", g.notes[len(g.notes)-1])
}

func open(ctx context.Context, o Options) (g *ground, err error) {
	g = &ground{Options: o, key: campaigns.Secret(store.KeySize)}
	if g.folder, err = os.MkdirTemp("", "beckon-bench-"); err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	if err = os.Chmod(g.folder, 0o755); err != nil { // PostgreSQL runs as another user when we are root
		return nil, err
	}
	if g.server, err = local.Start(ctx, g.folder, local.Options{Say: o.Say}); err != nil {
		return nil, err
	}
	g.admin, err = pgx.Connect(ctx, g.server.URL("postgres"))
	return g, err
}

// close stops the server and removes its folder.
func (g *ground) close() error {
	var errs []error
	if g.admin != nil {
		errs = append(errs, g.admin.Close(context.Background()))
	}
	if g.server != nil {
		errs = append(errs, g.server.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(g.folder))...)
}

// do runs statements that belong to no transaction.
func (g *ground) do(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := g.admin.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// shop makes a database with our schema and opens it with so many connections.
func (g *ground) shop(ctx context.Context, name string, connections int) (*store.Store, error) {
	if err := g.do(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	s, err := g.again(ctx, name, connections)
	if err != nil {
		return nil, err
	}
	workspace := campaigns.FreshWorkspace()
	workspace.GlobalHoldout = 0 // every customer counts
	if err := s.Prepare(ctx, workspace); err != nil {
		s.Close()
		return nil, err
	}
	now := s.Now()
	for _, table := range []string{"messages", "audit", "idempotency"} {
		if err := s.EnsureMonths(ctx, table, now, now.AddDate(0, 0, 1)); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// again opens a shop's database with so many connections, as a node does.
func (g *ground) again(ctx context.Context, name string, connections int) (*store.Store, error) {
	return store.Open(ctx, g.server.URL(name), g.Clock, store.Options{Connections: connections, Key: g.key})
}

// count runs a query of one number in one of the databases.
func (g *ground) count(ctx context.Context, database, sql string, args ...any) (n int64, err error) {
	conn, err := pgx.Connect(ctx, g.server.URL(database))
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting: %w", err)
	}
	return n, nil
}
