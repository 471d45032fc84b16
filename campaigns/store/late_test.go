package store_test

import (
	"context"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Somebody has a message sent again at the very moment at which the first answer to it is recorded after all: the answer was on
// its way when the outbox did not have the message yet, and is written when it has.
func TestAnOutcomeThatComesWhileItsMessageIsPutBackTakesItOutOfTheOutbox(t *testing.T) {
	r := newRecording(t, 1)
	r.queue()
	r.clock.Advance(time.Second)
	owner := campaigns.NewID(r.clock.Now())
	var sent []campaigns.Message
	r.update(func(tx *store.Tx) error {
		lanes, err := tx.ClaimLanes(r.ctx, campaigns.Catcher, owner, tx.Now.Add(time.Second), campaigns.Lanes)
		if err == nil {
			sent, err = tx.ClaimMessages(r.ctx, campaigns.Catcher, lanes, owner, tx.Now.Add(time.Second), 1)
		}
		return err
	})
	r.clock.Advance(time.Minute)
	r.update(func(tx *store.Tx) error { _, err := tx.LoseMessages(r.ctx, false); return err })
	recorded := make(chan error, 1)
	r.update(func(tx *store.Tx) error {
		if back, err := tx.RequeueMessage(r.ctx, &sent[0], "again"); err != nil || !back {
			t.Fatalf("it was put back: %v, %v", back, err)
		}
		go func() {
			recorded <- r.store.Update(context.Background(), func(tx *store.Tx) error {
				return tx.FinishMessages(r.ctx, owner, []store.Result{{Message: sent[0], Status: campaigns.MessageSent, Handed: true}})
			})
		}()
		for waits := false; !waits && len(recorded) == 0; { // for what is being written here
			r.read(t, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`, &waits)
		}
		return nil
	})
	if err := <-recorded; err != nil {
		t.Fatal(err)
	}
	var status string
	var waiting int
	r.read(t, `SELECT status FROM messages`, &status)
	r.read(t, `SELECT count(*) FROM outbox`, &waiting)
	if status != "sent" || waiting != 0 {
		t.Errorf("the message is %s, and %d wait to be sent", status, waiting)
	}
}

// Two people ask at once for the counts to be made anew.
func TestCountsThatAreMendedTwiceAtOnceAreRight(t *testing.T) {
	r := newRecording(t, 10)
	r.queue()
	if _, err := r.raw.Exec(r.ctx, `UPDATE run_counts SET queued = queued + 3`); err != nil {
		t.Fatal(err)
	}
	rebuilt := make(chan error, 1)
	mend := func(tx *store.Tx) error { _, err := tx.RebuildCounts(r.ctx, []campaigns.ID{r.run.ID}); return err }
	r.update(func(tx *store.Tx) error {
		if err := mend(tx); err != nil {
			return err
		}
		go func() { rebuilt <- r.store.Update(context.Background(), mend) }()
		for waits := false; !waits && len(rebuilt) == 0; {
			r.read(t, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`, &waits)
		}
		return nil
	})
	if err := <-rebuilt; err != nil {
		t.Fatal(err)
	}
	r.update(func(tx *store.Tx) error {
		of, err := tx.MessagesOf(r.ctx, []campaigns.ID{r.run.ID})
		if n := of[r.run.ID]; n[campaigns.MessageQueued] != 10 || len(n) != 1 {
			t.Errorf("%v after both", n)
		}
		return err
	})
}
