package campaigns

import (
	"regexp"
	"slices"
)

// A Kind is a kind of address: e-mail, the mobile number, or one of the shop's own that a gateway describes.
type Kind struct {
	Name    string   // Email, SMS, or the shop's own, such as wechat
	Address string   // of an own kind: the attribute that holds the address
	Consent string   // likewise the consent, empty where nobody can give any
	Parts   []string // likewise the parts of its templates
}

// NoConsent stands for the attribute of a kind that only transactional messages use.
const NoConsent = "none"

// OwnKind is what a gateway says of the kind of address of the shop's own that it carries; false when it carries none.
func (c *Channel) OwnKind() (Kind, bool) {
	if c.Kind != KindGateway || !c.Settings.OwnKind() {
		return Kind{}, false
	}
	s := c.Settings.GatewaySettings
	k := Kind{Name: s.Sends, Address: s.Address, Consent: s.Consent, Parts: s.Parts}
	if k.Consent == NoConsent {
		k.Consent = ""
	}
	if len(k.Parts) == 0 {
		k.Parts = []string{"text"}
	}
	return k, true
}

// CheckKindName says what is wrong with the name of a kind of address; those that are known pass.
func CheckKindName(field, name string) error {
	if name == AnyChannel || slices.Contains([]string{"all", "none", "rule"}, name) || !regexp.MustCompile(`^[a-z][a-z0-9_]{0,29}$`).MatchString(name) {
		return Invalid(field, "%q should be email, sms, or a name of your own of up to 30 lower-case letters, digits and _, such as wechat", shorten(name))
	}
	return nil
}
