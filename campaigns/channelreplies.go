package campaigns

import "unicode/utf8"

// ReplySettings are what a channel for text messages answers to words such as STOP.
type ReplySettings struct {
	StopReply  string `json:"stop_reply,omitempty" doc:"confirms that somebody left by STOP, 退订 and the like; a preset in the language of the word if left out, - for none"`
	StartReply string `json:"start_reply,omitempty" doc:"confirms START, 恢复 and the like; likewise"`
	HelpReply  string `json:"help_reply,omitempty" doc:"answers HELP, 帮助 and the like; none if left out"`
}

// NoReply in the place of a reply means that none is sent.
const NoReply = "-"

// Reply is what a channel answers to a word in a language, zh or en; empty for nothing.
func (s *ReplySettings) Reply(word Word, language string) string {
	text := ""
	switch word {
	case WordStop:
		text = s.StopReply
	case WordStart:
		text = s.StartReply
	case WordHelp:
		text = s.HelpReply
	}
	if text == NoReply {
		return ""
	}
	if text != "" || word == WordHelp {
		return text
	}
	presets := map[Word][2]string{
		WordStop:  {"您已退订，不会再收到我们的营销短信。回复“恢复”可重新订阅。", "You are unsubscribed and will get no more marketing messages. Reply START to subscribe again."},
		WordStart: {"您已重新订阅我们的短信。回复TD退订。", "You are subscribed again. Reply STOP to unsubscribe."},
	}
	if language == "zh" {
		return presets[word][0]
	}
	return presets[word][1]
}

// replyMax is the most characters of a reply.
const replyMax = 500

func (s *ReplySettings) check() error {
	var checks Checks
	for field, text := range map[string]string{"stop_reply": s.StopReply, "start_reply": s.StartReply, "help_reply": s.HelpReply} {
		checks.Require(utf8.RuneCountInString(text) <= replyMax, field, "is longer than %d characters", replyMax)
		checks.Add(CheckText(field, text))
	}
	return checks.Err()
}
