package engine

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

func someLinks() links {
	return links{key: []byte("0123456789abcdef0123456789abcdef"), base: "https://shop.example.com"}
}

func TestALinkForLeavingNamesItsCustomerChannelAndMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := someLinks()
		want := leaving{no: rapid.Int64Range(1, 1<<62).Draw(t, "no"), channel: rapid.SampledFrom([]string{"email", "sms", "wechat", "x"}).Draw(t, "channel")}
		if rapid.Bool().Draw(t, "in a message") {
			want.message = campaigns.NewID(time.UnixMilli(rapid.Int64Range(0, 1<<40).Draw(t, "at")))
		}
		token := strings.TrimPrefix(l.unsubscribeFrom(want.message, want.no, want.channel), l.base+"/u/")
		got, ok := l.readLeaving(token)
		if !ok || got != want {
			t.Fatalf("%v, %+v; want %+v", ok, got, want)
		}
		i := rapid.IntRange(0, len(token)-1).Draw(t, "place")
		forged := token[:i] + rapid.StringMatching(`[A-Za-z0-9_-]`).Draw(t, "letter") + token[i+1:]
		if _, ok := l.readLeaving(forged); ok && forged != token {
			t.Fatalf("%s was taken for %s", forged, token)
		}
		if _, ok := l.open(forClicking, token); ok {
			t.Fatal("a link for leaving serves as one to click")
		}
	})
}

func TestALinkThatWasSentBeforeLinksNamedTheMessageStillLeaves(t *testing.T) {
	l := someLinks()
	payload := []byte{'s', 0xac, 0x02}
	got, ok := l.readLeaving(l.token(forLeaving, payload))
	if !ok || got.no != 300 || got.channel != "sms" || got.message != (campaigns.ID{}) {
		t.Errorf("%v %+v", ok, got)
	}
}

func TestOnlyLinksOfAPageAreChanged(t *testing.T) {
	l, id := someLinks(), campaigns.NewID(time.UnixMilli(1))
	pixel := `<img src="` + l.opened(7, id) + `" width="1" height="1" alt="">`
	to := func(url string) string { return `"` + l.clicked(7, id, url) + `"` }
	for name, c := range map[string]struct{ page, want string }{
		"a link":              {`<p><A class=x HREF='https://a.test/?x=1&amp;y=2' >go</A></p>`, `<p><A class=x HREF=` + to("https://a.test/?x=1&y=2") + ` >go</A></p>` + pixel},
		"one without quotes":  {`<a href=https://a.test/b>go</a>`, `<a href=` + to("https://a.test/b") + `>go</a>` + pixel},
		"the end of the body": {"<body>x</BODY></html>\n", "<body>x" + pixel + "</BODY></html>\n"},
		"mail and telephone":  {`<a href="mailto:a@b.c">m</a><a href="tel:1">t</a><a href="#x">x</a><a>n</a>`, `<a href="mailto:a@b.c">m</a><a href="tel:1">t</a><a href="#x">x</a><a>n</a>` + pixel},
		"the link for leaving": {`<a href="https://shop.example.com/u/abc">out</a>`,
			`<a href="https://shop.example.com/u/abc">out</a>` + pixel},
		"not to be counted":       {`<a data-notrack href="https://a.test">a</a><a rel="nofollow notrack" href="https://a.test">a</a>`, `<a data-notrack href="https://a.test">a</a><a rel="nofollow notrack" href="https://a.test">a</a>` + pixel},
		"no tag":                  {`<!-- <a href="https://a.test"> --><title><a href="https://a.test"></title><script>"<a href='https://a.test'>"</script>`, `<!-- <a href="https://a.test"> --><title><a href="https://a.test"></title><script>"<a href='https://a.test'>"</script>` + pixel},
		"another tag":             {`<area href="https://a.test"><img src="https://a.test/x.png"><abbr href="https://a.test">`, `<area href="https://a.test"><img src="https://a.test/x.png"><abbr href="https://a.test">` + pixel},
		"a tag that breaks off":   {`<b>x</b><a href="https://a.test`, `<b>x</b><a href="https://a.test` + pixel},
		"the first of two":        {`<a href="https://a.test" href="https://b.test">`, `<a href=` + to("https://a.test") + ` href="https://b.test">` + pixel},
		"a name and a script":     {`<a href="javascript:alert(1)">x</a><a href="//a.test">x</a>`, `<a href="javascript:alert(1)">x</a><a href="//a.test">x</a>` + pixel},
		"a bare > in a value":     {`<a title="a > b" href="https://a.test">x</a>`, `<a title="a > b" href=` + to("https://a.test") + `>x</a>` + pixel},
		"an address without host": {`<a href="https:///x">x</a>`, `<a href="https:///x">x</a>` + pixel},
	} {
		t.Run(name, func(t *testing.T) {
			if got := l.track(c.page, 7, id); got != c.want {
				t.Errorf("%s\nbecame %s\nwant   %s", c.page, got, c.want)
			}
		})
	}
}

