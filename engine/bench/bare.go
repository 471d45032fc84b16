package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/wneessen/go-mail"

	"beckon/campaigns"
	"beckon/engine/channel"
)

const (
	sender     = "shop@example.com"
	senderName = "The Shop"
)

// bare sends a round's messages by go-mail alone: they are finished before the clock starts, each connection sends its
// share in one go, and no NOOP or RSET is said between them, as ours says none.
func (s *sending) bare(ctx context.Context, round int) (float64, error) {
	queued, err := s.queue(ctx, round)
	if err != nil {
		return 0, err
	}
	shares := make([][]*mail.Msg, sendConnections)
	for i := range queued.messages {
		m, err := s.finished(&queued.messages[i])
		if err != nil {
			return 0, err
		}
		shares[i%sendConnections] = append(shares[i%sendConnections], m)
	}
	var workers sync.WaitGroup
	failed := make([]error, sendConnections)
	start := s.Clock()
	for i, share := range shares {
		workers.Go(func() { failed[i] = s.sendShare(ctx, share) })
	}
	workers.Wait()
	took := s.Clock().Sub(start)
	if err := errors.Join(failed...); err != nil {
		return 0, err
	}
	return float64(s.n) / took.Seconds(), s.sink.arrived(s.shape.signed)
}

func (s *sending) sendShare(ctx context.Context, share []*mail.Msg) error {
	client, err := mail.NewClient("127.0.0.1", mail.WithPort(s.sink.port()), mail.WithTLSPolicy(mail.NoTLS), mail.WithoutNoop(), mail.WithoutRset())
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return fmt.Errorf("connecting to the sink: %w", err)
	}
	return errors.Join(client.Send(share...), client.Close())
}

// finished is a queued message as the engine would send it.
func (s *sending) finished(m *campaigns.Message) (*mail.Msg, error) {
	parts, err := s.parsed.Render(m.Vars)
	if err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.FromFormat(senderName, sender), msg.To(m.Address)); err != nil {
		return nil, err
	}
	msg.Subject(parts["subject"])
	msg.SetDateWithValue(s.Clock())
	msg.SetMessageIDWithValue(m.ID.String() + "@example.com")
	msg.SetGenHeader(mail.HeaderListUnsubscribe, "<https://shop.example.com/u/ZYCAAQECAwQFBgcICQoLDA>")
	msg.SetGenHeader(mail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
	msg.SetBodyString(mail.TypeTextPlain, parts["text"])
	msg.AddAlternativeString(mail.TypeTextHTML, parts["html"])
	if s.signer != nil {
		msg.SetDKIM(s.signer)
	}
	return msg, nil
}

// sign makes a key, gives it to the channel, and a signer with it to the bare loop.
func (s *sending) sign(settings *campaigns.ChannelSettings) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	_, domain, _ := strings.Cut(sender, "@")
	settings.DKIMDomain, settings.DKIMSelector = domain, "bench"
	settings.DKIMKey = new(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	s.signer, err = channel.OpenDKIM(*settings, s.Clock)
	return err
}
