// Package channel hands finished messages to providers and says what became of them: e-mail over SMTP, text messages over
// SMPP, either through an HTTP gateway, and the catcher that keeps everything on this machine. It also reads what providers
// say later: receipts, bounces, complaints, answers of people.
//
// Why four outcomes: a message must be sent at most once and none may be forgotten. Whoever calls Send repeats what is
// Temporary and nothing else, so Temporary is said only when the provider cannot have accepted the message. Where the
// connection ended between the last byte and the answer nobody can know, and that is Unknown.
//
// Why a Sender says its Window: an SMTP session does one thing at a time, and parallel sending is several Senders. An SMPP
// session or an HTTP service has many messages on their way at once: its Send may be called by as many goroutines.
package channel

import (
	"context"
	"time"
	"unicode"
	"unicode/utf8"

	"strings"

	"beckon/campaigns"
	"beckon/templates"
)

// Message is one finished message to one address.
type Message struct {
	ID              string            // ours, letters, digits, . _ and -; it becomes the local part of the Message-ID
	To              string            // a bare address
	Parts           templates.Parts   // subject, html and text of an email, text of an sms
	ListUnsubscribe string            // an http or https address for one-click unsubscription (RFC 8058), may be empty
	BounceTag       string            // what the return path carries, so that a bounce names the message; may be empty
	Headers         map[string]string // further header fields, none that the sender writes itself
	NotAfter        time.Time         // its useful time, for providers that keep it themselves; zero for none
	Template        *Registered       // the registered template that its provider wants instead of the words; nil for none
}

// Registered is a template that a provider knows by a code, with the values of its variables.
type Registered struct {
	Code   string
	Params map[string]string
}

// Status says what is known about a message after Send.
type Status string

// The statuses.
const (
	Sent      Status = "sent"      // the provider accepted it
	Temporary Status = "temporary" // it was not accepted and may be sent again
	Permanent Status = "permanent" // it was refused, or cannot be sent as it is: the same message would be refused again
	Unknown   Status = "unknown"   // it was handed over, and the answer was lost: sending it again may send it twice
)

// Outcome is the result of one Send.
type Outcome struct {
	Status      Status
	ProviderID  string        // the provider's name for a message that it accepted, also of one refused after some of its segments
	MoreIDs     []string      // of its further segments, where each has a name of its own
	Segments    int           // of a text message: those that were accepted or may have been; 0 for others, and where nobody counted
	Detail      string        // what the provider answered, or what was wrong
	RetryAfter  time.Duration // how long the provider asks to wait after Temporary; 0: it does not say
	Throttled   bool          // Temporary because the provider was given too much: everybody should slow down
	Unavailable bool          // Temporary because the provider cannot be used at all (no connection, no login): no attempt of the message
	Hard        bool          // Permanent because the address does not exist: it should never be tried again
	Keep        bool          // the caller stores the content, because nobody else has it
}

// Sender hands messages to one provider.
type Sender interface {
	// Send returns when the outcome is known, or known to be unknown. It never fails otherwise. Its context ends when the
	// node stops and cannot wait any longer: what the provider may have by then is Unknown.
	Send(ctx context.Context, m Message) Outcome
	// Window is how many Sends may run at once: 1 where a session does one thing at a time.
	Window() int
	// Close ends the session with the provider. Sending after it begins a new one.
	Close() error
}

// Asker is a Sender whose provider can be asked what became of a message that it may have accepted.
type Asker interface {
	// Ask gives what the provider says as receipts: naming the message by the provider's ids where it has several, else
	// naming nothing; none where it knows nothing, or cannot be asked about this message. An error says that it could not be
	// asked at all now. It may be called while messages are being sent.
	Ask(ctx context.Context, q Question) ([]campaigns.Receipt, error)
}

// Question is about one message whose outcome is unknown.
type Question struct {
	ID          string    // ours
	To          string    // its address
	ProviderIDs []string  // the provider's names for it, or for its segments, as Send gave them; none where no answer came
	SentAt      time.Time // when it was handed over
}

// Listener takes what a provider says by itself over a session. Both return only when what they were given is durable: an
// error means that the provider should say it again.
type Listener struct {
	Receipts func(ctx context.Context, receipts []campaigns.Receipt) error
	Inbound  func(ctx context.Context, inbound []campaigns.Inbound) error
}

// Options of Open. The clock dates the messages.
type Options struct {
	Clock    func() time.Time
	Listener Listener // its functions may be nil: then the provider is told nothing was taken
	Hooks    string   // the public address under which providers reach this channel's hooks, empty for none
}

// Open makes the Sender of a channel. One that only sends connects with the first message; one whose provider speaks by
// itself keeps its session from now on until Close. Errors are campaigns.Errors.
func Open(c campaigns.Channel, o Options) (Sender, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	switch c.Kind {
	case campaigns.KindSMTP:
		return openSMTP(c.Settings, o.Clock, timeout)
	case campaigns.KindSMPP:
		return openSMPP(c.Settings, o)
	case campaigns.KindGateway:
		return openGateway(c.Settings, o)
	}
	return catcher{}, nil
}

// Check says what is wrong with a channel, with all that Open would find. It connects to nobody.
func Check(c campaigns.Channel) error {
	if err := c.Check(); err != nil || c.Kind != campaigns.KindGateway {
		return err
	}
	_, err := openGateway(c.Settings, Options{})
	return err
}

func oneLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
