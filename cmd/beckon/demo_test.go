package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
	"beckon/engine"
	"beckon/engine/shop"
)

// played is a demo whose days are over; its database ends with the test.
func played(t *testing.T, d demoCommand) (*demoPlay, *demoTable) {
	t.Helper()
	ctx := context.Background()
	play, err := d.newPlay(t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	server, err := d.open(ctx, play, t.TempDir())
	if server != nil {
		t.Cleanup(func() { server.Stop() })
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(play.store.Close)
	table, err := play.all(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return play, table
}

func TestTheDemosReportsAgreeWithWhatItsShopKnows(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			play, table := played(t, demoCommand{Seed: seed, Customers: 2000, Days: 20})
			for i, c := range play.campaigns {
				checkGates(t, play, c, &table.Campaigns[i])
				checkOutcomes(t, play, c)
				checkLifts(t, &table.Campaigns[i])
			}
			lapsed := table.Campaigns[1]
			if lapsed.Redeemed < 10 || lapsed.Discount == "0.00" || lapsed.Redeemed != play.redeemed {
				t.Errorf("%d redeemed for %s, the till counted %d", lapsed.Redeemed, lapsed.Discount, play.redeemed)
			}
		})
	}
}

func TestADemoOverSeveralQuartersKeepsEachCustomersWindowOfEach(t *testing.T) {
	play, table := played(t, demoCommand{Seed: 2, Customers: 250, Days: 130})
	for i, c := range play.campaigns {
		checkOutcomes(t, play, c)
		if row := &table.Campaigns[i]; row.Unreachable <= 0 || row.Audience != row.Unreachable+row.HeldOut+row.SentTo {
			t.Errorf("the audience does not add up: %+v", row)
		}
	}
}

