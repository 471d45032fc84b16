package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"beckon/campaigns"
)

// How rows are staged. The first headRows go to one table; a file that has more spreads the rest over stageParts tables
// by their key's hash. So a small file costs one table, a large one is merged part by part, and the rows of one key
// (a customer) meet in one slice wherever they stand in the file.
const (
	headRows    = 25_000
	stageParts  = 32
	stageBuffer = 256 << 10
	badPart     = stageParts + 1
)

// StageColumn is one column of the staging tables, with its PostgreSQL type.
type StageColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// stageState is what a merge must know of what was staged; it is kept with the import.
type stageState struct {
	Columns []StageColumn         `json:"columns"`
	Rows    [stageParts + 2]int64 `json:"rows"`
	Bytes   [stageParts + 2]int64 `json:"bytes"`
}

// stageSenders is how many connections copy at once: one backend alone is slower than the reader.
const stageSenders = 2

// Stage takes the rows of one import on their way in, by one goroutine: rows are gathered in buffers of flat size and
// sent by others, each buffer a COPY of its own, so that no transaction is open while a slow body is read.
type Stage struct {
	store   *Store
	id      campaigns.ID
	state   stageState
	seed    maphash.Seed
	buffers [stageParts + 2][]byte
	rejects []campaigns.Reject

	full  chan fullBuffer
	free  chan []byte
	sent  sync.WaitGroup
	made  [stageParts + 2]sync.Once
	conn  *pgxpool.Conn
	lines uint32 // the number of purchase_line's type

	mu  sync.Mutex
	err error
}

type fullBuffer struct {
	part  int
	bytes []byte
}

// OpenStage takes the lock that says that the import lives, before anything of its body is read; Columns comes next.
func (s *Store) OpenStage(ctx context.Context, id campaigns.ID) (*Stage, error) {
	conn, err := s.lease(ctx, id)
	if err != nil {
		return nil, err
	}
	st := &Stage{store: s, id: id, seed: maphash.MakeSeed(), conn: conn,
		full: make(chan fullBuffer, 4), free: make(chan []byte, stageParts+8)}
	if err := conn.QueryRow(ctx, `SELECT 'purchase_line'::regtype::oid::bigint`).Scan(&st.lines); err != nil {
		releaseLease(conn, id)
		return nil, fmt.Errorf("looking up a type: %w", err)
	}
	for range stageSenders {
		st.sent.Go(func() { st.send(ctx) })
	}
	return st, nil
}

// Columns says what the rows have after key (the hash that they are spread by) and row (their number).
func (st *Stage) Columns(columns []StageColumn) { st.state.Columns = columns }

// lease takes a connection and the lock of an import on it; releaseLease gives both back.
func (s *Store) lease(ctx context.Context, id campaigns.ID) (*pgxpool.Conn, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("waiting for a connection: %w", err)
	}
	for try := 0; ; try++ {
		var got bool
		if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, leaseKey(id)).Scan(&got); err != nil {
			conn.Release()
			return nil, fmt.Errorf("locking an import: %w", err)
		}
		switch {
		case got:
			return conn, nil
		case try == leaseTries:
			conn.Release()
			return nil, campaigns.Conflict("this import is being worked on already")
		}
		select {
		case <-time.After(leasePause): // FailInterrupted holds it for a moment while it looks
		case <-ctx.Done():
			conn.Release()
			return nil, ctx.Err()
		}
	}
}

const (
	leaseTries = 20
	leasePause = 50 * time.Millisecond
)

func releaseLease(conn *pgxpool.Conn, id campaigns.ID) {
	ctx := context.Background()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, leaseKey(id)); err != nil {
		_ = conn.Conn().Close(ctx) // the lock goes with the connection
	}
	conn.Release()
}

// Lines is an empty list of lines for rows of this stage.
func (st *Stage) Lines() *StageLines { return &StageLines{oid: st.lines} }

// Key is the hash that rows are spread by: not negative.
func (st *Stage) Key(text string) int32 { return int32(maphash.String(st.seed, text) & 0x7fffffff) }

// Add stages a row, which begins with its key and its number.
func (st *Stage) Add(key int32, row *StageRow) error {
	part := 0
	if st.state.Rows[0] >= headRows {
		part = 1 + int(key%stageParts)
	}
	return st.add(part, len(st.state.Columns)+2, row)
}

// AddBad notes that a row of an order was rejected, so that its other rows are too.
func (st *Stage) AddBad(orderID string, number int64) error {
	var row StageRow
	row.Text(orderID)
	row.Int8(number)
	row.Text(fmt.Sprintf("row %d of the same order was rejected", number))
	return st.add(badPart, 3, &row)
}

