package channel

import (
	"math/big"
	"strings"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"beckon/campaigns"
)

// Bits of esm_class in a deliver_sm (SMPP 3.4, 5.2.12).
const (
	messageType  = 0x3C
	isReceipt    = data.SM_SMSC_DLV_RCPT_TYPE
	isOnItsWay   = data.SM_INTMD_DLV_NOTIFY_TYPE
	gsmNetwork   = 3 // network_error_code: the network that the code is of
	noSubscriber = 1 // 3GPP TS 29.002: unknown subscriber
)

// receipt reads a deliver_sm as what the provider says of a message (SMPP 3.4, appendix B, and the TLVs that say the same);
// false for what somebody wrote. Its time is ours: the times in it are in a zone that nobody names.
func (t *texts) receipt(d *pdu.DeliverSM, now time.Time) (campaigns.Receipt, bool) {
	named, has := d.OptionalParameters[pdu.TagReceiptedMessageID]
	if kind := d.EsmClass & messageType; kind != isReceipt && kind != isOnItsWay && !has {
		return campaigns.Receipt{}, false
	}
	text := string(textOctets(d))
	fields := receiptFields(text)
	r := campaigns.Receipt{ProviderID: fields["id"], At: now, Detail: shorten(strings.ToValidUTF8(text, "\uFFFD"))}
	if has {
		r.ProviderID = cString(named.Data)
	}
	r.ProviderID = t.receiptedID(r.ProviderID)
	r.Status = receiptStatus(fields["stat"])
	if state := d.OptionalParameters[pdu.TagMessageStateOption].Data; len(state) == 1 && fields["stat"] == "" {
		r.Status = messageState(state[0])
	}
	if r.Detail == "" {
		r.Detail = "a receipt without text: " + string(r.Status)
	}
	r.Hard = r.Status == campaigns.MessageFailed && isNoSubscriber(fields, d.OptionalParameters[pdu.TagNetworkErrorCode].Data)
	return r, true
}

// receiptFields are the words of "id:… sub:… stat:DELIVRD err:000 text:…" by their names in small letters.
func receiptFields(text string) map[string]string {
	fields := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		name, value, is := strings.Cut(word, ":")
		name = strings.ToLower(name)
		if name == "text" {
			break // what follows is the message's own
		}
		if _, known := fields[name]; is && !known {
			fields[name] = value
		}
	}
	return fields
}

// receiptStatus reads stat; what is still on its way has none.
func receiptStatus(stat string) campaigns.MessageStatus {
	stat = strings.ToUpper(stat)
	if strings.HasPrefix(stat, "DELIV") {
		return campaigns.MessageDelivered
	}
	for _, failed := range []string{"UNDEL", "REJEC", "EXPIR", "DELET"} {
		if strings.HasPrefix(stat, failed) {
			return campaigns.MessageFailed
		}
	}
	return "" // ENROUTE, ACCEPTD, UNKNOWN
}

// messageState reads the TLV message_state (SMPP 3.4, 5.2.28).
func messageState(state byte) campaigns.MessageStatus {
	switch state {
	case data.SM_STATE_DELIVERED:
		return campaigns.MessageDelivered
	case data.SM_STATE_EXPIRED, data.SM_STATE_DELETED, data.SM_STATE_UNDELIVERABLE, data.SM_STATE_REJECTED:
		return campaigns.MessageFailed
	}
	return ""
}

// isNoSubscriber says whether a number belongs to nobody, and not only to a phone that is off: as the network says in the
// TLV, else as err 1 of an undeliverable message says at most providers.
func isNoSubscriber(fields map[string]string, network []byte) bool {
	if len(network) == 3 {
		return network[0] == gsmNetwork && network[1] == 0 && network[2] == noSubscriber
	}
	return strings.HasPrefix(strings.ToUpper(fields["stat"]), "UNDEL") && fields["err"] != "" && strings.TrimLeft(fields["err"], "0") == "1"
}

// answeredID and receiptedID bring the two names that some providers give a message, one in hex and one in decimal, into
// one form: decimal.
func (t *texts) answeredID(id string) string {
	switch t.settings.ReceiptIDs {
	case campaigns.ReceiptIDsHex:
		return decimal(id, 10)
	case campaigns.ReceiptIDsDecimal:
		return decimal(id, 16)
	}
	return id
}

func (t *texts) receiptedID(id string) string {
	switch t.settings.ReceiptIDs {
	case campaigns.ReceiptIDsHex:
		return decimal(id, 16)
	case campaigns.ReceiptIDsDecimal:
		return decimal(id, 10)
	}
	return id
}

// decimal writes a number of some base in decimal; what is none stays as it is.
func decimal(id string, base int) string {
	n, is := new(big.Int).SetString(id, base)
	if !is || len(id) > 64 {
		return id
	}
	return n.String()
}

// textOctets are the text of a delivery as it came, wherever it stands.
func textOctets(d *pdu.DeliverSM) []byte {
	if whole, has := d.OptionalParameters[pdu.TagMessagePayload]; has {
		return whole.Data
	}
	octets, _ := d.Message.GetMessageData() // it never fails
	return octets
}

// cString is a text up to its end by a zero, which some leave out.
func cString(octets []byte) string {
	text, _, _ := strings.Cut(string(octets), "\x00")
	return text
}
