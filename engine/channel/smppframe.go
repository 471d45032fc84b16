package channel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// frameMax is the most bytes of one PDU: a text of 64 KiB in a TLV is the longest that SMPP knows.
const frameMax = 70 << 10

var errFrame = errors.New("the peer sent what is no SMPP")

// A frame is one PDU as it was read. Its body is nil where that could not be read; the header then tells what to answer.
type frame struct {
	header pdu.Header
	body   pdu.PDU
}

// readFrame reads one PDU. An error ends the session: where a length is wrong nothing after it can be found.
func readFrame(r io.Reader) (f frame, err error) {
	var header [data.PDU_HEADER_SIZE]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return f, err
	}
	if length := binary.BigEndian.Uint32(header[:]); length < uint32(len(header)) || length > frameMax {
		return f, fmt.Errorf("%w: a PDU of %d bytes", errFrame, length)
	}
	f.header = pdu.ParseHeader(header)
	whole := make([]byte, f.header.CommandLength)
	copy(whole, header[:])
	if _, err := io.ReadFull(r, whole[len(header):]); err != nil {
		return f, err
	}
	f.body = decodeBody(f.header.CommandID, whole)
	return f, nil
}

// decodeBody reads a body; nil for one that cannot be read. The library's readers index what strangers wrote, and a stranger's
// bytes must never stop the process.
func decodeBody(id data.CommandIDType, whole []byte) (body pdu.PDU) {
	defer func() {
		if recover() != nil {
			body = nil
		}
	}()
	body, err := pdu.CreatePDUFromCmdID(id)
	if err != nil {
		return nil
	}
	if err := body.Unmarshal(pdu.NewBuffer(whole)); err != nil {
		return nil
	}
	return body
}

// isRequest says whether a PDU asks for an answer: the highest bit of the command marks answers (SMPP 3.4, 5.1.2.1).
func isRequest(id data.CommandIDType) bool { return uint32(id)&(1<<31) == 0 }
