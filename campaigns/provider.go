package campaigns

import "time"

// A Provider is what all nodes know together about the service behind a channel: how far its rate is used up, whether it
// asked for a rest, and its circuit. The circuit opens after FaultsMax messages in a row for which the provider could not be
// used at all, or broke off; while it is open nothing is sent through it, but for one message after a while, which tries whether it works
// again: then it is closed, else it stays open for twice as long.
type Provider struct {
	ChannelID  string
	PacedTo    time.Time // the end of the last slot of its rate that was taken
	RestsUntil time.Time // it said that it was given too much: nobody sends before
	Throttles  int       // how often it said so without having accepted anything between
	Faults     int       // messages in a row for which it could not be used
	Opens      int       // how often the circuit opened without having been closed
	OpenUntil  time.Time // zero while the circuit is closed; afterwards one message tries it
	Probe      ID        // who has that message in hand
	ProbeUntil time.Time // until when
	Reason     string    // what was wrong last
}

// FaultsMax is after how many faults in a row a provider's circuit opens.
const FaultsMax = 5

// RetryAfterMax is the longest that a provider may have us wait. One that asks for a year is asked again before: it answers
// that it takes nothing, and nothing else comes of it.
const RetryAfterMax = 15 * time.Minute

const (
	openMin = 10 * time.Second
	openMax = 5 * time.Minute
	restMin = time.Second
	restMax = time.Minute
)

// IsOpen says whether the circuit is open, also while one message tries it.
func (p *Provider) IsOpen() bool { return !p.OpenUntil.IsZero() }

// MayProbe says whether one message may try an open circuit now.
func (p *Provider) MayProbe(now time.Time) bool {
	return p.IsOpen() && !p.OpenUntil.After(now) && !p.ProbeUntil.After(now)
}

// Tell takes what became of a batch of messages, in their order as far as they had one. Probe is who sent it, where the
// batch was the message that tried an open circuit.
func (p *Provider) Tell(now time.Time, batch Answers, probe ID) {
	if batch.Worked {
		p.Throttles, p.Faults = 0, 0
	}
	p.Faults += batch.Faults
	if batch.Throttled && !p.RestsUntil.After(now) {
		p.RestsUntil = now.Add(max(min(batch.RetryAfter, RetryAfterMax), min(restMin<<min(p.Throttles, 10), restMax)))
		p.Throttles++
	}
	if batch.Reason != "" {
		p.Reason = batch.Reason
	}
	tried := p.IsOpen() && p.Probe == probe
	switch {
	case tried && (batch.Worked || batch.Throttled):
		p.Opens, p.OpenUntil, p.Reason = 0, time.Time{}, ""
	case tried && batch.Faults > 0, !p.IsOpen() && p.Faults >= FaultsMax:
		p.OpenUntil = now.Add(min(openMin<<min(p.Opens, 10), openMax))
		p.Opens++
	}
	if tried {
		p.Probe, p.ProbeUntil = ID{}, time.Time{}
	}
}

// Answers are what a batch of messages tells about a provider. Faults are counted since the last message that it answered.
type Answers struct {
	Worked     bool
	Faults     int
	Throttled  bool
	RetryAfter time.Duration
	Reason     string
}

// Tells says whether there is anything in the answers that the provider's state as it was last seen does not say already.
func (a Answers) Tells(p *Provider) bool {
	return a.Faults > 0 || a.Throttled || (a.Worked && (p.Faults > 0 || p.Throttles > 0))
}

// ChannelState is how a channel's provider does, as people read it.
type ChannelState struct {
	Circuit string     `json:"circuit" enum:"closed,open,half_open" doc:"half_open: one message tries whether the provider works again"`
	Until   *time.Time `json:"until,omitempty" doc:"while it is open: when it is tried again"`
	Reason  string     `json:"reason,omitempty" doc:"what was wrong last"`
	Faults  int        `json:"faults" doc:"messages in a row for which the provider could not be used"`
	RestsTo *time.Time `json:"rests_until,omitempty" doc:"the provider said that it was given too much: nothing is sent before"`
}

// State is the provider's state at an instant, for people.
func (p *Provider) State(now time.Time) ChannelState {
	s := ChannelState{Circuit: "closed", Faults: p.Faults, Reason: p.Reason}
	if p.RestsUntil.After(now) {
		s.RestsTo = &p.RestsUntil
	}
	switch {
	case p.IsOpen() && p.OpenUntil.After(now):
		s.Circuit, s.Until = "open", &p.OpenUntil
	case p.IsOpen():
		s.Circuit = "half_open"
	}
	return s
}

// paceAhead is how far ahead slots of a rate are taken.
const paceAhead = 2 * time.Second

// Room is how many slots of a rate (messages a second) may be taken at an instant, at least one where the last one ends soon.
func (p *Provider) Room(now time.Time, rate float64) int {
	from := p.from(now)
	if from.After(now.Add(paceAhead)) {
		return 0
	}
	return max(1, int(now.Add(paceAhead).Sub(from).Seconds()*rate))
}

// TakeSlots takes n slots and says when each begins.
func (p *Provider) TakeSlots(now time.Time, rate float64, n int) []time.Time {
	from, slots := p.from(now), make([]time.Time, n)
	for i := range slots {
		slots[i] = from.Add(time.Duration(float64(i) / rate * float64(time.Second)))
	}
	p.PacedTo = from.Add(time.Duration(float64(n) / rate * float64(time.Second)))
	return slots
}

func (p *Provider) from(now time.Time) time.Time {
	for _, at := range []time.Time{p.PacedTo, p.RestsUntil} {
		if at.After(now) {
			now = at
		}
	}
	return now
}
