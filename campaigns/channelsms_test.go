package campaigns

import (
	"errors"
	"strings"
	"testing"
)

func TestSettingsOfTextsAreCheckedByField(t *testing.T) {
	cases := map[string]struct {
		change func(s *ChannelSettings)
		field  string
	}{
		"all well":                   {func(*ChannelSettings) {}, ""},
		"a number as sender":         {func(s *ChannelSettings) { s.From = "+4915112345678" }, ""},
		"the provider's sender":      {func(s *ChannelSettings) { s.From = "" }, ""},
		"a sender of 12 letters":     {func(s *ChannelSettings) { s.From = "Twelveletter" }, "settings.from"},
		"a sender with an accent":    {func(s *ChannelSettings) { s.From = "Café" }, "settings.from"},
		"a plus alone":               {func(s *ChannelSettings) { s.From = "+" }, "settings.from"},
		"a number without end":       {func(s *ChannelSettings) { s.From = strings.Repeat("1", 21) }, "settings.from"},
		"a sign-off of two lines":    {func(s *ChannelSettings) { s.SignOff = "a\nb" }, "settings.sign_off"},
		"an opt-out like a novel":    {func(s *ChannelSettings) { s.OptOut = strings.Repeat("退", 101) }, "settings.opt_out"},
		"a wide window":              {func(s *ChannelSettings) { s.Window = 1001 }, "settings.window"},
		"a window of less than none": {func(s *ChannelSettings) { s.Window = -1 }, "settings.window"},
		"some way of long texts":     {func(s *ChannelSettings) { s.Long = "carrier pigeon" }, "settings.long"},
		"some ids of receipts":       {func(s *ChannelSettings) { s.ReceiptIDs = "octal" }, "settings.receipt_ids"},
		"a type of number above all": {func(s *ChannelSettings) { s.SourceTON = 7 }, "settings.source_ton"},
		"a plan above all":           {func(s *ChannelSettings) { s.SourceNPI = 19 }, "settings.source_npi"},
		"a system type of a page":    {func(s *ChannelSettings) { s.SystemType = strings.Repeat("a", 13) }, "settings.system_type"},
		"starttls":                   {func(s *ChannelSettings) { s.TLS = "starttls" }, "settings.tls"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := ChannelSettings{Host: "smsc.example.com", Username: "shop", EmailSettings: EmailSettings{From: "Shop"}, SMSSettings: SMSSettings{SignOff: "【晨光】", OptOut: "拒收请回复R"}}
			c.change(&s)
			err := (&Channel{ID: "texts", Name: "Texts", Kind: KindSMPP, Settings: s}).Check()
			var e *Error
			if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &e) || e.Problems[0].Field != c.field || e.Problems[0].Message == "") {
				t.Errorf("%v, want a problem with %q", err, c.field)
			}
		})
	}
}

func TestASenderHasTheTypeAndPlanThatItLooksLike(t *testing.T) {
	cases := map[string]struct {
		settings ChannelSettings
		ton, npi byte
		address  string
	}{
		"a name":                  {ChannelSettings{EmailSettings: EmailSettings{From: "Shop"}}, 5, 0, "Shop"},
		"an international number": {ChannelSettings{EmailSettings: EmailSettings{From: "+4915112345678"}}, 1, 1, "4915112345678"},
		"a short number":          {ChannelSettings{EmailSettings: EmailSettings{From: "10690001"}}, 0, 1, "10690001"},
		"nobody":                  {ChannelSettings{}, 0, 0, ""},
		"what was set":            {ChannelSettings{EmailSettings: EmailSettings{From: "10690001"}, SMPPSettings: SMPPSettings{SourceTON: 3, SourceNPI: 1}}, 3, 1, "10690001"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if ton, npi, address := c.settings.Source(); ton != c.ton || npi != c.npi || address != c.address {
				t.Errorf("%d/%d %q", ton, npi, address)
			}
		})
	}
}

func TestLandlinesTakeNoTexts(t *testing.T) {
	for number, takes := range map[string]bool{"+8613812345678": true, "+861065529988": false, "+4915112345678": true, "+493012345678": false,
		"+12025550123": true /* the plan does not tell */, "13812345678": false, "+86138": false, "": false, "+8613812345678\x00": false} {
		if err := CheckTextNumber(number); (err == nil) != takes {
			t.Errorf("%q: %v", number, err)
		}
	}
}
