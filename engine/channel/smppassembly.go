package channel

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"beckon/campaigns"
	"beckon/templates"
)

const (
	partsWait = 60 * time.Second // how long a part of a text waits for the others
	textsMax  = 1000             // texts of which parts wait; the parts of others are given on as they are
)

// An assembly puts texts together that people sent in parts.
//
// Why a part is acknowledged before its text is whole: many providers deliver one message at a time and wait for the answer
// before the next part. What a crash loses is the beginning of a long text; a STOP has one part and is acknowledged only
// when it is kept.
type assembly struct {
	mu    sync.Mutex
	texts map[joint]*textParts
}

// A joint is what the parts of one text have in common.
type joint struct {
	from, to  string
	reference uint16
	total     byte
}

// textParts are those of a text by their number from 0; a missing one is nil.
type textParts struct {
	in    campaigns.Inbound // the whole, without its text
	texts []*string
	since time.Time
}

// take deals with a text, or a part of one. An error means that it should come again.
func (b *assembly) take(ctx context.Context, t *texts, d *pdu.DeliverSM) error {
	text, readable := readText(d)
	if !readable {
		return nil // binary: ring tones and settings for phones
	}
	in := campaigns.Inbound{From: phoneOf(d.SourceAddr), To: phoneOf(d.DestAddr), Text: text, At: t.clock()}
	key, part, is := jointOf(d, in)
	if !is {
		return t.giveInbound(ctx, in)
	}
	b.mu.Lock()
	whole := b.add(key, part, in)
	b.mu.Unlock()
	if whole == nil {
		return nil
	}
	err := t.giveInbound(ctx, *whole)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		delete(b.texts, key)
	} else if known := b.texts[key]; known != nil {
		known.texts[part] = nil // it comes again, and completes the text then
	}
	return err
}

// add keeps a part, and gives the whole text when it is there: a part alone where too many wait.
func (b *assembly) add(key joint, part int, in campaigns.Inbound) *campaigns.Inbound {
	known := b.texts[key]
	if known == nil {
		if len(b.texts) >= textsMax {
			return &in
		}
		if b.texts == nil {
			b.texts = map[joint]*textParts{}
		}
		known = &textParts{in: in, texts: make([]*string, key.total), since: in.At}
		b.texts[key] = known
	}
	known.texts[part] = &in.Text
	if slices.Contains(known.texts, nil) {
		return nil
	}
	whole := known.whole()
	return &whole
}

// whole is what is there of a text, in order.
func (p *textParts) whole() campaigns.Inbound {
	in := p.in
	in.Text = ""
	for _, text := range p.texts {
		if text != nil {
			in.Text += *text
		}
	}
	return in
}

// flush gives on what waits longer than so long for its other parts. What the listener does not take waits on.
func (b *assembly) flush(ctx context.Context, t *texts, wait time.Duration) {
	now := t.clock()
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, known := range b.texts {
		if now.Sub(known.since) < wait {
			continue
		}
		if err := t.giveInbound(ctx, known.whole()); err != nil {
			return
		}
		delete(b.texts, key)
	}
}

// jointOf says to which text a delivery belongs and as which part of it, from 0: by its header (3GPP TS 23.040, 9.2.3.24.1
// and .8) or by the sar_ TLVs (SMPP 3.4, 5.2.22 to 24). Numbers that make no sense join nothing.
func jointOf(d *pdu.DeliverSM, in campaigns.Inbound) (key joint, part int, is bool) {
	key = joint{from: in.From, to: in.To}
	number := byte(0)
	header := d.Message.UDH()
	if short, has := header.FindInfoElement(data.UDH_CONCAT_MSG_8_BIT_REF); has && len(short.Data) == 3 {
		key.reference, key.total, number = uint16(short.Data[0]), short.Data[1], short.Data[2]
	} else if long, has := header.FindInfoElement(data.UDH_CONCAT_MSG_16_BIT_REF); has && len(long.Data) == 4 {
		key.reference, key.total, number = binary.BigEndian.Uint16(long.Data), long.Data[2], long.Data[3]
	} else {
		reference, total, of := d.OptionalParameters[pdu.TagSarMsgRefNum].Data, d.OptionalParameters[pdu.TagSarTotalSegments].Data, d.OptionalParameters[pdu.TagSarSegmentSeqnum].Data
		if len(reference) == 2 && len(total) == 1 && len(of) == 1 {
			key.reference, key.total, number = binary.BigEndian.Uint16(reference), total[0], of[0]
		}
	}
	return key, int(number) - 1, key.total > 1 && number >= 1 && number <= key.total
}

// phoneOf is an address as we write it.
func phoneOf(a pdu.Address) string {
	if a.Ton() == data.GSM_TON_INTERNATIONAL && !strings.HasPrefix(a.Address(), "+") {
		return "+" + a.Address()
	}
	return a.Address()
}

// readText reads a delivery's text; false for what is none.
func readText(d *pdu.DeliverSM) (string, bool) {
	octets := textOctets(d)
	coding := data.GSM7BIT
	if named := d.Message.Encoding(); named != nil {
		coding = named
	}
	text := ""
	switch coding {
	case data.GSM7BIT:
		if slices.ContainsFunc(octets, func(b byte) bool { return b >= 0x80 }) { // no septets: the provider's default is another
			text, _ = data.LATIN1.Decode(octets)
		} else {
			text = templates.ReadGSM7(octets)
		}
	case data.UCS2:
		text = readUCS2(octets)
	case data.ASCII, data.LATIN1, data.CYRILLIC, data.HEBREW:
		text, _ = coding.Decode(octets)
	default:
		return "", false
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text), true
}

// readUCS2 reads UTF-16 with the high octet first; a surrogate alone becomes U+FFFD, an odd octet at the end is dropped.
func readUCS2(octets []byte) string {
	units := make([]uint16, len(octets)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(octets[2*i:])
	}
	return string(utf16.Decode(units))
}
