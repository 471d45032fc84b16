package channel

import "beckon/campaigns"

func openGateway(campaigns.ChannelSettings, Options) (Sender, error) {
	return nil, campaigns.Invalid("kind", "gateway is not built yet")
}
