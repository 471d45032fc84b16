package channel

import (
	"bytes"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jhillyerd/enmime/v2"

	"beckon/campaigns"
)

// ReportBytesMax is how much of a message is read: what comes after it are returned contents, which say nothing.
const ReportBytesMax = 1 << 20

const (
	reportDepthMax  = 12 // multiparts within multiparts, at most
	reportEndsMax   = 200
	reportPartsMax  = 2000
	reportBlocksMax = 20 // of recipients, and one of the message
	fieldBytesMax   = 4096
)

// A Report is what a message that came back says of one of ours. Nothing of it is proven: anybody can write such a message.
// Tag is the token of its return path, to be checked by who signed it; MessageID and Address are what the report claims.
type Report struct {
	Tag string
	campaigns.Receipt
}

// ReadReport reads one message (RFC 5322) as a delivery status notification (RFC 3464) or a complaint (RFC 5965). A report
// that asks for nothing, such as "not spam", gives none; what is no report is Invalid. No more than ReportBytesMax is read.
//
//	Action                    Status     Receipt
//	failed                    5.x.x      bounced, Hard as isHard says; 5.0.0 as its diagnostic code says
//	failed                    4.x.x      bounced: given up
//	delayed                              no status, what is wrong as Detail
//	delivered, relayed, expanded         delivered
//
//	Feedback-Type             Receipt
//	abuse, fraud, opt-out     Complaint
//	others                    none
func ReadReport(raw []byte, now time.Time) ([]Report, error) {
	root, err := parseReport(raw)
	if err != nil {
		return nil, err
	}
	r := reading{root: root, now: now}
	statuses := []string{"message/delivery-status", "message/global-delivery-status"}
	if part := r.part(statuses...); part != nil {
		return r.deliveries(blocksOf(part.Content, reportBlocksMax)), nil
	}
	if part := r.part("message/feedback-report"); part != nil {
		if blocks := blocksOf(part.Content, 1); len(blocks) > 0 {
			return r.complaint(blocks[0]), nil
		}
	}
	return nil, campaigns.Invalid("body", "it holds no report: neither a delivery status (RFC 3464) nor a complaint (RFC 5965)")
}

// parseReport takes a message apart. What nobody could mean as a report is refused before, since the parser follows
// multiparts as deep as they go.
func parseReport(raw []byte) (root *enmime.Part, err error) {
	raw = firstParts(raw[:min(len(raw), ReportBytesMax)])
	if multiparts(raw) > reportDepthMax {
		return nil, campaigns.Invalid("body", "it has more parts within parts than any report")
	}
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, campaigns.Invalid("body", "it cannot be read as a message: %v", r)
		}
	}()
	parser := enmime.NewParser(enmime.SkipMalformedParts(true), enmime.MultipartWOBoundaryAsSinglePart(true), enmime.MaxStoredPartErrors(1),
		enmime.DisableCharacterDetection(true), enmime.SetReadPartErrorPolicy(func(*enmime.Part, error) bool { return true }))
	root, err = parser.ReadParts(&source{rest: bytes.NewReader(raw)})
	if err != nil || root == nil {
		return nil, campaigns.Invalid("body", "it cannot be read as a message: %v", err)
	}
	return root, nil
}

// A source is a message that is read. Of parts within parts that nothing closes each doubles how often the parser comes back
// to the end, so that a kilobyte would take it hours.
type source struct {
	rest *bytes.Reader
	ends int
}

// Read panics once the end was met too often: an error would be taken for one of the part that is read.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.rest.Read(p)
	if err != nil {
		if s.ends++; s.ends > reportEndsMax {
			panic("its parts have no end")
		}
	}
	return n, err
}

// firstParts is a message up to where it may have more parts than any report: the parser passes over all earlier ones for
// each, so that a megabyte of empty parts, which anybody can send, would take it minutes. A line that begins a part holds --.
func firstParts(raw []byte) []byte {
	end, parts := 0, 0
	for line := range bytes.Lines(raw) {
		if bytes.Contains(line, []byte("--")) {
			if parts++; parts > reportPartsMax {
				return raw[:end]
			}
		}
		end += len(line)
	}
	return raw
}

