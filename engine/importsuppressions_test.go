package engine_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// listed are the suppressed addresses as channel, address, reason and hash.
func (w *world) listed() (found []string) {
	w.Helper()
	w.view(func(tx *store.Tx) error {
		all, err := tx.Suppressions(w.ctx, "", nil, 1000)
		for _, s := range all {
			found = append(found, fmt.Sprintf("%s %s %s", s.Channel, s.Address, s.Reason))
		}
		return err
	})
	return found
}

func (w *world) listedHash(hash []byte) string {
	w.Helper()
	text, err := w.store.ListedHash(w.ctx, hash)
	w.must(err)
	return text
}

func TestAListOfAddressesIsBroughtInOnceAndKeepsItsReasons(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	erased, err := w.store.AddressHash(w.ctx, campaigns.Email, "gone@example.com")
	w.must(err)
	other, err := w.store.AddressHash(w.ctx, campaigns.Email, "other@example.com")
	w.must(err)
	w.update(func(tx *store.Tx) error {
		return tx.Suppress(w.ctx, &campaigns.Suppression{Channel: campaigns.Email, Address: "first@example.com", Reason: "complaint"})
	})
	options := campaigns.ImportOptions{Kind: campaigns.ImportSuppressions}
	file := "channel,address,reason,at,hash\n" +
		"email,Ann@Example.com,manual,2026-01-02T03:04:05Z,\n" +
		"sms,13800138000,,,\n" +
		"email,ann@example.com,again,,\n" + // the same address
		"email,first@example.com,import,,\n" + // there already
		"email,,,," + w.listedHash(erased) + "\n" +
		"email,nonsense,,,\n" +
		"fax,1234,,,\n" +
		",x@example.com,,,\n" +
		"email,,,,\n" +
		"email,,,," + hex.EncodeToString(erased) + "\n" + // as MD5 would look
		"email,ben@example.com,,," + w.listedHash(other) + "\n" +
		"email,ben@example.com,,2126-01-01,\n"
	i, counts := imported(t, w.store, options, file)
	if counts != "12 3 2 7" {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	fields := []string{"address", "phone", "email", "channel", "channel", "address", "hash", "hash", "at"}
	for n, r := range i.Rejected {
		if r.Row != int64(6+n) || !strings.Contains(strings.Join(fields, " "), r.Field) || r.Message == "" {
			t.Errorf("%+v", r)
		}
	}
	before := w.listed()
	if len(before) != 4 || !strings.Contains(strings.Join(before, "\n"), "email first@example.com complaint") || !strings.Contains(strings.Join(before, "\n"), "email ann@example.com manual") ||
		!strings.Contains(strings.Join(before, "\n"), "sms +8613800138000 import") {
		t.Errorf("%q", before)
	}
	if _, counts := imported(t, w.store, options, file); counts != "12 0 5 7" || len(w.listed()) != 4 {
		t.Errorf("again: %s, %q", counts, w.listed())
	}
	options.Format = "ndjson"
	if i, counts := imported(t, w.store, options, `{"channel":"email","address":"zoe@example.com"}`+"\n"+`{"channel":"email","address":"gone@example.com"}`+"\n"); counts != "2 1 1 0" {
		t.Errorf("objects: %s\n%s", counts, rejects(i))
	}
}

func TestAnAddressThatOurTableKeepsFromBeingAFormulaIsBroughtInAgain(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	formula, err := w.store.AddressHash(w.ctx, campaigns.Email, "=x@example.com")
	w.must(err)
	quoted, err := w.store.AddressHash(w.ctx, campaigns.Email, "'y@example.com")
	w.must(err)
	i, counts := imported(t, w.store, campaigns.ImportOptions{Kind: campaigns.ImportSuppressions},
		"channel,address,hash\nemail,'=x@example.com,"+w.listedHash(formula)+"\nemail,'y@example.com,"+w.listedHash(quoted)+"\n")
	if found := strings.Join(w.listed(), "\n"); counts != "2 2 0 0" || !strings.Contains(found, "email =x@example.com") || !strings.Contains(found, "email 'y@example.com") {
		t.Errorf("%s, %q, rejected:\n%s", counts, found, rejects(i))
	}
}

func TestWhoIsOnABroughtInListGetsNothingThatWaits(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(4, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	w.queued()
	erased, err := w.store.AddressHash(context.Background(), campaigns.Email, "c2@example.com")
	w.must(err)
	imported(t, w.store, campaigns.ImportOptions{Kind: campaigns.ImportSuppressions}, "channel,address,hash\nemail,c1@example.com,\nemail,,"+w.listedHash(erased)+"\n")
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 2 || run.Messages["cancelled"] != 2 {
		t.Errorf("%v", run.Messages)
	}
	again := w.campaign(func(*campaigns.Definition) {})
	w.settle()
	if run := w.runs(again.ID)[0]; run.Gates["suppressed"] != 2 {
		t.Errorf("%v", run.Gates)
	}
}
