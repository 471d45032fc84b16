package api_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"

	"beckon/api"
	"beckon/engine"
)

// within waits until something holds, and fails the test when it does not in time.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		<-ticker.C
		if time.Since(began) > limit {
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
	return time.Since(began)
}

func TestAPostedEventStartsItsCampaignWithinASecondOnAnyNode(t *testing.T) {
	s := storetest.Open(t, time.Now)
	if err := s.EnsureMonths(t.Context(), "idempotency", time.Now()); err != nil {
		t.Fatal(err)
	}
	here := engine.New(s, engine.Options{BaseURL: "http://beckon.test"})
	server := api.New(s, here, api.Options{Version: "test"})
	t.Cleanup(server.Close)
	sv := &site{T: t, store: s, engine: here, api: server, clock: storetest.NewClock(t, time.Now().Format(time.RFC3339)), log: &journal{}}
	sv.key = sv.newKey("admin", "admin")
	var err error
	if sv.spec, err = readContract(server); err != nil {
		t.Fatal(err)
	}
	templateID, _ := sv.shop(5, nil)
	sv.put("/v1/templates/"+templateID, object{"name": "Hi", "channel": "sms", "parts": object{"text": "Hi {{ customer.name }}"}}).want(200)
	made := sv.post("/v1/campaigns", object{"name": "Cart", "kind": "triggered", "rule": `any(events, .name == "cart.updated")`, "purpose": "transactional",
		"trigger":  object{"event": "cart.updated"},
		"variants": list{object{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": templateID}}}).want(201)
	path := "/v1/campaigns/" + made.text("id")
	sv.post(path+"/launch", nil).want(200).is("active", "status")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, node := range []*engine.Engine{here, engine.New(s, engine.Options{})} {
		running.Go(func() { node.Run(ctx) })
	}
	defer running.Wait()
	defer stop()
	queued := func(want int) func() bool {
		return func() bool {
			n := 0
			err := s.View(t.Context(), func(tx *store.Tx) error {
				all, err := tx.Messages(t.Context(), store.MessageFilter{Limit: 100})
				n = len(all)
				return err
			})
			if err != nil || n > want {
				t.Fatalf("%d messages, want %d (%v)", n, want, err)
			}
			return n == want
		}
	}
	event := object{"event_id": "e1", "customer_id": "c1", "name": "cart.updated", "at": time.Now().UTC().Format(time.RFC3339)}
	var took []time.Duration
	for i := range 5 {
		id := fmt.Sprintf("e%d", i+1)
		event["event_id"] = id
		sv.post("/v1/events", event).want(201)
		sv.post("/v1/events", event).want(200)
		took = append(took, within(t, 20*time.Second, "the message of "+id, queued(i+1)))
	}
	slices.Sort(took)
	if took[2] > 2*time.Second { // a second, and as much for whatever else the machine does
		t.Errorf("the messages took %v", took)
	}
	sv.get(path+"/runs").want(200).is("trigger", "items", 0, "kind").is(5, "items", 0, "audience")
}

func TestATriggerIsCheckedWhenItIsWritten(t *testing.T) {
	sv := serve(t)
	templateID, _ := sv.shop(1, nil)
	write := func(trigger any) *answer {
		return sv.post("/v1/campaigns", object{"name": "x", "kind": "triggered", "rule": "true", "holdout": 0, "trigger": trigger,
			"variants": list{object{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": templateID}}})
	}
	write(nil).want(422).names("trigger")
	write(object{"event": "points.earned"}).want(422).names("trigger.event")
	write(object{"event": "visit", "unless": "purchase"}).want(422).names("trigger.unless")
	write(object{"event": "visit", "attribute": "city"}).want(422).names("trigger.attribute")
	write(object{"event": "segment.entered"}).want(422).names("trigger.segment")
	write(object{"event": "customer.updated", "attribute": "points"}).want(422).names("trigger.attribute")
}
