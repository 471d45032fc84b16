package engine

import (
	"context"
	"maps"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// kinds are the kinds of address of the shop's own, by name: those that its gateways describe.
type kinds map[string]campaigns.Kind

func readKinds(ctx context.Context, tx *store.Tx) (kinds, error) {
	channels, err := tx.Channels(ctx)
	known := kinds{}
	for i := range channels {
		if kind, is := channels[i].OwnKind(); is {
			known[kind.Name] = kind
		}
	}
	return known, err
}

// listed names them after others, such as ", wechat".
func (k kinds) listed() string {
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(k)) {
		list.WriteString(", " + name)
	}
	return list.String()
}
