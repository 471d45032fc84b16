package channel

import "context"

// catcher keeps messages instead of sending them: the preset of a fresh service, so that nothing leaves the machine
// until a provider is configured.
type catcher struct{}

func (catcher) Send(_ context.Context, m Message) Outcome {
	return Outcome{Status: Sent, ProviderID: m.ID, Detail: "kept by the catcher", Keep: true}
}

func (catcher) Close() error { return nil }

func (catcher) Window() int { return 1 }
