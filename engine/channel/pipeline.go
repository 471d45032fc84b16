package channel

import (
	"bytes"
	"errors"
	"net/textproto"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// pipeline sends one message to a server that offers PIPELINING (RFC 2920): MAIL, RCPT and DATA go out together and their
// answers come back together, two round trips instead of four. It gives what the server answered to the content, or the
// fault. Everything else about a session is the library's.
//
// A server that takes DATA after it refused the recipient expects a content that must not be sent: the session is cut.
func (e *email) pipeline(session *smtp.Client, m Message, msg *mail.Msg) (string, *fault) {
	if err := session.UpdateDeadline(e.patience); err != nil {
		return "", faultOf(mail.ErrConnCheck, err)
	}
	text := session.Text
	if err := e.write(msg); err != nil {
		return "", faultOf(mail.ErrWriteContent, err)
	}
	for _, word := range []string{"MAIL FROM:<", returnPath(e.settings, m), ">", mailOptions(session, m), "\r\nRCPT TO:<", m.To, ">\r\nDATA\r\n"} {
		_, _ = text.W.WriteString(word) // an error shows at Flush
	}
	if err := text.W.Flush(); err != nil {
		return "", faultOf(mail.ErrSMTPMailFrom, err)
	}
	if refused := envelope(session); refused != nil {
		return "", refused
	}
	if _, err := text.W.Write(e.dotted); err != nil {
		return "", faultOf(mail.ErrWriteContent, err)
	}
	_, _ = text.W.WriteString(".\r\n") // whether the end arrived shows in the answer
	_ = text.W.Flush()
	_, answer, err := text.ReadResponse(250)
	if err != nil {
		return "", faultOf(mail.ErrSMTPDataClose, err)
	}
	return answer, nil
}

// write makes a message's content as DATA carries it, signed where messages are.
func (e *email) write(msg *mail.Msg) error {
	e.content.Reset()
	if _, err := msg.WriteTo(&e.content); err != nil {
		return err
	}
	e.dotted = e.dotted[:0]
	if e.signs != nil {
		field, err := e.signs.field(e.content.Bytes())
		if err != nil {
			return err
		}
		e.dotted = append(e.dotted, field...)
	}
	e.dotted = appendDotted(e.dotted, e.content.Bytes())
	return nil
}

// appendDotted appends a content as DATA carries it, without its end (RFC 5321, 4.5.2): lines end in CR and LF, and one that
// begins with a dot gets another. textproto's DotWriter says the same, a byte at a time.
func appendDotted(to, content []byte) []byte {
	for len(content) > 0 {
		if content[0] == '.' {
			to = append(to, '.')
		}
		var line []byte
		line, content, _ = bytes.Cut(content, []byte{'\n'})
		to = append(append(to, bytes.TrimSuffix(line, []byte{'\r'})...), '\r', '\n')
	}
	return to
}

// mailOptions are those of MAIL FROM that the server understands. A server that reports deliveries (RFC 3461) is to return
// no more than the header, and the message's token with it.
func mailOptions(session *smtp.Client, m Message) string {
	options := ""
	if offered, _ := session.Extension("8BITMIME"); offered {
		options = " BODY=8BITMIME"
	}
	if offered, _ := session.Extension("SMTPUTF8"); offered {
		options += " SMTPUTF8"
	}
	if offered, _ := session.Extension("DSN"); offered && m.BounceTag != "" {
		options += " RET=HDRS ENVID=" + m.BounceTag
	}
	return options
}

// envelope reads the three answers and gives the first refusal. Where the session stays usable, the transaction is taken
// back, so that the next message finds it at its start.
func envelope(session *smtp.Client) *fault {
	var first *fault
	for _, step := range []struct {
		name mail.SendErrReason
		want int
	}{{mail.ErrSMTPMailFrom, 250}, {mail.ErrSMTPRcptTo, 25}, {mail.ErrSMTPData, 354}} {
		_, _, err := session.Text.ReadResponse(step.want)
		if err != nil && first == nil {
			first = faultOf(step.name, err)
		}
		var refused *textproto.Error
		if err != nil && !errors.As(err, &refused) {
			first.over = true
			return first
		}
		if first != nil && step.name == mail.ErrSMTPData {
			first.over = err == nil || session.Reset() != nil
		}
	}
	return first
}
