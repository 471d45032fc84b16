package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"beckon/campaigns"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema up to date. Nodes that start at once wait for each other on an advisory lock.
func (s *Store) Migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	s.pool.Reset() // connections made before the schema do not know its types
	return nil
}

// Prepare writes what a fresh database begins with and leaves an existing one alone: the workspace with the given
// settings and the catcher.
func (s *Store) Prepare(ctx context.Context, fresh campaigns.Workspace) error {
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	return s.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "creating the workspace",
			`INSERT INTO workspace (id, settings, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING`, fresh, tx.Now)
		if err != nil {
			return err
		}
		if err := tx.keepKey(ctx); err != nil {
			return err
		}
		if _, err := tx.Channel(ctx, campaigns.Catcher); campaigns.CodeOf(err) == campaigns.CodeNotFound {
			catcher := &campaigns.Channel{ID: campaigns.Catcher, Name: "Catcher", Kind: campaigns.KindCatcher}
			return tx.CreateChannel(ctx, catcher)
		}
		return nil
	})
}

// registerTypes teaches a connection our composite types, once they exist.
func registerTypes(ctx context.Context, conn *pgx.Conn) error {
	registerIDs(conn.TypeMap())
	for _, name := range []string{"purchase_line", "_purchase_line"} {
		t, err := conn.LoadType(ctx, name)
		if err != nil {
			if strings.Contains(err.Error(), "does not exist") || strings.Contains(err.Error(), "no rows") {
				return nil // before the first migration
			}
			return err
		}
		conn.TypeMap().RegisterType(t)
	}
	return nil
}
