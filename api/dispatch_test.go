package api_test

import (
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// queued launches a campaign and takes its messages up to the outbox.
func (sv *site) queued() (campaign string) {
	sv.Helper()
	templateID, offerID := sv.shop(10, nil)
	campaign = sv.post("/v1/campaigns", draft(templateID, offerID)).want(201).text("id")
	sv.post("/v1/campaigns/"+campaign+"/launch", nil).want(200)
	sv.post("/v1/workspace/stop", nil).want(200)
	sv.settle()
	sv.post("/v1/workspace/resume", nil).want(200)
	return campaign
}

func (sv *site) settle() {
	sv.Helper()
	if err := sv.engine.Settle(sv.Context()); err != nil {
		sv.Fatal(err)
	}
}

func TestAnUnknownMessageIsSettledByWhoKnows(t *testing.T) {
	sv := serve(t)
	campaign := sv.queued()
	sv.update(func(tx *store.Tx) error { // a node that dies with two messages in hand
		dead := campaigns.NewID(tx.Now)
		lanes, err := tx.ClaimLanes(t.Context(), campaigns.Catcher, dead, tx.Now.Add(time.Second), campaigns.Lanes)
		if err == nil {
			_, err = tx.ClaimMessages(t.Context(), campaigns.Catcher, lanes, dead, tx.Now.Add(time.Second), 2)
		}
		return err
	})
	sv.clock.Advance(time.Minute)
	sv.settle()
	unknown := sv.get("/v1/messages?status=unknown&campaign_id=" + campaign).want(200)
	first, second := unknown.text("items", 0, "id"), unknown.text("items", 1, "id")
	if first == "" || second == "" || unknown.at("items", 2) != nil {
		t.Fatal(unknown.Text)
	}
	sv.post("/v1/messages/"+first+"/settle", object{"status": "delivered"}).want(422)
	sv.post("/v1/messages/"+first+"/settle", object{"status": "failed"}).want(200).is("failed", "status")
	sv.post("/v1/messages/"+first+"/settle", object{"status": "sent"}).want(409)
	sv.post("/v1/messages/"+second+"/settle", object{"status": "queued"}).want(200).is("queued", "status")
	sv.settle()
	sent := sv.get("/v1/messages/"+second).want(200).is("sent", "status").is(2, "attempts").is("sending", "history", 1, "status").is("unknown", "history", 2, "status").
		is("queued", "history", 3, "status").is("sending", "history", 4, "status").is("sent", "history", 5, "status")
	sv.get("/v1/messages?provider_id="+sent.text("provider_id")).want(200).is(second, "items", 0, "id").is(nil, "items", 1)
	sv.get("/v1/messages?provider_id=nobody").want(200).is(nil, "items", 0)
	sv.get("/v1/audit").want(200)
}

func TestAChannelShowsHowItsProviderDoes(t *testing.T) {
	sv := serve(t)
	sv.get("/v1/channels/catcher").want(200).is("closed", "state", "circuit").is(0, "state", "faults")
	sv.update(func(tx *store.Tx) error {
		p, err := tx.LockProvider(t.Context(), campaigns.Catcher)
		if err != nil {
			return err
		}
		p.Tell(tx.Now, campaigns.Answers{Faults: campaigns.FaultsMax, Reason: "connection refused"}, campaigns.ID{})
		return tx.SaveProvider(t.Context(), &p)
	})
	sv.get("/v1/channels/catcher").want(200).is("open", "state", "circuit").is("2026-11-21T10:00:10Z", "state", "until").is("connection refused", "state", "reason")
	if metrics := sv.get("/metrics").want(200).Text; !strings.Contains(metrics, `beckon_circuit_open{channel="catcher"} 1`) {
		t.Error(metrics)
	}
	sv.clock.Advance(time.Minute)
	sv.get("/v1/channels/catcher").want(200).is("half_open", "state", "circuit")
}

func TestTheWorkspaceSaysWhatBecomesOfUnknownMessages(t *testing.T) {
	sv := serve(t)
	sv.get("/v1/workspace").want(200).is("leave", "unknown")
	sv.do("PATCH", "/v1/workspace", object{"unknown": "resend"}).want(200).is("resend", "unknown")
	sv.do("PATCH", "/v1/workspace", object{"unknown": "forget"}).want(422)
}

func (sv *site) update(do func(tx *store.Tx) error) {
	sv.Helper()
	if err := sv.store.Update(sv.Context(), do); err != nil {
		sv.Fatal(err)
	}
}
