package channel

import (
	"fmt"
	"time"

	"github.com/wneessen/go-mail"

	"beckon/campaigns"
)

// OpenDKIM makes what signs a channel's messages, nil where it has no key. Any number of sessions may share it.
//
// Why these header fields and no more: the signer folds its own field within a word where a tag is longer than a line, and
// a list of names that was folded does not verify. These fill one line.
func OpenDKIM(s campaigns.ChannelSettings, clock func() time.Time) (*mail.DKIMSigner, error) {
	key, err := s.DKIM()
	if err != nil {
		return nil, fmt.Errorf("reading the key for DKIM: %w", err)
	}
	if key == nil {
		return nil, nil
	}
	signer := mail.NewDKIMSigner(s.DKIMDomain, s.DKIMSelector, key)
	signer.NowFunc = clock
	signer.SignHeaders(signedFields()...)
	if _, err := signer.Sign([]byte("From: "+s.DKIMSelector+"@"+s.DKIMDomain+"\r\n\r\n"), nil); err != nil { // writes down the key's algorithm, which no two sessions may do at once
		return nil, fmt.Errorf("signing with the key for DKIM: %w", err)
	}
	return signer, nil
}
