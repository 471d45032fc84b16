package store

import (
	"context"
	"fmt"
	"slices"

	"beckon/campaigns"
)

// AssignmentArms are the arms that a campaign run elsewhere may have customers assigned to.
func (tx *Tx) AssignmentArms(ctx context.Context, campaign campaigns.ID) ([]string, error) {
	var kind string
	var arms []string
	rows, err := tx.tx.Query(ctx, `SELECT c.kind, ARRAY(SELECT a->>'name' FROM jsonb_array_elements(COALESCE(v.definition->'arms', '[]')) a)
		FROM campaigns c JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version WHERE c.id = $1`, campaign)
	if err != nil {
		return nil, fmt.Errorf("reading the campaign's arms: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("reading the campaign's arms: %w", err)
		}
		return nil, campaigns.NotFound("campaign", campaign.String())
	}
	if err := rows.Scan(&kind, &arms); err != nil {
		return nil, fmt.Errorf("reading the campaign's arms: %w", err)
	}
	if kind != campaigns.Imported {
		return nil, campaigns.Conflict("the campaign draws its arms itself: assignments are imported into campaigns of kind imported")
	}
	slices.Sort(arms)
	return arms, nil
}