// checkGates compares a row with the gates of all runs.
func checkGates(t *testing.T, p *demoPlay, c *demoCampaign, row *demoCampaignRow) {
	t.Helper()
	passed, ghosts, stopped, entered := int64(0), int64(0), map[int64]bool{}, map[int64]bool{}
	err := p.store.View(context.Background(), func(tx *store.Tx) error {
		runs, err := tx.Runs(context.Background(), c.campaign.ID, time.Time{}, 1000)
		for _, run := range runs {
			sum := int64(0)
			for gate, n := range run.Gates {
				sum += n
				nos, err := tx.AtGate(context.Background(), run.ID, campaigns.Gate(gate), 0, int(n))
				if err != nil {
					return err
				}
				for _, no := range nos {
					switch campaigns.Gate(gate) {
					case campaigns.GatePassed, campaigns.GateHoldout:
						entered[no] = true
					default:
						stopped[no] = true
					}
				}
			}
			if sum != run.Audience {
				t.Errorf("%s: gates add up to %d, audience %d", row.Name, sum, run.Audience)
			}
			passed, ghosts = passed+run.Gates["passed"], ghosts+run.Gates["holdout"]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for no := range entered {
		delete(stopped, no)
	}
	if row.Sent != passed || int64(len(entered)) != row.HeldOut+row.SentTo || int64(len(stopped)) != row.Unreachable || ghosts < row.HeldOut {
		t.Errorf("%+v: %d passed, %d ghosts, %d entered, %d stopped", row, passed, ghosts, len(entered), len(stopped))
	}
	if row.Audience != row.Unreachable+row.HeldOut+row.SentTo || row.SentTo == 0 || row.HeldOut == 0 || row.Unreachable == 0 {
		t.Errorf("the audience does not add up: %+v", row)
	}
}

// checkOutcomes compares a report with the shop's own count of purchases in the windows.
func checkOutcomes(t *testing.T, p *demoPlay, c *demoCampaign) {
	t.Helper()
	report, err := p.engine.Report(context.Background(), c.campaign.ID)
	if err != nil {
		t.Fatal(err)
	}
	known := p.life.Outcomes(c.definition.Name, time.Duration(c.definition.Goal.Window), p.clock.Now())
	for _, m := range report.Metrics {
		for _, arm := range m.Arms {
			own := known[arm.Name]
			want := float64(own.Converted)
			if m.Name == "revenue" {
				want = float64(own.Revenue) / 100
			}
			if arm.Due != int64(own.Due) || arm.Immature != int64(own.Immature) || math.Abs(arm.Sum-want) > 1e-6 {
				t.Errorf("%s, %s, %s: %+v, the shop knows %+v", c.definition.Name, m.Name, arm.Name, arm, own)
			}
		}
	}
}

// checkLifts allows five standard errors: the arms' salts are drawn anew each time, and the test should never fail by
// chance. The revenue of a few dozen held out is too skewed to say anything.
func checkLifts(t *testing.T, row *demoCampaignRow) {
	t.Helper()
	for _, l := range row.Lifts {
		if l.Absolute == nil || (l.Metric == "revenue" && row.HeldOut < 100) {
			continue
		}
		if math.Abs(l.Absolute.Value-l.True) > 5*l.Absolute.SE || l.True <= 0 {
			t.Errorf("%s, %s: measured %.4f ± %.4f, true %.4f", row.Name, l.Metric, l.Absolute.Value, l.Absolute.SE, l.True)
		}
	}
}

func TestADemoPrintsItsTableAndItsShopGoesOnFromTheEnd(t *testing.T) {
	data := filepath.Join(t.TempDir(), "demo")
	d := demoCommand{Data: data, Seed: 4, Customers: 300, Days: 16, JSON: true}
	var out, log bytes.Buffer
	end := time.Date(2026, 9, 17, 8, 0, 0, 0, campaignsZone(t))
	err := d.run(context.Background(), &out, &log, func(_ context.Context, s *store.Store, server *local.Server) error {
		first, later := s.Now(), s.Now()
		if first.Before(end) || first.After(end.Add(time.Minute)) || later.Before(first) || server == nil {
			t.Errorf("the clock goes on at %s and %s", first, later)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var table demoTable
	if err := json.Unmarshal(out.Bytes(), &table); err != nil || len(table.Campaigns) != 3 || table.Customers != 300 || table.Sent == 0 {
		t.Errorf("%v: %s", err, out.String())
	}
	if !strings.Contains(log.String(), "purchases loaded") {
		t.Errorf("no progress: %s", log.String())
	}
	err = d.run(context.Background(), &out, &log, nil)
	if err == nil || !strings.Contains(err.Error(), "beckon serve --data "+data) {
		t.Errorf("a second demo in the folder: %v", err)
	}
}

func campaignsZone(t *testing.T) *time.Location {
	t.Helper()
	w := campaigns.FreshWorkspace()
	return w.Location()
}

func TestTheDemosTableFitsInto120Columns(t *testing.T) {
	table := demoTable{Currency: "CNY", Customers: 10_000_000, Purchases: 400_000_000, From: time.Unix(0, 0), To: time.Unix(0, 0), Phases: []demoPhase{{Name: "purchases loaded", Seconds: 1000, Count: 100_000_000, Of: "rows", RowsPerSecond: 100_000}}}
	lift := demoLift{Sentence: sentence(false, nothingSure()), Absolute: nothingSure()}
	table.Campaigns = []demoCampaignRow{{Name: "Points about to expire", Audience: 1_234_567, Unreachable: 1_234_567, HeldOut: 123_456, Sent: 999_999,
		Redeemed: 99_999, Coupon: true, Immature: 1000, Window: "14d", Revenue: 123_456_789, Lifts: []demoLift{lift, lift}}}
	var out bytes.Buffer
	if err := table.print(&out, false); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 120 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func nothingSure() *engine.Absolute { return &engine.Absolute{Value: -0.1, Low: -0.25, High: 0.11} }

func TestAShopThatCannotBeIsRefused(t *testing.T) {
	var out, log bytes.Buffer
	for _, d := range []demoCommand{{Customers: 0, Days: 60}, {Customers: shop.CustomersMax + 1, Days: 60}, {Customers: 10, Days: 0}} {
		if err := d.run(context.Background(), &out, &log, nil); campaigns.CodeOf(err) != campaigns.CodeInvalid {
			t.Errorf("%+v: %v", d, err)
		}
	}
}
