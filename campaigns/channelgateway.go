package campaigns

// GatewaySettings describe an HTTP service that takes messages, so that a new one needs no code.
type GatewaySettings struct {
	Preset       string  `json:"preset,omitempty" enum:"twilio,aliyun" doc:"gateway: the shape of a known service; what is set beside it wins"`
	URL          string  `json:"url,omitempty"`
	AccessKey    string  `json:"access_key,omitempty"`
	AccessSecret *string `json:"access_secret,omitempty" doc:"written, and never read back"`
	Sends        string  `json:"sends,omitempty" doc:"gateway: the kind of address that it carries: sms if left out, email, or a name of your own such as wechat"`
}

// Carries is the kind of address that a gateway sends to.
func (s *GatewaySettings) Carries() string {
	if s.Sends == "" {
		return SMS
	}
	return s.Sends
}

func (s *GatewaySettings) check() error { return nil }
