package campaigns

// GatewayPresets are the names of the shapes that are known.
func GatewayPresets() []string { return []string{"twilio", "aliyun"} }

// Complete is the settings with what they leave out from their preset, and what a gateway without one begins with.
func (s GatewaySettings) Complete() GatewaySettings {
	base := GatewaySettings{Method: "POST", ContentType: "application/json", Sign: SignNone, Answer: &GatewayAnswer{}}
	switch s.Preset {
	case "twilio":
		base = twilio()
	case "aliyun":
		base = aliyun()
	}
	for _, text := range []struct{ own, preset *string }{{&s.URL, &base.URL}, {&s.Method, &base.Method}, {&s.ContentType, &base.ContentType},
		{&s.Body, &base.Body}, {&s.Sign, &base.Sign}} {
		if *text.own == "" {
			*text.own = *text.preset
		}
	}
	if s.Headers == nil {
		s.Headers = base.Headers
	}
	if s.Answer == nil {
		s.Answer = base.Answer
	}
	if s.Receipts == nil {
		s.Receipts = base.Receipts
	}
	if s.Inbound == nil {
		s.Inbound = base.Inbound
	}
	if s.Query == nil {
		s.Query = base.Query
	}
	s.Query = s.Query.complete()
	return s
}

// twilio is the Messages resource of Twilio's API of 2010-04-01: the account is access_key, or username where that is not an
// API key of its own. https://www.twilio.com/docs/messaging/api/message-resource and /docs/api/errors
func twilio() GatewaySettings {
	return GatewaySettings{
		URL:    "https://api.twilio.com/2010-04-01/Accounts/{% if access_key != '' %}{{ access_key }}{% else %}{{ username }}{% endif %}/Messages.json",
		Method: "POST", ContentType: "application/x-www-form-urlencoded", Sign: SignBasic,
		Body: "To={{ message.to }}&From={{ message.from }}&Body={{ message.text }}{% if hooks != '' %}&StatusCallback={{ hooks }}/receipts{% endif %}",
		Answer: &GatewayAnswer{OKStatus: "2xx", ID: "sid", Segments: "num_segments", Error: "code", Detail: "message",
			Throttled: []string{"20429", "14107", "21611", "63018"}, Temporary: []string{"20500"}, Down: []string{"20003", "20005", "20404", "20503"},
			Hard: []string{"21211", "21214", "21217", "21614"}},
		Receipts: &GatewayReceipts{ID: "MessageSid", Status: "MessageStatus", Delivered: []string{"delivered", "read"}, Failed: []string{"failed", "canceled"},
			Bounced: []string{"undelivered"}, Code: "ErrorCode", Hard: []string{"30005", "30006"}, Detail: "ErrorCode"},
		Inbound: &GatewayInbound{ID: "MessageSid", From: "From", To: "To", Text: "Body", Answer: "<Response></Response>"},
		Query: &GatewayQuery{URL: "/2010-04-01/Accounts/{% if access_key != '' %}{{ access_key }}{% else %}{{ username }}{% endif %}/Messages/{{ message.provider_id }}.json",
			ID: "sid", Status: "status", Accepted: []string{"accepted", "scheduled", "queued", "sending", "sent"}, Delivered: []string{"delivered", "read"},
			Failed: []string{"failed", "canceled"}, Bounced: []string{"undelivered"}, Code: "error_code", Hard: []string{"30005", "30006"}, Detail: "error_message"},
	}
}

// aliyun is SendSms of Aliyun's Dysmsapi 2017-05-25, signed as RPC v1: from is the registered signature, the words are a
// registered template. A number that got too many messages is tried again later; that is no reason to slow down for others.
// https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms and /smsreport-2
func aliyun() GatewaySettings {
	return GatewaySettings{
		URL: "https://dysmsapi.aliyuncs.com/", Method: "POST", ContentType: "application/x-www-form-urlencoded", Sign: SignAliyun,
		Body: "Action=SendSms&Version=2017-05-25&RegionId=cn-hangzhou&PhoneNumbers={{ message.to | remove_first: '+' }}&SignName={{ message.from }}" +
			"&TemplateCode={{ template.code }}&TemplateParam={{ template.params }}&OutId={{ message.id }}",
		Answer: &GatewayAnswer{OKStatus: "200", OKWhen: &GatewayCondition{Path: "Code", Equals: "OK"}, ID: "BizId", Error: "Code", Detail: "Message",
			Temporary: []string{"isv.BUSINESS_LIMIT_CONTROL", "isp.SYSTEM_ERROR", "isp.GATEWAY_ERROR", "SignatureNonceUsed", "InternalError"},
			Throttled: []string{"Throttling", "Throttling.User", "Throttling.Api"},
			Down: []string{"isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE", "isv.ACCOUNT_NOT_EXISTS", "isv.ACCOUNT_ABNORMAL", "isv.PRODUCT_UN_SUBSCRIPT",
				"isp.RAM_PERMISSION_DENY", "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive", "SignatureDoesNotMatch", "ServiceUnavailable"},
			Hard: []string{"isv.MOBILE_NUMBER_ILLEGAL"}},
		Receipts: &GatewayReceipts{ID: "biz_id", Status: "success", Delivered: []string{"true"}, Failed: []string{"false"}, Code: "err_code", Detail: "err_msg",
			At: "report_time", Zone: "Asia/Shanghai", Answer: `{"code":0,"msg":"成功"}`},
		Query: &GatewayQuery{URL: "/", Method: "POST", ContentType: "application/x-www-form-urlencoded", Body: "Action=QuerySendDetails&Version=2017-05-25&RegionId=cn-hangzhou" +
			"&PhoneNumber={{ message.to | remove_first: '+' }}&SendDate={{ message.sent_on }}&PageSize=50&CurrentPage=1",
			List: "SmsSendDetailDTOs.SmsSendDetailDTO", OwnID: "OutId", Status: "SendStatus", Accepted: []string{"1"}, Delivered: []string{"3"}, Failed: []string{"2"},
			Code: "ErrCode", At: "ReceiveDate", Zone: "Asia/Shanghai"},
		Inbound: &GatewayInbound{ID: "sequence_id", From: "phone_number", To: "dest_code", Text: "content", At: "send_time", Zone: "Asia/Shanghai", Answer: `{"code":0,"msg":"成功"}`},
	}
}
