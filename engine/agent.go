package engine

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"beckon/campaigns"
)

// AgentOf says whether a person or a machine asks, as far as the program's name and the purpose that it states (the headers
// Purpose, Sec-Purpose, X-Purpose and X-Moz) tell. Machines are those that fetch before or instead of people: scanners of links,
// previews in chats, Apple's privacy proxy, which names itself Mozilla/5.0 and nothing else. Google's and Yahoo's proxies
// fetch when a person looks.
func AgentOf(userAgent, purpose string) string {
	name := strings.ToLower(strings.TrimSpace(userAgent))
	for _, word := range []string{"prefetch", "preview", "prerender"} {
		if strings.Contains(strings.ToLower(purpose), word) {
			return campaigns.AgentMachine
		}
	}
	if name == "" || name == "mozilla/5.0" {
		return campaigns.AgentMachine
	}
	for _, person := range []string{"googleimageproxy", "yahoomailproxy"} {
		if strings.Contains(name, person) {
			return campaigns.AgentPerson
		}
	}
	for _, machine := range []string{"bot", "crawl", "spider", "scan", "preview", "prefetch", "facebookexternalhit", "whatsapp", "slurp", "headless", "phantomjs",
		"barracuda", "mimecast", "proofpoint", "safelinks", "trendmicro", "bitdefender", "fortinet", "sophos", "symantec", "python", "curl/", "wget/", "go-http-client",
		"java/", "okhttp", "libwww", "httpclient", "axios", "node-fetch", "ruby", "perl", "php"} {
		if strings.Contains(name, machine) {
			return campaigns.AgentMachine
		}
	}
	return campaigns.AgentPerson
}

// printable is a text from outside on one line, cut to so many bytes.
func printable(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}
