package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store/local"
	"beckon/campaigns/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.InMemory() // nothing is concluded from what is measured here
	if err := local.Install(func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }); err != nil {
		fmt.Fprintln(os.Stderr, "the tests need a real PostgreSQL:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func newGround(t *testing.T, rows int) *ground {
	t.Helper()
	g, err := open(t.Context(), Options{Clock: time.Now, Rows: rows, Rounds: 1, Say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(g.folder); !os.IsNotExist(err) {
			t.Errorf("the folder %s is left behind: %v", g.folder, err)
		}
	})
	return g
}

func TestAReportNamesEachMeasureItsNeighbourAndItsBar(t *testing.T) {
	report, err := Run(t.Context(), All, Options{Clock: time.Now, Rows: 100, Rounds: 2})
	if err != nil {
		t.Fatal(err)
	}
	bars := map[string]float64{}
	for _, row := range report.Rows {
		bars[row.Name] = row.Bar
		if row.Value <= 0 || row.Beside <= 0 || row.Unit == "" || row.Ratio <= 0 || row.Met != (row.Ratio >= row.Bar) {
			t.Errorf("%+v", row)
		}
	}
	want := map[string]float64{"purchase lines imported, figures kept": 0.40, "e-mail sent, state durable": 0.85, "e-mail signed with Ed25519 and sent, state durable": 0.85,
		"text messages through SMPP, receipts durable": 1, "one SMPP session, receipts heard": 1,
		"memory while sending 100": 1, "two nodes, a provider that takes 20ms a message": 1.6,
		"redemptions of unique codes": 0.35, "redemptions of one hot offer": 0.60, "selecting and queueing 100, a first campaign": 1,
		"selecting and queueing 100, later ones": 1, "a campaign to 1000 meanwhile": 1, "a dry run of 100": 1}
	maps.Copy(want, audienceBars(100))
	for _, crowd := range []string{"one in ten enters, each another campaign", "all enter one campaign", "all enter, each another campaign"} {
		want["triggers: 100 live, 500 events/s, "+crowd+": queued, p99"] = 1
	}
	if !maps.Equal(bars, want) {
		t.Errorf("the bars are %v", bars)
	}
	if m := report.Machine; m.CPUs < 1 || m.Go == "" || m.OS == "" || m.Postgres == "" {
		t.Errorf("%+v", m)
	}
	checkShape(t, report)
	var table strings.Builder
	if err := report.Print(&table); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(table.String()), "\n"); len(lines) != 2+1+len(want)+1+len(report.Notes) || len(report.Notes) == 0 || !strings.HasPrefix(lines[2], "name") {
		t.Errorf("the table is\n%s", table.String())
	}
}

func checkShape(t *testing.T, report *Report) {
	t.Helper()
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var shape struct {
		Machine map[string]any
		Rows    []map[string]any
	}
	if err := json.Unmarshal(text, &shape); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(shape.Machine)); !slices.Equal(got, []string{"cpus", "go", "memory", "os", "postgres"}) {
		t.Errorf("the machine has %v", got)
	}
	for _, row := range shape.Rows {
		if got := slices.Sorted(maps.Keys(row)); !slices.Equal(got, []string{"bar", "beside", "met", "name", "ratio", "unit", "value"}) {
			t.Errorf("a row has %v", got)
		}
	}
}

func TestAnUnknownMeasureIsRefusedBeforeAnythingStarts(t *testing.T) {
	if _, err := Run(t.Context(), "everything", Options{Clock: time.Now}); campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Error(err)
	}
}

func TestEveryMessageArrivesAtTheSinkExactlyOnce(t *testing.T) {
	const n = 700 // more than a batch in some lanes
	s, err := newSending(t.Context(), newGround(t, n), "send", n, shape{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	for round := range 2 {
		for name, side := range map[string]side{"ours": s.ours, "bare": s.bare} {
			if rate, err := side(t.Context(), round); err != nil || rate <= 0 {
				t.Errorf("%s: %f, %v", name, rate, err)
			}
		}
	}
	if err := s.sink.arrived(false); err == nil {
		t.Error("messages that did not arrive are not missed")
	}
}

func TestEveryRedemptionIsThere(t *testing.T) {
	g := newGround(t, 300)
	shop, err := newTill(t.Context(), g, 300)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.store.Close)
	for range 2 { // 32 clients are more than a counter has slots
		for _, from := range [][]campaigns.Offer{shop.cold, {shop.hot}} {
			if rate, err := shop.serve(t.Context(), from, 300); err != nil || rate <= 0 {
				t.Errorf("%f, %v", rate, err)
			}
		}
	}
	if n, err := g.count(t.Context(), "redeem", "SELECT count(*) FROM redemption_offers WHERE discount = 5170"); err != nil || n != 1200 {
		t.Errorf("%d redemptions, %v", n, err)
	}
	shop.redeemed++
	if err := shop.kept(t.Context()); err == nil {
		t.Error("a redemption that is not there is not missed")
	}
}

func TestTheImportedLinesAreTheCopiedOnes(t *testing.T) {
	g := newGround(t, 500)
	nos, err := g.emptyShop(t.Context(), 50)
	if err != nil {
		t.Fatal(err)
	}
	lines := newShipment(500, nos)
	if _, err := g.importLines(t.Context(), lines, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := g.copyLines(t.Context(), lines, 0); err != nil {
		t.Fatal(err)
	}
	imported := g.lines(t, "imported_0", `SELECT p.no, p.order_id, l.line::int, p.at, p.store, l.sku, l.brand, l.category, l.qty, l.amount
		FROM purchases p, unnest(p.lines) WITH ORDINALITY l(sku, brand, category, qty, amount, line) ORDER BY 1, 2, 3`)
	copied := g.lines(t, "copied_0", `SELECT no, order_id, line, at, store, sku, brand, category, qty, amount FROM lines ORDER BY 1, 2, 3`)
	if len(copied) != 500 || !slices.Equal(imported, copied) {
		t.Errorf("%d imported and %d copied lines differ: %.3q, %.3q", len(imported), len(copied), imported, copied)
	}
}

// lines are the rows of a query as text.
func (g *ground) lines(t *testing.T, database, sql string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), g.server.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), "SELECT row_to_json(x)::text FROM ("+sql+") x")
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestARatioIsTheMedianOfTheRoundsRatios(t *testing.T) {
	row := rates{{10, 100, 30}, {20, 100, 20}}.row("x", "x/s", 0, 1, 1)
	if row.Value != 30 || row.Beside != 20 || row.Ratio != 1 || !row.Met {
		t.Errorf("%+v", row)
	}
	if got := median([]float64{4, 1}); got != 2.5 {
		t.Errorf("%f", got)
	}
	if got := down(0.8499); math.Abs(got-0.84) > 1e-9 {
		t.Errorf("%f", got)
	}
}

func TestPgbenchSaysItsRate(t *testing.T) {
	if got, err := tps("latency average = 8.1 ms\ntps = 3912.411 (without initial connection time)\n"); err != nil || got != 3912.411 {
		t.Errorf("%f, %v", got, err)
	}
	if _, err := tps("no such thing"); err == nil {
		t.Error("nothing is a rate")
	}
}
