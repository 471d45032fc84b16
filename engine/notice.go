package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

const (
	noticesMax = 1000 // in one body
	detailMax  = 300  // bytes of one that are kept
)

// A notice is what a provider posts about one e-mail. Hard says that the address will never work; it is false where it is
// left out.
type notice struct {
	Type       string     `json:"type"` // bounce, complaint or delivered
	MessageID  string     `json:"message_id"`
	ProviderID string     `json:"provider_id"`
	Email      string     `json:"email"`
	Hard       bool       `json:"hard"`
	At         *time.Time `json:"at"`
	Detail     string     `json:"detail"`

	amazon
}

// amazon is what Amazon SES says, by itself or as the Message of an SNS notification.
type amazon struct {
	Message      string `json:"Message"`
	SubscribeURL string `json:"SubscribeURL"`

	NotificationType string `json:"notificationType"`
	EventType        string `json:"eventType"`
	Mail             struct {
		MessageID string `json:"messageId"`
	} `json:"mail"`
	Bounce struct {
		BounceType        string     `json:"bounceType"`
		BounceSubType     string     `json:"bounceSubType"`
		Timestamp         *time.Time `json:"timestamp"`
		BouncedRecipients []struct {
			Status         string `json:"status"`
			DiagnosticCode string `json:"diagnosticCode"`
		} `json:"bouncedRecipients"`
	} `json:"bounce"`
	Complaint struct {
		Timestamp             *time.Time `json:"timestamp"`
		ComplaintFeedbackType string     `json:"complaintFeedbackType"`
	} `json:"complaint"`
	Delivery struct {
		Timestamp    *time.Time `json:"timestamp"`
		SMTPResponse string     `json:"smtpResponse"`
	} `json:"delivery"`
}

// notices reads one notice or a list of them. A message that is not ours is passed over: a provider would repeat what is
// refused for days.
func (e *Engine) notices(ctx context.Context, c *campaigns.Channel, body []byte) (receipts []campaigns.Receipt, err error) {
	var list []notice
	if body[0] == '[' {
		err = json.Unmarshal(body, &list)
	} else {
		list = make([]notice, 1)
		err = json.Unmarshal(body, &list[0])
	}
	if err != nil {
		return nil, campaigns.Invalid("body", "it is no notice of a bounce that can be read: %v", err)
	}
	if len(list) > noticesMax {
		return nil, campaigns.Invalid("body", "it holds %d notices: post up to %d at once", len(list), noticesMax)
	}
	for i, n := range list {
		if n.Type == "SubscriptionConfirmation" {
			e.log.Warn("Amazon SNS asks whether it may post notifications: open the address to confirm", "channel", c.ID, "url", n.SubscribeURL[:min(len(n.SubscribeURL), 1000)])
			continue
		}
		if n, err = n.plain(); err != nil {
			return nil, err
		}
		receipt, ok, err := n.receipt(fmt.Sprintf("[%d].", i))
		if err != nil {
			return nil, err
		}
		if ok {
			receipts = append(receipts, receipt)
		}
	}
	return e.named(ctx, receipts)
}

// plain is a notice of Amazon's as one of ours; others stay as they are.
func (n notice) plain() (notice, error) {
	if n.Type == "Notification" && n.Message != "" {
		inner := notice{}
		if err := json.Unmarshal([]byte(n.Message), &inner); err != nil {
			return n, campaigns.Invalid("Message", "it is no JSON: %v", err)
		}
		n = inner
	}
	kind := n.NotificationType
	if kind == "" {
		kind = n.EventType
	}
	if kind == "" {
		return n, nil
	}
	n.ProviderID = n.Mail.MessageID
	switch kind {
	case "Bounce":
		n.Type, n.Hard, n.At, n.Detail = "bounce", n.Bounce.BounceType == "Permanent", n.Bounce.Timestamp, n.Bounce.BounceType+" "+n.Bounce.BounceSubType
		for _, r := range n.Bounce.BouncedRecipients {
			if len(n.Detail) > detailMax {
				break // more is not kept
			}
			n.Detail += ": " + r.Status + " " + r.DiagnosticCode
		}
	case "Complaint":
		n.Type, n.At, n.Detail = "complaint", n.Complaint.Timestamp, "complaint: "+n.Complaint.ComplaintFeedbackType
		if n.Complaint.ComplaintFeedbackType == "not-spam" {
			n.Type = "ignored"
		}
	case "Delivery":
		n.Type, n.At, n.Detail = "delivered", n.Delivery.Timestamp, n.Delivery.SMTPResponse
	default:
		n.Type = "ignored" // opens, clicks and what else one may subscribe to
	}
	return n, nil
}

// receipt is what a notice says; ok is false when that is nothing.
func (n notice) receipt(at string) (r campaigns.Receipt, ok bool, err error) {
	r = campaigns.Receipt{ProviderID: n.ProviderID, Detail: strings.ToValidUTF8(n.Detail[:min(len(n.Detail), detailMax)], "")}
	switch n.Type {
	case "bounce", "bounced":
		r.Status, r.Hard = campaigns.MessageBounced, n.Hard
	case "complaint":
		r.Complaint = true
	case "delivered", "delivery":
		r.Status = campaigns.MessageDelivered
	case "ignored":
		return r, false, nil
	default:
		return r, false, campaigns.Invalid(at+"type", "%q should be bounce, complaint or delivered", n.Type[:min(len(n.Type), 40)])
	}
	if n.At != nil {
		r.At = n.At.UTC()
	}
	switch {
	case n.MessageID != "":
		local, _, _ := strings.Cut(strings.Trim(n.MessageID, "<> "), "@")
		if r.MessageID, err = campaigns.ParseID("message", local); err != nil {
			return r, false, campaigns.Invalid(at+"message_id", "is no id of a message")
		}
	case n.ProviderID != "":
	case n.Email != "":
		if r.Address, err = campaigns.NormalEmail(n.Email); err != nil {
			return r, false, campaigns.Invalid(at+"email", "is no e-mail address")
		}
	default:
		return r, false, campaigns.Invalid(at+"message_id", "is missing: name the message by message_id or provider_id, or its address by email")
	}
	return r, true, nil
}

// named finds the customers' numbers of messages that receipts name by our id, and leaves out those that are not ours.
func (e *Engine) named(ctx context.Context, receipts []campaigns.Receipt) (found []campaigns.Receipt, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		found = nil
		for _, r := range receipts {
			if r.MessageID != (campaigns.ID{}) {
				m, err := tx.Message(ctx, r.MessageID)
				if campaigns.CodeOf(err) == campaigns.CodeNotFound {
					continue
				}
				if err != nil {
					return err
				}
				r.No = m.No
			}
			found = append(found, r)
		}
		return nil
	})
	return found, err
}
