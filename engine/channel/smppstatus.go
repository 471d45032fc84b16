package channel

import (
	"fmt"

	"github.com/linxGnu/gosmpp/data"
)

// submitRefusal is what a command_status other than 0 in the answer to a submit_sm means (SMPP 3.4, 5.1.3). The SMSC has not
// accepted the message in any of these cases.
//
//	RTHROTTLED, RMSGQFUL                      Temporary, everybody slows down
//	RSYSERR, RSUBMITFAIL, RX_T_APPN,
//	RUNKNOWNERR, RDELIVERYFAILURE             Temporary
//	RINVBNDSTS, RBINDFAIL, RINVPASWD,
//	RINVSYSID                                 Temporary, the session cannot be used
//	RINVDSTADR                                Permanent, the address does not exist
//	all others, those of vendors too          Permanent
//
// Why a refused type of number or numbering plan condemns no address: it is the channel's setting that is wrong, and every
// address would be condemned.
func submitRefusal(status data.CommandStatusType) Outcome {
	o := Outcome{Status: Permanent, Detail: statusName(status)}
	switch status {
	case data.ESME_RTHROTTLED, data.ESME_RMSGQFUL:
		o.Status, o.Throttled = Temporary, true
	case data.ESME_RSYSERR, data.ESME_RSUBMITFAIL, data.ESME_RX_T_APPN, data.ESME_RUNKNOWNERR, data.ESME_RDELIVERYFAILURE:
		o.Status = Temporary
	case data.ESME_RINVBNDSTS, data.ESME_RBINDFAIL, data.ESME_RINVPASWD, data.ESME_RINVSYSID:
		o.Status, o.Unavailable = Temporary, true
	case data.ESME_RINVDSTADR:
		o.Hard = true
	}
	return o
}

// statusName is a status as SMPP names it, with its number for those that have no name there.
func statusName(status data.CommandStatusType) string {
	return fmt.Sprintf("the provider refused it: %s (0x%08X)", status, uint32(status))
}
