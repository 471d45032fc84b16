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
