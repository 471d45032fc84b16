package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func (w *world) quarters() (found []campaigns.GlobalHoldout) {
	w.Helper()
	w.view(func(tx *store.Tx) (err error) {
		found, err = tx.GlobalHoldouts(w.ctx, "", 100)
		return err
	})
	return found
}

// blast runs a campaign to everybody and gives whom the global holdout kept from it.
func (w *world) blast(purpose string) []int64 {
	w.Helper()
	c := w.campaign(func(d *campaigns.Definition) { d.Purpose = purpose })
	w.settle()
	return w.atGate(w.runs(c.ID)[0].ID, campaigns.GateGlobal)
}

func TestTheGlobalHoldoutIsTheSameForAllCampaignsOfAQuarterAndAnotherInTheNext(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout = 0.2 })
	w.customers(400, func(i int, c *campaigns.Customer) {
		if i%10 == 0 {
			c.EmailConsent = nil
		}
	})
	if len(w.quarters()) > 0 {
		t.Error("a quarter was drawn before anybody needed it")
	}
	first := w.blast("marketing")
	if n := len(first); n < 40 || n > 110 {
		t.Errorf("%d of 360 are held out, about 72 should be", n)
	}
	if again := w.blast("marketing"); !slices.Equal(first, again) {
		t.Error("the second campaign of the quarter holds out others")
	}
	if service := w.blast("service"); !slices.Equal(first, service) {
		t.Error("service messages go by the global holdout, too")
	}
	if got := w.blast("transactional"); len(got) > 0 {
		t.Errorf("%d were held out of transactional messages", len(got))
	}
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout = 0.05 })
	if again := w.blast("marketing"); !slices.Equal(first, again) {
		t.Error("another share takes effect with the next quarter only")
	}
	w.clock.Set(time.Date(2027, 1, 1, 0, 0, 1, 0, time.FixedZone("", 8*3600)))
	_, err := w.engine.House(w.ctx)
	w.must(err)
	quarters := w.quarters()
	if len(quarters) != 2 || quarters[0].Quarter != "2027Q1" || quarters[0].Share != 0.05 || quarters[1].Quarter != "2026Q4" || quarters[1].Share != 0.2 ||
		quarters[1].Population != 360 || quarters[1].Members != int64(len(first)) || quarters[0].BeginsAt.Format(time.RFC3339) != "2026-12-31T16:00:00Z" {
		t.Fatalf("quarters %+v", quarters)
	}
	next := w.blast("marketing")
	both := slices.DeleteFunc(slices.Clone(next), func(no int64) bool { return !slices.Contains(first, no) })
	if len(next) == 0 || len(next) > 40 || len(both) == len(next) {
		t.Errorf("%d are held out in the next quarter, %d of them again", len(next), len(both))
	}
}

func TestNewcomersAreDrawnWhenACampaignMeetsThemAndStayWhatTheyAre(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout = 0.2 })
	w.customers(50, nil)
	old := w.blast("marketing")
	w.update(func(tx *store.Tx) error {
		for i := range 200 {
			yes, email, name := true, fmt.Sprintf("new%d@example.com", i), "New"
			if err := tx.SaveCustomer(w.ctx, &campaigns.Customer{ID: fmt.Sprint("n", i), Email: &email, EmailConsent: &yes, Name: &name}); err != nil {
				return err
			}
		}
		return nil
	})
	met := w.blast("marketing")
	q := w.quarters()[0]
	if q.Population != 50 || q.Newcomers != 200 || q.NewcomerMembers != int64(len(met)-len(old)) || len(met) < len(old)+15 || len(met) > len(old)+75 {
		t.Errorf("%d were held out before, %d now: %+v", len(old), len(met), q)
	}
	w.update(func(tx *store.Tx) error { // another address, hence another hash
		for i := range 200 {
			c, err := tx.LockCustomer(w.ctx, fmt.Sprint("n", i))
			if err != nil {
				return err
			}
			email := fmt.Sprintf("moved%d@example.com", i)
			if c.Email = &email; tx.SaveCustomer(w.ctx, c) != nil {
				return fmt.Errorf("saving %s", c.ID)
			}
		}
		return nil
	})
	if again := w.blast("marketing"); !slices.Equal(met, again) {
		t.Error("a member stays one, whatever becomes of the address")
	}
}

func TestWithoutAShareNoQuarterIsDrawnAndTheFirstShareCountsAtOnce(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(200, nil)
	if held := w.blast("marketing"); len(held) > 0 || len(w.quarters()) > 0 {
		t.Errorf("%d were held out, quarters %v", len(held), w.quarters())
	}
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout = 0.2 })
	if held := w.blast("marketing"); len(held) < 15 || len(w.quarters()) != 1 {
		t.Errorf("%d were held out, quarters %v", len(held), w.quarters())
	}
}

// TestArmsAreOfEqualSizeWhateverTheOrderOfTheirBatches: an arm by the position in a batch (Mautic) sends unequal arms.
func TestArmsAreOfEqualSizeWhateverTheOrderOfTheirBatches(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3000, nil)
	var arms []map[int64]string
	for _, pace := range []*campaigns.Pace{nil, {PerHour: 1_000_000}} {
		c := w.campaign(func(d *campaigns.Definition) {
			d.Pace = pace
			d.Variants = append(d.Variants, campaigns.Variant{Name: "B", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: w.template("B", "b")})
		})
		w.settle()
		byNo, sizes := map[int64]string{}, map[string]int{}
		for _, m := range w.messages(store.MessageFilter{Campaign: c.ID, Limit: 5000}) {
			byNo[m.No] = m.Variant
			sizes[m.Variant]++
		}
		if sizes["A"] < 1380 || sizes["A"] > 1620 || sizes["A"]+sizes["B"] != 3000 { // 4.4 standard deviations
			t.Errorf("arms of %v", sizes)
		}
		arms = append(arms, byNo)
	}
	same := 0
	for no, arm := range arms[0] {
		if arms[1][no] == arm {
			same++
		}
	}
	if same < 1380 || same > 1620 {
		t.Errorf("%d of 3000 are in the same arm of two campaigns: arms of campaigns have nothing to do with each other", same)
	}
}
