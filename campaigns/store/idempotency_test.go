package store_test

import (
	"bytes"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func TestOneOfManyClaimsAKeyAndTheOthersGetItsAnswer(t *testing.T) {
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	key, request := sha256.Sum256([]byte("key")), []byte("request")
	var claims atomic.Int32
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			claim, claimed, err := s.ClaimAnswer(t.Context(), key[:], request, time.Minute)
			switch {
			case err != nil:
				t.Error(err)
			case claimed:
				claims.Add(1)
				claim.Status, claim.Headers, claim.Body = 201, map[string]string{"ETag": `"1"`}, []byte("made")
				if err := s.FinishAnswer(t.Context(), key[:], claim); err != nil {
					t.Error(err)
				}
			}
		})
	}
	waiting.Wait()
	if claims.Load() != 1 {
		t.Fatalf("%d claimed the key", claims.Load())
	}
	kept, claimed, err := s.ClaimAnswer(t.Context(), key[:], request, time.Minute)
	if err != nil || claimed || kept.Status != 201 || !bytes.Equal(kept.Body, []byte("made")) || kept.Headers["ETag"] != `"1"` {
		t.Errorf("kept %+v, claimed %v, %v", kept, claimed, err)
	}
	clock.Advance(store.AnswerKept + time.Second)
	if _, claimed, err := s.ClaimAnswer(t.Context(), key[:], request, time.Minute); err != nil || !claimed {
		t.Errorf("after a day the key is not free: %v", err)
	}
}

func TestAClaimOfADeadNodeIsTakenOverAndAReleasedOneIsFree(t *testing.T) {
	clock := storetest.NewClock(t, "2026-11-30T23:59:30Z")
	s := storetest.Open(t, clock.Now)
	key := sha256.Sum256([]byte("key"))
	claim := func(want bool) store.Answer {
		t.Helper()
		a, claimed, err := s.ClaimAnswer(t.Context(), key[:], []byte("request"), time.Minute)
		if err != nil || claimed != want {
			t.Fatalf("claimed %v, want %v: %v", claimed, want, err)
		}
		return a
	}
	claim(true)
	clock.Advance(45 * time.Second) // into the next month's partition
	claim(false)
	clock.Advance(16 * time.Second)
	taken := claim(true)
	if err := s.ReleaseAnswer(t.Context(), key[:], taken); err != nil {
		t.Fatal(err)
	}
	claim(true)
}
