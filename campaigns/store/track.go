package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// tracksMax is how many tracks of one kind and agent a message keeps: a link may be opened in a loop.
const tracksMax = 100

// AddTrack keeps what somebody did with a message, in one row. Nothing is written for a message that does not exist, or
// whose customer was erased. The first of a kind that a person did is what rules and counts see; of two at once one is kept.
func (tx *Tx) AddTrack(ctx context.Context, t *campaigns.Track) error {
	if t.At.IsZero() || t.At.After(tx.Now) {
		t.At = tx.Now
	}
	_, err := tx.exec(ctx, "keeping a track", `WITH made AS (
			INSERT INTO tracks (no, message_id, id, run_id, kind, at, agent, first, url)
			SELECT m.no, m.id, $3, m.run_id, $4, $5, $6, $6 = 'person' AND NOT EXISTS (SELECT FROM tracks t WHERE t.no = $1 AND t.message_id = $2 AND t.kind = $4 AND t.first),
				NULLIF($7, '')
			FROM messages m JOIN customers c ON c.no = m.no WHERE m.no = $1 AND m.id = $2 AND m.queued_at = $8 AND NOT m.ghost
				AND (SELECT count(*) FROM tracks t WHERE t.no = $1 AND t.message_id = $2 AND t.kind = $4 AND t.agent = $6) < $9
			ON CONFLICT DO NOTHING RETURNING no, first)
		INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $10::smallint FROM made WHERE first`,
		t.No, t.MessageID, campaigns.NewID(tx.Now), t.Kind, wholeSecond(t.At), t.Agent, kept(t.URL), campaigns.TimeOf(t.MessageID), tracksMax, changedMessages)
	return err
}

// Tracks are what was done with a message, the earliest first.
func (tx *Tx) Tracks(ctx context.Context, no int64, message campaigns.ID) ([]campaigns.Track, error) {
	return many(ctx, tx, "tracks", `SELECT no, message_id, kind, at, agent, coalesce(url, '') FROM tracks WHERE no = $1 AND message_id = $2 ORDER BY at, id`,
		func(row pgx.CollectableRow) (campaigns.Track, error) {
			var t campaigns.Track
			err := row.Scan(&t.No, &t.MessageID, &t.Kind, &t.At, &t.Agent, &t.URL)
			return t, err
		}, no, message)
}

// countTracks counts the messages of a run that people did something with.
func (tx *Tx) countTracks(ctx context.Context, r *campaigns.Run) error {
	counts, err := many(ctx, tx, "tracks", `SELECT kind, count(*) FROM tracks WHERE run_id = $1 AND first GROUP BY kind`, scanCount, r.ID)
	for _, c := range counts {
		switch campaigns.TrackKind(c.name) {
		case campaigns.Opened:
			r.Tracking.Opened = c.n
		case campaigns.Clicked:
			r.Tracking.Clicked = c.n
		case campaigns.Unsubscribed:
			r.Tracking.Unsubscribed = c.n
		}
	}
	return err
}

// KeepLinks keeps short links; keeping one again changes nothing. It gives the codes that lead elsewhere already: their
// messages cannot be sent.
func (tx *Tx) KeepLinks(ctx context.Context, links []campaigns.Link) (taken map[string]bool, err error) {
	codes, nos, ids, urls, ends := []string{}, []int64{}, []campaigns.ID{}, []string{}, []*time.Time{}
	for _, l := range links {
		codes, nos, ids, urls, ends = append(codes, l.Code), append(nos, l.No), append(ids, l.MessageID), append(urls, l.URL), append(ends, l.ExpiresAt)
	}
	made, err := tx.exec(ctx, "keeping short links", `INSERT INTO links (code, no, message_id, url, expires_at)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::timestamptz[]) ON CONFLICT (code) DO NOTHING`, codes, nos, ids, urls, ends)
	if err != nil || made == int64(len(links)) {
		return nil, err
	}
	found, err := many(ctx, tx, "short links", `SELECT l.code FROM unnest($1::text[], $2::uuid[], $3::text[]) AS n(code, message_id, url)
		JOIN links l ON l.code = n.code WHERE (l.message_id, l.url) <> (n.message_id, n.url)`, pgx.RowTo[string], codes, ids, urls)
	taken = map[string]bool{}
	for _, code := range found {
		taken[code] = true
	}
	return taken, err
}

// Link reads a short link that has not expired.
func (tx *Tx) Link(ctx context.Context, code string) (campaigns.Link, error) {
	return one(ctx, tx, "link", "…", `SELECT code, no, message_id, url, expires_at FROM links WHERE code = $1 AND (expires_at IS NULL OR expires_at > $2)`,
		func(row pgx.CollectableRow) (campaigns.Link, error) {
			var l campaigns.Link
			err := row.Scan(&l.Code, &l.No, &l.MessageID, &l.URL, &l.ExpiresAt)
			return l, err
		}, code, tx.Now)
}

// ForgetLinks deletes short links that have expired, and answers to words that ended a long time ago.
func (tx *Tx) ForgetLinks(ctx context.Context) error {
	if _, err := tx.exec(ctx, "forgetting short links", `DELETE FROM links WHERE expires_at <= $1`, tx.Now); err != nil {
		return err
	}
	_, err := tx.exec(ctx, "forgetting answers", `DELETE FROM replies WHERE finished_at < $1`, tx.Now.AddDate(0, 0, -repliesKeptDays))
	return err
}

// repliesKeptDays is how long answers to words are kept after their end.
const repliesKeptDays = 400
