package campaigns

// SMSSettings are those of channels that carry text messages.
type SMSSettings struct {
	SignOff string `json:"sign_off,omitempty" doc:"stands before each text message, such as 【Brand】"`
	OptOut  string `json:"opt_out,omitempty" doc:"stands after each marketing text message, such as 拒收请回复R or Reply STOP"`
}

// SMPPSettings are those of channels of kind smpp.
type SMPPSettings struct {
	SystemType string `json:"system_type,omitempty"`
	Window     int    `json:"window,omitempty" doc:"smpp: submits of one session that wait for their answers at once, 50 if left out"`
	Long       string `json:"long,omitempty" enum:"udh,payload" doc:"smpp: how long messages travel; udh if left out"`
	SourceTON  int    `json:"source_ton,omitempty"`
	SourceNPI  int    `json:"source_npi,omitempty"`
}

func (s *SMSSettings) check() error { return nil }

func (s *SMPPSettings) check() error { return nil }
