package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func registered(t testing.TB, s *store.Store, types map[string]string) {
	t.Helper()
	ctx := context.Background()
	err := s.Update(ctx, func(tx *store.Tx) error {
		for name, kind := range types {
			if err := tx.CreateAttribute(ctx, &campaigns.Attribute{Name: name, Type: kind}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var customersCSV = campaigns.ImportOptions{Kind: campaigns.ImportCustomers}

const customersFile = `id,name,birthday,email,phone,city,timezone,sms_consent,email_consent,tags,skin_type,score,joined,colours
c1,王芳,1990-02-28,A@Example.com,138 0013 8000,苏州,Asia/Shanghai,true,false,vip|new,oily,1.5,2020-02-29,red|blue
c2,"Li, Na",,,,,,,,,,,,
c1,王芳芳,1990-02-28,A@Example.com,138 0013 8000,苏州,Asia/Shanghai,true,false,vip|new,oily,1.5,2020-02-29,red|blue
c3,X,1990-02-30,,,,,,,,,,,
c4,X,,nobody,,,,,,,,,,
c5,X,,,12,,,,,,,,,
c6,X,,,,,Mars/Olympus,,,,,,,
c7,X,,,,,,yes,,,,,,
c8,X,,,,,,,,,,much,,
,X,,,,,,,,,,,,
`

func TestCustomersComeInWithTheirAttributes(t *testing.T) {
	s := shop(t)
	registered(t, s, map[string]string{"skin_type": "text", "score": "number", "joined": "date", "colours": "text_list", "event.visit.page": "text"})
	i, counts := imported(t, s, customersCSV, customersFile)
	if counts != "10 2 1 7" || len(i.Rejected) != 7 {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	for n, field := range []string{"birthday", "email", "phone", "timezone", "sms_consent", "score", "id"} {
		if i.Rejected[n].Field != field || i.Rejected[n].Row != int64(n+4) {
			t.Errorf("rejected %+v, want %s", i.Rejected[n], field)
		}
	}
	c := customerOf(t, s, "c1")
	if *c.Name != "王芳芳" || *c.Email != "a@example.com" || *c.Phone != "+8613800138000" || fmt.Sprint(c.Tags) != "[vip new]" ||
		fmt.Sprint(c.Attributes) != "map[colours:[red blue] joined:2020-02-29 score:1.5 skin_type:oily]" || !*c.SMSConsent || *c.EmailConsent {
		t.Errorf("customer %+v", c)
	}
	if c2 := customerOf(t, s, "c2"); *c2.Name != "Li, Na" || c2.SMSConsent != nil || c2.Birthday != nil {
		t.Errorf("customer %+v", c2)
	}
	if _, counts := imported(t, s, customersCSV, customersFile); counts != "10 0 3 7" {
		t.Errorf("the same file again: %s", counts)
	}
	if again := customerOf(t, s, "c1"); again.Revision != c.Revision {
		t.Errorf("revision %d after a repeat, %d before", again.Revision, c.Revision)
	}
}

func TestColumnsThatAreNotInTheFileStayAsTheyAre(t *testing.T) {
	s := shop(t)
	registered(t, s, map[string]string{"skin_type": "text"})
	imported(t, s, customersCSV, "id,name,email,sms_consent,skin_type\nc1,A,a@example.com,true,oily\nc2,B,b@example.com,,\n")
	if _, counts := imported(t, s, customersCSV, "customer_id,name,email\nc1,A,\nc2,B,B@EXAMPLE.com\nc3,C,\n"); counts != "3 2 1 0" {
		t.Errorf("counts %s", counts)
	}
	if c := customerOf(t, s, "c1"); c.Email != nil || !*c.SMSConsent || c.Attributes["skin_type"] != "oily" {
		t.Errorf("customer %+v", c)
	}
	ndjson := campaigns.ImportOptions{Kind: campaigns.ImportCustomers, Format: "ndjson"}
	i, counts := imported(t, s, ndjson, `{"id":"c1","city":"Suzhou","attributes":{"skin_type":null},"sms_consent":false}
{"id":"c2","tags":["a|b","c"],"attributes":{"skin_type":"dry"}}
{"id":"c2","attributes":{"skin":"dry"}}
`)
	if counts != "3 2 0 1" || !strings.HasPrefix(rejects(i), "3 skin: is not a column of customers: did you mean skin_type") {
		t.Errorf("counts %s, rejected %s", counts, rejects(i))
	}
	c := customerOf(t, s, "c1")
	if *c.Name != "A" || *c.City != "Suzhou" || c.Attributes["skin_type"] != nil || *c.SMSConsent {
		t.Errorf("customer %+v", c)
	}
	if c := customerOf(t, s, "c2"); *c.Email != "b@example.com" || fmt.Sprintf("%q", c.Tags) != `["a|b" "c"]` || c.Attributes["skin_type"] != "dry" {
		t.Errorf("customer %+v", c)
	}
	view(t, s, func(ctx context.Context, tx *store.Tx) error {
		history, err := tx.Consents(ctx, c.No)
		if len(history) == 0 || history[0].Granted || history[0].Source != "import" {
			t.Errorf("consents %+v", history)
		}
		return err
	})
}

func TestEventsWithoutAnIdCountOncePerFileHoweverOftenItComes(t *testing.T) {
	s := shop(t)
	registered(t, s, map[string]string{"event.visit.zip": "text"})
	options := campaigns.ImportOptions{Kind: campaigns.ImportEvents}
	file := "customer_id,name,at,props.page,props.zip,props.seconds\nc1,visit,2026-11-01T10:00:00Z,home,01234,12.5\nc1,visit,2026-11-01T10:00:00Z,home,01234,12.5\n" +
		"c1,visit,2026-11-01T10:00:00Z,cart,,\nc2,call,1987-11-01,,,true\nc2,call,2026-12-24,,,\n"
	i, counts := imported(t, s, options, file)
	if counts != "5 3 1 1" || rejects(i) != "5 at: lies more than a day in the future" {
		t.Errorf("counts %s, rejected %s", counts, rejects(i))
	}
	if _, counts := imported(t, s, options, file); counts != "5 0 4 1" {
		t.Errorf("again: %s", counts)
	}
	view(t, s, func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.Customer(ctx, "c1")
		if err != nil {
			return err
		}
		events, err := tx.Events(ctx, c.No, tx.Now, "", 10)
		if len(events) != 2 {
			t.Fatalf("events %+v", events)
		}
		for _, e := range events {
			if got := fmt.Sprint(e.Props); got != "map[page:cart]" && got != "map[page:home seconds:12.5 zip:01234]" {
				t.Errorf("props %s", got)
			}
		}
		return err
	})
	ndjson := campaigns.ImportOptions{Kind: campaigns.ImportEvents, Format: "ndjson"}
	i, counts = imported(t, s, ndjson, `{"event_id":"e1","customer_id":"c9","name":"visit","at":"2026-11-01T10:00:00Z","props":{"page":"a","deep":{"x":[1,2]}}}
{"event_id":"e1","customer_id":"c8","name":"visit","at":"2026-11-01T10:00:00Z"}
{"event_id":"e2","customer_id":"c9","name":"visit","at":"2026-11-01T10:00:00Z","props":{"page":"\u0000"}}
{"event_id":"e3","customer_id":"c9","name":"visit","at":"2026-11-01T10:00:00Z","props":[1]}
`)
	if counts != "4 1 0 3" || len(i.Rejected) != 3 {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
}

func TestPointsComeInAsLots(t *testing.T) {
	s := shop(t)
	options := campaigns.ImportOptions{Kind: campaigns.ImportPoints}
	file := `customer_id,points,earned_on,last_valid_on,reason
c1,100,2026-01-01,2026-12-31,opening
c1,100,2026-01-01,2026-12-31,opening
c1,50,2026-02-01,,
c2,7,,,
c3,-5,2026-01-01,,
c3,5,2026-01-01,2025-12-31,
c3,x,2026-01-01,,
`
	i, counts := imported(t, s, options, file)
	if counts != "7 4 0 3" || len(i.Rejected) != 3 {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	if _, counts := imported(t, s, options, file); counts != "7 0 4 3" {
		t.Errorf("again: %s", counts)
	}
	if f := customerOf(t, s, "c1").Figures; f.LifetimePoints != 250 {
		t.Errorf("figures %+v", f)
	}
	view(t, s, func(ctx context.Context, tx *store.Tx) error {
		lots, err := tx.Lots(ctx, customerOf(t, s, "c1").No)
		if len(lots) != 3 || lots[2].LastValidOn != nil || lots[0].Remaining != 100 || lots[0].Reason != "opening" || lots[0].ActiveFrom.Format(time.DateOnly) != "2026-01-01" {
			t.Errorf("lots %+v", lots)
		}
		return err
	})
	named := "customer_id,points,entry_id\nc1,10,e1\nc2,10,e1\nc1,10,e1\n"
	if i, counts := imported(t, s, options, named); counts != "3 1 1 1" || !strings.HasPrefix(rejects(i), "2 entry_id: the entry e1 exists already") {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	if i, counts := imported(t, s, options, "customer_id,points,entry_id\nc1,11,e1\n"); counts != "1 0 0 1" {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	figuresHold(t, s)
}

func TestAssignmentsBelongToTheArmsOfAnImportedCampaign(t *testing.T) {
	s := shop(t)
	ctx := context.Background()
	c := campaigns.Campaign{ID: campaigns.NewID(s.Now()), Version: 1, Status: campaigns.Draft, Definition: campaigns.Definition{Name: "Elsewhere", Kind: campaigns.Imported,
		Arms: []campaigns.Arm{{Name: "holdout", Weight: 1}, {Name: "A", Weight: 1}}, Metrics: []campaigns.Metric{{Name: "spend", Of: "revenue", Kind: "mean"}}}}
	if err := s.Update(ctx, func(tx *store.Tx) error { return tx.CreateCampaign(ctx, &c) }); err != nil {
		t.Fatal(err)
	}
	options := campaigns.ImportOptions{Kind: campaigns.ImportAssignments, CampaignID: &c.ID}
	file := "customer_id,arm,at\nc1,A,2026-11-01\nc2,holdout,2026-11-01\nc1,A,2026-11-01\nc3,B,2026-11-01\nc2,A,2026-11-01\n"
	i, counts := imported(t, s, options, file)
	if counts != "5 2 1 2" || rejects(i) != "4 arm: \"B\" is not one of the campaign's arms: A, holdout\n5 arm: the customer is in arm holdout already" {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	if _, counts := imported(t, s, options, file); counts != "5 0 3 2" {
		t.Errorf("again: %s", counts)
	}
	other := campaigns.NewID(s.Now())
	if _, err := importing(t, s, campaigns.ImportOptions{Kind: campaigns.ImportAssignments, CampaignID: &other}, file); campaigns.CodeOf(err) != campaigns.CodeNotFound {
		t.Errorf("a campaign that is not there: %v", err)
	}
	if _, err := importing(t, s, campaigns.ImportOptions{Kind: campaigns.ImportAssignments}, file); campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("no campaign: %v", err)
	}
}
