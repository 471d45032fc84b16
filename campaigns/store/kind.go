package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// ownKind is a kind of address of the shop's own, as the gateways describe it.
func (tx *Tx) ownKind(ctx context.Context, name string) (kind campaigns.Kind, err error) {
	found, err := many(ctx, tx, "kinds of address", `SELECT settings->>'address', COALESCE(settings->>'consent', '') FROM channels
		WHERE kind = 'gateway' AND settings->>'sends' = $1 AND $1 NOT IN ('sms', 'email') ORDER BY id LIMIT 1`,
		func(row pgx.CollectableRow) (k campaigns.Kind, err error) {
			k.Name = name
			err = row.Scan(&k.Address, &k.Consent)
			return k, err
		}, name)
	if err != nil {
		return kind, err
	}
	if len(found) == 0 {
		return kind, campaigns.Invalid("channel", "%q should be email, sms, or a kind of address that a gateway of yours sends to", name)
	}
	if found[0].Consent == campaigns.NoConsent {
		found[0].Consent = ""
	}
	return found[0], nil
}

// ownKinds are the names of all of them.
func (tx *Tx) ownKinds(ctx context.Context) ([]string, error) {
	return many(ctx, tx, "kinds of address", `SELECT DISTINCT settings->>'sends' AS sends FROM channels
		WHERE kind = 'gateway' AND COALESCE(settings->>'sends', '') NOT IN ('', 'sms', 'email') ORDER BY sends`, pgx.RowTo[string])
}

// consentColumn is the column of customers that holds the latest word on a channel as a whole, and the name that rules know
// it by.
func (tx *Tx) consentColumn(ctx context.Context, channel string) (column, name string, err error) {
	if channel == campaigns.SMS || channel == campaigns.Email {
		column = consentColumn(channel)
		return column, column, nil
	}
	kind, err := tx.ownKind(ctx, channel)
	if err != nil {
		return "", "", err
	}
	if kind.Consent == "" {
		return "", "", campaigns.Invalid("channel", "%s is for transactional messages only: nobody consents to it", channel)
	}
	a, err := tx.Attribute(ctx, kind.Consent)
	return a.Column, a.Name, err
}

// OwnConsent is a customer's consent to a kind of address of the shop's own, as its attribute says, and whether it says
// anything.
func (tx *Tx) OwnConsent(ctx context.Context, no int64, channel string) (granted, is bool, err error) {
	column, _, err := tx.consentColumn(ctx, channel)
	if err != nil {
		return false, false, err
	}
	var said *bool
	err = tx.tx.QueryRow(ctx, fmt.Sprintf(`SELECT (SELECT %s FROM customers WHERE no = $1)`, column), no).Scan(&said)
	return said != nil && *said, said != nil, wrapped("reading a consent", err)
}

// customersAtOwn are the customers with an address of the shop's own kind. Such addresses have no look-up that is kept: it
// reads all customers once.
func (tx *Tx) customersAtOwn(ctx context.Context, channel, address string) ([]int64, error) {
	kind, err := tx.ownKind(ctx, channel)
	if err != nil {
		return nil, err
	}
	a, err := tx.Attribute(ctx, kind.Address)
	if err != nil {
		return nil, err
	}
	return many(ctx, tx, "customers of an address", fmt.Sprintf(`SELECT no FROM customers WHERE btrim(%s, E' \\t\\r\\n') = $1 ORDER BY no`, a.Column), pgx.RowTo[int64], address)
}

// normalOwn brings an address of the shop's own kind into the form in which it is compared.
func (tx *Tx) normalOwn(ctx context.Context, channel string, address *string) error {
	if _, err := tx.ownKind(ctx, channel); err != nil {
		return err
	}
	*address = strings.TrimSpace(*address)
	if *address == "" || len(*address) > 300 {
		return campaigns.Invalid("address", "is missing or too long")
	}
	return campaigns.CheckText("address", *address)
}

// WithoutOwnConsent says which of the messages, all of one kind of address of the shop's own, go to somebody who has not
// consented to it any more; those of transactional campaigns need no consent.
func (tx *Tx) WithoutOwnConsent(ctx context.Context, kind campaigns.Kind, messages []campaigns.Message) (map[campaigns.ID]bool, error) {
	consented := "false"
	if kind.Consent != "" {
		a, err := tx.Attribute(ctx, kind.Consent)
		if err != nil {
			return nil, err
		}
		consented = "c." + a.Column
	}
	ids, nos, of, versions := []campaigns.ID{}, []int64{}, []campaigns.ID{}, []int32{}
	for _, m := range messages {
		ids, nos, of, versions = append(ids, m.ID), append(nos, m.No), append(of, m.CampaignID), append(versions, int32(m.Version))
	}
	sql := fmt.Sprintf(`SELECT m.id FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::int[]) AS m(id, no, campaign, version)
		JOIN campaign_versions v ON v.campaign_id = m.campaign AND v.version = m.version LEFT JOIN customers c ON c.no = m.no
		WHERE v.definition->>'purpose' IS DISTINCT FROM 'transactional' AND (%s) IS NOT TRUE`, consented)
	found, err := many(ctx, tx, "consents", sql, pgx.RowTo[campaigns.ID], ids, nos, of, versions)
	set := make(map[campaigns.ID]bool, len(found))
	for _, id := range found {
		set[id] = true
	}
	return set, err
}
