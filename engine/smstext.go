package engine

import (
	"maps"
	"unicode"
	"unicode/utf8"

	"beckon/campaigns"
	"beckon/engine/channel"
	"beckon/templates"
)

// A sender's words stand around each text message: its sign-off before it, and after a marketing one how to get no more.
//
// Why they are kept with the message, among its variables: a channel's settings may change, and what a message said must be
// made again byte for byte.

// channelGroup is the group of a message's variables that keeps what its channel adds; no template can name it.
const channelGroup = "channel"

// smsText puts a sender's words around a text message; what has no text stays as it is.
func smsText(parts templates.Parts, signOff, optOut string) templates.Parts {
	text := parts["text"]
	if text == "" || signOff == "" && optOut == "" {
		return parts
	}
	around := maps.Clone(parts)
	around["text"] = beside(beside(signOff, text), optOut)
	return around
}

// beside joins two texts as they are read: with a space, except after a space or a line's end, after wide punctuation
// (【Brand】Hello), and between two wide characters, since Chinese and Japanese put none. Before wide characters that follow
// others stands one: an address of the web would not end before them.
func beside(before, after string) string {
	if before == "" || after == "" {
		return before + after
	}
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(after)
	if unicode.IsSpace(last) || unicode.IsSpace(first) || isWidePunctuation(last) || isWide(last) && isWide(first) {
		return before + after
	}
	return before + " " + after
}

func isWide(r rune) bool {
	return isWidePunctuation(r) || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

// isWidePunctuation recognises what carries its own space: CJK punctuation and the full-width forms of signs.
func isWidePunctuation(r rune) bool {
	return r >= 0x3000 && r <= 0x303F || r >= 0xFF00 && r <= 0xFF0F || r >= 0xFF1A && r <= 0xFF20 || r >= 0xFF3B && r <= 0xFF40 || r >= 0xFF5B && r <= 0xFF65
}

// signs gives a way its channel's words: how to get no more stands under marketing alone.
func (w *way) signs(c *campaigns.Channel, purpose string) {
	if w.kind != campaigns.SMS {
		return
	}
	w.signOff = c.Settings.SignOff
	if purpose == "marketing" {
		w.optOut = c.Settings.OptOut
	}
	w.around = map[string]any{}
	for name, text := range map[string]string{"sign_off": w.signOff, "opt_out": w.optOut} {
		if text != "" {
			w.around[name] = text
		}
	}
}

// withChannelWords puts what a message's channel adds around its words.
func withChannelWords(parts templates.Parts, m *campaigns.Message) templates.Parts {
	words, _ := m.Vars[channelGroup].(map[string]any)
	if m.Channel != campaigns.SMS || words == nil {
		return parts
	}
	signOff, _ := words["sign_off"].(string)
	optOut, _ := words["opt_out"].(string)
	return smsText(parts, signOff, optOut)
}

// segmentsOf is how many segments a message had: as its provider's sender says, else as they are counted.
func segmentsOf(m *campaigns.Message, parts templates.Parts, o channel.Outcome) int {
	if o.Segments == 0 && o.Status == channel.Sent && m.Channel == campaigns.SMS {
		return templates.Segments(parts["text"]).Segments
	}
	return o.Segments
}
