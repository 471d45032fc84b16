package engine

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/base32"
	"encoding/binary"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
)

// bounceSignatureSize is how many bytes sign a return path: with 64 bytes for the whole local part there is no room for
// more, and each guess takes a message to the mailbox.
const bounceSignatureSize = 6

// bounceTag names a message in its return path and its header: the message's id and its customer's number, signed, so that
// nobody can make one for somebody else's message. It is base32 in small letters, because servers fold case.
func (l links) bounceTag(no int64, id campaigns.ID) string {
	payload := binary.AppendUvarint(id[:], uint64(no))
	tag := strings.ToLower(tagEncoding().EncodeToString(append(payload, l.signBounce(payload)...)))
	if len(tag) > campaigns.BounceTagMax {
		return "" // no shop has four billion customers a thousand times
	}
	return tag
}

// readBounceTag gives the message of a tag; ok is false for one that was not made here.
func (l links) readBounceTag(tag string) (no int64, id campaigns.ID, ok bool) {
	raw, err := tagEncoding().DecodeString(strings.ToUpper(tag))
	if err != nil || len(raw) <= len(id)+bounceSignatureSize {
		return 0, id, false
	}
	payload, signature := raw[:len(raw)-bounceSignatureSize], raw[len(raw)-bounceSignatureSize:]
	n, size := binary.Uvarint(payload[len(id):])
	if !hmac.Equal(signature, l.signBounce(payload)) || size != len(payload)-len(id) {
		return 0, id, false
	}
	copy(id[:], payload)
	return int64(n), id, true
}

func (l links) signBounce(payload []byte) []byte {
	return l.sign("bounce", payload, bounceSignatureSize)
}

func tagEncoding() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }

// believe makes receipts of those reports that can be believed.
//
// Anybody can send a report to the mailbox where bounces arrive, and a hard bounce or a complaint keeps an address from
// being written to for ever. So a report is believed when it carries what only those have seen through whose hands our
// message went: the tag of its return path or header, which is signed; or its Message-ID, of which 74 bits are random,
// together with the address that it was sent to. It speaks of that message alone, and what follows falls on the address
// that we sent to, never on one that the report names. Where the report names another address than that, the message was
// forwarded: it bounced, but our address is not suppressed for it.
func (e *Engine) believe(ctx context.Context, reports []channel.Report) (receipts []campaigns.Receipt, err error) {
	key, err := e.store.Secret(ctx, "links")
	if err != nil {
		return nil, err
	}
	err = e.store.View(ctx, func(tx *store.Tx) error {
		receipts = nil
		for _, r := range reports {
			receipt, ok, err := believed(ctx, tx, links{key: key}, r)
			if err != nil {
				return err
			}
			if ok {
				receipts = append(receipts, receipt)
			}
		}
		return nil
	})
	return receipts, err
}

func believed(ctx context.Context, tx *store.Tx, l links, r channel.Report) (receipt campaigns.Receipt, ok bool, err error) {
	_, id, signed := l.readBounceTag(r.Tag)
	if !signed {
		id = r.MessageID
	}
	if id == (campaigns.ID{}) {
		return receipt, false, nil
	}
	m, err := tx.Message(ctx, id)
	if campaigns.CodeOf(err) == campaigns.CodeNotFound {
		return receipt, false, nil
	}
	if err != nil {
		return receipt, false, err
	}
	ours := strings.EqualFold(r.Address, m.Address)
	if m.Channel != campaigns.Email || m.Ghost || !signed && !ours {
		return receipt, false, nil
	}
	receipt = r.Receipt
	receipt.MessageID, receipt.No, receipt.Address, receipt.ProviderID = m.ID, m.No, "", ""
	receipt.Hard = receipt.Hard && (ours || r.Address == "")
	return receipt, true, nil
}

// hookBounces takes bounces and complaints that a provider posts: a report as a message (RFC 5322), notices of ours as JSON,
// or the notifications of Amazon SES. A report is believed like one from a mailbox; notices are the provider's own word.
func (e *Engine) hookBounces(ctx context.Context, c *campaigns.Channel, h Hook) error {
	if err := hookAllowed(c, h); err != nil {
		return err
	}
	if !c.Carries(campaigns.Email) {
		return campaigns.Conflict("the channel %s carries no e-mail, and reads no bounces", c.ID)
	}
	body := bytes.TrimSpace(h.Body)
	if len(body) > 0 && (body[0] == '{' || body[0] == '[') {
		receipts, err := e.notices(ctx, c, body)
		if err != nil || len(receipts) == 0 {
			return err
		}
		return e.Receive(ctx, c.ID, receipts)
	}
	_, err := e.takeReport(ctx, c.ID, h.Body)
	return err
}

// takeReport keeps what a report says; believed is false when there was nothing in it to believe. What is no report is a
// campaigns.Error.
func (e *Engine) takeReport(ctx context.Context, channelID string, raw []byte) (believed bool, err error) {
	reports, err := channel.ReadReport(raw, e.store.Now())
	if err != nil {
		return false, err
	}
	receipts, err := e.believe(ctx, reports)
	if err != nil || len(receipts) == 0 {
		return false, err
	}
	return true, e.Receive(ctx, channelID, receipts)
}
