package engine

import (
	"bytes"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// reasonImport is why an address is on the list that a file names without a reason.
const reasonImport = "import"

// suppressionStaging stages addresses that are never to be sent to: by address, or by the hash under which this list keeps
// those whose owners were erased, as its own export has them.
type suppressionStaging struct {
	r     *importReader
	stage *store.Stage
	row   store.StageRow
	own   []string // the shop's own kinds of address
	hash  func(channel, address string) ([]byte, error)
	read  func(text string) ([]byte, error) // a hash of this list, nil for any other text
}

// Places of the fields.
const (
	suppressedChannel = iota
	suppressedAddress
	suppressedHash
	suppressedReason
	suppressedAt
)

func suppressionImport(r *importReader, own []string, hash func(channel, address string) ([]byte, error), read func(text string) ([]byte, error)) (importShape, importKind) {
	s := &suppressionStaging{r: r, own: own, hash: hash, read: read}
	shape := importShape{fields: []string{"channel", "address", "hash", "reason", "at"}, required: []string{"channel"}}
	return shape, importKind{columns: store.SuppressionStage, open: func(st *store.Stage) error { s.stage = st; return nil }, take: s.take}
}

func (s *suppressionStaging) take(row *importRow) error {
	cell := func(at int) string { return row.cells[at] }
	channel := cell(suppressedChannel)
	address, hash, err := s.named(channel, cell(suppressedAddress), cell(suppressedHash))
	if err != nil {
		return err
	}
	reason := cell(suppressedReason)
	if reason == "" {
		reason = reasonImport
	}
	if err := campaigns.CheckText("reason", reason); err != nil {
		return err
	}
	at := s.r.now
	if text := cell(suppressedAt); text != "" {
		if at, err = s.r.values.time("at", text, s.r.now); err != nil {
			return err
		}
	}
	spread := s.stage.Key(string(hash))
	s.row.Reset()
	s.row.Int4(spread)
	s.row.Int8(row.number)
	s.row.Bytes(hash)
	s.row.Text(channel)
	s.row.TextOrNull(address)
	s.row.Text(reason)
	s.row.Time(at)
	return s.stage.Add(spread, &s.row)
}

// named is whom a row means: an address as it is compared, empty where only its hash is known.
func (s *suppressionStaging) named(channel, address, digits string) (normal string, hash []byte, err error) {
	switch {
	case channel == campaigns.Email:
	case channel == campaigns.SMS:
	case channel == "":
		return "", nil, campaigns.Invalid("channel", "is missing: email, sms, or a kind of address of your own")
	case !slices.Contains(s.own, channel):
		return "", nil, campaigns.Invalid("channel", "there is no kind of address %.40q: use email, sms, or the one that a gateway sends to", channel)
	}
	if digits != "" {
		if hash, err = s.read(digits); err != nil {
			return "", nil, err
		}
		if hash == nil {
			return "", nil, campaigns.Invalid("hash", "is not one of this list's own table: hashes of other services are made in other ways and cannot be compared: bring in the addresses")
		}
	}
	if strings.TrimSpace(address) == "" {
		if hash == nil {
			return "", nil, campaigns.Invalid("address", "is missing, and so is its hash")
		}
		return "", hash, nil
	}
	if plain, has := strings.CutPrefix(address, "'"); has && hash != nil { // our table keeps spreadsheets from taking it for a formula
		if normal, own, err := s.hashed(channel, plain); err == nil && bytes.Equal(own, hash) {
			return normal, own, nil
		}
	}
	normal, own, err := s.hashed(channel, address)
	if err == nil && hash != nil && !bytes.Equal(own, hash) {
		err = campaigns.Invalid("hash", "is not that of the address: leave one of them out")
	}
	return normal, own, err
}

// hashed is an address in the form in which it is compared, and the hash that this list keeps it under.
func (s *suppressionStaging) hashed(channel, address string) (normal string, hash []byte, err error) {
	if normal, err = s.normal(channel, address); err != nil {
		return "", nil, err
	}
	hash, err = s.hash(channel, normal)
	return normal, hash, err
}

// normal is an address in the form in which it is compared.
func (s *suppressionStaging) normal(channel, address string) (string, error) {
	switch channel {
	case campaigns.Email:
		return campaigns.NormalEmail(address)
	case campaigns.SMS:
		return campaigns.NormalPhone(address, s.r.values.country)
	}
	address = strings.TrimSpace(address)
	if len(address) > 300 {
		return "", campaigns.Invalid("address", "is too long")
	}
	return address, campaigns.CheckText("address", address)
}
