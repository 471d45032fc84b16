package store

import (
	"context"
	"fmt"
)

// SuppressionStage are the staged columns of suppressed addresses after key and row.
func SuppressionStage() []StageColumn {
	return []StageColumn{{"hash", "bytea"}, {"channel", "text"}, {"address", "text"}, {"reason", "text"}, {"at", "timestamptz"}}
}

// mergeSuppressions puts addresses onto the list that are not there yet: the first reason stays. An address of which the list
// had only the hash stays without it, for its owner was erased.
func (m *Merge) mergeSuppressions(ctx context.Context, tx *Tx, from string) (MergeCounts, error) {
	written, all, err := tx.counted(ctx, fmt.Sprintf(`WITH f AS (SELECT DISTINCT ON (s.hash, s.channel) s.hash, s.channel, s.address, s.reason, s.at FROM %s s ORDER BY s.hash, s.channel, s.row),
		made AS (INSERT INTO suppressions (hash, channel, address, reason, at) SELECT hash, channel, address, reason, at FROM f ORDER BY hash, channel
			ON CONFLICT DO NOTHING RETURNING hash, channel),
		noted AS (INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), a.no, $1::smallint FROM addresses a JOIN made USING (hash, channel))
		SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM %s s)`, from, from), changedProfile)
	return MergeCounts{Written: written, Unchanged: all - written}, err
}

// OwnKindNames are the names of the kinds of address that the shop's gateways carry besides e-mail and text messages.
func (tx *Tx) OwnKindNames(ctx context.Context) ([]string, error) { return tx.ownKinds(ctx) }
