package api_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// table reads an answer in CSV by the names of its columns.
func (sv *site) table(path string) (rows []map[string]string) {
	sv.Helper()
	a := sv.get(path, "Accept", "text/csv").want(200)
	all, err := csv.NewReader(strings.NewReader(a.Text)).ReadAll()
	if err != nil || len(all) == 0 {
		sv.Fatalf("%s: %v", path, err)
	}
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, name := range all[0] {
			row[name] = cells[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// different says how many different values a column has.
func different(rows []map[string]string, column string) int {
	seen := map[string]bool{}
	for _, row := range rows {
		seen[row[column]] = true
	}
	return len(seen)
}

const many = 1203 // more than is read at a time

func TestEveryListIsExportedWhole(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/shoe", object{"type": "int"}).want(200)
	run, other := campaigns.NewID(sv.clock.Now()), campaigns.NewID(sv.clock.Now())
	sv.update(func(tx *store.Tx) error {
		messages := make([]campaigns.Message, many)
		inbound := make([]campaigns.Inbound, many)
		for i := range many {
			yes, shoe := true, int64(i)
			c := &campaigns.Customer{ID: fmt.Sprintf("c%d", i), EmailConsent: &yes, SMSConsent: &yes, Attributes: map[string]any{"shoe": shoe}}
			if err := tx.SaveCustomer(t.Context(), c); err != nil {
				return err
			}
			at := tx.Now.Add(time.Duration(i) * time.Millisecond)
			messages[i] = campaigns.Message{ID: campaigns.NewID(at), No: c.No, RunID: run, CampaignID: run, TemplateID: run, Variant: "A", Channel: campaigns.Email, ChannelID: "catcher",
				Address: "=x@example.com", QueuedAt: at, DueAt: at, PlannedAt: at, NotAfter: at.Add(time.Hour), Ghost: i%2 == 1}
			if i%3 == 0 {
				messages[i].RunID = other
			}
			inbound[i] = campaigns.Inbound{ProviderID: fmt.Sprint(i), From: fmt.Sprintf("+8613800%06d", i), Text: "\"hello\"\nyou", At: at}
		}
		if err := tx.QueueMessages(t.Context(), messages); err != nil {
			return err
		}
		return tx.KeepInbound(t.Context(), "catcher", inbound)
	})
	for path, want := range map[string]struct {
		column string
		rows   int
	}{
		"/v1/messages":                             {"id", many},
		"/v1/messages?run_id=" + run.String():      {"id", many - 401},
		"/v1/messages?status=ghost":                {"id", many / 2},
		"/v1/messages?customer_id=c7":              {"id", 1},
		"/v1/messages?provider_id=nobodys":         {"id", 0},
		"/v1/inbound":                              {"id", many},
		"/v1/inbound?from=%2B8613800000007":        {"id", 1},
		"/v1/customers":                            {"id", many},
		"/v1/customers?rule=shoe%20%3E%3D%20100":   {"id", many - 100},
		"/v1/customers?rule=shoe%20%3C%200":        {"id", 0},
		"/v1/consents?channel=email":               {"customer_id", many},
		"/v1/consents?channel=email&topic=nothing": {"customer_id", 0},
	} {
		if rows := sv.table(path); len(rows) != want.rows || different(rows, want.column) != want.rows {
			t.Errorf("%s: %d rows, %d different, want %d", path, len(rows), different(rows, want.column), want.rows)
		}
	}
	if rows := sv.table("/v1/consents"); len(rows) != 2*many || rows[0]["channel"] == "" || rows[0]["granted"] != "true" {
		t.Errorf("%d consents, such as %v", len(rows), rows[0])
	}
	messages := sv.table("/v1/messages")
	if !slices.IsSortedFunc(messages, func(a, b map[string]string) int { return strings.Compare(b["id"], a["id"]) }) || messages[0]["address"] != "'=x@example.com" || messages[0]["history"] == "" {
		t.Errorf("the first message is %v", messages[0])
	}
	sv.walks("/v1/messages?limit=500", "id", many)
	sv.walks("/v1/consents?limit=500&channel=sms", "customer_id", many)
}

func TestWhatOnlyLaterItemsHaveStandsInTheLastColumn(t *testing.T) {
	sv := serve(t)
	audited := func(from, to int, name string) {
		sv.update(func(tx *store.Tx) error {
			for i := from; i < to; i++ {
				if err := tx.Audit(t.Context(), "ann", "edit", "thing", fmt.Sprint(i), nil, map[string]any{name: i}); err != nil {
					return err
				}
			}
			return nil
		})
		sv.clock.Advance(time.Second)
	}
	audited(0, 150, "name0")
	audited(150, many, "name1")
	entries := sv.table("/v1/audit")
	inColumns, beside := 0, 0
	for _, row := range entries {
		if row["after.name1"] != "" {
			inColumns++
		}
		if strings.Contains(row["other"], `"after.name0"`) {
			beside++
		}
	}
	if inColumns != many-150 || beside != 150 || len(entries) < many {
		t.Errorf("%d audited, %d in columns, %d beside", len(entries), inColumns, beside)
	}
}

func TestAPageOfATableIsAPage(t *testing.T) {
	sv := serve(t)
	for i := range 130 {
		sv.put(fmt.Sprintf("/v1/customers/c%d", i), object{"name": "x"}).want(200)
	}
	if a := sv.get("/v1/customers").want(200); len(a.at("items").([]any)) != 100 || a.text("next") == "" {
		t.Errorf("a list without a limit has %d items", len(a.at("items").([]any)))
	}
	if rows := sv.table("/v1/customers?limit=20"); len(rows) != 20 {
		t.Errorf("a page of 20 has %d rows", len(rows))
	}
	next := sv.get("/v1/customers?limit=20").want(200).text("next")
	if rows := sv.table("/v1/customers?cursor=" + next); len(rows) != 110 {
		t.Errorf("what follows a page has %d rows", len(rows))
	}
	sv.get("/v1/messages?format=csv&campaign_id=x").want(404)
	sv.get("/v1/messages?format=csv&customer_id=nobody").want(404)
	sv.get("/v1/customers?format=csv&rule=1%20%2B").want(422).names("rule")
}
