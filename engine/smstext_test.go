package engine

import (
	"testing"

	"beckon/templates"
)

func TestASendersWordsReadWellInAnyLanguage(t *testing.T) {
	cases := map[string]struct{ signOff, text, optOut, want string }{
		"Chinese":                    {"【晨光】", "周末全场八折", "拒收请回复R", "【晨光】周末全场八折拒收请回复R"},
		"Chinese with a full stop":   {"【晨光】", "周末全场八折。", "Reply STOP", "【晨光】周末全场八折。Reply STOP"},
		"Chinese, then Latin":        {"", "周末全场八折", "Reply STOP", "周末全场八折 Reply STOP"},
		"English":                    {"Beckon:", "20% off today.", "Reply STOP", "Beckon: 20% off today. Reply STOP"},
		"English in brackets":        {"【Beckon】", "20% off", "Reply STOP", "【Beckon】20% off Reply STOP"},
		"an address before Chinese":  {"", "看 https://b.cn/aX", "拒收请回复R", "看 https://b.cn/aX 拒收请回复R"},
		"an address before brackets": {"", "看 https://b.cn/aX", "（拒收回复R）", "看 https://b.cn/aX （拒收回复R）"},
		"a line of its own":          {"", "20% off\n", "Reply STOP", "20% off\nReply STOP"},
		"nothing to add":             {"", "20% off", "", "20% off"},
		"nothing to say":             {"【晨光】", "", "拒收请回复R", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			words := templates.Parts{"text": c.text}
			if got := smsText(words, c.signOff, c.optOut)["text"]; got != c.want || words["text"] != c.text {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
