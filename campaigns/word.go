package campaigns

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// A Word is what a text from somebody asks for, where the whole text is one of the known words.
type Word string

// The words. An empty one is any other text.
const (
	WordStop  Word = "stop"
	WordStart Word = "start"
	WordHelp  Word = "help"
)

// wordMax is the most bytes of a text that can be a word: longer ones are not looked at.
const wordMax = 60

// words are the folded texts, those of which the language is Chinese last: telecoms' short forms (TD, T, R, N) are typed in
// China, and so are answered in Chinese.
func words() map[Word][2][]string {
	return map[Word][2][]string{
		WordStop: {{"stop", "stopall", "stop all", "unsubscribe", "unsub", "cancel", "end", "quit", "optout", "opt out", "opt-out", "remove"},
			{"td", "t", "r", "n", "qx", "退订", "退定", "退訂", "退", "取消", "取消订阅", "取消訂閱", "拒收", "拒收短信", "不再接收", "停止"}},
		WordStart: {{"start", "unstop", "yes", "subscribe", "optin", "opt in", "opt-in"}, {"订阅", "訂閱", "恢复", "恢復", "恢复订阅", "开始"}},
		WordHelp:  {{"help", "info"}, {"帮助", "幫助", "查询"}},
	}
}

// WordOf is the word that a text is, and its language, zh or en. The whole text counts: case, full and half width, and
// spaces and punctuation around it do not.
func WordOf(text string) (word Word, language string) {
	if len(text) > wordMax {
		return "", ""
	}
	folded := strings.ToLower(norm.NFKC.String(text))
	folded = strings.TrimFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	folded = strings.Join(strings.Fields(folded), " ")
	for word, known := range words() {
		for i, language := range []string{"en", "zh"} {
			if slices.Contains(known[i], folded) {
				return word, language
			}
		}
	}
	return "", ""
}

// A Heard is a text that somebody sent, and what came of it.
type Heard struct {
	Inbound
	Word      Word       `json:"word,omitempty" enum:"stop,start,help" doc:"what the text asks for, where it is one of the known words"`
	Customers int        `json:"customers" doc:"to whom the sender's address belongs"`
	HandledAt *time.Time `json:"handled_at,omitempty"`
	Reply     *Reply     `json:"reply,omitempty" doc:"what was answered; left out where nothing was"`
}

// A Reply is one text in answer to a word. It is sent at most once.
type Reply struct {
	ID         ID         `json:"-"`
	InboundID  ID         `json:"-"`
	ChannelID  string     `json:"-"`
	Address    string     `json:"-"`
	Word       Word       `json:"-"`
	Text       string     `json:"text"`
	Status     string     `json:"status" enum:"queued,sending,sent,failed,unknown"`
	Attempts   int        `json:"attempts"`
	ProviderID string     `json:"provider_id,omitempty"`
	Detail     string     `json:"detail,omitempty"`
	DueAt      time.Time  `json:"-"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}