func TestAPageLosesNothingToTracking(t *testing.T) {
	l, id := someLinks(), campaigns.NewID(time.UnixMilli(1))
	pixel := `<img src="` + l.opened(7, id) + `" width="1" height="1" alt="">`
	pieces := []string{"<a ", "href", "=", `"`, "'", "https://a.test/x", ">", "</a>", "<body>", "</body>", "<!--", "-->", "<script>", "</script>", "<", "\r\n", "\x00", "退订", "&amp;", " ", "/", "<![CDATA[", "]]>", "<textarea>", "\xff"}
	rapid.Check(t, func(t *rapid.T) {
		page := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 40).Draw(t, "page"), "")
		made := l.track(page, 7, id)
		for _, url := range []string{"https://a.test/x", "https://a.test/xhttps://a.test/x"} { // what the few letters above can make an address of
			made = strings.ReplaceAll(made, l.clicked(7, id, url), url)
		}
		if strings.Contains(made, l.base+"/t/") {
			t.Skip("an address of other letters")
		}
		if without := strings.Replace(made, pixel, "", 1); strings.NewReplacer(`"`, "", "'", "").Replace(without) != strings.NewReplacer(`"`, "", "'", "").Replace(page) && !strings.Contains(page, "&amp;") {
			t.Fatalf("%q became %q", page, without)
		}
	})
}

func TestAddressesInATextBecomeShort(t *testing.T) {
	for text, want := range map[string]string{
		"See https://a.test/b?c=1.":             "See #.",
		"看https://a.test/b退订回R":                 "看#退订回R",
		"(http://a.test) HTTPS://b.test/x!":     "(#) #!",
		"nothing":                               "nothing",
		"http:// https://":                      "http:// https://",
		"xhttps://a.test":                       "x#",
		"ftp://a.test https://a.test，https://b": "ftp://a.test #，#",
		"": "",
	} {
		if got := replaceURLs(text, "", nil, func(string) string { return "#" }); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestAShortFormIsAsLongAsTheTextThatIsSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := []string{"https://a.test/", "http://", "x", " ", "退", ".", "?", "https://b.test/c?d=e&f"}
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 20).Draw(t, "text"), "")
		m := &campaigns.Message{ID: campaigns.NewID(time.UnixMilli(rapid.Int64Range(0, 1<<40).Draw(t, "at")))}
		sent, made := someLinks().shorten(text, "https://s.test/", m)
		again, _ := someLinks().shorten(text, "https://s.test/", m)
		if len(shortForm(text, "https://s.test/", nil)) != len(sent) || again != sent {
			t.Fatalf("%q is sent as %q, then %q, and was counted as %q", text, sent, again, shortForm(text, "https://s.test/", nil))
		}
		for _, link := range made {
			if !isCode(link.Code) || !strings.Contains(sent, "https://s.test/"+link.Code) || !strings.Contains(text, link.URL) {
				t.Fatalf("%+v of %q in %q", link, text, sent)
			}
		}
	})
}

// BenchmarkTracking makes the links of a page of 2 KB with five of them countable.
func BenchmarkTracking(b *testing.B) {
	link := `<p style="margin:0;font-family:Arial,sans-serif">Have a look at <a class="button" href="https://shop.example.com/products/spring?utm_source=mail&amp;utm_campaign=x">these</a>.</p>` + "\n"
	page := "<html><body>" + strings.Repeat(link, 5)
	page += strings.Repeat("<p>Members have more of it, and all of it sooner.</p>\n", (2048-len(page))/54) + "</body></html>"
	l, id := someLinks(), campaigns.NewID(time.UnixMilli(1))
	l.stamps = newStamps(l.key) // as an engine's
	b.ReportMetric(float64(len(page)), "B/page")
	began := used(b)
	for b.Loop() {
		l.track(page, 7, id)
	}
	b.ReportMetric(float64(used(b)-began)/float64(b.N), "cpu-ns/op") // what it takes where others work on the machine too
}

// used is the processor's time that the process took.
func used(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func TestMachinesThatReadMailAreToldFromPeople(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0": "person",
		"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)":                                        "person",
		"Mozilla/5.0": "machine",
		"":            "machine",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": "machine",
		"WhatsApp/2.23":          "machine",
		"python-requests/2.31.0": "machine",
	} {
		if got := AgentOf(agent, ""); got != want {
			t.Errorf("%q is a %s, want %s", agent, got, want)
		}
	}
	if AgentOf("Mozilla/5.0 (X11; Linux x86_64) Chrome/120", "prefetch;prerender") != "machine" {
		t.Error("a prefetch counts as a person")
	}
}

func TestOnlyLinksOfKnownHostsAreSigned(t *testing.T) {
	hosts := linkHosts{"https://shop.test", "http://shop.test:8080", "partner.test", "*.wild.test"}
	for url, want := range map[string]bool{
		"https://shop.test/x": true, "HTTPS://Shop.Test": true, "http://shop.test/x": false, "http://shop.test:8080/?q": true, "http://partner.test/": true,
		"https://a.wild.test": true, "https://wild.test": false, "https://evilwild.test": false,
		"https://shop.test.evil.test/": false, "https://shop.test@evil.test/": false, `https://shop.test\@evil.test/`: false, "https://evil.test/https://shop.test": false,
		"https://evil.test#shop.test": false, "https://shop.test%2eevil.test/": false, "https://": false,
	} {
		if hosts.allow(url) != want {
			t.Errorf("%s: %v", url, !want)
		}
		if !linkHosts(nil).allow(url) {
			t.Errorf("%s of a message from before is not signed any more", url)
		}
	}
}
