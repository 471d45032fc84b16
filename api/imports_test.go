package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"
)

// imported waits until an import has ended.
func (sv *site) imported(id string) *answer {
	sv.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if a := sv.get("/v1/imports/" + id).want(200); a.text("status") != "running" {
			return a
		}
		<-tick.C
	}
	sv.Fatal("the import does not end")
	return nil
}

func zipped(text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.Bytes()
}

func TestAFileIsImportedAndItsBadRowsListed(t *testing.T) {
	sv := serve(t)
	var file strings.Builder
	file.WriteString("id,name,email,birthday\n")
	for i := range 200 {
		email, birthday := fmt.Sprintf("u%d@example.com", i), "1990-01-01"
		if i%50 == 7 {
			birthday = "1990-02-30"
		}
		fmt.Fprintf(&file, "u%d,Name %d,%s,%s\n", i, i, email, birthday)
	}
	posted := sv.post("/v1/imports?kind=customers", []byte(file.String()), "Content-Type", "text/csv").want(202)
	done := sv.imported(posted.text("id")).is("done", "status").is(200, "rows_read").is(196, "rows_written").is(4, "rows_rejected")
	done.is(8, "rejected", 0, "row").is("birthday", "rejected", 0, "field")
	rejected := sv.get("/v1/imports/" + posted.text("id") + "/rejected.csv").want(200)
	if lines := strings.Count(rejected.Text, "\n"); lines != 5 || !strings.HasPrefix(rejected.Text, "row,field,message\n8,birthday,") {
		t.Errorf("rejected rows:\n%s", rejected.Text)
	}
	again := sv.post("/v1/imports?kind=customers", zipped(file.String()), "Content-Type", "text/csv").want(202)
	sv.imported(again.text("id")).is("done", "status").is(0, "rows_written").is(196, "rows_unchanged")
	sv.walks("/v1/imports?limit=1", "id", 2)
	sv.get("/v1/imports/none").want(404)
	sv.get("/v1/imports/none/rejected.csv").want(404)
}

func TestColumnsAreRenamedAndADryRunWritesNothing(t *testing.T) {
	sv := serve(t)
	file := "order,who,at,sku,qty,amount,memo\no1,u1,2026-11-01T10:00:00Z,a,1,10\no1,u1,2026-11-01T10:00:00Z,b,2,20\n"
	file = strings.ReplaceAll(file, ",10\n", ",10,x\n")
	file = strings.ReplaceAll(file, ",20\n", ",20,y\n")
	query := "/v1/imports?kind=purchases&map=order:order_id,who:customer_id,memo:-"
	posted := sv.post(query+"&dry_run=true", []byte(file), "Content-Type", "text/csv").want(202)
	sv.imported(posted.text("id")).is("done", "status").is(true, "dry_run").is(0, "rows_rejected")
	sv.get("/v1/purchases/o1").want(404)
	posted = sv.post(query, []byte(file), "Content-Type", "text/csv").want(202)
	sv.imported(posted.text("id")).is("done", "status")
	sv.get("/v1/purchases/o1").want(200).is("30.00", "amount")
	events := `{"event_id":"e1","customer_id":"u1","name":"visit","at":"2026-11-01T10:00:00Z"}` + "\n"
	posted = sv.post("/v1/imports?kind=events", []byte(events), "Content-Type", "application/x-ndjson").want(202)
	sv.imported(posted.text("id")).is("done", "status").is(1, "rows_written")
}

func TestAFileThatIsNoneIsRefused(t *testing.T) {
	sv := serve(t)
	csv := []string{"Content-Type", "text/csv"}
	sv.post("/v1/imports?kind=houses", []byte("id\n1\n"), csv...).want(422).names("kind")
	sv.post("/v1/imports", []byte("id\n1\n"), csv...).want(422).names("kind")
	sv.post("/v1/imports?kind=customers&map=x", []byte("id\n1\n"), csv...).want(422).names("map")
	sv.post("/v1/imports?kind=customers", []byte("id\n1\n"), "Content-Type", "application/x-www-form-urlencoded").want(415).names("Content-Type")
	sv.post("/v1/imports?kind=assignments", []byte("customer_id,arm,at\n"), csv...).want(422).names("campaign_id")
	sv.post("/v1/imports?kind=assignments&campaign_id=019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11", []byte("customer_id,arm,at\n"), csv...).want(404)
	sv.post("/v1/imports?kind=customers&campaign_id=019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11", []byte("id\n1\n"), csv...).want(422).names("campaign_id")
	broken := zipped(strings.Repeat("id,name\n1,2\n", 1000))
	sv.post("/v1/imports?kind=customers", broken[:len(broken)/2], csv...).want(400).names("body")
	sv.post("/v1/imports?kind=customers", append(broken[:20:20], "garbage garbage garbage"...), csv...).want(400).names("body")
	sv.post("/v1/imports?kind=customers", broken[:4], csv...).want(400).names("body")
	if a := sv.post("/v1/imports?kind=customers", []byte{}, csv...); a.Status < 400 || a.Status >= 500 {
		t.Errorf("an empty file: %d %s", a.Status, a.Text)
	}
	if a := sv.post("/v1/imports?kind=customers", []byte("\x00\xff\xfe,\"\n"), csv...); a.Status < 400 || a.Status >= 500 {
		t.Errorf("a file of nonsense: %d %s", a.Status, a.Text)
	}
}

func TestARepeatedUploadIsOneImport(t *testing.T) {
	sv := serve(t)
	file := []byte("id,name\nu1,Ann\n")
	first := sv.post("/v1/imports?kind=customers", file, "Content-Type", "text/csv", "Idempotency-Key", "f").want(202)
	sv.imported(first.text("id"))
	again := sv.post("/v1/imports?kind=customers", file, "Content-Type", "text/csv", "Idempotency-Key", "f").want(202)
	if first.text("id") != again.text("id") {
		t.Error("the repeat made another import")
	}
	sv.post("/v1/imports?kind=customers", []byte("id,name\nu1,Bob\n"), "Content-Type", "text/csv", "Idempotency-Key", "f").want(422).names("Idempotency-Key")
	sv.walks("/v1/imports?limit=5", "id", 1)
}

func TestWhatAnImportRejectedIsNoFormulaInASpreadsheet(t *testing.T) {
	sv := serve(t)
	file := `{"id":"u1","=HYPERLINK(1)":1}` + "\n" + `{"id":"u2","＝HYPERLINK(1)":1}` + "\n"
	posted := sv.post("/v1/imports?kind=customers", []byte(file), "Content-Type", "application/x-ndjson").want(202)
	sv.imported(posted.text("id"))
	rejected := sv.get("/v1/imports/" + posted.text("id") + "/rejected.csv").want(200)
	if !strings.Contains(rejected.Text, "1,'=HYPERLINK") || !strings.Contains(rejected.Text, "2,'＝HYPERLINK") {
		t.Errorf("rejected rows:\n%s", rejected.Text)
	}
}
