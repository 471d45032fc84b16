package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Import brings a file in: StageImport reads and checks it, MergeImport writes it. progress hears how far it is, from one
// goroutine at a time. What is wrong with the file as a whole is an error of campaigns; what is wrong with a row rejects
// the row.
//
// Why in two steps: rows are checked here and copied to a table that no one else sees, so that a slow upload holds no
// transaction open, and merged from there by sets, slice by slice, each commit a few seconds at most. Each slice writes
// only what is not there yet, so that an import that broke off is completed by posting the file again.
func Import(ctx context.Context, s *store.Store, id campaigns.ID, options campaigns.ImportOptions, body io.Reader, progress func(campaigns.Import)) (campaigns.Import, error) {
	staged, err := StageImport(ctx, s, id, options, body, progress)
	if err != nil {
		return staged, err
	}
	return MergeImport(ctx, s, id, progress)
}

// importProgressRows is after how many rows the import is written and heard of.
const importProgressRows = 50_000

// importRun is one import at work.
type importRun struct {
	store    *store.Store
	progress func(campaigns.Import)
	mu       sync.Mutex
	at       campaigns.Import
}

func (r *importRun) report(ctx context.Context, change func(i *campaigns.Import)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.at)
	err := r.store.Update(ctx, func(tx *store.Tx) error { return tx.SaveImport(ctx, &r.at) })
	if err == nil && r.progress != nil {
		r.progress(r.at)
	}
	return err
}

// StageImport makes the import and reads the body: it checks each row and stages the good ones. When it returns, the body
// is done with, and an import without an error waits for MergeImport.
func StageImport(ctx context.Context, s *store.Store, id campaigns.ID, options campaigns.ImportOptions, body io.Reader, progress func(campaigns.Import)) (campaigns.Import, error) {
	if err := options.Check(); err != nil {
		return campaigns.Import{}, err
	}
	run := &importRun{store: s, progress: progress, at: campaigns.Import{ID: id, Kind: options.Kind, Status: "running", Phase: "reading", DryRun: options.DryRun, Options: options}}
	st, err := s.OpenStage(ctx, id)
	if err != nil {
		return campaigns.Import{}, err
	}
	var reader *importReader
	err = s.Update(ctx, func(tx *store.Tx) (err error) {
		if reader, err = newImportReader(ctx, s, tx, options); err != nil {
			return err
		}
		return tx.CreateImport(ctx, &run.at)
	})
	if err != nil {
		return campaigns.Import{}, st.Close(ctx, err)
	}
	if err := st.Close(ctx, reader.stage(ctx, run, st, body)); err != nil {
		return run.fail(ctx, err)
	}
	run.at.Phase = "staged"
	return run.at, run.report(ctx, func(*campaigns.Import) {})
}

// importWorkers is how many slices are merged at the same time.
const importWorkers = 2

// MergeImport writes what was staged, and ends the import.
func MergeImport(ctx context.Context, s *store.Store, id campaigns.ID, progress func(campaigns.Import)) (campaigns.Import, error) {
	run := &importRun{store: s, progress: progress}
	err := s.View(ctx, func(tx *store.Tx) (err error) { run.at, err = tx.Import(ctx, id); return err })
	if err != nil {
		return campaigns.Import{}, err
	}
	run.at.Rejected = nil
	if run.at.Status != "running" || run.at.Phase != "staged" {
		return run.at, campaigns.Conflict("the import is %s: there is nothing to merge", run.at.Status)
	}
	if err := run.merge(ctx); err != nil {
		return run.fail(ctx, err)
	}
	err = s.View(ctx, func(tx *store.Tx) (err error) { run.at, err = tx.Import(ctx, id); return err })
	return run.at, err
}

func (r *importRun) merge(ctx context.Context) error {
	m, err := r.store.OpenMerge(ctx, &r.at)
	if err != nil {
		return err
	}
	err = r.report(ctx, func(i *campaigns.Import) { i.Phase = "merging" })
	var rejected int64
	if err == nil {
		rejected, err = m.Prepare(ctx)
	}
	if err == nil {
		err = r.report(ctx, func(i *campaigns.Import) { i.RowsRejected += rejected })
	}
	if err == nil && !r.at.DryRun {
		err = r.mergeSlices(ctx, m)
	}
	if err == nil {
		err = r.report(ctx, func(i *campaigns.Import) {
			now := r.store.Now()
			i.Status, i.Phase, i.FinishedAt = "done", "done", &now
		})
	}
	if failed := m.Close(context.WithoutCancel(ctx)); err == nil {
		err = failed
	}
	return err
}

func (r *importRun) mergeSlices(ctx context.Context, m *store.Merge) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range importWorkers {
		workers.Go(func() {
			for n := range next {
				counts, err := m.Slice(ctx, n)
				if err == nil {
					err = r.report(ctx, func(i *campaigns.Import) {
						i.RowsWritten += counts.Written
						i.RowsUnchanged += counts.Unchanged
						i.RowsRejected += counts.Rejected
					})
				}
				if err != nil {
					stop(err)
				}
			}
		})
	}
	for n := range m.Slices() {
		select {
		case next <- n:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// importFailTries and importFailPause are how long a failed import waits for a PostgreSQL that went away, to say so.
const (
	importFailTries = 20
	importFailPause = 500 * time.Millisecond
)

// fail ends the import with a sentence for who posted it. The error is theirs when the file is wrong as a whole.
func (r *importRun) fail(ctx context.Context, cause error) (campaigns.Import, error) {
	ctx = context.WithoutCancel(ctx)
	r.mu.Lock()
	r.at.Error = importFailure(cause)
	now := r.store.Now()
	r.at.Status, r.at.FinishedAt = "failed", &now
	r.mu.Unlock()
	pause := time.NewTicker(importFailPause)
	defer pause.Stop()
	var err error
	for range importFailTries {
		if err = r.report(ctx, func(*campaigns.Import) {}); err == nil {
			break
		}
		<-pause.C
	}
	if err == nil {
		err = r.store.DropStage(ctx, r.at.ID)
	}
	if store.DiskFull(cause) {
		cause = campaigns.Unavailable(cause, "%s", r.at.Error)
	}
	return r.at, errors.Join(cause, err)
}

// importFailure says what happened, and what to do.
func importFailure(cause error) string {
	var wrong *campaigns.Error
	switch {
	case store.DiskFull(cause):
		return "the database's disk is full: make room and post the file again; rows that are there already do not change"
	case errors.As(cause, &wrong):
		return wrong.Error()
	case errors.Is(cause, context.Canceled), errors.Is(cause, io.ErrUnexpectedEOF):
		return "the upload ended before the file did: post it again; rows that are there already do not change"
	}
	return fmt.Sprintf("%v: post the file again; rows that are there already do not change", cause)
}
