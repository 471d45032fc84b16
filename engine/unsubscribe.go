package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// UnsubscribeInfo says which channel a link leaves. It changes nothing, so that link scanners cannot.
func (e *Engine) UnsubscribeInfo(ctx context.Context, token string) (string, error) {
	_, channel, err := e.readToken(ctx, token)
	return channel, err
}

// Unsubscribe withdraws the consent of a link's customer for its channel: messages that are queued are not sent.
func (e *Engine) Unsubscribe(ctx context.Context, token string) (string, error) {
	no, channel, err := e.readToken(ctx, token)
	if err != nil {
		return "", err
	}
	return channel, e.store.Update(ctx, func(tx *store.Tx) error {
		consents, err := tx.Consents(ctx, no)
		if err != nil {
			return err
		}
		for _, latest := range consents { // the latest first
			if latest.Channel == channel && latest.Topic == "" {
				if !latest.Granted {
					return nil // withdrawn already: a link that is posted over and over leaves one line
				}
				break
			}
		}
		return tx.AddConsent(ctx, no, campaigns.Consent{Channel: channel, Granted: false, At: tx.Now, Source: "unsubscribe link"})
	})
}

func (e *Engine) readToken(ctx context.Context, token string) (int64, string, error) {
	links, err := e.previewLinks(ctx)
	if err != nil {
		return 0, "", err
	}
	no, channel, ok := links.read(token)
	if !ok {
		return 0, "", campaigns.NotFound("link", "…")
	}
	return no, channel, nil
}
