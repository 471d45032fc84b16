package campaigns

import (
	"fmt"
	"regexp"
	"strings"
)

// A Topic is something that people may want or leave by itself, on whichever channel: a newsletter, news of new products.
type Topic struct {
	Name  string            `json:"name" doc:"as campaigns and consents name it: lower-case letters, digits, - and _"`
	Title map[string]string `json:"title,omitempty" doc:"what people read, by language: {\"en\":\"Newsletter\",\"zh\":\"会员通讯\"}"`
}

// topicsMax is how many topics a workspace may have: they are all listed on the page of preferences.
const topicsMax = 50

// TitleIn is the title in a language, else in any that there is, else the name.
func (t *Topic) TitleIn(language string) string {
	for _, known := range []string{language, "en", "zh"} {
		if title := t.Title[known]; title != "" {
			return title
		}
	}
	return t.Name
}

// HasTopic says whether the workspace knows a topic.
func (w *Workspace) HasTopic(name string) bool {
	for i := range w.Topics {
		if w.Topics[i].Name == name {
			return true
		}
	}
	return false
}

// checkPeople looks at the settings that people meet: topics and links.
func (w *Workspace) checkPeople(checks *Checks) {
	checks.Require(len(w.Topics) <= topicsMax, "topics", "should be at most %d", topicsMax)
	checks.Require(unique(len(w.Topics), func(i int) string { return w.Topics[i].Name }), "topics", "has the same name twice")
	named := regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,59}$`)
	for i, t := range w.Topics {
		field := fmt.Sprintf("topics[%d].", i)
		checks.Require(named.MatchString(t.Name), field+"name", "%q should be 1 to 60 lower-case letters, digits, - or _", shorten(t.Name))
		for language, title := range t.Title {
			checks.Require(language != "" && len(language) <= 35, field+"title", "names the language %q: use codes such as en and zh", shorten(language))
			checks.Require(strings.TrimSpace(title) != "" && len(title) <= 200 && isOneLine(title), field+"title", "should be one line of 1 to 200 bytes in each language")
		}
	}
	host := regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,100}[a-z0-9])?(:[0-9]{1,5})?$`)
	checks.Require(w.ShortDomain == "" || host.MatchString(w.ShortDomain), "short_domain", "%q should be the name of a host alone, such as s.example.cn", shorten(w.ShortDomain))
	checks.Require(len(w.LinkHosts) <= 20, "link_hosts", "should be at most 20")
	for _, named := range w.LinkHosts {
		checks.Require(host.MatchString(strings.TrimPrefix(named, "*.")), "link_hosts", "%q should be the name of a host alone, such as partner.example or *.example.com", shorten(named))
	}
	checks.Require(w.ShortLinkDays >= 0 && w.ShortLinkDays <= 3660, "short_link_days", "should be between 1 and 3660; 0 for %d", shortLinkDays)
}

// shortLinkDays is how long short links work where the workspace says nothing.
const shortLinkDays = 90

// ShortLinksFor is for how many days short links work.
func (w *Workspace) ShortLinksFor() int {
	if w.ShortLinkDays == 0 {
		return shortLinkDays
	}
	return w.ShortLinkDays
}