func (st *Stage) add(part, fields int, row *StageRow) error {
	b := st.buffers[part]
	if b == nil {
		b = st.freshBuffer()
	}
	b = append(binary.BigEndian.AppendUint16(b, uint16(fields)), row.bytes...)
	st.buffers[part] = b
	st.state.Rows[part]++
	st.state.Bytes[part] += int64(len(row.bytes))
	if len(b) >= stageBuffer {
		return st.flush(part)
	}
	return nil
}

// freshBuffer opens COPY's binary format: its signature, no flags, no extension.
func (st *Stage) freshBuffer() []byte {
	var b []byte
	select {
	case b = <-st.free:
	default:
		b = make([]byte, 0, stageBuffer+stageBuffer/8)
	}
	return append(b[:0], "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
}

func (st *Stage) flush(part int) error {
	if st.buffers[part] == nil {
		return st.failure()
	}
	b := append(st.buffers[part], 0xff, 0xff)
	st.buffers[part] = nil
	st.full <- fullBuffer{part, b}
	return st.failure()
}

func (st *Stage) failure() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.err
}

// send copies full buffers into their tables, and after a failure throws them away until the stage is closed.
func (st *Stage) send(ctx context.Context) {
	for full := range st.full {
		if st.failure() != nil {
			continue
		}
		st.made[full.part].Do(func() { st.fail(st.createPart(ctx, full.part)) })
		if st.failure() == nil {
			st.fail(st.copyBuffer(ctx, full))
		}
		if cap(full.bytes) <= 2*stageBuffer {
			select {
			case st.free <- full.bytes:
			default:
			}
		}
	}
}

func (st *Stage) fail(err error) {
	if err == nil {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.err == nil {
		st.err = err
	}
}

func (st *Stage) createPart(ctx context.Context, part int) error {
	columns := []string{"key integer NOT NULL", "row bigint NOT NULL"}
	for _, c := range st.state.Columns {
		columns = append(columns, c.Name+" "+c.Type)
	}
	if part == badPart {
		columns = []string{"order_id text", "row bigint", "message text"}
	}
	sql := fmt.Sprintf(`CREATE UNLOGGED TABLE %s (%s) WITH (autovacuum_enabled = false)`, stageName(st.id, part), strings.Join(columns, ", "))
	if _, err := st.store.pool.Exec(ctx, sql); err != nil {
		return fmt.Errorf("making a staging table: %w", err)
	}
	return nil
}

func (st *Stage) copyBuffer(ctx context.Context, full fullBuffer) error {
	conn, err := st.store.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("waiting for a connection: %w", err)
	}
	defer conn.Release()
	sql := "COPY " + stageName(st.id, full.part) + " FROM STDIN (FORMAT binary)"
	if _, err := conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(full.bytes), sql); err != nil {
		return fmt.Errorf("staging rows: %w", err)
	}
	return nil
}

// Reject notes a row that cannot be kept.
func (st *Stage) Reject(ctx context.Context, reject campaigns.Reject) error {
	st.rejects = append(st.rejects, reject)
	if len(st.rejects) < 1000 {
		return nil
	}
	return st.flushRejects(ctx)
}

func (st *Stage) flushRejects(ctx context.Context) error {
	if len(st.rejects) == 0 {
		return nil
	}
	rows, fields, messages := make([]int64, len(st.rejects)), make([]string, len(st.rejects)), make([]string, len(st.rejects))
	for i, r := range st.rejects {
		rows[i], fields[i], messages[i] = r.Row, r.Field, r.Message
	}
	st.rejects = st.rejects[:0]
	return st.store.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "keeping rejected rows", `INSERT INTO import_rejects (import_id, row, field, message)
			SELECT $1, r.row, r.field, r.message FROM unnest($2::bigint[], $3::text[], $4::text[]) r(row, field, message) ON CONFLICT DO NOTHING`,
			st.id, rows, fields, messages)
		return err
	})
}

// Close sends what is left, keeps with the import what its merge must know, and gives the lock back. After a failure of
// the reader (read is not nil) it only tidies up.
func (st *Stage) Close(ctx context.Context, read error) error {
	var err error
	if read == nil {
		for part := range st.buffers {
			if err = st.flush(part); err != nil {
				break
			}
		}
	}
	close(st.full)
	st.sent.Wait()
	defer releaseLease(st.conn, st.id)
	if read != nil {
		return read
	}
	if err == nil {
		err = st.failure()
	}
	if err == nil {
		err = st.flushRejects(ctx)
	}
	if err != nil {
		return err
	}
	return st.store.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "keeping what was staged", `UPDATE imports SET phase = 'staged', stage = $2, seen_at = $3 WHERE id = $1`, st.id, st.state, tx.Now)
		return err
	})
}