// multiparts is how many parts of a message may have parts themselves: their types name a boundary, or hide words where one
// may stand (RFC 2047).
func multiparts(raw []byte) (n int) {
	within, counted := false, false
	for line := range bytes.Lines(bytes.ToLower(raw)) {
		if bytes.Contains(line, []byte("content-type")) {
			within, counted = true, false
		} else if len(bytes.TrimRight(line, "\r\n")) == 0 {
			within = false // the header ends; what does not look like more of the type is read as more of it
		}
		if within && !counted && (bytes.Contains(line, []byte("boundary")) || bytes.Contains(line, []byte("=?"))) {
			counted = true
			n++
		}
	}
	return n
}

// reading is one message that is read.
type reading struct {
	root *enmime.Part
	now  time.Time
}

func (r reading) part(kinds ...string) *enmime.Part {
	return r.root.DepthMatchFirst(func(p *enmime.Part) bool {
		for _, kind := range kinds {
			if strings.EqualFold(p.ContentType, kind) {
				return true
			}
		}
		return false
	})
}

// returned are the fields of our message's header, as far as they came back.
func (r reading) returned() fields {
	part := r.part("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "text/rfc822")
	if part == nil {
		return nil
	}
	if blocks := blocksOf(part.Content, 1); len(blocks) > 0 {
		return blocks[0]
	}
	return nil
}

// deliveries are the receipts of a delivery status: a block about the message, then one for each recipient.
func (r reading) deliveries(blocks []fields) (reports []Report) {
	if len(blocks) == 0 {
		return nil
	}
	whole, returned := blocks[0], r.returned()
	if whole["action"] == "" && whole["final-recipient"] == "" {
		blocks = blocks[1:]
	}
	base := Report{Tag: r.tag(whole, returned)}
	base.MessageID = ourID(returned["message-id"])
	if base.MessageID == (campaigns.ID{}) {
		base.MessageID = ourID(whole["x-original-message-id"])
	}
	for _, block := range blocks {
		report := base
		if !deliveryOf(block, &report.Receipt) {
			continue
		}
		report.At = r.at(block["last-attempt-date"], whole["arrival-date"], r.root.Header.Get("Date"))
		reports = append(reports, report)
	}
	return reports
}

// deliveryOf reads what became of one recipient; ok is false where nothing is said.
func deliveryOf(block fields, receipt *campaigns.Receipt) (ok bool) {
	text, _, _ := strings.Cut(block["status"], " ")
	status, known := parseStatus(text)
	action := strings.ToLower(block["action"])
	if action == "" && known {
		action = map[int]string{2: "delivered", 4: "delayed", 5: "failed"}[status[0]]
	}
	switch action {
	case "failed":
		receipt.Status = campaigns.MessageBounced
		receipt.Hard = hardReport(status, afterKind(block["diagnostic-code"]))
	case "delivered", "relayed", "expanded":
		receipt.Status = campaigns.MessageDelivered
	case "delayed":
	default:
		return false
	}
	receipt.Address = addressOf(block["original-recipient"])
	if receipt.Address == "" {
		receipt.Address = addressOf(block["final-recipient"])
	}
	receipt.Detail = shorten(strings.TrimSpace(action + " " + block["status"] + " " + afterKind(block["diagnostic-code"])))
	return true
}

// hardReport says whether a failure is for ever. A status that says nothing but "failed" (5.0.0), as Exim writes it, is
// explained by what the other server said.
func hardReport(status [3]int, said string) bool {
	if status != [3]int{5, 0, 0} || said == "" {
		return isHard(status)
	}
	word := said[:min(3, len(said))]
	code, err := strconv.Atoi(word)
	if err != nil {
		return !speaksOf(said, policyWords()...)
	}
	if told := enhanced(code, said); told[0] != 0 {
		return isHard(told)
	}
	return (code == 550 || code == 551 || code == 553) && !speaksOf(said, policyWords()...)
}

func policyWords() []string {
	return []string{"spam", "policy", "block", "blacklist", "listed", "reputation", "quota", "full", "too large", "size", "relay", "dmarc", "spf", "dkim", "virus", "content", "denied", "time"}
}

// complaint is the receipt of a feedback report, none where nobody complains.
func (r reading) complaint(block fields) []Report {
	switch strings.ToLower(block["feedback-type"]) {
	case "abuse", "fraud", "opt-out", "opt-out-list":
	default:
		return nil
	}
	returned := r.returned()
	report := Report{Tag: r.tag(block, returned)}
	report.Complaint, report.MessageID = true, ourID(returned["message-id"])
	report.Address = addressOf(block["original-rcpt-to"])
	report.At = r.at(block["arrival-date"], block["received-date"], r.root.Header.Get("Date"))
	report.Detail = shorten("complaint: " + block["feedback-type"] + ", by " + block["user-agent"])
	return []Report{report}
}

// tag finds the token of our message where the return path, the envelope or the returned header carries it.
func (r reading) tag(report, returned fields) string {
	places := []string{}
	for _, name := range []string{"To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Forwarded-To"} {
		places = append(places, r.root.Header[name]...)
	}
	places = append(places, report["original-envelope-id"], report["x-postfix-sender"], report["original-mail-from"], returned["cfbl-feedback-id"], returned["return-path"])
	for _, place := range places {
		for word := range strings.FieldsFuncSeq(place, func(c rune) bool { return strings.ContainsRune("<>,;:\" \t()", c) }) {
			local, _, _ := strings.Cut(word, "@")
			if tag := strings.ToLower(local[strings.LastIndex(local, "+")+1:]); isTag(tag) {
				return tag
			}
		}
	}
	return ""
}

func isTag(text string) bool {
	return len(text) > campaigns.BounceTagMax-16 && len(text) <= campaigns.BounceTagMax && strings.Trim(text, tagLetters) == ""
}

// at is the first time that can be read and is not yet to come.
func (r reading) at(texts ...string) time.Time {
	for _, text := range texts {
		if at, err := netmail.ParseDate(text); err == nil && at.Before(r.now) && at.Year() >= 2000 {
			return at.UTC()
		}
	}
	return r.now
}

// ourID is the id that our Message-ID begins with, nil for another's.
func ourID(text string) campaigns.ID {
	local, _, _ := strings.Cut(strings.Trim(text, " <>"), "@")
	if id, err := uuid.Parse(local); err == nil && len(local) == 36 {
		return id
	}
	return campaigns.ID{}
}

// addressOf reads "rfc822; ann@example.org", empty for what is no address.
func addressOf(text string) string {
	text = strings.ToLower(strings.Trim(afterKind(text), " <>"))
	if campaigns.CheckBareAddress(text) != nil {
		return ""
	}
	return text
}

// afterKind is what follows "smtp;" or "rfc822;", or the whole text.
func afterKind(text string) string {
	kind, after, found := strings.Cut(text, ";")
	if !found || strings.ContainsAny(strings.TrimSpace(kind), " \t@") {
		return strings.TrimSpace(text)
	}
	return strings.TrimSpace(after)
}

// fields are those of one block, by name in small letters; of several of one name the first.
type fields map[string]string

// blocksOf reads up to most blocks of fields that empty lines divide, unfolded. What is no field is passed over, and of a
// long one its end.
func blocksOf(content []byte, most int) (blocks []fields) {
	block, name := fields{}, ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, "\r\n")
		key, value, found := strings.Cut(line, ":")
		switch {
		case strings.TrimSpace(line) == "":
			if name = ""; len(block) == 0 {
				continue
			}
			if blocks = append(blocks, block); len(blocks) == most {
				return blocks
			}
			block = fields{}
		case line[0] == ' ' || line[0] == '\t':
			if name != "" && len(block[name]) < fieldBytesMax {
				block[name] += " " + strings.TrimSpace(line)
			}
		case found && key != "" && len(key) <= 80 && !strings.ContainsAny(key, " \t"):
			if name = strings.ToLower(key); block[name] != "" {
				name = ""
				continue
			}
			block[name] = strings.TrimSpace(value)
		default:
			name = ""
		}
	}
	if len(block) > 0 {
		blocks = append(blocks, block)
	}
	return blocks
}
