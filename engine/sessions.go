package engine

import (
	"slices"
	"sync"

	"beckon/campaigns"
	"beckon/engine/channel"
)

// sessions are those of this node's workers with SMSCs. Answers and questions go over them as well: an SMSC may refuse a
// second session, or end the first.
type sessions struct {
	mu   sync.Mutex
	open map[string][]*session
	kept bool // workers keep sessions all the time: nobody else opens any
}

// A session is a worker's sender, which may be closed only when nobody sends over it any more.
type session struct {
	sender channel.Sender
	users  int
	over   bool // the worker has done with it
}

// share lets others send over a worker's sender.
func (s *sessions) share(channelID string, sender channel.Sender) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string][]*session{}
	}
	shared := &session{sender: sender}
	s.open[channelID] = append(s.open[channelID], shared)
	return shared
}

// end lets nobody begin to use a session. With closing it is closed, by the last who uses it.
func (s *sessions) end(channelID string, shared *session, closing bool) {
	s.mu.Lock()
	s.open[channelID] = slices.DeleteFunc(s.open[channelID], func(other *session) bool { return other == shared })
	shared.over = closing
	closing = closing && shared.users == 0
	s.mu.Unlock()
	if closing {
		_ = shared.sender.Close() // the session ends either way
	}
}

// borrow gives a channel's sessions; whoever got some gives them back.
func (s *sessions) borrow(channelID string) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	borrowed := slices.Clone(s.open[channelID])
	for _, shared := range borrowed {
		shared.users++
	}
	return borrowed
}

func (s *sessions) giveBack(borrowed []*session) {
	var last []*session
	s.mu.Lock()
	for _, shared := range borrowed {
		if shared.users--; shared.users == 0 && shared.over {
			last = append(last, shared)
		}
	}
	s.mu.Unlock()
	for _, shared := range last {
		_ = shared.sender.Close() // the session ends either way
	}
}

// keep says whether workers keep sessions from now on.
func (s *sessions) keep(kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = kept
}

func (s *sessions) areKept() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept
}

// senders are what something beside a channel's messages is sent through: the sessions that its workers have, else one of its
// own. None while the workers have not opened theirs yet. The caller calls done.
func (e *Engine) senders(c *campaigns.Channel) (found []channel.Sender, done func(), err error) {
	if borrowed := e.sessions.borrow(c.ID); len(borrowed) > 0 {
		for _, shared := range borrowed {
			found = append(found, shared.sender)
		}
		return found, func() { e.sessions.giveBack(borrowed) }, nil
	}
	if c.Kind == campaigns.KindSMPP && e.sessions.areKept() {
		return nil, func() {}, nil
	}
	own, err := e.opens(*c, e.heard(c.ID))
	if err != nil {
		return nil, nil, err
	}
	return []channel.Sender{own}, func() { _ = own.Close() }, nil // the session ends either way
}

func (w *worker) close() {
	switch {
	case w.shared != nil:
		w.engine.sessions.end(w.channelID, w.shared, true)
	case w.sender != nil:
		_ = w.sender.Close() // the session ends either way
	}
	w.sender, w.shared = nil, nil
}

// abandon leaves a sender alone that hangs in a message.
func (w *worker) abandon() {
	if w.shared != nil {
		w.engine.sessions.end(w.channelID, w.shared, false)
	}
	w.sender, w.shared = nil, nil
}
