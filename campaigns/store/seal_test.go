package store_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func openWithKey(t *testing.T, url string, key []byte) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, storetest.NewClock(t, "2026-11-21T10:00:00Z").Now, store.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dumpOfChannels(t *testing.T, url string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), `SELECT string_agg(channels::text, '|') FROM channels`).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSecretsOfChannelsAreSealedWhereTheyAreKept(t *testing.T) {
	url := storetest.URL(t)
	s := openWithKey(t, url, storetest.Key())
	if err := s.Prepare(t.Context(), campaigns.FreshWorkspace()); err != nil {
		t.Fatal(err)
	}
	c := campaigns.Channel{ID: "mail", Name: "Mail", Kind: campaigns.KindSMTP}
	for name, secret := range c.Settings.Secrets() {
		*secret = new("hidden-" + name)
	}
	err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.CreateChannel(t.Context(), &c) })
	if err != nil {
		t.Fatal(err)
	}
	if dump := dumpOfChannels(t, url); strings.Contains(dump, "hidden") || !strings.Contains(dump, "mail") {
		t.Errorf("the database shows %s", dump)
	}
	read := func(s *store.Store) (c campaigns.Channel, err error) {
		err = s.View(t.Context(), func(tx *store.Tx) error { c, err = tx.Channel(t.Context(), "mail"); return err })
		return c, err
	}
	got, err := read(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range got.Settings.Secrets() {
		if campaigns.Text(*secret) != "hidden-"+name {
			t.Errorf("%s is read as %q", name, campaigns.Text(*secret))
		}
	}
	other := openWithKey(t, url, []byte(strings.Repeat("x", store.KeySize)))
	if _, err := read(other); campaigns.CodeOf(err) != campaigns.CodeUnavailable || !strings.Contains(err.Error(), "BECKON_SECRET_KEY") {
		t.Errorf("with another key: %v", err)
	}
	if err := other.Prepare(t.Context(), campaigns.FreshWorkspace()); campaigns.CodeOf(err) != campaigns.CodeUnavailable {
		t.Errorf("a node with another key started: %v", err)
	}
	if _, err := read(openWithKey(t, url, nil)); campaigns.CodeOf(err) != campaigns.CodeUnavailable {
		t.Errorf("without a key: %v", err)
	}
}

func TestSecretsFromAnEarlierReleaseAreSealedAtTheNextStart(t *testing.T) {
	url := storetest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `INSERT INTO channels (id, name, kind, settings, created_at, changed_at)
		VALUES ('old', 'Old', 'smtp', '{"host": "mail.example.com", "username": "shop", "password": "plain-text"}', 'epoch', 'epoch')`)
	if err != nil {
		t.Fatal(err)
	}
	s := openWithKey(t, url, storetest.Key())
	if err := s.Prepare(t.Context(), campaigns.FreshWorkspace()); err != nil {
		t.Fatal(err)
	}
	if dump := dumpOfChannels(t, url); strings.Contains(dump, "plain-text") || !strings.Contains(dump, "mail.example.com") {
		t.Errorf("the database shows %s", dump)
	}
	err = s.View(t.Context(), func(tx *store.Tx) error {
		c, err := tx.Channel(t.Context(), "old")
		if err == nil && campaigns.Text(c.Settings.Password) != "plain-text" {
			t.Errorf("the password is read as %q", campaigns.Text(c.Settings.Password))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
