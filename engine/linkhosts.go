package engine

import (
	"net/url"
	"strings"

	"beckon/campaigns"
)

// Which links are made countable.
//
// Why not all: a countable link leads from our address to wherever it was signed for. Were a link signed whose host comes from a
// customer's data, who writes that data could lead people from the shop's own domain to theirs. So a link is signed when its
// scheme and host stand in the template's or the sender's own words, or the workspace allows its host; any other stays as it
// is, uncounted.
//
// Why they are kept with each message: its content is made again whenever it is read, to the byte. Messages from before have
// none, and all of their links are signed as they were.

// hostsName is under what a message's variables keep them, with blanks between.
const hostsName = "hosts"

// linkHosts are the origins and hosts whose links are signed; nil for all.
type linkHosts []string

// keptHosts are those that a message was made with.
func keptHosts(m *campaigns.Message) linkHosts {
	group, _ := m.Vars[linksGroup].(map[string]any)
	kept, has := group[hostsName].(string)
	if !has {
		return nil
	}
	return append(linkHosts{}, strings.Fields(kept)...)
}

// allow says whether a link is to be signed.
func (h linkHosts) allow(address string) bool {
	if h == nil {
		return true
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	host, origin := strings.ToLower(u.Host), strings.ToLower(u.Scheme+"://"+u.Host)
	for _, allowed := range h {
		beneath, wild := strings.CutPrefix(allowed, "*")
		if allowed == origin || allowed == host || wild && strings.HasSuffix(host, beneath) {
			return true
		}
	}
	return false
}

// hostsMax is the most bytes that a message keeps of the hosts of its links; the links of further ones are not counted.
const hostsMax = 4096

// hosts are what a message of a way keeps: our own and the workspace's first.
func (b *batch) hosts(s *saying) string {
	all := strings.ToLower(strings.Join(b.workspace.LinkHosts, " "))
	if u, err := url.Parse(b.links.base); err == nil && u.Host != "" {
		all = strings.ToLower(u.Scheme+"://"+u.Host) + " " + all
	}
	all = strings.TrimSpace(all + " " + s.origins)
	if len(all) <= hostsMax {
		return all
	}
	return all[:strings.LastIndexByte(all[:hostsMax+1], ' ')]
}
