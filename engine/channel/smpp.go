package channel

import "beckon/campaigns"

func openSMPP(campaigns.ChannelSettings, Options) (Sender, error) {
	return nil, campaigns.Invalid("kind", "smpp is not built yet")
}
