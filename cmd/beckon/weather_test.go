package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"
)

// A drop is a customer or a provider's answer that is bad weather: what it brings, and what the service may say of it.
type drop struct {
	customer int
	body     string   // of the customer, empty for as the others
	status   int      // of the answer to it; 0 for 200
	mood     mood     // of the sink
	ends     []string // statuses or gates that are a clear outcome
	says     string   // stands in the last step of its history
}

func drops() map[string]drop {
	long := strings.Repeat("x", 2000)
	pending := []string{"queued", "failed"} // refused, or put off for another attempt
	return map[string]drop{
		"a name that is a header":       {customer: 10, body: `{"name":"Eve\r\nBcc: all@example.com","email":"c10@example.com","email_consent":true}`, ends: []string{"failed", "sent"}}, // never with a header of theirs: the sink looks
		"an address with a name":        {customer: 20, body: `{"name":"Ann","email":"Ann <c20@example.com>","email_consent":true}`, status: 422},
		"an address that is none":       {customer: 30, body: `{"name":"Ann","email":"not an address","email_consent":true}`, status: 422},
		"a value of a million letters":  {customer: 40, body: `{"name":"Big","email":"c40@example.com","email_consent":true,"attributes":{"bio":"` + strings.Repeat("x", 1_000_000) + `"}}`, status: 422},
		"values that are too large":     {customer: 50, body: `{"name":"Big","email":"c50@example.com","email_consent":true,"attributes":{"bio":"` + long + `","past":"` + long + `","hopes":"` + long + `"}}`, ends: []string{"template"}},
		"an answer with no such code":   {customer: 60, mood: mood{noise: "999 ???\r\n"}, ends: pending, says: "999"},
		"an answer that is no answer":   {customer: 70, mood: mood{noise: "\x00\x01\x02 what\r\n"}, ends: pending},
		"an answer without an end":      {customer: 80, mood: mood{cries: strings.Repeat("250-and so on\r\n", 1000)}, ends: pending},
		"an answer of bytes":            {customer: 90, mood: mood{noise: "550 \xff\xfe bo\xeete inconnue\r\n"}, ends: pending, says: "550"},
		"an answer of bytes at the end": {customer: 100, mood: mood{murmur: "\xff\xfe\xfd\r\n"}, ends: []string{"unknown"}},
		"a refusal":                     {customer: 110, mood: mood{refuse: &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}}, ends: []string{"failed"}, says: "no such mailbox"},
		"a hang-up":                     {customer: 120, mood: mood{hangUp: true}, ends: pending},
	}
}

func isDrop(customer int) bool {
	for _, d := range drops() {
		if d.customer == customer {
			return true
		}
	}
	return false
}

func TestWhatIsWrongWithOneMessageNeverStopsTheOthers(t *testing.T) {
	const customers = 1000
	moods := map[string]mood{}
	for _, d := range drops() {
		moods[addressOf(d.customer)] = d.mood
	}
	s := newSink(t, func(to string, _ int) mood { return moods[to] })
	f := &fleet{T: t, data: t.TempDir(), sink: s}
	p := f.start()
	for _, name := range []string{"bio", "past", "hopes"} {
		p.call(http.MethodPut, "/v1/attributes/"+name, "application/json", `{"type":"text"}`, http.StatusOK)
	}
	refused := p.bringPeople(customers)
	campaign := p.launchTo(s.port, 3, `Hi {{ customer.name }}, {{ customer.bio | default: \"-\" }} {{ customer.past | default: \"-\" }} {{ customer.hopes | default: \"-\" }}`)
	bad := len(drops()) - refused
	p.until(time.Minute, "all others to be sent", func() bool {
		counts, _ := p.run(campaign)["messages"].(map[string]any)
		sent, _ := counts["sent"].(float64)
		return int(sent) >= customers-len(drops())
	})
	accepted, _ := s.taken()
	for i := range customers {
		if n := accepted[addressOf(i)]; n != 1 && !isDrop(i) {
			t.Errorf("%s got %d messages", addressOf(i), n)
		}
	}
	run := p.run(campaign)
	if said := int(run["audience"].(float64)); said != customers-refused {
		t.Errorf("the audience has %d customers, not %d", said, customers-refused)
	}
	for name, d := range drops() {
		if d.status == 0 {
			t.Run(name, func(t *testing.T) { p.outcome(t, run["id"].(string), d) })
		}
	}
	t.Logf("%d sent, %d messages in bad weather, %d customers refused when they came", s.count(), bad, refused)
}

// bringPeople imports those about whom nothing is special and puts the others one by one; it gives how many were refused.
func (p *process) bringPeople(customers int) (refused int) {
	p.t.Helper()
	special := map[int]drop{}
	for _, d := range drops() {
		special[d.customer] = d
	}
	var file strings.Builder
	file.WriteString("id,name,email,email_consent,bio\n")
	for i := range customers {
		if special[i].body == "" {
			fmt.Fprintf(&file, "c%d,Customer %d,%s,true,short\n", i, i, addressOf(i))
		}
	}
	p.bringIn("customers", file.String())
	for i, d := range special {
		if d.body == "" {
			continue
		}
		if d.status != 0 {
			refused++
		}
		p.call(http.MethodPut, fmt.Sprintf("/v1/customers/c%d", i), "application/json", d.body, max(d.status, http.StatusOK))
	}
	return refused
}

// outcome looks at what the service says of one customer: in the run's audience, and in the message's history.
func (p *process) outcome(t *testing.T, run string, d drop) {
	id := fmt.Sprintf("c%d", d.customer)
	var last, said string
	p.until(time.Minute, id+" to have an outcome", func() bool {
		rows := p.get("/v1/runs/" + run + "/audience?customer_id=" + id)["items"].([]any)
		if len(rows) != 1 {
			t.Fatalf("the audience has %d rows of %s", len(rows), id)
		}
		row := rows[0].(map[string]any)
		if last, _ = row["gate"].(string); last != "passed" {
			return true
		}
		last, _ = row["status"].(string)
		list := p.get("/v1/messages?run_id=" + run + "&customer_id=" + id)["items"].([]any)
		if len(list) != 1 {
			t.Fatalf("%d messages of %s", len(list), id)
		}
		history := list[0].(map[string]any)["history"].([]any)
		if len(history) > 0 {
			said, _ = history[len(history)-1].(map[string]any)["detail"].(string)
		}
		return said != ""
	})
	t.Logf("%s: %s", last, said)
	if !slices.Contains(d.ends, last) || !strings.Contains(said, d.says) || !utf8.ValidString(said) || len(said) > 1000 {
		t.Errorf("%s ended as %s: %q", id, last, said)
	}
}
